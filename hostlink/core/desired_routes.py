"""The host's routes as VPP takes them: one entry for a prefix, with all its paths.

Linux keeps several routes for a prefix and takes the one with the lowest metric; VPP keeps one entry whose paths have
a preference of 8 bits. The order survives, not the number: the preference is the rank of the metric (F32).

Left out, because VPP makes them itself or has its own way: what an address brings along (its network, itself, IPv4's
network and broadcast addresses: there the interface's own entry wins and hostlink's would never show), multicast and
link-local prefixes, table `local`, and hostlink's own cluster routes. What else has no form in VPP is told (HL-301).

The host's other tables have tables of their own in VPP (vpp_tables.py), in which the uplink's addresses have brought
nothing along. What leads nowhere is of no link: it goes along where something else of its table leads to the uplink.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from hostlink.core.model import (
    HostView,
    IPAddress,
    IPInterface,
    NextHop,
    PathType,
    Prefix,
    Problem,
    Route,
    VppPath,
    VppRoute,
    VppTable,
    path_order,
)
from hostlink.core.route import metric as metric
from hostlink.core.route_set import by_key
from hostlink.core.vpp_tables import MARK, RT_TABLE_LOCAL, RT_TABLE_MAIN, host_table_of, leads_out, vpp_table_id

NOT_EXPRESSIBLE, TABLE_TAKEN = "HL-301", "HL-309"

RTN_UNICAST = 1
SPECIAL_PATHS = {6: PathType.DROP, 7: PathType.ICMP_UNREACH, 8: PathType.ICMP_PROHIBIT}
"""RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT (include/uapi/linux/rtnetlink.h)."""
_ANSWERED = (PathType.ICMP_UNREACH, PathType.ICMP_PROHIBIT)
KERNELS_OWN_TYPES = (2, 3, 4, 5)
"""RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST: made for addresses, answered for by the punt path."""
LARGEST_PREFERENCE = 255
LARGEST_WEIGHT = 255

RouteKey = tuple[int, Prefix, int, int]


Answer = tuple[VppRoute | None, tuple[Problem, ...]]
"""What VPP should have for one prefix, and what of it VPP cannot have."""


def vpp_routes(
    view: HostView,
    interfaces: Collection[IPInterface],
    uplink_sw: int,
    cluster: Collection[Route],
    taken: Collection[VppTable] = (),
    answers: bool = True,
) -> tuple[frozenset[VppRoute], tuple[Problem, ...]]:
    """The routes of VPP's tables for `interfaces` (as VPP has them) on the uplink, and what could not be expressed.

    taken: VPP's tables that are other clients': what would be in them is told by `taken_tables`. answers: whether this
    VPP's tables beside 0 may have routes that answer by ICMP.
    """
    return of_values(translator_for(view, interfaces, uplink_sw, cluster, taken, answers), view.routes)


def of_values(translator: Translator, values: Iterable[Route]) -> tuple[frozenset[VppRoute], tuple[Problem, ...]]:
    """`vpp_routes` of these; of a prefix all or none are among them."""
    found: set[VppRoute] = set()
    elsewhere: list[VppRoute] = []
    problems: list[Problem] = []
    for routes in by_key(values).values():
        wanted, lacks = translator.of_prefix(routes)
        if wanted is not None:
            found.add(wanted)
            if wanted.table_id:
                elsewhere.append(wanted)
        problems += lacks
    if elsewhere:
        alive = {(route.table_id, route.prefix.version) for route in elsewhere if leads_out(route)}
        found -= {route for route in elsewhere if (route.table_id, route.prefix.version) not in alive}
    return frozenset(found), tuple(problems)


def translator_for(
    view: HostView,
    interfaces: Collection[IPInterface],
    uplink_sw: int,
    cluster: Collection[Route],
    taken: Collection[VppTable] = (),
    answers: bool = True,
) -> Translator:
    """The translator for the routes of that view."""
    vpps_own = frozenset(_brought_along(interfaces))
    return Translator(
        link_name=view.link.name,
        link_index=view.link.index,
        uplink_sw=uplink_sw,
        vpps_own=vpps_own,
        on_link=vpps_own | {address.interface.network for address in view.addresses if address.peer is None},
        ours=frozenset(map(route_key, cluster)),
        taken=frozenset((table.table_id, int(table.family)) for table in taken),
        answers=answers,
    )


@dataclass(frozen=True, slots=True)
class Translator:
    """Says what VPP should have for the host's routes, one prefix after another: it does not look at other prefixes."""

    link_name: str
    link_index: int
    uplink_sw: int
    vpps_own: frozenset[Prefix]
    """The prefixes that VPP has entries of its own for because of the uplink's addresses."""
    on_link: frozenset[Prefix]
    """Those, and the networks of the host's addresses."""
    ours: frozenset[RouteKey]
    """Routes that hostlink itself added to the host."""
    taken: frozenset[tuple[int, int]] = frozenset()
    """(table of VPP's, IP version) that another client has."""
    answers: bool = True
    """Whether other tables than 0 may have routes that answer by ICMP (vpp/quirks.py)."""
    _by_gateway: dict[IPAddress, tuple[VppPath, ...]] = field(default_factory=dict, compare=False, repr=False)

    def of_prefix(self, routes: Collection[Route]) -> Answer:
        """For all routes of one prefix in one table of the host."""
        if len(routes) == 1:
            (route,) = routes
            if (paths := self._plain(route)) is not None:
                table = route.table
                return VppRoute(0 if table == RT_TABLE_MAIN else MARK ^ table, route.prefix, paths), ()
        return self._of_any(routes)

    def _plain(self, route: Route) -> tuple[VppPath, ...] | None:
        """The paths of a route as nearly all are: by one gateway, with nothing that needs a second look. Else None.

        A full table has 100,000 of them by a handful of gateways: what is said of one next hop is remembered.
        """
        if route.type != RTN_UNICAST or route.tos or route.source_prefix is not None:
            return None
        hops = route.next_hops
        if len(hops) != 1 or hops[0].link_index != self.link_index or (gateway := hops[0].gateway) is None:
            return None
        if _unrouted(route.prefix) or (self.ours and route_key(route) in self.ours):
            return None
        if route.table == RT_TABLE_MAIN:
            if route.prefix in self.vpps_own:
                return None
        elif self.place((route.table, route.prefix)) is None:
            return None
        paths = self._by_gateway.get(gateway)
        if paths is None:
            paths = self._by_gateway[gateway] = (VppPath(self.uplink_sw, gateway),)
        return paths

    def _of_any(self, routes: Collection[Route]) -> Answer:
        taken: list[Route] = []
        problems: list[Problem] = []
        for route in filter(self._mirrored, routes):
            lack = self._lack(route)
            if lack is None:
                taken.append(route)
                if len(route.next_hops) > 1 and not all(hop.link_index == self.link_index for hop in route.next_hops):
                    lack = "its next hops by other interfaces are left out"
                elif self._is_silent(route):
                    lack = "this VPP does not survive an answer in a table of its own: it drops without one"
            if lack is not None:
                problems.append(self._problem(route, lack))
        if len(taken) > 1:
            taken.sort(key=metric)
            for route in taken[LARGEST_PREFERENCE + 1 :]:
                problems.append(self._problem(route, "VPP has 256 preferences for a prefix, and this is one more"))
            del taken[LARGEST_PREFERENCE + 1 :]
        if not taken:
            return None, tuple(problems)
        place = self.place((taken[0].table, taken[0].prefix))
        assert place is not None
        paths = _paths(taken, self.link_index, self.uplink_sw, silent=not self.answers and place[0] != 0)
        return VppRoute(*place, paths), tuple(problems)

    def _is_silent(self, route: Route) -> bool:
        """Whether VPP may only drop what the host answers by ICMP."""
        return not self.answers and route.table != RT_TABLE_MAIN and SPECIAL_PATHS.get(route.type) in _ANSWERED

    @property
    def set_apart(self) -> set[Prefix]:
        """The prefixes of which more must be looked at than what routes elsewhere say alike."""
        return {*self.vpps_own, *self.on_link, *(prefix for _, prefix, _, _ in self.ours)}

    def paths_anywhere(self, route: Route) -> tuple[VppPath, ...] | None:
        """What VPP should have for the route in its table 0, whatever its prefix; None: that hangs on the prefix, or
        there is something to tell, or nothing to have."""
        if route.type == RTN_UNICAST and not all(hop.gateway is not None for hop in route.next_hops):
            return None
        wanted, lacks = self.of_prefix([route])
        return wanted.paths if wanted is not None and not lacks and wanted.table_id == 0 else None

    def place(self, key: tuple[int, Prefix]) -> tuple[int, Prefix] | None:
        """Where VPP has the routes of one prefix of one of the host's tables: (VPP's table, prefix)."""
        if key[0] == RT_TABLE_MAIN:
            return 0, key[1]
        table, prefix = key
        table_id = None if table == RT_TABLE_LOCAL else vpp_table_id(table)
        if table_id is None or (self.taken and (table_id, prefix.version) in self.taken):
            return None
        return table_id, prefix

    def _problem(self, route: Route, lack: str) -> Problem:
        return Problem(NOT_EXPRESSIBLE, f"{self.link_name}: {route_text(route)}: {lack}")

    def _mirrored(self, route: Route) -> bool:
        """Whether VPP should have it, or an operator should hear of it."""
        if route.type in KERNELS_OWN_TYPES or route.table == RT_TABLE_LOCAL or _unrouted(route.prefix):
            return False
        if route.table != RT_TABLE_MAIN:
            if self.taken and (MARK ^ route.table, route.prefix.version) in self.taken:
                return False  # told for the whole table
        elif route.prefix in self.on_link and route.type == RTN_UNICAST and not _by_gateway(route):
            return False
        return not self.ours or route_key(route) not in self.ours

    def _lack(self, route: Route) -> str | None:
        """What VPP has no word for, or None."""
        if vpp_table_id(route.table) is None:
            return f"VPP has no number left for table {route.table}"
        if route.source_prefix is not None and route.source_prefix.prefixlen:
            return f"VPP's routes do not look at the source ({route.source_prefix})"
        if route.tos:
            return f"VPP's routes do not look at the TOS ({route.tos:#04x})"
        if route.prefix in self.vpps_own and route.table == RT_TABLE_MAIN:
            return "in VPP the uplink's own address has that prefix, and wins"
        if route.type == RTN_UNICAST:
            return _no_way(route, self.link_index)
        return None if route.type in SPECIAL_PATHS else f"routes of type {route.type} do not exist in VPP"


def route_key(route: Route) -> RouteKey:
    """What tells two routes of the host apart, next hops aside: table, prefix, metric, TOS."""
    return route.table, route.prefix, metric(route), route.tos


def route_text(route: Route) -> str:
    """The route as `ip route` would say it, in short."""
    kinds = {6: "blackhole ", 7: "unreachable ", 8: "prohibit "}
    hops = [f" via {hop.gateway}" if hop.gateway is not None else "" for hop in route.next_hops]
    words = f"{kinds.get(route.type, '')}{'default' if route.prefix.prefixlen == 0 else route.prefix}"
    words += f" ({route.family.name.replace('V', 'v')})" if route.prefix.prefixlen == 0 else ""
    words += hops[0] if len(hops) == 1 else f" with {len(hops)} next hops" if hops else ""
    words += f" metric {route.metric}" if route.metric else ""
    words += f" mtu {route.mtu_bytes}" if route.mtu_bytes else ""
    return words + (f" table {route.table}" if route.table != RT_TABLE_MAIN else "")


# ------------------------------------------------------------------------------------------------------ which, and why


def taken_tables(
    name: str, taken: Mapping[VppTable, str], routes: Iterable[Route], link_index: int
) -> tuple[Problem, ...]:
    """Of VPP's tables that are other clients', by name, those that the host's routes would be in.

    name: the uplink's. routes: the host's, of all tables.
    """
    numbers = {host_table_of(table.table_id) for table in taken} - {RT_TABLE_MAIN}
    if not numbers:
        return ()
    there = {(one.table, one.family) for one in routes if one.table in numbers and by_link(one, link_index)}
    return tuple(
        Problem(
            TABLE_TAKEN,
            f"{name}: IPv{int(table.family)} table {host_table_of(table.table_id)} of the host is not mirrored: "
            f"VPP's table {table.table_id} is called {whose!r}",
        )
        for table, whose in sorted(taken.items())
        if (host_table_of(table.table_id), table.family) in there
    )


def by_link(route: Route, link_index: int) -> bool:
    """Whether packets that VPP could forward follow it to the link."""
    return route.type == RTN_UNICAST and route.uses(link_index) and not _unrouted(route.prefix)


def _no_way(route: Route, link_index: int) -> str | None:
    if not route.next_hops:
        return f"its next hops are in nexthop object {route.nexthop_id}, which was not resolved"
    return None if route.uses(link_index) else "it leaves by another interface"


def _unrouted(prefix: Prefix) -> bool:
    """Multicast, IPv4's reserved block with its broadcast, IPv6 link-local: VPP has entries of its own for them."""
    first = int(prefix.network_address)
    if prefix.version == 4:
        return first >> 29 == 0b111 and prefix.prefixlen >= 3
    return (first >> 120 == 0xFF and prefix.prefixlen >= 8) or (first >> 118 == 0xFE80 >> 6 and prefix.prefixlen >= 10)


def _brought_along(interfaces: Iterable[IPInterface]) -> Iterator[Prefix]:
    """The prefixes that VPP has entries of its own for because of an address (vnet/ip/ip4_forward.c, ip6_forward.c)."""
    for one in interfaces:
        yield one.network
        if one.version == 4:
            ends = (one.ip, one.network.network_address, one.network.broadcast_address)
            yield from (IPv4Network(int(ip)) for ip in ends)
        else:
            yield IPv6Network(int(one.ip))


# --------------------------------------------------------------------------------------------------------------- paths


def _paths(routes: list[Route], link_index: int, uplink_sw: int, *, silent: bool) -> tuple[VppPath, ...]:
    paths: list[VppPath] = []
    for rank, route in enumerate(routes):
        if route.type in SPECIAL_PATHS:
            kind = PathType.DROP if silent else SPECIAL_PATHS[route.type]
            paths.append(VppPath(preference=rank, type=kind))
        else:
            hops = [hop for hop in route.next_hops if hop.link_index == link_index]
            paths += _hops(hops, _itself(route.prefix), rank, uplink_sw)
    return tuple(sorted(paths, key=path_order))


def _itself(prefix: Prefix) -> IPAddress | None:
    """The next hop that VPP gives a /32 or /128 on the link: the host itself (vnet/fib/fib_table.c)."""
    return prefix.network_address if prefix.prefixlen == prefix.max_prefixlen else None


def _hops(hops: list[NextHop], attached: IPAddress | None, rank: int, uplink_sw: int) -> Iterator[VppPath]:
    """A next hop that is said twice weighs as much as both. (Nearly all routes have one: it goes the short way.)"""
    if len(hops) == 1:
        yield VppPath(uplink_sw, hops[0].gateway or attached, 1, rank)
        return
    weights: Counter[object] = Counter()
    for hop in hops:
        weights[hop.gateway or attached] += max(hop.weight, 1)
    for gateway in {hop.gateway or attached: None for hop in hops}:
        yield VppPath(uplink_sw, gateway, min(weights[gateway], LARGEST_WEIGHT), rank)


def _by_gateway(route: Route) -> bool:
    return any(hop.gateway is not None for hop in route.next_hops)
