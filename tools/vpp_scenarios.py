"""What is asked of a real VPP and recorded, by subject.

`tools/record-vpp` runs each on a fresh real VPP and writes what came back to `tests/lab/recordings/NAME.json`;
`tests/lab/standin/test_recordings.py` replays them on the stand-in and compares. A new question to VPP is a new
function here, not an opinion in the stand-in.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hostlink.lab.standin import packet
from hostlink.lab.standin.interfaces import NONE
from tools.vpp_steps import (
    HOST_MAC,
    MAC,
    POD,
    POD_MAC,
    ROUTER_MAC,
    TAP,
    UP,
    Request,
    Scenario,
    Send,
    address,
    advertisement,
    arp,
    ask,
    echo4,
    echo6,
    frame,
    icmp6,
    ip4,
    ip6,
    neighbour,
    opened,
    packed,
    path,
    prefix,
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

SCENARIOS: dict[str, Callable[[], Scenario]] = {}
SHARED, SHARED6, SHARED_LL = "192.168.0.1", "fd00::1", "fe80::aa"
ROUTER, ROUTER6, ROUTER_LL = "192.168.0.254", "fd00::fe", "fe80::fe"
FAR, FAR6, POD_IP = "203.0.113.9", "2001:db8::9", "10.0.0.5"
NEAR_MAC = bytes.fromhex("020000000033")


def scenario(function: Callable[[], Scenario]) -> Callable[[], Scenario]:
    SCENARIOS[function.__name__] = function
    return function


def acl(name: str, sw_if_index: int, is_add: bool, **tables: int) -> Request:
    indices = {f"{slot}_table_index": tables.get(slot, NONE) for slot in ("ip4", "ip6", "l2")}
    return ask(name, sw_if_index=sw_if_index, is_add=is_add, **indices)


def table(mask: bytes, skip: int = 0, **fields: int) -> Request:
    return ask(
        "classify_add_del_table",
        is_add=True,
        table_index=NONE,
        nbuckets=2,
        memory_size=1 << 20,
        skip_n_vectors=skip,
        match_n_vectors=len(mask) // 16,
        next_table_index=NONE,
        miss_next_index=fields.get("miss_next_index", NONE),
        current_data_flag=fields.get("current_data_flag", 1),
        mask_len=len(mask),
        mask=mask,
    )


def session(index: int, match: bytes, hit_next_index: int = NONE, **fields: int) -> Request:
    return ask(
        "classify_add_del_session",
        is_add=fields.pop("is_add", True),
        table_index=index,
        hit_next_index=hit_next_index,
        opaque_index=NONE,
        match_len=len(match),
        match=match,
        **fields,
    )


def at(size: int, **bytes_at: bytes) -> bytes:
    """Zeros with something at `_offset`."""
    out = bytearray(size)
    for offset, value in bytes_at.items():
        start = int(offset[1:])
        out[start : start + len(value)] = value
    return bytes(out)


# ------------------------------------------------------------------------------------------------------------ requests


@scenario
def af_packet_requests() -> Scenario:
    create = "af_packet_create_v3"
    return [
        ask(create, host_if_name="up0", hw_addr=MAC["up"]),
        ask(create, mode=1, flags=2, host_if_name="absent0", hw_addr=MAC["up"]),
        ask(create, mode=1, flags=2, host_if_name="up0", hw_addr=MAC["up"]),
        ask(create, mode=1, flags=2, host_if_name="up0", hw_addr=MAC["up"]),
        ask("sw_interface_dump", sw_if_index=NONE),
        ask("sw_interface_dump", sw_if_index=1),
        ask("sw_interface_dump", sw_if_index=9),
        ask("sw_interface_dump", sw_if_index=NONE, name_filter_valid=True, name_filter="HOST"),
        ask("af_packet_dump"),
        ask("sw_interface_get_mac_address", sw_if_index=1),
        ask("sw_interface_get_mac_address", sw_if_index=7),
        ask("af_packet_delete", host_if_name="absent0"),
        ask("af_packet_delete", host_if_name="up0"),
        ask("sw_interface_dump", sw_if_index=NONE),
        ask(create, mode=1, flags=2, host_if_name="in0", hw_addr=MAC["tap"]),
        ask("sw_interface_set_mac_address", sw_if_index=1, mac_address=MAC["pod"]),
        ask("sw_interface_dump", sw_if_index=1),
    ]


@scenario
def interface_requests() -> Scenario:
    return [
        *opened(),
        ask("sw_interface_set_flags", sw_if_index=9, flags=1),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        ask("sw_interface_set_mtu", sw_if_index=9, mtu=[1500, 0, 0, 0]),
        ask("sw_interface_set_mtu", sw_if_index=UP, mtu=[1400, 1300, 1290, 0]),
        ask("sw_interface_tag_add_del", is_add=True, sw_if_index=UP, tag="hostlink-uplink"),
        ask("sw_interface_tag_add_del", is_add=True, sw_if_index=UP, tag=""),
        ask("sw_interface_tag_add_del", is_add=True, sw_if_index=9, tag="x"),
        ask("sw_interface_dump", sw_if_index=UP),
        ask("sw_interface_tag_add_del", is_add=False, sw_if_index=UP),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=0),
        ask("sw_interface_dump", sw_if_index=UP),
        ask("want_interface_events", enable_disable=0, pid=1),
        ask("want_interface_events", enable_disable=1, pid=1),
        ask("want_interface_events", enable_disable=1, pid=1),
        ask("want_interface_events", enable_disable=0, pid=1),
        ask("create_loopback"),
        ask("sw_interface_dump", sw_if_index=4),
        ask("tap_delete_v2", sw_if_index=UP),
        ask("tap_delete_v2", sw_if_index=9),
        ask("tap_create_v3", id=0, tap_flags=8),
        ask("sw_interface_tap_v2_dump", sw_if_index=NONE),
    ]


@scenario
def address_requests() -> Scenario:
    return [
        *opened(),
        address(True, UP, "192.168.0.1/24"),
        routes(),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        routes(),
        address(True, UP, "192.168.0.1/24"),
        address(True, UP, "192.168.0.2/24"),
        address(True, UP, "192.168.0.3/25"),
        address(True, TAP, "192.168.0.9/24"),
        address(True, UP, "10.1.0.1/32"),
        address(True, UP, "10.2.0.0/31"),
        address(True, UP, "10.3.0.1/30"),
        address(True, 9, "10.4.0.1/24"),
        address(True, 0, "10.4.0.1/24"),
        ask("sw_interface_add_del_address", is_add=True, sw_if_index=TAP, prefix={**prefix("9.9.9.9/32"), "len": 33}),
        ask("sw_interface_add_del_address", is_add=True, sw_if_index=TAP, prefix={**prefix("9.9.9.9/32"), "len": 0}),
        ask("sw_interface_add_del_address", sw_if_index=UP, prefix=prefix("8.8.8.8/24")),
        routes(),
        ask("ip_address_dump", sw_if_index=UP),
        address(False, UP, "192.168.0.1/24"),
        address(False, UP, "192.168.0.1/24"),
        address(False, TAP, "192.168.0.2/24"),
        routes(),
        address(False, UP, "192.168.0.2/24"),
        routes(),
        address(True, UP, "fd00::1/64"),
        address(True, UP, "fd00::1/64"),
        address(True, UP, "fd00::2/64"),
        address(True, TAP, "fd00::3/64"),
        address(True, UP, "fd00:1::1/128"),
        address(True, UP, "fe80::77/64"),
        address(True, UP, "fe80::77/128"),
        address(False, UP, "fe80::77/128"),
        address(False, UP, "fe80::78/128"),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=UP),
        routes(6),
        ask("ip_address_dump", sw_if_index=UP, is_ipv6=True),
        address(False, UP, "fd00::1/64"),
        routes(6),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=0),
        routes(),
        routes(6),
        ask("sw_interface_add_del_address", sw_if_index=UP, del_all=True),
        ask("ip_address_dump", sw_if_index=UP),
        ask("ip_address_dump", sw_if_index=UP, is_ipv6=True),
        ask("ip_address_dump", sw_if_index=9),
    ]


@scenario
def unnumbered_requests() -> Scenario:
    borrow = "sw_interface_set_unnumbered"
    return [
        *opened(),
        address(True, UP, "192.168.0.1/24"),
        ask(borrow, is_add=True, sw_if_index=UP, unnumbered_sw_if_index=9),
        ask(borrow, is_add=True, sw_if_index=9, unnumbered_sw_if_index=TAP),
        ask(borrow, is_add=False, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        ask(borrow, is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        ask(borrow, is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        ask("ip_unnumbered_dump", sw_if_index=NONE),
        ask("ip_unnumbered_dump", sw_if_index=UP),
        ask("ip_address_dump", sw_if_index=TAP),
        address(True, UP, "192.168.0.2/24"),
        ask("ip_table_add_del_v2", is_add=True, create_mfib=True, table={"table_id": 7}),
        ask("sw_interface_set_table", sw_if_index=TAP, vrf_id=7),
        ask("sw_interface_set_table", sw_if_index=POD, vrf_id=7),
        ask("sw_interface_set_table", sw_if_index=POD, vrf_id=8),
        ask("sw_interface_set_table", sw_if_index=9, vrf_id=7),
        ask("sw_interface_get_table", sw_if_index=POD),
        ask("sw_interface_get_table", sw_if_index=POD, is_ipv6=True),
        ask("sw_interface_get_table", sw_if_index=9),
        ask(borrow, is_add=True, sw_if_index=UP, unnumbered_sw_if_index=POD),
        ask(borrow, is_add=False, sw_if_index=9, unnumbered_sw_if_index=TAP),
        ask("ip_unnumbered_dump", sw_if_index=NONE),
    ]


@scenario
def route_requests() -> Scenario:
    return [
        *opened(),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        address(True, UP, "192.168.0.1/24"),
        route(True, "10.1.2.3/24", path(UP, "192.168.0.7")),
        route(True, "10.2.0.0/16"),
        route(True, "10.3.0.0/16", path(9, "192.168.0.7")),
        route(True, "10.4.0.0/16", path(UP, "192.168.0.7"), table_id=5),
        route(True, "10.5.0.0/16", path(NONE, "192.168.0.7", table_id=5)),
        route(True, "10.6.0.0/16", path(NONE, "192.168.0.7")),
        route(True, "10.7.0.7/32", path(UP)),
        route(True, "10.8.0.0/16", path(UP)),
        route(True, "10.9.0.0/16", path(UP, "192.168.0.7"), path(UP, "192.168.0.8", weight=3)),
        route(True, "10.9.0.0/16", path(UP, "192.168.0.9"), is_multipath=True),
        route(True, "10.9.0.0/16", path(UP, "192.168.0.9"), is_multipath=True),
        route(True, "10.10.0.0/16", path(type=2)),
        route(True, "10.11.0.0/16", path(type=5)),
        route(True, "10.12.0.0/16", path(type=6)),
        route(True, "10.13.0.1/32", path(UP, "10.13.0.1")),
        route(True, "10.14.0.0/16", path(UP, "192.168.0.7", preference=8)),
        route(True, "10.15.0.0/16", path(TAP, "1.2.3.4")),
        ask(
            "ip_route_add_del",
            is_add=True,
            route={"prefix": {**prefix("10.0.0.0/32"), "len": 33}, "n_paths": 1, "paths": [path(UP, "192.168.0.7")]},
        ),
        routes(),
        route(False, "10.9.0.0/16", path(UP, "192.168.0.7"), is_multipath=True),
        routes(),
        route(False, "10.99.0.0/16"),
        route(False, "10.9.0.0/16"),
        route(False, "10.6.0.0/16", path(UP, "1.1.1.1"), is_multipath=True),
        route(False, "10.8.0.0/16", is_multipath=True),
        route(True, "192.168.0.0/24", path(UP, "192.168.0.7")),
        route(True, "0.0.0.0/0", path(UP, "192.168.0.254")),
        routes(),
        route(False, "0.0.0.0/0"),
        ask("ip_route_v2_dump", table={"table_id": 0}),
        ask("ip_route_v2_dump", src=8, table={"table_id": 0}),
        ask("ip_route_dump", table={"table_id": 77}),
        route(True, "fd09::/64", path(UP, "fe80::9")),
        route(True, "::/0", path(UP, "fd00::fe")),
        routes(6),
    ]


@scenario
def table_and_source_requests() -> Scenario:
    add = "ip_table_add_del_v2"
    return [
        *opened(),
        ask("ip_table_dump"),
        ask(add, is_add=True, create_mfib=True, table={"table_id": 4000, "name": "hostlink-broadcast"}),
        ask(add, is_add=True, create_mfib=True, table={"table_id": 4000, "name": "other"}),
        ask(add, is_add=True, create_mfib=True, table={"table_id": 41, "is_ip6": True}),
        ask(add, is_add=True, create_mfib=True, table={"table_id": 0, "name": "mine"}),
        ask("ip_table_dump"),
        route(True, "255.255.255.255/32", path(UP, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), table_id=4000),
        ask("ip_route_dump", table={"table_id": 4000}),
        ask(add, is_add=False, create_mfib=True, table={"table_id": 99}),
        ask(add, is_add=False, create_mfib=True, table={"table_id": 41, "is_ip6": True}),
        ask(add, is_add=False, create_mfib=True, table={"table_id": 0}),
        ask("ip_table_dump"),
        ask("fib_source_dump"),
        ask("fib_source_add", src={"priority": 100, "name": "hostlink"}),
        ask("fib_source_add", src={"priority": 101, "name": "hostlink"}),
        ask("fib_source_dump"),
    ]


@scenario
def neighbour_requests() -> Scenario:
    return [
        *opened(),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=1),
        ask("sw_interface_set_flags", sw_if_index=TAP, flags=1),
        address(True, UP, "192.168.0.1/24"),
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        neighbour(True, 9, "192.168.0.7", NEAR_MAC, 1),
        neighbour(True, UP, "192.168.0.7", NEAR_MAC, 1),
        neighbour(True, UP, "192.168.0.7", HOST_MAC, 0),
        neighbour(True, UP, "192.168.0.7", NEAR_MAC, 0),
        neighbour(True, UP, "192.168.0.7", HOST_MAC, 1),
        neighbour(True, UP, "192.168.0.8", NEAR_MAC, 0),
        neighbour(True, UP, "192.168.0.8", NEAR_MAC, 3),
        neighbour(True, UP, "172.16.0.8", NEAR_MAC, 1),
        neighbour(True, TAP, "192.168.0.9", NEAR_MAC, 1),
        neighbour(True, TAP, "192.168.0.1", HOST_MAC, 1),
        neighbour(True, TAP, "fe80::5", HOST_MAC, 1),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
        ask("ip_neighbor_dump", sw_if_index=TAP, af=0),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=1),
        routes(),
        neighbour(False, UP, "192.168.0.55", NEAR_MAC, 0),
        neighbour(False, UP, "192.168.0.7", NEAR_MAC, 0),
        neighbour(False, TAP, "192.168.0.1", NEAR_MAC, 0),
        routes(),
        ask("sw_interface_set_flags", sw_if_index=UP, flags=0),
        ask("ip_neighbor_dump", sw_if_index=NONE, af=0),
    ]


@scenario
def ip6_requests() -> Scenario:
    enable = "sw_interface_ip6_enable_disable"
    config = "sw_interface_ip6nd_ra_config"
    return [
        *opened(),
        ask(enable, sw_if_index=9, enable=True),
        ask(enable, sw_if_index=UP, enable=False),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=UP),
        ask(config, sw_if_index=UP, suppress=1),
        ask(enable, sw_if_index=UP, enable=True),
        ask(enable, sw_if_index=UP, enable=True),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=UP),
        ask("sw_interface_ip6nd_ra_dump", sw_if_index=UP),
        ask(config, sw_if_index=UP, managed=1),
        ask("sw_interface_ip6nd_ra_dump", sw_if_index=UP),
        ask(config, sw_if_index=UP, suppress=1, max_interval=100),
        ask("sw_interface_ip6nd_ra_dump", sw_if_index=UP),
        ask(config, sw_if_index=UP, suppress=1, max_interval=700),
        ask("sw_interface_ip6nd_ra_dump", sw_if_index=UP),
        ask(config, sw_if_index=9, suppress=1),
        ask("sw_interface_ip6_set_link_local_address", sw_if_index=UP, ip=packed("fe80::aa")),
        ask("sw_interface_ip6_set_link_local_address", sw_if_index=TAP, ip=packed("fe80::bb")),
        ask("sw_interface_ip6_set_link_local_address", sw_if_index=9, ip=packed("fe80::bb")),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=TAP),
        ask(enable, sw_if_index=UP, enable=False),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=UP),
        ask(enable, sw_if_index=UP, enable=False),
        ask("sw_interface_ip6_get_link_local_address", sw_if_index=UP),
        ask("ip6nd_proxy_enable_disable", sw_if_index=9, is_enable=True),
        ask("ip6nd_proxy_enable_disable", sw_if_index=TAP, is_enable=True),
        ask("ip6nd_proxy_enable_disable", sw_if_index=TAP, is_enable=True),
    ]


@scenario
def shared_requests() -> Scenario:
    """What belongs to the node and not to an interface: proxies, redirects, punted ports."""
    low, high = packed("10.0.0.1"), packed("10.0.0.9")
    proxy = "proxy_arp_add_del"
    return [
        *opened(),
        ask(proxy, is_add=True, proxy={"table_id": 9, "low": low, "hi": high}),
        ask(proxy, is_add=True, proxy={"low": low, "hi": high}),
        ask(proxy, is_add=True, proxy={"low": low, "hi": high}),
        ask("proxy_arp_dump"),
        ask(proxy, is_add=False, proxy={"low": low, "hi": packed("10.0.0.8")}),
        ask(proxy, is_add=False, proxy={"low": low, "hi": high}),
        ask("proxy_arp_dump"),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=9, enable=True),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=True),
        ask("proxy_arp_intfc_dump"),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        redirect(True, SHARED),
        redirect(True, SHARED, rx=POD),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        ask("ip_punt_redirect_v2_dump", sw_if_index=POD, af=0),
        ask("ip_punt_redirect_v2_dump", sw_if_index=UP, af=0),
        ask("ip_punt_redirect_v2_dump", sw_if_index=0, af=0),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=1),
        redirect(False, SHARED, rx=POD),
        redirect(False, SHARED, rx=POD),
        ask("ip_punt_redirect_v2_dump", sw_if_index=NONE, af=0),
        ask(
            "add_del_ip_punt_redirect_v2",
            is_add=True,
            punt={"rx_sw_if_index": NONE, "n_paths": 1, "paths": [path(77, SHARED)]},
        ),
        punt(True, 0, 17),
        punt(True, 0, 17),
        punt(True, 0, 6),
        punt(True, 0, 6, 80),
        punt(True, 0, 17, 53),
        punt(False, 0, 17, 54),
        punt(True, 0, 132),
        ask("set_punt", is_add=True, punt={"type": 1, "punt": bytes([0, 17, 0, 0])}),
    ]


@scenario
def classifier_requests() -> Scenario:
    mask, match = at(16, _9=b"\xff"), at(16, _9=b"\x11")
    both = "classify_table_by_interface"
    return [
        *opened(),
        ask("classify_table_ids"),
        ask("classify_table_info", table_id=0),
        table(mask),
        table(mask, skip=1),
        ask(
            "classify_add_del_table",
            is_add=True,
            table_index=NONE,
            nbuckets=2,
            memory_size=4096,
            mask_len=3,
            mask=b"abc",
        ),
        ask(
            "classify_add_del_table",
            is_add=True,
            table_index=NONE,
            nbuckets=0,
            memory_size=4096,
            match_n_vectors=1,
            mask_len=16,
            mask=mask,
        ),
        ask(
            "classify_add_del_table",
            is_add=True,
            table_index=NONE,
            nbuckets=2,
            memory_size=0,
            match_n_vectors=1,
            mask_len=16,
            mask=mask,
        ),
        ask("classify_table_ids"),
        ask("classify_table_info", table_id=1),
        session(0, match, hit_next_index=0),
        session(0, match + match, hit_next_index=0),
        session(9, match),
        session(0, at(16, _9=b"\x06"), is_add=False),
        ask("classify_table_info", table_id=0),
        ask(both, sw_if_index=9),
        ask(both, sw_if_index=TAP),
        acl("input_acl_set_interface", TAP, True, ip4=9),
        acl("input_acl_set_interface", 9, True, ip4=0),
        acl("input_acl_set_interface", TAP, True, ip4=0),
        ask(both, sw_if_index=TAP),
        acl("input_acl_set_interface", TAP, True, ip4=1),
        ask(both, sw_if_index=TAP),
        acl("input_acl_set_interface", TAP, False, ip4=1),
        acl("input_acl_set_interface", TAP, False, ip4=0),
        ask(both, sw_if_index=TAP),
        acl("output_acl_set_interface", TAP, True, ip6=0),
        acl("output_acl_set_interface", TAP, True, ip6=9),
        ask(both, sw_if_index=TAP),
        acl("output_acl_set_interface", TAP, False, ip6=0),
        ask("classify_add_del_table", is_add=False, table_index=9, match_n_vectors=1, mask_len=16, mask=mask),
        ask("classify_add_del_table", is_add=False, table_index=1, match_n_vectors=1, mask_len=16, mask=mask),
        ask("classify_table_ids"),
    ]


# ------------------------------------------------------------------------------------------------------- IPv4 packets


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


# ------------------------------------------------------------------------------------------------------- IPv6 packets


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


# ----------------------------------------------------------------------------------------- what outlives an interface


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
