"""A link as it will be when a plan for it has been carried out, for whoever wants to know what would come after.

What the kernel does by itself is foreseen as far as hostlink's own plans count on it (plan_host.py): with an address
come its routes, and what leads nowhere was never the link's. Its numbers for what it decides stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hostlink.core.model import HostView, NextHop, Route
from hostlink.core.operations import AddHostAddress, AddHostRoute, ChangeHostAddress, HostOperation
from hostlink.core.plan_host import KernelMakes


def carried(wanted: HostView, there: HostView, plan: Iterable[HostOperation]) -> HostView:
    """`there` after `plan`, which makes it carry `wanted` but for the name and the MAC (plan_host, not exact)."""
    operations = tuple(plan)
    flags = {one.address.interface: one.address.flags for one in operations if isinstance(one, AddHostAddress)}
    flags |= {one.address.interface: one.address.flags for one in operations if isinstance(one, ChangeHostAddress)}
    addresses = tuple(replace(one, flags=flags.get(one.interface, one.flags)) for one in wanted.addresses)
    added = [one.route for one in operations if isinstance(one, AddHostRoute)]
    kernel = KernelMakes(wanted.addresses)
    by_itself = [one for one in wanted.routes if kernel.made(one) or one.leads_nowhere]
    hops = _Hops(wanted.link.index, there.link.index)
    new = (replace(one, next_hops=hops.of(one)) for one in (*by_itself, *added))
    routes = tuple(dict.fromkeys((*there.routes, *new)))
    link = replace(wanted.link, index=there.link.index, name=there.link.name, mac=there.link.mac)
    return replace(wanted, link=link, addresses=addresses, routes=routes)


class _Hops:
    """Next hops said of the other link. A full table has a handful, 100,000 times."""

    def __init__(self, before: int, after: int) -> None:
        self._before, self._after = before, after
        self._known: dict[tuple[NextHop, ...], tuple[NextHop, ...]] = {}

    def of(self, route: Route) -> tuple[NextHop, ...]:
        found = self._known.get(route.next_hops)
        if found is None:
            found = tuple(
                replace(hop, link_index=self._after) if hop.link_index == self._before else hop
                for hop in route.next_hops
            )
            self._known[route.next_hops] = found
        return found
