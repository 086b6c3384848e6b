"""One hostlink at a time: the daemon, `hostlink release` without it, later the guard, all take the same lock.

It is a flock on a file in the runtime folder, so the kernel lets it go whatever way its holder dies. The holder's
process id stands in the file, for the text that a second one is refused with; the file itself stays, because removing
it would let two processes hold locks on two files of one name.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

LOCK_NAME = "lock"


class LockedError(Exception):
    """Another hostlink works on this node. `pid` is its process, or None where it has not said so yet."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path, self.pid = path, pid
        who = f"process {pid}" if pid else "a process that has just started or ended"
        super().__init__(
            f"another hostlink holds {path}: {who}; nothing was started. See what it does by `hostlink state`, "
            "or stop it first"
        )


class Lock:
    """A held lock; leaving the `with` block, `release` or the end of the process gives it back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Gives the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def acquire_lock(runtime_dir: Path) -> Lock:
    """Takes the node's lock or raises LockedError at once; OSError when the folder cannot be made or written to."""
    runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = runtime_dir / LOCK_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = _pid_in(descriptor)
        os.close(descriptor)
        raise LockedError(path, pid) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())
    return Lock(descriptor)


def _pid_in(descriptor: int) -> int | None:
    text = os.read(descriptor, 32).strip()
    return int(text) if text.isdigit() else None
