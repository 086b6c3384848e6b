"""A set of a full table's destinations that grows, and is let go of, in steps that are short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter

from hostlink.core.route_set import Place

_first_byte = itemgetter(1)


class PlaceSet:
    """Destinations by the first byte of their address: a set of a million grows by steps that stop all for 100 ms."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[int, set[Place]] = {}

    def update(self, places: Sequence[Place]) -> None:
        """Not for none. Where many come in the kernel's order nearly all go into one part."""
        first, last = places[0][1], places[-1][1]
        if first == last and {*map(_first_byte, places)} == {first}:
            self._part(first).update(places)
            return
        for place in places:
            self._part(place[1]).add(place)

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
