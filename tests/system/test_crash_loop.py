"""A daemon that dies over a takeover before that is confirmed, is started again, and dies again (F46).

A service manager is played that starts it anew each time, as contrib/systemd does. It ends with the host connected, and
a hold that says why, whatever the daemon dies of: a bug that raises, or a kill; in the middle of the handover, where
nothing can be adopted, or when VPP and the host's interface are there.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from hostlink.journal import Phase, journal_for
from hostlink.lab.flows import ping
from hostlink.lab.layout import BEYOND4, HOST4, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.picture import picture
from tests.system.test_bad_input import STANDIN, until, waits_with
from tests.system.test_confirm import holds, probe, server_of_one
from tests.system.test_guard import given_back, guarded, hold, seen

IN_THE_HANDOVER = "tc.filter:5=BUG"
"""The first of the bypass's programs that needs the NIC to be in VPP's namespace: the host is off the network."""
ANYWHERE = "address.add=BUG"
"""Whoever fills a link with addresses: the host's interface, and the NIC when it is given back."""
IN_MIRRORING = "ip_unnumbered_dump=kill,ip_unnumbered_dump:3=kill"
"""Each look at VPP's part asks twice, and both questions are sent before the first is answered."""
STARTS = 10


@asynccontextmanager
async def kept_running(stage: Stage, environment: Mapping[str, str]) -> AsyncIterator[list[int]]:
    """With a daemon that is started again when it ends. Yields the exit statuses so far."""
    statuses: list[int] = []

    async def start_again() -> None:
        while True:
            daemon = stage.start_daemon(**environment)
            await trio.to_thread.run_sync(daemon.wait, abandon_on_cancel=True)
            statuses.append(daemon.returncode)
            assert len(statuses) < STARTS, f"{statuses}\n{stage.log}"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start_again)
        yield statuses
        nursery.cancel_scope.cancel()


async def held_with(stage: Stage, code: str) -> dict[str, Any]:
    """Waits until there is a hold, and then for the daemon that shows it, which lasts."""
    await seen("there is a hold", lambda: holds(stage) != [])
    return await until(stage, waits_with(code))


async def test_a_bug_in_the_handover(dataplane: Dataplane) -> None:
    """F46, F42: what it leaves cannot be adopted, so the second one gives back and tries once more; then no more."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        async with kept_running(stage, {"HOSTLINK_LAB_FAIL_KERNEL": IN_THE_HANDOVER}) as statuses:
            held = await held_with(stage, "HL-419")
            assert statuses == [1, 1], stage.log
            assert (held["hold"]["kind"], holds(stage)) == ("failed", [f"{NIC}.held"])
            assert "2 daemons died over the takeover" in held["why"]
            assert await picture(stage) == before
            assert await ping(stage.lab.wire, HOST4.ip, count=3) == 3
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        await until(stage, waits_with("HL-419"))
        assert (await stage.hostlink("resume")).returncode == 0
        assert (await stage.wait_state("Steady"))["problems"] == []
        takeover = journal_for(stage.directory / "journal", NIC).read()
        assert takeover is not None
        assert (takeover.deaths, takeover.confirm) == (0, None)


async def test_a_bug_that_the_give_back_has_too() -> None:
    """F46: no daemon gets anywhere then, and the guard gives back when the time to confirm is over."""
    settings = "[timing]\nconfirm_s = 4\nguard_s = 60\n"
    async with open_stage(STANDIN, settings=settings) as stage:
        before = await picture(stage)
        async with guarded(stage), kept_running(stage, {"HOSTLINK_LAB_FAIL_KERNEL": ANYWHERE}):
            await given_back(stage)
            await until(stage, waits_with(hold(stage)["code"]))
            assert await picture(stage) == before


async def test_a_kill_when_the_path_is_there(standin: Dataplane) -> None:
    """F46, F42: the first is killed in Mirroring, and the second, which has adopted the takeover, there too."""
    environment = {"HOSTLINK_STANDIN_FAIL": IN_MIRRORING}
    async with open_stage(standin, vpp_environment=environment) as stage:
        before = await picture(stage)
        async with kept_running(stage, {}) as statuses:
            await held_with(stage, "HL-419")
            assert statuses == [-signal.SIGKILL] * 2, stage.log
            assert stage.log.count("adopted: the takeover of an earlier run is alive") == 1
            assert await picture(stage) == before


async def test_the_next_daemon_goes_on_in_the_same_time(dataplane: Dataplane) -> None:
    """The window is the first one's: its probes and its end, so what does not answer costs the takeover by then."""
    async with open_stage(dataplane, settings="[timing]\nconfirm_s = 8\n") as stage:
        before = await picture(stage)
        folder = stage.directory / "journal"
        async with server_of_one(stage.lab.wire, BEYOND4) as port:
            probe(stage, port)
            daemon = stage.start_daemon()
            await seen("the host's interface is filled", lambda: _phase(stage) is Phase.TAKEN)
            os.kill(daemon.pid, signal.SIGKILL)
            await stage.wait_daemon()
            first = journal_for(folder, NIC).read()
            stage.start_daemon()
            await seen("the death is counted", lambda: _deaths(stage) == 1)
            second = journal_for(folder, NIC).read()
            held = await until(stage, waits_with("HL-407"))
        assert first is not None
        assert second is not None
        assert (second.capture, second.confirm) == (first.capture, first.confirm)
        assert held["hold"]["kind"] == "failed"
        assert "adopted" in stage.log
        assert await picture(stage) == before


async def test_daemons_that_die_after_the_confirm_are_not_counted(standin: Dataplane) -> None:
    """F52: the takeover was good; each next one adopts it, and nothing is given back."""
    async with open_stage(standin) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for _ in range(3):
            await stage.stop_daemon(signal.SIGKILL)
            stage.start_daemon()
            await stage.wait_state("Steady")
        assert "Recovering" not in stage.log
        assert _deaths(stage) == 0


def _tree(stage: Stage) -> dict[str, object]:
    path = stage.directory / "journal" / f"{NIC}.json"
    body: dict[str, object] = json.loads(path.read_text())["body"] if path.exists() else {}
    return body


def _phase(stage: Stage) -> Phase | None:
    body = _tree(stage)
    return Phase(body["phase"]) if body else None


def _deaths(stage: Stage) -> object:
    return _tree(stage).get("deaths")
