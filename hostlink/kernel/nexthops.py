"""Nexthop objects (ip-nexthop(8)), put in the place of the routes that only name them.

With net.ipv4.nexthop_compat_mode at 1, the default, a dumped route on a nexthop object says its next hops too. At 0,
which routing daemons set, it says the object's id alone: then the objects are read, and such a route is completed, so
that the rest of hostlink sees the same route in both modes. The dump's filter by link looks into the objects in either.

What the kernel tells of them (measured, Linux 6.18): an object that is replaced comes as RTM_NEWNEXTHOP, at 1 followed
by an RTM_NEWROUTE for each of its routes, at 0 by nothing. One that is deleted takes its IPv4 routes along without a
word (at 0 the IPv6 ones too). One that goes with its link's carrier is not announced at all: the link is (F29).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address

from hostlink.core.model import NextHop, Route
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import Alike, RouteSet, kinds
from hostlink.kernel import uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.attributes import walk
from hostlink.kernel.errors import reading
from hostlink.kernel.netlink import Netlink, Request, read_again
from hostlink.kernel.routebody import with_hops
from hostlink.kernel.sockets import Message

_NHMSG = struct.Struct("=BBBxI")
"""struct nhmsg: family, scope, protocol, flags (linux/nexthop.h)."""
_GROUP_MEMBER = struct.Struct("=IBBH")
"""struct nexthop_grp: id, weight - 1, and from Linux 6.12 on the high byte of that (zero before)."""

Objects = Mapping[int, tuple[NextHop, ...]]
"""Id of each object → its next hops; a blackhole has none."""


async def completed(nl: Netlink, routes: RouteSet, alikes: Alikes) -> RouteSet:
    """The routes, those that only name a nexthop object with its next hops. Raises KernelError."""
    named = [one for one in kinds(routes) if _only_named(one.route)]
    if not named and not any(_only_named(route) for route in routes.apart):
        return routes
    objects = await _objects(nl)
    apart = [_complete(route, objects) if _only_named(route) else route for route in routes.apart]
    whole = {one: alikes.of(_complete(one.route, objects)) for one in named}
    alike = PlaceMap[Alike]()
    for place, one in routes.alike.items():
        complete = whole.get(one, one)
        if complete is None:
            apart.append(_complete(one.at(place), objects))
        else:
            alike[place] = complete
    return RouteSet(apart, alike)


@read_again
async def _objects(nl: Netlink) -> Objects:
    request = Request("read the nexthop objects", uapi.RTM_GETNEXTHOP, _NHMSG.pack(0, 0, 0, 0))
    return read_nexthops(await nl.dump(request, watched=True))


@reading("the nexthop objects")
def read_nexthops(messages: Iterable[Message]) -> Objects:
    """The objects of a dump. A group's members may come after it. Raises Unreadable."""
    singles: dict[int, tuple[NextHop, ...]] = {}
    groups: dict[int, list[tuple[int, int]]] = {}
    for message in messages:
        if message.type != uapi.RTM_NEWNEXTHOP:
            continue
        said = dict(walk(message.body, _NHMSG.size))
        (number,) = struct.unpack("=I", said[uapi.NHA_ID])
        if uapi.NHA_GROUP in said:
            members = _GROUP_MEMBER.iter_unpack(said[uapi.NHA_GROUP])
            groups[number] = [(member, (high << 8 | low) + 1) for member, low, high, _ in members]
        else:
            singles[number] = _single(message, said)
    for number, group in groups.items():
        singles[number] = tuple(
            replace(hop, weight=weight) for member, weight in group for hop in singles.get(member, ())
        )
    return singles


def _single(message: Message, said: Mapping[int, bytes]) -> tuple[NextHop, ...]:
    if uapi.NHA_OIF not in said:
        return ()
    _, _, _, flags = _NHMSG.unpack_from(message.body)
    (link_index,) = struct.unpack("=I", said[uapi.NHA_OIF])
    gateway = ip_address(said[uapi.NHA_GATEWAY]) if uapi.NHA_GATEWAY in said else None
    return (NextHop(link_index, gateway, onlink=bool(flags & uapi.RTNH_F_ONLINK)),)


def _only_named(route: Route) -> bool:
    return route.nexthop_id is not None and not route.next_hops


def _complete(route: Route, objects: Objects) -> Route:
    """Unchanged where the object is gone meanwhile: its routes are too, and the next look shows it."""
    hops = objects.get(route.nexthop_id or 0, ())
    return replace(route, next_hops=hops, body=with_hops(route, hops)) if hops else route
