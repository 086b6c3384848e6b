"""Which routes of a known table a dump has said to be as they were: a million of them in a few numbers.

Where the dump goes on as the one before, that is a stretch of the known order (core/dump_order.py); only what comes out
of its turn is kept by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

import trio

from hostlink.core.dump_order import DumpOrder, Following
from hostlink.core.places import PlaceMap, PlaceSet
from hostlink.core.route_set import SLICE, Alike, Place


class SameRoutes:
    """known: all that may be as it was. following: the dump beside the order of the last one; None: it has none."""

    def __init__(self, known: PlaceMap[Alike], following: Following[Alike] | None = None) -> None:
        self._known, self._following = known, following
        self._by_order = [] if following is None else [following]
        """Of one IP version each."""
        self._others = PlaceSet()
        self._is_ordered = True
        """Nothing was put together or taken out of which the order would have to tell."""

    def __len__(self) -> int:
        return len(self._others) + sum(len(some) for one in self._by_order for some in one.met)

    def __contains__(self, place: Place) -> bool:
        """Raises ValueError where the order cannot tell (a dump that lists a known one out of its turn)."""
        if place in self._others:
            return True
        return place in self._known and any(one.is_passed(place) for one in self._by_order if one.is_of(place))

    def next(self, places: bytes) -> list[Alike]:
        """The kinds of these joined destinations, of as many as come in the known order."""
        return [] if self._following is None else self._following.next(places)

    def go_on(self, count: int) -> None:
        """So many of what `next` has just given are as they were."""
        assert self._following is not None
        self._following.go_on(count)

    def add(self, places: Sequence[Place], kinds: Sequence[Alike]) -> None:
        """Others that are as they were: not none, of one IP version. Raises ValueError as `in` does."""
        if self._following is None:
            self._others.update(places)
            return
        joined = b"".join(places)
        count = len(self._following.next(joined))
        if count == len(places):
            self._following.go_on(count)
            return
        anew = self._following.unmet(places)
        self._following.take(joined, kinds)
        before = len(self._others)
        if anew:
            self._others.update(anew)
        self._is_ordered &= len(self._others) - before == len(places)  # else one has come twice

    def discard(self, place: Place) -> None:
        """Whether or not it is there. Raises ValueError as `in` does."""
        self._is_ordered = False
        if place in self._others:
            self._others.discard(place)
            return
        for one in self._by_order:
            if place in self._known and one.is_of(place) and one.is_passed(place):
                one.unmeet_last()

    async def spread(self) -> None:
        """From now on without any order."""
        for places in self._in_order():
            self._others.update(places)
            await trio.lowlevel.checkpoint()
        self._by_order, self._following, self._is_ordered = [], None, False

    async def knows_any(self, places: Iterable[Place]) -> bool:
        """Whether one of these is known: then where it came is asked."""
        each = iter(places)
        while some := list(islice(each, SLICE)):
            if not self._known.isdisjoint(some):
                return True
            await trio.lowlevel.checkpoint()
        return False

    async def merge(self, other: SameRoutes) -> None:
        """What another one has met too. Of one IP version only one may go by an order: else both are spread, since what
        both have met counts once."""
        versions = {one.version for one in self._by_order}
        both = any(one.version in versions for one in other._by_order)
        if both or other._has_beside(self) or self._has_beside(other):
            await other.spread()
            await self.spread()
        self._by_order += other._by_order
        self._is_ordered &= other._is_ordered
        if len(other._others) > len(self._others):
            self._others, other._others = other._others, self._others
        for some in _slices(other._others):
            self._others.update(some)
            await trio.lowlevel.checkpoint()

    def _has_beside(self, ordered: SameRoutes) -> bool:
        """Whether it has met, in no order, one of an IP version that the other goes through in order."""
        return not self._by_order and any(one.is_of(place) for one in ordered._by_order for place in self._others)

    def slices(self) -> Iterator[Collection[Place]]:
        """All of them, some at a time."""
        yield from chain(self._in_order(), _slices(self._others))

    def orders(self) -> dict[int, DumpOrder[Alike]]:
        """The order of the dump by IP version, where all that is known came, and each once. Else none."""
        found = {one.version: one.order() for one in self._by_order}
        return found if self._is_ordered and sum(map(len, found.values())) == len(self._known) else {}

    def let_some_go(self) -> bool:
        """As PlaceSet has it."""
        self._by_order, self._following = [], None
        return self._others.let_some_go()

    def _in_order(self) -> Iterator[tuple[Place, ...]]:
        return chain.from_iterable(one.slices() for one in self._by_order)


def _slices(places: Iterable[Place]) -> Iterator[list[Place]]:
    each = iter(places)
    while some := list(islice(each, SLICE)):
        yield some
