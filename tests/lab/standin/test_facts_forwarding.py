"""What is forwarded, and what becomes of TTLs, sizes and checksums on the way."""

from __future__ import annotations

import struct

import pytest

from hostlink.lab.standin import packet
from tests.lab.standin.facts import FAR, FAR6, POD_IP, SHARED, SHARED6, Node, taken_over
from tools.vpp_records import steps
from tools.vpp_records.steps import HOST_MAC, POD, POD_MAC, ROUTER_MAC, UP, Send, ask

IP = packet.ETHERNET_BYTES
TTL, HOP_LIMIT = IP + 8, IP + 7
BIG = b"x" * 1400


def _mtu(sw_if_index: int, mtu_bytes: int) -> steps.Request:
    return ask("sw_interface_set_mtu", sw_if_index=sw_if_index, mtu=[mtu_bytes, 0, 0, 0])


def _left_open(source: str, destination: str, *, gso_size: int = 0, size: int = 7) -> Send:
    """From the wire, TCP whose checksum the sender left to its NIC; with gso_size also the cutting."""
    whole = steps.segment(source, destination, packet.TCP, b"y" * size)
    pseudo = packet.pseudo_header_sum(steps.packed(source), steps.packed(destination), packet.TCP, len(whole))
    left = whole[:16] + struct.pack(">H", pseudo) + whole[18:]
    kind = packet.GSO_TCP4 if gso_size else packet.GSO_NONE
    offload = packet.Offload(True, 34, 16, kind, gso_size, 54 if gso_size else 0)
    return Send("up", steps.ip4("up", source, destination, packet.TCP, left, ROUTER_MAC).frame, offload)


# ----------------------------------------------------------------------------------------------------------------- TTL


def test_what_the_host_sends_loses_one_hop() -> None:
    node = taken_over()
    ((port, frame),) = node.feed(steps.udp4("tap", SHARED, FAR, HOST_MAC, ttl=64))
    assert (port, frame[TTL], packet.checksum(frame[IP : IP + 20])) == ("up", 63, 0)
    ((port, frame),) = node.feed(steps.udp6("tap", SHARED6, FAR6, HOST_MAC, hops=64))
    assert (port, frame[HOP_LIMIT]) == ("up", 63)


def test_the_last_hop_comes_back_as_time_exceeded_in_ipv6_and_to_pods() -> None:
    node = taken_over()
    ((port, frame),) = node.feed(steps.udp6("tap", SHARED6, FAR6, HOST_MAC, hops=1))
    assert (port, frame[IP + 40]) == ("tap", 3)
    ((port, frame),) = node.feed(steps.udp4("pod", POD_IP, FAR, POD_MAC, ttl=1))
    assert (port, frame[IP + 20]) == ("pod", 11)


def test_vpps_own_icmp_errors_in_ipv4_never_reach_the_host() -> None:
    """They go from the shared address to the shared address, and that is a spoofed packet to VPP."""
    node = taken_over()
    assert node.ports(steps.udp4("tap", SHARED, FAR, HOST_MAC, ttl=1)) == []
    node.ask(_mtu(POD, 1300))
    assert node.ports(steps.udp4("tap", SHARED, POD_IP, HOST_MAC, BIG, flags=0x4000)) == []
    assert "ip4 spoofed local-address packet drops" in node.why()


# --------------------------------------------------------------------------------------------------------------- sizes


def test_too_large_with_dont_fragment_comes_back_with_the_mtu() -> None:
    node = taken_over()
    node.ask(_mtu(UP, 1300))
    ((port, frame),) = node.feed(steps.udp4("pod", POD_IP, FAR, POD_MAC, BIG, flags=0x4000))
    kind, code, mtu_bytes = struct.unpack_from(">BB4xH", frame, IP + 20)
    assert (port, kind, code, mtu_bytes) == ("pod", 3, 4, 1300)


def test_too_large_without_it_is_cut() -> None:
    node = taken_over()
    node.ask(_mtu(POD, 1300))
    sent = node.feed(steps.udp4("tap", SHARED, POD_IP, HOST_MAC, BIG))
    assert [port for port, _ in sent] == ["pod", "pod"]
    assert all(len(frame) <= IP + 1300 for _, frame in sent)


def test_ipv6_too_large_comes_back_with_the_mtu() -> None:
    node = taken_over()
    node.ask(_mtu(UP, 1300))
    ((port, frame),) = node.feed(steps.udp6("tap", SHARED6, FAR6, HOST_MAC, BIG))
    kind, mtu_bytes = struct.unpack_from(">B3xI", frame, IP + 40)
    assert (port, kind, mtu_bytes) == ("tap", 2, 1300)


def test_a_frame_larger_than_the_device_takes_wedges_its_transmit_ring_for_good() -> None:
    """That is what an MTU left at 9000 does."""
    node = taken_over()
    small, large = (steps.udp4("tap", SHARED, FAR, HOST_MAC, b"z" * size) for size in (10, 3000))
    node.ask(_mtu(UP, 9000))
    assert node.ports(small) == ["up"]
    assert node.ports(large) == []
    assert node.ports(small) == []
    for flags in (0, 1):
        node.ask(ask("sw_interface_set_flags", sw_if_index=UP, flags=flags))
    node.ask(_mtu(UP, 1500))
    assert node.ports(small) == []
    assert "tx sendto temporary failure" in node.why()


@pytest.mark.parametrize(("pieces", "arrives"), [(3, ["tap"]), (6, [])])
def test_more_fragments_for_the_host_than_three_are_lost(pieces: int, arrives: list[str]) -> None:
    """Not for their size: in VPP the limits are three pieces and 200 ms."""
    node = taken_over()
    whole = steps.segment(FAR, SHARED, packet.UDP, b"x" * (160 * pieces - 8))
    came: set[str] = set()
    for start in range(0, len(whole), 160):
        piece = whole[start : start + 160]
        more = 0x2000 if start + 160 < len(whole) else 0
        sent = steps.ip4("up", FAR, SHARED, packet.UDP, piece, ROUTER_MAC, flags=more | start // 8, identification=5)
        came.update(node.ports(sent))
    assert sorted(came) == arrives


# ----------------------------------------------------------------------------------------------------------- checksums


def test_a_wrong_tcp_checksum_does_not_reach_the_host() -> None:
    node = taken_over()
    assert node.ports(steps.tcp4("up", FAR, SHARED, ROUTER_MAC, bad=True)) == []
    assert node.why() == {"bad tcp checksum"}


@pytest.mark.parametrize(("flags", "arrives"), [(2, ["tap"]), (0, [])])
def test_a_checksum_left_to_the_card_is_right_only_with_the_offload_flag(flags: int, arrives: list[str]) -> None:
    """A veth peer leaves it open. Ping works all the same, which is the trap."""
    node = Node(steps.taken_over(flags=flags))
    assert node.ports(_left_open(FAR, SHARED)) == arrives
    assert node.ports(steps.echo4("up", FAR, SHARED, ROUTER_MAC)) == ["up"]


def test_segments_to_be_cut_keep_their_header_where_the_device_can_cut_them() -> None:
    (frame,) = taken_over().frames(_left_open(FAR, SHARED, gso_size=1460, size=4000))
    assert frame.offload is not None
    assert (frame.offload.gso_type, frame.offload.gso_size) == (packet.GSO_TCP4, 1460)


@pytest.mark.parametrize(("tap_flags", "arrives"), [(0, 0), (1, 1)])
def test_a_tap_without_gso_drops_them(tap_flags: int, arrives: int) -> None:
    node = Node(steps.opened()[:1])
    tap = {"id": 0, "use_random_mac": False, "mac_address": bytes([2, 0, 0, 0, 0, 9]), "tap_flags": tap_flags}
    assert node.bench.call("tap_create_v3", **tap)["retval"] == 0
    for step in steps.taken_over()[3:]:
        assert isinstance(step, steps.Request)
        if f"'sw_if_index': {POD}" not in repr(step.fields) and POD not in step.fields.values():
            assert node.ask(step) == 0, step
    assert len(node.frames(_left_open(FAR, SHARED, gso_size=1460, size=4000))) == arrives
    assert ("tx gso packet drop" in node.why()) != bool(arrives)


# ------------------------------------------------------------------------------------------------------------ adjacency


def test_an_unknown_next_hop_is_asked_for_and_the_packet_is_lost() -> None:
    node = taken_over()
    sent = steps.udp4("tap", SHARED, "192.168.0.77", HOST_MAC)
    ((port, frame),) = node.feed(sent)
    assert (port, frame[:6], frame[12:14]) == ("up", packet.BROADCAST, b"\x08\x06")
    node.feed(steps.arp("up", 2, "192.168.0.77", SHARED, POD_MAC, steps.MAC["up"]))
    ((port, frame),) = node.feed(sent)
    assert (port, frame[:6], frame[12:14]) == ("up", POD_MAC, b"\x08\x00")


def test_a_learnt_neighbour_is_forgotten_when_it_is_too_old_and_a_static_one_is_not() -> None:
    node = taken_over()
    node.feed(steps.arp("up", 1, "192.168.0.33", SHARED, POD_MAC))
    node.bench.now_s += 100
    node.bench.state.neighbours.age(99)
    left = node.dump(ask("ip_neighbor_dump", sw_if_index=UP, af=0))
    assert [entry["neighbor"]["ip_address"]["un"][:4] for entry in left] == [steps.packed("192.168.0.254")]


def test_with_an_address_goes_what_was_learnt_of_its_network_while_another_address_of_it_stays() -> None:
    """And only that: static neighbours stay, and so do those of other networks (run on 26.06 by test_addresses)."""
    node = taken_over()
    node.feed(steps.arp("up", 1, "192.168.0.33", SHARED, POD_MAC))
    node.ask(steps.neighbour(True, UP, "192.168.0.44", POD_MAC, 1))
    node.ask(steps.neighbour(True, UP, "10.8.0.9", POD_MAC, 0))
    for is_add in (True, False):
        node.ask(steps.address(is_add, UP, "192.168.0.7/24"))
    left = node.dump(ask("ip_neighbor_dump", sw_if_index=UP, af=0))
    known = {bytes(entry["neighbor"]["ip_address"]["un"][:4]) for entry in left}
    assert known == {steps.packed(text) for text in ("192.168.0.254", "192.168.0.44", "10.8.0.9")}


def test_answers_of_an_on_link_network_are_taken_only_where_the_api_or_the_cli_routed_it() -> None:
    """`show ip fib` says "attached" of it only then (run on 26.06 by test_addresses)."""
    node = taken_over()
    node.bench.call("fib_source_add", src={"priority": 0x78, "name": "another", "id": 0})
    sources = {entry["src"]["name"]: entry["src"]["id"] for entry in node.dump(ask("fib_source_dump"))}
    there = steps.udp4("tap", SHARED, "10.8.0.9", HOST_MAC)
    answer = steps.arp("up", 2, "10.8.0.9", SHARED, POD_MAC)
    left = {}
    for name in ("another", "CLI"):
        fields = steps.route(True, "10.8.0.0/24", steps.path(UP)).fields
        node.ask(ask("ip_route_add_del_v2", **{**fields, "route": {**fields["route"], "src": sources[name]}}))
        node.feed(there)
        node.feed(answer)
        left[name] = node.feed(there)[0][1][12:14]
        node.ask(
            ask(
                "ip_route_add_del_v2", **{**fields, "is_add": False, "route": {**fields["route"], "src": sources[name]}}
            )
        )
    assert left == {"another": b"\x08\x06", "CLI": b"\x08\x00"}
