"""The command `tools/fuzz [TARGET...]`: turn and turn about, until the time is over, with a line of how far it is.

Exit: 0 nothing found, 1 something was (each place once, with its input and how to throw that again), 64 usage.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from tools.fuzzing import netlink_targets
from tools.fuzzing.engine import Finding, Target, findings, try_one
from tools.fuzzing.targets import TARGETS

DONE, FOUND, USAGE = 0, 1, 64
TURN_S = 5.0
"""Of one target, before the next has its turn."""
MEMORY_BYTES = 3 << 30
"""Of address space: what grows without bound ends in a MemoryError, which is a finding."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"fuzz: {message}", file=sys.stderr)
        sys.exit(USAGE)


def main(arguments: Sequence[str]) -> int:
    """Fuzz, or throw one input again. Returns the exit code."""
    parser = _Parser(prog="tools/fuzz", description=__doc__, epilog=f"targets: {', '.join(TARGETS)}")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named; a beginning will do")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long in all (10)")
    parser.add_argument("--seed", type=int, default=None, help="of the inputs; by default another one each time")
    parser.add_argument("--input", nargs=2, metavar=("TARGET", "HEX"), help="throw this one input")
    options = parser.parse_args(arguments)
    if options.input:
        return _throw_again(parser, *options.input)
    chosen = [target for name, target in TARGETS.items() if _is_meant(name, options.targets)]
    if missing := [name for name in options.targets if not any(_is_meant(one.name, [name]) for one in chosen)]:
        parser.error(f"there is no target {', '.join(missing)}; there are: {', '.join(TARGETS)}")
    seed = int(time.time()) if options.seed is None else options.seed
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    netlink_targets.record_live()
    found = fuzz(chosen, seed, options.minutes * 60)
    return FOUND if found else DONE


def _is_meant(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(name.startswith(one) for one in wanted)


def _throw_again(parser: _Parser, name: str, text: str) -> int:
    try:
        target, data = TARGETS[name], bytes.fromhex(text)
    except (KeyError, ValueError):
        parser.error("--input wants a target and its input in hexadecimal digits")
    outcome = try_one(target, data)
    print(outcome[1] if outcome else "nothing found")
    return FOUND if outcome else DONE


def fuzz(targets: Sequence[Target], seed: int, seconds: float) -> dict[str, Finding]:
    """Each target in turns of TURN_S. Returns the first finding of each place, which are printed as they come."""
    began = time.monotonic()
    found: dict[str, Finding] = {}
    thrown = dict.fromkeys((target.name for target in targets), 0)
    print(f"fuzz: seed {seed}, {len(targets)} targets, {seconds / 60:g} minutes", flush=True)
    while time.monotonic() - began < seconds:
        for target in targets:
            turn_ends = min(time.monotonic() + TURN_S, began + seconds)
            while time.monotonic() < turn_ends:
                number = thrown[target.name]
                thrown[target.name] += 1
                for finding in findings(target, seed, [number]):
                    if found.setdefault(f"{target.name}: {finding.place}", finding) is finding:
                        print(f"\nFOUND {finding}\n", flush=True)
            _show(target, thrown, found, time.monotonic() - began, seconds)
    print(f"fuzz: {sum(thrown.values()):,} inputs, {len(found)} findings", flush=True)
    return found


def _show(target: Target, thrown: dict[str, int], found: dict[str, Finding], past_s: float, seconds: float) -> None:
    held_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{past_s / 60:5.1f} of {seconds / 60:g} min  {target.name:22} {thrown[target.name]:9,} inputs  "
        f"{len(found)} findings  {held_mib} MiB",
        flush=True,
    )
