"""One hostlink at a time: the daemon, `hostlink release` without it, and the guard all take the same lock.

It is a flock on a file in the runtime folder, so the kernel lets it go whatever way its holder dies. The holder's
process id stands in the file, with what it is, for the text that a second one is refused with and for the guard; the
file itself stays, because removing it would let two processes hold locks on two files of one name.

The guard holds another one for as long as it lives, by which the daemon knows that it does.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hostlink.defaults import RUNTIME_MODE

LOCK_NAME = "lock"
GUARD_LOCK_NAME = "guard.lock"
DAEMON, GUARD = "daemon", "guard"
"""What a holder may be. Any other works by hand, and says nothing."""
_TRIES, _PAUSE_S = 5, 0.01
"""Whoever only looks (`is_locked`) holds the lock for a moment too."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has written himself into the lock. He may be gone: whether it is held, only the lock says."""

    pid: int
    role: str


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


def acquire_lock(runtime_dir: Path, role: str = "", name: str = LOCK_NAME) -> Lock:
    """Takes the node's lock or raises LockedError at once; OSError when the folder cannot be made or written to."""
    runtime_dir.mkdir(mode=RUNTIME_MODE, parents=True, exist_ok=True)
    path = runtime_dir / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if not _lock(descriptor):
        holder = _holder_in(descriptor)
        os.close(descriptor)
        raise LockedError(path, holder.pid if holder else None)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} {role}".strip().encode("ascii") + b"\n")
    return Lock(descriptor)


def is_locked(runtime_dir: Path, name: str = LOCK_NAME) -> bool:
    """Whether somebody holds it now. Raises OSError when that cannot be seen."""
    try:
        descriptor = os.open(runtime_dir / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder_of(runtime_dir: Path) -> Holder | None:
    """Who has written himself into the node's lock last, if anybody. Raises OSError."""
    try:
        descriptor = os.open(runtime_dir / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _holder_in(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def _holder_in(descriptor: int) -> Holder | None:
    pid, _, role = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip().partition(" ")
    return Holder(int(pid), role) if pid.isdecimal() else None
