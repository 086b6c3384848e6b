"""How far long work of an uplink is, for whoever watches.

Steps say what they begin and how much of it is done: that is a number and an event's flag, and no clock is asked, since
the paths that say it are the fast ones. One task of each runner does the rest: what has lasted for TOLD_AFTER_S is told
of, at most every TOLD_EVERY_S, and nothing is told of what ends before. While no work is going on the task sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio

TOLD_AFTER_S = 1.0
TOLD_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """what: in words (`changing VPP`). total: None where nobody can say. at: when it began, UTC."""

    what: str
    done: int
    total: int | None
    at: datetime
    lasted_s: float


@dataclass(slots=True)
class _Job:
    what: str
    total: int | None
    long: bool
    """It goes on with what was long already, and is told of at once."""
    bit_by_bit: bool
    done: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=trio.current_time)
    news: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def told_at(self) -> float:
        return self.began if self.long else self.began + TOLD_AFTER_S

    def progress(self) -> Progress:
        total = None if self.total is None else max(self.done, self.total)
        return Progress(self.what, self.done, total, self.at, trio.current_time() - self.began)

    def end(self) -> None:
        self.ended.set()
        self.news.set()


Tell = Callable[[Progress, bool], None]
"""What is told, and whether that work has ended."""


class Work:
    """The work of one uplink. One thing at a time: what begins ends what was before."""

    def __init__(self) -> None:
        self._job: _Job | None = None
        self._begun = trio.Event()

    def begin(self, what: str, total: int | None = None, *, bit_by_bit: bool = False) -> None:
        """total: of what `advance` counts."""
        before = self._job
        long = before is not None and before.told_at <= trio.current_time()
        self._job = _Job(what, total, long, bit_by_bit)
        if before is not None:
            before.end()
        self._begun.set()

    def advance(self, count: int = 1) -> None:
        """So many more are done. Nothing where nothing was begun."""
        job = self._job
        if job is not None:
            job.done += count
            job.news.set()

    def goes_on(self, what: str, left: int) -> None:
        """What comes bit by bit: it begins unless it is going on, and so many are left as far as is known now."""
        if self._job is None or self._job.what != what:
            self.begin(what, left, bit_by_bit=True)
        else:
            self._job.total = self._job.done + left

    def end(self, left: int = 0) -> None:
        """Nothing is being done any more; but what comes bit by bit goes on while so much is left."""
        if self._job is not None and not (left and self._job.bit_by_bit):
            self._job.end()
            self._job = None

    @property
    def long(self) -> Progress | None:
        """What has lasted long enough to be shown."""
        job = self._job
        return job.progress() if job is not None and job.told_at <= trio.current_time() else None

    async def keep_telling(self, tell: Tell) -> None:
        """Until cancelled."""
        while True:
            await self._begun.wait()
            self._begun = trio.Event()
            if self._job is not None:
                await _follow(self._job, tell)


async def _follow(job: _Job, tell: Tell) -> None:
    with trio.move_on_at(job.told_at):
        await job.ended.wait()
    if job.ended.is_set() and not job.long:
        return
    while not job.ended.is_set():
        job.news = trio.Event()
        tell(job.progress(), False)
        with trio.move_on_after(TOLD_EVERY_S):
            await job.ended.wait()
        await job.news.wait()
    tell(job.progress(), True)
