"""Details of a dump of one source's routes in table 0, taken as they come and never kept.

What is common to those who look at a full table: packed_routes.py (is it as it was sent?) and compared.py (how does it
differ from what is wanted?). Each looks at one of them by itself in `_take_one`, and cuts many at once in `take_run`.
(Definition: ip_route_v2_details in vnet/ip/ip.api.)
"""

from __future__ import annotations

import struct

import trio

from hostlink.core.model import Family
from hostlink.core.route_set import PLACE4_BYTES, Place
from hostlink.vpp.frames import MESSAGE_ID
from hostlink.vpp.route_layout import route_layout
from hostlink.vpp.route_packer import DETAILS, RouteReader
from hostlink.vpp.session import Request, Session
from hostlink.vpp.waiters import Waiter

HEAD = ">6x"
"""How the head of details begins where message id and context come first, as they do in every release."""
LENGTH_BYTES = [bytes((length,)) for length in range(256)]
_CONTEXT = struct.Struct(">I")
_DUMP = "ip_route_v2_dump"


def dump_request(source_id: int, family: Family) -> Request:
    """For the routes of table 0 of which that source is the best one."""
    return Request(_DUMP, {"src": source_id, "table": {"table_id": 0, "is_ip6": family is Family.IPV6}})


class RouteDetails(Waiter):
    """What waits for such a dump to end."""

    def __init__(self, session: Session) -> None:
        super().__init__(_DUMP, session.take_contexts(1))
        self._details_id, self._ping_reply_id = session.id_of(DETAILS), session.id_of("control_ping_reply")
        self._begin = MESSAGE_ID.pack(self._details_id) + _CONTEXT.pack(self.contexts.start)
        """What each message of the dump begins with."""
        self._head = route_layout(session.codec, DETAILS).head
        self._reader = RouteReader(session.codec)

    def take(self, context: int, message_id: int, data: bytes) -> bool:  # noqa: ARG002 — there is one
        if message_id == self._ping_reply_id:
            return True
        if message_id != self._details_id:
            raise self.refuse_kind(message_id, self._details_id)
        self.hold(len(data))
        self.progress_at = trio.current_time()
        self._take_one(data)
        return False

    def _take_one(self, details: bytes) -> None:
        raise NotImplementedError

    def _place(self, details: bytes) -> tuple[int, Place]:
        """(table, place) of one of them; the place as it is said, host bits and all."""
        table_id, is_ip6, address, length = self._reader.place(details)
        return table_id, LENGTH_BYTES[length] + (address if is_ip6 else address[: PLACE4_BYTES - 1])
