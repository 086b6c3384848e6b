"""A dump of routes beside those that were there before: a full table that has not changed is not kept a second time.

Destinations come many at a time (kernel/bulk_routes.py), and are compared with what is known of them. What is found to
be the same is only noted; when nothing else was found, and nothing lacks, the very dictionary that was known is the
answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import trio

from hostlink.core.place_set import PlaceSet
from hostlink.core.route import RT_TABLE_MAIN, Route
from hostlink.core.route_set import SLICE, Alike, Place, RouteSet, cut, place_of
from hostlink.kernel.alike import ADDRESS_BYTES, Alikes, layout_of
from hostlink.kernel.bulk_routes import LEAST, MOST, BulkRoutes
from hostlink.kernel.sockets import HEADER

FEW = 1000
"""New ones beside a known table are values; of more, all is kept anew."""


Confirm = Callable[[Sequence[Place], Sequence[Alike]], None]
"""Told destinations, and the kind of each."""


@dataclass(frozen=True, slots=True)
class Before:
    """Routes that were there, and may still be."""

    routes: RouteSet
    confirm: Confirm | None = None
    """Told those of `routes.alike` that a dump says as they were, while it is read: each once, and perhaps not all."""
    _begun: set[int] = field(default_factory=set)
    """Address families of which a dump was begun: of what is dumped again nothing is told."""

    def sink(self, alikes: Alikes, link_index: int | None, family: int) -> BulkRoutes:
        """To read a dump of that address family into, beside them. link_index: as BulkRoutes has it."""
        if not self.routes.alike:
            return BulkRoutes(alikes, link_index)
        first = family not in self._begun
        self._begun.add(family)
        return KnownRoutes(alikes, self.routes, self.confirm if first else None, link_index)

    def silent(self) -> Before:
        """The same, and nothing is told."""
        return Before(self.routes)


def _tell_nobody(places: Sequence[Place], kinds: Sequence[Alike]) -> None:
    """Where nobody waits for what is confirmed."""


class KnownRoutes(BulkRoutes):
    """before: what was there, of which nothing is changed. confirm: as `Before` has it."""

    def __init__(
        self, alikes: Alikes, before: RouteSet, confirm: Confirm | None = None, link_index: int | None = None
    ) -> None:
        super().__init__(alikes, link_index)
        self._before = before
        self._confirm = confirm or _tell_nobody
        self._same = PlaceSet()
        """Destinations of `before.alike` that are there as they were."""
        self._all_same = False
        """Found by `settle`: all is as it was."""
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
        places = cut(layout.version, layout.places(memoryview(data)[at : at + count * size]))
        header = data[at : at + HEADER.size]
        if header != self._header:
            self._header, self._said = header, {}
        kinds = list(map(self._before.alike.get, places))
        try:
            said = b"".join(map(self._said.__getitem__, kinds))  # type: ignore[arg-type]  # of None there is none
        except KeyError:
            kinds = kinds[: kinds.index(None)] if None in kinds else kinds
            said = b"".join(map(self._learnt, kinds))  # type: ignore[arg-type]  # cut before the first None
        end = at + len(kinds) * size
        if not kinds or layout.blank(memoryview(data)[at:end]) != said:
            self._reach = LEAST
            return 0
        self._reach = min(2 * self._reach, MOST)
        same = places[: len(kinds)]
        self._same.update(same)
        self._confirm(same, kinds)  # type: ignore[arg-type]  # cut before the first None
        return end

    def _learnt(self, one: Alike) -> bytes:
        """How a message of that kind reads in this dump, without the destination."""
        if one not in self._said:
            head, middle, tail = one.cut
            address = bytes(ADDRESS_BYTES[head[0]])
            self._said[one] = b"".join((self._header, head, b"\0", middle, address, tail))
        return self._said[one]

    def _keep(self, places: list[Place], kinds: list[Alike]) -> None:
        were = list(map(self._before.alike.get, places))
        if were == kinds:
            self._same.update(places)
            self._confirm(places, kinds)
            return
        for place, one, was in zip(places, kinds, were, strict=True):
            if one is was and place not in self._alike:
                self._same.update((place,))
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

    def _keep_anew(self, places: list[Place], kinds: list[Alike]) -> None:
        self._met.update(dict.fromkeys(kinds))
        super()._keep(places, kinds)

    async def merge(self, other: BulkRoutes, *, again: bool = False) -> None:
        """What another one has read too, beside the same."""
        await super().merge(other, again=again)
        if not isinstance(other, KnownRoutes):
            return
        if len(other._same) > len(self._same):
            self._same, other._same = other._same, self._same
        for some in _slices(other._same):
            self._same.update(some)
            await trio.lowlevel.checkpoint()

    async def settle(self) -> None:
        """Where it is not all as it was, the same is kept as the rest."""
        self._all_same = len(self._same) > 0 and self._is_as_before()
        for some in _slices(() if self._all_same else self._same):
            self._keep_anew(some, list(map(self._before.alike.__getitem__, some)))
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
        return RouteSet(rest, self._before.alike, self._before.known_kinds, self._before.blocks)


def _main(routes: Iterable[Route]) -> Iterator[Place]:
    return (place_of(route.prefix) for route in routes if route.table == RT_TABLE_MAIN)


def _slices(places: Iterable[Place]) -> Iterator[list[Place]]:
    each = iter(places)
    while some := list(islice(each, SLICE)):
        yield some
