"""hostlink's own routes in VPP, many at a time.

They go in under a FIB source of hostlink's own: an add replaces all paths of hostlink's entry for a prefix, a delete
touches nobody else's, and a dump by source shows just these. Among entries for the same prefix VPP takes the one whose
source has the best priority: 0x78 comes before API and CLI (0x80, 0x81), so that hostlink's wins over an operator's
leftovers, and after interface addresses (0x03), which must win. The dump compares with an entry's *best* source:
where an interface address has the same prefix, hostlink's entry waits behind it and is not shown.

A source cannot be deleted, and each add makes a new one, 230 or so in VPP's life: so it is looked for first.
(Definitions: vnet/fib/fib.api, vnet/ip/ip.api. Sources: vnet/fib/fib_source.h.)
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import trio

from hostlink.core.model import Family, Prefix, VppPaths, VppRoute
from hostlink.vpp.errors import (
    ContractError,
    Missing,
    VppBadRequest,
    VppError,
    VppProtocolError,
    VppRefused,
    understood,
)
from hostlink.vpp.frames import HEADER, LENGTH_AT, MESSAGE_ID
from hostlink.vpp.route_packer import (
    ADD_DEL,
    PlaceBytes,
    RoutePacker,
    RouteReader,
    Template,
    place_bytes,
    read_paths,
)
from hostlink.vpp.session import Request, Session
from hostlink.vpp.waiters import Run, Waiter

SOURCE_NAME = "hostlink"
SOURCE_PRIORITY = 0x78

_REPLY = "ip_route_add_del_v2_reply"
_CONTEXT_BYTES = 4
_RETVAL = struct.Struct(">i")
_U32 = struct.Struct(">I")
_LOOKUP = "ip_route_lookup_v2"
_ABSENT = (-6, -3)
"""VNET_API_ERROR_NO_SUCH_ENTRY: no such prefix. _NO_SUCH_FIB: no such table."""
_LOOKUPS = 25
"""Looked up in one go: some 7 ms of packing and unpacking."""
_SLICE = 1000
"""Routes decoded in one go before other tasks get their turn: some 5 ms."""
_TEMPLATES = 20
"""Routes of which each may need a message packed by the codec, half a millisecond."""
_BREATH = 5000
"""Routes handled in one go before other tasks get their turn: some 20 ms."""


@dataclass(frozen=True, slots=True)
class RouteFailure:
    """A route that VPP refused to add, or (`added` False) to delete."""

    route: VppRoute
    added: bool
    error: VppRefused


@understood
async def own_source(session: Session, name: str = SOURCE_NAME, priority: int = SOURCE_PRIORITY) -> int:
    """The id of hostlink's FIB source in this VPP, made if it is not there yet. Valid for VPP's life."""
    for details in await session.dump("fib_source_dump"):
        if (details.src.name, details.src.priority) == (name, priority):
            return int(details.src.id)
    reply = await session.request("fib_source_add", src={"name": name, "priority": priority})
    if reply.id == 0:  # FIB_SOURCE_INVALID, with a retval of 0
        raise VppProtocolError("VPP has no FIB source left for hostlink's routes; only a restart of VPP gives new ones")
    return int(reply.id)


_PACKERS: WeakKeyDictionary[Session, dict[int, RoutePacker]] = WeakKeyDictionary()


def packer_of(session: Session, source_id: int) -> RoutePacker:
    """One for each session and source: what a storm says again and again is packed once."""
    packers = _PACKERS.setdefault(session, {})
    if source_id not in packers:
        packers[source_id] = RoutePacker(session.codec, session.id_of(ADD_DEL), session.client_index, source_id)
    return packers[source_id]


async def apply_routes(
    session: Session, source_id: int, add: Iterable[VppRoute], delete: Iterable[VppRoute]
) -> list[RouteFailure]:
    """Add (or replace) and then delete routes under a FIB source, all in flight. Deleting an absent one is no error.

    Returns what VPP refused; the rest is done. Raises VppGone or VppTimeout when how far it came is unknown: read back.
    VppBadRequest, before anything is sent: a value that does not fit, or a prefix to be both added and deleted.
    """
    adds, deletes = list(add), list(delete)
    _refuse_contradictions(adds, deletes)
    packer = packer_of(session, source_id)
    templates = await _templates(packer, adds, is_add=True) + await _templates(packer, deletes, is_add=False)
    routes = adds + deletes
    waiter = Counted(session, len(routes))
    await session.exchange(waiter, _filled(waiter.contexts, templates, routes))
    return [_failure(routes[at], at < len(adds), source_id, retval) for at, retval in sorted(waiter.refused)]


@understood
async def read_routes(session: Session, source_id: int, table_id: int, family: Family) -> list[VppRoute]:
    """The routes of one table of which the source is the best one, paths in `path_order`. No such table: none."""
    dump = await _dumped(session, source_id, table_id, family)
    reader = RouteReader(session.codec)
    routes: list[VppRoute] = []
    for start in range(0, len(dump), _SLICE):
        routes += map(reader.read, dump[start : start + _SLICE])
        await trio.lowlevel.checkpoint()
    return routes


@understood
async def paths_by_dump(
    session: Session, source_id: int, places: Sequence[tuple[int, Prefix]]
) -> list[VppPaths | None]:
    """For each (table, prefix), all different, what `read_routes` would find there: for places that are many."""
    wanted: dict[PlaceBytes, int] = {}
    for start in range(0, len(places), _BREATH):
        wanted |= {place_bytes(place): start + at for at, place in enumerate(places[start : start + _BREATH])}
        await trio.lowlevel.checkpoint()
    found: list[VppPaths | None] = [None] * len(places)
    reader = RouteReader(session.codec)
    for table_id, is_ip6 in sorted({key[:2] for key in wanted}):
        dump = await _dumped(session, source_id, table_id, Family.IPV6 if is_ip6 else Family.IPV4)
        for start in range(0, len(dump), _BREATH):
            reader.read_at(dump[start : start + _BREATH], wanted, found)
            await trio.lowlevel.checkpoint()
    return found


async def _dumped(session: Session, source_id: int, table_id: int, family: Family) -> list[bytes]:
    table = {"table_id": table_id, "is_ip6": family == Family.IPV6}
    (dump,) = await session.dump_frames([Request("ip_route_v2_dump", {"src": source_id, "table": table})])
    return dump


@understood
async def routes_at(
    session: Session, source_ids: Collection[int], places: Sequence[tuple[int, Prefix]]
) -> dict[tuple[int, Prefix], tuple[int, VppRoute]]:
    """Of these (table, prefix) the routes of which the best source is one of those, with it: as `read_routes` says.

    Costs as much as there are places, however many routes VPP has. Raises VppError.
    """
    found: dict[tuple[int, Prefix], tuple[int, VppRoute]] = {}
    for start in range(0, len(places), _LOOKUPS):
        part = places[start : start + _LOOKUPS]
        replies = await session.batch([Request(_LOOKUP, _exactly(*place)) for place in part])
        for (table_id, prefix), reply in zip(part, replies, strict=True):
            if isinstance(reply, VppRefused) and reply.retval in _ABSENT:
                continue
            if isinstance(reply, VppError):
                raise reply
            if reply.route.src in source_ids:
                paths = read_paths(reply.route.paths)
                found[table_id, prefix] = reply.route.src, VppRoute(table_id, prefix, paths)
    return found


def _exactly(table_id: int, prefix: Prefix) -> dict[str, object]:
    return {"table_id": table_id, "exact": 1, "prefix": str(prefix)}


class Counted(Waiter):
    """Replies of which only the retval matters, looked at as they come and not kept."""

    def __init__(self, session: Session, count: int) -> None:
        super().__init__(f"{count} routes ({ADD_DEL})", session.take_contexts(count))
        retval_at = session.codec.offset_of(_REPLY, "retval")
        if retval_at is None:
            raise ContractError((Missing(f"{_REPLY}.retval", "a fixed place"),))
        self._retval_at = retval_at
        self._frames: struct.Struct | None = None
        """Of one reply, framed: length, message id, context, retval. None until one has shown its size."""
        self._context_at = session.codec.offset_of(_REPLY, "context") or 0
        self._reply_id = session.id_of(_REPLY)
        self._in_order = True
        self.refused: list[tuple[int, int]] = []
        """(position of the request, retval)"""

    def take(self, context: int, message_id: int, data: bytes) -> bool:
        if message_id != self._reply_id:
            raise self.refuse_kind(message_id, self._reply_id)
        if len(data) < self._retval_at + _RETVAL.size:
            raise VppProtocolError(f"a {_REPLY} of {len(data)} bytes came, too short for its retval")
        (retval,) = _RETVAL.unpack_from(data, self._retval_at)
        self._in_order &= context == self.contexts.start + self.answered
        if self._frames is None:
            self._frames = self._layout(len(data))
        if retval:
            self.refused.append((context - self.contexts.start, retval))
        return True

    def _layout(self, size: int) -> struct.Struct:
        gap = self._retval_at - self._context_at - _CONTEXT_BYTES
        rest = size - self._retval_at - _RETVAL.size
        return struct.Struct(f">8xI4xH{self._context_at - MESSAGE_ID.size}xI{gap}xi{rest}x")

    def take_run(self, data: bytes) -> Run:
        """Replies one after another, as VPP sends them: in the order of the requests."""
        frames = self._frames
        if frames is None or not self._in_order:
            return Run(0)
        wanted = (frames.size - HEADER.size, self._reply_id)
        first = context = self.contexts.start + self.answered
        count = self._in_a_row(data, first, min(len(data) // frames.size, self.in_flight))
        limit = self.contexts.start + self.sent
        if self._all_well(data[: count * frames.size], range(first, first + count)):
            return Run(count * frames.size, range(first, first + count))
        for *head, number, retval in frames.iter_unpack(data[: len(data) // frames.size * frames.size]):
            if number != context or context >= limit or tuple(head) != wanted:
                break
            if retval:
                self.refused.append((context - self.contexts.start, retval))
            context += 1
        return Run((context - first) * frames.size, range(first, context))

    def _in_a_row(self, data: bytes, first: int, most: int) -> int:
        """How many replies begin it whose contexts are counted on from the first: behind them may be another's.

        By the last one, where all are; else by halves, and so perhaps too many or too few: that is looked at next.
        """
        assert self._frames is not None
        size, at = self._frames.size, HEADER.size + self._context_at
        low, high = 0, most
        while low < high:
            middle = high - 1 if high == most and not low else (low + high) // 2
            if _U32.unpack_from(data, middle * size + at)[0] == first + middle:
                low = middle + 1
            else:
                high = middle
        return low

    def _all_well(self, data: bytes, contexts: range) -> bool:
        """Whether these are replies to just these requests, and nothing was refused: all at once, byte by byte."""
        assert self._frames is not None
        size, count = self._frames.size, len(contexts)
        fixed = [(LENGTH_AT, _U32.pack(size - HEADER.size)), (HEADER.size, MESSAGE_ID.pack(self._reply_id))]
        fixed.append((HEADER.size + self._retval_at, bytes(_RETVAL.size)))
        for at, wanted in fixed:
            if any(data[at + byte :: size].count(one) != count for byte, one in enumerate(wanted)):
                return False
        numbers, at = struct.pack(f">{count}I", *contexts), HEADER.size + self._context_at
        return all(data[at + byte :: size] == numbers[byte::_CONTEXT_BYTES] for byte in range(_CONTEXT_BYTES))


async def _templates(packer: RoutePacker, routes: Sequence[VppRoute], *, is_add: bool) -> list[Template]:
    found: list[Template] = []
    for start in range(0, len(routes), _TEMPLATES):
        found += packer.templates(routes[start : start + _TEMPLATES], is_add=is_add)
        await trio.lowlevel.checkpoint()
    return found


def _filled(contexts: range, templates: list[Template], routes: list[VppRoute]) -> Iterator[bytes]:
    for context, template, route in zip(contexts, templates, routes, strict=True):
        yield template.fill(context, route.prefix)


def _refuse_contradictions(adds: list[VppRoute], deletes: list[VppRoute]) -> None:
    if not adds or not deletes:
        return
    added = {(route.table_id, route.prefix) for route in adds}
    for route in deletes:
        if (route.table_id, route.prefix) in added:
            raise VppBadRequest(f"{route.prefix} of table {route.table_id} is to be both added and deleted")


def _failure(route: VppRoute, added: bool, source_id: int, retval: int) -> RouteFailure:
    return RouteFailure(route, added, refusal(route, added, source_id, retval))


def refusal(route: VppRoute, added: bool, source_id: int, retval: int) -> VppRefused:
    """What VPP said to one add or delete."""
    fields = {"is_add": added, "table_id": route.table_id, "prefix": str(route.prefix), "src": source_id}
    return VppRefused(ADD_DEL, {**fields, "paths": route.paths}, retval)
