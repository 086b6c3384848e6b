"""A pod does not pass for the host: no packet with a pod's address leaves the node with 255 hops (RFC 5082).

Known limitation, asserted as it is (VPP 26.06 and the stand-in): VPP looks at no source address by itself, and the
NIC's program cannot tell who sent what claims the host's. So a pod that forges the host's address and 255 hops leaves
with 255, where a Linux router would drop it as a martian. The pod network must check sources (VPP's urpf, an ACL).

Packets of the host to its own pod keep their TTL, but 255 arrives as 254: it is put right at the NIC only. All this is
only there once VPP has the NIC, so there is no bare run before it.
"""

from __future__ import annotations

import socket

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from hostlink.lab.flows import wait_reachable
from hostlink.lab.layout import HOST4, HOST6, POD4, POD6, ROUTER4, ROUTER6
from hostlink.lab.pod import attach_pod
from hostlink.lab.stage import Dataplane
from tests.system.cells import (
    Cell,
    Count,
    Round,
    acquainted,
    came,
    failures,
    must,
    new_port,
    new_tag,
    prepared,
    told,
)
from tests.system.sockets import receiver, sender

ROUTER, POD, HOST = {4: ROUTER4.ip, 6: ROUTER6.ip}, {4: POD4, 6: POD6}, {4: HOST4.ip, 6: HOST6.ip}


def from_pod_cell(version: int) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        there = at.held.enter_context(receiver(at.lab.wire, version, port=port))
        with sender(at.lab.pod, version, ttl=255) as here:
            here.socket.sendto(tag, (str(ROUTER[version]), port))
        must((await there.wait(tag, at.within_s)).ttl, 254, "TTL at the router")
        return lambda: there.count(tag)

    return Cell(f"a pod's 255 is 254 on the wire, IPv{version}", run)


def forged_cell(version: int) -> Cell:
    """The limitation of this module's opening. If another TTL comes, or no frame, it is gone: say so there."""

    async def run(at: Round) -> None:
        tag = new_tag()
        header = IP(ttl=255) if version == 4 else IPv6(hlim=255)
        header.src, header.dst = str(HOST[version]), str(ROUTER[version])
        with sender(at.lab.pod, version, socket.IPPROTO_RAW, own_header=True) as here:
            here.socket.sendto(bytes(header / UDP(sport=9, dport=9) / Raw(tag)), (str(ROUTER[version]), 0))
        frame = (await at.seen(at.wire, came(tag))).data
        must(frame[22 if version == 4 else 21], 255, "TTL on the wire")

    return Cell(f"a pod that forges the host's address passes for it, IPv{version}: known limitation", run)


def to_pod_cell(version: int, ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        there = at.held.enter_context(receiver(at.lab.pod, version, port=port))
        with sender(at.lab.host, version, ttl=ttl) as here:
            here.socket.sendto(tag, (str(POD[version]), port))
        wanted = 254 if ttl == 255 else ttl  # put right at the NIC only, and this does not pass it
        must((await there.wait(tag, at.within_s)).ttl, wanted, "TTL at the pod")
        return lambda: there.count(tag)

    return Cell(f"from the host to its pod, IPv{version}, TTL {ttl}", run)


async def test_ttl_of_pods(dataplane: Dataplane) -> None:
    cells = [make(version) for make in (from_pod_cell, forged_cell) for version in (4, 6)]
    cells += [to_pod_cell(version, ttl) for version in (4, 6) for ttl in (1, 64, 255)]
    async with prepared(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await attach_pod(stage.api_socket)
        await acquainted(stage.lab)
        for address in (POD4, POD6):
            await wait_reachable(stage.lab.host, address)
        failed = await failures(stage, cells, taken_over=True)
    assert not failed, told(failed, f"of {len(cells)} on {dataplane}")
