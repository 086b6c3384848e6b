"""Processes of the lab: inside a namespace, and never outliving whoever started them.

The kernel sends SIGKILL to a child when the thread that started it ends (PR_SET_PDEATHSIG, prctl(2)), so they must be
started from the main thread, which trio's is. Each leads a process group of its own, which is ended as a whole.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hostlink.lab.layout import NAMESPACES

_PR_SET_PDEATHSIG = 1
_END_S = 3.0
"""From SIGTERM to SIGKILL."""
_libc = ctypes.CDLL(None, use_errno=True)


def in_namespace(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` there, with /sys of that namespace too."""
    return ["ip", "netns", "exec", namespace, *argv]


@contextmanager
def child(
    namespace: str, argv: Sequence[str], *, stdout: int | None = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command in the namespace for the length of the block; it and its own children end with the block."""
    process = subprocess.Popen(
        in_namespace(namespace, argv),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        start_new_session=True,
        preexec_fn=_dies_with(os.getpid()),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _dies_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return prepare


def end_processes_in(namespaces: Sequence[str]) -> tuple[int, ...]:
    """Ends every process whose main thread is in one of the namespaces: SIGTERM, and SIGKILL after 3 s. Blocks.

    They are the lab's own by being there. A hostlink daemon among them gives its NIC back first. Returns their ids.
    """
    ended = processes_in(namespaces)
    _signal_all(ended, signal.SIGTERM)
    deadline_s = time.monotonic() + _END_S
    while (left := processes_in(namespaces)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    _signal_all(left, signal.SIGKILL)
    return ended


def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def processes_in(namespaces: Sequence[str]) -> tuple[int, ...]:
    """The ids of all processes whose main thread is in one of the namespaces, but for this one."""
    wanted = {_identity(NAMESPACES / namespace) for namespace in namespaces} - {None}
    if not wanted:
        return ()
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return tuple(pid for pid in pids if pid != os.getpid() and _identity(Path(f"/proc/{pid}/ns/net")) in wanted)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
