"""The guard saves the node from a daemon that hangs, dies or has a bug before its confirm (F46, F48, F50).

The confirm is kept from coming by a server that answers before the takeover and not after it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import trio

from hostlink.history import FILE_NAME as HISTORY
from hostlink.journal import journal_for
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import BEYOND4, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.lock import GUARD_LOCK_NAME, is_locked
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import STANDIN, until, waits_with
from tests.system.test_confirm import holds, probe, server_of_one

QUICK = "[timing]\ndeadline_factor = 0.3\nconfirm_s = 8\nguard_s = 2\n"
"""Confirmed within 2.4 s; a daemon that runs has 3 s more."""
WITHIN_S = 30.0


@asynccontextmanager
async def guarded(stage: Stage) -> AsyncIterator[None]:
    """With a guard that watches."""
    stage.start_guard()
    await seen("a guard lives", lambda: is_locked(stage.runtime, GUARD_LOCK_NAME))
    yield
    assert stage.guard is not None
    assert stage.guard.poll() is None, stage.guard_log
    assert "Traceback" not in stage.guard_log, stage.guard_log


@asynccontextmanager
async def unconfirmed(stage: Stage) -> AsyncIterator[None]:
    """With a takeover that has moved the NIC and will not be confirmed."""
    async with server_of_one(stage.lab.wire, BEYOND4) as port:
        probe(stage, port)
        stage.start_daemon()
        await seen("the NIC has moved", lambda: "Handover -> Mirroring" in stage.log)
        yield


async def seen(what: str, condition: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return condition()

    await eventually(what, asked, WITHIN_S)


async def given_back(stage: Stage) -> None:
    try:
        await seen("the NIC is given back", lambda: f"{NIC}: the NIC is given back" in stage.guard_log)
    except Exception as error:
        error.add_note(f"{stage.guard_log}\n{stage.log}")
        raise
    assert not (stage.directory / "journal" / f"{NIC}.json").exists()


def hold(stage: Stage) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((stage.directory / "journal" / f"{NIC}.held").read_text())["hold"]
    return tree


async def test_a_daemon_that_hangs_before_the_confirm_is_ended_and_the_nic_goes_home(dataplane: Dataplane) -> None:
    """F46, F50: exactly as it was, and the next daemon does not try again by itself (F42)."""
    async with open_stage(dataplane, settings=QUICK) as stage:
        before = await picture(stage)
        async with guarded(stage):
            async with unconfirmed(stage):
                assert stage.daemon is not None
                os.kill(stage.daemon.pid, signal.SIGSTOP)
                await given_back(stage)
            assert stage.daemon.poll() == -signal.SIGKILL
            assert await picture(stage) == before
            assert hold(stage)["code"] == "HL-413"
            stage.start_daemon()
            held = await until(stage, waits_with("HL-413"))
            assert held["hold"]["kind"] == "failed"
            assert (await stage.hostlink("resume")).returncode == 0
            assert (await stage.wait_state("Steady"))["problems"] == []
        assert stage.guard_log.count("the NIC is given back") == 1, stage.guard_log


async def test_a_daemon_that_is_killed_before_the_confirm_and_stays_away(dataplane: Dataplane) -> None:
    """F46, F42."""
    async with open_stage(dataplane, settings=QUICK) as stage:
        before = await picture(stage)
        async with guarded(stage):
            async with unconfirmed(stage):
                await stage.stop_daemon(signal.SIGKILL)
                await given_back(stage)
            assert await picture(stage) == before
            assert hold(stage)["code"] == "HL-413"


async def test_a_daemon_and_a_vpp_that_stay_away_after_the_confirm(dataplane: Dataplane) -> None:
    """F42: nobody serves the host any more. The takeover was good, so the next daemon takes over again."""
    async with open_stage(dataplane, settings=QUICK, vpp_settings="grace_s = 1") as stage:
        before = await picture(stage)
        async with guarded(stage):
            stage.start_daemon()
            assert (await stage.wait_state("Steady"))["problems"] == []
            await stage.stop_daemon(signal.SIGKILL)
            stage.kill_vpp()
            await given_back(stage)
            assert await picture(stage) == before
            assert holds(stage) == []
            async with running(stage, {}):
                stage.start_daemon()
                await stage.wait_state("Steady")
                assert await stage.stop_daemon() == 0
                assert await picture(stage) == before


async def test_a_daemon_that_gives_back_itself_is_left_alone(dataplane: Dataplane) -> None:
    """F48, F50: the daemon knows the same time, and is first."""
    async with open_stage(dataplane, settings=QUICK) as stage:
        before = await picture(stage)
        async with guarded(stage), unconfirmed(stage):
            held = await until(stage, waits_with("HL-407"))
            assert held["hold"]["kind"] == "failed"
            assert "HL-414" not in stage.log
            assert await picture(stage) == before
            assert await stage.stop_daemon() == 0
        assert stage.guard_log == ""


async def test_without_a_guard_an_unconfirmed_takeover_is_told() -> None:
    async with open_stage(STANDIN, settings=QUICK) as stage, unconfirmed(stage):
        assert "HL-414" in stage.log
        with trio.fail_after(WITHIN_S * deadline_factor()):
            await until(stage, waits_with("HL-407"))


# --------------------------------------------------------------------------------------------------- after a reboot

ELSEWHERE = "00000000-0000-0000-0000-000000000000"


async def rebooted(stage: Stage, *, confirmed: bool) -> None:
    """What a reboot leaves of a takeover: the journal, of another boot. Daemon, VPP and namespaces are gone."""
    await stage.stop_daemon(signal.SIGKILL)
    folder = stage.directory / "journal"
    journal = journal_for(folder, NIC)
    takeover = journal.read()
    assert takeover is not None
    assert (takeover.confirm is None) is confirmed
    done = await stage.hostlink("release", "--config", str(stage.config))
    assert done.returncode == 0, done.stderr
    (folder / f"{NIC}.held").unlink()
    journal.write(replace(takeover, boot_id=ELSEWHERE, generation=0))


async def test_a_boot_after_a_confirmed_takeover_takes_over_again(dataplane: Dataplane) -> None:
    """F43, F48: the journal of another boot is put away, and no old one is acted on."""
    async with open_stage(dataplane, settings=QUICK) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await rebooted(stage, confirmed=True)
        async with guarded(stage):
            done = await stage.hostlink("release", "--boot", "--config", str(stage.config))
            assert (done.returncode, done.stderr) == (0, b"")
            assert await picture(stage) == before
            assert [one.name for one in (stage.directory / "journal").iterdir()] == [HISTORY]
            stage.start_daemon()
            await stage.wait_state("Steady")
            done = await stage.hostlink("release", "--boot", "--config", str(stage.config))
            assert (done.returncode, done.stdout[:23]) == (0, b"hostlink: a daemon runs"), (
                "its business, not the unit's"
            )
            assert (await stage.state())["state"] == "Steady"
            await stage.stop_daemon(signal.SIGKILL)
            assert (await stage.hostlink("release", "--boot", "--config", str(stage.config))).returncode == 0
            assert (stage.directory / "journal" / f"{NIC}.json").exists()
        assert stage.guard_log == ""


async def test_a_boot_after_an_unconfirmed_takeover_is_held(dataplane: Dataplane) -> None:
    """F42, F43: what may have brought the node down is not done again by itself; nor does a NIC that is late matter."""
    async with open_stage(dataplane, settings=QUICK) as stage:
        async with unconfirmed(stage):
            await rebooted(stage, confirmed=False)
        await stage.on_host("ip", "link", "delete", NIC)
        done = await stage.hostlink("release", "--boot", "--config", str(stage.config))
        assert done.returncode == 0, done.stderr
        assert hold(stage)["code"] == "HL-417"
        assert not (stage.directory / "journal" / f"{NIC}.json").exists()
        stage.start_daemon()
        await until(stage, waits_with("HL-417"))
