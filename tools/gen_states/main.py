"""The command: reads, refuses, renders, and writes (or, with `--check`, compares).

Exit: 0 done or fresh, 1 the file is refused or something made is stale. Usage errors exit as argparse has it, 2.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.gen_states.faults import faults
from tools.gen_states.module import names_module, table_module
from tools.gen_states.page import page
from tools.gen_states.picture import picture
from tools.gen_states.problems_page import problems_page
from tools.gen_states.spec import ShapeError, Spec, read

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path("states/uplink.toml")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Runs the command on the repository at `root`. Returns the exit code; messages go to stderr."""
    parser = argparse.ArgumentParser(
        prog="gen-states", description="Makes the machine's modules, and the pages of states/."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something made is stale")
    options = parser.parse_args(arguments)
    try:
        spec = read((root / SOURCE).read_text(encoding="utf-8"))
    except (ShapeError, tomllib.TOMLDecodeError) as error:
        return _refuse([str(error)])
    found = faults(spec)
    if found:
        return _refuse(found)
    return _check(root, render(spec)) if options.check else _write(root, render(spec))


def render(spec: Spec) -> Mapping[Path, str]:
    """What is made, by its path below the repository's root."""
    return {
        Path("hostlink/core/_made_names.py"): names_module(spec),
        Path("hostlink/core/_made_table.py"): table_module(spec),
        Path("states/README.md"): page(spec),
        Path("states/uplink.svg"): picture(spec),
        Path("states/problems.md"): problems_page(),
    }


def _refuse(found: Sequence[str]) -> int:
    for fault in found:
        print(f"{SOURCE}: {fault}", file=sys.stderr)
    print(f"{SOURCE} is refused; nothing was written", file=sys.stderr)
    return 1


def _write(root: Path, made: Mapping[Path, str]) -> int:
    for path in _stale(root, made):
        (root / path).write_text(made[path], encoding="utf-8")
        print(f"made {path}", file=sys.stderr)
    return 0


def _check(root: Path, made: Mapping[Path, str]) -> int:
    stale = _stale(root, made)
    for path in stale:
        print(f"{path} is stale: run tools/gen-states and commit what it makes", file=sys.stderr)
    return 1 if stale else 0


def _stale(root: Path, made: Mapping[Path, str]) -> list[Path]:
    return [path for path, text in made.items() if not _is(root / path, text)]


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text
