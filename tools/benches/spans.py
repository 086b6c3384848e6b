"""Files of spans: something began, took so long, and what it was. One line each, written by one process.

All processes of a machine read the same CLOCK_MONOTONIC, so whoever measures reads afterwards what fell into its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """began_ns: CLOCK_MONOTONIC. cpu_ns: of the thread, and queued_ns: it could have run and had no CPU; both 0 where
    that was not measured."""

    began_ns: int
    took_ns: int
    cpu_ns: int = 0
    queued_ns: int = 0
    what: str = ""

    @property
    def took_ms(self) -> float:
        return self.took_ns / 1e6

    @property
    def own_ns(self) -> int:
        """What it took but for waiting for a CPU: computing, and waiting for other threads of the process."""
        return self.took_ns - self.queued_ns

    def line(self) -> str:
        """As it is written."""
        return f"{self.began_ns} {self.took_ns} {self.cpu_ns} {self.queued_ns} {self.what}\n"


def parse(text: str) -> list[Span]:
    """All whole lines; the last one may still be being written."""
    spans = []
    for line in text.split("\n")[:-1]:
        *numbers, what = line.split(" ", 4)
        began, took, cpu, queued = map(int, numbers)
        spans.append(Span(began, took, cpu, queued, what))
    return spans


def read(path: Path) -> list[Span]:
    """None of a file that is not there."""
    return parse(path.read_text()) if path.exists() else []


def longest(spans: Iterable[Span], since_ns: int, until_ns: int, *, own: bool = False) -> Span | None:
    """Of those that were under way in that time. own: by `own_ns`."""
    inside = (span for span in spans if span.began_ns < until_ns and span.began_ns + span.took_ns > since_ns)
    return max(inside, key=lambda span: span.own_ns if own else span.took_ns, default=None)
