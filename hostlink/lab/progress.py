"""How far long work of the lab and of the tools is: a bar on a terminal (bar.py), lines elsewhere; on standard error,
since standard output has results.

Shown by whoever is at work, when it says something, and by no clock: a bench must not be disturbed by what shows it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

SHOWN_AFTER_S = 1.0
"""For work that is short on most machines."""
LINE_EVERY_S = 10.0
"""How often what is only counted makes a line, where there is no terminal."""


class LongWork(Protocol):
    """What is told of long work while it goes on."""

    def on(self, what: str) -> None:
        """This is what is done next."""

    def within(self, what: str) -> None:
        """A part of that: seen on a terminal only."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""

    def still(self) -> None:
        """It still goes on: said by whoever has nothing to count."""

    def end(self, well: bool) -> None:
        """It has ended."""


class Lines:
    """A line when the work comes to its next thing, one now and then while something is counted, and one at its end."""

    def __init__(self, title: str, total: int | None, after_s: float, stream: TextIO) -> None:
        self._title, self._total, self._stream = title, total, stream
        self._began = self._said = time.monotonic()
        self._not_before = self._began + after_s
        self._done, self._told = 0, False

    def on(self, what: str) -> None:
        at = "" if self._total is None else f" ({min(self._done + 1, self._total):,} of {self._total:,})"
        if time.monotonic() >= self._not_before:
            self._say(f"{what}{at}")

    def within(self, what: str) -> None:
        """Not said."""

    def advance(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() >= max(self._not_before, self._said + LINE_EVERY_S):
            self._say(f"{self._done:,} done" if self._total is None else f"{self._done:,} of {self._total:,} done")

    def still(self) -> None:
        """Not said."""

    def end(self, well: bool) -> None:
        if self._told and well:
            self._say(f"done in {time.monotonic() - self._began:.1f} s")

    def _say(self, text: str) -> None:
        self._said, self._told = time.monotonic(), True
        print(f"{self._title}: {text}", file=self._stream, flush=True)


class _Part:
    """Long work in the middle of other long work is a part of that."""

    def __init__(self, title: str, whole: LongWork) -> None:
        self._title, self._whole = title, whole

    def on(self, what: str) -> None:
        self._whole.within(f"{self._title}: {what}")

    def within(self, what: str) -> None:
        self.on(what)

    def advance(self, count: int = 1) -> None:  # noqa: ARG002 — the whole counts other things
        self._whole.still()

    def still(self) -> None:
        self._whole.still()

    def end(self, well: bool) -> None:
        """The whole goes on."""


class _Unseen:
    def on(self, what: str) -> None:
        """Not shown."""

    within = on

    def advance(self, count: int = 1) -> None:
        """Not shown."""

    def still(self) -> None:
        """Not shown."""

    def end(self, well: bool) -> None:
        """Not shown."""


_going_on: list[LongWork] = []


@contextmanager
def unseen() -> Iterator[None]:
    """The terminal is somebody else's for the block: nothing is shown."""
    work = _Unseen()
    _going_on.append(work)
    try:
        yield
    finally:
        _going_on.remove(work)


@contextmanager
def long_work(title: str, total: int | None = None, *, after_s: float = 0.0) -> Iterator[LongWork]:
    """total: what `advance` counts to. after_s: nothing stays to be read of what takes less.

    A terminal is written on by nothing else meanwhile.
    """
    work = _Part(title, _going_on[-1]) if _going_on else _shown(title, total, after_s)
    _going_on.append(work)
    try:
        yield work
    except BaseException:
        work.end(False)
        raise
    else:
        work.end(True)
    finally:
        _going_on.remove(work)


def _shown(title: str, total: int | None, after_s: float) -> LongWork:
    if not sys.stderr.isatty() or (os.environ.get("TERM") or "dumb") in ("dumb", "unknown"):
        return Lines(title, total, after_s, sys.stderr)
    from hostlink.lab.bar import Bar  # its import takes longer than most of what is shown

    return Bar(title, total, after_s, sys.stderr)
