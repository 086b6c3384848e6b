"""What happened is told over a daemon's death, and without a daemon (F42)."""

from __future__ import annotations

import json
import signal

import pytest

from hostlink.history import read_history
from hostlink.lab.layout import HOST4, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.rounds import eventually

pytestmark = pytest.mark.once


async def test_moves_and_state_outlive_a_daemon_that_is_killed(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        config = ("--config", str(stage.config))
        stage.start_daemon()
        await stage.wait_state("Steady")
        await eventually("Steady is on disk", lambda: written(stage, "Steady"))
        await stage.stop_daemon(signal.SIGKILL)

        alone = await stage.hostlink("state", *config)
        assert alone.returncode == 69
        assert f"{NIC}  taken over\n" in alone.stdout.decode()
        assert str(HOST4) in alone.stdout.decode()
        on_disk = await stage.hostlink("state", "--history", "--json", *config)
        before = json.loads(on_disk.stdout)["moves"]
        assert [move["to"] for move in before[-2:]] == ["Punting", "Steady"]

        stage.start_daemon()
        await stage.wait_state("Steady")
        told = await stage.hostlink("state", "--history", "--json")
        moves = json.loads(told.stdout)["moves"]
        assert moves[: len(before)] == before
        assert [move["from"] for move in moves[len(before) :]][:2] == ["Detecting", "Detecting"], "started, adopted"
        assert moves[-1]["to"] == "Steady"


async def written(stage: Stage, state: str) -> bool:
    return any(move["to"] == state for move in read_history(stage.directory / "journal"))
