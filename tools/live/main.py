"""The scenarios' part of `tools/check --live`: runs them on every dataplane, and reports.

$HOSTLINK_VPP names the VPP, or several with colons between; else it is `vpp` on PATH. Its tap is run natively where the
kernel has /dev/vhost-net, and in tools/guest where it has not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.live.release import release_of
from tools.live.report import FOLDER, read_report, write_report
from tools.live.results import Results, is_fault
from tools.live.runs import plan, run
from tools.live.snapshot import snapshot

_NO_VPP = "no VPP here: set $HOSTLINK_VPP to one, or have `vpp` on PATH"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/check --live", description=__doc__)
    need = parser.add_mutually_exclusive_group()
    need.add_argument("--required", dest="optional", action="store_false", help="fail without a VPP (default)")
    need.add_argument("--optional", action="store_true", help="without a VPP, be content with the stand-in")
    parser.add_argument("--only", metavar="PATTERN", help="only the scenarios that pytest's -k selects by it")
    parser.add_argument("--add", action="store_true", help="beside what is run now, keep what the last report has")
    options = parser.parse_args(argv)
    vpps, missing = find_vpps(os.environ.get("HOSTLINK_VPP", ""))
    for text in missing:
        print(f"check --live: {text}", file=sys.stderr)
    if missing and not (options.optional and not os.environ.get("HOSTLINK_VPP")):
        return 1
    return _run_all(vpps, options.only, missing, add=options.add)


def find_vpps(named: str) -> tuple[dict[str, str], list[str]]:
    """Program → release, for those named and else for the one on PATH; and what is wrong with them, a line each."""
    names = [name for name in named.split(":") if name] or ["vpp"]
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in names:
        program = shutil.which(name)
        release = release_of(program) if program else None
        if program is None:
            missing.append(f"{name} is no program" if named else _NO_VPP)
        elif release is None:
            missing.append(f"{program} does not say which VPP it is, neither by --version nor when it is started")
        elif release in found.values():
            missing.append(f"{program} is a second VPP {release}")
        else:
            found[program] = release
    return found, missing


def _run_all(vpps: dict[str, str], only: str | None, missing: Sequence[str], *, add: bool) -> int:
    results: Results = {}
    notes, failed = [f"Only a part: the scenarios that match `{only}`."] if only else [], False
    notes += [f"Not on a real VPP: {text}." for text in missing]
    with snapshot(Path.cwd()) as tree:
        for one in plan(vpps, only, has_vhost=Path("/dev/vhost-net").exists()):
            print(f"\n== {one.title}", flush=True)
            cells, status = run(one, tree)
            results |= cells
            if status:
                failed = True
                notes.append(f"Failed: the run of {one.title} (exit {status}).")
    releases = list(vpps.values())
    if add:
        earlier, known = read_report(FOLDER / "report.json")
        results = earlier | results
        releases = list(dict.fromkeys([*known, *releases]))
        notes.append("Put together of several runs (--add): cells that the last one did not run are an earlier one's.")
    print(f"\n{write_report(results, releases, notes)}\nThe report is in {FOLDER}/report.md and .json")
    if not results:
        print("check --live: no scenario was selected", file=sys.stderr)
    return int(failed or not results or any(is_fault(column, one) for (_, column), one in results.items()))


if __name__ == "__main__":
    sys.exit(main())
