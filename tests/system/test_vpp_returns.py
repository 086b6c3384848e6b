"""VPP dies, hangs or is replaced under a takeover, and the host's connections go on when it is back.

The host link is the kernel's: while VPP is away it keeps its ifindex, MAC, addresses, routes and carrier, so nothing on
the host has anything to notice. F51 (resync after a crash, events subscribed again), F56 (its interfaces have other
numbers then), F57 (it hangs), F58 (another VPP comes back).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network

import trio

from hostlink.core.model import Family, Prefix
from hostlink.kernel.namespace import inside
from hostlink.lab.children import child
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import echo_server, wait_reachable
from hostlink.lab.layout import ECHO_PORT, HOST4, HOST6, NIC, NODE2_4
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.vpp.routes import own_source, read_routes
from hostlink.vpp.session import open_session
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.routing import lacks_in_tables
from tests.system.tabling import number
from tests.system.test_bad_input import codes, until

BEYOND, TABLE = IPv4Network("203.0.113.0/24"), 100
LONG_GRACE = "grace_s = 60"
"""Longer than a VPP takes to start on any machine: what happens when it passes is test_interruptions.py's."""


async def test_connections_go_on_when_vpp_is_back(dataplane: Dataplane) -> None:
    """F51, F56: killed twice; the daemon is the same, nothing was given back, and the host has noticed nothing."""
    async with open_stage(dataplane, vpp_settings=LONG_GRACE) as stage:
        daemon = stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.on_host(
            "ip", "neigh", "add", "192.168.0.77", "lladdr", "02:00:00:00:00:77", "nud", "permanent", "dev", NIC
        )
        await stage.on_host("ip", "route", "add", f"{BEYOND}", "via", str(NODE2_4.ip), "table", str(TABLE))
        before = await picture(stage)
        async with echo_server(stage.lab.host, [HOST4.ip, HOST6.ip]), _session(stage) as session, _unnoticed(stage):
            await _said(session, b"before")
            for _ in range(2):
                stage.kill_vpp()
                uplink = await until(stage, lambda uplink: uplink["state"] == "Recovering")
                assert "HL-404" in codes(uplink)
                await stage.on_host("ip", "route", "add", f"{BEYOND}", "via", str(NODE2_4.ip))
                async with running(stage, {}):
                    uplink = await stage.wait_state("Steady")
                    assert codes(uplink) == await lacks_in_tables(stage)
                    await _said(session, b"after")
                    await wait_reachable(stage.lab.wire, HOST6.ip)
                    assert "02:00:00:00:00:77" in await stage.on_host("ip", "neigh", "show", "dev", NIC)
                    assert BEYOND in await _in_vpp(stage)
                    assert await _in_vpp(stage, number(TABLE)) == {BEYOND}
                    await stage.on_host("ip", "route", "del", f"{BEYOND}")
                    await _gone_from_vpp(stage)
        assert await picture(stage) == before
        assert "Detecting" not in [move["to"] for move in (await stage.state())["history"]][1:]
        assert daemon.poll() is None


async def test_nobody_is_told_meanwhile_that_a_port_is_closed(dataplane: Dataplane) -> None:
    """F51: a VPP that has the host's address and does not punt yet would say so to every peer, and end its talk."""
    async with (
        open_stage(dataplane, vpp_settings=LONG_GRACE) as stage,
        echo_server(stage.lab.host, [HOST4.ip]),
        _talking(stage) as answered,
    ):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await answered()
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        async with running(stage, {}):
            await stage.wait_state("Steady")
            await answered()


async def test_a_vpp_that_hangs_for_a_while_keeps_the_takeover(dataplane: Dataplane) -> None:
    """F57: it accepts and does not answer, long enough to be taken for lost; when it wakes all is there still."""
    async with open_stage(dataplane, vpp_settings=LONG_GRACE, settings=QUICK) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        ports = (await stage.state())["indexes"]
        async with echo_server(stage.lab.host, [HOST4.ip]), _session(stage) as session:
            await _said(session, b"before")
            assert stage.vpp is not None
            os.killpg(stage.vpp.pid, signal.SIGSTOP)
            await until(stage, lambda uplink: uplink["state"] == "Recovering")
            os.killpg(stage.vpp.pid, signal.SIGCONT)
            uplink = await stage.wait_state("Steady")
            assert uplink["indexes"] == ports
            await _said(session, b"after")


async def test_a_vpp_that_answers_late_is_not_lost(dataplane: Dataplane) -> None:
    """F53: what it was told meanwhile is carried out when it gets to it, once; a ping that stays out is one ping."""
    async with open_stage(dataplane, vpp_settings=LONG_GRACE) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        async with echo_server(stage.lab.host, [HOST4.ip]), _session(stage) as session:
            await _said(session, b"before")
            async with _busy(stage, LATE_S):
                await stage.on_host("ip", "route", "add", f"{BEYOND}", "via", str(NODE2_4.ip))
            assert BEYOND in await _in_vpp(stage)
            async with _busy(stage, ONE_PING_S):
                pass
            await stage.on_host("ip", "route", "del", f"{BEYOND}")
            await _gone_from_vpp(stage)
            await _said(session, b"after")
        assert (await stage.wait_state("Steady"))["problems"] == []
        assert "Recovering" not in stage.log
        assert "HL-404" not in stage.log


LATE_S, ONE_PING_S = 3.5, 6.0
"""Less than a request may take (5 s); and longer, but less than the two pings that must stay out (2 + 5 + 2 + 5 s)."""


@asynccontextmanager
async def _busy(stage: Stage, for_s: float) -> AsyncIterator[None]:
    """A VPP whose main thread answers nobody for so long, as over a large table: the block, and the rest of the time.

    Returns when it has told the daemon all that it was asked meanwhile.
    """
    assert stage.vpp is not None
    os.killpg(stage.vpp.pid, signal.SIGSTOP)
    began = trio.current_time()
    yield
    await trio.sleep_until(began + for_s * deadline_factor())
    os.killpg(stage.vpp.pid, signal.SIGCONT)
    await stage.wait_state("Steady")


async def test_daemon_and_vpp_die_together_and_the_host_link_is_taken_up_again(dataplane: Dataplane) -> None:
    """F52, F42: what outlived both is adopted, whichever of the two comes back first."""
    async with open_stage(dataplane, vpp_settings=LONG_GRACE) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        index = (await picture(stage))["link"]["ifindex"]
        async with echo_server(stage.lab.host, [HOST4.ip]), _session(stage) as session:
            for vpp_first in (True, False):
                await stage.stop_daemon(signal.SIGKILL)
                stage.kill_vpp()
                if not vpp_first:
                    stage.start_daemon()
                    await until(stage, lambda uplink: uplink["state"] == "Recovering")
                async with running(stage, {}):
                    if vpp_first:
                        stage.start_daemon()
                    await stage.wait_state("Steady")
                    await _said(session, b"again")
                    await wait_reachable(stage.lab.wire, HOST6.ip)
        assert (await picture(stage))["link"]["ifindex"] == index


async def test_a_vpp_that_comes_back_unfit_is_named_and_the_nic_goes_home(standin: Dataplane) -> None:
    """F58: the VPP that answers afterwards lacks a message: it is not used, and waiting for it ends."""
    async with open_stage(standin, vpp_settings="grace_s = 2") as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        async with running(stage, {"HOSTLINK_STANDIN_WITHOUT": "af_packet_create_v3"}):
            uplink = await until(stage, lambda uplink: uplink["state"] == "Detecting" and "HL-204" in codes(uplink))
            assert "Handover" not in [move["to"] for move in uplink["history"][-2:]]
            assert await picture(stage) == before
        async with running(stage, {}):
            await stage.wait_state("Steady")


# ------------------------------------------------------------------------------------------------------------ the parts

QUICK = "[timing]\ndeadline_factor = 0.2\n"


@asynccontextmanager
async def _session(stage: Stage) -> AsyncIterator[trio.SocketStream]:
    """An open TCP connection from the wire to the host's echo server."""
    with inside(stage.lab.wire):
        sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    async with trio.SocketStream(sock) as stream:
        with trio.fail_after(10 * deadline_factor()):
            await sock.connect((str(HOST4.ip), ECHO_PORT))
        yield stream


async def _said(stream: trio.SocketStream, word: bytes) -> None:
    """The connection carries a word and its echo. TCP repeats what was lost, with growing patience."""
    with trio.fail_after(30 * deadline_factor()):
        await stream.send_all(word)
        got = b""
        while len(got) < len(word):
            data = await stream.receive_some()
            assert data, "the connection was closed"
            got += data
    assert got == word


@asynccontextmanager
async def _talking(stage: Stage) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Datagrams from the wire to the host all the while. What it yields waits until one more is answered.

    A connected socket is told of ICMP's port unreachable (udp(7), ECONNREFUSED), and then this raises.
    """
    with inside(stage.lab.wire):
        sock = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echoed = trio.Event()

    async def answered() -> None:
        nonlocal echoed
        echoed = trio.Event()
        with trio.fail_after(10 * deadline_factor()):
            await echoed.wait()

    async def send() -> None:
        while True:
            await sock.send(b"are you there")
            await trio.sleep(0.002)

    async def receive() -> None:
        while True:
            await sock.recv(64)
            echoed.set()

    with sock:
        await sock.connect((str(HOST4.ip), ECHO_PORT))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(receive)
            yield answered
            nursery.cancel_scope.cancel()


async def _in_vpp(stage: Stage, table: int = 0) -> set[Prefix]:
    """Of hostlink's own IPv4 routes in that table of VPP's."""
    async with open_session(stage.api_socket, deadline_s=10 * deadline_factor()) as session:
        return {route.prefix for route in await read_routes(session, await own_source(session), table, Family.IPV4)}


async def _gone_from_vpp(stage: Stage) -> None:
    async def gone() -> bool:
        return BEYOND not in await _in_vpp(stage)

    await eventually("the route is gone from VPP", gone, 10.0)


@asynccontextmanager
async def _unnoticed(stage: Stage) -> AsyncIterator[None]:
    """Nothing is said of the host link's link, addresses and neighbours that a DHCP client or networkd would act on."""
    argv = ["ip", "-oneline", "monitor", "link", "address"]
    with child(stage.lab.host, argv, stdout=subprocess.PIPE) as monitor:
        yield
        monitor.send_signal(signal.SIGTERM)
        assert monitor.stdout is not None
        said = monitor.stdout.read().decode()
    lines = [line for line in said.splitlines() if re.search(rf"\b{NIC}\b", line)]
    assert not [line for line in lines if "Deleted" in line or ("<" in line and "LOWER_UP" not in line)], said
