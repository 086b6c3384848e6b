"""IPv4: input checks, lookup, what is for VPP itself, and the way out by rewrite.

What is for VPP and is not TCP, UDP or ICMP that VPP answers goes to the punt path; what has no route is dropped and
is not punted. The TTL of what is forwarded goes down by one, that of what is punted is left alone.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin import classify, forwarding
from hostlink.lab.standin.forwarding import Forwarding, Kind
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.node_arp import ask
from hostlink.lab.standin.node_ethernet import complete_checksum, send_ip
from hostlink.lab.standin.node_icmp4 import FRAGMENTATION_NEEDED, TTL_EXCEEDED, icmp4_error
from hostlink.lab.standin.packet import (
    BROADCAST,
    ETHERNET_BYTES,
    ICMP,
    TCP,
    UDP,
    Ip4,
    Offload,
    Packet,
    build_ip4,
    checksum,
    l4_checksum_valid,
    parse_ip4,
    with_ttl,
)

LIMITED_BROADCAST = b"\xff" * 4


@node("ip4-input")
def ip4_input(context: Context, packet: Packet) -> None:
    reason = _malformed(packet.data)
    if reason is not None:
        context.drop(reason)
        return
    header = parse_ip4(packet.data)
    if header.ttl < 1:
        icmp4_error(context, packet, TTL_EXCEEDED)
        context.drop("ip4 ttl <= 1")
        return
    if header.header_bytes > 20:
        _options(context, packet, header)
        return
    interface = context.state.interfaces.get(packet.rx)
    multicast = header.destination[0] & 0xF0 == 0xE0
    if not multicast and not _input_acl(context, packet, interface.input_acl.get("ip4")):
        return
    if not context.state.interfaces.ip4_enabled(interface):
        context.state.error("ip4-not-enabled", "no error")
        return
    context.enqueue("ip4-mfib-forward-lookup" if multicast else "ip4-lookup", packet)


def _malformed(data: bytes) -> str | None:
    if len(data) < 20:
        return "ip4 length < 20"
    if data[0] >> 4 != 4:
        return "ip4 version != 4"
    header = parse_ip4(data)
    if header.header_bytes < 20:
        return "ip4 header too short"
    if header.fragment_offset == 1:
        return "ip4 fragment offset == 1"
    if header.total_bytes < 20:
        return "ip4 length < 20"
    if header.total_bytes > len(data):
        return "ip4 length > l2 length"
    if checksum(data[: header.header_bytes]) != 0:
        return "bad ip4 checksum"
    return None


def _options(context: Context, packet: Packet, header: Ip4) -> None:
    """A header with options is punted, but IGMP with router alert is VPP's own."""
    router_alert = packet.data[20] & 0x7F == 20 and packet.data[21] == 4
    context.enqueue("ip4-local" if router_alert and header.protocol == 2 else "ip4-punt", packet)


def _input_acl(context: Context, packet: Packet, index: int | None) -> bool:
    """False when the classifier dropped the packet; it may choose the packet's table."""
    state = context.state
    if index is None or index not in state.classifier.tables:
        return True
    session, miss = state.classifier.lookup(index, packet.ethernet + packet.data, ETHERNET_BYTES)
    if (session.hit_next_index if session else miss) & 0xFFFF == classify.DENY:
        state.error("ip4-inacl", "ACL deny packets")
        return False
    if session is not None and session.action == classify.ACTION_SET_IP4_TABLE:
        packet.table_id = session.metadata
    return True


@node("ip4-lookup")
def ip4_lookup(context: Context, packet: Packet) -> None:
    state = context.state
    header = parse_ip4(packet.data)
    table = state.fib.of_interface(4, packet.rx)
    if packet.table_id is not None:
        table = state.fib.find(4, packet.table_id) or table
    found = forwarding.lookup(state, table, header.destination, _flow(packet.data, header))
    if found.kind is Kind.RECEIVE:
        context.enqueue("ip4-local", packet)
    else:
        dispatch(context, packet, found, header.destination)


def _flow(data: bytes, header: Ip4) -> int:
    ports = data[20:24] if header.protocol in (TCP, UDP) and not header.fragment else b""
    return hash((header.source, header.destination, header.protocol, ports))


def dispatch(context: Context, packet: Packet, found: Forwarding, destination: bytes) -> None:
    """What is not for VPP: out, or resolved first, or answered with an error, or dropped."""
    if found.kind is Kind.ADJACENCY:
        neighbour = context.state.neighbours.find(found.sw_if_index, found.next_hop)
        if neighbour is None:
            context.now = "ip4-arp"
            ask(context, found.sw_if_index, found.next_hop)
        else:
            rewrite(context, packet, found.sw_if_index, neighbour.mac)
    elif found.kind is Kind.GLEAN:
        context.now = "ip4-glean"
        ask(context, found.sw_if_index, destination, found.connected)
    elif found.kind is Kind.BROADCAST:
        rewrite(context, packet, found.sw_if_index, BROADCAST)
    elif found.kind in _ERRORS:
        icmp4_error(context, packet, _ERRORS[found.kind])
    else:
        context.state.error("ip4-drop", "no error")


_ERRORS = {Kind.UNREACHABLE: (3, 1, 0), Kind.PROHIBITED: (3, 10, 0)}


def rewrite(context: Context, packet: Packet, sw_if_index: int, mac: bytes) -> None:
    """Down with the TTL, within the MTU, out."""
    context.now = "ip4-rewrite"
    header = parse_ip4(packet.data)
    if not packet.locally_originated and header.ttl <= 1:
        icmp4_error(context, _aged(packet), TTL_EXCEEDED)
        context.state.error("ip4-input", "ip4 ttl <= 1")
        return
    interface = context.state.interfaces.find(sw_if_index)
    mtu = interface.l3_mtu(4) if interface else 0
    if mtu and _wire_bytes(packet, header) > mtu:
        context.state.error("ip4-input", "ip4 MTU exceeded and DF set" if header.dont_fragment else "ip4 MTU exceeded")
        if header.dont_fragment:
            icmp4_error(context, packet, (*FRAGMENTATION_NEEDED, mtu))
            return
        for fragment in fragments(packet, mtu):
            send_ip(context, _aged(fragment), sw_if_index, mac)
        return
    send_ip(context, _aged(packet), sw_if_index, mac)


def _aged(packet: Packet) -> Packet:
    if packet.locally_originated:
        return packet
    return replace(packet, data=with_ttl(packet.data, packet.data[8] - 1))


def _wire_bytes(packet: Packet, header: Ip4) -> int:
    """What the largest packet will have on the wire: for a frame that the device cuts, that of a piece."""
    if packet.offload is None or not packet.offload.gso_size:
        return header.total_bytes
    l4_bytes = (packet.data[header.header_bytes + 12] >> 4) * 4
    return header.header_bytes + l4_bytes + packet.offload.gso_size


def fragments(packet: Packet, mtu: int) -> list[Packet]:
    """RFC 791 fragments, each no larger than the MTU; the checksum that a NIC was to complete is completed first.

    That VPP originated or punted the packet is forgotten: its pieces lose one of their TTL (VPP 26.06, run).
    """
    data = packet.data
    if packet.offload is not None:
        data = complete_checksum(bytes(ETHERNET_BYTES) + data, packet.offload)[ETHERNET_BYTES:]
    header = parse_ip4(data)
    payload, step = data[header.header_bytes : header.total_bytes], (mtu - 20) & ~7
    identification = header.identification if header.fragment else _next_identification()
    pieces = []
    for start in range(0, len(payload), step):
        piece = payload[start : start + step]
        more = header.more_fragments or start + step < len(payload)
        field = (0x2000 if more else 0) | (header.fragment_offset + start // 8)
        cut = build_ip4(header.source, header.destination, header.protocol, piece, header.ttl, identification, field)
        pieces.append(replace(packet, data=_with_tos(cut, data[1]), offload=None, locally_originated=False))
    return pieces


def _with_tos(data: bytes, tos: int) -> bytes:
    if not tos:
        return data
    header = bytes([data[0], tos]) + data[2:10] + b"\0\0" + data[12:20]
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + data[20:]


class _Identification:
    value = 0


def _next_identification() -> int:
    """VPP numbers what it cuts by a counter of its own, whatever the sender's number was."""
    _Identification.value = (_Identification.value + 1) & 0xFFFF
    return _Identification.value


# ------------------------------------------------------------------------------------------------------------- for VPP


@node("ip4-local")
def ip4_local(context: Context, packet: Packet) -> None:
    header = parse_ip4(packet.data)
    if header.fragment and not context.state.local_reassembly[4]:
        context.state.error("ip4-drop", "no error")
        return
    if header.fragment:
        context.enqueue("ip4-local-full-reassembly", packet)
        return
    reason = _refused(context, packet, header)
    if reason is not None:
        context.drop(reason)
    else:
        context.enqueue(_LOCAL.get(header.protocol, "ip4-punt"), packet)


_LOCAL = {ICMP: "ip4-icmp-input", UDP: "ip4-udp-lookup"}


def _refused(context: Context, packet: Packet, header: Ip4) -> str | None:
    if header.protocol in (TCP, UDP) and not _partial(packet.offload) and not _l4_valid(packet, header):
        return "bad tcp checksum" if header.protocol == TCP else "bad udp checksum"
    if header.protocol == UDP and udp_bytes(packet.data, header.header_bytes) > header.total_bytes:
        return "inconsistent udp/ip lengths"
    state = context.state
    table = state.fib.of_interface(4, packet.rx)
    back = forwarding.lookup(state, table, header.source)
    if back.kind is Kind.RECEIVE:
        return "ip4 spoofed local-address packet drops"
    if back.kind is Kind.DROP and header.destination != LIMITED_BROADCAST:
        return "ip4 source lookup miss"
    return None


def udp_bytes(data: bytes, header_bytes: int) -> int:
    """What the UDP header says of its length."""
    return int.from_bytes(data[header_bytes + 4 : header_bytes + 6])


def _l4_valid(packet: Packet, header: Ip4) -> bool:
    data = packet.data[: header.total_bytes]
    return l4_checksum_valid(data, header.header_bytes, header.source, header.destination, header.protocol)


def _partial(offload: Offload | None) -> bool:
    return offload is not None and offload.partial_checksum


@node("ip4-mfib-forward-lookup")
def ip4_multicast(context: Context, packet: Packet) -> None:
    """All-hosts and all-routers are VPP's own on every IPv4 interface; other groups need a route that is not there."""
    destination = packet.data[16:20]
    if destination in (bytes([224, 0, 0, 1]), bytes([224, 0, 0, 2])):
        context.enqueue("ip4-local", packet)
    else:
        context.state.error("ip4-drop", "no error")
