"""In which order a dump lists what is known: a table that has not changed is listed as it was.

To look one destination up among a million takes most of a microsecond, nearly all of it waiting for memory. But the
kernel lists routes by destination, and VPP as its hashes happen to have them: both as they did the last time, but for
what was changed since. (VPP that was emptied and filled again too, and even a new VPP: 85 to 99 of 100 are where they
were, and the others a few places away, where a bucket was filled in another order.) So destinations are kept in the
order of the last dump, joined, and those of the next one are compared with it hundreds at once. What is a few places
away is found in a dictionary of those alone. Only where it goes another way is anything looked up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from operator import eq
from typing import Generic, TypeVar

from hostlink.core.route_set import SLICE, Place, cut, place_bytes

T = TypeVar("T")
MOST_CHANGED = 2_000
"""Where more destinations were changed since, all of them may as well be looked up."""
_MANY_KINDS = 1000
"""Of so many it is looked whether they are all in use."""
_TAIL = 16
"""So many tell whether destinations that were not all in their places have ended where the order is."""
_AROUND = 16
"""So far before and behind what should come the others of a bucket are."""
_NEAR = 2000
"""Destinations, besides those that were changed: so far on in the order one is looked for."""


class DumpOrder(Generic[T]):
    """Destinations of one IP version in the order of a dump, and what each led to."""

    __slots__ = ("_numbers", "_said", "kinds", "places", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.places = bytearray()
        """Joined."""
        self._said = array("I")
        """Of each a number: a list of a million would be gone through by Python's cycle collector."""
        self.kinds: list[T] = []
        """What they lead to, by number."""
        self._numbers: dict[int, int] = {}
        """Those, by the id of each."""

    def __len__(self) -> int:
        return len(self._said)

    def append(self, places: bytes | bytearray, said: Sequence[T]) -> None:
        """What comes next. places: joined."""
        try:
            numbers = list(map(self._numbers.__getitem__, map(id, said)))
        except KeyError:
            numbers = list(map(self._number, said))
        self.append_numbers(places, numbers)

    def append_numbers(self, places: bytes | bytearray, numbers: Iterable[int]) -> None:
        """The same, by number."""
        self.places += places
        self._said.extend(numbers)

    def _number(self, one: T) -> int:
        if id(one) not in self._numbers:
            self._numbers[id(one)] = len(self.kinds)
            self.kinds.append(one)
        return self._numbers[id(one)]

    def number_of(self, one: T) -> int | None:
        """That of one of the kinds."""
        return self._numbers.get(id(one))

    def numbers(self, which: slice) -> array[int]:
        """What those led to, by number."""
        return self._said[which]

    def said(self, which: slice) -> list[T]:
        """What those led to."""
        return list(map(self.kinds.__getitem__, self._said[which]))

    def slices(self, which: range | None = None) -> Iterator[tuple[Place, ...]]:
        """The destinations, or which of them, some at a time."""
        size, some = place_bytes(self.version), range(len(self)) if which is None else which
        for start in range(some.start, some.stop, SLICE):
            yield cut(self.version, self.places[start * size : min(start + SLICE, some.stop) * size])

    def until(self, count: int) -> DumpOrder[T]:
        """The first ones, to be gone on with otherwise."""
        found = DumpOrder[T](self.version)
        found.kinds, found._numbers = [*self.kinds], {**self._numbers}
        found.go_on_as(self, slice(count))
        return found

    def compact(self) -> None:
        """Without the kinds that nothing leads to any more, where those are most."""
        used = set(self._said) if len(self.kinds) > _MANY_KINDS else ()
        if used and 2 * len(used) < len(self.kinds):
            kinds = [self.kinds[number] for number in used]
            renumbered = dict(zip(used, range(len(kinds)), strict=True))
            self._said = array("I", map(renumbered.__getitem__, self._said))
            self.kinds, self._numbers = kinds, {id(one): number for number, one in enumerate(kinds)}

    def go_on_as(self, other: DumpOrder[T], which: slice) -> None:
        """These of the other come next, of which this one is the first ones."""
        size = place_bytes(self.version)
        self.places += other.places[(which.start or 0) * size : which.stop * size]
        self._said += other._said[which]


class Following(Generic[T]):
    """A dump as it comes, beside the order of the one before.

    order: None where there was none. changed: destinations that lead elsewhere since then, or nowhere, or are new.
    """

    def __init__(
        self, version: int, order: DumpOrder[T] | None = None, changed: AbstractSet[Place] = frozenset()
    ) -> None:
        self.version, self._size = version, place_bytes(version)
        self._order, self._changed = order or DumpOrder[T](version), changed
        self._at = 0
        """How many of the order are passed."""
        self._furthest = 0
        """Behind the last one of the order that was seen."""
        self._anew: DumpOrder[T] | None = None
        """The order of this dump, from where it goes another way."""
        self.met: list[range] = []
        """Which of the order came in its turn."""

    def is_of(self, place: Place) -> bool:
        """Whether it is of that IP version."""
        return len(place) == self._size

    @property
    def known(self) -> DumpOrder[T]:
        """The order that is followed."""
        return self._order

    def next(self, places: bytes) -> list[T]:
        """What these joined destinations lead to, of as many as come next in the order and were not changed."""
        return self._order.said(slice(self._at, self._at + self._count_next(places)))

    def next_numbers(self, places: bytes) -> array[int]:
        """The same by number."""
        return self._order.numbers(slice(self._at, self._at + self._count_next(places)))

    def _count_next(self, places: bytes) -> int:
        same = common(places, self._expected(places), self._size)
        if self._changed and not self._changed.isdisjoint(some := self._cut(places[: same * self._size])):
            return next(number for number, place in enumerate(some) if place in self._changed)
        return same

    def near(self, places: bytes) -> array[int]:
        """What these joined destinations lead to, by number, of as many as come hereabouts and were not changed.

        For a dump that may list neighbours the other way round, and that is told to `take_near`.
        """
        ours = self._cut(places)
        which = slice(max(0, self._at - _AROUND), self._at + len(ours) + _AROUND)
        there = self._cut(self._order.places[which.start * self._size : which.stop * self._size])
        found = list(map(dict(zip(there, self._order.numbers(which), strict=True)).get, ours))
        if not self._changed.isdisjoint(ours):
            found = [None if place in self._changed else one for place, one in zip(ours, found, strict=True)]
        return array("I", found[: found.index(None)] if None in found else found)  # type: ignore[arg-type]  # none is None

    def go_on(self, count: int) -> None:
        """So many of what `next` has just given have come, and lead there."""
        if self._anew is not None:
            self._anew.go_on_as(self._order, slice(self._at, self._at + count))
        if self.met and self.met[-1].stop == self._at:
            self.met[-1] = range(self.met[-1].start, self._at + count)
        else:
            self.met.append(range(self._at, self._at + count))
        self._at += count
        self._furthest = self._at

    def take(self, places: bytes, said: Sequence[T]) -> None:
        """These joined destinations have come, and lead there, whether or not they are next."""
        if places == self._expected(places) and self.next(places) == said:
            self.go_on(len(said))
            return
        self._begin_anew().append(places, said)
        self._pass(places, len(said))

    def take_near(self, places: bytes, numbers: array[int]) -> None:
        """These have come, of which `near` has given the numbers."""
        self._begin_anew().append_numbers(places, numbers)
        self._pass(places, len(numbers))

    def _begin_anew(self) -> DumpOrder[T]:
        if self._anew is None:
            self._anew = self._order.until(self._at)
        return self._anew

    def _pass(self, places: bytes, count: int) -> None:
        self._at = self._furthest = max(self._furthest, self._behind(places, count))

    def _behind(self, places: bytes, count: int) -> int:
        """Where the order goes on behind so many that were not all next."""
        size, stop = self._size, self._at + count
        few = min(count, _TAIL)
        expected = self._order.places[(stop - few) * size : stop * size]
        if 2 * sum(map(eq, self._cut(places[-few * size :]), self._cut(expected))) > few:
            return stop
        last = self._find(places[-size:])
        return self._at if last is None else last + 1

    def is_passed(self, place: Place) -> bool:
        """Whether it is among those `met`. It has come out of its turn, and is to be told to `take` after this.

        Raises ValueError where that cannot be told: it is known, and not where it was.
        """
        if not len(self._order) or place in self._changed:
            return False
        ahead = self._find(place)
        if ahead is not None:
            self._furthest = max(self._furthest, ahead + 1)
            return False
        if self.met and self.met[-1].stop == self._at and self._at_last() == place:
            return True
        raise ValueError(f"destination {place.hex()} is not where it was")

    def unmet(self, places: Sequence[Place]) -> Sequence[Place]:
        """Those that `is_passed` is not true of. Raises ValueError as it does."""
        return [place for place in places if not self.is_passed(place)] if len(self._order) else places

    def unmeet_last(self) -> None:
        """The last of those `met` counts no more."""
        last = self.met.pop()
        if len(last) > 1:
            self.met.append(last[:-1])

    def slices(self) -> Iterator[tuple[Place, ...]]:
        """Those `met`, some at a time."""
        return chain.from_iterable(map(self._order.slices, self.met))

    def order(self) -> DumpOrder[T]:
        """That of this dump. The same object, where it was the same and nothing lacks."""
        if self._anew is None and self._at == len(self._order):
            return self._order
        found = self._anew or self._order.until(self._at)
        found.compact()
        return found

    def _expected(self, places: bytes) -> bytearray:
        """What comes next in the order, as much of it."""
        at = self._at * self._size
        return self._order.places[at : at + len(places)]

    def _cut(self, places: bytes | bytearray) -> tuple[Place, ...]:
        return cut(self.version, places)

    def _at_last(self) -> bytes:
        at = self._at * self._size
        return bytes(self._order.places[at - self._size : at])

    def _find(self, place: Place) -> int | None:
        """Where it comes in what is near of the order."""
        size, known = self._size, self._order.places
        stop = (self._at + _NEAR + len(self._changed)) * size
        at = known.find(place, self._at * size, stop)
        while at > 0 and at % size:
            at = known.find(place, at + 1, stop)
        return at // size if at >= 0 else None


def common(one: bytes | bytearray, other: bytes | bytearray, size: int) -> int:
    """With how many pieces of that size both begin that are the same."""
    low, high = 0, min(len(one), len(other)) // size
    if one[: high * size] == other[: high * size]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * size : middle * size] == other[low * size : middle * size]:
            low = middle
        else:
            high = middle - 1
    return low
