"""Routes that are alike, to VPP and read back, without a value for any of them (core/alike.py).

Out: into a request that the codec has packed only context, prefix length and address are written, for all with the same
paths at once (vpp/route_packer.py). Back: the answers are counted, each retval looked at (vpp/routes.py); and what VPP
shows is compared as it comes and never kept, so that the read-back of a full table takes no memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import trio

from hostlink.core.alike import PLACE4_BYTES, PackedRoutes, Place, prefix_at
from hostlink.core.model import Family, VppPaths, VppRoute
from hostlink.core.route_set import cut
from hostlink.vpp.connection import CHUNK, Chunk
from hostlink.vpp.errors import VppRefused, understood
from hostlink.vpp.frames import HEADER
from hostlink.vpp.route_details import HEAD, LENGTHS, RouteDetails, dump_request
from hostlink.vpp.route_packer import RoutePacker, Template
from hostlink.vpp.routes import Counted, packer_of, refusal
from hostlink.vpp.session import Session

_BREATH = 5000
_LEAST = 64
"""Details looked at each by itself, before it is tried again with many."""


async def apply_packed(session: Session, source_id: int, packed: PackedRoutes) -> list[VppRefused]:
    """Add (or replace) and then delete, all in flight. Returns what VPP refused. Raises any other VppError."""
    packer = packer_of(session, source_id)
    work = []
    for paths, places in packed.add:
        work.append((_template(packer, places[0], paths), places))
        await trio.lowlevel.checkpoint()  # the first of its kind takes half a millisecond, and there may be many kinds
    for size in sorted({len(place) for place in packed.delete}):
        gone = [place for place in packed.delete if len(place) == size]
        work.append((_template(packer, gone[0], None), gone))
    waiter = Counted(session, len(packed))
    await session.exchange_chunks(waiter, _filled(waiter.contexts, work))
    return [_refused(packed, at, source_id, retval) for at, retval in sorted(waiter.refused)]


def _template(packer: RoutePacker, place: Place, paths: VppPaths | None) -> Template:
    """For all places of that IP version. None: deletes."""
    one = VppRoute(0, prefix_at(place), paths or ())
    (template,) = packer.templates([one], is_add=paths is not None)
    return template


def _filled(contexts: range, work: list[tuple[Template, list[Place]]]) -> Iterator[Chunk]:
    count, data = 0, bytearray()
    for template, places in work:
        for start in range(0, len(places), CHUNK):
            some = places[start : start + CHUNK]
            data += template.fill_all(contexts[: len(some)], some)
            contexts, count = contexts[len(some) :], count + len(some)
            if count >= CHUNK:
                yield Chunk(count, data)
                count, data = 0, bytearray()
    if count:
        yield Chunk(count, data)


def _refused(packed: PackedRoutes, at: int, source_id: int, retval: int) -> VppRefused:
    """In words, for the request at that position."""
    for paths, places in packed.add:
        if at < len(places):
            return refusal(VppRoute(0, prefix_at(places[at]), paths), True, source_id, retval)
        at -= len(places)
    gone = sorted(packed.delete, key=len)  # stable, as they were sent
    return refusal(VppRoute(0, prefix_at(gone[at]), ()), False, source_id, retval)


# ------------------------------------------------------------------------------------------------------------ read back

Wanted = Callable[[Sequence[Place]], list[VppPaths | None]]
"""As `RouteDetails._wanted` has it."""


@understood
async def has_paths(session: Session, source_id: int, places: set[Place], wanted: Wanted) -> bool:
    """Whether the routes of that source in table 0 are as wanted at these places.

    wanted: is asked of others too, and what is not as it says there does not count.
    """
    left, sizes = set[Place](), set[int]()
    each = iter(places)
    while some := list(islice(each, _BREATH)):
        left.update(some)
        sizes.update(map(len, some))
        await trio.lowlevel.checkpoint()
    for size in sorted(sizes):
        family = Family.IPV4 if size == PLACE4_BYTES else Family.IPV6
        waiter = _Compared(session, family, left, wanted)
        await session.dump_to(waiter, dump_request(source_id, family))
        if waiter.differs:
            return False
    missing = list(left)
    for start in range(0, len(missing), _BREATH):
        if any(paths is not None for paths in wanted(missing[start : start + _BREATH])):
            return False
        await trio.lowlevel.checkpoint()
    return True


class _Compared(RouteDetails):
    """Details of a dump, each compared as it comes. What was found is taken out of `left`."""

    def __init__(self, session: Session, family: Family, left: set[Place], wanted: Wanted) -> None:
        super().__init__(session, family)
        self.differs = False
        self._left, self._wanted_at = left, wanted
        self._layouts: dict[int, struct.Struct] = {}
        self._verdicts: dict[tuple[bytes, int], bool] = {}

    def _wanted(self, places: Sequence[Place]) -> list[VppPaths | None]:
        return self._wanted_at(places)

    def _see(self, places: bytes, wanted: Sequence[VppPaths]) -> None:  # noqa: ARG002 — they are what they should be
        self._left.difference_update(cut(self._version, places))

    def _take_alike(self, data: bytes, at: int) -> int:
        if len(data) - at < HEADER.size:
            return 0
        length = HEADER.unpack_from(data, at)[0]
        frames = self._frames(length)
        if frames is None:
            return 0
        left, begin, start = self._left, self._begin, at
        for said, first, table_id, is_ip6, address, bits, _source, _paths in frames.iter_unpack(
            data[at : at + min((len(data) - at) // frames.size, _LEAST) * frames.size]
        ):
            if said != length or first != begin:
                break
            place = LENGTHS[bits] + (address if is_ip6 else address[: PLACE4_BYTES - 1])
            whole = data[at : at + frames.size]
            wanted = None if table_id else self._wanted((place,))[0]
            fits = self._fits(whole[HEADER.size :], wanted)
            if fits and wanted is not None and id(wanted) not in self._said:
                self._learn(whole, wanted)
            if not table_id and place in left:
                left.discard(place)
                self.differs |= not fits
            elif not fits:
                self._take_one(whole[HEADER.size :])
            at += frames.size
        return at - start

    def _frames(self, length: int) -> struct.Struct | None:
        """Of details of that length, framed: length, message id and context, what the head has, paths. None: no run."""
        frames = self._layouts.get(length)
        if frames is None and self._head.format.startswith(HEAD) and length >= self._head.size:
            head, paths = self._head.format[len(HEAD) :], length - self._head.size
            frames = self._layouts[length] = struct.Struct(f"{HEADER.format}{len(self._begin)}s{head}{paths}s")
        return frames

    def _take_one(self, details: bytes) -> None:
        table_id, place = self._place(details)
        if place not in self._left:
            place = without_host_bits(place)
        if table_id or place not in self._left:
            return
        self._left.discard(place)
        (wanted,) = self._wanted((place,))
        self.differs |= not self._fits(details, wanted)

    def _fits(self, details: bytes, wanted: VppPaths | None) -> bool:
        key = details[self._head.size :], id(wanted)
        fits = self._verdicts.get(key)
        if fits is None:
            fits = self._verdicts[key] = wanted is not None and self._reader.paths(details) == wanted
        return fits


def without_host_bits(place: Place) -> Place:
    """As `RouteReader.read` has it: an interface's entry is shown with those of the address that made it."""
    bits = (len(place) - 1) * 8 - place[0]
    number = int.from_bytes(place[1:], "big")
    if bits <= 0 or not number & ((1 << bits) - 1):
        return place
    return place[:1] + (number >> bits << bits).to_bytes(len(place) - 1, "big")
