"""IPv6: input, lookup (with a link-local table for each interface), what is for VPP itself, multicast, and the way out.

Two traps live here. A group is taken only by an interface that has IPv6 enabled: on others the packet fails the
multicast RPF check, which is what a host behind a merely unnumbered tap runs into. And TCP checksums of packets for
VPP are not looked at in IPv6, only those of UDP and ICMPv6.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin import classify, forwarding
from hostlink.lab.standin.forwarding import Forwarding, Kind
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.neighbours import NO_FIB_ENTRY, is_link_local
from hostlink.lab.standin.node_ethernet import complete_checksum, send_ip
from hostlink.lab.standin.node_icmp6 import HOP_LIMIT_EXCEEDED, PACKET_TOO_BIG, icmp6_error
from hostlink.lab.standin.node_nd import proxy_takes, solicit
from hostlink.lab.standin.packet import (
    ETHERNET_BYTES,
    ICMP6,
    TCP,
    UDP,
    Ip6,
    Packet,
    build_ip6,
    l4_checksum_valid,
    parse_ip6,
    with_hop_limit,
)

FRAGMENT, HOP_BY_HOP = 44, 0
MIN_MTU_BYTES = 1280
SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
GROUPS = tuple(bytes.fromhex("ff02") + bytes(13) + bytes([last]) for last in (1, 2, 0x16))
"""All nodes, all routers, all MLDv2 routers: taken with the solicited-node groups where IPv6 is enabled."""


@node("ip6-input")
def ip6_input(context: Context, packet: Packet) -> None:
    if len(packet.data) < 40:
        context.drop("ip6 length < 40")
        return
    if packet.data[0] >> 4 != 6:
        context.drop("ip6 version != 6")
        return
    header = parse_ip6(packet.data)
    if header.hop_limit < 1:
        icmp6_error(context, packet, HOP_LIMIT_EXCEEDED)
        context.drop("ip6 ttl <= 1")
        return
    state = context.state
    interface = state.interfaces.get(packet.rx)
    multicast = header.destination[0] == 0xFF
    if not multicast and not _input_acl(context, packet, interface.input_acl.get("ip6")):
        return
    if interface.ip6 is None and interface.unnumbered is None:
        state.error("ip6-not-enabled", "no error")
        return
    if interface.nd_proxy and proxy_takes(context, packet, header, multicast=multicast):
        return
    context.enqueue("ip6-mfib-forward-rpf" if multicast else "ip6-lookup", packet)


def _input_acl(context: Context, packet: Packet, index: int | None) -> bool:
    state = context.state
    if index is None or index not in state.classifier.tables:
        return True
    session, miss = state.classifier.lookup(index, packet.ethernet + packet.data, ETHERNET_BYTES)
    if (session.hit_next_index if session else miss) & 0xFFFF == classify.DENY:
        state.error("ip6-inacl", "ACL deny packets")
        return False
    if session is not None and session.action == classify.ACTION_SET_IP6_TABLE:
        packet.table_id = session.metadata
    return True


@node("ip6-mfib-forward-rpf")
def ip6_multicast(context: Context, packet: Packet) -> None:
    destination = packet.data[24:40]
    if destination not in GROUPS and destination[:13] != SOLICITED_NODE:
        context.state.error("ip6-drop", "no error")
    elif context.state.interfaces.get(packet.rx).ip6 is None:
        context.drop("Multicast RPF check failed")
    else:
        context.enqueue("ip6-local", packet)


@node("ip6-lookup")
def ip6_lookup(context: Context, packet: Packet) -> None:
    state = context.state
    header = parse_ip6(packet.data)
    table = state.fib.of_interface(6, packet.rx)
    if packet.table_id is not None:
        table = state.fib.find(6, packet.table_id) or table
    found = forwarding.lookup(state, table, header.destination, _flow(packet.data, header))
    if found.kind is Kind.LINK_LOCAL:
        found = link_local_lookup(context, packet.rx, header.destination)
    if found.kind is Kind.RECEIVE:
        context.enqueue("ip6-local", packet)
    else:
        dispatch(context, packet, found, header.destination)


def _flow(data: bytes, header: Ip6) -> int:
    ports = data[40:44] if header.next_header in (TCP, UDP) else b""
    return hash((header.source, header.destination, header.next_header, ports))


def link_local_lookup(context: Context, sw_if_index: int, destination: bytes) -> Forwarding:
    """In the link-local table of the interface: its own address, its neighbours; all else has to be resolved on it."""
    interface = context.state.interfaces.find(sw_if_index)
    if interface is None or interface.ip6 is None:
        return forwarding.DROP
    if destination == interface.ip6.link_local:
        return Forwarding(Kind.RECEIVE, sw_if_index)
    neighbour = context.state.neighbours.find(sw_if_index, destination)
    if neighbour is not None and not neighbour.flags & NO_FIB_ENTRY:
        return Forwarding(Kind.ADJACENCY, sw_if_index, destination)
    return Forwarding(Kind.GLEAN, sw_if_index)


def dispatch(context: Context, packet: Packet, found: Forwarding, destination: bytes) -> None:
    if found.kind is Kind.ADJACENCY:
        neighbour = context.state.neighbours.find(found.sw_if_index, found.next_hop)
        if neighbour is None:
            context.now = "ip6-discover-neighbor"
            solicit(context, found.sw_if_index, found.next_hop)
        else:
            rewrite(context, packet, found.sw_if_index, neighbour.mac)
    elif found.kind is Kind.GLEAN:
        context.now = "ip6-glean"
        solicit(context, found.sw_if_index, destination)
    elif found.kind in _ERRORS:
        icmp6_error(context, packet, _ERRORS[found.kind])
    else:
        context.state.error("ip6-drop", "no error")


_ERRORS = {Kind.UNREACHABLE: (1, 0, 0), Kind.PROHIBITED: (1, 1, 0)}


def rewrite(context: Context, packet: Packet, sw_if_index: int, mac: bytes) -> None:
    """VPP cuts only what it originates, and a punted packet counts as that; for others the sender is told."""
    context.now = "ip6-rewrite"
    aged = _aged(packet)
    if not packet.locally_originated and packet.data[7] <= 1:
        icmp6_error(context, aged, HOP_LIMIT_EXCEEDED)
        context.state.error("ip6-input", "ip6 ttl <= 1")
        return
    interface = context.state.interfaces.find(sw_if_index)
    mtu = interface.l3_mtu(6) if interface else 0
    if mtu < MIN_MTU_BYTES or _wire_bytes(packet) <= mtu:
        send_ip(context, aged, sw_if_index, mac)
        return
    context.state.error("ip6-input", "ip6 MTU exceeded")
    if not packet.locally_originated:
        icmp6_error(context, aged, (*PACKET_TOO_BIG, mtu))
        return
    for fragment in fragments(packet, mtu):
        send_ip(context, _aged(fragment), sw_if_index, mac)


def _aged(packet: Packet) -> Packet:
    if packet.locally_originated:
        return packet
    return replace(packet, data=with_hop_limit(packet.data, packet.data[7] - 1))


def _wire_bytes(packet: Packet) -> int:
    header = parse_ip6(packet.data)
    if packet.offload is None or not packet.offload.gso_size:
        return header.payload_bytes + 40
    return 40 + (packet.data[40 + 12] >> 4) * 4 + packet.offload.gso_size


class _Identification:
    value = 0


def fragments(packet: Packet, mtu: int) -> list[Packet]:
    """RFC 8200 fragments of a packet without extension headers. They lose one of their hops, punted or not, as in
    IPv4.
    """
    data = packet.data
    if packet.offload is not None:
        data = complete_checksum(bytes(ETHERNET_BYTES) + data, packet.offload)[ETHERNET_BYTES:]
    header = parse_ip6(data)
    if header.next_header == FRAGMENT:
        return []
    _Identification.value += 1
    payload, step = data[40 : 40 + header.payload_bytes], (mtu - 48) & ~7
    pieces = []
    for start in range(0, len(payload), step):
        piece = payload[start : start + step]
        more = start + step < len(payload)
        head = struct.pack(">BBHI", header.next_header, 0, start | more, _Identification.value & 0xFFFFFFFF)
        cut = build_ip6(header.source, header.destination, FRAGMENT, head + piece, header.hop_limit)
        pieces.append(replace(packet, data=cut, offload=None, locally_originated=False))
    return pieces


# ------------------------------------------------------------------------------------------------------------- for VPP


@node("ip6-local")
def ip6_local(context: Context, packet: Packet) -> None:
    header = parse_ip6(packet.data)
    reason = _refused(context, packet, header)
    if reason is not None:
        context.drop(reason)
    elif header.next_header == HOP_BY_HOP:
        context.state.error("ip6-local-hop-by-hop", "Unknown protocol ip6 local h-b-h packets dropped")
    elif header.next_header == FRAGMENT and not context.state.local_reassembly[6]:
        context.enqueue("ip6-punt", packet)  # as any protocol that nobody claims
    else:
        context.enqueue(_LOCAL.get(header.next_header, "ip6-punt"), packet)


_LOCAL = {ICMP6: "ip6-icmp-input", UDP: "ip6-udp-lookup", FRAGMENT: "ip6-local-full-reassembly"}


def _refused(context: Context, packet: Packet, header: Ip6) -> str | None:
    if header.next_header in (UDP, ICMP6):
        partial = packet.offload is not None and packet.offload.partial_checksum
        data = packet.data[: 40 + header.payload_bytes]
        no_checksum = header.next_header == UDP and data[46:48] == b"\0\0"
        valid = partial or no_checksum
        if not valid and not l4_checksum_valid(data, 40, header.source, header.destination, header.next_header):
            return "bad udp checksum" if header.next_header == UDP else "bad icmp checksum"
    if header.next_header == UDP and int.from_bytes(packet.data[44:46]) > header.payload_bytes:
        return "inconsistent udp/ip lengths"
    if header.next_header == ICMP6 or is_link_local(header.source):
        return None
    state = context.state
    back = forwarding.lookup(state, state.fib.of_interface(6, packet.rx), header.source)
    return "ip6 source lookup miss" if back.kind is Kind.DROP else None
