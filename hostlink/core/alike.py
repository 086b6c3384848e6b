"""Routes that are the same but for their destination: what a full table is made of, kept without a value for each.

A routing daemon's 100,000 routes go by a handful of gateways. All that such a route says besides its destination is one
`Alike`, shared by all of them, and a route is then a packed destination (`Place`) that leads to it: some 50 bytes
instead of 700, and a dictionary's look-up where values were made and compared. Anything that is not so simple is a
`Route` as ever (core/route_book.py keeps both).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import chain

from hostlink.core.desired_routes import metric
from hostlink.core.model import Prefix, Route, VppPaths, VppRoute

Place = bytes
"""A destination: its prefix length in one byte, then its address, 4 bytes of IPv4 or 16 of IPv6, network order."""
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
        return Route(
            prefix_at(place),
            one.table,
            one.next_hops,
            one.type,
            one.protocol,
            one.scope,
            one.metric,
            one.tos,
            one.preferred_source,
            one.mtu_bytes,
            None,
            one.source_prefix,
            one.nexthop_id,
            b"".join((head, place[:1], middle, place[1:], tail)),
        )


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

    def extend(self, add: Iterable[tuple[VppPaths, list[Place]]], delete: Iterable[Place]) -> None:
        """More of it."""
        self.add += add
        self.delete += delete

    def __len__(self) -> int:
        return sum(len(places) for _, places in self.add) + len(self.delete)

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
