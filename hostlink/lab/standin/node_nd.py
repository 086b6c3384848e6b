"""Neighbour discovery (RFC 4861) as VPP does it: own addresses, the proxy, learning, and router messages.

The proxy is a mirror: on its interface it answers solicitations for any address, but not those that come from a
link-local source. It also takes every unicast solicitation and advertisement to an address that VPP has, and
answers it with an advertisement, which is why VPP never learns from what the host answers. Advertisements that
answer VPP's own solicitations are learnt from and then punted: without an output ACL the host gets them, and learns
MACs that VPP refuses.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin import fib as fibs
from hostlink.lab.standin.forwarding import Kind, lookup, source_address
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.neighbours import NO_FIB_ENTRY, is_link_local
from hostlink.lab.standin.node_arp import resolving_interface
from hostlink.lab.standin.node_icmp6 import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from hostlink.lab.standin.packet import (
    ICMP6,
    IPV6,
    Ip6,
    Packet,
    build_icmp6,
    ethernet_header,
    multicast_mac,
    parse_ip6,
)

SOURCE_LINK_LAYER, TARGET_LINK_LAYER, MTU_OPTION = 1, 2, 5
ALL_NODES = bytes.fromhex("ff02") + bytes(13) + b"\x01"
SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
UNSPECIFIED = bytes(16)
FLAG_ROUTER, FLAG_SOLICITED, FLAG_OVERRIDE = 0x80000000, 0x40000000, 0x20000000
MIN_DELAY_BETWEEN_ADVERTISEMENTS_S = 3


def _option(message: bytes, kind: int, after: int = 24) -> bytes | None:
    """The MAC in a link-layer option, if that is the only option and of that kind."""
    if len(message) != after + 8 or message[after : after + 2] != bytes([kind, 1]):
        return None
    return message[after + 2 : after + 8]


def _message(packet: Packet) -> bytes:
    (length,) = struct.unpack_from(">H", packet.data, 4)
    return packet.data[40 : 40 + length]


# -------------------------------------------------------------------------------------------------------- asking


def solicit(context: Context, sw_if_index: int, target: bytes, source: bytes | None = None) -> None:
    """Asks for a neighbour, with the interface's link-local unless told otherwise."""
    interface = context.state.interfaces.find(sw_if_index)
    if interface is None or interface.ip6 is None:
        context.drop("address overflow drops" if interface is None else "no source address for ND solicitation")
        return
    group = SOLICITED_NODE + target[13:]
    body = struct.pack(">BBHI16s", NEIGHBOUR_SOLICITATION, 0, 0, 0, target)
    message = body + bytes([SOURCE_LINK_LAYER, 1]) + interface.mac
    context.drop("neighbor solicitations sent")
    request = build_icmp6(source or interface.ip6.link_local, group, message)
    context.send(sw_if_index, ethernet_header(multicast_mac(group), interface.mac, IPV6) + request)


@node("ip6-nd-probe")
def nd_probe(context: Context, wanted: Packet) -> None:
    """Asks for a next hop without a packet; `wanted` carries the address. It asks with what fits it best."""
    source = source_address(context.state, wanted.rx, wanted.data)
    if source is not None:
        solicit(context, wanted.rx, wanted.data, source)


# ----------------------------------------------------------------------------------------------------- answering


@node("icmp6-neighbor-solicitation")
def neighbour_solicitation(context: Context, packet: Packet) -> None:
    context.now = "ip6-icmp-input"
    header, message = parse_ip6(packet.data), _message(packet)
    target = message[8:24]
    if not _source_on_link(context, packet.rx, header.source):
        context.drop("neighbor solicitations source not on link")
        return
    mac = _option(message, SOURCE_LINK_LAYER)
    if mac is not None and header.source != UNSPECIFIED:
        context.state.neighbours.learn(packet.rx, header.source, mac)
    if not _ours(context, packet.rx, target):
        context.drop("neighbor solicitations for unknown targets")
        return
    context.drop("neighbor advertisements sent")
    advertise(context, packet, header, message)


@node("icmp6-neighbor-advertisement")
def neighbour_advertisement(context: Context, packet: Packet) -> None:
    context.now = "ip6-icmp-input"
    header, message = parse_ip6(packet.data), _message(packet)
    if _source_on_link(context, packet.rx, header.source):
        context.drop("neighbor advertisements received")
        mac = _option(message, TARGET_LINK_LAYER)
        if mac is not None and header.source != UNSPECIFIED:
            context.state.neighbours.learn(packet.rx, message[8:24], mac)
    else:
        context.drop("neighbor solicitations source not on link")
    context.enqueue("ip6-punt", packet)


def _source_on_link(context: Context, rx: int, source: bytes) -> bool:
    if source == UNSPECIFIED or is_link_local(source):
        return True
    state = context.state
    found = lookup(state, state.fib.of_interface(6, rx), source)
    return found.kind in (Kind.ADJACENCY, Kind.GLEAN) and found.sw_if_index == rx


def _ours(context: Context, rx: int, target: bytes) -> bool:
    """Whether the target is an address of VPP in the receiving interface's table (or its link-local)."""
    if is_link_local(target):
        interface = context.state.interfaces.get(rx)
        return interface.ip6 is not None and interface.ip6.link_local == target
    entry = context.state.fib.of_interface(6, rx).exact(target, 128)
    source = entry.sources.get(fibs.INTERFACE) if entry else None
    return source is not None and bool(source.flags & fibs.LOCAL)


def advertise(context: Context, packet: Packet, header: Ip6, message: bytes) -> None:
    """The message turned round: for its target, to its source, with the interface's MAC if it had an option."""
    interface = context.state.interfaces.get(packet.rx)
    target = message[8:24]
    flags = FLAG_SOLICITED | FLAG_OVERRIDE | (FLAG_ROUTER if _advertises(interface) else 0)
    options = message[24:]
    if len(options) == 8 and options[0] in (SOURCE_LINK_LAYER, TARGET_LINK_LAYER):
        options = bytes([TARGET_LINK_LAYER, 1]) + interface.mac
    answer = struct.pack(">BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, flags) + target + options
    destination = ALL_NODES if header.source == UNSPECIFIED else header.source
    reply = build_icmp6(target, destination, answer)
    context.send(packet.rx, ethernet_header(packet.source_mac, interface.mac, IPV6) + reply)


def _advertises(interface: Interface) -> bool:
    return interface.ip6 is not None and interface.ip6.radv.send


# ----------------------------------------------------------------------------------------------------- the proxy


def proxy_takes(context: Context, packet: Packet, header: Ip6, *, multicast: bool) -> bool:
    """Whether the ND proxy of the interface dealt with the packet."""
    if header.next_header != ICMP6 or header.payload_bytes < 24:
        return False
    message = _message(packet)
    if message[0] not in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
        return False
    if not multicast:
        return _proxy_unicast(context, packet, header, message)
    return _proxy_multicast(context, packet, header, message)


def _proxy_unicast(context: Context, packet: Packet, header: Ip6, message: bytes) -> bool:
    if is_link_local(header.destination):
        known = _link_local_known(context, packet.rx, header.destination)
    else:
        known = context.state.fib.of_interface(6, packet.rx).exact(header.destination, 128) is not None
    if known:
        advertise(context, packet, header, message)
    return known


def _link_local_known(context: Context, rx: int, address: bytes) -> bool:
    interface = context.state.interfaces.get(rx)
    if interface.ip6 is not None and interface.ip6.link_local == address:
        return True
    neighbour = context.state.neighbours.find(rx, address)
    return neighbour is not None and not neighbour.flags & NO_FIB_ENTRY


def _proxy_multicast(context: Context, packet: Packet, header: Ip6, message: bytes) -> bool:
    if header.source == UNSPECIFIED or is_link_local(header.source):
        return False
    solicitation = message[0] == NEIGHBOUR_SOLICITATION
    kind = SOURCE_LINK_LAYER if solicitation else TARGET_LINK_LAYER
    if message[24:25] != bytes([kind]):
        return False
    mac = message[26:32]
    learnt = header.source if solicitation else message[8:24]
    context.state.neighbours.learn(packet.rx, learnt, mac)
    if solicitation:
        advertise(context, packet, header, message)
    return True


# ------------------------------------------------------------------------------------------------------- routers


@node("icmp6-router-advertisement")
def router_advertisement(context: Context, _packet: Packet) -> None:
    """Taken by VPP for itself and always dropped: the host never sees one."""
    context.state.error("ip6-icmp-input", "router advertisements received")


@node("icmp6-router-solicitation")
def router_solicitation(context: Context, packet: Packet) -> None:
    """Answered where VPP advertises, else punted to the host."""
    context.now = "ip6-icmp-input"
    header = parse_ip6(packet.data)
    interface = context.state.interfaces.get(packet.rx)
    if not _router_source_on_link(context, packet.rx, header.source):
        context.drop("router solicitations source not on link")
        return
    if interface.ip6 is None or not interface.ip6.radv.send:
        # VPP punts it from the start of its buffer: the old Ethernet header is still before the packet (26.06, run).
        context.enqueue("ip6-punt", replace(packet, data=packet.ethernet + packet.data))
        return
    radv, now = interface.ip6.radv, context.state.clock()
    radv.solicitations += 1
    if radv.last_s is not None and now - radv.last_s < MIN_DELAY_BETWEEN_ADVERTISEMENTS_S:
        return
    radv.last_s = now
    unicast = header.source if radv.send_unicast and header.source != UNSPECIFIED else ALL_NODES
    send_router_advertisement(context, interface, unicast, packet.source_mac)


def _router_source_on_link(context: Context, rx: int, source: bytes) -> bool:
    if source == UNSPECIFIED or is_link_local(source):
        return True
    table = context.state.fib.of_interface(6, rx)
    return resolving_interface(context, table, table.lookup(source)) == rx


def send_router_advertisement(
    context: Context, interface: Interface, destination: bytes, mac: bytes | None = None
) -> None:
    """RFC 4861 4.2 with the MAC and the MTU; VPP advertises no prefix unless told to."""
    assert interface.ip6 is not None
    radv = interface.ip6.radv
    flags = (0x80 if radv.managed else 0) | (0x40 if radv.other else 0)
    message = struct.pack(">BBHBBHII", 134, 0, 0, 64, flags, radv.lifetime_s, 0, 0)
    if radv.link_layer_option:
        message += bytes([SOURCE_LINK_LAYER, 1]) + interface.mac
    if radv.link_mtu:
        message += struct.pack(">BBHI", MTU_OPTION, 1, 0, radv.link_mtu)
    radv.sent += 1
    packet = build_icmp6(interface.ip6.link_local, destination, message)
    header = ethernet_header(mac or multicast_mac(destination), interface.mac, IPV6)
    context.send(interface.sw_if_index, header + packet)


@node("ip6-ra-process")
def tick(context: Context, _packet: Packet) -> None:
    """Sends the router advertisements that are due; to be called about once a second while an interface advertises."""
    now = context.state.clock()
    for interface in context.state.interfaces:
        if not advertising(interface) or interface.ip6 is None or now < interface.ip6.radv.next_at_s:
            continue
        radv = interface.ip6.radv
        wait_s = radv.max_interval_s
        if radv.initial_left > 0:
            radv.initial_left -= 1
            wait_s = min(wait_s, radv.initial_interval_s)
            radv.send = not (radv.cease and radv.initial_left == 0)
        radv.next_at_s = now + wait_s
        send_router_advertisement(context, interface, ALL_NODES)


def advertising(interface: Interface) -> bool:
    """Whether the interface sends router advertisements by itself."""
    return interface.admin_up and _advertises(interface)
