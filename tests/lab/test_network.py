"""The lab's network on the kernel that is here: what is in it, real packets through it, and that nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostlink.kernel.namespace import inside
from hostlink.lab import flows, layout, network
from hostlink.lab.children import child, processes_in
from hostlink.lab.flows import FlowError
from hostlink.lab.layout import NAMESPACES, Names
from hostlink.lab.network import Lab, LabError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces, which takes root")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield lab


def all_links() -> str:
    return subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout


async def test_the_node_is_as_the_seeds_show_it(lab: Lab) -> None:
    assert "52:54:00:40:46:8e" in await lab.exec(lab.host, ["ip", "link", "show", "enp216s0f1"])
    assert "inet 192.168.0.1/24 brd 192.168.0.255" in await lab.exec(lab.host, ["ip", "addr"])
    routes = await lab.exec(lab.host, ["ip", "route"])
    assert "default via 192.168.0.254 dev enp216s0f1 proto dhcp src 192.168.0.1 metric 100" in routes
    assert "default via fe80::1 dev enp216s0f1" in await lab.exec(lab.host, ["ip", "-6", "route"])


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("host", layout.ROUTER4.ip),
        ("host", layout.ROUTER6.ip),
        ("host", layout.BEYOND4),
        ("host", layout.BEYOND6),
        ("pod2", layout.HOST4.ip),
        ("pod2", layout.HOST6.ip),
        ("wire", layout.POD2_4),
        ("wire", layout.POD2_6),
        ("host", layout.POD2_4),
        ("host", layout.POD2_6),
    ],
)
async def test_everything_but_vpps_part_is_connected_at_once(lab: Lab, source: str, address: object) -> None:
    assert await flows.ping(lab.names.namespace(source), str(address), reply_s=5.0) == 1


async def test_tcp_and_udp_come_back(lab: Lab) -> None:
    addresses = [layout.HOST4.ip, layout.HOST6.ip]
    async with flows.echo_server(lab.host, addresses):
        for address in addresses:
            for source in (lab.wire, lab.pod2, lab.host):
                await flows.tcp_roundtrip(source, address, size_bytes=300_000)
                assert await flows.udp_roundtrip(source, address, size_bytes=4_000) == 1


async def test_a_server_may_wait_for_its_address(lab: Lab) -> None:
    async with flows.echo_server(lab.host, ["192.168.0.77"]):
        with pytest.raises(FlowError, match=r"192\.168\.0\.77"):
            await flows.tcp_roundtrip(lab.host, "192.168.0.77", timeout_s=0.3)
        await lab.exec(lab.host, ["ip", "addr", "add", "192.168.0.77/24", "dev", layout.NIC])
        await flows.tcp_roundtrip(lab.wire, "192.168.0.77")
        await flows.udp_roundtrip(lab.wire, "192.168.0.77")


async def test_a_flow_that_fails_says_what_did_not_come_back(lab: Lab) -> None:
    with pytest.raises(FlowError, match=rf"TCP from {lab.wire} to 192\.168\.0\.1 port 7777.*refused"):
        await flows.tcp_roundtrip(lab.wire, layout.HOST4.ip)
    with pytest.raises(FlowError, match=r"UDP from .* to fd00::1.*refused"):
        await flows.udp_roundtrip(lab.wire, layout.HOST6.ip)
    with pytest.raises(FlowError, match="nothing came back in 2 tries"):
        await flows.udp_roundtrip(lab.wire, "192.168.0.99", tries=2, try_s=0.1)
    assert await flows.ping(lab.wire, "192.168.0.99", reply_s=0.1) == 0


async def test_a_ping_may_be_larger_than_the_mtu_or_forbidden_to_be(lab: Lab) -> None:
    for address in (layout.HOST4.ip, layout.HOST6.ip):
        assert await flows.ping(lab.wire, address, size_bytes=4_000) == 1
        assert await flows.ping(lab.wire, address, size_bytes=4_000, fragment=False, reply_s=0.1) == 0
        assert await flows.ping(lab.wire, address, size_bytes=1_400, fragment=False) == 1


async def test_the_machines_own_network_sees_nothing() -> None:
    before = all_links()
    async with Lab():
        assert all_links() == before
    assert all_links() == before


async def test_it_is_up_in_well_under_a_second() -> None:
    started_s = time.monotonic()
    async with Lab():
        assert time.monotonic() - started_s < 1


async def test_everything_goes_whatever_happened_inside() -> None:
    lab = Lab()
    with pytest.raises(RuntimeError, match="boom 6"):
        async with lab:
            raise RuntimeError(f"boom {len(lab.names.existing)}")
    assert lab.names.existing == ()


def test_what_still_runs_inside_is_ended() -> None:
    names = Names(f"forgetful-{os.getpid()}")
    network.up(names)
    try:
        with inside(names.namespace("pod")):
            forgotten = subprocess.Popen(["sleep", "1000"])
    finally:
        network.down(names)
    assert forgotten.wait(5) == -signal.SIGTERM


async def test_a_name_that_is_up_already_is_refused_and_left_alone() -> None:
    async with Lab() as lab:
        with pytest.raises(LabError, match="is up already"):
            network.up(lab.names)
        assert len(lab.names.existing) == 6


def test_half_a_lab_is_taken_down_again() -> None:
    names = Names(f"half-{os.getpid()}")
    in_the_way = NAMESPACES / names.namespace("pod2")
    NAMESPACES.mkdir(exist_ok=True)
    in_the_way.symlink_to("nowhere")  # `ip netns add` refuses it, after it has made the five others
    try:
        with pytest.raises(LabError, match="File exists"):
            network.up(names)
    finally:
        in_the_way.unlink()
    assert names.existing == ()


MAKER = """
import trio
from hostlink.lab.flows import echo_server
from hostlink.lab.network import Lab

async def main():
    async with Lab() as lab, echo_server(lab.host, ["192.168.0.1"]):
        print(lab.names.name, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def test_the_lab_of_a_killed_maker_is_removed_and_its_processes_die_with_it() -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    assert maker.stdout is not None
    names = Names(maker.stdout.readline().strip())
    assert len(names.existing) == 6
    maker.kill()
    maker.wait()
    deadline_s = time.monotonic() + 5
    while processes_in(names.all) and time.monotonic() < deadline_s:
        os.sched_yield()
    assert processes_in(names.all) == ()
    assert set(network.remove_stale_labs()) >= set(names.all)
    assert names.existing == ()


def test_living_labs_and_those_with_a_name_of_their_own_are_not_stale() -> None:
    own = network._own_name()
    assert not network._is_stale(Names(own).namespace("host"))
    assert not network._is_stale("hl-mine-host")
    assert not network._is_stale("hl-p1t2n3-host-more")
    assert network._is_stale(f"hl-p{os.getpid()}t1n1-host"), "an id that was used again is another process"
    assert network._is_stale("hl-p999999999t1n1-host")


def test_a_child_ends_with_its_block_and_so_do_its_children(tmp_path: Path) -> None:
    names, marker = Names(f"child-{os.getpid()}"), tmp_path / "pid"
    network.up(names)
    try:
        with child(
            names.namespace("pod"), ["sh", "-c", f"sleep 1000 & echo $! > {marker}.new; mv {marker}.new {marker}; wait"]
        ):
            deadline_s = time.monotonic() + 5
            while not marker.exists() and time.monotonic() < deadline_s:
                os.sched_yield()
            grandchild = int(marker.read_text())
            os.kill(grandchild, 0)
        deadline_s = time.monotonic() + 5
        while is_running(grandchild) and time.monotonic() < deadline_s:
            os.sched_yield()
        assert not is_running(grandchild)
    finally:
        network.down(names)
    assert not (NAMESPACES / names.namespace("pod")).exists()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_unknown_role_and_an_impossible_name_are_refused() -> None:
    with pytest.raises(ValueError, match="no 'router'"):
        Names("x").namespace("router")
    with pytest.raises(ValueError, match=r"not '\.\./x'"):
        Names("../x")
