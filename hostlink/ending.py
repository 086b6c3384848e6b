"""Ending the daemon that holds the node's lock: that very process, whatever else has its number by then."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hostlink.lock import DAEMON, LOCK_NAME, holder_of

KILLED_S = 5.0
"""From SIGKILL to the end: as long as the kernel needs, unless it waits for a disk."""


def end_daemon(runtime_dir: Path, within_s: float, still_wanted: Callable[[], bool]) -> bool:
    """SIGTERM, which a daemon that works answers by giving back; SIGKILL after `within_s`, if it is wanted still.

    Returns whether it is gone. False too where no daemon holds the lock: what works by hand is left alone.
    Raises OSError.
    """
    holder = holder_of(runtime_dir)
    if holder is None or holder.role != DAEMON:
        return False
    try:
        process = os.pidfd_open(holder.pid)
    except ProcessLookupError:
        return True
    try:
        if not holds(holder.pid, runtime_dir / LOCK_NAME):  # asked of the process that `process` stands for
            return False
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if _ended(process, within_s):
            return True
        if not still_wanted():
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        return _ended(process, KILLED_S)
    except ProcessLookupError:
        return True
    finally:
        os.close(process)


def holds(pid: int, path: Path) -> bool:
    """Whether that process has the file open with a flock on it (proc_pid_fdinfo(5))."""
    wanted = path.stat()
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            there = entry.stat()
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                return "FLOCK" in Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
    return False


def _ended(process: int, within_s: float) -> bool:
    """A pidfd is readable when its process has ended (pidfd_open(2))."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(within_s * 1000))
