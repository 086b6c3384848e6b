"""Route dumps at bulk speed: what many routes say alike is read once, their destinations many at a time.

The kernel puts some 500 messages into each part of a dump. Of a full table they are as long as each other and differ
by the destination and a gateway; so a part is cut by one `struct` (the layout of kernel/alike.py), what is not the
destination is looked up among what is known, and destinations are joined, checked and kept, all without a line of
Python for each route. A message that is not known, or not built so, goes to the readers of routes.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import chain, islice
from operator import add

import trio

from hostlink.core.places import PlaceMap
from hostlink.core.route import RT_TABLE_MAIN, Route
from hostlink.core.route_set import NO_CUT, PLACE4_BYTES, PLACE6_BYTES, Alike, Place, RouteSet, are_places, place_of
from hostlink.kernel import uapi
from hostlink.kernel.alike import ADDRESS_AT, ADDRESS_BYTES, Alikes
from hostlink.kernel.attributes import pieces
from hostlink.kernel.errors import Unreadable, reading
from hostlink.kernel.routes import AlikeCache, HopCache, read_body
from hostlink.kernel.sockets import HEADER

LEAST, MOST = 16, 512
"""Messages that are cut in one go: so many at first, and ever more while all of them were known."""
_MOST_KINDS = 10_000
_MERGED = 2000
"""Destinations put together in one go before other tasks get their turn: a fifth of a millisecond."""
_RTMSG_BYTES = 12
_FLAGS_AT = 8

_OTHERS = Alike(Route(IPv4Network("0.0.0.0/32"), RT_TABLE_MAIN), NO_CUT, (0, 0, 0))
"""In the place of the kinds of routes that are not kept."""
_DEFAULTS = (bytes(PLACE4_BYTES), bytes(PLACE6_BYTES))
_Tails = dict[bytes, Alike]
_u32 = struct.Struct("=I").unpack_from


class BulkRoutes:
    """The routes of a dump, or of several: give each part to `take`, then ask for `found`."""

    def __init__(self, alikes: Alikes, link_index: int | None = None) -> None:
        """link_index: of a dump of all links what uses that one is kept, and what leads nowhere."""
        self._alikes, self._link_index = alikes, link_index
        self.left_out = 0
        """Routes that are other links'."""
        self._hops: HopCache = {}
        self._bodies: AlikeCache = {}
        self._layouts: dict[tuple[int, int], struct.Struct] = {}
        self._known: dict[tuple[int, bytes], _Tails] = {}
        """(family, what is said between prefix length and address) → what is said after it → kind."""
        self._window = LEAST
        self._alike = PlaceMap[Alike]()
        self._met: dict[Alike, None] = {}
        self._apart: list[Route] = []
        self._firsts: set[Place] = set()
        """Destinations of which the first route is in `_apart`: what comes later of them goes there too, behind it."""
        self._second: dict[Place, None] = {}
        """Destinations of `_alike` that have another route in `_apart`."""

    @reading("the routes")
    def take(self, data: bytes, at: int) -> int:
        """The messages from `at` on, as many as have one and the same header. Returns where they end.

        At `at` is a whole message of an acceptable type. Raises Unreadable.
        """
        length: int
        length, kind, *_ = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= len(data) - at:
            raise Unreadable(f"netlink message of {length} bytes at {at} does not fit in {len(data)}")
        after = at + ((length + 3) & ~3)
        if kind != uapi.RTM_NEWROUTE or length <= HEADER.size:
            return after
        layout = self._layouts.get((data[at + HEADER.size], length))
        if layout is not None:
            stop = self._take_run(data, at, layout)
            if stop > at:
                return stop
        self._take_one(data[at + HEADER.size : at + length])
        return after

    def _take_run(self, data: bytes, at: int, layout: struct.Struct) -> int:
        count = min((len(data) - at) // layout.size, self._window)
        cut = layout.iter_unpack(memoryview(data)[at : at + count * layout.size])
        heads, lengths, middles, addresses, tails = zip(*cut, strict=True)
        same = count if heads.count(heads[0]) == count else _index_of_other(heads)
        kinds = self._kinds(heads[0][-1], middles, tails, same)
        places = list(map(add, lengths, addresses))[: len(kinds)]
        if not kinds or not are_places(places, len(places[0])):
            self._window = LEAST
            return at
        self._window = min(self._window * 2, MOST) if len(kinds) == count else LEAST
        stop = at + len(kinds) * layout.size
        if _OTHERS in kinds:
            ours = [(place, one) for place, one in zip(places, kinds, strict=True) if one is not _OTHERS]
            self.left_out += len(kinds) - len(ours)
            places, kinds = [place for place, _ in ours], [one for _, one in ours]
        if kinds:
            self._keep(places, kinds)
        return stop

    def _kinds(self, family: int, middles: tuple[bytes, ...], tails: tuple[bytes, ...], count: int) -> list[Alike]:
        """Of the first ones, as far as they are known."""
        found: list[Alike | None]
        if middles[:count].count(middles[0]) == count:  # behind them may be others, cut where nothing begins
            known = self._known.get((family, middles[0]))
            found = list(map(known.get, tails[:count])) if known is not None else []
        else:
            found = [
                known.get(tail) if (known := self._known.get((family, middle))) is not None else None
                for middle, tail in zip(middles[:count], tails[:count], strict=True)
            ]
        return found[: found.index(None)] if None in found else found  # type: ignore[return-value]  # none before the first

    def _keep(self, places: list[Place], kinds: list[Alike]) -> None:
        if not self._firsts.isdisjoint(places):
            late = [(place, one) for place, one in zip(places, kinds, strict=True) if place in self._firsts]
            self._apart += [one.at(place) for place, one in late]
            rest = [(place, one) for place, one in zip(places, kinds, strict=True) if place not in self._firsts]
            places, kinds = [place for place, _ in rest], [one for _, one in rest]
        firsts, new = self._alike.adds(places, kinds)
        if new == len(places):
            return
        for place, one, first in zip(places, kinds, firsts, strict=True):
            if first is not one:  # else it is new, or the same route again
                self._second[place] = None
                self._apart.append(one.at(place))

    def _take_one(self, body: bytes) -> None:
        if len(body) < _RTMSG_BYTES:
            raise Unreadable(f"a route of {len(body)} bytes")
        if _u32(body, _FLAGS_AT)[0] & uapi.RTM_F_CLONED:
            return
        route = read_body(body, self._hops, self._bodies)
        if self._link_index is not None and not _may_concern(route, self._link_index):
            self.left_out += 1
            if self._alikes.of(route) is not None:
                self._learn(body, _OTHERS)
            return
        one = self._alikes.of(route) if route.table == RT_TABLE_MAIN and route.prefix.prefixlen else None
        if one is None:
            if route.table == RT_TABLE_MAIN and self._is_first(place := place_of(route.prefix)):
                self._firsts.add(place)
            self._apart.append(route)
            return
        self._met[one] = None
        self._learn(body, one)
        self._keep([place_of(route.prefix)], [one])

    def met_anew(self) -> Iterator[Place]:
        """The destinations of table main that it keeps, each as often as it may be asked where that came."""
        return chain(self._alike, self._firsts)

    def _is_empty(self) -> bool:
        return not (self._alike or self._firsts)

    def _is_first(self, place: Place) -> bool:
        """Whether no packed route of that destination has come yet."""
        return place not in self._alike

    def _learn(self, body: bytes, one: Alike) -> None:
        if len(body) % 4:
            return  # what follows would not begin where this one ends
        family, size = body[0], ADDRESS_BYTES[body[0]]
        if len(self._known) > _MOST_KINDS:
            self._known.clear()
        tail = len(body) - ADDRESS_AT - size
        self._layouts[family, HEADER.size + len(body)] = struct.Struct(f"={HEADER.size + 1}s1s22s{size}s{tail}s")
        tails = self._known.setdefault((family, body[2:ADDRESS_AT]), {})
        if len(tails) > _MOST_KINDS:
            tails.clear()
        tails[body[ADDRESS_AT + size :]] = one

    async def merge(self, other: BulkRoutes, *, again: bool = False) -> None:
        """What another one has read too. again: of the same routes, so that what both have is one route."""
        if self._is_empty():  # else what came first would not be first any more
            self._alike, other._alike = other._alike, self._alike
        items = iter(other._alike.items())
        while some := list(islice(items, _MERGED)):
            self._keep([place for place, _ in some], [one for _, one in some])
            await trio.lowlevel.checkpoint()
        self.left_out += other.left_out
        self._second |= other._second
        self._met |= other._met
        self._apart += other._apart
        self._firsts.update(place for place in other._firsts if self._is_first(place))
        if again:
            with reading("the routes"):
                self._apart = list({_lasting(route.body): route for route in self._apart}.values())

    def count(self) -> int:
        """How many have been read, but for the odd ones."""
        return len(self._alike)

    async def settle(self) -> None:
        """When all is read, and before it is asked for: what takes long of a full table."""

    def found(self) -> RouteSet:
        """All of it; whoever asks gets it for good."""
        beside = [place_of(one.prefix) for one in self._apart if one.table == RT_TABLE_MAIN]
        odd = dict.fromkeys((*self._second, *beside, *_DEFAULTS))
        firsts = [self._alike.pop(place).at(place) for place in odd if place in self._alike]
        values = {route.body: route for route in (*firsts, *self._apart)}  # the same again is one route
        return RouteSet(values.values(), self._alike, self._met)


def concerns(route: Route, link_index: int) -> bool:
    """Whether it uses that link, or leads nowhere.

    Not so by a nexthop object that leads nowhere: neither the kernel's filter by link nor that by type gives those.
    """
    return route.uses(link_index) or (route.leads_nowhere and route.nexthop_id is None)


def _may_concern(route: Route, link_index: int) -> bool:
    """Of one that only names a nexthop object (kernel/nexthops.py) that is not known yet."""
    return concerns(route, link_index) or (route.nexthop_id is not None and not route.next_hops)


def _index_of_other(heads: tuple[bytes, ...]) -> int:
    first = heads[0]
    return next(at for at, head in enumerate(heads) if head != first)


def _lasting(body: bytes) -> bytes:
    """What the same route says in each dump: all but how long it has left."""
    said = (whole for kind, whole in pieces(body, _RTMSG_BYTES) if kind != uapi.RTA_CACHEINFO)
    return body[:_RTMSG_BYTES] + b"".join(said)
