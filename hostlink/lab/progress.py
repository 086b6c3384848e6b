"""How far long work of the lab and of the tools is: a bar on a terminal, lines elsewhere; on standard error, since
standard output has results.

The bar is drawn anew when something is said and by no clock: a bench must not be disturbed by what shows it. It goes
when the work is done, and a line says how long that took.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

LINE_EVERY_S = 10.0
"""How often what is only counted makes a line, where there is no terminal."""
DRAWN_EVERY_S = 0.1


class LongWork:
    """`on` what comes next, `advance` when some of it is done."""

    def on(self, what: str) -> None:
        """This is what is done now."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""

    def still(self) -> None:
        """It is still going on: said now and then by whoever has nothing to count."""

    def close(self, *, well: bool) -> None:
        """It has ended."""


class _Lines(LongWork):
    def __init__(self, title: str, total: int | None, after_s: float, stream: TextIO) -> None:
        self._title, self._total, self._stream = title, total, stream
        self._began = self._said = time.monotonic()
        self._not_before = self._began + after_s
        self._done, self._told = 0, False

    def on(self, what: str) -> None:
        at = "" if self._total is None else f" ({self._done + 1} of {self._total})"
        if time.monotonic() >= self._not_before:
            self._say(f"{what}{at}")

    def advance(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() >= max(self._not_before, self._said + LINE_EVERY_S):
            self._say(f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}")

    def close(self, *, well: bool) -> None:
        if self._told and well:
            self._say(f"done in {time.monotonic() - self._began:.1f} s")

    def _say(self, text: str) -> None:
        self._said, self._told = time.monotonic(), True
        print(f"{self._title}: {text}", file=self._stream, flush=True)


class _Bar(LongWork):
    def __init__(self, title: str, total: int | None, after_s: float, stream: TextIO) -> None:
        counts: list[ProgressColumn] = [] if total is None else [BarColumn(), MofNCompleteColumn()]
        columns = (TextColumn("{task.description}", markup=False), *counts, TimeElapsedColumn())
        console = Console(file=stream, force_terminal=True, highlight=False)
        self._progress = Progress(
            *columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._title, self._stream, self._after_s = title, stream, after_s
        self._began, self._drawn_at = time.monotonic(), 0.0
        self._task = self._progress.add_task(title, total=total)
        self._progress.start()

    def on(self, what: str) -> None:
        self._progress.update(self._task, description=f"{self._title}: {what}")
        self._draw()

    def advance(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)
        self.still()

    def still(self) -> None:
        if time.monotonic() >= self._drawn_at + DRAWN_EVERY_S:
            self._draw()

    def close(self, *, well: bool) -> None:
        self._progress.stop()
        took_s = time.monotonic() - self._began
        if well and took_s >= self._after_s:
            print(f"{self._title}: done in {took_s:.1f} s", file=self._stream, flush=True)

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        self._progress.refresh()


@contextmanager
def long_work(title: str, total: int | None = None, *, after_s: float = 0.0) -> Iterator[LongWork]:
    """total: how many steps `advance` counts to. after_s: nothing stays to be read of what takes less.

    Whatever is printed meanwhile on the terminal would be drawn over: it is for quiet work.
    """
    stream = sys.stderr
    is_obeyed = stream.isatty() and (os.environ.get("TERM") or "dumb") not in ("dumb", "unknown")
    work = (_Bar if is_obeyed else _Lines)(title, total, after_s, stream)
    try:
        yield work
    except BaseException:
        work.close(well=False)
        raise
    work.close(well=True)
