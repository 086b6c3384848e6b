"""Who waits for what: an exchange of one or many requests has a waiter that takes its replies as raw bytes.

The connection's reader calls `take` for every frame whose context is waited for. It never blocks, and what it raises
ends the session: a peer that answers with another kind of message, or without end, is not a VPP. Decoding is left to
the task that waits, so that the reader stays fast and one reply that does not fit its definition fails one caller.
"""

from __future__ import annotations

from typing import NamedTuple

import trio

from hostlink.vpp.errors import VppError, VppProtocolError, VppTimeout

MOST_HELD_BYTES = 320 << 20
"""What one exchange may collect. 1,000,000 routes of one path are 290 MB; a dump above this is one that never stops."""
_BESIDE_BYTES = 48
"""A bytes object beside its bytes (33, sys.getsizeof), rounded up by the allocator, and its place in a list."""


class Run(NamedTuple):
    """What `Waiter.take_run` took."""

    size: int
    """Bytes."""
    done: range = range(0)
    """Contexts that are done with."""


class Waiter:
    """How far an exchange is, and how to wait for it.

    The deadline is one for progress: it runs anew with each reply, so that a long batch needs no guess at its length.
    """

    def __init__(self, waiting_for: str, contexts: range) -> None:
        """waiting_for: the request in words, for errors. contexts: one for each request, in the order of sending."""
        self.waiting_for = waiting_for
        self.contexts = contexts
        self.sent = 0
        self.answered = 0
        self.progress_at = trio.current_time()
        self._held_bytes = 0
        self._error: VppError | None = None
        self._wake = trio.Event()
        self._wake_at = -1

    @property
    def in_flight(self) -> int:
        """Requests sent and not completely answered."""
        return self.sent - self.answered

    def take(self, context: int, message_id: int, data: bytes) -> bool:
        """One frame for one of the contexts. True: that context is done with. VppProtocolError ends the session."""
        raise NotImplementedError

    def take_run(self, data: bytes) -> Run:  # noqa: ARG002 — for those that can
        """Take the first frames of `data`, which has whole and torn ones, as far as they are this exchange's and can be
        taken at once. By default none: then they are taken one by one."""
        return Run(0)

    def note_sent(self, count: int) -> None:
        """`count` more requests are on their way."""
        if not self.in_flight:
            self.progress_at = trio.current_time()
        self.sent += count

    def note_answered(self, now: float, count: int = 1) -> None:
        """So many contexts are done with."""
        self.progress_at = now
        self.answered += count
        if self.in_flight <= self._wake_at:
            self._wake.set()

    def fail(self, error: VppError) -> None:
        """Nothing more will come: the session ended."""
        self._error = error
        self._wake.set()

    async def wait_in_flight(self, at_most: int, deadline_s: float) -> None:
        """Wait until at most `at_most` requests are in flight. VppTimeout: nothing came for `deadline_s` seconds."""
        while self._error is None and self.in_flight > at_most:
            self._wake, self._wake_at = trio.Event(), at_most
            deadline = self.progress_at + deadline_s
            with trio.move_on_at(deadline) as scope:
                await self._wake.wait()
            if scope.cancelled_caught and deadline >= self.progress_at + deadline_s:
                raise VppTimeout(
                    f"VPP did not answer {self.waiting_for} within {deadline_s:g} s ({self.in_flight} unanswered); "
                    "it may have been carried out all the same"
                )
        if self._error is not None:
            raise type(self._error)(*self._error.args)

    def hold(self, size_bytes: int) -> None:
        """Count a message against the bound, with what Python needs beside it: of short ones that is the most."""
        self._held_bytes += size_bytes + _BESIDE_BYTES
        if self._held_bytes > MOST_HELD_BYTES:
            raise VppProtocolError(
                f"the answer to {self.waiting_for} passed {MOST_HELD_BYTES >> 20} MiB and did not end; no VPP does that"
            )

    def refuse_kind(self, message_id: int, expected_id: int) -> VppProtocolError:
        """The error for a reply of another kind."""
        return VppProtocolError(
            f"the answer to {self.waiting_for} has message id {message_id}, expected {expected_id}; no VPP does that"
        )


class Replies(Waiter):
    """One reply for each context, kept undecoded."""

    def __init__(self, waiting_for: str, contexts: range, reply_ids: list[int]) -> None:
        super().__init__(waiting_for, contexts)
        self._reply_ids = reply_ids
        self.replies: list[bytes | None] = [None] * len(contexts)
        """In the order of the requests; None where no reply came."""

    def take(self, context: int, message_id: int, data: bytes) -> bool:
        index = context - self.contexts.start
        if message_id != self._reply_ids[index]:
            raise self.refuse_kind(message_id, self._reply_ids[index])
        self.hold(len(data))
        self.replies[index] = data
        return True


class Dumps(Waiter):
    """Dumps: details come with the dump's context, and a control_ping sent behind it with the same context ends it.

    VPP handles requests in order, so the ping's reply says that all details have come.
    """

    def __init__(self, waiting_for: str, contexts: range, details_ids: list[int], ping_reply_id: int) -> None:
        super().__init__(waiting_for, contexts)
        self._details_ids = details_ids
        self._ping_reply_id = ping_reply_id
        self.details: list[list[bytes]] = [[] for _ in contexts]
        """One list for each dump, undecoded."""

    def take(self, context: int, message_id: int, data: bytes) -> bool:
        if message_id == self._ping_reply_id:
            return True
        index = context - self.contexts.start
        if message_id != self._details_ids[index]:
            raise self.refuse_kind(message_id, self._details_ids[index])
        self.hold(len(data))
        self.progress_at = trio.current_time()
        self.details[index].append(data)
        return False
