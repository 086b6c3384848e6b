"""Protocols beside TCP and UDP, ICMP errors, IPv4 options and IPv6 extension headers, to and from the host.

Known limitations, asserted as they are (VPP 26.06, and the stand-in does the same): unicast of the host with IPv4
options does not leave, since VPP punts it instead of forwarding (`ip4-options`); unicast for the host with IPv6
hop-by-hop options does not arrive (`ip6-local-hop-by-hop`). The other ways pass, and so do destination options.
"""

from __future__ import annotations

import errno
import socket
import struct

from scapy.layers.inet import ICMP, IP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    HBHOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import GRE
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.packet import Packet, Raw

from hostlink.core.model import IPAddress
from hostlink.lab.layout import HOST4, HOST6, POD2_4, POD2_6, ROUTER4, ROUTER6
from hostlink.lab.stage import Dataplane
from tests.system.cells import Cell, Count, Round, before_and_after, must, new_port, new_tag
from tests.system.sockets import receiver, sender
from tests.system.tcp import connecting, outcome

HOST = {4: HOST4.ip, 6: HOST6.ip}
ROUTER = {4: ROUTER4.ip, 6: ROUTER6.ip}
VERSIONS = (4, 6)

_INNER = IP(src="10.1.0.1", dst="10.1.0.2", ttl=33) / UDP(sport=9, dport=9)
_INNER6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=33) / UDP(sport=9, dport=9)
PROTOCOLS: dict[str, tuple[int, Packet]] = {
    "IPIP": (4, _INNER),
    "IPv6 inside": (41, _INNER6),
    "RSVP": (46, Raw(bytes.fromhex("1002000040000008"))),
    "GRE, IPv4 inside": (47, GRE(proto=0x0800) / _INNER),
    "GRE, key and IPv6 inside": (47, GRE(proto=0x86DD, key_present=1, key=7) / _INNER6),
    "ESP": (50, Raw(struct.pack("!II", 0x1234, 1) + bytes(range(64)))),
    "AH": (51, Raw(struct.pack("!BBHII", 17, 4, 0, 0x1234, 1) + bytes(12))),
    "OSPF, unicast": (89, Raw(bytes.fromhex("0202002cc0a8000100000000") + bytes(32))),
    "PIM, unicast": (103, Raw(bytes.fromhex("2100dfff00000000"))),
    "VRRP, unicast": (112, Raw(bytes.fromhex("2107640100010000c0a80009"))),
    "L2TPv3": (115, Raw(struct.pack("!II", 77, 0) + bytes(20))),
    "SCTP": (132, SCTP(sport=7, dport=9, tag=1) / SCTPChunkData(data=b"data")),
    "one for experiments": (253, Raw(b"something else")),
}


def protocol_cell(name: str, version: int, ttl: int, *, outwards: bool) -> Cell:
    protocol, content = PROTOCOLS[name]

    async def run(at: Round) -> Count:
        tag = new_tag()
        payload = bytes(content / Raw(tag))
        here, there = (at.lab.host, at.lab.wire) if outwards else (at.lab.wire, at.lab.host)
        address = ROUTER[version] if outwards else HOST[version]
        listener = at.held.enter_context(receiver(there, version, protocol))
        with sender(here, version, protocol, ttl=ttl) as speaker:
            speaker.socket.sendto(payload, (str(address), 0))
        got = await listener.wait(tag, at.within_s)
        must(got.ttl, ttl, "TTL at the socket")
        must(got.data[20:] if version == 4 else got.data, payload, "what arrived")
        return lambda: listener.count(tag)

    return Cell(f"{'from' if outwards else 'to'} the host: {name}, IPv{version}, TTL {ttl}", run)


# ---------------------------------------------------------------------------------------------------------- ICMP errors


def closed_udp_cell(version: int, *, outwards: bool) -> Cell:
    """outwards: the host asks, and the router's answer comes in."""

    async def run(at: Round) -> None:
        here, address = (at.lab.host, ROUTER[version]) if outwards else (at.lab.wire, HOST[version])
        with sender(here, version) as asker:
            asker.socket.connect((str(address), new_port()))
            asker.socket.send(b"is anybody there")
            error = await asker.wait_error(at.within_s)
        must((error.kind, error.code), (3, 3) if version == 4 else (1, 4), "ICMP type and code")
        must((error.errno, error.offender), (errno.ECONNREFUSED, str(address)), "errno and who says so")

    return Cell(f"a closed UDP port of the {'router' if outwards else 'host'} is told, IPv{version}", run)


def closed_tcp_cell(version: int, *, outwards: bool) -> Cell:
    async def run(at: Round) -> None:
        here, address = (at.lab.host, ROUTER[version]) if outwards else (at.lab.wire, HOST[version])
        with connecting(here, version, 64, str(address), new_port()) as asker:
            must(errno.errorcode.get(await outcome(asker, at.within_s)), "ECONNREFUSED", "how connecting ended")

    return Cell(f"a closed TCP port of the {'router' if outwards else 'host'} is refused, IPv{version}", run)


ERRORS = {
    4: ((3, 0), (3, 1), (3, 3), (3, 9), (3, 10), (3, 13), (11, 0), (12, 0)),
    6: ((1, 0), (1, 1), (1, 3), (1, 4), (3, 0), (3, 1), (4, 1)),
}
"""RFC 792, RFC 1812 5.2.7.1, RFC 4443: unreachable (network, host, port, prohibited), time exceeded, bad parameter."""


def error_cell(version: int, kind: int, code: int) -> Cell:
    """A socket of the host sends to somewhere beyond, and the router says what is wrong with it."""
    beyond = POD2_4 if version == 4 else POD2_6

    async def run(at: Round) -> None:
        with sender(at.lab.host, version, ttl=64, source=HOST[version], port=(port := new_port())) as asker:
            asker.socket.connect((str(beyond), 9))
            message = icmp_error(version, kind, code, datagram(version, HOST[version], beyond, port))
            with sender(at.lab.wire, version, 1 if version == 4 else 58) as router:
                router.socket.sendto(message, (str(HOST[version]), 0))
            error = await asker.wait_error(at.within_s)
        must((error.kind, error.code), (kind, code), "ICMP type and code")
        must(error.offender, str(ROUTER[version]), "who says so")

    return Cell(f"ICMPv{version} error {kind}/{code} of the router reaches the host's socket", run)


def datagram(version: int, source: IPAddress, target: IPAddress, port: int) -> bytes:
    layer = IP if version == 4 else IPv6
    return bytes(layer(src=str(source), dst=str(target)) / UDP(sport=port, dport=9) / Raw(b"sent before"))


def icmp_error(version: int, kind: int, code: int, about: bytes) -> bytes:
    """IPv4 with its checksum; that of ICMPv6 the kernel fills in."""
    if version == 4:
        return bytes(ICMP(type=kind, code=code) / Raw(about))
    return struct.pack("!BBHI", kind, code, 0, 0) + about


# --------------------------------------------------------------------------------------- options and extension headers

_UNKNOWN = HBHOptUnknown(otype=0x1E, optdata=b"1234")
"""An option for experiments (RFC 4727), to be skipped by who does not know it."""
EXTENDED = {
    "IPv4 router alert": IP(options=[IPOption_Router_Alert()]),
    "IPv6 destination options": IPv6() / IPv6ExtHdrDestOpt(options=[_UNKNOWN]),
    "IPv6 hop-by-hop options": IPv6() / IPv6ExtHdrHopByHop(options=[_UNKNOWN]),
}
NOT_THROUGH_VPP = {("IPv4 router alert", True), ("IPv6 hop-by-hop options", False)}
"""(which, outwards): see the module's opening."""


def extended_cell(name: str, *, outwards: bool) -> Cell:
    version = 4 if name.startswith("IPv4") else 6

    async def run(at: Round) -> Count:
        tag, port = new_tag(), new_port()
        here, there = (at.lab.host, at.lab.wire) if outwards else (at.lab.wire, at.lab.host)
        source, target = (HOST, ROUTER) if outwards else (ROUTER, HOST)
        packet = EXTENDED[name].copy()
        packet.src, packet.dst = str(source[version]), str(target[version])
        whole = bytes(packet / UDP(sport=9, dport=port) / Raw(tag))
        listener = at.held.enter_context(receiver(there, version, port=port))
        with sender(here, version, socket.IPPROTO_RAW, own_header=True) as speaker:
            speaker.socket.sendto(whole, (str(target[version]), 0))
        if at.taken_over and (name, outwards) in NOT_THROUGH_VPP:
            return lambda: 1 + listener.count(tag)
        must((await listener.wait(tag, at.within_s)).ttl, 64, "TTL at the socket")
        return lambda: listener.count(tag)

    return Cell(f"{'from' if outwards else 'to'} the host: {name}", run)


async def test_other_protocols(dataplane: Dataplane) -> None:
    cells = [
        protocol_cell(name, version, ttl, outwards=way)
        for name in PROTOCOLS
        for version in VERSIONS
        for way in (True, False)
        for ttl in (1, 255)
    ]
    await before_and_after(dataplane, cells)


async def test_errors_options_and_extension_headers(dataplane: Dataplane) -> None:
    cells = [
        make(version, outwards=way)
        for make in (closed_udp_cell, closed_tcp_cell)
        for version in VERSIONS
        for way in (True, False)
    ]
    cells += [error_cell(version, kind, code) for version in VERSIONS for kind, code in ERRORS[version]]
    cells += [extended_cell(name, outwards=way) for name in EXTENDED for way in (True, False)]
    await before_and_after(dataplane, cells)
