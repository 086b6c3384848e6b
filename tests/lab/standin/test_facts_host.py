"""What the host gets and what it does not: punting, redirecting, ARP and neighbour discovery on a shared address."""

from __future__ import annotations

import struct

import pytest

from hostlink.lab.standin import packet
from tests.lab.standin.facts import (
    FAR,
    FAR6,
    POD_IP,
    ROUTER,
    ROUTER6,
    ROUTER_LL,
    SHARED,
    SHARED6,
    SHARED_LL,
    Node,
    taken_over,
)
from tools.vpp_records import steps
from tools.vpp_records.scenario import acl, at, session, table
from tools.vpp_records.steps import HOST_MAC, MAC, POD, POD_MAC, ROUTER_MAC, TAP, UP, Request, Send, ask

IP = packet.ETHERNET_BYTES
TTL, HOP_LIMIT = IP + 8, IP + 7
ARRIVES = steps.udp4("up", FAR, SHARED, ROUTER_MAC)
ARRIVES6 = steps.udp6("up", FAR6, SHARED6, ROUTER_MAC)
RAW = bytes(20)
REQUEST, REPLY = 1, 2


# ------------------------------------------------------------------------------------------------------------- punting


@pytest.mark.parametrize(("sent", "at_byte", "left"), [(ARRIVES, TTL, 64), (ARRIVES6, HOP_LIMIT, 64)])
def test_what_is_for_the_host_reaches_it_with_its_ttl(sent: Send, at_byte: int, left: int) -> None:
    ((port, frame),) = taken_over().feed(sent)
    assert (port, frame[at_byte]) == ("tap", left)
    assert (frame[:6], frame[6:12]) == (HOST_MAC, MAC["tap"])


@pytest.mark.parametrize("protocol", [2, 4, 47, 50, 89, 112, 132])
def test_other_protocols_reach_the_host_even_with_a_ttl_of_1(protocol: int) -> None:
    sent = steps.ip4("up", FAR, SHARED, protocol, RAW, ROUTER_MAC, ttl=1)
    ((port, frame),) = taken_over().feed(sent)
    assert (port, frame[TTL]) == ("tap", 1)


def test_vpp_answers_pings_itself() -> None:
    node = taken_over()
    assert node.ports(steps.echo4("up", FAR, SHARED, ROUTER_MAC)) == ["up"]
    assert node.ports(steps.echo6("up", FAR6, SHARED6, ROUTER_MAC)) == ["up"]


def test_closed_udp_ports_are_vpps_own_unless_set_punt_says_otherwise() -> None:
    """TCP is punted anyway while VPP's session layer is off."""
    node = taken_over()
    for protocol in (6, 17):
        node.ask(steps.punt(False, 0, protocol))
    assert node.ports(ARRIVES) == ["up"]
    assert node.ports(steps.tcp4("up", FAR, SHARED, ROUTER_MAC)) == ["tap"]
    node.ask(steps.punt(True, 0, 17))
    assert node.ports(ARRIVES) == ["tap"]


def test_set_punt_for_tcp_of_one_port_is_refused_and_for_udp_it_is_not() -> None:
    node = taken_over()
    assert [node.ask(steps.punt(True, 0, protocol, 4321)) for protocol in (6, 17)] == [-1, 0]


def test_a_source_without_a_route_is_dropped() -> None:
    node = taken_over()
    node.ask(steps.route(False, "0.0.0.0/0"))
    assert node.ports(ARRIVES) == []
    assert node.why() == {"ip4 source lookup miss"}


# ------------------------------------------------------------------------------------------------------- the redirect


def test_deleting_an_absent_redirect_switches_punting_off_and_the_dump_does_not_show_it() -> None:
    node = taken_over()
    assert node.ask(steps.redirect(False, SHARED, rx=POD)) == 0
    assert node.ports(ARRIVES) == []
    assert len(node.dump(ask("ip_punt_redirect_v2_dump", sw_if_index=0xFFFFFFFF, af=0))) == 1


def test_a_repeated_add_leaks_so_that_one_delete_leaves_nothing_but_no_switch_off() -> None:
    node = taken_over()
    node.ask(steps.redirect(True, SHARED))
    node.ask(steps.redirect(False, SHARED))
    assert node.ports(ARRIVES) == []
    assert node.bench.state.redirects[4].enabled


def test_after_one_delete_too_many_the_next_add_returns_0_and_never_punts() -> None:
    node = taken_over()
    for is_add in (False, False, True):
        assert node.ask(steps.redirect(is_add, SHARED)) == 0
    assert node.ports(ARRIVES) == []


def test_the_families_are_counted_apart() -> None:
    node = taken_over()
    node.ask(steps.redirect(False, SHARED))
    assert (node.ports(ARRIVES), node.ports(ARRIVES6)) == ([], ["tap"])


# ----------------------------------------------------------------------------------------------------------------- ARP


def test_vpp_answers_for_the_shared_address_on_the_uplink() -> None:
    ((port, frame),) = taken_over().feed(steps.arp("up", REQUEST, ROUTER, SHARED, ROUTER_MAC))
    assert (port, frame[:6], frame[22:28]) == ("up", ROUTER_MAC, MAC["up"])


def test_a_static_neighbour_without_no_fib_entry_takes_the_shared_address_off_the_network() -> None:
    node = Node(steps.taken_over(neighbour_flags=1))
    assert node.ports(steps.arp("up", REQUEST, ROUTER, SHARED, ROUTER_MAC)) == []


def test_the_host_resolves_nobody_without_proxy_arp() -> None:
    node = taken_over()
    asks = steps.arp("tap", REQUEST, SHARED, ROUTER, HOST_MAC)
    assert node.ports(asks) == ["tap"]
    node.ask(ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=False))
    assert node.ports(asks) == []
    assert node.why() == {"IP4 source address matches local interface"}


def test_probes_for_address_conflicts_are_not_answered() -> None:
    """Sender 0.0.0.0 (RFC 5227): 26.06 drops them before the proxy sees them."""
    assert taken_over().ports(steps.arp("tap", REQUEST, "0.0.0.0", SHARED, HOST_MAC)) == []


def test_a_frame_to_another_mac_is_dropped() -> None:
    node = taken_over()
    sent = Send("tap", ROUTER_MAC + steps.udp4("tap", SHARED, FAR, HOST_MAC).frame[6:])
    assert node.ports(sent) == []
    assert node.why() == {"l3 mac mismatch"}


# --------------------------------------------------------------------------------------------------------- discovery


def _heard() -> Send:
    return steps.advertisement("up", "fd00::44", SHARED_LL, "fd00::44", ROUTER_MAC)


def test_advertisements_that_answer_vpp_reach_the_host_too() -> None:
    assert taken_over().ports(_heard()) == ["tap"]


def test_an_output_acl_on_the_tap_keeps_them_away_and_lets_the_proxys_own_pass() -> None:
    node = taken_over()
    rules: list[Request] = [
        table(at(48, _6=b"\xff", _40=b"\xff")),
        session(0, at(48, _6=b"\x3a", _40=b"\x88"), hit_next_index=0),
        acl("output_acl_set_interface", TAP, True, ip6=0),
    ]
    assert [node.ask(rule) for rule in rules] == [0, 0, 0]
    assert node.ports(_heard()) == []
    assert node.ports(ARRIVES6) == ["tap"]
    assert node.ports(steps.solicitation("tap", SHARED6, ROUTER6, HOST_MAC)) == ["tap"]


@pytest.mark.parametrize(("source", "answered"), [(SHARED6, ["tap"]), (SHARED_LL, [])])
def test_the_nd_proxy_ignores_link_local_sources(source: str, answered: list[str]) -> None:
    assert taken_over().ports(steps.solicitation("tap", source, ROUTER6, HOST_MAC)) == answered


def test_groups_from_the_host_are_dropped_unless_ipv6_is_enabled_on_the_tap() -> None:
    node = taken_over()
    node.ask(ask("sw_interface_ip6_enable_disable", sw_if_index=TAP, enable=False))
    assert node.ports(steps.udp6("tap", SHARED_LL, "ff02::1", HOST_MAC)) == []
    assert node.why() == {"Multicast RPF check failed"}


def test_the_hosts_link_local_is_reached_only_when_it_is_the_uplinks() -> None:
    node = taken_over()
    arrives = steps.udp6("up", ROUTER_LL, SHARED_LL, ROUTER_MAC)
    assert node.ports(arrives) == ["tap"]
    node.ask(ask("sw_interface_ip6_set_link_local_address", sw_if_index=UP, ip=steps.packed("fe80::bb")))
    assert "tap" not in node.ports(arrives)


def test_router_advertisements_never_reach_the_host() -> None:
    message = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    assert taken_over().ports(steps.icmp6("up", ROUTER_LL, "ff02::1", message, ROUTER_MAC)) == []


def test_any_configuration_of_advertisements_but_suppressing_switches_them_on() -> None:
    node = taken_over()
    solicits = steps.icmp6("up", ROUTER_LL, "ff02::2", struct.pack(">BBHI", 133, 0, 0, 0), ROUTER_MAC)
    assert node.ports(solicits) == ["tap"]
    assert node.bench.graph.tick() == []
    node.ask(ask("sw_interface_ip6nd_ra_config", sw_if_index=UP, suppress=1, is_no=True))
    assert node.bench.graph.tick() != []
    assert node.ports(solicits) == ["up"]


# ---------------------------------------------------------------------------------------------------------------- pods


def test_a_pod_reaches_the_host_and_is_reached_by_it() -> None:
    node = taken_over()
    assert node.ports(steps.tcp4("pod", POD_IP, SHARED, POD_MAC)) == ["tap"]
    ((port, frame),) = node.feed(steps.tcp4("tap", SHARED, POD_IP, HOST_MAC))
    assert (port, frame[:6]) == ("pod", POD_MAC)
