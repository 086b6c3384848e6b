"""All routes of the host that use one link, as a look finds them: a full table without a value for each route.

What differs by its destination alone is kept packed (core/alike.py), whatever else there is as values. Whoever goes
through a set meets values, made one by one; who has a million routes to look at asks by kind instead (`of_kind`), by
prefix (`at`), or for those that are values anyway (`apart`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING, Literal, TypeVar

from hostlink.core.places import Place as Place
from hostlink.core.places import PlaceMap
from hostlink.core.route import RT_TABLE_MAIN, Prefix, Route, metric

if TYPE_CHECKING:
    from hostlink.core.dump_order import DumpOrder

PLACE4_BYTES, PLACE6_BYTES = 5, 17
Cut = tuple[bytes, bytes, bytes]
NO_CUT: Cut = (b"", b"", b"")


def place_of(prefix: Prefix) -> Place:
    """A prefix, packed."""
    return bytes((prefix.prefixlen,)) + prefix.network_address.packed


def prefix_at(place: Place) -> Prefix:
    """A packed prefix as a value."""
    return (IPv4Network if len(place) == PLACE4_BYTES else IPv6Network)((place[1:], place[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """All that some routes have in common. Compared by identity: whoever reads routes keeps one for equal bytes."""

    route: Route
    """Any one of them. It has no lifetime, which would be each one's own."""
    cut: Cut
    """Its body without the destination: before the prefix length, from there to the address, and after it."""
    key: tuple[int, int, int]
    """(table, metric, TOS): what tells routes of one destination apart, next hops aside."""

    @classmethod
    def of(cls, route: Route, cut: Cut) -> Alike:
        """Of one such route."""
        return cls(route, cut, (route.table, metric(route), route.tos))

    def at(self, place: Place) -> Route:
        """The one that has this destination."""
        one, (head, middle, tail) = self.route, self.cut
        return one.elsewhere(prefix_at(place), b"".join((head, place[:1], middle, place[1:], tail)))


SLICE = 2000
"""Destinations handled in one go by what is written in C, for which other threads wait: less than a millisecond."""


def _unset(size: int) -> list[bytes]:
    """By prefix length: what a place of that size must not have set. Of no such length: anything."""
    bits = 8 * (size - 1)
    masks = [((1 << bits - length) - 1).to_bytes(size, "big") for length in range(bits + 1)]
    return [*masks, *[b"\xff" * size] * (255 - bits)]


_UNSET = {size: _unset(size) for size in (PLACE4_BYTES, PLACE6_BYTES)}


class RouteSet:
    """apart: values. alike: of table main, each the only route of its prefix and no default route.

    Not to be changed by anybody but the one that it is given to for good (core/route_book.py).
    """

    __slots__ = ("_kinds", "alike", "apart", "blocks", "orders")

    def __init__(
        self,
        apart: Iterable[Route] = (),
        alike: Mapping[Place, Alike] | None = None,
        kinds: Iterable[Alike] | None = None,
        blocks: tuple[AlikeRoutes, ...] | None = None,
        orders: Mapping[int, DumpOrder[Alike]] | None = None,
    ) -> None:
        """alike: kept as it is where it is a PlaceMap.

        kinds: those of `alike`, and perhaps more, from who knows them: looking for them takes a while.

        blocks: `alike` as it is kept, from who has kept it. orders: by IP version that in which it is dumped, if known.
        """
        self.apart = tuple(apart)
        self.alike: PlaceMap[Alike] = alike if isinstance(alike, PlaceMap) else PlaceMap(alike or {})
        self._kinds = None if kinds is None else list(kinds)
        self.blocks = blocks
        self.orders = {} if orders is None else orders

    @property
    def kinds(self) -> list[Alike]:
        """One for each kind that is `alike`, and perhaps more: looked for once."""
        if self._kinds is None:
            found: dict[Alike, None] = {}
            each = iter(self.alike.values())
            while some := list(islice(each, SLICE)):
                found |= dict.fromkeys(some)
            self._kinds = list(found)
        return self._kinds

    @property
    def known_kinds(self) -> list[Alike] | None:
        """`kinds`, if they are known already."""
        return self._kinds

    def __iter__(self) -> Iterator[Route]:
        yield from self.apart
        for place, one in self.alike.items():
            yield one.at(place)

    def __len__(self) -> int:
        return len(self.apart) + len(self.alike)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouteSet | KeptRoutes):
            return NotImplemented
        return same_routes(self, other)

    __hash__ = None  # type: ignore[assignment]  # typeshed has a method there

    def __repr__(self) -> str:
        return f"RouteSet({len(self.apart)} apart, {len(self.alike)} alike)"


def place_bytes(version: int) -> int:
    """How long the places of that IP version are."""
    return PLACE4_BYTES if version == 4 else PLACE6_BYTES


def version_of(place: Place) -> Literal[4, 6]:
    """IP version of a place."""
    return 4 if len(place) == PLACE4_BYTES else 6


def split(version: int, places: bytes) -> Iterator[Place]:
    """Joined places of that IP version, each."""
    size = SLICE * place_bytes(version)
    for start in range(0, len(places), size):
        yield from cut(version, places[start : start + size])


def cut(version: int, places: bytes | bytearray) -> tuple[Place, ...]:
    """The same at once, for not too many."""
    return pieces(places, place_bytes(version))


def pieces(data: bytes | bytearray, size: int) -> tuple[bytes, ...]:
    """All of it in pieces of that size, some hundreds at most."""
    return _cutter(size, len(data) // size).unpack(data)


@lru_cache(maxsize=256)
def _cutter(size: int, count: int) -> Struct:
    return Struct(f"{size}s" * count)


def are_places(places: Collection[Place], size: int) -> bool:
    """Whether none has bits set behind its length, or a length that there is not. All at once, as large numbers.

    size: each one's, in bytes.
    """
    masks = _UNSET[size]
    said, unset = b"".join(places), b"".join([masks[place[0]] for place in places])
    return not int.from_bytes(said, "big") & int.from_bytes(unset, "big")


def check_places(version: int, places: bytes) -> None:
    """Raises ValueError where they are no joined places of that IP version, or a default route's."""
    size = place_bytes(version)
    whole = version in (4, 6) and not len(places) % size and 0 not in places[::size]
    found = list(split(version, places)) if whole else []
    if not (whole and all(are_places(found[at : at + SLICE], size) for at in range(0, len(found), SLICE))):
        raise ValueError(f"{len(places)} bytes are no destinations of IPv{version}")


@dataclass(frozen=True, slots=True)
class AlikeRoutes:
    """Routes of table main that differ by their destination alone."""

    route: Route
    """One of them."""
    cut: Cut
    version: int
    """IP version of the places."""
    places: bytes
    """Joined."""

    def __len__(self) -> int:
        return len(self.places) // place_bytes(self.version)

    def each(self) -> Iterator[Place]:
        """Their destinations."""
        return split(self.version, self.places)


@dataclass(frozen=True, slots=True)
class KeptRoutes:
    """A set to keep, on disk and in memory: five bytes for each IPv4 route that is like others."""

    apart: tuple[Route, ...]
    alike: tuple[AlikeRoutes, ...]
    """Of one kind as many as there are blocks of them."""

    def __iter__(self) -> Iterator[Route]:
        yield from self.apart
        for place, one in self.items():
            yield one.at(place)

    def __len__(self) -> int:
        return len(self.apart) + sum(map(len, self.alike))

    def items(self) -> Iterator[tuple[Place, Alike]]:
        """As of a RouteSet's `alike`; equal kinds are one object."""
        for one, block in self.blocks():
            for place in block.each():
                yield place, one

    def blocks(self) -> Iterator[tuple[Alike, AlikeRoutes]]:
        """Each block with its kind."""
        known: dict[Cut, Alike] = {}
        for block in self.alike:
            one = known.get(block.cut)
            if one is None:
                one = known[block.cut] = Alike.of(block.route, block.cut)
            yield one, block

    def spread(self) -> RouteSet:
        """As a set in which one looks things up."""
        return RouteSet(self.apart, PlaceMap(self.items()))


Routes = tuple[Route, ...] | RouteSet | KeptRoutes
K = TypeVar("K")
R = TypeVar("R", tuple[Route, ...], RouteSet, KeptRoutes, "tuple[Route, ...] | RouteSet | KeptRoutes")
_BLOCK = 8000
"""Destinations of one block: 40 kB of IPv4's, so that nothing that is done to a block takes long."""


def apart(routes: Routes) -> tuple[Route, ...]:
    """Those that are values: all of other tables than main, all default routes, all that expire, and more."""
    return routes if isinstance(routes, tuple) else routes.apart


def with_apart(routes: R, values: Iterable[Route]) -> R:
    """The same but for those that are `apart`."""
    if isinstance(routes, tuple):
        return tuple(values)
    if isinstance(routes, KeptRoutes):
        return KeptRoutes(tuple(values), routes.alike)
    return RouteSet(values, routes.alike, routes.known_kinds, routes.blocks, routes.orders)


def kinds(routes: Routes) -> list[Alike]:
    """Of what is not `apart`: one for each kind."""
    if isinstance(routes, tuple):
        return []
    if isinstance(routes, KeptRoutes):
        return list(dict.fromkeys(one for one, _ in routes.blocks()))
    return routes.kinds


def items(routes: Routes) -> Iterable[tuple[Place, Alike]]:
    """Of what is not `apart`: each destination with its kind."""
    if isinstance(routes, tuple):
        return ()
    return routes.alike.items() if isinstance(routes, RouteSet) else routes.items()


def of_kind(routes: Routes, wanted: Callable[[Route], bool]) -> Iterator[Route]:
    """Those of which that is so; it must not hang on the prefix, but for a default route's."""
    yield from filter(wanted, apart(routes))
    if isinstance(routes, KeptRoutes):
        for one, block in routes.blocks():
            if wanted(one.route):
                yield from map(one.at, block.each())
        return
    right = {one for one in kinds(routes) if wanted(one.route)}
    if right:
        yield from (one.at(place) for place, one in items(routes) if one in right)


def at(routes: Routes, prefixes: Collection[Prefix]) -> list[Route]:
    """The routes of these prefixes, in any table."""
    found = [route for route in apart(routes) if route.prefix in prefixes]
    if isinstance(routes, RouteSet):
        places = (place_of(prefix) for prefix in prefixes)
        return found + [routes.alike[place].at(place) for place in places if place in routes.alike]
    wanted = {place_of(prefix) for prefix in prefixes}
    return found + [one.at(place) for place, one in items(routes) if place in wanted]


def versions(places: Iterable[Place]) -> Counter[int]:
    """How many there are, by IP version."""
    found: Counter[int] = Counter()
    each = iter(places)
    while some := Counter(map(len, islice(each, SLICE))):
        found[4] += some[PLACE4_BYTES]
        found[6] += some[PLACE6_BYTES]
    return found


def kept(routes: Routes, but: Callable[[Route], bool] = lambda _: False, at: Collection[Prefix] = ()) -> KeptRoutes:
    """A set to keep, without the routes at these prefixes of which `but` is true."""
    values = tuple(route for route in apart(routes) if not (route.prefix in at and but(route)))
    if isinstance(routes, KeptRoutes) and not at:
        return routes
    left_out = {place_of(prefix) for prefix in at}
    if isinstance(routes, RouteSet) and not any(place in routes.alike for place in left_out):
        if routes.blocks is None:
            routes.blocks = _together(routes.alike.items())
        return KeptRoutes(values, routes.blocks)
    left = ((place, one) for place, one in items(routes) if not (place in left_out and but(one.at(place))))
    return KeptRoutes(values, _together(left))


def _together(pairs: Iterable[tuple[Place, Alike]]) -> tuple[AlikeRoutes, ...]:
    together: dict[tuple[Alike, int], list[Place]] = {}
    for place, one in pairs:
        group = together.get((one, len(place)))
        if group is None:
            group = together[one, len(place)] = []
        group.append(place)
    return tuple(block for (one, _), places in together.items() for block in _blocks(one, places))


def _blocks(one: Alike, places: list[Place]) -> Iterator[AlikeRoutes]:
    version = version_of(places[0])
    for start in range(0, len(places), _BLOCK):
        yield AlikeRoutes(one.route, one.cut, version, b"".join(places[start : start + _BLOCK]))


def grouped(pairs: Iterable[tuple[Place, K]]) -> dict[K, list[Place]]:
    """The destinations of each kind, in their order."""
    found: dict[K, list[Place]] = {}
    for place, one in pairs:
        if one in found:
            found[one].append(place)
        else:
            found[one] = [place]
    return found


def by_key(routes: Iterable[Route]) -> dict[tuple[int, Prefix], list[Route]]:
    """All routes of each prefix of each table, in the order given."""
    found: dict[tuple[int, Prefix], list[Route]] = {}
    for route in routes:
        found.setdefault((route.table, route.prefix), []).append(route)
    return found


def same_routes(one: Routes, other: Routes) -> bool:
    """Whether both have the same routes, those of one prefix in the same order. However they keep them."""
    if len(one) != len(other):
        return False
    if isinstance(one, KeptRoutes) and isinstance(other, KeptRoutes) and one.alike == other.alike:
        return by_key(one.apart) == by_key(other.apart)
    if isinstance(other, RouteSet) and not isinstance(one, RouteSet):
        one, other = other, one
    there = one.alike if isinstance(one, RouteSet) else PlaceMap(items(one))
    matched, odd = _matched(there, other)
    if matched is None:
        return False
    mine, theirs = list(apart(one)), [*apart(other), *odd]
    if matched < len(there):
        prefixes = {route.prefix for route in theirs if route.table == RT_TABLE_MAIN}
        mine += [there[place].at(place) for place in map(place_of, prefixes) if place in there]
    return len(mine) == len(theirs) and by_key(mine) == by_key(theirs)


def in_order_of(one: KeptRoutes, other: KeptRoutes) -> KeptRoutes:
    """Of two with the same routes the first, kept as the other is. What it says of lifetimes it goes on saying."""
    said = {route: route for route in one.apart if route.expires_s is not None}
    return KeptRoutes(tuple(said.get(route, route) if said else route for route in other.apart), other.alike)


def _matched(there: PlaceMap[Alike], other: Routes) -> tuple[int | None, list[Route]]:
    """How many of the other's are there so (None: one is there otherwise), and those that are not there."""
    same: dict[tuple[Alike, Alike], bool] = {}
    matched, odd = 0, []
    for kind, places in _groups(other):
        mine = there.gets(places)
        if mine.count(mine[0]) != len(mine) or mine[0] is None:
            odd += [kind.at(place) for place, found in zip(places, mine, strict=True) if found is None]
        for found in dict.fromkeys(mine):
            if found is None or found is kind:
                continue
            if (found, kind) not in same:
                same[found, kind] = found.at(places[0]) == kind.at(places[0])
            if not same[found, kind]:
                return None, odd
        matched += len(mine) - mine.count(None)
    return matched, odd


def _groups(routes: Routes) -> Iterator[tuple[Alike, list[Place]]]:
    """Destinations of one kind and IP version together, so many that each group is worth it."""
    if isinstance(routes, KeptRoutes):
        for one, block in routes.blocks():
            yield one, list(block.each())
        return
    together: dict[tuple[Alike, int], list[Place]] = {}
    for place, one in items(routes):
        together.setdefault((one, len(place)), []).append(place)
    for (one, _), places in together.items():
        yield from ((one, places[start : start + SLICE]) for start in range(0, len(places), SLICE))
