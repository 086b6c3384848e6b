"""Daemon and VPP die at the same time: the host's tap keeps its carrier by a queue in the service manager's store.

F42, F51: the next daemon and the next VPP take up what is there, and nobody on the host has noticed anything.

A service manager is played: a socket that takes descriptors (sd_notify(3)), and that hands them to the next daemon
(sd_listen_fds(3)). It holds copies, as systemd does, so nothing else need be alive. Without it the carrier goes, and
how long for is measured and printed.
"""

from __future__ import annotations

import array
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
import trio

from hostlink.lab.children import child, in_namespace
from hostlink.lab.flows import ping
from hostlink.lab.layout import HOST4, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage, running, why_missing
from tests.system.picture import picture
from tests.system.rounds import eventually

TAPS = (Dataplane(False, "tap"), Dataplane(True, "tap"))
HANDED_ON = """
import os, sys
count = int(sys.argv[1])
for number, descriptor in enumerate([os.dup(int(one)) for one in sys.argv[2 : 2 + count]], start=3):
    os.dup2(descriptor, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execvp(sys.argv[2 + count], sys.argv[2 + count :])
"""
"""What systemd does between fork and exec. The duplicates are above all that are to be given away."""


@dataclass
class Manager:
    """Keeps descriptors by name, as they were sent."""

    address: Path
    socket: socket.socket
    kept: dict[str, list[int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def take_all(self) -> None:
        """Whatever has been sent by now."""
        while True:
            try:
                data, rights, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(64), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            text = data.decode()
            self.said.append(text)
            fields = dict(line.split("=", 1) for line in text.splitlines())
            if fields.get("FDSTOREREMOVE") == "1":
                for descriptor in self.kept.pop(fields["FDNAME"], []):
                    os.close(descriptor)
            for _, _, payload in rights:
                descriptors = array.array("i")
                descriptors.frombytes(payload)
                self.kept.setdefault(fields["FDNAME"], []).extend(descriptors)


@contextmanager
def manager(stage: Stage) -> Iterator[Manager]:
    address = stage.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(address))
        found = Manager(address, sock)
        yield found
        for descriptor in (one for kept in found.kept.values() for one in kept):
            os.close(descriptor)


def start_again(stage: Stage, service: Manager) -> None:
    """A daemon that is handed what is kept."""
    names = [name for name, kept in service.kept.items() for _ in kept]
    descriptors = [one for kept in service.kept.values() for one in kept]
    argv = [sys.executable, "-m", "hostlink", "run", "--config", str(stage.config)]
    given = [sys.executable, "-c", HANDED_ON, str(len(descriptors)), *map(str, descriptors), *argv]
    with (stage.directory / "daemon.log").open("ab") as log:
        stage.daemon = subprocess.Popen(
            in_namespace(stage.lab.host, ["setpriv", "--pdeathsig", "KILL", *given]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=descriptors,
            env={**os.environ, "NOTIFY_SOCKET": str(service.address), "LISTEN_FDNAMES": ":".join(names)},
        )


@asynccontextmanager
async def link_monitored(stage: Stage) -> AsyncIterator[Path]:
    """With `ip monitor link` on the host, into a file."""
    path = stage.directory / "monitor"
    with path.open("wb") as output:
        monitor = child(stage.lab.host, ["ip", "-ts", "monitor", "link"], stdout=output.fileno())
        with monitor:
            await fence(stage, path)
            yield path


async def fence(stage: Stage, monitor: Path) -> None:
    """All that was said before is in the file."""
    number = 0

    async def heard() -> bool:
        """What was made before the monitor listened is not heard of: another one each time."""
        nonlocal number
        number += 1
        name = f"fence{number}-{os.urandom(2).hex()}"
        await stage.on_host("ip", "link", "add", name, "type", "bridge")
        await stage.on_host("ip", "link", "delete", name)
        return name in said(monitor)

    await eventually("the monitor hears", heard)


def said(monitor: Path) -> str:
    return monitor.read_text()


async def carriers(stage: Stage, monitor: Path) -> list[tuple[datetime, bool]]:
    """When something was said of the host's interface, and whether it had its carrier then."""
    await fence(stage, monitor)
    found = re.findall(rf"^\[(\S+)\] \d+: {NIC}: <([A-Z_,-]*)>", said(monitor), re.MULTILINE)
    return [(datetime.fromisoformat(at), "LOWER_UP" in flags.split(",")) for at, flags in found]


async def both_die(stage: Stage) -> None:
    assert stage.daemon is not None
    assert stage.vpp is not None
    for process in (stage.daemon, stage.vpp):
        os.killpg(process.pid, signal.SIGKILL)
    await stage.wait_daemon()
    stage.vpp.wait()


async def has_carrier(stage: Stage) -> bool:
    return "LOWER_UP" in await stage.on_host("ip", "link", "show", "dev", NIC)


def available() -> Sequence[object]:
    return [pytest.param(one, id=str(one)) for one in TAPS]


@pytest.fixture(params=available())
def tap(request: pytest.FixtureRequest) -> Dataplane:
    """Only a tap has queues: a veth's carrier is that its other end is up, which outlives everybody."""
    chosen: Dataplane = request.param
    missing = why_missing(chosen)
    if missing is not None:
        pytest.skip(f"{chosen}: {missing}")
    return chosen


async def wait_steady(stage: Stage, service: Manager) -> None:
    """What the daemon says is taken meanwhile, as systemd does: a full queue would lose the descriptor."""

    async def take() -> None:
        while True:
            service.take_all()
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await stage.wait_state("Steady")
        nursery.cancel_scope.cancel()


async def test_the_carrier_stays_while_the_service_manager_keeps_a_queue(tap: Dataplane) -> None:
    async with open_stage(tap) as stage:
        before = await picture(stage)
        with manager(stage) as service:
            start_again(stage, service)
            await wait_steady(stage, service)
            service.take_all()
            name = f"keeper-{NIC}"
            assert [len(kept) for kept in service.kept.values()] == [1], service.said
            assert [text for text in service.said if text.startswith("FD")][-1] == f"FDSTORE=1\nFDNAME={name}"
            async with link_monitored(stage) as monitor:
                await both_die(stage)
                assert await has_carrier(stage)
                async with running(stage, {}):
                    start_again(stage, service)
                    await wait_steady(stage, service)
                    assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
                    service.take_all()
                    assert [len(kept) for kept in service.kept.values()] == [1], "the new queue, and the old no more"
                    found = await carriers(stage, monitor)
                    assert found
                    assert all(carrier for _, carrier in found), said(monitor)
                    assert stage.log.count("-> Capturing") == 1, "it was taken over once"
                    assert await stage.stop_daemon() == 0, stage.log
                    service.take_all()
                    assert service.kept == {}, "nothing is kept of a takeover that is over"
            assert await picture(stage) == before


async def test_without_a_store_the_carrier_goes_until_vpp_is_back(tap: Dataplane) -> None:
    """How long that is, is printed: what systemd 252 makes of a unit that is stopped by its start limit."""
    async with open_stage(tap) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        async with link_monitored(stage) as monitor:
            await both_die(stage)
            assert not await has_carrier(stage)
            async with running(stage, {}):
                stage.start_daemon()
                await stage.wait_state("Steady")
                assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
                found = await carriers(stage, monitor)
        lost = next(at for at, carrier in found if not carrier)
        back = next(at for at, carrier in found if carrier and at > lost)
        print(f"{tap}: without a carrier for {(back - lost).total_seconds() * 1000:.0f} ms")


async def test_what_a_dead_daemon_kept_is_dropped_when_the_takeover_is_over(tap: Dataplane) -> None:
    """`hostlink release` has ended it meanwhile: the next daemon says so."""
    async with open_stage(tap) as stage:
        before = await picture(stage)
        with manager(stage) as service:
            start_again(stage, service)
            await stage.wait_state("Steady")
            await stage.stop_daemon(signal.SIGKILL)
            assert (await stage.hostlink("release", "--config", str(stage.config))).returncode == 0
            assert await picture(stage) == before
            service.take_all()
            assert [len(kept) for kept in service.kept.values()] == [1]
            start_again(stage, service)

            async def dropped() -> bool:
                service.take_all()
                return service.kept == {}

            await eventually("the service manager keeps nothing", dropped, 20.0)
