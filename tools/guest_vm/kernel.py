"""The guest's kernel: Debian's own, downloaded by the machine's apt and unpacked, never installed.

It lies in the user's cache folder, one folder for each release, and is fetched again only when the archive has a newer
one and this one has gone. `linux-image-amd64` depends on the package of the present release.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hostlink.lab.progress import long_work
from tools.guest_vm.errors import GuestError

_META = "linux-image-amd64"
_WHOLE = "complete"
"""Written last: a folder without it was left half made."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel. `tree` holds boot/ and lib/modules/ with its depmod lists."""

    release: str
    tree: Path

    @property
    def image(self) -> Path:
        return self.tree / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.tree / "lib" / "modules" / self.release


def cache_folder() -> Path:
    """Where the guest's parts are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "hostlink" / "guest"


def get_kernel(cache: Path) -> Kernel:
    """The kernel from the cache, or fetched now (70 MB). The caller holds the cache's lock. Raises GuestError."""
    found = sorted(path.parent for path in cache.glob(f"linux-image-*/{_WHOLE}"))
    if found:
        return kernel_of(found[-1])
    return _fetch(cache)


def kernel_of(tree: Path) -> Kernel:
    return Kernel(tree.name.removeprefix("linux-image-"), tree)


def package_in(depends: str) -> str | None:
    """The image's package in what `apt-cache depends linux-image-amd64` prints."""
    found = re.search(r"^ *Depends: (linux-image-\d\S+)$", depends, re.MULTILINE)
    return found[1] if found else None


def _fetch(cache: Path) -> Kernel:
    with long_work("guest's kernel", 3) as work:
        work.on("looked for by apt")
        package = _package()
        tree = cache / package
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        work.advance()
        work.on(f"{package} is fetched by apt (once, into {cache}; it is not installed)")
        _run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package], tree)
        work.advance()
        work.on("unpacked")
        (archive,) = tree.glob("*.deb")
        _run(["dpkg", "-x", archive.name, "."], tree)
        archive.unlink()
    kernel = kernel_of(tree)
    _run(["depmod", "-b", ".", kernel.release], tree)
    (tree / _WHOLE).touch()
    return kernel


def _package() -> str:
    package = package_in(_depends())
    if package is None:
        _run(["apt-get", "update", "-qq"], Path.cwd())
        package = package_in(_depends())
    if package is None:
        raise GuestError(f"apt knows no {_META}: the guest needs Debian's kernel")
    return package


def _depends() -> str:
    return subprocess.run(["apt-cache", "depends", _META], capture_output=True, text=True, check=False).stdout


def _run(argv: Sequence[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise GuestError(f"{' '.join(argv)}: exit {done.returncode}")
