"""A session with a VPP: requests with any number in flight, dumps, events, and its end, under trio.

`open_session` connects, introduces itself (sockclnt_create, answered with VPP's message table) and asks VPP for its
own API definitions (get_api_json), so that nothing about a release is kept on the node. Then:

    async with open_session("/run/vpp/api.sock") as session:
        reply = await session.request("sw_interface_set_flags", sw_if_index=1, flags=1)
        interfaces = await session.dump("sw_interface_dump")
        results = await session.batch([Request("sw_interface_set_mtu", {...}), ...])

Sending one request at a time costs a round trip each, 1,000 to 2,000 a second; a batch in flight is a hundred times
faster, so whatever is known together is sent together. (Definitions: vlibmemory/memclnt.api.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import trio

from hostlink.vpp.codec import Codec, Kind, Message, bootstrap_codec, codec_for
from hostlink.vpp.connection import Chunk, Connection, Counters, Event, connect
from hostlink.vpp.dictionary import Dictionary
from hostlink.vpp.errors import VppError, VppGone, VppProtocolError, VppRefused
from hostlink.vpp.frames import frame
from hostlink.vpp.waiters import Dumps, Replies, Waiter

__all__ = ["Event", "Message", "Request", "Session", "open_session", "raise_first"]

_BOOTSTRAP_TABLE = {"sockclnt_create_455fb9c4": 15, "sockclnt_create_reply_35166268": 16}
"""The only ids that are fixed, for the only message that comes before VPP has given its table."""
_LEAVE_S = 1.0
"""A VPP that lives answers within milliseconds; one that hangs is not waited for any longer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A message to VPP, its fields as the API file has them. What is left out is zero, or its default there."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def raise_first(results: Sequence[Message | VppError]) -> list[Message]:
    """The replies of a batch when all are well; else the first error is raised."""
    for result in results:
        if isinstance(result, VppError):
            raise result
    return list(results)


class Session:
    """A connected session; see `open_session`. Any task may use it, any number at once."""

    def __init__(self, connection: Connection, deadline_s: float) -> None:
        self._connection = connection
        self._client_index = 0
        self._is_known = False
        """Whether VPP has let it in, and is to be told when it goes."""
        self.deadline_s = deadline_s
        """Seconds without any progress after which a wait ends with VppTimeout."""

    @property
    def message_table(self) -> Mapping[str, int]:
        """VPP's messages, `name_crc` → id: what `check_contract` wants."""
        return self._connection.dictionary.message_table

    @property
    def codec(self) -> Codec:
        """Packs and unpacks this VPP's messages."""
        return self._connection.dictionary.codec

    @property
    def events(self) -> trio.MemoryReceiveChannel[Event]:
        """What VPP sends by itself. Ends when the session ends. When it is full new ones are dropped and counted."""
        return self._connection.events

    @property
    def counters(self) -> Counters:
        return self._connection.counters

    @property
    def peer_pid(self) -> int | None:
        """VPP's process, as this process's PID namespace knows it (unix(7), SO_PEERCRED). None: it does not."""
        return self._connection.peer_pid

    async def wait_closed(self) -> VppError:
        """Wait until the session has ended, by VPP's death or otherwise. Returns the reason."""
        return await self._connection.wait_closed()

    async def request(self, name: str, /, *, deadline_s: float | None = None, **fields: Any) -> Message:
        """Send one request and return its reply. Raises any VppError; VppRefused for a non-zero retval."""
        (reply,) = raise_first(await self.batch([Request(name, fields)], deadline_s=deadline_s))
        return reply

    async def batch(self, requests: Sequence[Request], *, deadline_s: float | None = None) -> list[Message | VppError]:
        """Send all, many in flight at a time, in order; VPP carries them out in that order.

        Returns for each request, in the order given, its reply or its error: VppRefused, or for those without an answer
        VppTimeout or VppGone. One that fails does not stop the others (`raise_first` raises the first).
        Raises only before anything is sent: VppBadRequest, ContractError.
        """
        names = self._connection.dictionary
        contexts = self._connection.take_contexts(len(requests))
        answers = [names.answer_to(request.name) for request in requests]
        packed = [self._pack(request, context) for request, context in zip(requests, contexts, strict=True)]
        waiter = Replies(_words(requests), contexts, [names.id_of(answer) for answer in answers])
        failure = await self._try_exchange(waiter, packed, deadline_s)
        return [
            self._result(request, answer, reply, failure)
            for request, answer, reply in zip(requests, answers, waiter.replies, strict=True)
        ]

    async def dump(self, name: str, /, *, deadline_s: float | None = None, **fields: Any) -> list[Message]:
        """All details that answer a `…_dump`."""
        (details,) = await self.dumps([Request(name, fields)], deadline_s=deadline_s)
        return details

    async def dumps(self, requests: Sequence[Request], *, deadline_s: float | None = None) -> list[list[Message]]:
        """Several dumps in one go: for each, in the order given, its details. Raises any VppError."""
        frames = await self.dump_frames(requests, deadline_s=deadline_s)
        kinds = [self._connection.dictionary.answer_to(request.name, Kind.DUMP) for request in requests]
        return [
            [self.codec.unpack(kind, details) for details in of_one] for kind, of_one in zip(kinds, frames, strict=True)
        ]

    async def dump_frames(self, requests: Sequence[Request], *, deadline_s: float | None = None) -> list[list[bytes]]:
        """As `dumps`, the details not decoded: for those that are many and have a faster reader (vpp/routes.py)."""
        names = self._connection.dictionary
        contexts = self._connection.take_contexts(len(requests))
        details_ids = [names.id_of(names.answer_to(request.name, Kind.DUMP)) for request in requests]
        ping = Request("control_ping")
        packed = [self._pack(dump, at) + self._pack(ping, at) for dump, at in zip(requests, contexts, strict=True)]
        waiter = Dumps(_words(requests), contexts, details_ids, names.id_of("control_ping_reply"))
        failure = await self._try_exchange(waiter, packed, deadline_s)
        if failure is not None:
            raise failure
        return waiter.details

    async def dump_to(self, waiter: Waiter, request: Request) -> None:
        """One dump to whoever takes its details as they come. The waiter has one context. Raises any VppError."""
        (context,) = waiter.contexts
        await self.exchange(waiter, [self._pack(request, context) + self._pack(Request("control_ping"), context)])

    def take_contexts(self, count: int) -> range:
        """Contexts for messages packed elsewhere, one each."""
        return self._connection.take_contexts(count)

    @property
    def client_index(self) -> int:
        """Who hostlink is to this VPP. Every request carries it: with another VPP acts and the reply is lost."""
        return self._client_index

    def id_of(self, name: str) -> int:
        """A message's id in this VPP. ContractError: it has none of that name and definition."""
        return self._connection.dictionary.id_of(name)

    async def exchange(self, waiter: Waiter, messages: Iterable[bytes], *, deadline_s: float | None = None) -> None:
        """Send what was packed elsewhere: one framed item for each of the waiter's contexts. Raises any VppError."""
        await self._connection.exchange(waiter, messages, self.deadline_s if deadline_s is None else deadline_s)

    async def exchange_chunks(self, waiter: Waiter, chunks: Iterable[Chunk]) -> None:
        """As `exchange`, with messages that are made many at a time."""
        await self._connection.exchange_chunks(waiter, chunks, self.deadline_s)

    async def greet(self, client_name: str) -> None:
        """Introduce hostlink, learn VPP's message table, then its definitions. Once, before anything else."""
        connection = self._connection
        names = connection.dictionary
        waiter = Replies("sockclnt_create", connection.take_contexts(1), [names.id_of("sockclnt_create_reply")])
        packed = self._pack(Request("sockclnt_create", {"name": client_name}), waiter.contexts.start)
        await self.exchange(waiter, [packed])
        created = names.codec.unpack("sockclnt_create_reply", waiter.replies[0] or b"")
        if created.response != 0:
            raise VppRefused("sockclnt_create", {"name": client_name}, created.response)
        self._client_index = created.index
        self._is_known = True
        table = {entry.name: entry.index for entry in created.message_table}
        connection.dictionary = Dictionary(names.codec, table)
        definitions = await self.request("get_api_json")
        # In a thread: 0.2 s on a quick machine, many on an emulated one, and clients wait for answers meanwhile.
        codec = await trio.to_thread.run_sync(codec_for, definitions.json)
        connection.dictionary = Dictionary(codec, table)

    async def leave(self) -> None:
        """Have VPP close its end. Nothing where it has ended, or does not answer soon.

        A client that only closes the socket may never be noticed: VPP asks errno of a read that came to the end, and
        where it is EAGAIN, left behind by an earlier call, it keeps the socket and finds it readable from then on.
        Sixteen of those at once, whosever they are, and its main thread does nothing else any more
        (vl_socket_read_ready in vlibmemory/socket_api.c, vlib_file_poll in vlib/file.c; 25.10 to 26.06).
        """
        if self._is_known:
            with suppress(VppError):
                await self.request("sockclnt_delete", deadline_s=_LEAVE_S, index=self._client_index)

    def _pack(self, request: Request, context: int) -> bytes:
        message_id = self._connection.dictionary.id_of(request.name)
        return frame(
            self.codec.pack(
                request.name,
                request.fields,
                message_id=message_id,
                client_index=self._client_index,
                context=context,
            )
        )

    async def _try_exchange(self, waiter: Waiter, packed: list[bytes], deadline_s: float | None) -> VppError | None:
        try:
            await self.exchange(waiter, packed, deadline_s=deadline_s)
        except VppError as failure:
            return failure
        return None

    def _result(
        self, request: Request, answer: str, data: bytes | None, failure: VppError | None
    ) -> Message | VppError:
        if data is None:
            assert failure is not None
            return failure
        try:
            reply = self.codec.unpack(answer, data)
        except VppProtocolError as fault:
            return fault
        retval = getattr(reply, "retval", 0)
        return reply if retval == 0 else VppRefused(request.name, request.fields, retval)


class _Opening:
    """What `open_session` returns: the session with the task that moves its frames.

    A nursery as a plain context manager would wrap whatever the body raises into an exception group, so it is entered
    and left by hand, and the body's exception never shown to it.
    """

    def __init__(self, path: str | os.PathLike[str], client_name: str, deadline_s: float) -> None:
        self._path = path
        self._client_name = client_name
        self._deadline_s = deadline_s

    async def __aenter__(self) -> Session:
        stream = await connect(self._path, self._deadline_s)
        self._connection = Connection(stream, Dictionary(bootstrap_codec(), _BOOTSTRAP_TABLE))
        self._nursery = trio.open_nursery()
        (await self._nursery.__aenter__()).start_soon(self._run)
        self._session = Session(self._connection, self._deadline_s)
        try:
            await self._session.greet(self._client_name)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with trio.CancelScope(shield=True):
                await self._session.leave()
        finally:
            self._connection.close(VppGone("hostlink closed the session"))
            await self._nursery.__aexit__(None, None, None)

    async def _run(self) -> None:
        # Shielded, so that a body that was cancelled can still talk to VPP while it cleans up. Closing ends it.
        with trio.CancelScope(shield=True):
            await self._connection.run()


def open_session(
    path: str | os.PathLike[str], *, client_name: str = "hostlink", deadline_s: float = 5.0
) -> AbstractAsyncContextManager[Session]:
    """Connect to VPP's API socket: `async with open_session(path) as session`.

    deadline_s: seconds without progress after which connecting, and by default every wait, ends with VppTimeout.
    Raises VppUnreachable, VppTimeout, VppGone, VppProtocolError, and ContractError when VPP cannot give its
    definitions.
    """
    return _Opening(path, client_name, deadline_s)


def _words(requests: Sequence[Request]) -> str:
    """The requests for an error text."""
    if len(requests) == 1:
        return requests[0].name
    return f"{len(requests)} requests ({', '.join(sorted({request.name for request in requests}))})"
