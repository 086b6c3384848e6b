"""What is asked about interfaces, addresses and routes."""

from __future__ import annotations

from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    scenario,
)
from tools.vpp_records.steps import (
    MAC,
    POD,
    TAP,
    UP,
    Scenario,
    address,
    ask,
    opened,
    path,
    prefix,
    route,
    routes,
)


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
