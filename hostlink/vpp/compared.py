"""VPP's table 0 read beside what is wanted there: a full table that is as it should be leaves nothing behind.

Details of a dump come by hundreds. Those of one length are cut by one `struct`, their destinations looked up among the
wanted ones, their paths among those that were seen before, and both compared, without a line of Python for each. Only
what differs is looked at by itself. Where VPP lists them as it did the last time not even that is looked up.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import add

import trio

from hostlink.core.alike import PLACE4_BYTES, Place, place_of, prefix_at
from hostlink.core.dump_order import DumpOrder, Following
from hostlink.core.model import Family, PathType, VppPaths, VppRoute, VppUplink
from hostlink.core.packed_plan import AsWanted
from hostlink.core.places import PlaceSet, gets
from hostlink.core.route_set import SLICE, place_bytes
from hostlink.vpp.errors import understood
from hostlink.vpp.frames import HEADER
from hostlink.vpp.on_link import Sources, is_on_link, read_on_link
from hostlink.vpp.packed_routes import without_host_bits
from hostlink.vpp.route_details import HEAD, MOST, RouteDetails, dump_request
from hostlink.vpp.session import Session

_BREATH = 5000
_LEAST = 16
"""Details cut in one go at first, and more while all were as long."""


def concerns(paths: VppPaths, ports: frozenset[int]) -> bool:
    """Of an uplink with these ports: they leave by one of them, or by none at all (blackhole and its like)."""
    return all(path.sw_if_index in ports or path.type is not PathType.NORMAL for path in paths)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The routes of one source in table 0, said by how they differ from packed ones that are wanted."""

    wanted: Mapping[Place, VppPaths]
    ports: frozenset[int]
    missing: AbstractSet[Place]
    """Wanted, and nothing of ours is there."""
    others: dict[Place, VppPaths]
    """There with other paths, or not among the wanted."""
    count: int
    """How many were wanted then."""
    orders: Mapping[int, DumpOrder[VppPaths]] = field(default_factory=dict)
    """By IP version, in which order VPP lists those that are wanted and there."""
    on_link: tuple[VppRoute, ...] = ()
    """The on-link ones of all uplinks, which have a source of their own: among a million others VPP looks for them
    for a seventh of a second."""

    def is_of(self, wanted: Mapping[Place, VppPaths], ports: frozenset[int]) -> bool:
        """Whether it says how these are, as long as nobody has changed what is wanted; more of it is noticed."""
        return self.wanted is wanted and self.count == len(wanted) and self.ports == ports

    def forget_missing(self) -> None:
        """When what is missing is told and over: of a full table some at a time."""
        while isinstance(self.missing, PlaceSet) and self.missing.let_some_go():
            pass

    async def parted(self, wanted: VppUplink | None) -> tuple[list[VppRoute], AsWanted]:
        """What is wanted as a value or is on-link, and all others packed. None: all as values."""
        values = set() if wanted is None else {place_of(one.prefix) for one in wanted.routes if not one.table_id}
        others, routes = dict[Place, VppPaths](), list[VppRoute]()
        items = iter(self.others.items())
        while some := list(islice(items, SLICE)):
            for place, paths in some:
                route = VppRoute(0, prefix_at(place), paths)
                if place not in self.wanted and (wanted is None or place in values or is_on_link(route)):
                    routes.append(route)
                else:
                    others[place] = paths
            await trio.lowlevel.checkpoint()
        return routes, AsWanted(self.wanted, self.missing, others)


@dataclass(frozen=True, slots=True)
class Listed:
    """In which order VPP listed what is wanted, earlier."""

    wanted: Mapping[Place, VppPaths] | None = None
    """The very ones; of others it says nothing."""
    orders: Mapping[int, DumpOrder[VppPaths]] = field(default_factory=dict)
    """By IP version."""
    changed: AbstractSet[Place] = frozenset()
    """Where something else is wanted since, or nothing."""


NOT_LISTED = Listed()


@understood
async def read_compared(
    session: Session,
    sources: Sources,
    ports: frozenset[int],
    wanted: Mapping[Place, VppPaths],
    advanced: Callable[[], None] = lambda: None,
    listed: Listed = NOT_LISTED,
) -> Compared:
    """The routes of these sources in table 0, beside those that are wanted of the first.

    ports: sw_if_index of the uplink's interfaces; what leaves by others is not looked at.
    Raises VppError.
    """
    found = _Found(wanted, ports, listed if listed.wanted is wanted else NOT_LISTED)
    for family in Family:
        await session.dump_to(_Looked(session, family, found), dump_request(sources.own, family))
        advanced()
    orders = {version: one.order() for version, one in found.following.items()} if found.count else found.orders
    missing = await found.missing(orders.values())
    on_link = [await read_on_link(session, sources.on_link, 0, family) for family in Family]
    return Compared(wanted, ports, missing, found.others, len(wanted), orders, tuple(chain.from_iterable(on_link)))


class _Found:
    """What two dumps have shown so far."""

    def __init__(self, wanted: Mapping[Place, VppPaths], ports: frozenset[int], listed: Listed) -> None:
        self.wanted, self.ports = wanted, ports
        self.others: dict[Place, VppPaths] = {}
        self.orders = listed.orders
        """The earlier ones: it will list what it is given again nearly so."""
        self.following = {
            int(family): Following(int(family), listed.orders.get(int(family)), listed.changed) for family in Family
        }
        """By IP version, and with it the wanted places that something of ours is at."""
        self.count = 0
        """Of those."""

    def see(self, version: int, places: bytes, wanted: Sequence[VppPaths]) -> None:
        """places: joined. wanted: at each."""
        if places:
            self.following[version].take(places, wanted)
            self.count += len(wanted)

    def one(self, version: int, place: Place, paths: VppPaths) -> None:
        """A route that is not simply as wanted."""
        if not concerns(paths, self.ports):
            return
        wanted = self.wanted.get(place)
        if wanted is not None:
            self.see(version, place, [wanted])
            if paths != wanted:
                self.others[place] = paths
            return
        clean = without_host_bits(place)
        if clean != place:
            self.one(version, clean, paths)
            return
        self.others[place] = paths

    async def missing(self, there: Iterable[DumpOrder[VppPaths]]) -> AbstractSet[Place]:
        """Wanted places that nothing of ours is at. there: those that something is at."""
        if not self.count:
            return self.wanted.keys()
        if self.count >= len(self.wanted):
            return frozenset()
        left = PlaceSet()
        places = iter(self.wanted)
        while breath := list(islice(places, _BREATH)):
            left.update(breath)
            await trio.lowlevel.checkpoint()
        for order in there:
            for some in order.slices():
                left.difference_update(some)
                await trio.lowlevel.checkpoint()
        return left


class _Looked(RouteDetails):
    """Details of a dump, taken as they come."""

    def __init__(self, session: Session, family: Family, found: _Found) -> None:
        super().__init__(session, family)
        self._found, self._six = found, family is Family.IPV6
        self._layouts: dict[int, struct.Struct | None] = {}
        self._paths: dict[bytes, VppPaths] = {}
        self._window = _LEAST
        self._following = found.following[self._version]
        self._ordered: list[bytes] = [b""] * len(self._following.known.kinds)
        """Details of each kind that is in the known order, with zeros for what differs from one to the next."""
        self._stretch = _LEAST
        """Details that are compared with the order in one go."""

    def _wanted(self, places: Sequence[Place]) -> list[VppPaths | None]:
        return gets(self._found.wanted, places)

    def _learn(self, whole: bytes, paths: VppPaths) -> None:
        super()._learn(whole, paths)
        number, layout = self._following.known.number_of(paths), self._run_of(len(whole))
        if number is not None and layout is not None:
            self._ordered[number] = bytes(self._near(layout).blank(whole))

    def _take_in_order(self, data: bytes, at: int) -> int:
        found = self._run_at(data, at, self._stretch) if self._ordered else None
        if found is None:
            return 0
        layout, run = self._near(found[0]), found[1]
        places = layout.places(run)
        step, numbers = place_bytes(self._version), self._following.next_numbers(places)
        is_next = len(numbers) * step == len(places)
        if not is_next:
            numbers = self._following.near(places)
        size, said = len(numbers) * layout.size, b"".join(map(self._ordered.__getitem__, numbers))
        if not numbers or layout.blank(run[:size]) != said:
            self._stretch = _LEAST
            return 0
        self._stretch, self._reach = min(2 * self._stretch, MOST) if size == len(run) else _LEAST, _LEAST
        if is_next:
            self._following.go_on(len(numbers))
        else:
            self._following.take_near(places[: len(numbers) * step], numbers)
        self._found.count += len(numbers)
        return size

    def _see(self, places: bytes, wanted: Sequence[VppPaths]) -> None:
        self._found.see(self._version, places, wanted)

    def _take_alike(self, data: bytes, at: int) -> int:
        if len(data) - at < HEADER.size:
            return 0
        (length,) = HEADER.unpack_from(data, at)
        frames = self._frames(length)
        if frames is None or not data.startswith(self._begin, at + HEADER.size):
            return 0
        count = min((len(data) - at) // frames.size, self._window)
        if not count:
            return 0
        self._window = min(2 * self._window, MOST)
        whole = memoryview(data)[at : at + count * frames.size]
        said, begins, tables, families, addresses, lengths, paths = zip(*frames.iter_unpack(whole), strict=True)
        whole_run = count
        for column, right in ((said, length), (begins, self._begin), (tables, 0), (families, int(self._six))):
            if column.count(right) != whole_run:
                first = next(number for number, one in enumerate(column) if one != right)
                count, self._window = min(count, first), _LEAST
        if count:
            places = list(map(add, lengths, addresses))[:count]
            self._take_columns(places, paths[:count], whole, frames.size)
        return count * frames.size

    def _take_columns(self, places: list[Place], packed: tuple[bytes, ...], data: memoryview, size: int) -> None:
        found = self._found
        wanted = self._wanted(places)
        there = list(map(self._paths.get, packed))
        if None in there:
            for at, one in enumerate(there):
                if one is None:
                    whole = bytes(data[at * size : (at + 1) * size])
                    there[at] = self._known(whole[HEADER.size :], wanted[at])
                    if (right := wanted[at]) is not None and there[at] is right:
                        self._learn(whole, right)
        if there == wanted:
            found.see(self._version, b"".join(places), wanted)  # type: ignore[arg-type]  # none of `there` is None
            return
        same = [(place, one) for place, one, other in zip(places, there, wanted, strict=True) if one and one is other]
        found.see(self._version, b"".join([place for place, _ in same]), [one for _, one in same])
        for place, one, other in zip(places, there, wanted, strict=True):
            if one is not other and one is not None:
                found.one(self._version, place, one)

    def _known(self, details: bytes, wanted: VppPaths | None) -> VppPaths:
        """The paths of details; where they are as wanted, the wanted ones themselves, so that both compare at once."""
        packed = details[self._head.size :]
        paths = self._paths.get(packed)
        if paths is None:
            paths = self._reader.paths(details)
            paths = self._paths[packed] = wanted if paths == wanted and wanted is not None else paths
        return paths

    def _take_one(self, details: bytes) -> None:
        table_id, place = self._place(details)
        if table_id == 0:
            self._found.one(self._version, place, self._known(details, self._found.wanted.get(place)))

    def _frames(self, length: int) -> struct.Struct | None:
        """Of details of that length, framed: length, message id and context, table, family, address, length, paths."""
        if length not in self._layouts:
            self._layouts[length] = self._layout(length)
        return self._layouts[length]

    def _layout(self, length: int) -> struct.Struct | None:
        """None: no run. Address and prefix length as bytes, to be joined; the source is passed over."""
        if not self._head.format.startswith(HEAD) or length < self._head.size:
            return None
        before, after = self._head.format[len(HEAD) :].split("16s")
        gap, source, rest = after.split("B")
        address = "16s" if self._six else f"{PLACE4_BYTES - 1}s{16 - PLACE4_BYTES + 1}x"
        head = f"{before}{address}{gap}1s{source}x{rest}"
        return struct.Struct(f"{HEADER.format}{len(self._begin)}s{head}{length - self._head.size}s")
