"""What systemd is told of the daemon: readiness, a status line, signs of life (sd_notify(3)).

READY=1 is sent once: when every uplink is Steady, or at the start where `[systemd] ready = "started"` says so. Whoever
is ordered after the unit (or `hostlink-online.target`) waits for that. The watchdog is fed by the event loop, which is
what would hang; outside systemd nothing wakes up for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import trio

from hostlink.core.machine import AUDITED
from hostlink.core.table import STATES, State
from hostlink.notices import Notices
from hostlink.runner import Runner
from hostlink.store import Store

AGAIN_S = 1.0
"""What systemd did not take, its queue being full, is said again."""


def watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How often systemd wants a sign of life from this process (sd_watchdog_enabled(3)); None: it does not."""
    interval, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(interval) / 1e6 if interval.isdecimal() and int(interval) and pid == str(os.getpid()) else None


async def feed_watchdog(store: Store, interval_s: float) -> None:
    """A sign of life twice in each interval, until cancelled."""
    while True:
        store.tell("WATCHDOG=1")
        await trio.sleep(interval_s / 2)


async def keep_told(
    store: Store,
    runners: Sequence[Runner],
    notices: Notices,
    *,
    at_start: bool = False,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Readiness and status, until cancelled. at_start: ready whatever the uplinks are in."""
    wanted, ready, told = at_start, False, ""
    shown: dict[str, State] = {}
    with notices.watch() as watch:
        task_status.started()
        while True:
            wanted = wanted or all(runner.machine.state is State.STEADY for runner in runners)
            if wanted and not ready:
                ready = store.tell("READY=1")
            status = "; ".join(_status(runner, shown) for runner in runners)
            if status != told and store.tell(f"STATUS={status}"):
                told = status
            with trio.move_on_after(math.inf if told == status and ready is wanted else AGAIN_S):
                await watch.wait_changed()


def _status(runner: Runner, shown: dict[str, State]) -> str:
    """`enp216s0f1: Detecting, held: a takeover failed`. A round that begins and ends in Steady does not show."""
    machine, name = runner.machine, runner.uplink.name
    if machine.state not in AUDITED or shown.get(name) is not State.STEADY:
        shown[name] = machine.state
    held = f", held: {machine.hold.reason}" if machine.hold else ""
    return f"{name}: {STATES[shown[name]].title}{held}".replace("\n", " ")
