"""A Unix socket that listens at a path, for as long as a block lasts; the file goes with it.

What is at the path already is replaced only when it is a socket that nobody listens on: a dead daemon's. Whoever
mistypes a path in the configuration loses no file by it.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SocketTakenError(OSError):
    """The path is taken by somebody who answers, or by something that is no socket; it was left as it is."""


@contextmanager
def listening(path: Path, mode: int, backlog: int, gid: int | None = None) -> Iterator[socket.socket]:
    """Non-blocking. Mode and group before `listen`: nobody connects in between. Raises SocketTakenError, OSError."""
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        sock.bind(os.fspath(path))
        ours = path.stat().st_ino
        try:
            os.chown(path, -1, -1 if gid is None else gid)
            path.chmod(mode)
            sock.listen(backlog)
            yield sock
        finally:
            if path.exists() and path.stat().st_ino == ours:
                path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise SocketTakenError(f"{path} is there and is no socket: it was left alone; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        reason = probe.connect_ex(os.fspath(path))
    if reason != errno.ECONNREFUSED:
        raise SocketTakenError(f"somebody answers on {path} already: it was left alone")
    path.unlink()
