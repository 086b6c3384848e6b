"""A NETLINK_ROUTE socket of our own, under trio.

The kernel carries requests out while they are being sent, in their order, and queues one answer for each. So many go
out in one datagram and the answers are collected afterwards (`requests`): later ones may lean on earlier ones, and a
refused one does not stop the rest. Batches are bounded because unread answers fill the receive buffer, and an answer
that does not fit is lost.

A dump is cut into parts while it is read. If what is being dumped changes meanwhile, the kernel marks the parts
(NLM_F_DUMP_INTR; Documentation/userspace-api/netlink/intro.rst): such a dump is read again, and only one who hears by a
watcher of what changes uses it.

One lock serialises all this: one task's answers can never be taken for another's. Who is cancelled while waiting leaves
nothing behind: what the kernel still had to say is read and dropped before the lock goes to the next.

Sending blocks as long as another process holds the kernel's RTNL lock; that is how netlink is made. While somebody does
(a routing daemon that loads a full table: 350 ms were seen), it is a thread that sends. So it is where the kernel has
to search a full table for the few that a dump asks for (90 ms of a million), and where it waits before it has carried
out what is asked of a link, until no CPU uses any more what was there before (RCU: 10 to 30 ms).
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

import trio

from hostlink.kernel import busy, uapi
from hostlink.kernel.attributes import walk
from hostlink.kernel.errors import AnswersLost, KernelError, KernelRefused, ReadUnsteady, Unreadable, reading
from hostlink.kernel.namespace import open_file
from hostlink.kernel.off_loop import off_loop
from hostlink.kernel.seam import NO_FAULTS, Faults
from hostlink.kernel.sockets import HEADER, RECEIVE_BYTES, Message, opened, split
from hostlink.kernel.watcher import Changed, Watcher, open_watcher

__all__ = ["Changed", "Message", "Netlink", "Request", "Watcher", "open_netlink", "open_watcher", "read_again"]

P = ParamSpec("P")
T = TypeVar("T")

_BATCH_MESSAGES = 256
"""Measured: an answer takes 832 bytes of the receive buffer, so this many fit even in the default 212,992."""
_BATCH_BYTES = 1 << 16
_DUMP_ATTEMPTS = 10
_READ_ATTEMPTS, _READ_PAUSE_S = 4, 0.02
_SEQUENCE_LIMIT = 0xFFFF0000
_FEW_PARTS = 8
"""Of some 500 routes each. Of more the rest is read in a thread, so many together and so many ahead."""
_PARTS_TOGETHER, _PARTS_AHEAD = 8, 16


_LONG = frozenset(
    (
        *(uapi.RTM_NEWLINK, uapi.RTM_DELLINK, uapi.RTM_SETLINK),
        *(uapi.RTM_NEWQDISC, uapi.RTM_DELQDISC, uapi.RTM_NEWTFILTER, uapi.RTM_DELTFILTER),
    )
)
"""What the kernel may carry out only when no CPU uses any more what was there before."""
_LONG_S = 0.002
"""Sending that took longer has waited for somebody who holds the kernel's lock."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the kernel. `operation` is a phrase for errors: "add 10.0.0.1/24 to eth0"."""

    operation: str
    type: int
    body: bytes
    flags: int = 0
    """Beyond NLM_F_REQUEST and NLM_F_ACK or NLM_F_DUMP, which are added."""
    is_long: bool = False
    """Of a dump: the kernel may search for long before it says the first of it, all while it is sent."""


class Sink(Protocol):
    """What takes the parts of a dump."""

    def take(self, data: bytes, at: int) -> int:
        """The message at `at`, and those behind it with the same header as far as it likes. Returns where they end.

        Raises Unreadable.
        """
        ...


S = TypeVar("S", bound=Sink)


class Netlink:
    """A socket in one network namespace; made by `open_netlink`.

    `namespace_fd` holds that namespace (for what is not netlink: sysctls, ethtool), `namespace` is how it was called.
    """

    def __init__(
        self, sock: trio.socket.SocketType, namespace: str | None, namespace_fd: int, faults: Faults = NO_FAULTS
    ) -> None:
        self._sock = sock
        self._lock = trio.Lock()
        self._sequence = 0
        self.namespace = namespace
        self.namespace_fd = namespace_fd
        self.faults = faults

    async def request(self, request: Request) -> None:
        """Carries out one request. Raises KernelRefused."""
        (refusal,) = await self.requests([request])
        if refusal is not None:
            raise refusal

    async def requests(self, requests: Sequence[Request]) -> list[KernelRefused | None]:
        """Carries out many, in order, whatever becomes of each; one answer for each: None is done.

        Raises AnswersLost if the socket overflowed.
        """
        answers: list[KernelRefused | None] = []
        for batch in _batches(requests):
            async with self._lock:
                answers += await self._exchange(batch)
        return answers

    async def dump(self, request: Request, *, watched: bool = False) -> list[Message]:
        """All messages of a dump, of one moment. Raises KernelRefused, ReadUnsteady.

        watched: the caller hears by a watcher of what concerns it, or looks again. Then a dump that is interrupted each
        time, which what any link does may do to a long one, is taken as it is, instead of ReadUnsteady.
        """
        for _ in range(_DUMP_ATTEMPTS):
            async with self._lock:
                messages, interrupted = await self._dump_once(request)
            if not interrupted:
                return messages
        if watched:
            return messages
        raise _unsteady(request)

    async def dump_to(self, request: Request, begin: Callable[[], S], *, watched: bool = False) -> S:
        """As `dump`, for what is many: each part as it comes to a sink, which `begin` makes for each attempt anew."""
        for _ in range(_DUMP_ATTEMPTS):
            sink = begin()
            async with self._lock:
                interrupted = await self._dump_to_once(request, sink)
            if not interrupted:
                return sink
        if watched:
            return sink
        raise _unsteady(request)

    async def get(self, request: Request) -> Message:
        """The one message that answers a get request. Raises KernelRefused."""
        async with self._lock:
            first, data = self._pack([request], uapi.NLM_F_REQUEST)
            await self._send(data)
            try:
                return await self._answer(request, first)
            except BaseException:
                self._drain()
                raise

    async def _answer(self, request: Request, sequence: int) -> Message:
        while True:
            for message in await self._receive():
                if message.sequence != sequence:
                    continue
                refusal = _refusal(request, message)
                if refusal is not None:
                    raise refusal
                return message

    async def _exchange(self, batch: Sequence[Request]) -> list[KernelRefused | None]:
        first, data = self._pack(batch, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK)
        await self._send(data, is_long=not _LONG.isdisjoint(request.type for request in batch))
        answers: list[KernelRefused | None] = [None] * len(batch)
        missing = len(batch)
        try:
            while missing:
                for message in await self._receive():
                    position = message.sequence - first
                    if message.type == uapi.NLMSG_ERROR and 0 <= position < len(batch):
                        answers[position] = _refusal(batch[position], message)
                        missing -= 1
        except BaseException:
            self._drain()
            raise
        return answers

    async def _dump_once(self, request: Request) -> tuple[list[Message], bool]:
        """And whether it was interrupted."""
        first, data = self._pack([request], uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP)
        await self._send(data)
        messages: list[Message] = []
        interrupted = False
        try:
            while True:
                for message in await self._receive():
                    if message.sequence != first:
                        continue
                    interrupted |= bool(message.flags & uapi.NLM_F_DUMP_INTR)
                    if message.type in (uapi.NLMSG_DONE, uapi.NLMSG_ERROR):
                        _check_end(request, message)
                        interrupted |= self.faults.tear(messages)
                        self.faults.garble(messages)
                        return messages, interrupted
                    messages.append(message)
        except BaseException:
            self._drain()
            raise

    async def _dump_to_once(self, request: Request, sink: Sink) -> bool:
        """Whether it was interrupted."""
        if self.faults.spoil_dumps:
            messages, interrupted = await self._dump_once(request)
            for one in messages:
                sink.take(HEADER.pack(HEADER.size + len(one.body), one.type, one.flags, one.sequence, 0) + one.body, 0)
            return interrupted
        first, data = self._pack([request], uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP)
        await self._send(data, is_long=request.is_long)
        dump = _Dump(request, first, sink)
        try:
            for _ in range(_FEW_PARTS):
                if dump.take(await self._receive_part()):
                    return dump.interrupted
            async with both() as nursery:
                ahead, parts = trio.open_memory_channel[bytes](_PARTS_AHEAD)
                nursery.start_soon(self._read_ahead, ahead)
                while not dump.take(await parts.receive()):
                    pass
                nursery.cancel_scope.cancel()
        except BaseException:
            self._drain()
            raise
        return dump.interrupted

    async def _read_ahead(self, parts: trio.MemorySendChannel[bytes]) -> None:
        """Read beside the loop, until cancelled: the kernel makes a part of a dump while one is read, and between two
        tables it searches for 40 ms where there are a million routes."""
        with socket.fromfd(self._sock.fileno(), socket.AF_NETLINK, socket.SOCK_RAW) as sock:
            while True:
                some = await off_loop(_read_some, sock)
                for part in some:
                    await parts.send(part)
                if not some:
                    try:
                        await trio.lowlevel.wait_readable(sock)
                    finally:
                        trio.lowlevel.notify_closing(sock)  # else its number is watched on for who gets it next

    def _pack(self, batch: Sequence[Request], flags: int) -> tuple[int, bytes]:
        """(sequence of the first, one datagram)."""
        if self._sequence > _SEQUENCE_LIMIT:
            self._sequence = 0
        first = self._sequence + 1
        parts = []
        for request in batch:
            self._sequence += 1
            size = 16 + len(request.body)
            parts.append(HEADER.pack(size, request.type, flags | request.flags, self._sequence, 0))
            parts.append(request.body + b"\0" * (-size % 4))
        return first, b"".join(parts)

    async def _send(self, data: bytes, *, is_long: bool = False) -> None:
        began, used = time.monotonic(), time.thread_time()
        if is_long or busy.is_likely():
            sent = await off_loop(os.write, self._sock.fileno(), data)
            waited_s = 0.0 if is_long else time.monotonic() - began
        else:
            sent = await self._sock.send(data)  # in which other tasks have their turn
            waited_s = time.monotonic() - began - (time.thread_time() - used)
        if waited_s > _LONG_S:
            busy.note()
        if sent != len(data):
            raise KernelError(f"netlink took {sent} of {len(data)} bytes")

    async def _receive(self) -> list[Message]:
        return list(split(await self._receive_part()))

    async def _receive_part(self) -> bytes:
        """One datagram."""
        with _lost():
            return _from_kernel(*await self._sock.recvmsg(RECEIVE_BYTES))

    def _drain(self) -> None:
        """Reads and drops what is queued, so that the next one finds the socket empty and no dump under way.

        A dump goes on as it is read, each part made by the read before it: this ends it too.
        """
        while True:
            try:
                os.read(self._sock.fileno(), RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise


class _Dump:
    """What answers one request for a dump, handed to its sink."""

    def __init__(self, request: Request, sequence: int, sink: Sink) -> None:
        self._request, self._sequence, self._sink = request, sequence, sink
        self.interrupted = False

    def take(self, part: bytes) -> bool:
        """Whether that was the last part. Raises KernelRefused, Unreadable."""
        at = 0
        while at + HEADER.size <= len(part):
            length, kind, flags, sequence, _port = HEADER.unpack_from(part, at)
            ours = sequence == self._sequence
            self.interrupted |= ours and bool(flags & uapi.NLM_F_DUMP_INTR)
            if ours and kind not in (uapi.NLMSG_DONE, uapi.NLMSG_ERROR):
                at = self._sink.take(part, at)
                continue
            message = next(split(part[at:]))
            if ours:
                _check_end(self._request, message)
                return True
            at += (length + 3) & ~3
        return False


def _read_some(sock: socket.socket) -> list[bytes]:
    """The next parts of a dump, none when none is there. Raises AnswersLost."""
    found: list[bytes] = []
    with _lost(), suppress(BlockingIOError):
        while len(found) < _PARTS_TOGETHER:
            found.append(_from_kernel(*sock.recvmsg(RECEIVE_BYTES)))
    return found


def _from_kernel(data: bytes, _: object, flags: int, sender: Any) -> bytes:
    """Only the kernel (port 0) is believed: of others nothing is left."""
    if flags & socket.MSG_TRUNC:
        raise AnswersLost(f"an answer of the kernel is longer than {RECEIVE_BYTES} bytes")
    return data if sender[0] == 0 else b""


@contextmanager
def _lost() -> Iterator[None]:
    """An overflow said as what it means."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            raise AnswersLost("the netlink socket overflowed: answers of the kernel were lost") from error
        raise


def read_again(read: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """A decorator for what only reads: what the kernel said cannot be made sense of, so it is asked again, a few times.

    Raises Unreadable if that is no use.
    """

    @functools.wraps(read)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, _READ_ATTEMPTS):
            try:
                return await read(*args, **kwargs)
            except Unreadable:
                await trio.sleep(attempt * _READ_PAUSE_S)
        return await read(*args, **kwargs)

    return again


def _unsteady(request: Request) -> ReadUnsteady:
    return ReadUnsteady(f"could not {request.operation}: it changed during each of {_DUMP_ATTEMPTS} attempts")


def _batches(requests: Sequence[Request]) -> Iterable[Sequence[Request]]:
    start = size = 0
    for position, request in enumerate(requests):
        length = 20 + len(request.body)
        if position > start and (position - start == _BATCH_MESSAGES or size + length > _BATCH_BYTES):
            yield requests[start:position]
            start, size = position, 0
        size += length
    if start < len(requests):
        yield requests[start:]


@reading("the answer")
def _refusal(request: Request, message: Message) -> KernelRefused | None:
    """None for an acknowledgement (or any message that is not NLMSG_ERROR)."""
    if message.type != uapi.NLMSG_ERROR:
        return None
    (number,) = struct.unpack_from("=i", message.body)
    return KernelRefused(request.operation, _errno(number), _extended(message)) if number else None


def _errno(number: int) -> int:
    """The positive one of an answer (MAX_ERRNO in linux/err.h). ValueError: it is none."""
    if not -4096 < number < 0:
        raise ValueError(f"{number} is no error of the kernel's")
    return -number


def _extended(message: Message) -> str:
    """The text of an extended ACK: after the error and the header of the request (the whole one if not capped)."""
    if not message.flags & uapi.NLM_F_ACK_TLVS:
        return ""
    (length,) = struct.unpack_from("=I", message.body, 4)
    start = 20 if message.flags & uapi.NLM_F_CAPPED else 4 + ((length + 3) & ~3)
    for kind, payload in walk(message.body, start):
        if kind == uapi.NLMSGERR_ATTR_MSG:
            return payload.rstrip(b"\0").decode(errors="replace")
    return ""


@reading("the end of a dump")
def _check_end(request: Request, message: Message) -> None:
    """NLMSG_DONE carries the dump's own result; an error may come instead of any part."""
    number = struct.unpack_from("=i", message.body)[0] if len(message.body) >= 4 else 0
    if number < 0:
        detail = _extended(message) if message.type == uapi.NLMSG_ERROR else ""
        raise KernelRefused(request.operation, _errno(number), detail)


@asynccontextmanager
async def open_netlink(
    namespace: str | None = None, groups: Iterable[int] = (), *, faults: Faults = NO_FAULTS
) -> AsyncIterator[Netlink]:
    """A socket in that namespace (name, path, None for the current one), for as long as the block lasts.

    It is created there and used from anywhere. Raises NoSuchNamespace, PermissionError.
    """
    namespace_fd = open_file(namespace)
    try:
        async with opened(namespace_fd, groups) as sock:
            yield Netlink(sock, namespace, namespace_fd, faults)
    finally:
        os.close(namespace_fd)


@asynccontextmanager
async def beside(nl: Netlink) -> AsyncIterator[Netlink]:
    """Another socket in the same namespace: what a socket is asked, it answers one after another."""
    async with opened(nl.namespace_fd) as sock:
        yield Netlink(sock, nl.namespace, nl.namespace_fd, nl.faults)


@asynccontextmanager
async def both() -> AsyncIterator[trio.Nursery]:
    """A nursery for what is asked of the kernel at once. Raises the failure of one of them as itself, and no group."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if group.split(KernelError)[1] is not None:  # a bug, or cancelled
            raise
        raise failure from None
