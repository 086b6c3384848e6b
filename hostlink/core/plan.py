"""What is to be done to VPP so that one uplink in it is as desired: a pure function of what should be and what is.

The order is VPP's own, dependencies first, and what works is not taken away before what replaces it is there:

 1. MTU (before up: VPP's default of 9000 wedged an af_packet ring), IPv6, no advertisements, up, link-local
 2. addresses to add: never on a port that is down (no glean and local routes then, in some releases)
 3. the host's port: unnumbered (it borrows those addresses), proxies
 4. neighbours to add; tables, then routes to add or replace: attached ones first, then those by a gateway, then the
    packed ones, which are by gateways too
 5. routes, then tables, neighbours and addresses to delete, and a port that is to be down

Two things VPP has no "replace" for, so that the old one goes right before the new one comes: a neighbour with another
MAC, and an address that overlaps with one of another prefix length (refused: vnet/ip/ip4_forward.c).

Some things are only ever switched on (IPv6, suppression, proxies, unnumbered): they end with their interface.
A plan for what is there already is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostlink.core.model import (
    IPInterface,
    VppNeighbour,
    VppPaths,
    VppPort,
    VppRoute,
    VppUplink,
    path_order,
)
from hostlink.core.operations import (
    AddVppAddress,
    AddVppNeighbour,
    AddVppRoute,
    AddVppTable,
    ChangeVppRoutes,
    DeleteVppAddress,
    DeleteVppNeighbour,
    DeleteVppRoute,
    DeleteVppTable,
    EnableIp6,
    EnableNdProxy,
    EnableProxyArp,
    SetLinkLocal,
    SetMtu,
    SetUnnumbered,
    SetUp,
    SuppressAdvertisements,
    VppOperation,
)
from hostlink.core.packed_plan import packed_changes


def plan_uplink(desired: VppUplink, actual: VppUplink) -> tuple[VppOperation, ...]:
    """The operations, in order. Addresses for a port that should be down wait until it should be up."""
    ports = ((desired.uplink, actual.uplink), (desired.host, actual.host))
    plan = plan_before_routes(desired, actual)
    plan += [AddVppTable(table) for table in sorted(desired.tables - actual.tables)]
    plan += _routes(desired, actual)
    packed = packed_changes(desired, actual)
    plan += [ChangeVppRoutes(packed)] if packed else []
    plan += _routes_gone(desired, actual)
    plan += [DeleteVppTable(table) for table in sorted(actual.tables - desired.tables)]
    plan += _neighbours_gone(desired.neighbours, actual.neighbours)
    for step in (_addresses_gone, _down):
        for wanted, there in ports:
            plan += step(wanted, there)
    return tuple(plan)


def plan_before_routes(desired: VppUplink, actual: VppUplink) -> list[VppOperation]:
    """What of the plan comes first: ports and neighbours, so that routes find a way out."""
    plan: list[VppOperation] = []
    for step in (_mtu, _ip6, _no_advertisements, _up, _link_local, _addresses, _host_side):
        for wanted, there in ((desired.uplink, actual.uplink), (desired.host, actual.host)):
            plan += step(wanted, there)
    return plan + list(_neighbours(desired.neighbours, actual.neighbours))


# --------------------------------------------------------------------------------------------------------------- ports


def _mtu(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    if wanted.mtu_bytes != there.mtu_bytes:
        yield SetMtu(wanted.sw_if_index, wanted.mtu_bytes)


def _ip6(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    if wanted.ip6_enabled and not there.ip6_enabled:
        yield EnableIp6(wanted.sw_if_index)


def _no_advertisements(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    if wanted.ra_suppressed and not there.ra_suppressed:
        yield SuppressAdvertisements(wanted.sw_if_index)


def _up(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    if wanted.up and not there.up:
        yield SetUp(wanted.sw_if_index, True)


def _down(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    if there.up and not wanted.up:
        yield SetUp(wanted.sw_if_index, False)


def _link_local(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    """None is not "no link-local": VPP made one itself, and that one may stay."""
    if wanted.link_local is not None and wanted.link_local != there.link_local:
        yield SetLinkLocal(wanted.sw_if_index, wanted.link_local)


def _host_side(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    sw = wanted.sw_if_index
    if wanted.unnumbered_to is not None and wanted.unnumbered_to != there.unnumbered_to:
        yield SetUnnumbered(sw, wanted.unnumbered_to)
    if wanted.proxy_arp and not there.proxy_arp:
        yield EnableProxyArp(sw)
    if wanted.nd_proxy and not there.nd_proxy:
        yield EnableNdProxy(sw)


# ----------------------------------------------------------------------------------------------------------- addresses


def _addresses(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    """Those that clash with nothing come first, so that they carry on while a clashing one is replaced."""
    if not wanted.up:
        return
    missing = _by_address(wanted.addresses - there.addresses)
    in_the_way = {new: _clashes(new, there.addresses - wanted.addresses) for new in missing}
    gone: set[IPInterface] = set()
    for new in sorted(missing, key=lambda new: bool(in_the_way[new])):
        for old in in_the_way[new]:
            if old not in gone:
                gone.add(old)
                yield DeleteVppAddress(wanted.sw_if_index, old)
        yield AddVppAddress(wanted.sw_if_index, new)


def _addresses_gone(wanted: VppPort, there: VppPort) -> Iterator[VppOperation]:
    gone_before = {operation for operation in _addresses(wanted, there) if isinstance(operation, DeleteVppAddress)}
    for old in _by_address(there.addresses - wanted.addresses):
        operation = DeleteVppAddress(wanted.sw_if_index, old)
        if operation not in gone_before:
            yield operation


def _clashes(new: IPInterface, there: Iterable[IPInterface]) -> list[IPInterface]:
    return [old for old in _by_address(there) if clash(new, old)]


def clash(one: IPInterface, other: IPInterface) -> bool:
    """Whether VPP refuses the one while it has the other: overlapping networks of different lengths."""
    if one.version != other.version:
        return False
    overlaps = one.network.overlaps(other.network)
    return overlaps and (one.network.prefixlen != other.network.prefixlen or one.ip == other.ip)


def _by_address(interfaces: Iterable[IPInterface]) -> list[IPInterface]:
    return sorted(interfaces, key=lambda i: (i.version, int(i.ip), i.network.prefixlen))


# ---------------------------------------------------------------------------------------------------------- neighbours


def _neighbours(desired: frozenset[VppNeighbour], actual: frozenset[VppNeighbour]) -> Iterator[VppOperation]:
    there = {_key(neighbour): neighbour for neighbour in actual}
    for neighbour in _in_order(desired - actual):
        old = there.get(_key(neighbour))
        if old is not None:
            yield DeleteVppNeighbour(old)
        yield AddVppNeighbour(neighbour)


def _neighbours_gone(desired: frozenset[VppNeighbour], actual: frozenset[VppNeighbour]) -> Iterator[VppOperation]:
    wanted = {_key(neighbour) for neighbour in desired}
    return (DeleteVppNeighbour(old) for old in _in_order(actual) if _key(old) not in wanted)


def _key(neighbour: VppNeighbour) -> tuple[int, int, int]:
    return neighbour.sw_if_index, neighbour.address.version, int(neighbour.address)


def _in_order(neighbours: Iterable[VppNeighbour]) -> list[VppNeighbour]:
    return sorted(neighbours, key=_key)


# -------------------------------------------------------------------------------------------------------------- routes


def _routes(desired: VppUplink, actual: VppUplink) -> Iterator[VppOperation]:
    """An add of a prefix that is there replaces all its paths at once. (The packed ones are all by gateways.)"""
    new = desired.routes - actual.routes
    if not new:
        return
    there = {(route.table_id, route.prefix): route for route in actual.routes}
    for route in sorted(new, key=route_order):
        if not _same(route.paths, actual.paths_at(route.table_id, route.prefix, there)):
            yield AddVppRoute(route)


def _routes_gone(desired: VppUplink, actual: VppUplink) -> Iterator[VppOperation]:
    """Those by a gateway first: what leans on the others goes before them."""
    old = actual.routes - desired.routes
    if not old:
        return
    wanted = {(route.table_id, route.prefix): route for route in desired.routes}
    for route in sorted(old, key=route_order, reverse=True):
        if desired.paths_at(route.table_id, route.prefix, wanted) is None:
            yield DeleteVppRoute(route)


def _same(one: VppPaths, other: VppPaths | None) -> bool:
    """Whether both are the same paths, in any order."""
    return other is not None and sorted(one, key=path_order) == sorted(other, key=path_order)


def route_order(route: VppRoute) -> tuple[bool, int, int, int, int]:
    """Sort key for adding: attached routes before those by a gateway. The other way round for deleting."""
    by_gateway = any(path.next_hop is not None for path in route.paths)
    prefix = route.prefix
    return by_gateway, route.table_id, prefix.version, int(prefix.network_address), prefix.prefixlen
