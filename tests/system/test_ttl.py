"""TTL and hop limit pass unchanged, both ways, whatever carries the packets.

Known limitation, asserted as it is: VPP takes one hop from what the host sends through it. Going in, one is added; 255
cannot be, so a 254 at the NIC whose source is the host's must have been a 255, and is made one again. A true 254 of the
host leaves as 255 therefore. Multicast and link-local go around VPP and have no such limit.

A second: an IPv4 datagram that comes to the host in fragments is made whole by VPP, and cut again for the host link by
`ip4-frag`, whose pieces lose a hop that other punted packets keep (VPP 26.06): it arrives with TTL - 1.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable

from hostlink.core.model import IPAddress
from hostlink.lab import layout
from hostlink.lab.layout import HOST4, HOST6, LAN, NIC, NODE2_4, NODE2_6, ROUTER4, ROUTER6
from hostlink.lab.stage import Dataplane
from tests.system.cells import (
    Cell,
    Count,
    Round,
    before_and_after,
    came,
    must,
    new_port,
    new_tag,
)
from tests.system.sockets import echo_request, receiver, sender
from tests.system.tcp import connecting, listening, outcome

TTLS = (1, 2, 64, 254, 255)
GROUPS = {4: "239.1.2.3", 6: "ff05::1:3"}
VERSIONS = (4, 6)
ROUTER = {4: ROUTER4.ip, 6: ROUTER6.ip}
STATION = {4: NODE2_4.ip, 6: NODE2_6.ip}
HOST = {4: HOST4.ip, 6: HOST6.ip}
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}

Run = Callable[[Round], Awaitable[Count | None]]


def ttl_of(frame: bytes) -> int:
    """Of an Ethernet frame without a VLAN tag (RFC 791, RFC 8200)."""
    return frame[22] if frame[12:14] == b"\x08\x00" else frame[21]


def through_vpp(ttl: int, at: Round) -> int:
    """What a TTL of the host is on the wire after VPP: the limitation of this module's opening comment."""
    return 255 if at.taken_over and ttl == 254 else ttl


async def on_wire(at: Round, tag: bytes, wanted: int) -> Count:
    """The tagged frame leaves with that TTL and a right IPv4 header checksum; to be counted behind the fence."""
    frame = (await at.seen(at.wire, came(tag))).data
    must(ttl_of(frame), wanted, "TTL on the wire")
    if frame[12:14] == b"\x08\x00":
        words = struct.unpack("!10H", frame[14:34])
        must(sum(words) % 0xFFFF, 0, "the IPv4 header's sum")
    return lambda: len(at.wire.matching(came(tag)))


# ------------------------------------------------------------------------------------------------------ from the host


def udp_cell(place: str, version: int, address: IPAddress, ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        namespace = at.lab.wire if place == "router" else at.lab.node2
        tag, port = new_tag(), new_port()
        wanted = through_vpp(ttl, at)
        with receiver(namespace, version, port=port) as there, sender(at.lab.host, version, ttl=ttl) as here:
            here.socket.sendto(tag, (str(address), port))
            must((await there.wait(tag, at.within_s)).ttl, wanted, "TTL at the receiver")
            return await on_wire(at, tag, wanted)

    return Cell(f"from the host, UDP, IPv{version}, TTL {ttl}, to the {place}", run)


def link_local_cell(ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        with receiver(at.lab.wire, 6, port=port) as there, sender(at.lab.host, 6, ttl=ttl, link=NIC) as here:
            here.socket.sendto(tag, (str(layout.ROUTER_LINK_LOCAL), port))
            must((await there.wait(tag, at.within_s)).ttl, ttl, "hop limit at the receiver")
            return await on_wire(at, tag, ttl)

    return Cell(f"from the host, UDP, hop limit {ttl}, to the router's link-local address", run)


def group_cell(version: int, ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        group = GROUPS[version]
        with (
            receiver(at.lab.wire, version, link=LAN, port=port, groups=(group,)) as there,
            sender(at.lab.host, version, ttl=ttl, link=NIC) as here,
        ):
            here.socket.sendto(tag, (group, port))
            must((await there.wait(tag, at.within_s)).ttl, ttl, "TTL at the receiver")
            return await on_wire(at, tag, ttl)

    return Cell(f"from the host, UDP, IPv{version}, TTL {ttl}, to a group", run)


def syn_cell(version: int, ttl: int) -> Cell:
    """A real connection: its SYN has the checksum that the sender leaves to its NIC."""

    async def run(at: Round) -> None:
        port = new_port()
        wanted = through_vpp(ttl, at)
        with (
            receiver(at.lab.wire, version, socket.IPPROTO_TCP) as there,
            listening(at.lab.wire, version, port),
            connecting(at.lab.host, version, ttl, str(ROUTER[version]), port) as here,
        ):
            syn = await there.wait(struct.pack("!HH", here.getsockname()[1], port), at.within_s)
            must(syn.ttl, wanted, "TTL of the SYN")
            must(await outcome(here, at.within_s), 0, "the connection's end")

    return Cell(f"from the host, TCP connection, IPv{version}, TTL {ttl}", run)


def echo_cell(version: int, ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        tag = new_tag()
        wanted = through_vpp(ttl, at)
        with (
            receiver(at.lab.wire, version, ICMP[version]) as there,
            sender(at.lab.host, version, ICMP[version], ttl=ttl) as here,
        ):
            here.socket.sendto(echo_request(version, tag), (str(ROUTER[version]), 0))
            must((await there.wait(tag, at.within_s)).ttl, wanted, "TTL at the receiver")
            return await on_wire(at, tag, wanted)

    return Cell(f"from the host, ICMP echo, IPv{version}, TTL {ttl}", run)


def from_the_host() -> list[Cell]:
    cells = [link_local_cell(ttl) for ttl in TTLS]
    for version in VERSIONS:
        for ttl in TTLS:
            cells += [
                udp_cell("router", version, ROUTER[version], ttl),
                udp_cell("station", version, STATION[version], ttl),
                group_cell(version, ttl),
                syn_cell(version, ttl),
                echo_cell(version, ttl),
            ]
    return cells


# ---------------------------------------------------------------------------------------------------- towards the host


def to_host_cell(version: int, ttl: int, kind: str) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        link = None if kind == "unicast" else NIC
        groups = (GROUPS[version],) if kind == "group" else ()
        there = at.held.enter_context(receiver(at.lab.host, version, port=port, link=link, groups=groups))
        address = GROUPS[version] if kind == "group" else str(HOST[version])
        with sender(at.lab.wire, version, ttl=ttl, link=LAN if kind == "group" else None) as here:
            here.socket.sendto(tag, (address, port))
            must((await there.wait(tag, at.within_s)).ttl, ttl, "TTL at the host's socket")
        return lambda: there.count(tag)

    return Cell(f"to the host, UDP, IPv{version}, TTL {ttl}, {kind}", run)


def fragmented_cell(version: int, ttl: int) -> Cell:
    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        there = at.held.enter_context(receiver(at.lab.host, version, port=port))
        with sender(at.lab.wire, version, ttl=ttl) as here:
            here.socket.sendto(tag + bytes(2500), (str(HOST[version]), port))
            must(
                (await there.wait(tag, at.within_s)).ttl,
                ttl - (at.taken_over and version == 4),
                "TTL at the host's socket",
            )
        return lambda: there.count(tag)

    return Cell(f"to the host, UDP in two fragments, IPv{version}, TTL {ttl}", run)


def syn_to_host_cell(version: int, ttl: int) -> Cell:
    async def run(at: Round) -> None:
        port = new_port()
        with (
            receiver(at.lab.host, version, socket.IPPROTO_TCP) as there,
            listening(at.lab.host, version, port),
            connecting(at.lab.wire, version, ttl, str(HOST[version]), port) as here,
        ):
            syn = await there.wait(struct.pack("!HH", here.getsockname()[1], port), at.within_s)
            must(syn.ttl, ttl, "TTL of the SYN")
            must(await outcome(here, at.within_s), 0, "the connection's end")

    return Cell(f"to the host, TCP connection, IPv{version}, TTL {ttl}", run)


def towards_the_host() -> list[Cell]:
    cells = []
    for version in VERSIONS:
        for ttl in TTLS:
            cells += [to_host_cell(version, ttl, "unicast"), to_host_cell(version, ttl, "group")]
            cells += [syn_to_host_cell(version, ttl)]
        cells += [fragmented_cell(version, ttl) for ttl in (64, 255)]
    return cells


# ----------------------------------------------------------------------------------------------------------- traceroute


def hop_cell(version: int, ttl: int, offender: IPAddress) -> Cell:
    """The other node's pod is two routers away: the default route's router, and that node."""
    target = layout.POD2_4 if version == 4 else layout.POD2_6
    kind = 11 if version == 4 else 3

    async def run(at: Round) -> None:
        with sender(at.lab.host, version, ttl=ttl) as here:
            here.socket.sendto(b"where", (str(target), 33434 + ttl))
            error = await here.wait_error(at.within_s)
            must((error.kind, error.code), (kind, 0), "ICMP type and code")
            must(error.offender, str(offender), "who told that time was exceeded")

    return Cell(f"traceroute, IPv{version}: hop {ttl} is {offender}", run)


def last_hop_cell(version: int) -> Cell:
    target = layout.POD2_4 if version == 4 else layout.POD2_6
    unreachable = (3, 3) if version == 4 else (1, 4)

    async def run(at: Round) -> None:
        with sender(at.lab.host, version, ttl=3) as here:
            here.socket.sendto(b"where", (str(target), 33437))
            error = await here.wait_error(at.within_s)
            must((error.kind, error.code), unreachable, "ICMP type and code")
            must(error.offender, str(target), "who told that the port is closed")

    return Cell(f"traceroute, IPv{version}: hop 3 is the end", run)


def traceroutes() -> list[Cell]:
    cells = []
    for version in VERSIONS:
        cells += [hop_cell(version, 1, ROUTER[version]), hop_cell(version, 2, STATION[version])]
        cells += [last_hop_cell(version)]
    return cells


async def test_ttl_from_the_host(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, from_the_host())


async def test_ttl_towards_the_host_and_traceroute(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, [*towards_the_host(), *traceroutes()])
