"""The host's view of one link, whole and of one moment: what a takeover captures and what the mirror follows.

Netlink has no snapshot across its tables: links, addresses, routes and rules are dumped one after the other. So a
watcher is subscribed before the reading begins; if it heard anything about the link meanwhile, all is read again. (What
netlink does not announce, IPv4 routes lost with their link or address, comes with a link or address that it does.)

What other links do, however fast, keeps nobody from a view: the watcher does not hear of them (kernel/earshot.py), a
dump that they interrupt each time is taken, and one of IPv6 routes made up from several (kernel/route_dump.py).

While a routing daemon pours in routes, or rules and nexthop objects come and go, which may concern the link, that never
ends. Then a view is taken that is true of the link and its addresses, and so never half of an address, although routes
came and went during it: every route that stood throughout is in it (kernel/route_dump.py), and the notification that
spoilt it is heard by the daemon's own watcher too, which looks again.

A dump waits for none of the kernel's locks (Linux 6.9 and later), so a change may be half done by somebody else and not
announced yet. To read one link waits for the lock, so that comes last of all: what was begun before is announced then.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from hostlink.core.desired_routes import route_key
from hostlink.core.model import RTN_NOWHERE, Address, HostView, IPAddress, Link, Neighbour, PolicyRule, Rule
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import Routes, RouteSet, with_apart
from hostlink.kernel import parse, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.attributes import text, u32
from hostlink.kernel.bulk_routes import BulkRoutes, concerns
from hostlink.kernel.errors import KernelRefused, ReadUnsteady
from hostlink.kernel.known_routes import Before
from hostlink.kernel.link import link_body
from hostlink.kernel.multicast import read_multicast
from hostlink.kernel.netlink import Message, Netlink, Request, read_again
from hostlink.kernel.nexthops import completed
from hostlink.kernel.nic import driver_of, read_driver
from hostlink.kernel.queueing import read_queueing
from hostlink.kernel.route_dump import dump_routes
from hostlink.kernel.routes import read_routes
from hostlink.kernel.sockets import HEADER, split
from hostlink.kernel.sysctl import read_sysctls
from hostlink.kernel.watcher import open_watcher

_ATTEMPTS = 10
_WHOLE_ATTEMPTS = 3
"""In the rest of them only the link and its addresses must hold still."""
_PAUSE_S = 0.005
"""Grows with each attempt: ten attempts wait a quarter of a second in all."""
_FAMILIES = (2, 10)
_NAME_BYTES = 15
_MAIN = uapi.RT_TABLE_MAIN
_PREFIX_LENGTH_AT, _ROUTE_BYTES = HEADER.size + 1, HEADER.size + 12
"""In a message of a route: header, struct rtmsg."""


@read_again
async def read_links(nl: Netlink) -> tuple[Link, ...]:
    """All links of the namespace, by ifindex.

    However fast links come and go: the kernel goes on behind the last ifindex that it gave (for_each_netdev_dump), so
    each that stands throughout is there. Older kernels (6.1) go by position in a hash bucket, and may leave one out.
    """
    messages = await nl.dump(Request("read the links", uapi.RTM_GETLINK, link_body()), watched=True)
    return tuple(sorted(parse.links(messages), key=lambda link: link.index))


@read_again
async def read_link(nl: Netlink, which: str | int) -> Link | None:
    """One link by name, altname or ifindex, or None."""
    request = Request(f"read interface {which}", uapi.RTM_GETLINK, _which(which))
    try:
        message = await nl.get(request)
    except KernelRefused as refusal:
        if refusal.errno == errno.ENODEV:
            return None
        raise
    return parse.links([message])[0]


def _which(which: str | int) -> bytes:
    if isinstance(which, int):
        return link_body(which)
    kind = uapi.IFLA_IFNAME if len(which.encode()) <= _NAME_BYTES else uapi.IFLA_ALT_IFNAME
    return link_body(attributes=text(kind, which))


async def find_link(
    nl: Netlink,
    *,
    name: str | None = None,
    mac: str | None = None,
    pci: str | None = None,
    default_route: bool = False,
) -> Link | None:
    """The one link that matches all that is given, or None.

    Several links may share a MAC (a VLAN on its NIC, a bond's members): the one with the lowest rank wins, a hardware
    NIC (no kind) before a virtual one, then the lower ifindex. `default_route`: the link of the best default route of
    the main table, IPv4 before IPv6.
    """
    if name is None and mac is None and pci is None and not default_route:
        raise ValueError("find_link needs a property to go by")
    wanted_index = await _default_route_link(nl) if default_route else None
    if default_route and wanted_index is None:
        return None
    named = await read_link(nl, name) if name is not None else None
    links = await read_links(nl) if name is None else (named,)
    found = [
        link
        for link in links
        if link is not None
        and (mac is None or link.mac == mac.lower())
        and (wanted_index is None or link.index == wanted_index)
        and (pci is None or read_driver(nl.namespace_fd, link.name).pci_address == pci.lower())
    ]
    return min(found, key=lambda link: (link.kind != "", link.index), default=None)


@read_again
async def _default_route_link(nl: Netlink) -> int | None:
    for family in _FAMILIES:
        found = await nl.dump_to(_routes_request(family, u32(uapi.RTA_TABLE, _MAIN)), _DefaultRoutes)
        routes = read_routes(found.messages)
        usable = [route for route in routes if route.type == uapi.RTN_UNICAST and route.next_hops]
        if usable:
            return min(usable, key=lambda route: route.metric).next_hops[0].link_index
    return None


class _DefaultRoutes:
    """Of a dump of routes those of prefix length 0, which are few: there may be a million others."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def take(self, data: bytes, at: int) -> int:
        length: int = HEADER.unpack_from(data, at)[0]
        is_whole = _ROUTE_BYTES <= length <= len(data) - at
        if not is_whole or not data[at + _PREFIX_LENGTH_AT]:
            self.messages.append(next(split(data[at:])))
        return at + (length + 3 & ~3)


async def read_view(
    nl: Netlink,
    link: str | int,
    *,
    proc_root: Path = Path("/proc"),
    heard_bytes: int = 4 << 20,
    alikes: Alikes | None = None,
    before: Before | None = None,
    but_for: RouteSet | None = None,
    expected: int = 0,
) -> HostView | None:
    """Everything that the host says about a link (name, altname or ifindex); None if it is not there.

    heard_bytes: what is said of the link meanwhile may fill so much of a socket's buffer. alikes: what is known of
    routes; whoever compares views, or follows routes from one on, gives the same one each time. before: routes that
    were there, read with the same `alikes`: where none of its `alike` has changed, the view's routes have that very
    dictionary (kernel/known_routes.py). but_for: routes that are taken as they are, instead of being read. expected:
    about how many routes there may be.

    Raises ReadUnsteady if the link or its addresses changed during each attempt, Unreadable if nothing can be made of
    what the kernel says of them.
    """
    alikes = Alikes() if alikes is None else alikes
    async with open_watcher(nl.namespace_fd, receive_buffer_bytes=heard_bytes) as watcher:
        for attempt in range(_ATTEMPTS):
            await trio.sleep(attempt * _PAUSE_S)
            found = await read_link(nl, link)
            if found is None:
                return None
            await watcher.only_about(found.index, link_alone=attempt >= _WHOLE_ATTEMPTS)
            read = partial(_routes, nl, found.index, alikes, before, expected)
            view = await _read_once(nl, found, proc_root, read if but_for is None else partial(_given, but_for))
            if view is None:
                return None
            if view.link == found and not await watcher.pending():
                return view
            if but_for is None:
                await _let_go(view.routes, before)
    raise ReadUnsteady(f"interface {link} changed during each of {_ATTEMPTS} attempts to read it")


LARGE = 20_000
"""Routes: to find a few among so many takes the kernel some milliseconds, and what goes on beside it is worth it. Among
fewer it is over before others' changes can spoil it (kernel/route_dump.py)."""


async def _let_go(routes: Routes, before: Before | None) -> None:
    """Of what was read and is not used: of a full table some at a time, and before it is read again."""
    if isinstance(routes, RouteSet) and (before is None or routes.alike is not before.routes.alike):
        while routes.alike.let_some_go():
            await trio.lowlevel.checkpoint()


async def _given(routes: RouteSet) -> RouteSet:
    return routes


async def _read_once(
    nl: Netlink, link: Link, proc_root: Path, take_routes: Callable[[], Awaitable[RouteSet]]
) -> HostView | None:
    driver = await driver_of(nl.namespace_fd, link.name)
    try:
        addresses = await read_addresses(nl, link.index)
        routes = await take_routes()
        neighbours = await read_neighbours(nl, link.index)
        rules = await _rules(nl, link)
        qdisc, stuck = await read_queueing(nl, link.index)
        stuck += await read_unicast_filter(nl, link.index)
    except KernelRefused as refusal:
        if refusal.errno == errno.ENODEV:  # it left while it was being read
            return None
        raise
    sysctls = read_sysctls(nl.namespace_fd, link.name, proc_root=proc_root)
    multicast = read_multicast(nl.namespace_fd, link.index, proc_root=proc_root)
    last = await read_link(nl, link.index)
    if last is None:
        return None
    return HostView(
        last,
        addresses,
        routes,
        neighbours,
        rules,
        sysctls,
        driver.name,
        driver.pci_address,
        qdisc,
        multicast,
        stuck,
    )


@read_again
async def read_addresses(nl: Netlink, link_index: int) -> tuple[Address, ...]:
    """Whatever other links' addresses do meanwhile; of changes of these a watcher tells."""
    messages = []
    for family in _FAMILIES:
        body = struct.pack("=BBBBi", family, 0, 0, 0, link_index)
        request = Request(f"read the addresses of interface {link_index}", uapi.RTM_GETADDR, body)
        messages += await nl.dump(request, watched=True)
    return parse.addresses(messages, link_index)


@read_again
async def read_global_addresses(nl: Netlink, link_index: int) -> list[IPAddress]:
    """Those of global scope alone, and nothing but themselves: a link may have thousands (kube-ipvs0)."""
    found: list[IPAddress] = []
    for family in _FAMILIES:
        body = struct.pack("=BBBBi", family, 0, 0, 0, link_index)
        request = Request(f"read the addresses of interface {link_index}", uapi.RTM_GETADDR, body)
        try:
            messages = await nl.dump(request)
        except KernelRefused as refusal:
            if refusal.errno != errno.ENODEV:  # it is gone
                raise
            return []
        found += parse.global_addresses(messages, link_index)
    return found


async def _routes(nl: Netlink, link_index: int, alikes: Alikes, before: Before | None, expected: int) -> RouteSet:
    """Of every table and type, those that use the link or lead nowhere."""
    others = alikes.left_out.get(link_index, 0)
    known = 0 if before is None else len(before.routes.alike)
    if max(expected, known) < max(LARGE, 2 * others):
        alikes.left_out[link_index] = others // 2  # some day it is tried again
        found = await _routes_of_link(nl, link_index, alikes, before)
        await found.settle()
        routes = _of_link(await completed(nl, found.found(), alikes), link_index)
        if not _are_mixed(routes):
            return routes
    found = await _all_routes(nl, link_index, alikes, before)
    alikes.left_out[link_index] = found.left_out
    await found.settle()
    return _of_link(await completed(nl, found.found(), alikes), link_index)


def _are_mixed(routes: RouteSet) -> bool:
    """Whether one leads nowhere and one by the link of which only their order tells by which the kernel goes."""
    nowhere = {route_key(one) for one in routes.apart if one.leads_nowhere}
    return bool(nowhere) and any(route_key(one) in nowhere for one in routes.apart if not one.leads_nowhere)


@read_again
async def _routes_of_link(nl: Netlink, link_index: int, alikes: Alikes, before: Before | None) -> BulkRoutes:
    """The kernel leaves out those that do not use the link (strict checking, Linux 5.0).

    So it does with those that lead nowhere, which are of no link: each type of them is a dump of its own.
    """
    begin, begin_nowhere = _sinks(alikes, before), _sinks(alikes, None if before is None else before.silent())
    found, nowhere = begin_nowhere(0), begin_nowhere(0)
    await _dumped(nl, [_routes_request(family, u32(uapi.RTA_OIF, link_index)) for family in _FAMILIES], begin, found)
    is_long = found.count() + alikes.left_out.get(link_index, 0) >= LARGE
    by_kind = [_routes_request(family, kind=kind, is_long=is_long) for family in _FAMILIES for kind in RTN_NOWHERE]
    await _dumped(nl, by_kind, begin_nowhere, nowhere)
    await found.merge(nowhere)
    return found


@read_again
async def _all_routes(nl: Netlink, link_index: int, alikes: Alikes, before: Before | None) -> BulkRoutes:
    """Where nearly all are of the link: to leave out the others the kernel would go through all of them for each type,
    130 ms of a million, in which nothing else gets that CPU (its tables main and local are one until somebody adds a
    rule, and it goes through that for each of them)."""
    begin = _sinks(alikes, before, link_index)
    found = _sinks(alikes, None if before is None else before.silent(), link_index)(0)
    await _dumped(nl, [_routes_request(family) for family in _FAMILIES], begin, found)
    return found


def _of_link(routes: RouteSet, link_index: int) -> RouteSet:
    """Without those of which it was not known before that they are others'."""
    kept = [one for one in routes.apart if concerns(one, link_index)]
    foreign = {one for one in routes.kinds if not concerns(one.route, link_index)}
    if foreign:  # by a nexthop object that was only named
        return RouteSet(kept, PlaceMap((place, one) for place, one in routes.alike.items() if one not in foreign))
    return routes if len(kept) == len(routes.apart) else with_apart(routes, kept)


_Sinks = Callable[[int], BulkRoutes]
"""What a dump of an address family is read into, a new one for each."""


def _sinks(alikes: Alikes, before: Before | None, link_index: int | None = None) -> _Sinks:
    if before is None:
        return lambda _: BulkRoutes(alikes, link_index)
    return partial(before.sink, alikes, link_index)


async def _dumped(nl: Netlink, requests: Sequence[Request], begin: _Sinks, found: BulkRoutes) -> None:
    for request in requests:
        await found.merge(await dump_routes(nl, request, partial(begin, request.body[0])))


def _routes_request(family: int, filter_attribute: bytes = b"", kind: int = 0, *, is_long: bool = False) -> Request:
    """kind: RTN_* of the routes wanted; 0: of all."""
    body = struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, kind, 0) + filter_attribute
    return Request("read the routes", uapi.RTM_GETROUTE, body, is_long=is_long)


@read_again
async def read_neighbours(nl: Netlink, link_index: int) -> tuple[Neighbour, ...]:
    """Permanent ones, then proxies, which are a dump of their own."""
    messages = []
    for flags in (0, uapi.NTF_PROXY):
        for family in _FAMILIES:
            body = struct.pack("=BxxxiHBB", family, 0, 0, flags, 0) + u32(uapi.NDA_IFINDEX, link_index)
            request = Request(f"read the neighbours of interface {link_index}", uapi.RTM_GETNEIGH, body)
            messages += await nl.dump(request)
    return parse.neighbours(messages, link_index)


@read_again
async def read_unicast_filter(nl: Netlink, link_index: int) -> tuple[str, ...]:
    """The MACs that a device was told to take beside its own (`bridge fdb add … self`)."""
    body = struct.pack("=BxxxiHBB", socket.AF_BRIDGE, link_index, 0, 0, 0)
    messages = await nl.dump(Request(f"read the MACs of interface {link_index}", uapi.RTM_GETNEIGH, body))
    return parse.unicast_filter(messages, link_index)


@read_again
async def _rules(nl: Netlink, link: Link) -> tuple[Rule, ...]:
    return parse.rules(await _rule_messages(nl), (link.name, *link.altnames))


@read_again
async def read_policy(nl: Netlink) -> tuple[PolicyRule, ...]:
    """All rules of the namespace that look a table up. Raises KernelError."""
    return parse.policy_rules(await _rule_messages(nl))


async def _rule_messages(nl: Netlink) -> list[Message]:
    messages = []
    for family in _FAMILIES:
        body = struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, 0, 0)
        messages += await nl.dump(Request("read the rules", uapi.RTM_GETRULE, body), watched=True)
    return messages
