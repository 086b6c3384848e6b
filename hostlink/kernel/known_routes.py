"""A dump of routes beside those that were there before: a full table that has not changed is not kept a second time.

Destinations come many at a time (kernel/bulk_routes.py), and are compared with what is known of them. What is found to
be the same is only noted (kernel/same_routes.py); when nothing else was found, and nothing lacks, the very dictionary
that was known is the answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import trio

from hostlink.core.dump_order import DumpOrder, Following
from hostlink.core.route import RT_TABLE_MAIN, Route
from hostlink.core.route_set import Alike, Place, RouteSet, cut, place_bytes, place_of, version_of
from hostlink.core.runs import Layout
from hostlink.kernel.alike import ADDRESS_BYTES, VERSIONS, Alikes, layout_of
from hostlink.kernel.bulk_routes import LEAST, MOST, BulkRoutes
from hostlink.kernel.same_routes import SameRoutes
from hostlink.kernel.sockets import HEADER

FEW = 1000
"""New ones beside a known table are values; of more, all is kept anew."""


Confirm = Callable[[int, bytes, Sequence[Alike]], None]
"""Told the IP version of some destinations, those joined, and the kind of each."""


@dataclass(frozen=True, slots=True)
class Before:
    """Routes that were there, and may still be."""

    routes: RouteSet
    confirm: Confirm | None = None
    """Told those of `routes.alike` that a dump says as they were, while it is read: each once, and perhaps not all."""
    changed: AbstractSet[Place] | None = frozenset()
    """Of `routes.alike` those that are not as they were in the order that `routes` has. None: they are not known."""
    beside: bool = False
    """For dumps beside those of a whole family."""
    _begun: set[int] = field(default_factory=set)
    """Address families of which a dump was begun: of what is dumped again nothing is told, nor any order believed."""

    def sink(self, alikes: Alikes, link_index: int | None, family: int) -> BulkRoutes:
        """To read a dump of that address family into, beside them. link_index: as BulkRoutes has it."""
        if not self.routes.alike:
            return BulkRoutes(alikes, link_index)
        if self.beside or family not in VERSIONS:
            return KnownRoutes(alikes, self.routes, link_index=link_index)
        version, first = VERSIONS[family], family not in self._begun
        self._begun.add(family)
        order = self.routes.orders.get(version) if first and self.changed is not None else None
        following = Following(version, order, self.changed or frozenset())
        return KnownRoutes(alikes, self.routes, following, self.confirm if first else None, link_index)

    def silent(self) -> Before:
        """The same for dumps beside those of a whole family: of them nothing is told, and in no order."""
        return Before(self.routes, beside=True)


class KnownRoutes(BulkRoutes):
    """before: what was there, of which nothing is changed. following: as SameRoutes has it. confirm: as `Before`."""

    def __init__(
        self,
        alikes: Alikes,
        before: RouteSet,
        following: Following[Alike] | None = None,
        confirm: Confirm | None = None,
        link_index: int | None = None,
    ) -> None:
        super().__init__(alikes, link_index)
        self._before = before
        self._confirm = confirm
        self._same = SameRoutes(before.alike, following)
        """Destinations of `before.alike` that are there as they were."""
        self._all_same = False
        """Found by `settle`: all is as it was."""
        self._orders: dict[int, DumpOrder[Alike]] = {}
        """Found by it then."""
        self._reach = MOST
        """Messages that are compared in one go: fewer where they were not all the same."""
        self._header = b""
        self._said: dict[Alike, bytes] = {}
        """A message of each kind without the destination, with that header."""

    def _take_run(self, data: bytes, at: int, layout: struct.Struct) -> int:
        return self._take_same(data, at, layout.size) or super()._take_run(data, at, layout)

    def _take_same(self, data: bytes, at: int, size: int) -> int:
        """Messages that say what was known, to the byte. Returns where they end; 0: there are none."""
        layout = layout_of(data[at + HEADER.size], size)
        count = min((len(data) - at) // size, self._reach)
        joined = layout.places(data[at : at + count * size])
        header = data[at : at + HEADER.size]
        if header != self._header:
            self._header, self._said = header, {}
        if kinds := self._same.next(joined):
            if not self._say(kinds, layout, data, at):
                return 0
            self._same.go_on(len(kinds))
            if self._confirm is not None:
                self._confirm(layout.version, joined[: len(kinds) * place_bytes(layout.version)], kinds)
            return at + len(kinds) * size
        places = cut(layout.version, joined)
        found = self._before.alike.gets(places)
        kinds = found[: found.index(None)] if None in found else found  # type: ignore[assignment]  # cut before it
        if not kinds or not self._say(kinds, layout, data, at):
            return 0
        self._keep_same(places[: len(kinds)], kinds)
        return at + len(kinds) * size

    def _say(self, kinds: Sequence[Alike], layout: Layout, data: bytes, at: int) -> bool:
        """Whether the messages from `at` on are of these kinds, to the byte."""
        try:
            said = b"".join(map(self._said.__getitem__, kinds))
        except KeyError:
            said = b"".join(map(self._learnt, kinds))
        if layout.blank(data[at : at + len(kinds) * layout.size]) != said:
            self._reach = LEAST
            return False
        self._reach = min(2 * self._reach, MOST)
        return True

    def _learnt(self, one: Alike) -> bytes:
        """How a message of that kind reads in this dump, without the destination."""
        if one not in self._said:
            head, middle, tail = one.cut
            address = bytes(ADDRESS_BYTES[head[0]])
            self._said[one] = b"".join((self._header, head, b"\0", middle, address, tail))
        return self._said[one]

    def _keep(self, places: list[Place], kinds: list[Alike]) -> None:
        were = self._before.alike.gets(places)
        if were == kinds:
            self._keep_same(places, kinds)
            return
        for place, one, was in zip(places, kinds, were, strict=True):
            if one is was and place not in self._alike:
                self._same.add((place,), (one,))
                continue
            self._is_first(place)  # else what is the same is kept before it
            self._keep_anew([place], [one])

    def _is_empty(self) -> bool:
        return not self._same and super()._is_empty()

    def _is_first(self, place: Place) -> bool:
        if place in self._same:  # kept before what comes now, as the kernel has them
            self._same.discard(place)
            self._keep_anew([place], [self._before.alike[place]])
        return super()._is_first(place)

    def _keep_same(self, places: Sequence[Place], kinds: Sequence[Alike]) -> None:
        self._same.add(places, kinds)
        if self._confirm is not None:
            self._confirm(version_of(places[0]), b"".join(places), kinds)

    def _keep_anew(self, places: list[Place], kinds: list[Alike]) -> None:
        self._met.update(dict.fromkeys(kinds))
        super()._keep(places, kinds)

    async def merge(self, other: BulkRoutes, *, again: bool = False) -> None:
        """What another one has read too, beside the same."""
        if isinstance(other, KnownRoutes) and (again or await self._same.knows_any(other.met_anew())):
            await self._same.spread()
            await other._same.spread()
        await super().merge(other, again=again)
        if isinstance(other, KnownRoutes):
            await self._same.merge(other._same)

    def count(self) -> int:
        """The same among them."""
        return len(self._same) + super().count()

    async def settle(self) -> None:
        """Where it is not all as it was, the same is kept as the rest."""
        self._all_same = len(self._same) > 0 and self._is_as_before()
        if self._all_same:
            self._orders = self._same.orders()
        else:
            for some in self._same.slices():
                self._keep_anew(list(some), list(map(self._before.alike.__getitem__, some)))
                await trio.lowlevel.checkpoint()
        while self._same.let_some_go():
            await trio.lowlevel.checkpoint()

    def _is_as_before(self) -> bool:
        before = self._before.alike
        if len(self._same) != len(before) or len(self._alike) > FEW:
            return False
        beside = (*self._alike, *self._second, *_main(self._apart))
        return not any(place in before for place in beside)

    def found(self) -> RouteSet:
        """All of it. Where all is as it was, and perhaps a few more are there, its `alike` is what was known."""
        rest = super().found()
        if not self._all_same:
            return rest
        return RouteSet(rest, self._before.alike, self._before.known_kinds, self._before.blocks, self._orders)


def _main(routes: Iterable[Route]) -> Iterator[Place]:
    return (place_of(route.prefix) for route in routes if route.table == RT_TABLE_MAIN)
