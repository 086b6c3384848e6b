"""The routes that hostlink itself adds to the host: towards the cluster's services and pods, through VPP.

Each goes by the default gateway of its family, or, where there is none, by a made-up next hop inside the uplink's
subnet: VPP answers ARP and ND for everybody there, so the packet reaches VPP all the same. The MTU leaves room for what
an overlay puts around the packet.

They are hostlink's alone. What hostlink added is in the journal, tuple by tuple, before it is on the host; only a route
that is there exactly as the journal has it is ever deleted, and a prefix for which somebody else has a route in the
main table is left to them and told (HL-302).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hostlink.core.desired_routes import RTN_UNICAST, metric, route_key, route_text
from hostlink.core.host_addresses import usable
from hostlink.core.model import Address, Family, HostView, IPAddress, NextHop, Prefix, Problem, Route
from hostlink.core.operations import AddHostRoute, DeleteHostRoute, HostOperation
from hostlink.core.route_set import apart, at
from hostlink.core.vpp_tables import RT_TABLE_MAIN

FOREIGN_ROUTE = "HL-302"
NO_NEXT_HOP = "HL-303"

RTPROT_STATIC = 4
METRICS = {Family.IPV4: 0, Family.IPV6: 1024}
"""The kernel's defaults, as a dump shows them."""


def desired_cluster(
    view: HostView, service_cidrs: Iterable[Prefix], pod_cidrs: Iterable[Prefix], encap_overhead: int
) -> tuple[Route, ...]:
    """The routes that should be there, each prefix once. One without a way is left out: see `cluster_gaps`.

    encap_overhead: bytes that an overlay adds to a packet.
    """
    hops = {family: next_hop(view, family) for family in Family}
    return tuple(
        Route(
            prefix=prefix,
            table=RT_TABLE_MAIN,
            next_hops=(hop,),
            type=RTN_UNICAST,
            protocol=RTPROT_STATIC,
            metric=METRICS[Family(prefix.version)],
            mtu_bytes=view.link.mtu_bytes - encap_overhead,
        )
        for prefix in dict.fromkeys((*service_cidrs, *pod_cidrs))
        if (hop := hops[Family(prefix.version)]) is not None
    )


def cluster_gaps(view: HostView, service_cidrs: Iterable[Prefix], pod_cidrs: Iterable[Prefix]) -> tuple[Problem, ...]:
    """The prefixes to which there is no way: the uplink has neither a default gateway nor a subnet of their family."""
    missing = {family for family in Family if next_hop(view, family) is None}
    return tuple(
        Problem(NO_NEXT_HOP, f"{view.link.name}: no route to {prefix}: no gateway and no subnet in IPv{prefix.version}")
        for prefix in dict.fromkeys((*service_cidrs, *pod_cidrs))
        if Family(prefix.version) in missing
    )


def next_hop(view: HostView, family: Family) -> NextHop | None:
    """The way into VPP for that family: the default gateway with the lowest metric, else an address of the subnet."""
    index = view.link.index
    there = (r for r in apart(view.routes) if r.prefix.prefixlen == 0 and r.table == RT_TABLE_MAIN)
    defaults = [r for r in there if r.family is family]
    for route in sorted(defaults, key=metric):
        for hop in route.next_hops:
            if route.type == RTN_UNICAST and hop.link_index == index and hop.gateway is not None:
                return NextHop(index, hop.gateway, onlink=hop.onlink)
    gateway = _made_up(view.addresses, family)
    return None if gateway is None else NextHop(index, gateway)


def _made_up(addresses: Collection[Address], family: Family) -> IPAddress | None:
    """The first host address that is not ours, of the first subnet that has one."""
    ours = {address.interface.ip for address in addresses}
    for address in addresses:
        network = address.interface.network
        if address.family is not family or not usable(address) or address.peer or _link_local6(address):
            continue
        for offset in range(1, min(len(ours) + 1, network.num_addresses - 2) + 1):
            made = network.network_address + offset
            if made not in ours:
                return made
    return None


def _link_local6(address: Address) -> bool:
    return address.family is Family.IPV6 and address.interface.is_link_local


# ---------------------------------------------------------------------------------------------------------------- plan


def plan_cluster(
    desired: Collection[Route], view: HostView, owned_before: Collection[Route]
) -> tuple[tuple[HostOperation, ...], tuple[Problem, ...]]:
    """What to do on the host, in order, and the prefixes that are somebody else's.

    desired: by desired_cluster. view: the host now. owned_before: what the journal says that hostlink added. The kernel
    takes no second route of the same prefix and metric, so where ours is to change it goes first.
    """
    index, prefixes = view.link.index, {route.prefix for route in (*desired, *owned_before)}
    there = {_said(r): r for r in at(view.routes, prefixes) if r.table == RT_TABLE_MAIN}
    added = {_whose(route) for route in owned_before}
    ours = {said for said, route in there.items() if _whose(route) in added}
    foreign = {route.prefix: route for said, route in there.items() if said not in ours}
    wanted = {_said(route): route for route in desired if route.prefix not in foreign}

    stale = [route for said, route in there.items() if said in ours and said not in wanted]
    missing = [route for said, route in wanted.items() if said not in ours]
    replaced = {route_key(route) for route in missing}
    first = [DeleteHostRoute(index, route) for route in stale if route_key(route) in replaced]
    last = [DeleteHostRoute(index, route) for route in stale if route_key(route) not in replaced]
    add = [AddHostRoute(index, index, route) for route in missing]
    problems = tuple(_taken(view, foreign[route.prefix]) for route in desired if route.prefix in foreign)
    return (*first, *add, *last), problems


def _taken(view: HostView, route: Route) -> Problem:
    detail = f"{view.link.name}: the host has a route of its own for a prefix of the cluster: {route_text(route)}"
    return Problem(FOREIGN_ROUTE, detail)


def _said(route: Route) -> tuple[object, ...]:
    """What the journal can say of a route for as long as it lives; the link's index changes with the link."""
    hops = tuple((hop.gateway, hop.onlink) for hop in route.next_hops)
    return (*_whose(route), hops, route.mtu_bytes)


def _whose(route: Route) -> tuple[object, ...]:
    """What tells ours from another's. Not the MTU: the kernel rewrites an IPv6 route's when the link's changes."""
    gateways = tuple(hop.gateway for hop in route.next_hops)
    return (*route_key(route), route.type, route.protocol, gateways)
