"""Long work as a bar on a terminal, by rich; see progress.py. Drawn anew when something is said, and by no clock."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

DRAWN_EVERY_S = 0.1


class Bar:
    """progress.py's LongWork. It goes when the work has ended; a line says then how long it took."""

    def __init__(self, title: str, total: int | None, after_s: float, stream: TextIO) -> None:
        counts: list[ProgressColumn] = [] if total is None else [BarColumn(), MofNCompleteColumn()]
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            *counts,
            TimeElapsedColumn(),
            console=Console(file=stream, force_terminal=True, highlight=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._title, self._stream, self._after_s = title, stream, after_s
        self._began, self._drawn_at = time.monotonic(), 0.0
        self._task = self._progress.add_task(title, total=total)
        self._progress.start()

    def on(self, what: str) -> None:
        self._progress.update(self._task, description=f"{self._title}: {what}")
        self._draw()

    def within(self, what: str) -> None:
        self.on(what)

    def advance(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)
        self.still()

    def still(self) -> None:
        if time.monotonic() >= self._drawn_at + DRAWN_EVERY_S:
            self._draw()

    def end(self, well: bool) -> None:
        self._progress.stop()
        took_s = time.monotonic() - self._began
        if well and took_s >= self._after_s:
            print(f"{self._title}: done in {took_s:.1f} s", file=self._stream, flush=True)

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        self._progress.refresh()
