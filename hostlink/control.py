"""The control socket: how `hostlink state`, `release` and the like reach the daemon.

One task for each client, at most CLIENT_LIMIT of them, and no client can hold up anything but itself: a call is
bounded in size, must be complete within CALL_S of its first byte, and its answers must be read within SEND_S; whoever
does not keep to it is disconnected. A client that leaves cancels its own waiting, not what it asked for. Handlers
decide nothing: they hand an event to the machine, or show what is.

The socket's mode says who may connect (0660: root and, if one is configured, a group), and what changes something asks
who it is (unix(7), SO_PEERCRED). A socket file left by a dead daemon is replaced, one that still answers is not.
"""

from __future__ import annotations

import os
import select
import socket as stdlib_socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from hostlink import varlink
from hostlink.defaults import RUNTIME_MODE
from hostlink.listening import listening
from hostlink.varlink import Call, CallError, ProtocolError, Reply, Splitter

CLIENT_LIMIT = 32
CALL_S = 5.0
"""From the first byte of a call to its last."""
SEND_S = 5.0
"""For a client to take one answer."""
IDLE_S = 60.0
"""Between two calls."""
_UCRED = struct.Struct("3i")
HALF_CLOSED_S = 0.5
"""How often a client that sends no more, and waits for an answer, is looked at: the kernel wakes nobody for it."""


@dataclass(slots=True)
class Request:
    """A call being handled. `send` gives an answer before the last one, where the client said `more`."""

    call: Call
    uid: int
    """The client's user when it connected."""
    _send: Callable[[bytes], Awaitable[None]] = field(repr=False)

    @property
    def parameters(self) -> Mapping[str, object]:
        return self.call.parameters

    def require_more(self) -> None:
        """For methods that answer more than once. Raises CallError."""
        if not self.call.more:
            raise CallError(varlink.EXPECTED_MORE, {})

    def require_root(self) -> None:
        """For methods that change something: root's, and the daemon's own user's. Raises CallError."""
        if self.uid not in (0, os.geteuid()):
            text = f"{self.call.method} is root's to call; this client is of uid {self.uid}: try as root"
            raise CallError(varlink.PERMISSION_DENIED, {"message": text})

    async def send(self, parameters: Mapping[str, object]) -> None:
        """An answer that others follow. Waits until the client has room; the client is dropped if it has none."""
        await self._send(varlink.pack_reply(Reply(parameters, continues=True)))


Handler = Callable[[Request], Awaitable[Mapping[str, object]]]
"""Answers one method: returns the parameters of the last answer, or raises CallError."""


class _GoneError(Exception):
    """The client left, or is no use: the end of its task and of nothing else."""


async def serve_control(
    path: Path,
    handlers: Mapping[str, Handler],
    gid: int | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; `started` when clients can connect. Keys of `handlers` are full names of methods.

    gid: a group whose members may connect as well.

    Raises SocketTakenError, and OSError when the socket cannot be made. An exception of a handler that is no CallError
    is our bug and comes out of here.
    """
    path.parent.mkdir(mode=RUNTIME_MODE, parents=True, exist_ok=True)
    with listening(path, 0o660, CLIENT_LIMIT, gid) as sock:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        slots = trio.CapacityLimiter(CLIENT_LIMIT)

        async def serve(stream: trio.SocketStream) -> None:
            await _serve_client(stream, handlers, slots)

        async with trio.open_nursery() as clients:
            await clients.start(trio.serve_listeners, serve, [listener])
            task_status.started()


async def _serve_client(
    stream: trio.SocketStream, handlers: Mapping[str, Handler], slots: trio.CapacityLimiter
) -> None:
    async with stream:
        connection = _Connection(stream, handlers)
        try:
            slots.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_after(SEND_S):
                await connection.refuse_as_busy()
            return
        try:
            await connection.serve()
        except (_GoneError, ProtocolError):
            return
        finally:
            slots.release()


def _peer_uid(sock: trio.socket.SocketType) -> int:
    """struct ucred: pid, uid, gid (include/linux/socket.h)."""
    raw = sock.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(raw)[1])


class _Connection:
    """One client: what it has sent ahead, and one call at a time."""

    def __init__(self, stream: trio.SocketStream, handlers: Mapping[str, Handler]) -> None:
        self._stream, self._handlers = stream, handlers
        self._uid = _peer_uid(stream.socket)
        self._splitter = Splitter(varlink.CALL_LIMIT_BYTES)
        self._ended = False
        """The client will send no more; it may still read (`socat` closes this half first)."""
        self._gone = False

    async def serve(self) -> None:
        while not self._gone:
            call = varlink.unpack_call(await self._next_message())
            await self._answer_while_connected(call)

    async def refuse_as_busy(self) -> None:
        error = CallError(varlink.BUSY, {"message": f"{CLIENT_LIMIT} clients are connected already: try again later"})
        try:
            await self._stream.send_all(varlink.pack_error(error))
        except trio.BrokenResourceError:
            return

    async def _next_message(self) -> bytes:
        """Within IDLE_S for a call to begin, and CALL_S for it to be complete."""
        message = self._splitter.next()
        try:
            if message is None and not self._splitter.is_within_message:
                with trio.fail_after(IDLE_S):
                    await self._receive()
            with trio.fail_after(CALL_S):
                while message is None and (message := self._splitter.next()) is None:
                    await self._receive()
        except trio.TooSlowError as error:
            raise _GoneError from error
        return message

    async def _receive(self) -> None:
        if self._ended:
            raise _GoneError
        try:
            data = await self._stream.receive_some()
        except trio.BrokenResourceError as error:
            raise _GoneError from error
        self._ended = not data
        self._splitter.feed(bytes(data))

    async def _answer_while_connected(self, call: Call) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_when_gone, nursery.cancel_scope)
            try:
                await self._answer(call)
            except _GoneError:
                self._gone = True
            nursery.cancel_scope.cancel()

    async def _cancel_when_gone(self, scope: trio.CancelScope) -> None:
        """Watches for the client's leaving while it waits for an answer. What it sends ahead stays for later."""
        try:
            while not self._ended:
                await self._receive()
            while not self._is_hung_up():  # noqa: ASYNC110 — half closed is readable for ever, so there is no event
                await trio.sleep(HALF_CLOSED_S)
        except (_GoneError, ProtocolError):
            pass
        self._gone = True
        scope.cancel()

    def _is_hung_up(self) -> bool:
        """Whether the client has closed both halves: only `poll` tells that from one half (unix(7), poll(2))."""
        poll = select.poll()
        poll.register(self._stream.socket.fileno(), 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    async def _answer(self, call: Call) -> None:
        handler = self._handlers.get(call.method)
        try:
            if handler is None:
                raise self._unknown(call.method[:200])
            answer = varlink.pack_reply(Reply(await handler(Request(call, self._uid, self._send))))
        except CallError as error:
            answer = varlink.pack_error(error)
        if not call.oneway:
            await self._send(answer)

    def _unknown(self, method: str) -> CallError:
        interface = method.rpartition(".")[0]
        if any(name.rpartition(".")[0] == interface for name in self._handlers):
            return CallError(varlink.METHOD_NOT_FOUND, {"method": method})
        return CallError(varlink.INTERFACE_NOT_FOUND, {"interface": interface})

    async def _send(self, data: bytes) -> None:
        try:
            with trio.fail_after(SEND_S):
                await self._stream.send_all(data)
        except (trio.TooSlowError, trio.BrokenResourceError) as error:
            raise _GoneError from error
