"""IPv4 packets and ARP: what is forwarded, punted, answered, and the traps among it."""

from __future__ import annotations

import struct

from hostlink.lab.standin import packet
from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    FAR,
    FAR6,
    NEAR_MAC,
    POD_IP,
    ROUTER,
    ROUTER_LL,
    SHARED,
    SHARED6,
    scenario,
)
from tools.vpp_records.steps import (
    HOST_MAC,
    MAC,
    POD,
    POD_MAC,
    ROUTER_MAC,
    TAP,
    UP,
    Scenario,
    Send,
    address,
    arp,
    ask,
    echo4,
    frame,
    ip4,
    neighbour,
    opened,
    packed,
    path,
    punt,
    redirect,
    route,
    routes,
    segment,
    solicitation,
    taken_over,
    tcp4,
    udp4,
    udp6,
)


@scenario
def ip4_forwarding() -> Scenario:
    return [
        *taken_over(),
        udp4("tap", SHARED, FAR, HOST_MAC),
        udp4("tap", SHARED, FAR, HOST_MAC, ttl=1),
        udp4("tap", SHARED, POD_IP, HOST_MAC),
        udp4("pod", POD_IP, FAR, POD_MAC),
        udp4("pod", POD_IP, FAR, POD_MAC, ttl=1),
        udp4("up", FAR, POD_IP, ROUTER_MAC, ttl=2),
        udp4("up", FAR, "10.0.0.6", ROUTER_MAC),
        udp4("tap", SHARED, "192.168.0.77", HOST_MAC),
        udp4("up", FAR, POD_IP, ROUTER_MAC, b"x" * 1472),
        udp4("tap", SHARED, "255.255.255.255", HOST_MAC),
        udp4("tap", SHARED, "192.168.0.255", HOST_MAC),
        udp4("tap", SHARED, "224.0.0.5", HOST_MAC),
        udp4("tap", SHARED, "224.0.0.1", HOST_MAC),
        route(True, "10.11.0.0/16", path(type=5)),
        route(True, "10.12.0.0/16", path(type=6)),
        route(True, "10.13.0.0/16", path(type=2)),
        route(True, "10.14.0.0/16", path(NONE, ROUTER)),
        route(True, "10.15.0.0/16", path(UP)),
        udp4("pod", POD_IP, "10.11.0.1", POD_MAC),
        udp4("pod", POD_IP, "10.12.0.1", POD_MAC),
        udp4("pod", POD_IP, "10.13.0.1", POD_MAC),
        udp4("pod", POD_IP, "10.14.0.1", POD_MAC),
        udp4("pod", POD_IP, "10.15.0.1", POD_MAC),
    ]


@scenario
def ip4_punt() -> Scenario:
    return [
        *taken_over(),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC, ttl=1),
        tcp4("up", FAR, SHARED, ROUTER_MAC),
        tcp4("up", FAR, SHARED, ROUTER_MAC, bad=True),
        ip4("up", FAR, SHARED, packet.UDP, segment(FAR, SHARED, packet.UDP, bad=True), ROUTER_MAC),
        tcp4("pod", POD_IP, SHARED, POD_MAC),
        ip4("up", FAR, SHARED, 89, b"ospf....", ROUTER_MAC, ttl=1),
        ip4("up", FAR, SHARED, 47, b"\0\0\x08\0....", ROUTER_MAC),
        ip4("up", FAR, SHARED, 132, b"sctp........", ROUTER_MAC),
        ip4("up", FAR, SHARED, packet.ICMP, struct.pack(">BBHI", 3, 3, 0xFCFC, 0) + b"x" * 28, ROUTER_MAC),
        ip4("up", FAR, SHARED, packet.ICMP, struct.pack(">BBHHH", 0, 0, 0xFFFF - 78, 77, 1), ROUTER_MAC),
        echo4("up", FAR, SHARED, ROUTER_MAC),
        echo4("tap", SHARED, FAR, HOST_MAC),
        udp4("up", SHARED, SHARED, ROUTER_MAC),
        echo4("pod", POD_IP, SHARED, POD_MAC, ttl=1),
        punt(False, 0, 17),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        punt(False, 0, 6),
        tcp4("up", FAR, SHARED, ROUTER_MAC),
        punt(True, 0, 17, 4321),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        route(False, "0.0.0.0/0"),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp4("up", FAR, "10.77.0.1", ROUTER_MAC),
    ]


@scenario
def punt_redirect_count() -> Scenario:
    arrives = udp4("up", FAR, SHARED, ROUTER_MAC)
    return [
        *taken_over(),
        arrives,
        redirect(False, SHARED, rx=POD),
        arrives,
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        redirect(True, SHARED),
        arrives,
        redirect(True, SHARED),
        redirect(False, SHARED),
        arrives,
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        redirect(True, SHARED),
        arrives,
        redirect(False, SHARED),
        redirect(False, SHARED),
        redirect(False, SHARED),
        redirect(True, SHARED),
        arrives,
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
    ]


@scenario
def static_neighbour_without_no_fib_entry() -> Scenario:
    """The trap: the /32 of the shared address becomes an adjacency, and VPP is gone from the network."""
    return [
        *taken_over(neighbour_flags=1),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        solicitation("up", ROUTER_LL, SHARED6, ROUTER_MAC),
        routes(),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
    ]


@scenario
def static_neighbour_before_the_address() -> Scenario:
    """The same, the neighbour made before the address."""
    return [
        *opened(),
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        ask("sw_interface_set_flags", sw_if_index=TAP, flags=1),
        neighbour(True, TAP, SHARED, HOST_MAC, 1),
        address(True, UP, "192.168.0.1/24"),
        routes(),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
    ]


@scenario
def mac_check() -> Scenario:
    other = bytes.fromhex("020000000099")
    one = udp4("tap", SHARED, FAR, HOST_MAC)
    return [
        *taken_over(),
        Send("tap", other + one.frame[6:]),
        Send("tap", packet.BROADCAST + one.frame[6:]),
        Send("up", other + arp("up", 1, ROUTER, SHARED, ROUTER_MAC).frame[6:]),
        frame("up", 0x88CC, b"lldp" * 12, ROUTER_MAC),
        frame("up", packet.IPV4, b"\x45\0\0\x14", ROUTER_MAC),
        ip4("tap", SHARED, FAR, 17, b"12345678", HOST_MAC, ttl=0),
        Send("tap", one.frame[:24] + b"\xde\xad" + one.frame[26:]),
        Send("tap", one.frame[:-3]),
        Send("tap", one.frame + b"padding!"),
    ]


@scenario
def arp_answers() -> Scenario:
    return [
        *taken_over(),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        arp("up", 1, "192.168.0.33", SHARED, NEAR_MAC),
        ask("ip_neighbor_dump", sw_if_index=UP, af=0),
        arp("up", 1, "192.168.0.33", "192.168.0.77", NEAR_MAC),
        arp("up", 1, "172.16.0.1", SHARED, NEAR_MAC),
        arp("up", 1, SHARED, ROUTER, NEAR_MAC),
        arp("up", 1, SHARED, SHARED, NEAR_MAC),
        arp("up", 1, "0.0.0.0", SHARED, NEAR_MAC),
        arp("up", 2, "192.168.0.44", SHARED, NEAR_MAC, MAC["up"]),
        ask("ip_neighbor_dump", sw_if_index=UP, af=0),
        arp("up", 1, "192.168.0.33", "192.168.0.33", HOST_MAC),
        ask("ip_neighbor_dump", sw_if_index=UP, af=0),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        arp("tap", 1, SHARED, FAR, HOST_MAC),
        arp("tap", 1, SHARED, SHARED, HOST_MAC),
        arp("tap", 1, "0.0.0.0", SHARED, HOST_MAC),
        arp("tap", 1, "0.0.0.0", ROUTER, HOST_MAC),
        arp("tap", 2, SHARED, ROUTER, HOST_MAC),
        arp("tap", 1, "192.168.0.99", ROUTER, HOST_MAC),
        arp("pod", 1, POD_IP, "169.254.1.1", POD_MAC),
        arp("pod", 1, POD_IP, SHARED, POD_MAC),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=POD, enable=True),
        arp("pod", 1, POD_IP, "169.254.1.1", POD_MAC),
        arp("pod", 1, POD_IP, SHARED, POD_MAC),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=False),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
    ]


@scenario
def arp_without_address() -> Scenario:
    return [
        *opened(),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        address(True, UP, "192.168.0.1/24"),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        udp4("up", "192.168.0.7", "192.168.0.8", NEAR_MAC),
    ]


@scenario
def proxy_arp_ranges_that_overlap() -> Scenario:
    return [
        *taken_over(),
        ask("proxy_arp_add_del", is_add=True, proxy={"low": packed("203.0.113.0"), "hi": packed("203.0.113.255")}),
        arp("tap", 1, SHARED, FAR, HOST_MAC),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
    ]
