"""What the daemon costs while nothing happens: its resident memory, and what wakes it.

The whole daemon in the lab, Steady, left alone. The kernel counts its wake-ups (voluntary context switches of all its
threads: each a sleep that something ended) and its time on CPUs; an instrument in its event loop says which task was
woken each time (instrumented.py). Audits are further apart than the bench is long: each of them is a whole look, made
on purpose. What else may wake an idle daemon is named here with its reason, and anything more misses the goal.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from hostlink.lab.stage import Dataplane, Stage, best, open_stage
from hostlink.vpp.session import open_session
from tools.benches import instrumented, seen, spans
from tools.benches.goals import HEADS, Goal, Line, all_met
from tools.benches.machine import machine, words
from tools.benches.measuring import say
from tools.benches.report import Report
from tools.benches.whole import instrument

HELP = "memory and wake-ups of the daemon while nothing happens"
MEMORY, NEEDLESS = Goal(most=60), Goal(most=0)
_PING = (
    "VPP is pinged each 2 s: over its socket it sends no keepalive, and a hang shows only in what it does not answer"
)
EXPLAINED: Mapping[str, str] = {
    "vpp_watch._until_lost.ping": _PING,
    "vpp.connection.Connection._write": _PING,
    "vpp.session._Opening._run": _PING,
}
"""Task → why it is woken while nothing happens."""
_SETTINGS = "[timing]\naudit_s = 3600\n"
_BESIDES = (
    "Beside these: an audit each audit_s (60 s; not here), and under systemd a sign of life twice in each WatchdogSec.",
)
_SETTLED_S = 12.0
"""After Steady, until what a takeover sets off has ended; trio's threads end when they had no work for 10 s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it is left alone (default: 30)")


def run(options: argparse.Namespace) -> Report:
    """Measure, on the most real dataplane that this machine can have."""
    return trio.run(partial(_measure, best(), options.seconds))


async def _measure(dataplane: Dataplane, seconds: float) -> Report:
    facts = machine()
    say(f"{dataplane}: taken over, then left alone for {seconds:g} s")
    async with open_stage(dataplane, settings=_SETTINGS) as stage:
        async with open_session(stage.api_socket) as session:
            version = str((await session.request("show_version")).version)
        turns = instrument(stage, **{instrumented.EVERY: "yes"})
        stage.start_daemon()
        await stage.wait_state("steady")
        routes = await seen.mirrored(stage)
        await trio.sleep(_SETTLED_S)
        lines, notes = await _left_alone(stage, turns, seconds, routes)
    return Report(
        bench="idle",
        title=f"hostlink while nothing happens, {seconds:g} s on {dataplane}, VPP {version}",
        columns=HEADS,
        rows=[line.cells() for line in lines],
        notes=[words(facts), *notes],
        limit_kept=all_met(lines),
        facts={"vpp": version, "dataplane": str(dataplane), "seconds": seconds},
        machine=facts,
    )


async def _left_alone(stage: Stage, turns: Path, seconds: float, routes: int) -> tuple[list[Line], list[str]]:
    process = seen.daemon(stage)
    before, since_ns = process.threads(), time.monotonic_ns()
    await trio.sleep(seconds)
    done, until_ns = seen.since(before, process.threads()), time.monotonic_ns()
    found = [turn for turn in spans.read(turns) if since_ns <= turn.began_ns < until_ns]
    needless = unexplained(found)
    lines = [
        Line("resident memory", routes, process.resident_bytes() / 1e6, "MB", goal=MEMORY),
        Line("turns of tasks without a reason", routes, float(needless.total()), "", goal=NEEDLESS),
        Line("wake-ups by the kernel's count", routes, done.wakeups / seconds, "/s"),
        Line("time on a CPU", routes, done.cpu_ns / 1e6 / seconds, "ms/s"),
    ]
    return lines, [*_reasons(found), *(f"Without a reason: {task}, {times} turns." for task, times in needless.items())]


def unexplained(turns: Sequence[spans.Span]) -> Counter[str]:
    """Task → its turns, of those that nobody has said why they are woken."""
    tasks = Counter(turn.what.partition(" ")[0] for turn in turns)
    return Counter({task: times for task, times in tasks.items() if task not in {*EXPLAINED, instrumented.WOKEN}})


def _reasons(turns: Sequence[spans.Span]) -> list[str]:
    woken = sum(turn.what == instrumented.WOKEN for turn in turns)
    whys = dict.fromkeys(EXPLAINED[task] for turn in turns if (task := turn.what.partition(" ")[0]) in EXPLAINED)
    return [f"The event loop was woken {woken} times.", *(f"Why: {why}." for why in whys), *_BESIDES]
