"""Sets and maps of a full table's destinations that grow, and are let go of, in steps that are short.

A dictionary of a million grows by steps that stop all threads for 30 to 60 ms: it makes itself anew, three times as
large, and finds a new place for each entry. So what is kept of destinations is parted by the first byte of their
address. Of the internet's IPv4 routes, none of which is longer than /24, a part has 131,071 at most; what comes in the
kernel's order goes into one and the same part hundreds at a time.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import chain
from operator import itemgetter
from typing import TypeVar, overload

Place = bytes
"""A destination: its prefix length in one byte, then its address, 4 bytes of IPv4 or 16 of IPv6, network order. Nothing
here asks whether it is one: of what is shorter than two bytes there is an IndexError."""
T = TypeVar("T")
D = TypeVar("D")
_PARTS = 256
_first_byte = itemgetter(1)


def _common_byte(places: Sequence[Place]) -> int | None:
    """The first byte of all these addresses, if it is the same; of none."""
    if not places or places[0][1] != places[-1][1]:
        return None
    found = {*map(_first_byte, places)}
    return found.pop() if len(found) == 1 else None


class PlaceMap(MutableMapping[Place, T]):
    """A dictionary by destination, in the order of their first bytes. Many are asked for, or put in, at once."""

    __slots__ = ("_parts",)

    def __init__(self, items: Mapping[Place, T] | Iterable[tuple[Place, T]] = ()) -> None:
        self._parts: list[dict[Place, T]] = [{} for _ in range(_PARTS)]
        self.update(items)

    def _part(self, places: Sequence[Place]) -> dict[Place, T] | None:
        """The one that all these belong to."""
        first = _common_byte(places)
        return None if first is None else self._parts[first]

    def gets(self, places: Sequence[Place]) -> list[T | None]:
        """What each has."""
        part = self._part(places)
        if part is not None:
            return list(map(part.get, places))
        parts = self._parts
        return [parts[place[1]].get(place) for place in places]

    def puts(self, places: Sequence[Place], values: Sequence[T]) -> None:
        """Give each its own."""
        part = self._part(places)
        if part is not None:
            part.update(zip(places, values, strict=True))
            return
        parts = self._parts
        for place, value in zip(places, values, strict=True):
            parts[place[1]][place] = value

    def adds(self, places: Sequence[Place], values: Sequence[T]) -> tuple[list[T], int]:
        """Give each that has none its own. Returns what each has by then, and how many had none."""
        part = self._part(places)
        if part is not None:
            before = len(part)
            return list(map(part.setdefault, places, values)), len(part) - before
        parts, before = self._parts, len(self)
        found = [parts[place[1]].setdefault(place, value) for place, value in zip(places, values, strict=True)]
        return found, len(self) - before

    def isdisjoint(self, places: Sequence[Place]) -> bool:
        """Whether it has none of these."""
        part = self._part(places)
        if part is not None:
            return part.keys().isdisjoint(places)
        parts = self._parts
        return not any(place in parts[place[1]] for place in places)

    def let_some_go(self) -> bool:
        """One part of it: to let go of a million at once stops all for 60 ms. False: it is empty."""
        part = next(filter(None, self._parts), None)
        if part is not None:
            part.clear()
        return part is not None

    def __getitem__(self, place: Place) -> T:
        return self._parts[place[1]][place]

    def __setitem__(self, place: Place, value: T) -> None:
        self._parts[place[1]][place] = value

    def __delitem__(self, place: Place) -> None:
        del self._parts[place[1]][place]

    @overload
    def get(self, place: Place, /) -> T | None: ...
    @overload
    def get(self, place: Place, default: T | D, /) -> T | D: ...
    def get(self, place: Place, default: T | D | None = None, /) -> T | D | None:
        """What it has, or the default."""
        return self._parts[place[1]].get(place, default)

    def __contains__(self, place: object) -> bool:
        return isinstance(place, bytes) and place in self._parts[place[1]]

    def __iter__(self) -> Iterator[Place]:
        return chain.from_iterable(self._unchanged())

    def _unchanged(self) -> Iterator[dict[Place, T]]:
        """Its parts one by one, as a dictionary its items: RuntimeError where it grows or shrinks meanwhile."""
        size = len(self)
        for part in filter(None, self._parts):
            yield part
            if len(self) != size:
                raise RuntimeError("destinations came or went while they were gone through")

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __bool__(self) -> bool:
        return any(self._parts)

    def items(self) -> ItemsView[Place, T]:
        """Each with what it has."""
        return _Items(self)

    def values(self) -> ValuesView[T]:
        """What each has."""
        return _Values(self)

    def __repr__(self) -> str:
        return f"PlaceMap({dict(self)!r})"


class _Items(ItemsView[Place, T]):
    _mapping: PlaceMap[T]

    def __iter__(self) -> Iterator[tuple[Place, T]]:
        return chain.from_iterable(map(dict.items, self._mapping._unchanged()))


class _Values(ValuesView[T]):
    _mapping: PlaceMap[T]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(map(dict.values, self._mapping._unchanged()))


def gets(found: Mapping[Place, T], places: Sequence[Place]) -> list[T | None]:
    """What each has, of any mapping."""
    return found.gets(places) if isinstance(found, PlaceMap) else list(map(found.get, places))


class PlaceSet(AbstractSet[Place]):
    """The same without values."""

    __slots__ = ("_parts",)

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._parts: dict[int, set[Place]] = {}
        """Those that have something, or had."""
        for place in places:
            self._part(place[1]).add(place)

    def update(self, places: Sequence[Place]) -> None:
        """Not for none. Where many come in the kernel's order nearly all go into one part."""
        first = _common_byte(places)
        if first is not None:
            self._part(first).update(places)
            return
        for place in places:
            self._part(place[1]).add(place)

    def difference_update(self, places: Sequence[Place]) -> None:
        """Without these, whether or not they are there."""
        parts = self._parts
        for place in places:
            part = parts.get(place[1])
            if part is not None:
                part.discard(place)

    def _part(self, first_byte: int) -> set[Place]:
        part = self._parts.get(first_byte)
        if part is None:
            part = self._parts[first_byte] = set()
        return part

    def discard(self, place: Place) -> None:
        """Whether or not it is there."""
        if place in self:
            self._parts[place[1]].discard(place)

    def let_some_go(self) -> bool:
        """One part of it: to let go of a million at once stops all for 60 ms. False: it is empty."""
        return bool(self._parts) and bool(self._parts.popitem())

    def __contains__(self, place: object) -> bool:
        return isinstance(place, bytes) and place in self._parts.get(place[1], ())

    def __iter__(self) -> Iterator[Place]:
        return chain.from_iterable(self._parts.values())

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))
