"""How the big table measures: its sizes, and its rows, each within its time, whatever became of the others."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import trio

from hostlink.kernel.errors import KernelError
from hostlink.lab.network import LabError
from hostlink.lab.real_vpp import VppDidNotStart
from hostlink.lab.stage import StageError
from hostlink.vpp.errors import VppError
from tools.benches.goals import Line
from tools.benches.raw import RawError


class RowFailed(Exception):
    """What a row measured is not what it should have been: its number would be a lie."""


FAILURES = (
    RowFailed,
    RawError,
    StageError,
    LabError,
    VppDidNotStart,
    VppError,
    KernelError,
    OSError,
    subprocess.SubprocessError,
    trio.TooSlowError,
)
"""What ends one row and not the table. Anything else is a bug of the bench."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """routes: of the rows that have many. judged: whether they say anything about goals; vpp_judged: those with VPP."""

    routes: tuple[int, ...] = (100_000, 1_000_000)
    few: int = 1000
    """Present where one change is measured with few."""
    live: int = 100_000
    changes: int = 200
    papi: int = 5000
    rounds: int = 3
    """How often what is read or written is; the median counts."""
    pyroute2: int = 100_000
    """More of them it is not asked to read: it takes minutes."""
    judged: bool = True
    vpp_judged: bool = True

    def gateways(self, network: IPv4Network) -> list[IPv4Address]:
        """Fifty, as a full table has some."""
        return [network[100 + number] for number in range(50)]


QUICK = Sizes((2000,), few=200, live=2000, changes=20, papi=200, pyroute2=2000, judged=False, vpp_judged=False)


def say(text: str) -> None:
    """What is being done now, for whoever waits. The one place where progress is shown."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class Marked:
    """A row's time, by CLOCK_MONOTONIC: to say afterwards what was being done."""

    row: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class Run:
    """The table being made. chosen: names of rows. limit_s: for each row."""

    chosen: frozenset[str]
    limit_s: float
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    marks: list[Marked] = field(default_factory=list)

    async def row(self, name: str, count: int, measure: Callable[[], Awaitable[Sequence[Line]]]) -> bool:
        """Measure one row, of so many routes, if it is chosen. False: it failed, or did not end in time."""
        if name not in self.chosen:
            return True
        return await self.step(name, count, measure)

    async def step(self, name: str, count: int, measure: Callable[[], Awaitable[Sequence[Line]]]) -> bool:
        """The same, chosen or not: what others stand on."""
        title = f"{name}, {count:,} routes"
        say(title)
        mark = Marked(title, time.monotonic_ns(), 0)
        self.marks.append(mark)
        why = f"did not end in {self.limit_s:g} s"
        with trio.move_on_after(self.limit_s):
            why = await self._try(measure)
        mark.ended_ns = time.monotonic_ns()
        if why:
            self._failed(name, count, why)
        return not why

    def leave_out(self, name: str, count: int, why: str) -> None:
        """A row that cannot be measured any more, if it is chosen: it is told, and not forgotten."""
        if name in self.chosen:
            self._failed(name, count, f"not measured: {why}")

    async def life(self, count: int, live: Callable[[], Awaitable[None]]) -> None:
        """A daemon's life, in which rows are measured. What fails outside of them has failed for all."""

        async def lived() -> Sequence[Line]:
            await live()
            return ()

        why = await self._try(lived)
        if why:
            self._failed("a daemon's life", count, why)

    async def _try(self, measure: Callable[[], Awaitable[Sequence[Line]]]) -> str:
        """Why it failed; nothing when it did not."""
        try:
            self.lines += await measure()
        except* FAILURES as group:
            why = "; ".join(_words(group))
        else:
            why = ""
        return why

    def _failed(self, name: str, count: int, why: str) -> None:
        say(f"{name}, {count:,} routes: {why}")
        self.lines.append(Line(name, count, None, "", failure=why))

    def what_at(self, at_ns: int) -> str:
        """The row that was being measured then."""
        return next((mark.row for mark in self.marks if mark.began_ns <= at_ns <= mark.ended_ns), "between rows")


def _words(group: BaseException) -> list[str]:
    if isinstance(group, BaseExceptionGroup):
        return [words for one in group.exceptions for words in _words(one)]
    return [f"{group}" or repr(group)]
