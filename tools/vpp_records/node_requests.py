"""What is asked about neighbours, IPv6 on a link, and what belongs to the node: proxies, punting, classifiers."""

from __future__ import annotations

from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.scenario import (
    NEAR_MAC,
    SHARED,
    acl,
    at,
    scenario,
    session,
    table,
)
from tools.vpp_records.steps import (
    HOST_MAC,
    POD,
    TAP,
    UP,
    Scenario,
    address,
    ask,
    neighbour,
    opened,
    packed,
    path,
    punt,
    redirect,
    routes,
)


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
    both, make = "classify_table_by_interface", "classify_add_del_table"
    whole = {"is_add": True, "table_index": NONE, "match_n_vectors": 1, "mask_len": 16, "mask": mask}
    return [
        *opened(),
        ask("classify_table_ids"),
        ask("classify_table_info", table_id=0),
        table(mask),
        table(mask, skip=1),
        ask(make, is_add=True, table_index=NONE, nbuckets=2, memory_size=4096, mask_len=3, mask=b"abc"),
        ask(make, **whole, nbuckets=0, memory_size=4096),
        ask(make, **whole, nbuckets=2, memory_size=0),
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
        ask(make, is_add=False, table_index=9, match_n_vectors=1, mask_len=16, mask=mask),
        ask(make, is_add=False, table_index=1, match_n_vectors=1, mask_len=16, mask=mask),
        ask("classify_table_ids"),
    ]
