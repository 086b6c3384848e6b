"""What systemd is told, and the configuration reloaded by SIGHUP, of a daemon at work.

A service manager is played by a socket, as sd_notify(3) has it.
"""

from __future__ import annotations

import signal

import pytest

from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import settled
from tests.system.rounds import eventually
from tests.system.test_carrier_kept import manager

pytestmark = pytest.mark.once

CLUSTER = '\n[cluster]\nservice_cidrs = ["203.0.113.0/24"]\n'
ELSEWHERE = '\n[metrics]\nlisten = "127.0.0.1:1"\n'


async def test_ready_when_steady_and_alive_all_the_time(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        with manager(stage) as systemd:
            stage.start_daemon(NOTIFY_SOCKET=str(systemd.address), WATCHDOG_USEC="200000")

            async def is_told() -> bool:
                systemd.take_all()
                steady = f"STATUS={NIC}: Steady" in systemd.said
                return steady and "READY=1" in systemd.said and systemd.said.count("WATCHDOG=1") > 3

            await eventually("readiness and signs of life", is_told, 30)
            before = systemd.said[: systemd.said.index("READY=1")]
            assert f"STATUS={NIC}: Detecting" in before
            assert f"STATUS={NIC}: Steady" not in before, "the line follows"
            systemd.said.clear()
            await stage.on_host("ip", "route", "add", "203.0.113.0/24", "dev", NIC)
            await settled(stage)
            await is_told()
            assert not [text for text in systemd.said if text.startswith(("READY", "STATUS"))], "a round is no news"
            assert await stage.stop_daemon() == 0
            systemd.take_all()
            assert "STOPPING=1" in systemd.said


async def test_a_configuration_with_faults_or_of_another_node_changes_nothing(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        whole = stage.config.read_text()

        await reloaded(stage, whole + CLUSTER, "the configuration was reloaded")
        await settled(stage)
        assert "203.0.113.0/24" in await stage.on_host("ip", "route")

        await reloaded(stage, whole + ELSEWHERE, "metrics.listen can only change with a restart")
        await reloaded(stage, whole + "\n[clutser]\n", "clutser: unknown key; did you mean cluster?")
        await settled(stage)
        assert "203.0.113.0/24" in await stage.on_host("ip", "route"), "the one before stays"

        await reloaded(stage, whole, "the configuration was reloaded", count=2)
        await settled(stage)
        assert "203.0.113.0/24" not in await stage.on_host("ip", "route")
        assert "Recovering" not in stage.log


async def reloaded(stage: Stage, text: str, said: str, count: int = 1) -> None:
    # With the file: the round that follows has the words as its reason.
    said = said.replace("the configuration was reloaded", f"{stage.config}: the configuration was reloaded")
    stage.config.write_text(text)
    assert stage.daemon is not None
    stage.daemon.send_signal(signal.SIGHUP)

    async def is_said() -> bool:
        return stage.log.count(said) == count

    await eventually(f"the log says: {said}", is_said)
