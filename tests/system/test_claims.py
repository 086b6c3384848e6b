"""What plugins and features of VPP keep of the host's traffic is what hostlink names, exactly, by real packets."""

from __future__ import annotations

import socket

import pytest

from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, wait_reachable
from hostlink.lab.layout import NIC, NODE2_4, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.claiming import (
    Kind,
    kinds,
    kinds_told,
    look_again,
    need_plugins,
    told,
    undelivered,
)
from tests.system.sockets import receiver, sender

IGMP, VRRP = 2, 112
ASKED = kinds((IGMP, 4, 41, 47, 50, 51, 89, VRRP, 115, 132, 137), (500, 4500, 3784, 3785, 4784, 4789, 4739, 9))
PLUGINS = ("dhcp", "gre", "igmp", "ikev2", "vrrp", "vxlan")
CLAIMED_BY_LOADING = {Kind(4, IGMP), Kind(4, VRRP), Kind(6, VRRP)}
FEATURES = (
    "create vxlan tunnel src 192.168.0.1 dst 192.168.0.3 vni 42",
    "create gre tunnel src 192.168.0.1 dst 192.168.0.3",
    "create ipip tunnel src 192.168.0.1 dst 192.168.0.3",
    f"bfd udp session add interface host-{NIC} local-addr 192.168.0.1 peer-addr 192.168.0.3 "
    "desired-min-tx 100000 required-min-rx 100000 detect-mult 3",
    "ikev2 profile add a-profile",
    "ipsec itf create",
)
CLAIMED_BY_FEATURES = kinds((47, 50), (500, 4500)) | {Kind(4, protocol) for protocol in (4, 41, 137)}
CLAIMED_BY_FEATURES |= {Kind(4, 17, port) for port in (4789, 3784, 3785)}


@pytest.fixture
def plugged(dataplane: Dataplane) -> Dataplane:
    """A real VPP that has the plugins."""
    need_plugins(dataplane, *PLUGINS)
    return dataplane


async def test_everything_reaches_the_host_where_nothing_is_claimed(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        assert await undelivered(stage, ASKED) == set(), "on the bare NIC"
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        assert kinds_told(state) == set()
        assert await undelivered(stage, ASKED) == set()


async def test_what_plugins_and_features_keep_is_told_exactly(plugged: Dataplane) -> None:
    async with open_stage(plugged, vpp_plugins=PLUGINS) as stage:
        assert await undelivered(stage, ASKED) == set(), "on the bare NIC"
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        assert kinds_told(state) == await undelivered(stage, ASKED) == CLAIMED_BY_LOADING
        await multicast_reaches_the_host(stage)
        for feature in FEATURES:
            await stage.vppctl(feature)
        await look_again(stage)
        await told(stage, "HL-210", "4789")
        claimed = CLAIMED_BY_LOADING | CLAIMED_BY_FEATURES
        assert kinds_told(await stage.state()) == await undelivered(stage, ASKED) == claimed


async def multicast_reaches_the_host(stage: Stage) -> None:
    """It goes around VPP, so the plugins have no part of it."""
    for protocol, group in ((IGMP, "224.0.0.22"), (VRRP, "224.0.0.18")):
        tag = f"multicast of protocol {protocol}".encode()
        with (
            receiver(stage.lab.host, 4, protocol, link=NIC, address=group, groups=(group,)) as arriving,
            sender(stage.lab.node2, 4, protocol, link="eth0", source=NODE2_4.ip, ttl=255) as sending,
        ):
            sending.socket.sendto(tag, (group, 0))
            datagram = await arriving.wait(tag, 5 * deadline_factor())
            assert datagram.ttl == 255


async def test_claims_are_told_before_a_takeover_too(plugged: Dataplane) -> None:
    """Detecting waits for the NIC and tells already what VPP would keep."""
    async with open_stage(plugged, vpp_plugins=("igmp",)) as stage:
        await stage.on_host("ip", "link", "set", NIC, "down")
        await stage.on_host("ip", "link", "set", NIC, "name", "elsewhere")
        stage.start_daemon()
        await stage.wait_state("Detecting")
        await told(stage, "HL-209", "protocol 2 (IGMP) of IPv4: the igmp plugin has it")
        assert (await stage.state())["state"] == "Detecting"


NARROW, NARROW_MTU = "203.0.113.9", 1300
"""Beyond a hop of the router with a small MTU."""


async def test_path_mtu_is_learnt_but_for_the_session_layer(plugged: Dataplane) -> None:
    """The session layer of 26.06 frees every ICMPv4 unreachable; what is told is what happens, on any release."""
    async with open_stage(plugged) as stage:
        for command in (
            f"link add narrow mtu {NARROW_MTU} type veth peer name narrow1",
            "link set narrow up",
            "link set narrow1 up",
            f"route add {NARROW}/32 dev narrow",
        ):
            await stage.lab.exec(stage.lab.wire, ["ip", *command.split()])
        assert await learns_path_mtu(stage), "on the bare NIC"
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert await learns_path_mtu(stage)
        await stage.vppctl("session enable")
        await look_again(stage)
        blind = "HL-211" in {one["code"] for one in (await stage.state())["problems"]}
        assert await learns_path_mtu(stage) is not blind
        await stage.vppctl("session disable")
        assert await learns_path_mtu(stage) is not blind, "disabling it does not undo it"
        release = await stage.vppctl("show version")
        assert blind is ("v26." in release), release


async def learns_path_mtu(stage: Stage) -> bool:
    """Whether a datagram that is too large for a hop behind the router makes the host learn that hop's MTU."""
    await stage.on_host("ip", "route", "flush", "cache")
    await wait_reachable(stage.lab.host, ROUTER4.ip, 5 * deadline_factor())
    with sender(stage.lab.host, 4) as sending:
        sending.socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
        sending.socket.connect((NARROW, 9))
        sending.socket.send(bytes(1400))
        try:
            error = await sending.wait_error(2 * deadline_factor())
        except FlowError:
            return False
        assert error.offender == str(ROUTER4.ip)
        return sending.socket.getsockopt(socket.IPPROTO_IP, _IP_MTU) == NARROW_MTU


_IP_MTU_DISCOVER, _PMTUDISC_DO, _IP_MTU = 10, 2, 14
"""include/uapi/linux/in.h"""
