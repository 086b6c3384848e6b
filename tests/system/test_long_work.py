"""Long work shows how far it is: in the state, to whoever watches, and in two lines of the log."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from ipaddress import IPv4Network
from pathlib import Path

import trio

from hostlink.lab.children import child
from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.steps.follow import BURST
from tests.system.rounds import eventually
from tests.system.routing import batch
from tests.system.test_documents import checked

ROUTES = 100
WORK = "bringing route changes of the host to VPP"


async def test_a_vpp_that_takes_its_time_shows_how_far_the_work_is(dataplane: Dataplane) -> None:
    """VPP stops answering in the middle of a storm for a little longer than a second, and goes on.

    The daemon sleeps while the routes come, so that it finds them all at once: a step begun with few of them would wait
    for VPP, with the others behind it.
    """
    async with open_stage(dataplane) as stage:
        daemon = stage.start_daemon()
        await stage.wait_state("Steady")
        log = stage.directory / "documents"
        watching = [sys.executable, "-m", "hostlink", "state", "--watch", "--json", "--runtime-dir", str(stage.runtime)]
        with log.open("wb") as out, child(stage.lab.host, watching, stdout=out.fileno()):
            await eventually("the watcher's first document", lambda: _has(log, "Steady"))
            assert stage.vpp is not None
            os.killpg(stage.vpp.pid, signal.SIGSTOP)
            try:
                os.kill(daemon.pid, signal.SIGSTOP)
                await batch(stage, _routes("add"))
                os.kill(daemon.pid, signal.SIGCONT)
                await eventually("the work is told of", lambda: _has(log, WORK))
                state = await stage.state()
                text = (await stage.hostlink("state")).stdout.decode()
            finally:
                os.killpg(stage.vpp.pid, signal.SIGCONT)
            await eventually("the routes are mirrored", lambda: _are_mirrored(stage))
            await eventually("the work is over", lambda: _is_over(log))
        assert state["progress"]["what"] == WORK
        assert BURST < state["progress"]["total"] <= ROUTES
        assert f"  doing     {WORK}: " in text
        for line in log.read_text().splitlines():
            checked("state", line)
        await eventually("both lines of the log", lambda: _has_lines(stage))
        begin, end = _lines(stage)
        assert re.fullmatch(r": \d+ of \d+ after \d+\.\d s", begin)
        assert re.fullmatch(r": \d+ in \d+\.\d s", end)


def _routes(verb: str) -> list[str]:
    found = [IPv4Network((0x14000000 + (number << 8), 24)) for number in range(ROUTES)]
    return [f"route {verb} {prefix} via {ROUTER4.ip} dev {NIC}" for prefix in found]


async def _has(log: Path, word: str) -> bool:
    return word in await trio.Path(log).read_text()


def _lines(stage: Stage) -> list[str]:
    return [line.partition(WORK)[2] for line in stage.log.splitlines() if WORK in line]


async def _has_lines(stage: Stage) -> bool:
    return len(_lines(stage)) == 2


async def _is_over(log: Path) -> bool:
    whole = (await trio.Path(log).read_text()).split("\n")[:-1]
    return json.loads(whole[-1])["uplinks"][0]["progress"] is None


async def _are_mirrored(stage: Stage) -> bool:
    state = await stage.state()
    return bool(state["state"] == "Steady" and state["mirrored"]["routes_ipv4"] >= ROUTES)
