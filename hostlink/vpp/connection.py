"""The socket of a session: frames out, frames in, each to whoever waits for its context.

Two tasks own the socket. The writer sends what callers put into the outbox, so that a cancelled caller never leaves
half a frame behind; the reader hands every frame on and never waits for anybody: replies go to their waiter, messages
without a context go to a bounded channel of events, and what nobody waits for (the late reply of a cancelled or
timed-out caller) is counted and dropped. When either task finds that VPP has ended, every waiter learns it at once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import trio

from hostlink.vpp.codec import Message
from hostlink.vpp.dictionary import NO_DEFINITION, Dictionary
from hostlink.vpp.errors import VppError, VppGone, VppProtocolError, VppTimeout, VppUnreachable, understanding
from hostlink.vpp.frames import HEADER, MESSAGE_ID, FrameSplitter
from hostlink.vpp.waiters import Waiter

WINDOW = 8192
"""Requests of one exchange in flight at a time: enough to keep VPP busy, and at most 2 MB of routes in a buffer."""

CHUNK = 512
"""Requests that are made and sent in one go."""
_MANY = CHUNK
_GATHER_S = 0.008
"""While more than so many answers are waited for, so long is waited for more of them between two reads: VPP sends some
ten at a time, and each read costs as much as a hundred of them, here and in VPP. It does 1,300 requests meanwhile."""
_ANSWERED_S = 5e-6
"""No longer than all of them take: so long VPP works at one request."""
_RECEIVE_BYTES = 256 << 10
_SO_SNDBUFFORCE = 32
"""socket(7); Python has no name for it."""
_SEND_BUFFER_BYTES = 1 << 20
"""A window of routes, as the kernel counts: with its default VPP has read all some milliseconds after it can be sent
more, and waits where the loop is busy for longer."""
_MUCH_BYTES, _LITTLE_BYTES, _POURS_S = 256 << 10, 64 << 10, 0.001
"""Of a dump that is longer than this, and comes in less than that at once, more is waited for so long: VPP writes 4 KiB
at a time, and to be woken for each costs it, too. (What it writes ahead, some 150 KiB, takes it longer.)"""
_WORTH_A_RUN_BYTES = 1000
"""More than any header and what comes before a message's context."""
_EVENTS_KEPT = 256
_CONTEXTS = 1 << 32
_PEER = struct.Struct("=iII")
"""struct ucred: process, user, group."""
_CONTEXT = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Event:
    """A message that VPP sent by itself, such as sw_interface_event: a reason to look again, not a state."""

    name: str
    message: Message


class Chunk(NamedTuple):
    """Requests to be sent at once."""

    requests: int
    data: bytes | bytearray
    """Framed, joined."""


def _chunks(messages: Iterable[bytes]) -> Iterator[Chunk]:
    unsent = iter(messages)
    while some := list(islice(unsent, CHUNK)):
        yield Chunk(len(some), b"".join(some))


@dataclass(slots=True)
class Counters:
    """What was dropped, and why."""

    late_replies: int = 0
    """For contexts that nobody waits for: the caller gave up, or VPP answered twice."""
    events_lost: int = 0
    """The channel of events was full. Then others are still in it, and looking again for those covers these."""
    undefined: int = 0
    """Messages that VPP's table names and its definitions do not."""


async def connect(path: str | os.PathLike[str], deadline_s: float) -> trio.SocketStream:
    """Connect to VPP's API socket. VppUnreachable names what is wrong; VppTimeout: the listener does not accept."""
    unix_socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    with suppress(PermissionError):  # without the capability it is only slower
        unix_socket.setsockopt(trio.socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER_BYTES)
    try:
        with trio.fail_after(deadline_s):
            await unix_socket.connect(os.fspath(path))
    except OSError as fault:
        unix_socket.close()
        raise VppUnreachable(f"no VPP answers at {os.fspath(path)}: {fault.strerror or fault}") from fault
    except trio.TooSlowError as fault:
        unix_socket.close()
        raise VppTimeout(f"{os.fspath(path)} did not accept a connection within {deadline_s:g} s") from fault
    except BaseException:
        unix_socket.close()
        raise
    return trio.SocketStream(unix_socket)


class Connection:
    """One connected socket. `run` must be running in a task for anything to move."""

    def __init__(self, stream: trio.SocketStream, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.counters = Counters()
        self._event_sender, self.events = trio.open_memory_channel[Event](_EVENTS_KEPT)
        self._stream = stream
        raw = stream.socket.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_PEERCRED, _PEER.size)
        self.peer_pid: int | None = _PEER.unpack(raw)[0] or None
        """Who listened at the other end, also when that has ended. None: not a process of this PID namespace."""
        self._splitter = FrameSplitter()
        self._outbox = bytearray()
        self._outbox_filled = trio.Event()
        self._pending: dict[int, Waiter] = {}
        self._next_context = 1
        self._poured_bytes = 0
        """Of answers that were taken at once, and no end of them in between."""
        self._closed = trio.Event()
        self._reason: VppError | None = None

    def take_contexts(self, count: int) -> range:
        """A block of contexts. They come round after 2^32, long after any deadline."""
        if self._next_context + count > _CONTEXTS:
            self._next_context = 1
        contexts = range(self._next_context, self._next_context + count)
        self._next_context = contexts.stop
        return contexts

    async def exchange(self, waiter: Waiter, messages: Iterable[bytes], deadline_s: float) -> None:
        """Send one item of `messages`, framed, for each of the waiter's contexts in order; wait until all are answered.

        Raises what ended the session, or VppTimeout; the waiter then still has what did come. Whatever happens, the
        session stays usable: answers that come later are dropped.
        """
        await self.exchange_chunks(waiter, _chunks(messages), deadline_s)

    async def exchange_chunks(self, waiter: Waiter, chunks: Iterable[Chunk], deadline_s: float) -> None:
        """As `exchange`, with messages that are made many at a time."""
        try:
            for chunk in chunks:
                await waiter.wait_in_flight(WINDOW - chunk.requests, deadline_s)
                self._send(waiter, chunk)
            await waiter.wait_in_flight(0, deadline_s)
        finally:
            if waiter.in_flight:
                self._forget(waiter)

    def close(self, reason: VppError) -> None:
        """End the session for this reason, unless it has ended; every waiter learns it."""
        if self._reason is not None:
            return
        self._reason = reason
        for waiter in set(self._pending.values()):
            waiter.fail(reason)
        self._pending.clear()
        self._event_sender.close()
        self._outbox_filled.set()
        self._stream.socket.close()
        self._closed.set()

    async def wait_closed(self) -> VppError:
        """Wait until the session has ended. Returns the reason."""
        await self._closed.wait()
        assert self._reason is not None
        return self._reason

    async def run(self) -> None:
        """Move frames until the session ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            await self._read()
            nursery.cancel_scope.cancel()

    def _send(self, waiter: Waiter, chunk: Chunk) -> None:
        if self._reason is not None:
            raise type(self._reason)(*self._reason.args)
        start = waiter.contexts.start + waiter.sent
        self._pending.update(dict.fromkeys(range(start, start + chunk.requests), waiter))
        waiter.note_sent(chunk.requests)
        self._outbox += chunk.data
        self._outbox_filled.set()

    def _forget(self, waiter: Waiter) -> None:
        for context in waiter.contexts[: waiter.sent]:
            self._pending.pop(context, None)

    async def _write(self) -> None:
        while self._reason is None:
            await self._outbox_filled.wait()
            self._outbox_filled = trio.Event()
            data, self._outbox = self._outbox, bytearray()
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as fault:
                self.close(VppGone(f"VPP took no more requests: {fault.__cause__ or fault}"))

    async def _read(self) -> None:
        while self._reason is None:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
                if not data:
                    self.close(VppGone("VPP closed the API socket: it ended, was killed, or dropped this client"))
                    return
                with understanding("a message"):
                    self._deliver(data)
                if len(self._pending) > _MANY:
                    await trio.sleep(min(_GATHER_S, len(self._pending) * _ANSWERED_S))
                elif self._poured_bytes > _MUCH_BYTES and len(data) < _LITTLE_BYTES:
                    await trio.sleep(_POURS_S)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as fault:
                self.close(VppGone(f"the API socket broke: {fault.__cause__ or fault}"))
            except VppProtocolError as fault:
                self.close(fault)

    def _deliver(self, data: bytes) -> None:
        """Hand on every message that is complete now."""
        now = trio.current_time()
        whole = self._splitter.joined(data)
        if whole is None:
            return
        left = self._after_runs(whole, now)
        is_pouring = bool(self._pending) and len(left) < len(whole)
        self._poured_bytes = self._poured_bytes + len(whole) - len(left) if is_pouring else 0
        for message in self._splitter.cut(left):
            (message_id,) = MESSAGE_ID.unpack_from(message)
            offset = self.dictionary.context_offset(message_id)
            if offset is None:
                self._deliver_event(message_id, message)
            elif offset == NO_DEFINITION:
                self.counters.undefined += 1
            else:
                self._deliver_reply(message_id, offset, message, now)

    def _after_runs(self, data: bytes, now: float) -> bytes:
        """What is left when whoever waits for the first frame has taken all that he can take at once, and the next."""
        while (size := self._take_run(data, now)) > 0:
            data = data[size:]
        return data

    def _take_run(self, data: bytes, now: float) -> int:
        """Bytes that were taken."""
        if len(data) < _WORTH_A_RUN_BYTES:
            return 0
        message_id = MESSAGE_ID.unpack_from(data, HEADER.size)[0]
        offset = self.dictionary.context_offset(message_id)
        if offset is None or offset == NO_DEFINITION:
            return 0
        waiter = self._pending.get(_CONTEXT.unpack_from(data, HEADER.size + offset)[0])
        if waiter is None:
            return 0
        run = waiter.take_run(data)
        for context in run.done:
            del self._pending[context]
        if run.done:
            waiter.note_answered(now, len(run.done))
        return run.size

    def _deliver_reply(self, message_id: int, offset: int, message: bytes, now: float) -> None:
        if len(message) < offset + _CONTEXT.size:
            name = self.dictionary.name_of(message_id)
            raise VppProtocolError(f"a {name} of {len(message)} bytes came, too short for its context")
        (context,) = _CONTEXT.unpack_from(message, offset)
        waiter = self._pending.get(context)
        if waiter is None:
            self.counters.late_replies += 1
        elif waiter.take(context, message_id, message):
            del self._pending[context]
            waiter.note_answered(now)

    def _deliver_event(self, message_id: int, message: bytes) -> None:
        name = self.dictionary.name_of(message_id)
        event = Event(name, self.dictionary.codec.unpack(name, message))
        try:
            self._event_sender.send_nowait(event)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.counters.events_lost += 1
