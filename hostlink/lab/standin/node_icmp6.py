"""ICMPv6 for VPP: the echo that it answers itself, the errors that it sends, and UDP to closed ports.

What VPP does not handle is punted; router advertisements are the exception, they are always dropped.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin.forwarding import source_address
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.packet import Packet, build_icmp6, parse_ip6

ECHO_REQUEST, ECHO_REPLY = 128, 129
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
REDIRECT = 137
HOP_LIMIT_EXCEEDED = (3, 0, 0)
PORT_UNREACHABLE = (1, 4, 0)
PACKET_TOO_BIG = (2, 0)
MAX_ERROR_BYTES = 1280
_ND_BYTES = {
    ROUTER_SOLICITATION: 8,
    ROUTER_ADVERTISEMENT: 16,
    NEIGHBOUR_SOLICITATION: 24,
    NEIGHBOUR_ADVERTISEMENT: 24,
    REDIRECT: 40,
}
"""Shortest message of those that must come with hop limit 255."""


@node("ip6-icmp-input")
def icmp6_input(context: Context, packet: Packet) -> None:
    header = parse_ip6(packet.data)
    kind, code = packet.data[40], packet.data[41]
    following = _TYPES.get(kind)
    least = _ND_BYTES.get(kind, 4)
    if following is None:
        reason = "unknown type"
    elif code:
        reason = "invalid code for type"
    elif kind in _ND_BYTES and header.hop_limit < 255:
        reason = "hop_limit != 255"
    elif header.payload_bytes < least:
        reason = "payload length too small for type"
    else:
        context.enqueue(following, packet)
        return
    context.drop(reason)
    context.enqueue("ip6-punt", packet)


_TYPES = {
    ECHO_REQUEST: "ip6-icmp-echo-request",
    ROUTER_SOLICITATION: "icmp6-router-solicitation",
    ROUTER_ADVERTISEMENT: "icmp6-router-advertisement",
    NEIGHBOUR_SOLICITATION: "icmp6-neighbor-solicitation",
    NEIGHBOUR_ADVERTISEMENT: "icmp6-neighbor-advertisement",
}


@node("ip6-icmp-echo-request")
def icmp6_echo_request(context: Context, packet: Packet) -> None:
    header = parse_ip6(packet.data)
    message = bytes([ECHO_REPLY]) + packet.data[41:]
    source = header.destination
    reply = build_icmp6(source, header.source, message[: header.payload_bytes], 64)
    context.state.error("ip6-icmp-input", "Echo replies sent")
    context.enqueue("ip6-lookup", replace(packet, data=reply, locally_originated=True, offload=None))


def icmp6_error(context: Context, packet: Packet, what: tuple[int, int, int]) -> None:
    """Sends (type, code, data) about the packet back to its sender, with as much of it as fits in 1280 bytes."""
    header = parse_ip6(packet.data)
    source = source_address(context.state, packet.rx, header.source)
    if source is None:
        context.state.error("ip6-icmp-error", "error message dropped")
        return
    kind, code, data = what
    message = struct.pack(">BBHI", kind, code, 0, data) + packet.data[: MAX_ERROR_BYTES - 48]
    context.state.error("ip6-icmp-error", _SENT[kind])
    error = build_icmp6(source, header.source, message)
    context.enqueue("ip6-lookup", Packet(error, packet.rx, locally_originated=True))


_SENT = {
    1: "destination unreachable response sent",
    2: "packet too big response sent",
    3: "hop limit exceeded response sent",
}


@node("ip6-udp-lookup")
def udp6_lookup(context: Context, packet: Packet) -> None:
    (port,) = struct.unpack_from(">H", packet.data, 42)
    if context.state.punted_ports.punts_udp(6, port):
        context.enqueue("ip6-punt", packet)
    else:
        context.drop("No listener for dst port")
        icmp6_error(context, packet, PORT_UNREACHABLE)
