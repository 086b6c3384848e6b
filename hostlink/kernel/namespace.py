"""Network namespaces: naming them, comparing them, and opening things inside them.

A network namespace is an attribute of a *thread* (setns(2)). Sockets, tun files and paths under /proc/sys/net belong to
the namespace that the thread was in when they were opened, and keep working from anywhere afterwards. So nothing here
needs a helper process or a thread: `inside` switches the calling thread, the body opens what it needs, and the thread
switches back. The body must not await: another task would run in the wrong namespace. What it does is short (a socket:
microseconds; all sysctls of a link: a few milliseconds).

The road not taken: a worker thread or a forked child for each visit. Both cost more than they protect: a worker thread
of trio's cache must not be returned in another namespace, and a fork of a running trio program is fragile.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostlink.kernel.errors import NoSuchNamespace

NAMED = Path("/run/netns")
"""Where `ip netns` keeps named namespaces (ip-netns(8))."""
_CLONE_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703
_libc = ctypes.CDLL(None, use_errno=True)


def path_of(namespace: str | None) -> Path:
    """The file that stands for a namespace: a name below /run/netns, a path, or None for the calling thread's own."""
    if namespace is None:
        return Path("/proc/thread-self/ns/net")
    return Path(namespace) if "/" in namespace else NAMED / namespace


def exists(namespace: str) -> bool:
    """Whether there is a network namespace of that name or path, and it can be opened."""
    try:
        os.close(open_file(namespace))
    except NoSuchNamespace:
        return False
    return True


def open_file(namespace: str | None) -> int:
    """A file descriptor that holds the namespace alive; to be closed by the caller. NoSuchNamespace if it is none."""
    path = path_of(namespace)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NoSuchNamespace(f"network namespace {namespace or 'of this thread'}: {path}: {error.strerror}") from error
    if not _is_namespace(fd):
        os.close(fd)
        raise NoSuchNamespace(f"{path} is no network namespace (a name left by one that was deleted?)")
    return fd


def _is_namespace(fd: int) -> bool:
    """ioctl_ns(2), NS_GET_NSTYPE. What a named namespace leaves when it dies without `ip netns del` is a plain file."""
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def same_namespace(path_a: str | None, pid: int) -> bool:
    """Whether the process `pid` lives in that namespace. False if either is gone.

    Two files are the same namespace when device and inode agree (namespaces(7)). Another thread of the process may
    still be elsewhere: what is compared is its main thread, where a service's sockets normally are opened.
    """
    try:
        return identity(path_a) == _identity(Path(f"/proc/{pid}/ns/net"))
    except (NoSuchNamespace, OSError):
        return False


def identity(namespace: str | None) -> tuple[int, int]:
    """(device, inode) of a namespace: equal exactly if it is the same one. NoSuchNamespace if it is none."""
    fd = open_file(namespace)
    try:
        stat = os.fstat(fd)
    finally:
        os.close(fd)
    return stat.st_dev, stat.st_ino


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


@contextmanager
def inside(namespace: str | int | None) -> Iterator[None]:
    """The calling thread is in that namespace for the length of the block; no await in it.

    `namespace` is a name, a path, a file descriptor of a namespace (it stays open), or None to stay where one is.
    Raises NoSuchNamespace, or PermissionError without CAP_SYS_ADMIN.
    """
    if namespace is None:
        yield
        return
    home = open_file(None)
    try:
        target = os.dup(namespace) if isinstance(namespace, int) else open_file(namespace)
        try:
            _enter(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
