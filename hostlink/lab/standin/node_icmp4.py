"""ICMPv4: the echo that VPP answers itself (it has the ping plugin), the errors that it sends, and UDP to closed
ports.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin.forwarding import source_address
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.packet import ICMP, Packet, build_ip4, checksum, parse_ip4

ECHO_REPLY, ECHO_REQUEST = 0, 8
TTL_EXCEEDED = (11, 0, 0)
PORT_UNREACHABLE = (3, 3, 0)
FRAGMENTATION_NEEDED = (3, 4)
MAX_ERROR_BYTES = 576


@node("ip4-icmp-input")
def icmp4_input(context: Context, packet: Packet) -> None:
    header = parse_ip4(packet.data)
    if packet.data[header.header_bytes] == ECHO_REQUEST:
        context.enqueue("ip4-icmp-echo-request", packet)
    else:
        context.state.error("ip4-icmp-input", "unknown type")
        context.enqueue("ip4-punt", packet)


@node("ip4-icmp-echo-request")
def icmp4_echo_request(context: Context, packet: Packet) -> None:
    """The reply is the request turned round, and is looked up like any packet."""
    header = parse_ip4(packet.data)
    message = bytearray(packet.data[20 : header.total_bytes])
    message[0] = ECHO_REPLY
    message[2:4] = struct.pack(">H", _without(ECHO_REQUEST << 8, int.from_bytes(message[2:4])))
    field = struct.unpack_from(">H", packet.data, 6)[0]
    source, destination = header.destination, header.source
    reply = build_ip4(source, destination, ICMP, bytes(message), 64, header.identification, field)
    context.drop("Echo replies sent")
    context.enqueue("ip4-load-balance", replace(packet, data=reply, rx=0, locally_originated=True, offload=None))


def _without(word: int, old: int) -> int:
    """A checksum after a word of the message became 0 (RFC 1624): a wrong one stays wrong, as with VPP."""
    total = (~old & 0xFFFF) + (~word & 0xFFFF)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


@node("ip4-load-balance")
def ip4_load_balance(context: Context, packet: Packet) -> None:
    context.enqueue("ip4-lookup", packet)


def icmp4_error(context: Context, packet: Packet, what: tuple[int, int, int]) -> None:
    """Sends (type, code, data) about the packet back to its sender, with as much of it as fits in 576 bytes."""
    header = parse_ip4(packet.data)
    source = source_address(context.state, packet.rx, header.source)
    if source is None:
        context.state.error("ip4-icmp-error", "error message dropped")
        return
    kind, code, data = what
    message = struct.pack(">BBHI", kind, code, 0, data) + packet.data[: MAX_ERROR_BYTES - 28]
    message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
    error = build_ip4(source, header.source, ICMP, message)
    context.state.error("ip4-icmp-error", _SENT[kind])
    context.enqueue("ip4-lookup", Packet(error, packet.rx, locally_originated=True, table_id=packet.table_id))


_SENT = {
    3: "destination unreachable response sent",
    11: "hop limit exceeded response sent",
    12: "parameter problem response sent",
}


@node("ip4-udp-lookup")
def udp4_lookup(context: Context, packet: Packet) -> None:
    header = parse_ip4(packet.data)
    (port,) = struct.unpack_from(">H", packet.data, header.header_bytes + 2)
    if context.state.punted_ports.punts_udp(4, port):
        context.enqueue("ip4-punt", packet)
    else:
        context.drop("No listener for dst port")
        icmp4_error(context, packet, PORT_UNREACHABLE)
