"""IPv6 packets and neighbour discovery; what classifiers do to packets."""

from __future__ import annotations

import struct

from hostlink.lab.standin import packet
from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    FAR,
    FAR6,
    NEAR_MAC,
    POD_IP,
    ROUTER6,
    ROUTER_LL,
    SHARED,
    SHARED6,
    SHARED_LL,
    acl,
    at,
    scenario,
    session,
    table,
)
from tools.vpp_records.steps import (
    HOST_MAC,
    POD,
    POD_MAC,
    ROUTER_MAC,
    TAP,
    UP,
    Scenario,
    advertisement,
    ask,
    echo6,
    icmp6,
    ip6,
    neighbour,
    packed,
    path,
    punt,
    route,
    segment,
    solicitation,
    taken_over,
    tcp4,
    udp4,
    udp6,
)


@scenario
def ip6_forwarding() -> Scenario:
    return [
        *taken_over(),
        udp6("tap", SHARED6, FAR6, HOST_MAC),
        udp6("tap", SHARED6, FAR6, HOST_MAC, hops=1),
        udp6("up", FAR6, "2001:db8:1::1", ROUTER_MAC, hops=2),
        udp6("tap", SHARED6, "fd00::77", HOST_MAC),
        udp6("tap", SHARED6, ROUTER_LL, HOST_MAC),
        udp6("tap", SHARED_LL, ROUTER_LL, HOST_MAC),
        udp6("tap", SHARED_LL, FAR6, HOST_MAC),
        udp6("tap", SHARED_LL, "ff02::fb", HOST_MAC),
        udp6("tap", SHARED_LL, "ff02::1:2", HOST_MAC, hops=1),
        udp6("tap", SHARED_LL, "ff02::1", HOST_MAC),
        udp6("up", ROUTER_LL, "ff02::1", ROUTER_MAC),
        udp6("pod", "fd01::5", FAR6, POD_MAC),
        udp6("pod", "fd01::5", "ff02::1", POD_MAC),
    ]


@scenario
def ip6_punt() -> Scenario:
    return [
        *taken_over(),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        udp6("up", FAR6, SHARED6, ROUTER_MAC, hops=1),
        ip6("up", FAR6, SHARED6, packet.TCP, segment(FAR6, SHARED6, packet.TCP), ROUTER_MAC),
        ip6("up", FAR6, SHARED6, packet.TCP, segment(FAR6, SHARED6, packet.TCP, bad=True), ROUTER_MAC),
        ip6("up", FAR6, SHARED6, packet.UDP, segment(FAR6, SHARED6, packet.UDP, bad=True), ROUTER_MAC),
        ip6("up", FAR6, SHARED6, 89, b"ospf....", ROUTER_MAC, hops=1),
        udp6("up", ROUTER_LL, SHARED_LL, ROUTER_MAC),
        udp6("up", ROUTER_LL, SHARED6, ROUTER_MAC),
        echo6("up", FAR6, SHARED6, ROUTER_MAC),
        echo6("up", ROUTER_LL, SHARED_LL, ROUTER_MAC),
        icmp6("up", FAR6, SHARED6, struct.pack(">BBHI", 2, 0, 0, 1400) + b"x" * 40, ROUTER_MAC, hops=64),
        icmp6("up", FAR6, SHARED6, struct.pack(">BBHHH", 129, 0, 0, 77, 1) + b"ping", ROUTER_MAC, hops=64),
        punt(False, 1, 17),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        route(False, "::/0"),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        echo6("up", FAR6, SHARED6, ROUTER_MAC),
    ]


@scenario
def neighbour_discovery() -> Scenario:
    return [
        *taken_over(),
        solicitation("up", ROUTER_LL, SHARED6, ROUTER_MAC),
        solicitation("up", ROUTER_LL, SHARED_LL, ROUTER_MAC),
        solicitation("up", "fd00::33", SHARED6, NEAR_MAC),
        solicitation("up", FAR6, SHARED6, NEAR_MAC),
        solicitation("up", "::", SHARED6, NEAR_MAC),
        solicitation("up", ROUTER_LL, "fd00::99", ROUTER_MAC),
        solicitation("up", ROUTER_LL, SHARED6, ROUTER_MAC, destination=SHARED6),
        ask("ip_neighbor_dump", sw_if_index=UP, af=1),
        udp6("tap", SHARED6, "fd00::44", HOST_MAC),
        advertisement("up", "fd00::44", SHARED_LL, "fd00::44", NEAR_MAC),
        ask("ip_neighbor_dump", sw_if_index=UP, af=1),
        udp6("tap", SHARED6, "fd00::44", HOST_MAC),
        advertisement("up", ROUTER_LL, "ff02::1", ROUTER_LL, ROUTER_MAC),
        icmp6("up", ROUTER_LL, SHARED_LL, struct.pack(">BBHI16s", 135, 0, 0, 0, packed(SHARED6)), ROUTER_MAC, hops=64),
        icmp6("up", ROUTER_LL, "ff02::1", struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ROUTER_MAC),
        icmp6("tap", SHARED_LL, "ff02::2", struct.pack(">BBHI", 133, 0, 0, 0) + bytes([1, 1]) + HOST_MAC, HOST_MAC),
    ]


@scenario
def nd_proxy() -> Scenario:
    return [
        *taken_over(),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        solicitation("tap", SHARED6, FAR6, HOST_MAC),
        solicitation("tap", SHARED_LL, ROUTER6, HOST_MAC),
        solicitation("tap", SHARED_LL, SHARED6, HOST_MAC),
        solicitation("tap", "::", SHARED6, HOST_MAC),
        solicitation("tap", "::", "fd00::99", HOST_MAC),
        solicitation("tap", "::", SHARED_LL, HOST_MAC),
        advertisement("tap", SHARED6, "ff02::1", SHARED6, HOST_MAC),
        advertisement("tap", SHARED_LL, "fe80::ff:fe00:2", SHARED_LL, HOST_MAC),
        advertisement("tap", SHARED6, "fe80::ff:fe00:2", SHARED6, HOST_MAC),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC, destination=ROUTER6),
        udp6("up", ROUTER_LL, SHARED_LL, ROUTER_MAC),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=1),
    ]


@scenario
def neighbour_of_elsewhere() -> Scenario:
    """Learnt by the proxy although no prefix of the interface covers it: the route to it goes on counting."""
    elsewhere = "2001:db8:e15::1"
    return [
        *taken_over(),
        ask("ip6nd_proxy_enable_disable", sw_if_index=UP, is_enable=True),
        neighbour(True, UP, "fd00::44", NEAR_MAC, 1),
        route(True, "2001:db8:e15::/64", path(UP, "fd00::44")),
        udp6("tap", SHARED6, elsewhere, HOST_MAC),
        solicitation("up", elsewhere, SHARED6, POD_MAC),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=1),
        udp6("tap", SHARED6, elsewhere, HOST_MAC),
        udp6("up", elsewhere, SHARED6, NEAR_MAC),
    ]


@scenario
def tap_without_ip6() -> Scenario:
    """Unnumbered alone does not enable IPv6 for groups."""
    return [
        *taken_over(),
        ask("sw_interface_ip6_enable_disable", sw_if_index=TAP, enable=False),
        udp6("tap", SHARED6, FAR6, HOST_MAC),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        solicitation("tap", SHARED_LL, ROUTER6, HOST_MAC),
        udp6("tap", SHARED_LL, "ff02::1", HOST_MAC),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
    ]


@scenario
def output_acl_keeps_advertisements_from_the_host() -> Scenario:
    heard = advertisement("up", "fd00::44", SHARED_LL, "fd00::44", NEAR_MAC)
    mask = at(48, _6=b"\xff", _40=b"\xff")
    match = at(48, _6=b"\x3a", _40=b"\x88")
    return [
        *taken_over(),
        heard,
        table(mask),
        session(0, match, hit_next_index=0),
        acl("output_acl_set_interface", TAP, True, ip6=0),
        heard,
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        acl("output_acl_set_interface", TAP, False, ip6=0),
        heard,
    ]


@scenario
def input_acls() -> Scenario:
    mask, match = at(16, _9=b"\xff"), at(16, _9=b"\x11")
    return [
        *taken_over(),
        table(mask),
        session(0, match, hit_next_index=0),
        table(at(16, _9=b"\xff"), current_data_flag=0),
        acl("input_acl_set_interface", TAP, True, ip4=0),
        udp4("tap", SHARED, FAR, HOST_MAC),
        tcp4("tap", SHARED, FAR, HOST_MAC),
        acl("input_acl_set_interface", TAP, False, ip4=0),
        ask("ip_table_add_del_v2", is_add=True, create_mfib=True, table={"table_id": 4000}),
        route(True, "255.255.255.255/32", path(UP, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), table_id=4000),
        table(at(16, _0=b"\xff" * 4), skip=1),
        session(2, at(32, _16=b"\xff" * 4), action=1, metadata=4000),
        acl("input_acl_set_interface", TAP, True, ip4=2),
        udp4("tap", "0.0.0.0", "255.255.255.255", HOST_MAC),
        udp4("tap", SHARED, FAR, HOST_MAC),
        table(mask, miss_next_index=0),
        acl("input_acl_set_interface", POD, True, ip4=3),
        udp4("pod", POD_IP, FAR, POD_MAC),
        session(3, match),
        udp4("pod", POD_IP, FAR, POD_MAC),
        tcp4("pod", POD_IP, FAR, POD_MAC),
    ]


@scenario
def router_advertisements() -> Scenario:
    rs = struct.pack(">BBHI", 133, 0, 0, 0)
    return [
        *taken_over(),
        icmp6("up", ROUTER_LL, "ff02::2", rs, ROUTER_MAC),
        ask("sw_interface_ip6nd_ra_config", sw_if_index=UP, suppress=1, is_no=True),
        icmp6("up", ROUTER_LL, "ff02::2", rs, ROUTER_MAC),
        ask("sw_interface_ip6nd_ra_config", sw_if_index=UP, suppress=1),
        icmp6("up", ROUTER_LL, "ff02::2", rs, ROUTER_MAC),
    ]
