"""The per-interface sysctls of a link: read all that can be set, set one.

/proc/sys/net shows the network namespace of the *thread* that opens the file (proc_sys looks at current->nsproxy), so
reading those of another namespace needs `inside` and nothing else: no other mount of /proc, no child. (Measured: the
same path, opened from one thread in two namespaces, gave the two namespaces' values. /sys is the contrary: it shows
the namespace that mounted it, which is why nothing here reads /sys/class/net.)
"""

from __future__ import annotations

import errno
import os
from pathlib import Path, PurePosixPath

from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import inside
from hostlink.kernel.seam import NO_FAULTS, Faults

FOLDERS = ("ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh")
"""Where a link has a folder of its own below /proc/sys/net."""
_SECOND_NAMES = frozenset({"base_reachable_time", "retrans_time", "unres_qlen"})
"""Of base_reachable_time_ms, retrans_time_ms and unres_qlen_bytes, in coarser units: writing them loses digits."""
_UNSET = errno.EIO
"""What reading stable_secret gives while there is none (net/ipv6/addrconf.c)."""


def read_sysctls(
    namespace: str | int | None, link_name: str, *, proc_root: Path = Path("/proc")
) -> tuple[tuple[str, str], ...]:
    """All writable ones, sorted: ("ipv4/conf/{link}/rp_filter", "1"), with `{link}` for the name.

    An IPv6 that is switched off has no folders, so gives none. Does not wait; about 3 ms.
    """
    found: list[tuple[str, str]] = []
    with inside(namespace):
        for folder in FOLDERS:
            found += _read_folder(proc_root / "sys/net", folder, link_name)
    return tuple(sorted(found))


def _read_folder(root: Path, folder: str, link_name: str) -> list[tuple[str, str]]:
    directory = f"{root}/{folder}/{link_name}"
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    pairs = (
        (f"{folder}/{{link}}/{name}", _value(f"{directory}/{name}")) for name in names if name not in _SECOND_NAMES
    )
    return [(path, value) for path, value in pairs if value is not None]


def _value(path: str) -> str | None:
    """None if it cannot be set, holds nothing, or went with the link."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (PermissionError, FileNotFoundError):
        return None
    try:
        if not os.fstat(fd).st_mode & 0o200:
            return None
        return os.read(fd, 4096).decode().rstrip("\n")
    except OSError as error:
        if error.errno in (_UNSET, errno.ENOENT):
            return None
        raise
    finally:
        os.close(fd)


def set_sysctl(
    namespace: str | int | None, path: str, value: str, *, proc_root: Path = Path("/proc"), faults: Faults = NO_FAULTS
) -> None:
    """Writes one, `path` below /proc/sys/net.

    Raises KernelRefused: ENOENT (no such link or name), EINVAL (no value of it).
    """
    operation = f"set the sysctl net/{path} to {value!r}"
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path!r} is no path below /proc/sys/net")
    faults.check("sysctl.set", operation)
    try:
        with inside(namespace):
            fd = os.open(proc_root / "sys/net" / parts, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value.encode() + b"\n")
            finally:
                os.close(fd)
    except OSError as error:
        raise KernelRefused.of(operation, error) from error
