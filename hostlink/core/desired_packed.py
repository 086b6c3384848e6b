"""What VPP should have for a full table: the paths of each kind of route once, and no value for a route.

What stands out by its prefix (core/desired_routes.py: VPP's own entries, the networks of addresses, hostlink's own
routes, multicast and the like), and what is of a kind of which there is more to say, goes through values as ever.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import count, islice
from operator import itemgetter

from hostlink.core.desired_routes import Translator, of_values
from hostlink.core.model import Prefix, Problem, VppPaths, VppRoute
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import SLICE, Alike, KeptRoutes, Place, Routes, RouteSet, apart, items, kinds, place_of

SPECIAL = 0b1110_0000
"""First byte of the prefixes that VPP has entries of its own for, and of others (multicast, IPv4's reserved block, IPv6
link-local; core/desired_routes.py): let values tell."""
_length, _first_byte = itemgetter(0), itemgetter(1)


def is_special(place: Place) -> bool:
    """A default route, or one that may be VPP's own."""
    return not place[0] or place[1] >= SPECIAL


def is_any_special(places: Collection[Place]) -> bool:
    """Of many at once, and not of none."""
    return not min(map(_length, places)) or max(map(_first_byte, places)) >= SPECIAL


@dataclass(frozen=True, slots=True)
class Translated:
    """What VPP should have, in two parts, and what it cannot have."""

    routes: frozenset[VppRoute]
    packed: PlaceMap[VppPaths]
    ways: tuple[VppPaths, ...]
    """The paths of `packed`, each once."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What was translated before, and read back: the host's routes, what VPP has for those that are alike, and how."""

    translator: Translator
    routes: RouteSet
    sent: PlaceMap[VppPaths]
    ways: tuple[VppPaths, ...]
    """The paths of `sent`, each once, and perhaps some that went: of those none leans on an on-link route."""
    changed: AbstractSet[Place] | None = frozenset()
    """Destinations that lead elsewhere since both were dumped, or nowhere, or are new. None: too many to be named."""

    def is_of(self, routes: Routes) -> bool:
        """Whether what is alike of these is the same again (kernel/known_routes.py)."""
        return isinstance(routes, RouteSet) and routes.alike is self.routes.alike


def translated(translator: Translator, routes: Routes, known: Known | None = None) -> Translated:
    """Of all routes of the host that use the link."""
    if known is not None and known.is_of(routes) and known.translator == translator:
        found, problems = of_values(translator, apart(routes))
        return Translated(found, known.sent, known.ways, problems)
    if isinstance(routes, KeptRoutes):
        routes = routes.spread()  # whose kinds are the same objects each time
    ways, never = _ways(translator, kinds(routes))
    packed, odd = _packed(routes, ways)
    there = routes.alike if isinstance(routes, RouteSet) else PlaceMap[Alike]()
    values = list(apart(routes))
    for place in (*odd, *(place for place in never if packed.pop(place, None) is not None)):
        values.append(there[place].at(place))
    found, problems = of_values(translator, values)
    return Translated(found, packed, _used(packed, ways), problems)


def _ways(translator: Translator, found: Collection[Alike]) -> tuple[dict[Alike, VppPaths | None], set[Place]]:
    """The paths of each kind where no prefix stands out (None: values must tell), and the places that do stand out."""
    apart = translator.set_apart
    plain = {version: place_of(_plain(version, apart)) for version in (4, 6)}
    ways: dict[Alike, VppPaths | None] = {}
    same: dict[VppPaths, VppPaths] = {}
    for one in found:
        paths = translator.paths_anywhere(one.at(plain[one.route.prefix.version]))
        ways[one] = None if paths is None else same.setdefault(paths, paths)
    gateways = {path.next_hop for paths in same for path in paths if path.next_hop is not None}
    return ways, {place_of(prefix) for prefix in (*apart, *map(ip_network, gateways))}


def _plain(version: int, apart: Collection[Prefix]) -> Prefix:
    """Any prefix of that IP version that does not stand out."""
    for number in count():
        low, high = 0x01000000 + (number << 8), (0x20000000 << 96) + (number << 64)
        prefix: Prefix = IPv4Network((low, 24)) if version == 4 else IPv6Network((high, 64))
        if prefix not in apart:
            return prefix
    raise AssertionError("there are more prefixes than can be set apart")


def _packed(routes: Routes, ways: dict[Alike, VppPaths | None]) -> tuple[PlaceMap[VppPaths], list[Place]]:
    """What can be packed, and the rest. In slices: what is written in C stops all other threads."""
    packed = PlaceMap[VppPaths]()
    odd: list[Place] = []
    pairs = iter(items(routes))
    while some := list(islice(pairs, SLICE)):
        places, found = zip(*some, strict=True)
        paths = list(map(ways.__getitem__, found))
        if all(paths) and max(map(_first_byte, places)) < SPECIAL:
            packed.puts(places, paths)  # type: ignore[arg-type]  # None is not among them
            continue
        for place, one in zip(places, paths, strict=True):
            if one is None or is_special(place):
                odd.append(place)
            else:
                packed[place] = one
    return packed, odd


def _used(packed: PlaceMap[VppPaths], ways: dict[Alike, VppPaths | None]) -> tuple[VppPaths, ...]:
    """Of the kinds' paths those that some route has; nearly always all, and soon found."""
    left = {id(paths): paths for paths in ways.values() if paths is not None}
    used: list[VppPaths] = []
    each = iter(packed.values())
    while left and (some := set(map(id, islice(each, SLICE)))):
        used += [left.pop(number) for number in some & left.keys()]
    return tuple(used)
