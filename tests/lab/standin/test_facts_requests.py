"""What VPP refuses, by its numbers, and what it takes in silence and does not do."""

from __future__ import annotations

import pytest

from hostlink.lab.standin.bench import Bench
from hostlink.lab.standin.interfaces import NONE
from tests.lab.standin.facts import FAR, POD_IP, SHARED, Node, taken_over
from tools.vpp_records import steps
from tools.vpp_records.scenario import acl, at, session, table
from tools.vpp_records.steps import HOST_MAC, MAC, POD, POD_MAC, ROUTER_MAC, TAP, UP, Request, ask, packed

CREATE = "af_packet_create_v3"
ABSENT = 99

REFUSALS: dict[str, tuple[Request, int]] = {
    "af_packet without mode=1": (ask(CREATE, host_if_name="up0", hw_addr=MAC["up"]), -7),
    "af_packet of an absent device": (ask(CREATE, mode=1, host_if_name="absent0", hw_addr=MAC["up"]), -71),
    "an address without is_add": (
        ask("sw_interface_add_del_address", sw_if_index=UP, prefix=steps.prefix("192.168.7.1/24")),
        -60,
    ),
    "an address that is there": (steps.address(True, UP, "192.168.0.1/24"), -105),
    "an IPv6 address that is there": (steps.address(True, UP, "fd00::1/64"), -127),
    "an address in the prefix of another interface": (steps.address(True, POD, "192.168.0.9/24"), -105),
    "flags of an unknown interface": (ask("sw_interface_set_flags", sw_if_index=ABSENT, flags=1), -2),
    "MTU of an unknown interface": (ask("sw_interface_set_mtu", sw_if_index=ABSENT, mtu=[1500, 0, 0, 0]), -2),
    "unnumbered on an unknown interface": (
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=ABSENT, unnumbered_sw_if_index=TAP),
        -10,
    ),
    "an interface in an absent table": (ask("sw_interface_set_table", sw_if_index=POD, vrf_id=77), -3),
    "a route in an absent table": (steps.route(True, "10.9.0.0/16", steps.path(UP), table_id=77), -3),
    "IPv6 enabled twice": (ask("sw_interface_ip6_enable_disable", sw_if_index=UP, enable=True), -81),
    "deleting a neighbour that is absent": (steps.neighbour(False, POD, "10.0.0.77", POD_MAC, 1), -6),
    "punting another protocol than TCP and UDP": (steps.punt(True, 0, 1), -1),
    "deleting a tap that is a packet socket": (ask("tap_delete_v2", sw_if_index=UP), -2),
    "deleting an absent af_packet": (ask("af_packet_delete", host_if_name="absent0"), -11),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refused(what: str) -> None:
    request, retval = REFUSALS[what]
    assert taken_over().ask(request) == retval


def test_unnumbered_across_tables_is_refused() -> None:
    node = Node(steps.opened())
    node.ask(ask("ip_table_add_del_v2", is_add=True, create_mfib=True, table={"table_id": 7}))
    node.ask(ask("sw_interface_set_table", sw_if_index=TAP, vrf_id=7))
    across = ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP)
    assert node.ask(across) == -74


def test_a_tap_that_is_absent_is_not_attached_to() -> None:
    tap = {"id": 0, "host_if_name_set": True, "host_if_name": "eth0", "tap_flags": 12, "mac_address": MAC["tap"]}
    assert Bench().call("tap_create_v3", **tap)["retval"] == -13
    assert Bench(taps=("eth0",)).call("tap_create_v3", **tap)["retval"] == 0


def test_a_tap_with_id_0_is_tap0() -> None:
    bench = Bench()
    bench.call("tap_create_v3", id=0, use_random_mac=True, tag="hostlink-tap-eth0")
    (_, tap) = bench.dump("sw_interface_dump", sw_if_index=NONE)
    assert (tap["interface_name"], tap["tag"]) == ("tap0", "hostlink-tap-eth0")


def test_the_mtu_is_9000_until_it_is_set() -> None:
    node = Node(steps.opened())
    (details,) = node.dump(ask("sw_interface_dump", sw_if_index=UP))
    assert details["mtu"][0] == 9000


# ------------------------------------------------------------------------------------------------ taken, and not done


def test_a_second_input_acl_returns_0_and_leaves_the_first() -> None:
    node = taken_over()
    for mask in (at(16, _9=b"\xff"), at(16, _8=b"\xff")):
        assert node.ask(table(mask)) == 0
    assert [node.ask(acl("input_acl_set_interface", TAP, True, ip4=index)) for index in (0, 1)] == [0, 0]
    assert node.bench.call("classify_table_by_interface", sw_if_index=TAP)["ip4_table_id"] == 0


def test_the_acl_slot_of_a_deleted_interface_stays_taken_for_the_next_of_that_index() -> None:
    """VPP forgets the classifier and remembers that there was one: the next is taken with 0 and never looked at."""
    node = taken_over()
    block = acl("input_acl_set_interface", POD, True, ip4=0)
    for request in (table(at(16, _9=b"\xff")), session(0, at(16, _9=b"\x11"), hit_next_index=0), block):
        assert node.ask(request) == 0
    assert node.ports(steps.udp4("pod", POD_IP, FAR, POD_MAC)) == []
    node.ask(ask("af_packet_delete", host_if_name="pod0"))
    node.ask(ask(CREATE, mode=1, flags=2, host_if_name="pod0", hw_addr=MAC["pod"]))
    node.ask(ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=POD))
    node.ask(ask("sw_interface_set_flags", sw_if_index=POD, flags=1))
    assert node.ask(block) == 0
    assert node.ports(steps.udp4("pod", POD_IP, FAR, POD_MAC)) == ["up"]


def test_proxy_arp_of_a_deleted_interface_must_be_switched_off_before_it_goes_on_again() -> None:
    node = taken_over()
    asks = steps.arp("tap", 1, SHARED, "192.168.0.254", HOST_MAC)
    node.ask(ask("af_packet_delete", host_if_name="in0"))
    node.ask(ask(CREATE, mode=1, flags=2, host_if_name="in0", hw_addr=MAC["tap"]))
    node.ask(ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP))
    node.ask(ask("sw_interface_set_flags", sw_if_index=TAP, flags=1))
    answered = []
    for enable in (True, False, True):
        node.ask(ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=enable))
        answered.append(node.ports(asks))
    assert answered == [[], [], ["tap"]]


def test_routes_and_redirects_by_a_deleted_interface_stay_dead_when_its_index_is_used_again() -> None:
    node = taken_over()
    node.ask(ask("af_packet_delete", host_if_name="in0"))
    node.ask(ask(CREATE, mode=1, flags=2, host_if_name="in0", hw_addr=MAC["tap"]))
    node.ask(ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP))
    node.ask(ask("sw_interface_set_flags", sw_if_index=TAP, flags=1))
    node.ask(steps.neighbour(True, TAP, SHARED, HOST_MAC, 3))
    arrives = steps.udp4("up", FAR, SHARED, ROUTER_MAC)
    assert node.ports(arrives) == []
    node.ask(steps.redirect(False, SHARED))
    node.ask(steps.redirect(True, SHARED))
    assert node.ports(arrives) == ["tap"]


def test_a_new_route_of_the_paths_of_one_that_died_is_dead_too_until_the_last_of_them_goes() -> None:
    """VPP keeps one list of paths for all of them (read: vnet/fib/fib_path_list.c, 26.06)."""
    node = taken_over()
    old, new = ((prefix, steps.path(POD, "10.0.0.6")) for prefix in ("10.8.0.0/16", "10.9.0.0/16"))
    node.ask(steps.route(True, *old))
    node.ask(ask("af_packet_delete", host_if_name="pod0"))
    node.ask(ask(CREATE, mode=1, flags=2, host_if_name="pod0", hw_addr=MAC["pod"]))
    node.ask(ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=POD))
    node.ask(ask("sw_interface_set_flags", sw_if_index=POD, flags=1))
    node.ask(steps.neighbour(True, POD, "10.0.0.6", POD_MAC, 1))
    leaves = []
    for change in (
        steps.route(True, *new),
        steps.route(False, *old),
        steps.route(False, *new),
        steps.route(True, *new),
    ):
        node.ask(change)
        leaves.append(node.ports(steps.udp4("up", FAR, "10.9.0.1", ROUTER_MAC)))
    assert leaves == [[], [], ["up"], ["pod"]]


def test_who_borrows_the_addresses_of_a_deleted_interface_goes_on_to() -> None:
    node = taken_over()
    node.ask(ask("af_packet_delete", host_if_name="up0"))
    borrowed = {
        item["sw_if_index"]: item["ip_sw_if_index"] for item in node.dump(ask("ip_unnumbered_dump", sw_if_index=NONE))
    }
    assert borrowed[TAP] == UP


def test_ipv6_enabled_twice_needs_to_be_disabled_twice() -> None:
    node = taken_over()
    enabled = [ask("sw_interface_ip6_enable_disable", sw_if_index=POD, enable=enable) for enable in (True, False)]
    assert [node.ask(enabled[0]), node.ask(enabled[0]), node.ask(enabled[1])] == [0, -81, 0]
    link_local = ask("sw_interface_ip6_get_link_local_address", sw_if_index=POD)
    assert node.ask(link_local) == 0
    assert node.ask(enabled[1]) == 0
    assert node.ask(link_local) != 0


def test_a_route_that_is_a_neighbour_of_the_cni_comes_back_in_the_dump() -> None:
    node = taken_over()
    found = node.dump(steps.routes())
    prefixes = {(route["route"]["prefix"]["address"]["un"][:4], route["route"]["prefix"]["len"]) for route in found}
    assert (packed(POD_IP), 32) in prefixes
