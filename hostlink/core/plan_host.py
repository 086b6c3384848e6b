"""What is to be done on the host so that one link carries what a snapshot says: a pure function of two views.

Used to fill the host interface from the journal, and the NIC when it is given back; the two links have different
indices, and what the snapshot says of its own link is said of the other one here. In order, dependencies first:

 1. MAC, MTU and the like (a new MTU resets IPv6's own); sysctls; the token of advertised addresses, which a link that
    reads no advertisements does not take; altnames, multicast addresses, queueing
 2. addresses, in their order, so that a primary one stays primary; before up, so that the kernel makes no link-local of
    its own beside ours and no DHCP client starts on the wrong one
 3. up; routes without a gateway, then those by a gateway; neighbours; rules

Some things wait for another look, because what comes before them changes more than itself. A link that should be down
goes down alone: the kernel takes its routes and IPv6 addresses away with it. With `exact`, what the snapshot lacks is
deleted when all that it has is there: routes by a gateway first, addresses last. And what the kernel makes by itself
(the routes of an address, table `local`, multicast) is only added when it is the only thing that is still missing.

A default route by router advertisement comes back with a worse metric where the kernel reads advertisements: with the
metric of the kernel's own, the kernel would drop the rest of each later advertisement, prefixes included (measured,
Linux 6.18). It bridges the time to the next one, and expires. Of several routers each gets a metric of its own.

Of addresses: host_addresses.py.
(kernel: include/uapi/linux/rtnetlink.h, include/uapi/linux/fib_rules.h)
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv6Address

from hostlink.core.advertised import advertised_default
from hostlink.core.host_addresses import (
    IFA_F_NOPREFIXROUTE,
    addresses_to_add,
    addresses_to_delete,
    addresses_to_settle,
    on_link,
)
from hostlink.core.model import Address, Family, HostView, Link, Route, Rule
from hostlink.core.operations import (
    AddAltname,
    AddHostNeighbour,
    AddHostRoute,
    AddHostRule,
    AddMulticast,
    AddQdisc,
    DeleteHostRoute,
    DeleteQdisc,
    HostOperation,
    SetHostLink,
    SetSysctl,
    SetToken,
)
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import Alike, Routes, RouteSet, apart, at, items, of_kind

# include/uapi/linux/rtnetlink.h
RTPROT_KERNEL = 2
RT_TABLE_LOCAL = 255

# include/uapi/linux/fib_rules.h: struct fib_rule_hdr ends with its flags.
_RULE_FLAGS_AT = 8
_DETACHED = 0x04 | 0x08 | 0x10
"""FIB_RULE_UNRESOLVED, _IIF_DETACHED, _OIF_DETACHED: what the kernel found, not what the rule says."""


def plan_host(
    desired: HostView, actual: HostView, *, exact: bool = False, refused: Collection[HostOperation] = ()
) -> tuple[HostOperation, ...]:
    """The operations, in order. Without `exact` nothing is deleted for being absent from `desired`.

    refused: what the kernel does not take, so that nothing waits for it. What the link cannot have (a sysctl that it
    lacks) is left out too.
    """
    index = actual.link.index
    if actual.link.up and not desired.link.up:
        return (SetHostLink(index, up=False),)
    plan: list[HostOperation] = [
        *_link(desired.link, actual.link),
        *_sysctls(desired, actual),
        *_token(desired, actual.link),
        *(AddAltname(index, name) for name in desired.link.altnames if name not in actual.link.altnames),
        *(AddMulticast(index, actual.link.name, mac) for mac in desired.multicast if mac not in actual.multicast),
        *_queueing(desired, actual),
        *addresses_to_add(desired, actual),
        *([SetHostLink(index, up=True)] if desired.link.up and not actual.link.up else []),
        *_routes(desired, actual),
        *(AddHostNeighbour(index, one) for one in desired.neighbours if one not in actual.neighbours),
        *_rules(desired.rules, actual.rules),
    ]
    plan = [operation for operation in plan if operation not in refused]
    if exact and not plan:
        plan += [*_routes_gone(desired, actual), *addresses_to_delete(desired, actual)]
    last = (*addresses_to_settle(desired, actual), *_kernels_routes(desired, actual))
    return tuple(plan) or tuple(operation for operation in last if operation not in refused)


# ---------------------------------------------------------------------------------------------------- link and sysctls


def _link(wanted: Link, there: Link) -> Iterator[HostOperation]:
    change = SetHostLink(
        there.index,
        mac=wanted.mac if wanted.mac != there.mac else None,
        mtu_bytes=wanted.mtu_bytes if wanted.mtu_bytes != there.mtu_bytes else None,
        alias=(wanted.alias or "") if wanted.alias != there.alias else None,
        tx_queue_length=wanted.tx_queue_length if wanted.tx_queue_length != there.tx_queue_length else None,
        promiscuous=wanted.promiscuous if wanted.promiscuous != there.promiscuous else None,
        flags=wanted.flags if wanted.flags != there.flags else None,
        group=wanted.group if wanted.group != there.group else None,
    )
    if change != SetHostLink(there.index):
        yield change


def _sysctls(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """stable_secret first: setting it sets addr_gen_mode too."""
    there = dict(actual.sysctls)
    for path, value in sorted(desired.sysctls, key=lambda pair: not pair[0].endswith("/stable_secret")):
        if there.get(path, value) != value:
            yield SetSysctl(path.replace("{link}", actual.link.name), value)


def _token(desired: HostView, there: Link) -> Iterator[HostOperation]:
    wanted = desired.link.token
    if wanted != there.token and (wanted is None or takes_token(desired)):
        yield SetToken(there.index, wanted or IPv6Address("::"))


def takes_token(view: HostView) -> bool:
    """Whether a link with these sysctls takes a token (net/ipv6/addrconf.c, inet6_set_iftoken)."""
    return reads_advertisements(view) and dict(view.sysctls).get("ipv6/conf/{link}/router_solicitations") != "0"


def _queueing(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """What is not hostlink's to carry (`stuck`) is not taken away for what is."""
    wanted, there = desired.qdisc, actual.qdisc
    if wanted == there:
        return
    if there is not None:
        yield DeleteQdisc(actual.link.index, there)
    if wanted is not None:
        yield AddQdisc(actual.link.index, wanted)


# -------------------------------------------------------------------------------------------------------------- routes


class KernelMakes:
    """Tells the routes that the kernel makes by itself for these addresses, or for IPv6 on a link that is up."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._networks = {on_link(one) for one in addresses if not one.flags & IFA_F_NOPREFIXROUTE}

    def made(self, route: Route) -> bool:
        if route.protocol != RTPROT_KERNEL:
            return False
        return route.table == RT_TABLE_LOCAL or route.prefix.is_multicast or route.prefix in self._networks


def _routes(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    index, kernel = {desired.link.index: actual.link.index}, KernelMakes(desired.addresses)
    # What leads nowhere never left the host with the link: it is no link's to put back, or to take away.
    lacking = _lacking(desired.routes, actual.routes, index)
    own = [route for route in lacking if not (kernel.made(route) or route.leads_nowhere)]
    beside = at(actual.routes, {route.prefix for route in own})
    there = {_comparable(route, {}) for route in beside}
    near = {(route.table, route.prefix) for route in beside}  # of a full table on a bare link there are none

    def is_there(route: Route) -> bool:
        return (route.table, route.prefix) in near and _comparable(route, index) in there

    missing = [route for route in own if not is_there(route)]
    worse = _worse_metrics(desired) if reads_advertisements(desired) else {}
    for route in sorted(missing, key=_by_gateway):
        back = replace(route, metric=worse[route]) if worse and route in worse else route
        if back is route or not is_there(back):
            yield AddHostRoute(actual.link.index, desired.link.index, back)


def _lacking(desired: Routes, actual: Routes, index: Mapping[int, int]) -> Iterator[Route]:
    """Without those that are alike on both sides: of a full table there may be a handful of kinds, and nothing else."""
    yield from apart(desired)
    there = actual.alike if isinstance(actual, RouteSet) else PlaceMap[Alike]()
    same: dict[tuple[Alike, Alike], bool] = {}
    for place, one in items(desired):
        found = there.get(place)
        if found is not None:
            if (one, found) not in same:
                same[one, found] = _comparable(one.at(place), index) == _comparable(found.at(place), {})
            if same[one, found]:
                continue
        yield one.at(place)


def reads_advertisements(view: HostView) -> bool:
    """Whether the kernel itself acts on router advertisements there (ip-sysctl: accept_ra, forwarding)."""
    said = dict(view.sysctls)
    accept, forwarding = (said.get(f"ipv6/conf/{{link}}/{name}", "0") for name in ("accept_ra", "forwarding"))
    return accept == "2" or (accept == "1" and forwarding == "0")


def _worse_metrics(view: HostView) -> dict[Route, int]:
    """The metrics that advertised defaults come back with: each above its own, all different, in their order.

    With one metric those of several routers would become one multipath route, which no snapshot asked for.
    """
    advertised = sorted(filter(advertised_default, apart(view.routes)), key=lambda route: route.metric)
    return {route: route.metric + number for number, route in enumerate(advertised, start=1)}


def _kernels_routes(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    """By what they lead to: the source that the kernel gives them depends on which address came first."""
    kernel = KernelMakes(desired.addresses)
    own = list(of_kind(desired.routes, lambda route: route.protocol == RTPROT_KERNEL))
    beside = at(actual.routes, {route.prefix for route in own})
    there = {(route.table, route.prefix, route.type, route.metric) for route in beside}
    for route in own:
        if route.family is Family.IPV6 and route.table == RT_TABLE_LOCAL:
            continue  # metric 0, which cannot be asked for: it would come as a second one with 1024
        if kernel.made(route) and (route.table, route.prefix, route.type, route.metric) not in there:
            yield AddHostRoute(actual.link.index, desired.link.index, route)


def _routes_gone(desired: HostView, actual: HostView) -> Iterator[HostOperation]:
    wanted = {_comparable(route, {desired.link.index: actual.link.index}) for route in desired.routes}
    kernel = KernelMakes(actual.addresses)
    own = [route for route in actual.routes if not (kernel.made(route) or route.leads_nowhere)]
    gone = [route for route in own if _comparable(route, {}) not in wanted]
    for route in sorted(gone, key=_by_gateway, reverse=True):
        yield DeleteHostRoute(actual.link.index, route)


def _by_gateway(route: Route) -> bool:
    return any(hop.gateway is not None for hop in route.next_hops)


def _comparable(route: Route, index: Mapping[int, int]) -> Route:
    """Said of the other link, next hops in one order. Of a nexthop object only its hops come back."""
    if len(route.next_hops) == 1 and route.nexthop_id is None and not index:
        return route
    hops = [replace(h, link_index=index.get(h.link_index or 0, h.link_index)) for h in route.next_hops]
    hops.sort(key=lambda h: (h.link_index or 0, str(h.gateway), h.weight))
    return replace(route, next_hops=tuple(hops), nexthop_id=None if hops else route.nexthop_id)


# --------------------------------------------------------------------------------------------------------------- rules


def _rules(wanted: Iterable[Rule], there: Iterable[Rule]) -> Iterator[HostOperation]:
    known = {(rule.family, _said(rule.body)) for rule in there}
    return (AddHostRule(rule) for rule in wanted if (rule.family, _said(rule.body)) not in known)


def _said(body: bytes) -> bytes:
    """The rule without what the kernel found out about it."""
    if len(body) < _RULE_FLAGS_AT + 4:
        return body
    (flags,) = struct.unpack_from("=I", body, _RULE_FLAGS_AT)
    return body[:_RULE_FLAGS_AT] + struct.pack("=I", flags & ~_DETACHED) + body[_RULE_FLAGS_AT + 4 :]
