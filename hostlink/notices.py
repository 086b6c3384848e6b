"""What the daemon tells its watchers after the state has moved: the control socket's subscribers, log, history.

pyee carries it, and only what may be late or lost: what drives the machine goes through the daemon's own ordered
channel. pyee calls a watcher in the emitter's own stack, where an exception reaches the machine's task and the watchers
after it hear nothing; so no watcher's code ever runs there. Each has a bounded channel that it reads in a task of its
own, and all that happens in the emitter is a put that cannot wait. A watcher that is slow or gone misses notices, is
told how many, and hurts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import trio
from pyee import EventEmitter

from hostlink.core.effects import Transition
from hostlink.core.model import Problem
from hostlink.progress import Progress
from hostlink.rounds import Round

WAITING_LIMIT = 64
"""Notices that may wait for one watcher."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The machine of an uplink has moved, or entered its state again."""

    uplink: str
    transition: Transition
    at: datetime


@dataclass(frozen=True, slots=True)
class ProblemsChanged:
    """What an uplink's operator should know has changed; these are all that are shown now (problems/showing.py)."""

    uplink: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Reconverged:
    """A round that changed something has ended well."""

    uplink: str
    round: Round


@dataclass(frozen=True, slots=True)
class Progressed:
    """Long work of an uplink has got on, or has ended; a few times a second at most."""

    uplink: str
    progress: Progress
    ended: bool


Notice = Moved | ProblemsChanged | Reconverged | Progressed

_EVENT = "notice"


class Watch:
    """One watcher's end. `async for notice in watch.notices`, or `wait_changed` where only the newest counts."""

    def __init__(self, waiting_limit: int) -> None:
        self._put, self.notices = trio.open_memory_channel[Notice](waiting_limit)
        self.missed = 0
        """Notices that were not put because too many waited. Whoever shows a state reads it anew instead."""

    def hear(self, notice: Notice) -> None:
        """What pyee calls: never waits, never raises."""
        try:
            self._put.send_nowait(notice)
        except trio.WouldBlock:
            self.missed += 1
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the watcher has closed its end, and is about to be taken off the list

    async def wait_changed(self) -> None:
        """Waits for at least one notice and forgets all that wait: for watchers that then read the state."""
        await self.notices.receive()
        self.waiting()

    def waiting(self) -> list[Notice]:
        """Takes all that wait, without waiting for any."""
        found: list[Notice] = []
        try:
            while True:
                found.append(self.notices.receive_nowait())
        except trio.WouldBlock:
            return found

    def close(self) -> None:
        self._put.close()
        self.notices.close()


class Notices:
    """The daemon's one bulletin."""

    def __init__(self) -> None:
        self._emitter = EventEmitter()

    def publish(self, notice: Notice) -> None:
        """Tells all watchers; nobody listening is no error. Never waits, never raises."""
        self._emitter.emit(_EVENT, notice)

    @contextmanager
    def watch(self, waiting_limit: int = WAITING_LIMIT) -> Iterator[Watch]:
        """Hears every notice published within the block."""
        watch = Watch(waiting_limit)
        self._emitter.add_listener(_EVENT, watch.hear)
        try:
            yield watch
        finally:
            self._emitter.remove_listener(_EVENT, watch.hear)
            watch.close()
