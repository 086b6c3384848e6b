"""A tunnel that another client makes in VPP: what it carries is VPP's, and the host sees nothing of it.

The other end is a socket of node2 that packs and unpacks by hand (RFC 7348, RFC 2784): a kernel may lack either.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, wait_reachable
from hostlink.lab.frames import Frame, capture
from hostlink.lab.layout import HOST4, NIC, NODE2_4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.claiming import UDP, Kind, kinds, kinds_told, look_again, need_plugins, told, undelivered
from tests.system.sockets import Receiver, receiver, sender

PLUGINS = ("gre", "vxlan")
GRE, VXLAN_PORT, VNI = 47, 4789, 42
INNER_VPP, INNER_NODE2 = "172.16.0.1", "172.16.0.2"
INNER_MAC_VPP, INNER_MAC_NODE2 = "02:00:00:16:00:01", "02:00:00:16:00:02"
_ENDS = f"src {HOST4.ip} dst {NODE2_4.ip}"
ASKED = kinds((GRE, 50, 89), (VXLAN_PORT, 4790))


@dataclass(frozen=True, slots=True)
class Tunnel:
    """make, remove: what the other client says to VPP. wrap: an inner IPv4 packet into the payload of the outer one."""

    name: str
    make: tuple[str, ...]
    remove: str
    kind: Kind
    claimed: frozenset[Kind]
    code: str
    wrap: Callable[[bytes], bytes]


def _vxlan(inner: bytes, vni: int = VNI) -> bytes:
    frame = bytes(Ether(src=INNER_MAC_NODE2, dst=INNER_MAC_VPP, type=0x0800)) + inner
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def _gre(inner: bytes) -> bytes:
    return struct.pack("!HH", 0, 0x0800) + inner


TUNNELS = (
    Tunnel(
        "VXLAN",
        (
            f"create vxlan tunnel {_ENDS} vni {VNI}",
            f"create bridge-domain {VNI}",
            f"create loopback interface mac {INNER_MAC_VPP}",
            f"set interface l2 bridge loop0 {VNI} bvi",
            f"set interface l2 bridge vxlan_tunnel0 {VNI}",
            "set interface state loop0 up",
            f"set interface ip address loop0 {INNER_VPP}/24",
            f"set ip neighbor loop0 {INNER_NODE2} {INNER_MAC_NODE2}",
        ),
        f"create vxlan tunnel {_ENDS} vni {VNI} del",
        Kind(4, UDP, VXLAN_PORT),
        frozenset({Kind(4, UDP, VXLAN_PORT)}),
        "HL-210",
        _vxlan,
    ),
    Tunnel(
        "GRE",
        (
            f"create gre tunnel {_ENDS}",
            f"set interface ip address gre0 {INNER_VPP}/24",
            "set interface state gre0 up",
        ),
        f"create gre tunnel {_ENDS} del",
        Kind(4, GRE),
        kinds((GRE,), ()),
        "HL-209",
        _gre,
    ),
)


@pytest.fixture
def plugged(dataplane: Dataplane) -> Dataplane:
    """A real VPP that can make the tunnels."""
    need_plugins(dataplane, *PLUGINS)
    return dataplane


@pytest.mark.parametrize("tunnel", TUNNELS, ids=lambda tunnel: tunnel.name)
async def test_what_vpp_decapsulates_is_not_punted(plugged: Dataplane, tunnel: Tunnel) -> None:
    async with open_stage(plugged, vpp_plugins=PLUGINS) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        async with capture(stage.lab.host, NIC, lambda frame: _is_outer(frame, tunnel.kind)) as at_host:
            assert await undelivered(stage, ASKED) == set(), "before there is a tunnel the host has its own"
            before = len(at_host.frames)
            for command in tunnel.make:
                await stage.vppctl(command)
            await _inner_ping(stage, tunnel)
            await _unknown_is_dropped(stage, tunnel)
            assert len(at_host.frames) == before == 1
        await look_again(stage)
        await told(stage, tunnel.code)
        assert kinds_told(await stage.state()) == await undelivered(stage, ASKED) == tunnel.claimed
        await stage.vppctl(tunnel.remove)
        assert await undelivered(stage, ASKED) == tunnel.claimed, "VPP keeps it until it ends"
        assert await stage.stop_daemon() == 0
        assert await undelivered(stage, ASKED) == set(), "given back, the host has its own again"


def _is_outer(frame: Frame, kind: Kind) -> bool:
    """Whether an IPv4 frame is of the tunnel's protocol and, for UDP, port."""
    if frame.data[12:14] != b"\x08\x00" or frame.data[23] != kind.protocol:
        return False
    return kind.protocol != UDP or struct.unpack_from("!H", frame.data, 36)[0] == kind.port


async def _inner_ping(stage: Stage, tunnel: Tunnel) -> None:
    """From node2 through the tunnel to VPP's address in it, and back."""
    await wait_reachable(stage.lab.node2, HOST4.ip, 5 * deadline_factor())
    with _end(stage, tunnel) as arriving:
        for number in range(3):  # VPP drops what it sends first, while it asks for node2's MAC
            tag = f"inner ping {number}".encode()
            _send(stage, tunnel, tunnel.wrap(_echo(tag)))
            try:
                datagram = await arriving.wait(tag, 2 * deadline_factor())
            except FlowError:
                continue
            assert datagram.source == str(HOST4.ip), "the outer source is the address that VPP shares with the host"
            reply = IP(datagram.data[datagram.data.index(b"\x45\x00", 20 if tunnel.kind.protocol == GRE else 8) :])
            assert (reply.src, reply.dst, reply[ICMP].type) == (INNER_VPP, INNER_NODE2, 0)
            return
    raise FlowError(f"{tunnel.name}: VPP did not answer the inner ping\n{await stage.vppctl('show errors')}")


async def _unknown_is_dropped(stage: Stage, tunnel: Tunnel) -> None:
    """What VPP has no tunnel for: another VNI, and the same from a peer that it does not know."""
    _send(stage, tunnel, _vxlan(_echo(b"unknown"), VNI + 1) if tunnel.kind.port else _gre(b"")[:2] + b"\x88\xbe")
    with sender(stage.lab.wire, 4, tunnel.kind.protocol) as stranger:
        stranger.socket.sendto(tunnel.wrap(_echo(b"of a stranger")), (str(HOST4.ip), tunnel.kind.port))
    assert await undelivered(stage, {tunnel.kind}) == {tunnel.kind}


def _end(stage: Stage, tunnel: Tunnel) -> AbstractContextManager[Receiver]:
    """node2's end of the tunnel."""
    return receiver(stage.lab.node2, 4, tunnel.kind.protocol, address=NODE2_4.ip, port=tunnel.kind.port)


def _send(stage: Stage, tunnel: Tunnel, payload: bytes) -> None:
    with sender(stage.lab.node2, 4, tunnel.kind.protocol, source=NODE2_4.ip) as sending:
        sending.socket.sendto(payload, (str(HOST4.ip), tunnel.kind.port))


def _echo(payload: bytes) -> bytes:
    return bytes(IP(src=INNER_NODE2, dst=INNER_VPP) / ICMP(id=7) / payload)
