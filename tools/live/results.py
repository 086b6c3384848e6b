"""What came of each test, and which cell of the report it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostlink.lab.limits import is_registered

_DATAPLANE = re.compile(r"-?\b(standin|vpp)/(tap|veth)\b-?")
_WORST = ("failed", "skipped", "passed")
"""A test may report more than once: a failed end of a passed test is a failed test."""
OTHER = "of its own"
"""The column of tests that are given no dataplane: they choose the stand-in's themselves, or need no VPP."""


@dataclass(frozen=True, slots=True)
class Result:
    """outcome: passed, failed, skipped or `not run`."""

    outcome: str
    reason: str = ""
    seconds: float = 0.0


NOT_RUN = Result("not run")


@dataclass(frozen=True, slots=True)
class Column:
    """One dataplane on one VPP: what a scenario is run on."""

    dataplane: str
    release: str = ""
    """VPP's, as its `show version` has it; empty for the stand-in."""

    def __str__(self) -> str:
        return f"{self.dataplane} {self.release}".strip()


Results = dict[tuple[str, Column], Result]
"""(scenario, column) → what came of it."""


def scenario(test: str) -> tuple[str, str]:
    """A test's id without its dataplane, and the dataplane.

    `tests/system/test_x.py::test_y[vpp/tap-4]` → `test_x.py::test_y[4]`, `vpp/tap`.
    """
    path, _, name = test.partition("::")
    found = _DATAPLANE.search(name)
    if found is None:
        return f"{Path(path).name}::{name}", OTHER
    between = "-" if found[0].startswith("-") and found[0].endswith("-") else ""
    name = f"{name[: found.start()]}{between}{name[found.end() :]}".removesuffix("[]")
    return f"{Path(path).name}::{name}", f"{found[1]}/{found[2]}"


def read_results(path: Path) -> dict[str, Result]:
    """Test → result, of a file that the plugin has written; the last line may be cut off."""
    found: dict[str, Result] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        result = Result(one["outcome"], one["reason"], one["seconds"])
        before = found.get(one["test"], result)
        found[one["test"]] = min(before, result, key=lambda this: _WORST.index(this.outcome))
    return found


def placed(expected: Iterable[str], found: Mapping[str, Result], release: str) -> Results:
    """The results in their cells; a test that was expected and said nothing was not run."""
    cells: Results = {}
    for test in expected:
        name, dataplane = scenario(test)
        cells[name, Column(dataplane, release if dataplane.startswith("vpp/") else "")] = found.get(test, NOT_RUN)
    return cells


def is_fault(column: Column, result: Result) -> bool:
    """Whether it fails the check: also what did not run, and on a real VPP a skip for no registered reason."""
    if result.outcome == "skipped":
        return bool(column.release) and not is_registered(result.reason)
    return result.outcome != "passed"


def columns(results: Results, releases: Sequence[str]) -> list[Column]:
    """All columns, the stand-in's first. Those of each VPP are there even when nothing was run on them."""
    fixed = [Column(f"standin/{link}") for link in ("tap", "veth")]
    fixed += [Column(f"vpp/{link}", release) for release in releases for link in ("veth", "tap")]
    return [*fixed, *sorted({column for _, column in results if column not in fixed}, key=str)]
