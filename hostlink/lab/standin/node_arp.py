"""ARP (RFC 826) as VPP answers it: own addresses, proxied ranges, and learning.

The order matters and is VPP's: a sender whose address is VPP's own is not answered, except by the proxy, which is how a
host that shares VPP's address resolves anybody at all.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hostlink.lab.standin.fib import ADJACENCY, ATTACHED, CONNECTED, DEFAULT_ROUTE, LOCAL, Entry, Table
from hostlink.lab.standin.forwarding import Forwarding, Kind, resolve, source_address
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.packet import ARP, BROADCAST, Packet, ethernet_header

REQUEST, REPLY = 1, 2
VRRP_PREFIX = bytes.fromhex("00005e0001")


@dataclass(frozen=True, slots=True)
class Arp:
    operation: int
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes


def parse(data: bytes) -> Arp | None:
    """None when it is not ARP for IPv4 over Ethernet."""
    if len(data) < 28 or data[:6] != b"\0\x01\x08\0\x06\x04":
        return None
    (operation,) = struct.unpack_from(">H", data, 6)
    return Arp(operation, data[8:14], data[14:18], data[18:24], data[24:28])


def build(arp: Arp) -> bytes:
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, arp.operation)
    return head + arp.sender_mac + arp.sender + arp.target_mac + arp.target


@node("arp-input")
def arp_input(context: Context, packet: Packet) -> None:
    arp = parse(packet.data)
    if arp is None:
        context.drop("L2/L3 type not IP4 over ethernet")
        return
    if not any(arp.sender):
        context.drop("IP4 destination address is unset")
        return
    interface = context.state.interfaces.get(packet.rx)
    if context.state.interfaces.ip4_enabled(interface):
        context.enqueue("arp-reply", packet)
    elif interface.proxy_arp:
        context.enqueue("arp-proxy", packet)
    else:
        context.state.error("arp-disabled", "ARP Disabled on this interface")


@node("arp-reply")
def arp_reply(context: Context, packet: Packet) -> None:
    arp = parse(packet.data)
    assert arp is not None
    state = context.state
    table = state.fib.of_interface(4, packet.rx)
    destination = table.lookup(arp.target)
    connected = resolving_interface(context, table, destination)
    source = _attached_source(table, arp.sender)
    if source == "local":
        _next_feature(context, packet, "IP4 source address matches local interface")
    elif source is None and not _unnumbered_to(context, packet.rx, connected):
        context.drop("IP4 source address not local to subnet")
    else:
        _answer(context, packet, arp, destination, connected, source if isinstance(source, Entry) else None)


def _answer(
    context: Context, packet: Packet, arp: Arp, destination: Entry, connected: int, source: Entry | None
) -> None:
    state = context.state
    table = state.fib.of_interface(4, packet.rx)
    if ADJACENCY in destination.sources:
        if connected != packet.rx:
            _next_feature(context, packet, "IP4 destination address not local to subnet")
            return
        if arp.sender == arp.target:
            state.neighbours.learn(packet.rx, arp.sender, arp.sender_mac)
        _next_feature(context, packet, "ARP replies sent")
        return
    flags = next((s.flags for s in destination.sources.values() if s.flags & CONNECTED), None)
    if flags is None:
        _next_feature(context, packet, "IP4 destination address not local to subnet")
        return
    local = bool(flags & LOCAL)
    is_vrrp = arp.operation == REPLY and arp.sender_mac[:5] == VRRP_PREFIX
    if packet.source_mac != arp.sender_mac and not is_vrrp:
        context.drop("ARP hw addr does not match L2 frame src addr")
        return
    if arp.operation == REPLY:
        if local:
            state.neighbours.learn(packet.rx, arp.sender, arp.sender_mac)
            _next_feature(context, packet, "ARP request IP4 source address learned")
        else:
            _next_feature(context, packet, "IP4 destination address not local to subnet")
        return
    if not local:
        _next_feature(context, packet, "ARP replies sent")
        return
    source_interface = resolving_interface(context, table, source) if source else NONE
    elsewhere = packet.rx not in (connected,) or packet.rx != source_interface
    if elsewhere and not _unnumbered_to(context, packet.rx, connected):
        context.drop("RX interface is unnumbered to different subnet")
        return
    if arp.sender == arp.target:
        context.drop("ARP probe or announcement dropped")
        return
    _reply(context, packet, arp)
    state.neighbours.learn(packet.rx, arp.sender, arp.sender_mac)


def _attached_source(table: Table, sender: bytes) -> Entry | str | None:
    """The entry that makes the sender a direct neighbour; "local" when it uses VPP's own address; else None."""
    for entry in table.covering(sender):
        for source in entry.sources.values():
            if source.flags & LOCAL:
                return "local"
            if source.flags & (ATTACHED | CONNECTED):
                return entry
        if DEFAULT_ROUTE in entry.sources:
            return None
    return None


def resolving_interface(context: Context, table: Table, entry: Entry) -> int:
    """The interface that an entry's paths lead to, whether or not it is up; ~0 for none."""
    _, source = context.state.fib.best(table, entry)
    for path in source.paths:
        if path.sw_if_index != NONE:
            return path.sw_if_index
    forwarding: Forwarding = resolve(context.state, table, entry)
    return forwarding.sw_if_index if forwarding.kind is not Kind.DROP else NONE


def _unnumbered_to(context: Context, sw_if_index: int, lender: int) -> bool:
    return context.state.interfaces.get(sw_if_index).unnumbered == lender


def _next_feature(context: Context, packet: Packet, reason: str) -> None:
    if context.state.interfaces.get(packet.rx).proxy_arp:
        context.enqueue("arp-proxy", packet)
    else:
        context.drop(reason)


@node("arp-proxy")
def arp_proxy(context: Context, packet: Packet) -> None:
    """Answers once for each range that holds the target, each time over the answer before: ranges must not overlap."""
    arp = parse(packet.data)
    assert arp is not None
    table_id = context.state.interfaces.get(packet.rx).table4
    held = [r for r in context.state.proxy_arp if r.table_id == table_id and r.low <= arp.target <= r.high]
    if arp.operation != REQUEST or not held:
        context.drop("ARP replies sent")
    elif len(held) == 1:
        _reply(context, packet, arp)
    else:
        _spoilt_reply(context, packet, arp, len(held))


def _spoilt_reply(context: Context, packet: Packet, arp: Arp, times: int) -> None:
    """What several ranges make of an answer: sender and target changed places each time, behind one more header."""
    mac = context.state.interfaces.get(packet.rx).mac
    for _ in range(times):
        arp = Arp(REPLY, mac, arp.target, arp.sender_mac, arp.sender)
    headers = ethernet_header(mac, mac, ARP) * (times - 1) + ethernet_header(packet.source_mac, mac, ARP)
    context.send(packet.rx, headers + build(arp))


def _reply(context: Context, packet: Packet, arp: Arp) -> None:
    mac = context.state.interfaces.get(packet.rx).mac
    answer = build(Arp(REPLY, mac, arp.target, arp.sender_mac, arp.sender))
    context.send(packet.rx, ethernet_header(packet.source_mac, mac, ARP) + answer)


def ask(context: Context, sw_if_index: int, target: bytes, connected: bytes = b"") -> None:
    """Asks who has the target; drops (and says so) when the interface has no address to ask with."""
    source = connected or source_address(context.state, sw_if_index, target)
    interface = context.state.interfaces.find(sw_if_index)
    if source is None or interface is None:
        context.drop("no source address for ARP request")
        return
    request = build(Arp(REQUEST, interface.mac, source, bytes(6), target))
    context.drop("ARP requests sent")
    context.send(sw_if_index, ethernet_header(BROADCAST, interface.mac, ARP) + request)


@node("ip4-arp-probe")
def arp_probe(context: Context, wanted: Packet) -> None:
    """Asks for a next hop without a packet; `wanted` carries the address. Only where the interface has a prefix."""
    interface = context.state.interfaces.find(wanted.rx)
    if interface is not None and interface.up and interface.unnumbered is None and interface.addresses4:
        ask(context, wanted.rx, wanted.data)
