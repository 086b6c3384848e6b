"""A program with a packet socket on the NIC goes deaf with the takeover: it is named, before and after (F03)."""

from __future__ import annotations

import subprocess
import sys

from hostlink.lab.children import child
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, open_stage

LISTEN = f"""
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(({NIC!r}, 0))
print("ready", flush=True)
try:
    while s.recv(2048): pass
except OSError as error:
    print(error.strerror, flush=True)
    while True: s.recv(2048)
"""


async def test_a_listener_on_the_nic_is_named_and_does_go_deaf(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        with child(stage.lab.host, [sys.executable, "-c", LISTEN], stdout=subprocess.PIPE) as listening:
            assert listening.stdout is not None
            assert listening.stdout.readline() == b"ready\n"
            stage.start_daemon()
            state = await stage.wait_state("Steady")
            told = [one["detail"] for one in state["problems"] if one["code"] == "HL-115"]
            assert len(told) == 1
            assert f"listens on {NIC}: restart it" in told[0]
            assert listening.stdout.readline() == b"Network is down\n"


async def test_nobody_listens_nobody_is_named(standin: Dataplane) -> None:
    async with open_stage(standin) as stage:
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        assert "HL-115" not in {one["code"] for one in state["problems"]}
