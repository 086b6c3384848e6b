"""The initial RAM disk: a static busybox, the early modules, and an init that changes over to the machine's own files.

The archive is the kernel's `newc` cpio format (Documentation/driver-api/early-userspace/buffer-format.rst).
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tools.guest_vm.errors import GuestError
from tools.guest_vm.kernel import Kernel
from tools.guest_vm.modules import EARLY, early_files

_DIRECTORY, _EXECUTABLE, _FILE = 0o040755, 0o100755, 0o100644
_FOLDERS = ("bin", "proc", "sys", "dev", "lower", "upper", "root", "modules")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of the archive; its path has no leading slash."""

    path: str
    mode: int
    content: bytes = b""


def get_ramdisk(kernel: Kernel) -> Path:
    """The RAM disk beside its kernel, made anew when anything that it is made from has changed. Raises GuestError."""
    init = init_script()
    busybox = _busybox()
    made_from = hashlib.sha256(repr((init, EARLY, hashlib.sha256(busybox).hexdigest())).encode()).hexdigest()
    path = kernel.tree / f"ramdisk-{made_from[:16]}.gz"
    if not path.exists():
        modules = early_files(kernel)
        entries = [
            *(Entry(folder, _DIRECTORY) for folder in _FOLDERS),
            Entry("init", _EXECUTABLE, init.encode()),
            Entry("bin/busybox", _EXECUTABLE, busybox),
            Entry("modules/order", _FILE, "".join(f"{module.name}\n" for module in modules).encode()),
            *(Entry(f"modules/{module.name}", _FILE, (kernel.tree / module).read_bytes()) for module in modules),
        ]
        made = path.with_suffix(".new")
        made.write_bytes(gzip.compress(archive(entries), compresslevel=1))
        made.replace(path)
    return path


def init_script() -> str:
    return files("tools.guest_vm").joinpath("init.sh").read_text()


def _busybox() -> bytes:
    found = shutil.which("busybox")
    if found is None:
        raise GuestError("no busybox here: apt-get install busybox-static")
    content = Path(found).read_bytes()
    if b"/ld-linux" in content[:4096]:  # PT_INTERP comes right after the program headers
        raise GuestError(f"{found} needs shared libraries, which a RAM disk has not: apt-get install busybox-static")
    return content


def archive(entries: Iterable[Entry]) -> bytes:
    """The entries as a newc cpio archive."""
    parts = [_member(number, entry) for number, entry in enumerate(entries, 1)]
    return b"".join([*parts, _member(0, Entry("TRAILER!!!", 0))])


def _member(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(header) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
