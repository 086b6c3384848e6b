"""Gateways that VPP would never hear: those that are in no network of the link's (`via X onlink`, a /32 uplink).

Linux asks for whatever gateway a route says. VPP asks too, and then drops the answer of who is not attached: "source
not local to subnet" (vnet/arp/arp.c, arp_reply; for IPv6 vnet/ip6-nd/ip6_nd.c, where a default route over the link is
enough). The packets for that gateway wait for ever. So each of them gets a host route to the link in VPP, which makes
it attached. For a packet to the gateway itself that is the way that Linux would not take; whoever routes by a neighbour
means that it is one.

In one case that cannot be: where the host has another way to the very gateway, VPP would lose that. It is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from hostlink.core.model import (
    IPAddress,
    IPInterface,
    NextHop,
    PathType,
    Prefix,
    Problem,
    Route,
    VppPath,
    VppPaths,
    VppRoute,
)
from hostlink.core.route_set import Place, place_of

NONE_PACKED: Mapping[Place, VppPaths] = MappingProxyType({})

NOT_EXPRESSIBLE = "HL-301"
"""A code of the register in hostlink/problems/, which core does not import: a test holds the two together."""


def attaching(
    link_name: str,
    routes: Collection[VppRoute],
    interfaces: Iterable[IPInterface],
    uplink_sw: int,
    packed: Mapping[Place, VppPaths] = NONE_PACKED,
    ways: Collection[VppPaths] = (),
) -> tuple[frozenset[VppRoute], tuple[Problem, ...]]:
    """The host routes that `routes` need beside them, and what cannot be.

    interfaces: the uplink's addresses in VPP. packed: more routes, all by gateways or to nowhere; ways: their paths.
    """
    leaning = leaning_on(routes, interfaces, uplink_sw, ways)
    if not leaning:
        return frozenset(), ()
    there = {route.prefix: route for route in routes if route.table_id == 0}
    on_link = [prefix for prefix, route in there.items() if _is_on_link(route, uplink_sw)]
    found, problems = [], []
    for gateway in sorted(leaning, key=lambda one: (one.version, int(one))):
        prefix: Prefix = ip_network(gateway)
        if any(gateway in network for network in on_link if network.version == gateway.version):
            continue
        if prefix in there or place_of(prefix) in packed:
            text = f"{link_name}: the gateway {gateway} is on the link and is routed another way: VPP cannot reach it"
            problems.append(Problem(NOT_EXPRESSIBLE, text))
        else:
            found.append(VppRoute(0, prefix, (VppPath(uplink_sw, gateway),)))
    return frozenset(found), tuple(problems)


def leaning_on(
    routes: Iterable[VppRoute],
    interfaces: Iterable[IPInterface],
    uplink_sw: int,
    ways: Iterable[VppPaths] = (),
) -> frozenset[IPAddress]:
    """The gateways that no address of the uplink makes neighbours: they lean on an on-link route, or on nothing.

    ways: paths of more routes, none of which is its own gateway's.
    """
    connected = tuple({interface.network for interface in interfaces})
    gateways = {
        _gateway(path, route.prefix) for route in routes for path in route.paths if path.sw_if_index == uplink_sw
    }
    gateways |= {path.next_hop for paths in ways for path in paths if path.sw_if_index == uplink_sw}
    return frozenset(one for one in gateways if one is not None and not is_neighbour(one, connected))


def is_neighbour(gateway: IPAddress, connected: Iterable[Prefix]) -> bool:
    """Whether VPP takes its answer because of an address. Link-local ones are always taken."""
    if gateway.version == 6 and gateway.is_link_local:
        return True
    return any(gateway in network for network in connected if network.version == gateway.version)


@dataclass(frozen=True, slots=True)
class Leaning:
    """What a single route's change may have to do with other routes: by it none of that is followed.

    link_index: the host's. connected: the networks of the uplink's addresses. gateways: `leaning_on` of all routes.
    """

    link_index: int
    connected: frozenset[Prefix] = frozenset()
    gateways: frozenset[IPAddress] = frozenset()
    _last: list[Any] = field(default_factory=lambda: [None, False, False], compare=False, repr=False)
    """[next hops, what was said where they come, and where they go]: all routes of a storm share theirs."""

    def concerns(self, route: Route, *, gone: bool) -> bool:
        """Whether a gateway's host route comes, goes or becomes needless with it."""
        last = self._last
        if last[0] is not route.next_hops:
            last[:] = route.next_hops, self._any(route.next_hops, False), self._any(route.next_hops, True)
        return bool(last[2 if gone else 1])

    def _any(self, hops: Iterable[NextHop], gone: bool) -> bool:
        return any(hop.link_index == self.link_index and self._by(hop.gateway, gone) for hop in hops)

    def _by(self, gateway: IPAddress | None, gone: bool) -> bool:
        if gateway is None:
            return bool(self.gateways)
        if gone:
            return gateway in self.gateways
        return gateway not in self.gateways and not is_neighbour(gateway, self.connected)


def _gateway(path: VppPath, prefix: Prefix) -> IPAddress | None:
    """None where it leads to the link itself: VPP shows a host route there as by the host itself."""
    itself = prefix.network_address if prefix.prefixlen == prefix.max_prefixlen else None
    return path.next_hop if path.next_hop != itself else None


def _is_on_link(route: VppRoute, uplink_sw: int) -> bool:
    return any(
        path.type is PathType.NORMAL and path.sw_if_index == uplink_sw and _gateway(path, route.prefix) is None
        for path in route.paths
    )
