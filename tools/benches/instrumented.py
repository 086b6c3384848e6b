"""`hostlink` with an instrument in its event loop: `python -m tools.benches.instrumented run …`, for the benches only.

Each turn of a task that keeps the loop for long is a span in $HOSTLINK_BENCH_TURNS (spans.py): how long, how much of it
this thread was on a CPU, and how much it waited for one (the rest it waited for a thread of the daemon that computes,
or for the kernel), which task, and where it was before and after. With $HOSTLINK_BENCH_ALL_TURNS every turn is one, and
each time that the loop was woken.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import TextIO

import trio

from tools.benches.spans import Span

FILE, EVERY = "HOSTLINK_BENCH_TURNS", "HOSTLINK_BENCH_ALL_TURNS"
WOKEN = "woken"
_LEAST_NS = 5_000_000
_PREAD = ctypes.PyDLL(None).pread
"""By PyDLL: with `os.pread` other threads would compute in between, for as long as they like."""
_PREAD.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
_PREAD.restype = ctypes.c_ssize_t


_Place = tuple[str, int]
"""File and line."""


class Turns(trio.abc.Instrument):
    """Writes the spans of the thread that makes it. least_ns: shorter turns are none."""

    def __init__(self, out: TextIO, least_ns: int) -> None:
        self._out, self._least_ns = out, least_ns
        self._began = self._cpu = self._queued = 0
        self._schedstat, self._said = _schedstat(), ctypes.create_string_buffer(100)
        self._from: _Place | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._from = _place(task.coro)
        self._began = time.monotonic_ns()
        self._queued, self._cpu = self._queued_ns(), time.thread_time_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if time.monotonic_ns() - self._began < self._least_ns:
            return
        cpu, queued = time.thread_time_ns() - self._cpu, self._queued_ns() - self._queued
        took = time.monotonic_ns() - self._began  # within it lies all that the two others are of
        what = f"{_short(task.name)} from {_words(self._from, 'its begin')} to {_words(_place(task.coro), 'its end')}"
        self._out.write(Span(self._began, took, cpu, queued, what).line())

    def _queued_ns(self) -> int:
        """How long this thread has waited for a CPU, of all its time."""
        if self._schedstat is None:
            return 0
        size = _PREAD(self._schedstat, self._said, len(self._said), 0)
        return int(self._said.raw[:size].split()[1])

    def after_io_wait(self, timeout: float) -> None:
        if timeout > 0 and not self._least_ns:
            self._out.write(Span(time.monotonic_ns(), 0, what=WOKEN).line())


def _schedstat() -> int | None:
    """A descriptor of what the kernel counts of this thread (Documentation/scheduler/sched-stats.rst: time on a CPU,
    time of waiting for one, both in ns). None of a kernel that does not: then no wait is taken off."""
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _short(name: str) -> str:
    """`hostlink.vpp_watch._until_lost.<locals>.ping` → `vpp_watch._until_lost.ping`."""
    return name.removeprefix("hostlink.").replace("<locals>.", "").replace(" ", "_")


def _place(coroutine: object) -> _Place | None:
    """Where it waits: the innermost function that is not trio's."""
    innermost = None
    while isinstance(coroutine, CoroutineType):
        frame = coroutine.cr_frame
        if frame is not None and "/trio/" not in frame.f_code.co_filename:
            innermost = (frame.f_code.co_filename, frame.f_lineno)
        coroutine = coroutine.cr_await
    return innermost


def _words(place: _Place | None, otherwise: str) -> str:
    return f"{Path(place[0]).name}:{place[1]}" if place else otherwise


def main() -> int:
    """Run hostlink's command line. Returns its exit status."""
    out = open(os.environ[FILE], "a", buffering=1)  # noqa: SIM115 — for as long as the process lives
    turns = Turns(out, 0 if os.environ.get(EVERY) else _LEAST_NS)
    trio.run = partial(trio.run, instruments=[turns])  # type: ignore[assignment]
    from hostlink.cli import main as hostlink

    return hostlink()


if __name__ == "__main__":
    sys.exit(main())
