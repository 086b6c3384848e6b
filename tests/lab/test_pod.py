"""The lab's pod plugged into a real VPP: VPP itself answers it by both gateways, and what it sends gets through."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostlink.lab import flows, layout
from hostlink.lab.network import Lab
from hostlink.lab.pod import attach_pod, detach_pod
from hostlink.lab.real_vpp import find_vpp, running_vpp
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.session import open_session

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab makes network namespaces, which takes root"),
    pytest.mark.skipif(find_vpp() is None, reason="no VPP here: set $HOSTLINK_VPP to one, or have `vpp` on PATH"),
]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield lab


@pytest.fixture
async def api_socket(lab: Lab, tmp_path: Path) -> AsyncIterator[Path]:
    binary = find_vpp()
    assert binary is not None
    async with running_vpp(binary, lab.vpp, tmp_path) as vpp:
        yield vpp.api_socket


async def test_vpp_answers_the_pod_by_both_gateways_and_reaches_it(lab: Lab, api_socket: Path) -> None:
    sw_if_index = await lab.pod_attach(api_socket)
    assert await flows.ping(lab.pod, layout.POD_GATEWAY4, count=3) == 3
    assert "fe80::1 dev eth0 lladdr 02:00:00:0a:00:01" in await settled_neighbours(lab)
    async with open_session(str(api_socket)) as session:
        shown = str((await session.request("cli_inband", cmd="show ip fib 10.244.0.2/32")).reply)
        assert "10.244.0.2" in shown
        assert "dpo-drop" not in shown
        (port,) = [one for one in await session.dump("sw_interface_dump") if one.sw_if_index == sw_if_index]
        assert port.mtu[0] == 1500


async def settled_neighbours(lab: Lab) -> str:
    """VPP does not answer pings to its link-local, yet it must say where it is: that is all the pod's default needs."""
    await flows.ping(lab.pod, layout.BEYOND6, reply_s=0.3)
    return await lab.exec(lab.pod, ["ip", "neigh"])


async def test_tcp_with_partial_checksums_passes_vpp_to_another_link(lab: Lab, api_socket: Path) -> None:
    """VPP between the pod and a plain host on a veth of its own: nothing of hostlink in between."""
    await lab.pod_attach(api_socket)
    await make_far_host(lab, api_socket)
    async with flows.echo_server(lab.node2, ["203.0.113.2", "2001:db8:1::2"]):
        for address in ("203.0.113.2", "2001:db8:1::2"):
            await flows.wait_reachable(lab.pod, address)
            await flows.tcp_roundtrip(lab.pod, address, size_bytes=500_000)
            assert await flows.udp_roundtrip(lab.pod, address)


async def make_far_host(lab: Lab, api_socket: Path) -> None:
    for command in (
        f"ip link add far type veth peer name near netns {lab.vpp}",
        "ip link set far up",
        "ip addr add 203.0.113.2/24 dev far",
        "ip addr add 2001:db8:1::2/64 dev far nodad",
        "ip route replace 10.244.0.0/24 via 203.0.113.1",
        "ip route replace fd00:244::/64 via 2001:db8:1::1",
    ):
        await lab.exec(lab.node2, command.split())
    await lab.exec(lab.vpp, ["ip", "link", "set", "near", "up"])
    async with open_session(str(api_socket)) as session:
        near = await session.request(
            "af_packet_create_v3", mode=1, flags=2, host_if_name="near", use_random_hw_addr=True
        )
        await session.request("sw_interface_set_mtu", sw_if_index=near.sw_if_index, mtu=[1500, 0, 0, 0])
        await session.request("sw_interface_set_flags", sw_if_index=near.sw_if_index, flags=1)
        for prefix in ("203.0.113.1/24", "2001:db8:1::1/64"):
            await session.request(
                "sw_interface_add_del_address", sw_if_index=near.sw_if_index, is_add=True, prefix=prefix
            )


async def test_a_second_attach_is_refused_and_a_detach_makes_room(api_socket: Path) -> None:
    sw_if_index = await attach_pod(api_socket)
    with pytest.raises(VppRefused):
        await attach_pod(api_socket)
    await detach_pod(api_socket, sw_if_index)
    await attach_pod(api_socket)
