"""Routes of a DHCP client that hostlink put back: when a copy has done its work.

A client that sees the NIC go and the host link come (dhcpcd, NetworkManager) sets its routes anew, and gives them a
metric of its own making: dhcpcd by the link's index, NetworkManager by its kind. The copy of the old one would stay
beside it, known to nobody, and win for ever with a gateway that the next lease may not have. So it goes as soon as the
client's own is there. A client that knows nothing of the change (udhcpc, dhclient) makes none, and the copy is its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hostlink.core.model import HostView, IPAddress, Prefix, Route
from hostlink.core.operations import AddHostRoute, HostOperation
from hostlink.core.route_set import of_kind

RTPROT_DHCP = 16
"""include/uapi/linux/rtnetlink.h"""


def put_back(plan: Iterable[HostOperation]) -> frozenset[Route]:
    """The clients' routes that a plan puts on the host link."""
    added = (operation.route for operation in plan if isinstance(operation, AddHostRoute))
    return frozenset(route for route in added if route.protocol == RTPROT_DHCP)


def still_there(view: HostView, copies: Collection[Route]) -> frozenset[Route]:
    """Those that nobody has taken away or changed since: the same but for the link's index."""
    there = {_same(route) for route in _leased(view)}
    return frozenset(copy for copy in copies if _same(copy) in there)


def superseded_copies(view: HostView, copies: Collection[Route]) -> tuple[Route, ...]:
    """The routes of the view that are copies, and have the client's own of the same prefix beside them."""
    known = {_same(copy) for copy in copies}
    leased = _leased(view)
    own = {_to(route) for route in leased if _same(route) not in known}
    return tuple(route for route in leased if _same(route) in known and _to(route) in own)


def _leased(view: HostView) -> list[Route]:
    return list(of_kind(view.routes, lambda route: route.protocol == RTPROT_DHCP))


def _to(route: Route) -> tuple[int, Prefix, int]:
    return route.table, route.prefix, route.tos


def _same(route: Route) -> tuple[tuple[int, Prefix, int], int, int, tuple[IPAddress | None, ...]]:
    return _to(route), route.protocol, route.metric, tuple(hop.gateway for hop in route.next_hops)
