"""A copy of the checkout for the length of the run.

A run takes long, and starts daemons to its end: in the checkout itself an edit meanwhile would be half in it. The copy
has what git knows and what it would not ignore, and the checkout's own Python environment; `python -m` finds the
packages in the working directory before the environment's.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = ".venv"


@contextmanager
def snapshot(checkout: Path) -> Iterator[Path]:
    """The copy, gone afterwards. The environment is a link to the checkout's."""
    with tempfile.TemporaryDirectory(prefix="hl-live-") as folder:
        tree = Path(folder)
        for name in _files(checkout):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, tree / name)
        (tree / ENVIRONMENT).symlink_to(checkout / ENVIRONMENT)
        for package in ("hostlink", "tests", "tools"):  # once here, and not by every guest
            compileall.compile_dir(tree / package, quiet=2)
        yield tree


def _files(checkout: Path) -> list[str]:
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=checkout, capture_output=True, check=True).stdout
    names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
    return sorted(name for name in names if (checkout / name).is_file())  # what was deleted is still listed
