"""What tools/demo shows on a terminal: `hostlink state --watch` at work, by itself, while things happen."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from hostlink import varlink
from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.progress import unseen
from hostlink.lab.stage import Stage, running

SEEN_S = 1.5
"""So long each thing stands for a person to see it."""
STEADY_WITHIN_S = 60.0
_LOOK_S = 0.02
_PREFIX = "198.51.100.0/24"


def is_watched() -> bool:
    """Whether a person sees it, on a terminal that can show it."""
    return sys.stdout.isatty() and (os.environ.get("TERM") or "dumb") not in ("dumb", "unknown")


@asynccontextmanager
async def live_view(stage: Stage) -> AsyncIterator[None]:
    """The terminal is the view's for the block, which prints nothing. The last view stays."""
    control = stage.runtime / varlink.SOCKET_NAME
    while not control.exists():  # noqa: ASYNC110 — a daemon that starts
        await trio.sleep(_LOOK_S)
    sys.stdout.flush()
    command = [sys.executable, "-m", "hostlink", "state", "--watch", "--runtime-dir", str(stage.runtime)]
    with unseen():
        async with trio.open_nursery() as nursery:
            process = await nursery.start(_run, command)
            yield
            await trio.sleep(SEEN_S)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


async def _run(command: list[str], task_status: trio.TaskStatus[trio.Process]) -> None:
    """SIGINT is what a person sends, and leaves the terminal as it was."""
    process = await trio.lowlevel.open_process(command)
    task_status.started(process)
    try:
        await process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with trio.CancelScope(shield=True):
                await process.wait()


async def something_happens(stage: Stage, life: AsyncExitStack) -> None:
    """A route comes and goes; VPP dies, and another one comes and stays until `life` ends."""
    async with live_view(stage):
        await trio.sleep(SEEN_S)
        await stage.on_host("ip", "route", "add", _PREFIX, "via", str(ROUTER4.ip), "dev", NIC)
        await trio.sleep(SEEN_S)
        stage.kill_vpp()
        await stage.wait_state("Recovering", STEADY_WITHIN_S)
        await trio.sleep(SEEN_S)
        await life.enter_async_context(running(stage, {}))
        await stage.wait_state("Steady", STEADY_WITHIN_S)
        await trio.sleep(SEEN_S)
        await stage.on_host("ip", "route", "delete", _PREFIX, "via", str(ROUTER4.ip), "dev", NIC)
