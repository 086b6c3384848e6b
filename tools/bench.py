"""The command `tools/bench [WHAT]`: one bench, its table on stdout, with `--json FILE` its numbers too.

Without WHAT it is `table`, the big one, with its options: `tools/bench --quick`.

Exit: 0 measured and within its limit, 1 failed or missed the limit, 64 usage, 69 there is no VPP to measure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tools.benches import idle, latency, outage, session, storm, table
from tools.benches.report import Report, Unavailable

BENCHES = {"idle": idle, "latency": latency, "outage": outage, "session": session, "storm": storm, "table": table}
"""Name → module with `HELP`, `add_arguments(parser)` and `run(options) -> Report`."""

DONE, FAILED, USAGE, UNAVAILABLE = 0, 1, 64, 69


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"bench: {message}", file=sys.stderr)
        sys.exit(USAGE)


def main(arguments: Sequence[str]) -> int:
    """Run one bench. Returns the exit code."""
    parser = _Parser(prog="tools/bench", description=__doc__)
    verbs = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    for name, bench in BENCHES.items():
        verb = verbs.add_parser(name, help=bench.HELP)
        verb.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
        bench.add_arguments(verb)
    options = parser.parse_args(named(arguments))
    if os.geteuid() != 0:
        print("bench: needs root, to make network namespaces", file=sys.stderr)
        return FAILED
    try:
        report: Report = BENCHES[options.bench].run(options)
    except Unavailable as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return UNAVAILABLE
    print(report.text())
    if options.json is not None:
        options.json.write_text(json.dumps(report.numbers(), indent=2) + "\n")
    return DONE if report.limit_kept else FAILED


def named(arguments: Sequence[str]) -> list[str]:
    """The big table is what is meant when nothing is named."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        return ["table", *arguments]
    return list(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
