"""Routes that are the same but for their destination: what a full table is made of, kept without a value for each.

A routing daemon's 100,000 routes go by a handful of gateways. All that such a route says besides its destination is one
`Alike`, shared by all of them, and a route is then a packed destination (`Place`) that leads to it: some 50 bytes
instead of 700, and a dictionary's look-up where values were made and compared. Anything that is not so simple is a
`Route` as ever (core/route_book.py keeps both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from hostlink.core.model import Route, VppPaths, VppRoute
from hostlink.core.route_set import NO_CUT as NO_CUT
from hostlink.core.route_set import PLACE4_BYTES as PLACE4_BYTES
from hostlink.core.route_set import PLACE6_BYTES as PLACE6_BYTES
from hostlink.core.route_set import SLICE
from hostlink.core.route_set import Alike as Alike
from hostlink.core.route_set import Cut as Cut
from hostlink.core.route_set import Place as Place
from hostlink.core.route_set import place_of as place_of
from hostlink.core.route_set import prefix_at as prefix_at


@dataclass(frozen=True, slots=True, eq=False)
class AlikeChange:
    """What route messages of the kernel say that differ by their destination alone: RouteChange without a route."""

    alike: Alike
    gone: bool = False
    replaces: bool = False
    """NLM_F_REPLACE: it stands in the place of the one that had the same key."""

    @property
    def route(self) -> Route:
        """One of them, for what is not of its destination."""
        return self.alike.route


@dataclass(frozen=True, slots=True)
class AlikeEdit:
    """All routes that these places of one table have now: each one of these, or none when `route` is None."""

    table: int
    route: Route | None
    cut: Cut
    version: int
    """IP version of the places."""
    places: bytes
    """Joined."""


class PackedRoutes:
    """What is to be changed in VPP's table 0, of routes that are alike. No place is in it twice."""

    def __init__(self) -> None:
        self.add: list[tuple[VppPaths, list[Place]]] = []
        """To be added or replaced: paths, and places of one IP version that are to have them."""
        self.delete: list[Place] = []
        self._groups: dict[tuple[int, int], list[Place]] = {}

    def extend(self, add: Iterable[tuple[VppPaths, list[Place]]], delete: Iterable[Place]) -> None:
        """More of it. Those with the same paths (the same object) are put together."""
        for paths, places in add:
            key = (id(paths), len(places[0]))
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = []
                self.add.append((paths, group))
            group += places
        self.delete += delete

    def __len__(self) -> int:
        return sum(len(places) for _, places in self.add) + len(self.delete)

    def parts(self, most: int) -> Iterator[PackedRoutes]:
        """The same in parts of so many, in the same order."""
        part = PackedRoutes()
        for paths, places in (*self.add, (None, self.delete)):
            start = 0
            while start < len(places):
                some = places[start : start + most - len(part)]
                part.extend(() if paths is None else [(paths, some)], some if paths is None else ())
                start += len(some)
                if len(part) == most:
                    yield part
                    part = PackedRoutes()
        if part:
            yield part

    def parted(self, first: Callable[[Place, VppPaths | None], bool]) -> tuple[PackedRoutes, PackedRoutes]:
        """Those of which that is so, and the others. None: the place is to be deleted."""
        both = PackedRoutes(), PackedRoutes()
        for paths, places in self.add:
            for one, wanted in zip(both, (True, False), strict=True):
                some = [place for place in places if first(place, paths) is wanted]
                if some:
                    one.extend([(paths, some)], ())
        for place in self.delete:
            both[0 if first(place, None) else 1].delete.append(place)
        return both

    def let_go(self) -> None:
        """Of all of it, some at a time: a million at once stop all threads for 30 ms."""
        for places in (*(places for _, places in self.add), self.delete):
            while places:
                del places[-SLICE:]
        self.add, self._groups = [], {}

    def places(self) -> Iterator[Place]:
        """All that it is about."""
        yield from chain.from_iterable(places for _, places in self.add)
        yield from self.delete

    def added(self) -> Iterator[VppRoute]:
        """As values."""
        return (VppRoute(0, prefix_at(place), paths) for paths, places in self.add for place in places)

    def deleted(self) -> Iterator[VppRoute]:
        """As values; a delete needs no paths."""
        return (VppRoute(0, prefix_at(place), ()) for place in self.delete)
