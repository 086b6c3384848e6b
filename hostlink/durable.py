"""Files that are on disk when a function returns: the journal's way of writing, for all that must outlive a death."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def prepare_folder(path: Path) -> None:
    """The folder of that file, for its owner alone. Raises OSError."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(path.parent.parent)
    if stat.S_IMODE(path.parent.stat().st_mode) != 0o700:
        path.parent.chmod(0o700)


def replace_durably(path: Path, content: bytes) -> None:
    """The file has that content, on disk when this returns. Raises OSError."""
    replace_whole(path, content, sync=True)
    sync_folder(path.parent)


def replace_whole(path: Path, content: bytes, mode: int = 0o600, *, sync: bool = False) -> None:
    """Whoever reads the file finds old or new, never a part; after a power cut too only with `sync`. Raises OSError."""
    new = temporary(path)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            if sync:
                os.fsync(descriptor)
        os.rename(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def temporary(path: Path) -> Path:
    """Where the new content is until it is whole. Its name is fixed: what a death left there is written over (F45)."""
    return path.with_name(f".{path.name}.new")


def sync_folder(folder: Path) -> None:
    """A name that came or went is on disk when this returns. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
