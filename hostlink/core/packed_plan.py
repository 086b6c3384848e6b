"""What differs between the packed routes that VPP should have and those that it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice

from hostlink.core.alike import PackedRoutes
from hostlink.core.model import VppPaths, VppUplink
from hostlink.core.places import gets
from hostlink.core.route_set import SLICE, Alike, Place, grouped, place_of


class AsWanted(Mapping[Place, VppPaths]):
    """VPP's packed routes, said by how they differ from what was wanted: a full table that is as it should be is none.

    missing: wanted, and not there. others: there with other paths, or not wanted at all.
    """

    def __init__(
        self, wanted: Mapping[Place, VppPaths], missing: AbstractSet[Place], others: dict[Place, VppPaths]
    ) -> None:
        self.wanted, self.missing, self.others = wanted, missing, others

    def __getitem__(self, place: Place) -> VppPaths:
        paths = self.others.get(place)
        if paths is not None:
            return paths
        if place in self.missing:
            raise KeyError(place)
        return self.wanted[place]

    def __iter__(self) -> Iterator[Place]:
        yield from self.others
        yield from (place for place in self.wanted if place not in self.missing and place not in self.others)

    def __len__(self) -> int:
        beside = sum(place not in self.wanted for place in self.others)
        return len(self.wanted) - len(self.missing) + beside


def packed_changes(desired: VppUplink, actual: VppUplink) -> PackedRoutes:
    """What is to be added or replaced, and deleted, of what both have packed; or the other has as a value."""
    wanted, there = desired.packed, actual.packed
    changes = added(_differing(wanted, there), wanted)
    values = {place_of(route.prefix) for route in desired.routes if route.table_id == 0}
    changes.extend((), [place for place in _besides(wanted, there) if place not in values])
    return changes


def added(places: Iterable[Place], wanted: Mapping[Place, VppPaths]) -> PackedRoutes:
    """What is wanted at these places, to be added or replaced."""
    groups: dict[tuple[int, int], list[Place]] = {}
    ways: dict[int, VppPaths] = {}
    each = iter(places)
    while some := list(islice(each, SLICE)):
        for place, paths in zip(some, gets(wanted, some), strict=True):
            if paths is None:
                raise KeyError(place)
            group = groups.get((id(paths), len(place)))
            if group is None:
                group = groups[id(paths), len(place)] = []
                ways[id(paths)] = paths
            group.append(place)
    changes = PackedRoutes()
    changes.extend([(ways[number], group) for (number, _), group in groups.items()], ())
    return changes


def added_alike(pairs: Iterable[tuple[Place, Alike]], wanted: Mapping[Place, VppPaths]) -> PackedRoutes:
    """The same where the kind of each is known: what is wanted has the same paths for all of one kind."""
    changes = PackedRoutes()
    changes.extend([(wanted[group[0]], group) for group in grouped(pairs).values()], ())
    return changes


def _differing(wanted: Mapping[Place, VppPaths], there: Mapping[Place, VppPaths]) -> Iterator[Place]:
    """Wanted, and not there so."""
    if isinstance(there, AsWanted) and there.wanted is wanted:
        yield from there.missing
        yield from (place for place in there.others if place in wanted)
        return
    places = iter(wanted)
    while some := list(islice(places, SLICE)):
        ours, theirs = gets(wanted, some), gets(there, some)
        if ours != theirs:
            yield from (place for place, one, other in zip(some, ours, theirs, strict=True) if one != other)


def _besides(wanted: Mapping[Place, VppPaths], there: Mapping[Place, VppPaths]) -> Iterator[Place]:
    """There, and not wanted."""
    found = there.others if isinstance(there, AsWanted) and there.wanted is wanted else there
    return (place for place in found if place not in wanted)
