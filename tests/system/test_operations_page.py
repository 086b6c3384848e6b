"""The commands of states/operations.md, typed one after another on a node with systemd, as an operator would.

What is between them in words is done here: the configuration that it says to write, and the Ctrl-C.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from hostlink.lab.layout import NIC
from hostlink.lab.stage import ALL, Dataplane, open_stage, why_missing
from tests.system.booted import Systemd, booted, why_none
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.test_docs import commands

ROOT = Path(__file__).parents[2]
PAGE = "states/operations.md"
TRIAL = "hostlink run --try --confirm-within 120"
_ENDLESS = ("hostlink run", "hostlink state --watch")
_MOVES = ("hostlink release", "hostlink resume", "hostlink confirm")
"""What changes the node has its place in a block."""
FIT = tuple(one for one in ALL if one.real or one.host_link == "veth")
"""Nodes on which preflight has nothing to say. It asks for /dev/vhost-net, of which the stand-in's tap has no need."""


def blocks() -> list[str]:
    """All that the page says to type, line by line."""
    return [
        line for block in re.findall(r"```sh\n(.*?)```", (ROOT / PAGE).read_text(), re.S) for line in block.split("\n")
    ]


async def typed(systemd: Systemd, command: str) -> str:
    done = await systemd.run(command)
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.parametrize("fit", FIT, ids=str)
async def test_the_page_can_be_followed(fit: Dataplane) -> None:
    missing = why_missing(fit) or why_none()
    if missing is not None:
        pytest.skip(f"{fit}: {missing}")
    lines = [line for line in blocks() if line]
    assert lines.count(TRIAL) == 1
    assert len(lines) > 12
    async with open_stage(fit) as stage:
        before = await picture(stage)
        async with booted(stage) as systemd:
            await systemd.ctl("start vpp")
            await follow(systemd, lines)
            assert await picture(stage) == before
            assert not (systemd.root / "var/lib/hostlink").exists()


async def follow(systemd: Systemd, lines: list[str]) -> None:
    trial: subprocess.Popen[bytes] | None = None
    for line in lines:
        if line == TRIAL:
            trial = begun(systemd, line)
            await eventually("the takeover is on trial", lambda: is_steady(systemd), 30)
            continue
        if line.startswith("systemctl enable --now hostlink") and trial is not None and "guard" not in line:
            interrupt(trial)  # "stop the trial with Ctrl-C"
            assert await trio.to_thread.run_sync(trial.wait) == 0
        said = await typed(systemd, line)
        if line == "hostlink state --wait Steady":
            assert f"{NIC}  Steady" in said
            await read_what_is_named(systemd)


def begun(systemd: Systemd, line: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(systemd.shell(f"exec {line}"), start_new_session=True)


def interrupt(begun: subprocess.Popen[bytes]) -> None:
    """Not nsenter, which ends as its child does."""
    (child,) = Path(f"/proc/{begun.pid}/task/{begun.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGINT)


async def is_steady(systemd: Systemd) -> bool:
    return f"{NIC}  Steady" in (await systemd.run("hostlink state")).stdout


async def read_what_is_named(systemd: Systemd) -> None:
    """On a node at work: each command that a sentence of a page names and that moves nothing says something."""
    pages = (PAGE, "README.md", "states/README.md")
    for command in sorted({command for page in pages for command in commands(page)}):
        if not command.startswith((*_ENDLESS, *_MOVES)):
            command = (
                command.replace("HL-nnn", "HL-404").replace("STATE-OR-CODE", "Punting").replace("detecting", "steady")
            )
            await typed(systemd, command)
