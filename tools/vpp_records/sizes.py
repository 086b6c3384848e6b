"""Packets that are too large, left unfinished by their sender, or meet an interface that is down."""

from __future__ import annotations

import struct

from hostlink.lab.standin import packet
from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    FAR,
    FAR6,
    POD_IP,
    SHARED,
    SHARED6,
    scenario,
)
from tools.vpp_records.steps import (
    HOST_MAC,
    POD,
    POD_MAC,
    ROUTER_MAC,
    TAP,
    UP,
    Scenario,
    Send,
    ask,
    ip4,
    ip6,
    packed,
    routes,
    segment,
    taken_over,
    udp4,
    udp6,
)


@scenario
def mtu_and_fragments() -> Scenario:
    big = b"x" * 2000
    return [
        *taken_over(),
        ask("sw_interface_set_mtu", sw_if_index=POD, mtu=[1400, 0, 0, 0]),
        udp4("tap", SHARED, POD_IP, HOST_MAC, b"x" * 1372),
        udp4("tap", SHARED, POD_IP, HOST_MAC, b"x" * 1373),
        udp4("tap", SHARED, POD_IP, HOST_MAC, b"x" * 1400, flags=0x4000),
        udp4("pod", POD_IP, SHARED, POD_MAC, b"x" * 1472),
        ask("sw_interface_set_mtu", sw_if_index=TAP, mtu=[1300, 0, 0, 0]),
        udp4("up", FAR, SHARED, ROUTER_MAC, b"x" * 1400),
        udp4("up", FAR, SHARED, ROUTER_MAC, b"x" * 1400, flags=0x4000),
        udp6("up", FAR6, SHARED6, ROUTER_MAC, b"x" * 1400),
        udp6("tap", SHARED6, FAR6, HOST_MAC, b"x" * 1400),
        ask("sw_interface_set_mtu", sw_if_index=UP, mtu=[1300, 0, 0, 0]),
        udp6("tap", SHARED6, FAR6, HOST_MAC, b"x" * 1400),
        ask("sw_interface_set_mtu", sw_if_index=UP, mtu=[1500, 1290, 0, 0]),
        udp4("tap", SHARED, FAR, HOST_MAC, b"x" * 1280),
        udp6("tap", SHARED6, FAR6, HOST_MAC, b"x" * 1400),
        ask("sw_interface_set_mtu", sw_if_index=TAP, mtu=[1500, 0, 0, 0]),
        *_pieces4(big, 1000),
        *_pieces4(big + big, 1000),
    ]


def _pieces4(data: bytes, size: int) -> Scenario:
    """A datagram from the wire to the host, in fragments."""
    whole = segment(FAR, SHARED, packet.UDP, data)
    steps: Scenario = []
    for start in range(0, len(whole), size):
        more = 0x2000 if start + size < len(whole) else 0
        piece = whole[start : start + size]
        steps.append(ip4("up", FAR, SHARED, packet.UDP, piece, ROUTER_MAC, flags=more | start // 8, identification=5))
    return steps


@scenario
def interface_down() -> Scenario:
    return [
        *taken_over(),
        ask("sw_interface_set_flags", sw_if_index=POD, flags=0),
        udp4("tap", SHARED, POD_IP, HOST_MAC),
        udp4("pod", POD_IP, FAR, POD_MAC),
        routes(),
        ask("sw_interface_set_flags", sw_if_index=POD, flags=1),
        udp4("tap", SHARED, POD_IP, HOST_MAC),
        ask("sw_interface_set_flags", sw_if_index=TAP, flags=0),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        ask("sw_interface_set_flags", sw_if_index=TAP, flags=1),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        ask("af_packet_delete", host_if_name="pod0"),
        udp4("tap", SHARED, POD_IP, HOST_MAC),
        routes(),
        ask("ip_unnumbered_dump", sw_if_index=NONE),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
        ask("af_packet_delete", host_if_name="in0"),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        ask("af_packet_delete", host_if_name="up0"),
        routes(),
        routes(6),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
        ask("proxy_arp_intfc_dump"),
        ask("sw_interface_dump", sw_if_index=NONE),
    ]


@scenario
def partial_checksums_with_offload() -> Scenario:
    return [*taken_over(flags=2), *_partial()]


@scenario
def partial_checksums_without_offload() -> Scenario:
    return [*taken_over(flags=0), *_partial()]


def _partial() -> Scenario:
    """TCP and UDP whose checksum the sender left to its NIC, as a veth peer does."""
    steps: Scenario = []
    for protocol, field in ((packet.TCP, 16), (packet.UDP, 6)):
        whole = segment(FAR, SHARED, protocol)
        pseudo = packet.pseudo_header_sum(packed(FAR), packed(SHARED), protocol, len(whole))
        left = whole[:field] + struct.pack(">H", pseudo) + whole[field + 2 :]
        offload = packet.Offload(True, 34, field)
        for source, destination, port, mac in (
            (FAR, SHARED, "up", ROUTER_MAC),
            (SHARED, FAR, "tap", HOST_MAC),
        ):
            sent = ip4(port, source, destination, protocol, left, mac)
            steps.append(Send(port, sent.frame, offload))
        six = segment(FAR6, SHARED6, protocol)
        pseudo = packet.pseudo_header_sum(packed(FAR6), packed(SHARED6), protocol, len(six))
        left = six[:field] + struct.pack(">H", pseudo) + six[field + 2 :]
        sent = ip6("up", FAR6, SHARED6, protocol, left, ROUTER_MAC)
        steps.append(Send("up", sent.frame, packet.Offload(True, 54, field)))
    return steps


@scenario
def segments_larger_than_the_mtu() -> Scenario:
    data = b"y" * 4000
    whole = segment(FAR, SHARED, packet.TCP, data)
    pseudo = packet.pseudo_header_sum(packed(FAR), packed(SHARED), packet.TCP, len(whole))
    left = whole[:16] + struct.pack(">H", pseudo) + whole[18:]
    offload = packet.Offload(True, 34, 16, packet.GSO_TCP4, 1460, 54)
    return [
        *taken_over(),
        Send("up", ip4("up", FAR, SHARED, packet.TCP, left, ROUTER_MAC).frame, offload),
        Send("tap", ip4("tap", SHARED, FAR, packet.TCP, left, HOST_MAC).frame, offload),
        Send("pod", ip4("pod", POD_IP, FAR, packet.TCP, left, POD_MAC).frame, offload),
    ]
