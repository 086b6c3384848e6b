"""Which way each kind of frame goes, and what is done to it: the programs in the kernel, on one frame each. As root.

(F04, F08, F18, F19, F21, F22: the frames that each is about, by name below)
"""

from __future__ import annotations

import os
from ipaddress import ip_address

import pytest
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from hostlink.kernel.bpf import programs
from tests.kernel.bpf_run import run

VPP, OTHER, BROADCAST = "02:ca:11:c0:fd:10", "52:54:00:00:00:99", "ff:ff:ff:ff:ff:ff"
NIC = "00:00:00:00:00:00"
"""The MAC of the loopback device that a test run's frame comes in by."""
HOST4, PEER4, HOST6, PEER6, LINK6, ROUTER6 = "10.0.0.1", "10.0.0.9", "fd00::1", "fd00::9", "fe80::1", "fe80::99"
CONTINUE, SHOT, REDIRECT = 0xFFFFFFFF, 2, 7

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loading a program takes root")


def multicast6(packet: Packet) -> Packet:
    return Ether(dst="33:33:00:00:00:01", src=OTHER) / packet


def unicast(packet: Packet, to: str = NIC) -> Packet:
    return Ether(dst=to, src=OTHER) / packet


LINK_FRAMES: dict[str, Packet] = {
    "ARP probe (F04)": Ether(dst=BROADCAST) / ARP(psrc="0.0.0.0", pdst=PEER4),
    "ARP announcement": Ether(dst=BROADCAST) / ARP(psrc=HOST4, pdst=HOST4),
    "gratuitous ARP reply": Ether(dst=BROADCAST) / ARP(op=2, psrc=HOST4, pdst=HOST4),
    "DHCP discover": Ether(dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67),
    "OSPF": Ether(dst="01:00:5e:00:00:05") / IP(src=HOST4, dst="224.0.0.5", ttl=1, proto=89),
    "mDNS": Ether(dst="01:00:5e:00:00:fb") / IP(src=HOST4, dst="224.0.0.251", ttl=255) / UDP(sport=5353, dport=5353),
    "router solicitation": multicast6(IPv6(src=LINK6, dst="ff02::2", hlim=255) / ICMPv6ND_RS()),
    "router advertisement (F19)": multicast6(IPv6(src=ROUTER6, dst="ff02::1", hlim=255) / ICMPv6ND_RA()),
    "unicast router advertisement": unicast(IPv6(src=ROUTER6, dst=LINK6, hlim=255) / ICMPv6ND_RA()),
    "duplicate address detection": multicast6(IPv6(src="::", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=HOST6)),
    "its answer": multicast6(IPv6(src=PEER6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=PEER6)),
    "who has a link-local": multicast6(IPv6(src=HOST6, dst="ff02::1:ff00:99") / ICMPv6ND_NS(tgt=ROUTER6)),
    "MLD report": multicast6(IPv6(src=LINK6, dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2()),
    "DHCPv6 solicit (F08, F21)": multicast6(
        IPv6(src=LINK6, dst="ff02::1:2", hlim=1) / UDP(sport=546, dport=547) / DHCP6_Solicit()
    ),
    "to a link-local (F18)": unicast(IPv6(src=PEER6, dst=LINK6) / TCP(dport=22)),
    "LLDP": Ether(dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\x02\x07\x04"),
    "EAPOL": Ether(dst=NIC, type=0x888E) / Raw(b"\x01\x00\x00\x00"),
}
"""What goes around VPP, in both directions."""

ROUTED_FRAMES: dict[str, Packet] = {
    "TCP": unicast(IP(src=HOST4, dst=PEER4) / TCP(dport=22)),
    "TCP over IPv6": unicast(IPv6(src=HOST6, dst=PEER6) / TCP(dport=22)),
    "ping": unicast(IP(src=HOST4, dst=PEER4) / ICMP()),
    "ping over IPv6": unicast(IPv6(src=HOST6, dst=PEER6) / ICMPv6EchoRequest()),
    "a later fragment with 68 where a port would be": unicast(
        IP(src=HOST4, dst=PEER4, frag=100, proto=17) / Raw(b"\0\x44\0\x44")
    ),
    "an IPv6 fragment": unicast(IPv6(src=HOST6, dst=PEER6) / IPv6ExtHdrFragment(m=1) / Raw(b"x" * 8)),
    "renewal of a lease, to the server": unicast(IP(src=HOST4, dst=PEER4) / UDP(sport=68, dport=67)),
    "who has, for a global address": multicast6(IPv6(src=HOST6, dst="ff02::1:ff00:9") / ICMPv6ND_NS(tgt=PEER6)),
}
"""What VPP carries or answers, in both directions."""


@pytest.mark.parametrize("name", LINK_FRAMES)
def test_what_the_host_speaks_with_its_link_goes_around_vpp(name: str) -> None:
    frame = bytes(LINK_FRAMES[name])
    assert run(programs.host_egress(1, VPP), frame)[:2] == (REDIRECT, frame)
    assert run(programs.nic_ingress(1), frame)[:2] == (REDIRECT, frame)


@pytest.mark.parametrize("name", ROUTED_FRAMES)
def test_what_vpp_carries_goes_to_vpp(name: str) -> None:
    frame = bytes(ROUTED_FRAMES[name])
    assert run(programs.host_egress(1, VPP), frame)[0] == CONTINUE
    assert run(programs.nic_ingress(1), frame)[0] == SHOT
    assert run(programs.host_ingress(), frame)[:2] == (CONTINUE, frame)


@pytest.mark.parametrize("name", [name for name in LINK_FRAMES if "ARP" not in name])
def test_what_came_around_vpp_is_not_taken_from_it_a_second_time(name: str) -> None:
    frame = bytes(LINK_FRAMES[name])
    assert run(programs.host_ingress(), frame)[0] == SHOT
    assert run(programs.host_ingress(), frame, mark=programs.MARK) == (CONTINUE, frame, 0)


ANSWERS: dict[str, Packet] = {
    "DHCP offer to nobody yet": unicast(IP(src=PEER4, dst="10.0.0.50") / UDP(sport=67, dport=68)),
    "DHCP ack behind IP options": unicast(
        IP(src=PEER4, dst=HOST4, options=b"\x94\x04\0\0") / UDP(sport=67, dport=68) / Raw(b"x" * 300)
    ),
    "ARP reply": unicast(ARP(op=2, psrc=PEER4, pdst="0.0.0.0")),
    "neighbour advertisement to a global address": unicast(
        IPv6(src=ROUTER6, dst=HOST6, hlim=255) / ICMPv6ND_NA(tgt=ROUTER6)
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_reach_the_host_that_vpp_could_not_deliver(name: str) -> None:
    frame = bytes(ANSWERS[name])
    assert run(programs.nic_ingress(1), frame)[:2] == (REDIRECT, frame)


def test_an_arp_question_of_the_host_is_vpps_and_one_of_the_wire_is_for_both() -> None:
    """VPP answers nobody whose own address is not of the LAN; where both answer, they say the same."""
    frame = bytes(Ether(dst=BROADCAST) / ARP(psrc=HOST4, pdst=PEER4))
    assert run(programs.host_egress(1, VPP), frame)[:2] == (CONTINUE, frame)
    assert run(programs.nic_ingress(1), frame)[:2] == (REDIRECT, frame)
    assert run(programs.host_ingress(), frame)[:2] == (CONTINUE, frame)


def test_frames_for_other_stations_do_not_reach_the_host() -> None:
    """The NIC is promiscuous in VPP's namespace."""
    for packet in (ARP(op=2, psrc=PEER4, pdst="0.0.0.0"), IPv6(src=ROUTER6, dst=LINK6) / TCP()):
        assert run(programs.nic_ingress(1), bytes(unicast(packet, OTHER)))[0] == SHOT


@pytest.mark.parametrize(("sent", "to_vpp"), [(1, 2), (2, 3), (64, 65), (254, 255), (255, 255)])
def test_a_hop_is_added_and_the_destination_is_vpp(sent: int, to_vpp: int) -> None:
    for packet in (IP(src=HOST4, dst=PEER4, ttl=sent) / UDP(), IPv6(src=HOST6, dst=PEER6, hlim=sent) / UDP()):
        verdict, frame, _ = run(programs.host_egress(1, VPP), bytes(unicast(packet, OTHER)))
        wanted = packet.copy()
        wanted.setfieldval("ttl" if wanted.version == 4 else "hlim", to_vpp)
        assert (verdict, frame) == (CONTINUE, bytes(Ether(dst=VPP, src=OTHER) / wanted))


def test_a_question_to_vpp_itself_stays_as_it_is() -> None:
    for packet in (ARP(psrc=HOST4, pdst=PEER4, hwdst=VPP), ARP(op=2, psrc=HOST4, pdst=PEER4)):
        frame = bytes(unicast(packet, VPP))
        assert run(programs.host_egress(1, VPP), frame)[:2] == (CONTINUE, frame)
    frame = bytes(unicast(ARP(psrc=HOST4, pdst=PEER4), OTHER))
    assert run(programs.host_egress(1, VPP), frame)[:2] == (REDIRECT, frame)


@pytest.mark.parametrize("own", [[HOST4, HOST6], ["10.9.9.9", "192.0.2.200", "fd09::1", "fd09::2", HOST4, HOST6]])
def test_255_is_put_right_at_the_nic_for_the_hosts_own_addresses_only(own: list[str]) -> None:
    program = programs.nic_egress([ip_address(one) for one in own])

    def after(source: str, hops: int, mark: int = 0) -> int:
        layer = IP(src=source, dst=PEER4, ttl=hops) if "." in source else IPv6(src=source, dst=PEER6, hlim=hops)
        verdict, frame, _ = run(program, bytes(unicast(layer / UDP())), mark=mark)
        assert verdict == CONTINUE
        packet = Ether(frame)
        if "." in source:
            again = IP(bytes(packet[IP]))
            del again.chksum
            assert IP(bytes(again)).chksum == packet[IP].chksum
        return int(packet[IP].ttl if "." in source else packet[IPv6].hlim)

    assert [after(source, 254) for source in (HOST4, HOST6)] == [255, 255]
    assert [after(source, hops) for source in (HOST4, HOST6) for hops in (1, 253, 255)] == [1, 253, 255] * 2
    assert [after(source, 254) for source in ("10.0.0.2", "fd00::2", "fd09::3")] == [254] * 3
    assert after(HOST4, 254, mark=programs.MARK) == 254, "what came by the bypass is as the host sent it"


@pytest.mark.parametrize("own", [[], [HOST4], [HOST6]])
def test_a_host_before_the_first_lease_has_a_program_too(own: list[str]) -> None:
    """The verifier refuses instructions that nothing leads to."""
    program = programs.nic_egress([ip_address(one) for one in own])
    frame = bytes(unicast(IP(src="10.0.0.2", dst=PEER4, ttl=254) / UDP()))
    assert run(program, frame)[:2] == (CONTINUE, frame)


def test_a_frame_that_is_too_short_goes_its_ordinary_way() -> None:
    """0 is TC_ACT_OK."""
    cut_short = (
        multicast6(IPv6(src=LINK6, dst="ff02::1", nh=58)),
        unicast(IP(src=HOST4, dst=PEER4, proto=17)),
    )
    for packet in cut_short:
        assert run(programs.nic_ingress(1), bytes(packet))[0] == 0


@pytest.mark.parametrize(
    "packet", [IP(src=PEER4, dst="224.0.0.1", ttl=1), IPv6(src=ROUTER6, dst="ff02::1", hlim=1)], ids=["IPv4", "IPv6"]
)
def test_what_vpp_punts_of_a_group_has_the_hosts_mac_and_is_a_second_copy_all_the_same(packet: Packet) -> None:
    punted = bytes(unicast(packet / UDP(sport=9, dport=9)))
    assert run(programs.host_ingress(), punted)[0] == SHOT
    assert run(programs.host_ingress(), punted, mark=programs.MARK)[0] == CONTINUE


@pytest.mark.parametrize("packet", [IP(src="224.0.0.1", dst=PEER4), IPv6(src="ff02::1", dst=PEER6)], ids=["4", "6"])
def test_vpps_own_answer_from_a_group_goes_nowhere_and_its_ring_is_told_that_it_went(packet: Packet) -> None:
    """TC_ACT_SHOT would make VPP's sendto fail, and wedge its ring."""
    program = programs.nic_egress([ip_address(HOST4), ip_address(HOST6)])
    assert run(program, bytes(unicast(packet / UDP())))[0] == programs.STOLEN


# ---------------------------------------------------------------------------------------------------- the open bypass


@pytest.mark.parametrize("name", [*LINK_FRAMES, *ROUTED_FRAMES])
def test_an_open_bypass_takes_everything_and_the_host_gets_nothing_by_vpp(name: str) -> None:
    frame = bytes((LINK_FRAMES | ROUTED_FRAMES)[name])
    assert run(programs.all_host_egress(1), frame)[:2] == (REDIRECT, frame)
    assert run(programs.all_nic_ingress(1), frame)[:2] == (REDIRECT, frame)
    assert run(programs.all_host_ingress(), frame)[0] == SHOT
    assert run(programs.all_host_ingress(), frame, mark=programs.MARK) == (CONTINUE, frame, 0)


def test_an_open_bypass_leaves_what_is_for_another_mac() -> None:
    assert run(programs.all_nic_ingress(1), bytes(unicast(IP(src=PEER4, dst=HOST4) / UDP(), OTHER)))[0] == SHOT


def test_beside_an_open_bypass_vpp_says_nothing_in_the_hosts_name() -> None:
    program = programs.all_nic_egress([ip_address(one) for one in (HOST4, HOST6)])
    answers = (IP(src=HOST4, dst=PEER4) / ICMP(type=0), IPv6(src=HOST6, dst=PEER6, hlim=255) / ICMPv6EchoReply())
    for answer in answers:
        frame = bytes(unicast(answer))
        assert run(program, frame)[0] == programs.STOLEN
        assert run(program, frame, mark=programs.MARK)[:2] == (CONTINUE, frame), "the host speaks for itself"
    others: list[Packet] = [
        ARP(psrc=HOST4, pdst=PEER4),
        IPv6(src=HOST6, dst="ff02::1:ff00:9", hlim=255) / ICMPv6ND_NS(tgt=PEER6),
        IP(src="10.0.0.2", dst=PEER4) / UDP(),
        IPv6(src="fd00::2", dst=PEER6) / UDP(),
    ]
    for other in others:
        frame = bytes(unicast(other))
        assert run(program, frame)[:2] == (CONTINUE, frame)


@pytest.mark.parametrize("own", [[], [HOST4], [HOST6]])
def test_an_open_bypass_has_a_program_for_a_host_before_its_first_lease(own: list[str]) -> None:
    program = programs.all_nic_egress([ip_address(one) for one in own])
    assert run(program, bytes(unicast(IP(src="224.0.0.1", dst=PEER4) / UDP())))[0] == programs.STOLEN
