"""The big table: how fast hostlink is, and whether it stays so as the tables grow; each number beside its yardstick.

Every row is measured in the same run on the same machine, so that its ratios mean something. A row that does not end in
its time says so, and the rest goes on. Goals are of issue 7; what they compare is said in reading.py, writing.py and
whole.py. Rows with VPP need a real one; without one the stand-in plays it with small sizes, and nothing is judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.real_vpp import find_vpp
from hostlink.lab.stage import Dataplane, open_stage
from hostlink.vpp.session import open_session
from tools.benches.goals import HEADS, all_met
from tools.benches.machine import machine, words
from tools.benches.measuring import QUICK, Run, Sizes, say
from tools.benches.reading import read_rows
from tools.benches.report import Report
from tools.benches.whole import small_rows, whole_rows
from tools.benches.writing import write_rows

HELP = "the big table, also what is measured when nothing is named"
ROWS = ("read", "write", "live", "end-to-end", "resync", "memory", "restart", "change", "control", "loop")
_SMALL, _LARGE = {"live", "change", "control", "loop"}, {*ROWS} - {"read", "write", "live"}
"""Measured in a daemon's life with few routes, with many."""
_LIMIT_S, _QUICK_LIMIT_S = 300.0, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, a minute; fails only when something is wrong"
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW", help=f"only these of: {', '.join(ROWS)}")
    parser.add_argument(
        "--routes", type=_count, nargs="+", metavar="N", help="sizes of the rows that have many (100000 1000000)"
    )
    parser.add_argument("--limit", type=float, metavar="S", help=f"seconds for each row (default: {_LIMIT_S:g})")
    parser.add_argument("--standin", action="store_true", help="use the stand-in even where there is a VPP")


def _count(text: str) -> int:
    value = int(text)
    if not 100 <= value <= 2_000_000:  # kernel_routes.py has no more prefixes
        raise ValueError(text)
    return value


def run(options: argparse.Namespace) -> Report:
    """Measure all rows that are asked for."""
    return trio.run(partial(_measure, options))


async def _measure(options: argparse.Namespace) -> Report:
    facts = machine()
    dataplane = Dataplane(find_vpp() is not None and not options.standin, "veth")
    sizes, vpp_sizes = sizes_for(options.quick, options.routes, dataplane.real)
    limit_s = options.limit or (_QUICK_LIMIT_S if options.quick else _LIMIT_S)
    table = Run(chosen_rows(options.rows or ROWS), limit_s * deadline_factor())
    version = await _version(dataplane)
    for count in sizes.routes:
        await table.row("read", count, partial(read_rows, count, sizes))
    for count in vpp_sizes.routes:
        await table.row("write", count, partial(write_rows, count, vpp_sizes, dataplane))
    if table.chosen & _SMALL:
        await table.life(vpp_sizes.few, partial(small_rows, table, vpp_sizes, dataplane))
    for count in vpp_sizes.routes if table.chosen & _LARGE else ():
        await table.life(count, partial(whole_rows, table, count, vpp_sizes, dataplane))
    notes = [words(facts), *_about(dataplane, version, options.quick), *table.notes]
    failed = [line for line in table.lines if line.failure]
    notes += [f"Failed: {line.row}, {line.routes:,} routes: {line.failure.splitlines()[0]}" for line in failed]
    return Report(
        bench="table",
        title=f"hostlink on {dataplane}, VPP {version}",
        columns=HEADS,
        rows=[line.cells() for line in table.lines],
        notes=notes,
        limit_kept=not failed if options.quick else all_met(table.lines),
        facts={
            "vpp": version,
            "dataplane": str(dataplane),
            "quick": options.quick,
            "failures": [line.failure for line in failed],
        },
        machine=facts,
    )


def sizes_for(quick: bool, routes: Sequence[int] | None, real: bool) -> tuple[Sizes, Sizes]:
    """Of the rows without VPP, and of those with it."""
    base = QUICK if quick else Sizes()
    sizes = replace(base, routes=tuple(sorted(routes))) if routes else base
    if real:
        return sizes, sizes
    small = replace(QUICK, routes=tuple(sorted(routes))) if routes else QUICK
    return sizes, small


def chosen_rows(rows: Iterable[str]) -> frozenset[str]:
    """With what they are compared with."""
    chosen = frozenset(rows)
    return chosen | {"end-to-end"} if "restart" in chosen else chosen


def _about(dataplane: Dataplane, version: str, quick: bool) -> list[str]:
    notes = [f"VPP: {version}, {dataplane}: af_packet on a veth pair."]
    if not dataplane.real:
        notes = ["VPP: the stand-in plays it, which is slow: small sizes, and no goal of its rows is judged."]
    if quick:
        notes.append("Quick: small sizes, in which numbers say little; no goal is judged.")
    return notes


async def _version(dataplane: Dataplane) -> str:
    """What answers. (It also shows at once when nothing will.)"""
    say(f"starting {dataplane}")
    async with open_stage(dataplane) as stage, open_session(stage.api_socket) as session:
        return str((await session.request("show_version")).version)
