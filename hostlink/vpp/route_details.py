"""Details of a dump of one source's routes in table 0, taken as they come and never kept.

What is common to those who look at a full table: packed_routes.py (is it as it was sent?) and compared.py (how does it
differ from what is wanted?). Details that say what is wanted are taken here, hundreds at a time and to the byte. Of the
others each looks at some in `_take_alike`, or at one by itself in `_take_one`.
(Definition: ip_route_v2_details in vnet/ip/ip.api.)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import trio

from hostlink.core.model import Family, VppPaths
from hostlink.core.route_set import PLACE4_BYTES, Place, cut, place_bytes
from hostlink.core.runs import Layout
from hostlink.vpp.frames import HEADER, LENGTH_AT, LENGTH_BYTES, MESSAGE_ID
from hostlink.vpp.route_layout import route_layout
from hostlink.vpp.route_packer import DETAILS, RouteReader
from hostlink.vpp.session import Request, Session
from hostlink.vpp.waiters import Run, Waiter

HEAD = ">6x"
"""How the head of details begins where message id and context come first, as they do in every release."""
LEAST, MOST = 16, 1024
"""Details cut in one go."""
ADDRESS_BYTES = 16
"""Of IPv4 the first 4 say it, and nobody says what the others are."""
LENGTHS = [bytes((length,)) for length in range(256)]
_CONTEXT = struct.Struct(">I")
_DUMP = "ip_route_v2_dump"


def dump_request(source_id: int, family: Family) -> Request:
    """For the routes of table 0 of which that source is the best one."""
    return Request(_DUMP, {"src": source_id, "table": {"table_id": 0, "is_ip6": family is Family.IPV6}})


class RouteDetails(Waiter):
    """What waits for such a dump to end."""

    def __init__(self, session: Session, family: Family) -> None:
        super().__init__(_DUMP, session.take_contexts(1))
        self._details_id, self._ping_reply_id = session.id_of(DETAILS), session.id_of("control_ping_reply")
        self._begin = MESSAGE_ID.pack(self._details_id) + _CONTEXT.pack(self.contexts.start)
        """What each message of the dump begins with."""
        self._version = int(family)
        self._runs: dict[int, Layout | None] = {}
        self._reach = LEAST
        """Details that are compared in one go: more, while all were as wanted."""
        self._layout_of = route_layout(session.codec, DETAILS)
        self._head = self._layout_of.head
        self._reader = RouteReader(session.codec)
        self._said: dict[int, tuple[bytes, VppPaths]] = {}
        """Id of wanted paths → details that say them, with zeros for the destination and all that says nothing; and the
        paths, to keep the id."""

    def take(self, context: int, message_id: int, data: bytes) -> bool:  # noqa: ARG002 — there is one
        if message_id == self._ping_reply_id:
            return True
        if message_id != self._details_id:
            raise self.refuse_kind(message_id, self._details_id)
        self.hold(len(data))
        self.progress_at = trio.current_time()
        self._take_one(data)
        return False

    def take_run(self, data: bytes) -> Run:
        """Nearly all are as long as each other, and as wanted."""
        at = 0
        while size := self._take_in_order(data, at) or self._take_as_wanted(data, at) or self._take_alike(data, at):
            at += size
        self.hold(at)
        self.progress_at = trio.current_time()
        return Run(at)

    def _wanted(self, places: Sequence[Place]) -> list[VppPaths | None]:
        """The paths that should be at each; None: none should. Equal ones are one object, nearly always."""
        raise NotImplementedError

    def _see(self, places: bytes, wanted: Sequence[VppPaths]) -> None:
        """What is wanted was found at these places, joined."""
        raise NotImplementedError

    def _take_one(self, details: bytes) -> None:
        raise NotImplementedError

    def _take_in_order(self, data: bytes, at: int) -> int:  # noqa: ARG002 — where no order is known
        """Those from `at` on that come, to the byte, as they did before. Returns their size."""
        return 0

    def _take_alike(self, data: bytes, at: int) -> int:
        """Some of those from `at` on that are as long as the first, whatever they say. Returns their size."""
        raise NotImplementedError

    def _take_as_wanted(self, data: bytes, at: int) -> int:
        """Those from `at` on that say, to the byte, what VPP said of such paths before. Returns their size."""
        found = self._run_at(data, at, self._reach)
        if found is None or not self._said:
            return 0
        layout, run = found
        joined = layout.places(run)
        wanted = self._wanted(cut(self._version, joined))
        known = list(map(self._said.get, map(id, wanted)))
        if None in known:
            del known[known.index(None) :]
        size = len(known) * layout.size
        said = b"".join([one for one, _ in known])  # type: ignore[misc]  # none of them is None
        if not known or layout.blank(run[:size]) != said:
            self._reach = LEAST
            return 0
        self._reach = min(2 * self._reach, MOST)
        paths = [one for _, one in known]  # type: ignore[misc]  # nor here
        self._see(joined[: len(known) * place_bytes(self._version)], paths)
        return size

    def _run_at(self, data: bytes, at: int, most: int) -> tuple[Layout, bytes] | None:
        """Those from `at` on that are as long as the first, so many at most. None: that is not all there, or no run."""
        if len(data) - at < HEADER.size:
            return None
        layout = self._run_of(HEADER.size + HEADER.unpack_from(data, at)[0])
        count = 0 if layout is None else min((len(data) - at) // layout.size, most)
        if layout is None or not count:
            return None
        run = data[at : at + count * layout.size]
        return layout, run[: _as_long(run, layout.size) * layout.size]

    def _learn(self, whole: bytes, paths: VppPaths) -> None:
        """That framed details say these paths."""
        layout = self._run_of(len(whole))
        if layout is not None:
            self._said[id(paths)] = bytes(layout.blank(whole)), paths

    def _run_of(self, size: int) -> Layout | None:
        """Of framed details of that size; None: no run."""
        if size not in self._runs:
            fits = self._head.format.startswith(HEAD) and size >= HEADER.size + self._head.size
            self._runs[size] = self._run_layout(size) if fits else None
        return self._runs[size]

    def _run_layout(self, size: int) -> Layout:
        whole = self._layout_of
        address = range(HEADER.size + whole.address, HEADER.size + whole.address + ADDRESS_BYTES)
        header = {*range(HEADER.size)} - {*range(LENGTH_AT, LENGTH_AT + LENGTH_BYTES)}
        unused = {*header, *(HEADER.size + at for at in whole.gaps), *address}
        return Layout(size, self._version, HEADER.size + whole.length, HEADER.size + whole.address, tuple(unused))

    def _near(self, layout: Layout) -> Layout:
        """The same of what differs from one route to the next: not of what says nothing and stays as it is."""
        gaps = tuple(HEADER.size + at for at in self._layout_of.gaps)
        return Layout(layout.size, layout.version, layout.length_at, layout.address_at, gaps)

    def _place(self, details: bytes) -> tuple[int, Place]:
        """(table, place) of one of them; the place as it is said, host bits and all."""
        table_id, is_ip6, address, length = self._reader.place(details)
        return table_id, LENGTHS[length] + (address if is_ip6 else address[: PLACE4_BYTES - 1])


def _as_long(run: bytes, size: int) -> int:
    """How many messages of that size it begins with, by the last byte of each one's length; at least one."""
    lengths = run[LENGTH_AT + LENGTH_BYTES - 1 :: size]
    return len(lengths) - len(lengths.lstrip(lengths[:1]))
