"""How long the host is not reachable: takeover, give-back, VPP's death and return, the daemon's death and adoption.

A prober on the wire asks the host every millisecond (prober.py); an outage is the longest time between two probes that
were answered. Beside it, in the same run, stands the bare cost of what no takeover can do without: moving the NIC to
another network namespace and back by `ip`, and setting it up.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from hostlink.lab.children import child
from hostlink.lab.flows import echo_server
from hostlink.lab.layout import HOST4, NIC
from hostlink.lab.stage import Dataplane, Stage, best, open_stage, running
from hostlink.vpp.session import open_session
from tools.benches import seen
from tools.benches.report import Cell, Report

HELP = "how long the host is not reachable in a takeover, a give-back, and when VPP or the daemon dies"
TIMES_BARE = 2.0
TAKEOVER_MS = 100.0
_WITHIN_S = 60.0
_SEEN_S = 0.2
"""So long the prober is answered before what it watches, and goes on after it."""
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Row:
    """Of each time: the longest gap, the probes lost, how late the prober itself was; and what VPP took to start."""

    what: str
    gaps_ms: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    started_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="each thing so often; medians are shown (default: 5)")


def run(options: argparse.Namespace) -> Report:
    """Measure, on the most real dataplane that this machine can have."""
    return trio.run(partial(_measure, best(), options.rounds))


async def _measure(dataplane: Dataplane, rounds: int) -> Report:
    takeover, back, vpp, daemon = (Row(what) for what in ("takeover", "give-back", "VPP killed", "daemon killed"))
    bare: list[float] = []
    for _ in range(rounds):
        async with open_stage(dataplane) as stage:
            bare.append(await _bare_ms(stage))
        async with open_stage(dataplane) as stage, echo_server(stage.lab.host, [HOST4.ip]):
            version = await _version(stage)
            await _one(stage, takeover, _take)
            await _one(stage, daemon, _kill_daemon)
            async with _vpp_dies(stage, vpp):  # and the one that came after it plays on
                await _one(stage, back, _give_back)
    return _report(dataplane, version, bare, [takeover, back, vpp, daemon])


async def _version(stage: Stage) -> str:
    async with open_session(stage.api_socket) as session:
        return str((await session.request("show_version")).version)


@asynccontextmanager
async def _vpp_dies(stage: Stage, row: Row) -> AsyncIterator[None]:
    async with AsyncExitStack() as life:
        async with _probed(stage, row):
            stage.kill_vpp()
            start = time.monotonic()
            await life.enter_async_context(running(stage, {}))
            row.started_ms.append((time.monotonic() - start) * 1000)
            with trio.fail_after(_WITHIN_S):
                await seen.until(stage, seen.is_back)
        yield


async def _one(stage: Stage, row: Row, act: Callable[[Stage], Awaitable[None]]) -> None:
    async with _probed(stage, row):
        await act(stage)


async def _take(stage: Stage) -> None:
    stage.start_daemon()
    await stage.wait_state("Steady")


async def _give_back(stage: Stage) -> None:
    await stage.stop_daemon()


async def _kill_daemon(stage: Stage) -> None:
    await stage.stop_daemon(signal.SIGKILL)
    await _take(stage)


async def _bare_ms(stage: Stage) -> float:
    """Out to VPP's namespace, up there, back again, up: by `ip`, one command each."""
    commands = [
        (stage.lab.host, f"ip link set {NIC} netns {stage.lab.vpp}"),
        (stage.lab.vpp, f"ip link set {NIC} up"),
        (stage.lab.vpp, f"ip link set {NIC} netns {stage.lab.host}"),
        (stage.lab.host, f"ip link set {NIC} up"),
    ]
    start = time.monotonic()
    for namespace, command in commands:
        await stage.lab.exec(namespace, command.split())
    return (time.monotonic() - start) * 1000


@asynccontextmanager
async def _probed(stage: Stage, row: Row) -> AsyncIterator[None]:
    argv = ["env", f"PYTHONPATH={_ROOT}", sys.executable, "-m", "tools.benches.prober", str(HOST4.ip)]
    with child(stage.lab.wire, argv, stdout=subprocess.PIPE) as prober:
        assert prober.stdout is not None
        with trio.fail_after(_WITHIN_S):
            await trio.to_thread.run_sync(prober.stdout.readline)
            await trio.sleep(_SEEN_S)
            yield
            await trio.sleep(_SEEN_S)
            prober.send_signal(signal.SIGTERM)
            found = json.loads(await trio.to_thread.run_sync(prober.stdout.readline))
    row.gaps_ms.append(found["gap_s"] * 1000)
    row.late_ms.append(found["late_s"] * 1000)
    row.lost.append(int(found["lost"]))


def _report(dataplane: Dataplane, version: str, bare_ms: list[float], rows: list[Row]) -> Report:
    bare = statistics.median(bare_ms)
    cells: list[dict[str, Cell]] = [{"outage": "bare: NIC out and in by ip", "median_ms": bare, "of_bare": 1.0}]
    cells += [
        {
            "outage": row.what,
            "median_ms": statistics.median(row.gaps_ms),
            "longest_ms": max(row.gaps_ms),
            "of_bare": statistics.median(row.gaps_ms) / bare,
            "lost_most": max(row.lost),
            "vpp_start_ms": statistics.median(row.started_ms) if row.started_ms else None,
            "prober_late_ms": max(row.late_ms),
        }
        for row in rows
    ]
    takeover, daemon = statistics.median(rows[0].gaps_ms), max(rows[3].lost)
    kept = takeover <= min(TAKEOVER_MS, TIMES_BARE * bare) and daemon == 0
    limit = f"takeover {TAKEOVER_MS:g} ms and {TIMES_BARE:g} times the bare cost; a daemon's death loses nothing"
    return Report(
        bench="outage",
        title=f"How long the host is not reachable, on {dataplane} (VPP {version})",
        columns=list(cells[1]),
        rows=cells,
        notes=[f"Limit: {limit}: {'kept' if kept else 'MISSED'}."],
        limit_kept=kept,
        facts={"vpp": version, "dataplane": str(dataplane)},
    )
