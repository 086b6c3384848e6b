"""A raw client of VPP's API socket: all is packed before, so what it takes is what VPP itself takes, the limit.

Nothing but send and receive is in its time, both at once: as much is in flight as the socket holds, some thousand
requests. What came is looked at afterwards: a limit measured on refusals would be none.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hostlink.core.alike import Place, prefix_at
from hostlink.core.model import VppPaths, VppRoute
from hostlink.vpp.frames import HEADER, frame
from hostlink.vpp.route_packer import ADD_DEL, RoutePacker
from hostlink.vpp.session import Session

REPLY = struct.Struct(">8xI4xHIiI")
"""A framed ip_route_add_del_v2_reply (vnet/ip/ip.api): length; message id, context, retval, stats_index."""
_PIECE_BYTES = 1 << 18
_END_BYTES = 64
"""More than a framed control_ping_reply, with which a dump ends."""
_SILENT_S, _LEAVE_S = 10, 1
_CREATED = struct.Struct(">HIIiI")
"""The beginning of sockclnt_create_reply: message id, (unused), context, response, index."""
_DUMP_CONTEXT, _PING_CONTEXT = 1, 2

Groups = Sequence[tuple[VppPaths, Sequence[Place]]]
"""Paths, and the destinations that have them."""


class RawError(Exception):
    """VPP refused something, or stopped answering."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """A whole dump: seconds until its last byte, and how many details."""

    seconds: float
    count: int


@dataclass(frozen=True, slots=True)
class RawClient:
    """Blocks: to be used in a thread. Made by `raw_client`."""

    connection: socket.socket
    client_index: int

    def changes(self, session: Session, source_id: int, groups: Groups, *, is_add: bool) -> bytes:
        """All requests that add or delete these routes in table 0, packed, one after another."""
        packer = RoutePacker(session.codec, session.id_of(ADD_DEL), self.client_index, source_id)
        messages: list[bytes] = []
        for paths, places in groups:
            (template,) = packer.templates([VppRoute(0, prefix_at(places[0]), paths)], is_add=is_add)
            messages += [template.fill(len(messages) + at, prefix_at(place)) for at, place in enumerate(places)]
        return b"".join(messages)

    def pump(self, packed: bytes, count: int) -> float:
        """Send all and receive the `count` replies. Returns seconds. RawError: VPP refused one, or fell silent."""
        start = time.perf_counter()
        received = self._exchange(packed, lambda size, _: size >= count * REPLY.size)
        seconds = time.perf_counter() - start
        check_replies(received, count)
        return seconds

    def dump(self, session: Session, source_id: int) -> Dumped:
        """All IPv4 routes of that source in table 0, as they come."""
        fields = {"src": source_id, "table": {"table_id": 0, "is_ip6": False}}
        packed = self._packed(session, "ip_route_v2_dump", fields, _DUMP_CONTEXT)
        packed += self._packed(session, "control_ping", {}, _PING_CONTEXT)
        last = struct.pack(">HI", session.id_of("control_ping_reply"), _PING_CONTEXT)
        start = time.perf_counter()
        received = self._exchange(packed, lambda _, end: ends_with(end, last))
        return Dumped(time.perf_counter() - start, count_frames(received) - 1)

    def _packed(self, session: Session, name: str, fields: dict[str, object], context: int) -> bytes:
        ids = {"message_id": session.id_of(name), "client_index": self.client_index, "context": context}
        return frame(session.codec.pack(name, fields, **ids))

    def _exchange(self, packed: bytes, is_all: Callable[[int, bytes], bool]) -> bytes:
        """is_all: asked with the bytes received so far, how many and the last of them."""
        connection, unsent, pieces = self.connection, memoryview(packed), list[bytes]()
        connection.setblocking(False)
        size, end = 0, b""
        while not is_all(size, end):
            readable, writable, _ = select.select([connection], [connection] if unsent else [], [], _SILENT_S)
            if not readable and not writable:
                raise RawError(f"VPP fell silent after {size:,} bytes of answers")
            if readable:
                piece = connection.recv(_PIECE_BYTES)
                if not piece:
                    raise RawError(f"VPP closed the connection after {size:,} bytes of answers")
                pieces.append(piece)
                size += len(piece)
                end = (end + piece)[-_END_BYTES:]
            if writable:
                unsent = unsent[connection.send(unsent[:_PIECE_BYTES]) :]
        return b"".join(pieces)


@contextmanager
def raw_client(api_socket: Path) -> Iterator[RawClient]:
    """A client of its own, introduced to VPP."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SILENT_S)
        connection.connect(str(api_socket))
        client_index, leaving_id = _introduce(connection)
        try:
            yield RawClient(connection, client_index)
        finally:
            with suppress(OSError):
                _leave(connection, leaving_id, client_index)


def _introduce(connection: socket.socket) -> tuple[int, int]:
    """sockclnt_create by hand (vlibmemory/memclnt.api). Returns the client_index, and the id of sockclnt_delete."""
    connection.sendall(frame(struct.pack(">HI64s", 15, 1, b"bench")))
    (length,) = HEADER.unpack(_receive(connection, HEADER.size))
    reply = _receive(connection, length)
    name_at = reply.index(b"sockclnt_delete_8ac76db6", _CREATED.size)
    return int(_CREATED.unpack_from(reply)[4]), int.from_bytes(reply[name_at - 2 : name_at], "big")


def _leave(connection: socket.socket, leaving_id: int, client_index: int) -> None:
    """Have VPP close its end (hostlink/vpp/session.py says why), and wait for it."""
    connection.settimeout(_LEAVE_S)
    connection.sendall(frame(struct.pack(">HIII", leaving_id, client_index, 0, client_index)))
    while connection.recv(_PIECE_BYTES):
        pass


def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly that. (MSG_WAITALL does not wait on a socket with a timeout, which Python makes a non-blocking one.)"""
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise RawError("VPP closed the connection before it had introduced itself")
        received += piece
    return received


def check_replies(received: bytes, count: int) -> None:
    """RawError: these are not `count` framed replies that all say yes."""
    if len(received) != count * REPLY.size:
        raise RawError(f"{len(received):,} bytes of answers to {count:,} requests, not {REPLY.size} to each")
    refused = sum(length != REPLY.size - HEADER.size or retval != 0 for length, _, _, retval, _ in _replies(received))
    if refused:
        raise RawError(f"{refused:,} of {count:,} requests were refused")


def _replies(received: bytes) -> Iterator[tuple[int, ...]]:
    return REPLY.iter_unpack(received)


def ends_with(end: bytes, begin: bytes) -> bool:
    """Whether the last frame of what was received is whole and begins with these bytes (message id and context)."""
    at = end.rfind(begin)
    start = at - HEADER.size
    return start >= 0 and HEADER.unpack_from(end, start)[0] == len(end) - at


def count_frames(received: bytes) -> int:
    """How many frames that is. RawError: the last one is cut off."""
    at, count, unpack = 0, 0, HEADER.unpack_from
    while at < len(received):
        at += HEADER.size + unpack(received, at)[0]
        count += 1
    if at != len(received):
        raise RawError(f"the last frame lacks {at - len(received)} bytes")
    return count
