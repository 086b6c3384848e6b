"""Preflight's look at VPP makes nothing there: not even what every daemon makes first, its FIB source."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostlink.lab.factor import deadline_factor
from hostlink.vpp.dataplane import open_dataplane, read_only
from hostlink.vpp.session import Session, open_session

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a namespace for the stand-in takes root")


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Path]:
    """The API socket of a stand-in in a network namespace of its own."""
    path = tmp_path / "api.sock"
    argv = ["unshare", "--net", sys.executable, "-m", "hostlink.lab.standin", "--api-socket", str(path)]
    process = subprocess.Popen(argv)
    try:
        until_s = time.monotonic() + 20 * deadline_factor()
        while not answers(path):
            assert process.poll() is None, "the stand-in ended"
            assert time.monotonic() < until_s, "the stand-in does not answer"
            time.sleep(0.02)
        yield path
    finally:
        process.kill()
        process.wait()


async def sources(session: Session) -> list[str]:
    return [str(one.src.name) for one in await session.dump("fib_source_dump")]


async def test_a_look_makes_no_fib_source(standin: Path) -> None:
    async with open_session(standin) as session:
        before = await sources(session)
        dataplane = await read_only(session)
        await dataplane.interfaces()
        await dataplane.read_shared()
        assert await sources(session) == before
        await open_dataplane(session)
        assert await sources(session) == [*before, "hostlink"], "a daemon makes one, so it would have been seen"
