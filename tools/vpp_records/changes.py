"""What changes while VPP runs: interfaces made again, events, tables, addresses, and what a person is shown."""

from __future__ import annotations

import struct

from hostlink.lab.standin import packet
from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    FAR,
    FAR6,
    POD_IP,
    ROUTER,
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
    MAC,
    POD,
    POD_MAC,
    ROUTER_MAC,
    TAP,
    UP,
    Scenario,
    address,
    arp,
    ask,
    echo6,
    frame,
    ip4,
    ip6,
    neighbour,
    opened,
    packed,
    path,
    redirect,
    route,
    routes,
    segment,
    solicitation,
    taken_over,
    udp4,
    udp6,
)


@scenario
def interface_made_again() -> Scenario:
    """An index that is used again: what VPP forgot with the old interface, and what it did not."""
    again = ask("af_packet_create_v3", mode=1, flags=2, host_if_name="in0", hw_addr=MAC["tap"])
    return [
        *taken_over(),
        table(at(16, _9=b"\xff")),
        session(0, at(16, _9=b"\x11"), hit_next_index=0),
        acl("input_acl_set_interface", TAP, True, ip4=0),
        acl("output_acl_set_interface", TAP, True, ip4=0),
        ask("sw_interface_tag_add_del", is_add=True, sw_if_index=TAP, tag="hostlink-tap"),
        ask("af_packet_delete", host_if_name="in0"),
        ask("classify_table_by_interface", sw_if_index=TAP),
        again,
        ask("sw_interface_dump", sw_if_index=TAP),
        ask("ip_unnumbered_dump", sw_if_index=NONE),
        ask("classify_table_by_interface", sw_if_index=TAP),
        ask("proxy_arp_intfc_dump"),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=TAP),
        ask("sw_interface_set_flags", sw_if_index=TAP, flags=1),
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=True),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=False),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=True),
        arp("tap", 1, SHARED, ROUTER, HOST_MAC),
        udp4("tap", SHARED, FAR, HOST_MAC),
        acl("input_acl_set_interface", TAP, True, ip4=0),
        udp4("tap", SHARED, FAR, HOST_MAC),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        ask("sw_interface_ip6_enable_disable", sw_if_index=TAP, enable=True),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        ask("ip6nd_proxy_enable_disable", sw_if_index=TAP, is_enable=True),
        solicitation("tap", SHARED6, ROUTER6, HOST_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        neighbour(True, TAP, SHARED, HOST_MAC, 3),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
    ]


@scenario
def interface_events() -> Scenario:
    """What a subscriber is told; a request after each change gives the event time to arrive."""
    pause = ask("sw_interface_get_mac_address", sw_if_index=UP)
    return [
        *opened(),
        ask("want_interface_events", enable_disable=1, pid=42),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        pause,
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        pause,
        ask("sw_interface_set_flags", sw_if_index=UP, flags=0),
        pause,
        ask("create_loopback"),
        pause,
        ask("sw_interface_set_flags", sw_if_index=4, flags=1),
        pause,
        ask("af_packet_delete", host_if_name="pod0"),
        pause,
        ask("af_packet_create_v3", mode=1, flags=2, host_if_name="pod0", hw_addr=MAC["pod"]),
        pause,
        address(True, UP, "192.168.0.1/24"),
        pause,
        ask("want_interface_events", enable_disable=0, pid=42),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        pause,
    ]


@scenario
def tables_of_their_own() -> Scenario:
    in_table = {"table_id": 7, "is_ip6": False}
    return [
        *opened(),
        ask("ip_table_add_del_v2", is_add=True, create_mfib=True, table=in_table),
        ask("sw_interface_set_table", sw_if_index=POD, vrf_id=7),
        *(ask("sw_interface_set_flags", sw_if_index=index, flags=1) for index in (UP, TAP, POD)),
        address(True, UP, "192.168.0.1/24"),
        address(True, POD, "192.168.0.1/24"),
        neighbour(True, UP, ROUTER, ROUTER_MAC, 1),
        neighbour(True, POD, ROUTER, POD_MAC, 1),
        udp4("pod", "192.168.0.5", ROUTER, POD_MAC),
        udp4("up", "192.168.0.5", ROUTER, ROUTER_MAC),
        udp4("pod", "192.168.0.5", FAR, POD_MAC),
        route(True, "203.0.113.0/24", path(UP, ROUTER), table_id=7),
        udp4("pod", "192.168.0.5", FAR, POD_MAC),
        route(True, "203.0.113.0/24", path(NONE, ROUTER, table_id=0), table_id=7),
        udp4("pod", "192.168.0.5", FAR, POD_MAC),
        route(True, "203.0.113.0/24", path(NONE, None, table_id=0), table_id=7),
        udp4("pod", "192.168.0.5", FAR, POD_MAC),
        ask("ip_route_dump", table=in_table),
        ask("ip_table_add_del_v2", is_add=False, create_mfib=True, table=in_table),
        ask("ip_table_dump"),
        ask("ip_route_dump", table=in_table),
        udp4("pod", "192.168.0.5", ROUTER, POD_MAC),
    ]


@scenario
def odd_packets() -> Scenario:
    """Options, groups, fragments, wrong lengths, addresses that should not be seen."""
    options = packet.build_ip4(packed(FAR), packed(SHARED), 17, segment(FAR, SHARED, packet.UDP), 64)
    options = b"\x46" + options[1:20] + b"\x94\x04\0\0" + options[20:]
    options = packet.with_header_checksum(options[:2] + struct.pack(">H", len(options)) + options[4:])
    igmp = packet.build_ip4(packed(ROUTER), packed("224.0.0.1"), 2, b"\x11\x64\xee\x9b\0\0\0\0", 1)
    igmp = b"\x46" + igmp[1:20] + b"\x94\x04\0\0" + igmp[20:]
    igmp = packet.with_header_checksum(igmp[:2] + struct.pack(">H", len(igmp)) + igmp[4:])
    group = bytes.fromhex("01005e000001")
    return [
        *taken_over(),
        frame("up", packet.IPV4, options, ROUTER_MAC),
        frame("up", packet.IPV4, igmp, ROUTER_MAC, group),
        ip4("up", ROUTER, "224.0.0.1", 17, segment(ROUTER, "224.0.0.1", packet.UDP), ROUTER_MAC),
        ip4("up", ROUTER, "224.0.0.18", 112, b"vrrp" * 5, ROUTER_MAC),
        ip4("up", "127.0.0.1", SHARED, 17, segment("127.0.0.1", SHARED, packet.UDP), ROUTER_MAC),
        ip4("up", "0.0.0.0", SHARED, 17, segment("0.0.0.0", SHARED, packet.UDP), ROUTER_MAC),
        ip4("up", "0.0.0.0", "255.255.255.255", 17, segment("0.0.0.0", "255.255.255.255", packet.UDP), ROUTER_MAC),
        ip4("up", FAR, SHARED, 17, b"\0" * 8, ROUTER_MAC, flags=1),
        ip4("up", FAR, SHARED, 17, segment(FAR, SHARED, 17)[:4] + b"\x01\0" + b"\0" * 10, ROUTER_MAC),
        udp4("up", FAR, "0.0.0.0", ROUTER_MAC),
        udp4("up", FAR, "240.0.0.1", ROUTER_MAC),
        udp4("up", FAR, "127.0.0.1", ROUTER_MAC),
        ip6("up", ROUTER_LL, SHARED6, 59, b"", ROUTER_MAC),
        ip6("up", ROUTER_LL, "ff02::16", 0, bytes([58, 0, 5, 2, 0, 0, 1, 0]) + b"\x8f" + b"\0" * 7, ROUTER_MAC),
        ip6("up", FAR6, SHARED6, 60, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + segment(FAR6, SHARED6, 17), ROUTER_MAC),
        ip6("up", "::", SHARED6, 17, segment("::", SHARED6, packet.UDP), ROUTER_MAC),
        ip6("up", FAR6, "::1", 17, segment(FAR6, "::1", packet.UDP), ROUTER_MAC),
        route(True, "2001:db8:11::/48", path(type=5, proto=1)),
        route(True, "2001:db8:12::/48", path(type=6, proto=1)),
        route(True, "2001:db8:13::/48", path(type=2, proto=1)),
        route(True, "2001:db8:14::/48", path(NONE, ROUTER6)),
        route(True, "2001:db8:15::/48", path(UP, ROUTER_LL)),
        udp6("tap", SHARED6, "2001:db8:11::1", HOST_MAC),
        udp6("tap", SHARED6, "2001:db8:12::1", HOST_MAC),
        udp6("tap", SHARED6, "2001:db8:13::1", HOST_MAC),
        udp6("tap", SHARED6, "2001:db8:14::1", HOST_MAC),
        udp6("tap", SHARED6, "2001:db8:15::1", HOST_MAC),
        neighbour(True, UP, ROUTER_LL, ROUTER_MAC, 1),
        udp6("tap", SHARED6, "2001:db8:15::1", HOST_MAC),
        udp6("up", ROUTER_LL, "fe80::1234", ROUTER_MAC),
        routes(6),
    ]


@scenario
def host_neighbour_in_the_link_local_table() -> Scenario:
    """What the host's link-local is to VPP with NO_FIB_ENTRY and without."""
    return [
        *taken_over(),
        udp6("pod", "fe80::5", SHARED_LL, POD_MAC),
        udp6("tap", "fe80::5", SHARED_LL, HOST_MAC),
        neighbour(False, TAP, SHARED_LL, HOST_MAC, 3),
        neighbour(True, TAP, SHARED_LL, HOST_MAC, 1),
        udp6("tap", "fe80::5", SHARED_LL, HOST_MAC),
        ask("sw_interface_ip6_enable_disable", sw_if_index=POD, enable=True),
        udp6("pod", "fe80::5", "fe80::ff:fe00:3", POD_MAC),
        echo6("pod", "fe80::5", "fe80::ff:fe00:3", POD_MAC),
        solicitation("pod", "fe80::5", "fe80::ff:fe00:3", POD_MAC),
        echo6("pod", "fe80::5", "fe80::ff:fe00:3", POD_MAC),
    ]


@scenario
def redirect_for_one_interface() -> Scenario:
    """Each uplink may have its own; that for any interface is what is left."""
    return [
        *taken_over(),
        redirect(False, SHARED),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        redirect(True, SHARED, rx=UP),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp4("pod", POD_IP, SHARED, POD_MAC),
        redirect(True, "192.168.0.2"),
        udp4("pod", POD_IP, SHARED, POD_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        redirect(False, SHARED6, rx=UP),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
    ]


@scenario
def addresses_come_and_go() -> Scenario:
    """The host's second address, and a prefix that changes."""
    return [
        *taken_over(),
        address(True, UP, "192.168.0.2/24"),
        arp("up", 1, ROUTER, "192.168.0.2", ROUTER_MAC),
        udp4("up", FAR, "192.168.0.2", ROUTER_MAC),
        address(False, UP, "192.168.0.1/24"),
        arp("up", 1, ROUTER, SHARED, ROUTER_MAC),
        udp4("up", FAR, SHARED, ROUTER_MAC),
        udp4("tap", "192.168.0.2", "192.168.0.77", HOST_MAC),
        routes(),
        address(False, UP, "192.168.0.2/24"),
        udp4("up", FAR, "192.168.0.2", ROUTER_MAC),
        udp4("tap", SHARED, FAR, HOST_MAC),
        routes(),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
        address(True, UP, "172.16.0.1/16"),
        routes(),
        address(False, UP, "fd00::1/64"),
        udp6("up", FAR6, SHARED6, ROUTER_MAC),
        routes(6),
    ]


@scenario
def command_line() -> Scenario:
    """What a person and the demo look at."""
    commands = (
        "show interface",
        "show interface address",
        "sh int addr",
        "show ip punt redirect",
        "show ip6 punt redirect",
        "show ip fib",
        "show ip6 fib",
        "show ip neighbors",
        "show interface features host-in0",
        "show interface features host-absent0",
        "show outacl type ip6",
        "show outacl type ip4",
        "show outacl type nonsense",
        "show nonsense",
    )
    return [
        *opened(),
        *(ask("cli_inband", cmd=command) for command in commands),
        *taken_over()[3:],
        table(at(48, _6=b"\xff", _40=b"\xff")),
        acl("output_acl_set_interface", TAP, True, ip6=0),
        *(ask("cli_inband", cmd=command) for command in commands),
        ask("af_packet_delete", host_if_name="in0"),
        *(ask("cli_inband", cmd=command) for command in commands),
    ]
