"""The runs of pytest that it takes: the stand-in's, and for each VPP the native one and the one in the guest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.guest_vm.job import OUT
from tools.live.plugin import VARIABLE
from tools.live.results import Results, placed, read_results

SYSTEM = "tests/system"
REAL_VPP_TESTS = ("tests/vpp/test_real_vpp.py", "tests/lab/test_real_vpp.py", "tests/lab/test_pod.py")
"""Smaller tests that need a real VPP and no dataplane."""
GUEST_DEADLINE_S = 3 * 3600
NO_VPP = "none"
"""As $HOSTLINK_VPP: no such program, so the stand-in plays alone whatever is on PATH."""
_RESULTS = "results"
_NOTHING_SELECTED = 5


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest. `vpp`: the program, or NO_VPP. `release`: what its `show version` says."""

    title: str
    tests: Sequence[str]
    select: str
    vpp: str = NO_VPP
    release: str = ""
    in_guest: bool = False


def plan(vpps: Mapping[str, str], only: str | None, *, has_vhost: bool) -> list[Run]:
    """All runs. vpps: program → release. only: a pattern for pytest's -k; then the scenarios alone are run."""
    everything = ["tests"] if only is None else [SYSTEM]
    runs = [Run("the stand-in, and all other tests", everything, _both(only, "not vpp/"))]
    units = " or ".join(dict.fromkeys(Path(test).stem for test in REAL_VPP_TESTS))
    for vpp, release in vpps.items():
        native = "vpp/" if has_vhost else "vpp/veth"
        tests = [SYSTEM, *REAL_VPP_TESTS] if only is None else [SYSTEM]
        runs.append(Run(f"VPP {release}", tests, _both(only, f"{native} or {units}"), vpp, release))
        if not has_vhost:
            title = f"VPP {release} with its tap, in the guest"
            runs.append(Run(title, [SYSTEM], _both(only, "vpp/tap"), vpp, release, in_guest=True))
    return runs


def _both(only: str | None, select: str) -> str:
    return f"({only}) and ({select})" if only else select


def run(one: Run, tree: Path) -> tuple[Results, int]:
    """Run it in that checkout, its output to ours.

    Returns its cells and the exit status, 0 also when there is nothing to run.
    """
    expected = _collect(one, tree)
    if not expected:
        return {}, 0
    with tempfile.TemporaryDirectory(prefix="hl-live-") as folder:
        seen = Path(OUT if one.in_guest else folder, _RESULTS)
        environment = {**os.environ, "HOSTLINK_VPP": one.vpp, VARIABLE: str(seen)}
        argv = ["setpriv", "--pdeathsig", "TERM", *_command(one, folder)]
        done = subprocess.run(argv, cwd=tree, env=environment, check=False)
        found = read_results(Path(folder, _RESULTS))
    scenarios = [test for test in expected if test.startswith(f"{SYSTEM}/")]
    return placed(scenarios, found, one.release), done.returncode


def _command(one: Run, folder: str) -> list[str]:
    tests = [*_pytest(one), "-n", "2", "--dist", "worksteal", "-p", "tools.live.plugin", "--durations=10"]
    if one.in_guest:
        guest = [sys.executable, "-m", "tools.guest_vm.main"]
        return [*guest, "--deadline", str(GUEST_DEADLINE_S), "--out", folder, "--", *tests]
    return tests


def _collect(one: Run, tree: Path) -> list[str]:
    """The tests that are selected. Raises CalledProcessError when they cannot be read."""
    argv = [*_pytest(one), "--collect-only", "--no-header"]
    environment = {**os.environ, "HOSTLINK_VPP": one.vpp}
    done = subprocess.run(argv, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, _NOTHING_SELECTED):
        print(done.stdout, done.stderr, file=sys.stderr)
        done.check_returncode()
    return [line for line in done.stdout.splitlines() if "::" in line and line.startswith("tests/")]


def _pytest(one: Run) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "--live", *one.tests, "-k", one.select]
