"""Multicast, broadcast and what is not IP at all pass both ways, once each, byte for byte with their TTL.

The LAN is a Linux bridge, which forwards no 01:80:c2:00:00:0X (IEEE 802.1D reserved): those frames are sent from and
seen at the router's end of the cable, which is a port of that bridge.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address

from scapy.layers.dns import DNS, DNSQR
from scapy.layers.igmp import IGMP, IGMPv3_MR, IGMPv3_MR_Group
from scapy.layers.inet import IP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot1Q, Ether
from scapy.layers.vrrp import VRRP
from scapy.packet import Packet, Raw

from hostlink.lab.frames import send_frame
from hostlink.lab.layout import HOST4, LAN, NIC, NIC_MAC, ROUTER4, ROUTER_LINK_LOCAL, ROUTER_MAC
from hostlink.lab.stage import Dataplane
from tests.system.cells import WIRE_PORT, Cell, Count, Round, before_and_after, came, must, new_port, new_tag
from tests.system.sockets import receiver, sender

UDP_, OSPF_, VRRP_, PIM_ = socket.IPPROTO_UDP, 89, 112, 103
HOST_LINK_LOCAL = "fe80::5054:ff:fe40:468e"


@dataclass(frozen=True, slots=True)
class Talk:
    """A protocol that a host speaks with its link. port: None for a free one."""

    name: str
    group: str
    ttl: int
    protocol: int = UDP_
    port: int | None = None
    header: bytes = b""

    @property
    def version(self) -> int:
        return ip_address(self.group).version


_OSPF_HELLO = bytes.fromhex("0201002cc0a8000100000000") + bytes(12) + bytes.fromhex("ffffff00000a02010000002800")
"""RFC 2328 A.3.1 and A.3.2; of version 3 (RFC 5340) the first byte is 3. Nobody in the lab checks more."""
_OSPF3_HELLO = b"\x03" + _OSPF_HELLO[1:]
_PIM_HELLO = bytes.fromhex("2000dffe00010002006900130004deadbeef")
TALKS = (
    Talk("OSPF, all routers", "224.0.0.5", 1, OSPF_, header=_OSPF_HELLO),
    Talk("OSPF, designated routers", "224.0.0.6", 1, OSPF_, header=_OSPF_HELLO),
    Talk("OSPFv3, all routers", "ff02::5", 1, OSPF_, header=_OSPF3_HELLO),
    Talk("OSPFv3, designated routers", "ff02::6", 1, OSPF_, header=_OSPF3_HELLO),
    Talk("VRRP, IPv4", "224.0.0.18", 255, VRRP_, header=bytes(VRRP(vrid=7, addrlist=["192.168.0.9"]))),
    Talk("VRRP, IPv6", "ff02::12", 255, VRRP_, header=bytes.fromhex("3107640100640000") + bytes(16)),
    Talk("PIM, IPv4", "224.0.0.13", 1, PIM_, header=_PIM_HELLO),
    Talk("PIM, IPv6", "ff02::d", 1, PIM_, header=_PIM_HELLO),
    Talk("RIPv2", "224.0.0.9", 1, port=520),
    Talk("RIPng", "ff02::9", 255, port=521),
    Talk("mDNS, IPv4", "224.0.0.251", 255, port=5353, header=bytes(DNS(qd=DNSQR(qname="a.local")))),
    Talk("mDNS, IPv6", "ff02::fb", 255, port=5353, header=bytes(DNS(qd=DNSQR(qname="a.local")))),
    Talk("LLMNR, IPv4", "224.0.0.252", 1, port=5355),
    Talk("all hosts", "224.0.0.1", 1),
    Talk("all nodes", "ff02::1", 1),
    Talk("all routers, IPv6", "ff02::2", 1),
    Talk("DHCPv6 servers", "ff02::1:2", 1, port=547),
    Talk("a routable group, IPv4", "239.1.2.3", 16),
    Talk("a routable group, IPv6", "ff05::1:3", 16),
    Talk("a source-specific group", "232.1.2.3", 16),
    Talk("the subnet's broadcast", "192.168.0.255", 64),
    Talk("limited broadcast", "255.255.255.255", 64),
)


async def left_as_sent(at: Round, talk: Talk, tag: bytes) -> None:
    """From the NIC's MAC to the group's, with its TTL and its payload. (A capture on the host link shows no frame that
    the bypass took: tc redirects before the kernel's captures look.)"""
    frame = (await at.seen(at.wire, came(tag))).data
    bare = bytes(_group(NIC_MAC, talk.group)) if ip_address(talk.group).is_multicast else b"\xff" * 6
    must(frame[:6].hex(":"), bare[:6].hex(":"), "destination MAC")
    must(frame[6:12].hex(":"), NIC_MAC, "source MAC")
    must(frame[22] if talk.version == 4 else frame[21], talk.ttl, "TTL on the wire")
    start = (34 if talk.version == 4 else 54) + (8 if talk.protocol == UDP_ else 0)
    must(frame[start : start + len(talk.header + tag)].hex(), (talk.header + tag).hex(), "payload on the wire")


def talk_cell(talk: Talk, *, outwards: bool) -> Cell:
    async def run(at: Round) -> Count:
        tag = new_tag()
        ends = [(at.lab.host, NIC), (at.lab.wire, LAN)]
        (here, here_link), (there, there_link) = ends if outwards else ends[::-1]
        port = talk.port or new_port() if talk.protocol == UDP_ else 0
        groups = (talk.group,) if ip_address(talk.group).is_multicast else ()
        listener = at.held.enter_context(
            receiver(there, talk.version, talk.protocol, link=there_link, port=port, groups=groups)
        )
        with sender(here, talk.version, talk.protocol, ttl=talk.ttl, link=here_link) as speaker:
            speaker.socket.sendto(talk.header + tag, (talk.group, port))
        must((await listener.wait(tag, at.within_s)).ttl, talk.ttl, "TTL at the socket")
        if outwards:
            await left_as_sent(at, talk, tag)
            return lambda: max(listener.count(tag), len(at.wire.matching(came(tag))))
        sent = await at.seen(at.wire, lambda frame: frame.outgoing and tag in frame.data, "what was sent")
        await at.seen(
            at.host, lambda frame: not frame.outgoing and frame.data == sent.data, "the frame, byte for byte,"
        )
        return lambda: listener.count(tag) + len(at.wire.matching(came(tag)))

    return Cell(f"{'from' if outwards else 'to'} the host: {talk.name}, {talk.group}", run)


# ------------------------------------------------------------------------------------------------------ frames, as sent


def frame_of(name: str, source_mac: str, source4: str, source6: str, tag: bytes) -> bytes:
    """A frame of that name, as a host with those addresses sends it."""
    return bytes(FRAMES[name](source_mac, source4, source6) / Raw(tag))


def _group(source: str, group: str, above: Packet | bytes = b"") -> Packet:
    """Ethernet to an IPv4 or IPv6 group (RFC 1112 6.4, RFC 2464 7)."""
    packed = ip_address(group).packed
    mac = (b"\x33\x33" + packed[-4:]) if len(packed) == 16 else bytes([1, 0, 0x5E, packed[1] & 0x7F, *packed[2:]])
    return Ether(src=source, dst=mac.hex(":")) / above


_ALERT = [IPOption_Router_Alert()]
_HOPS = IPv6ExtHdrHopByHop(options=[RouterAlert()])
_RECORD = IGMPv3_MR_Group(rtype=4, maddr="239.9.9.9")
_RECORD6 = ICMPv6MLDMultAddrRec(rtype=4, dst="ff05::9")

FRAMES = {
    "IGMPv2 report": lambda mac, ip4, _: _group(
        mac, "239.9.9.9", IP(src=ip4, dst="239.9.9.9", ttl=1, options=_ALERT) / IGMP(type=0x16, gaddr="239.9.9.9")
    ),
    "IGMPv2 leave": lambda mac, ip4, _: _group(
        mac, "224.0.0.2", IP(src=ip4, dst="224.0.0.2", ttl=1, options=_ALERT) / IGMP(type=0x17, gaddr="239.9.9.9")
    ),
    "IGMPv3 report": lambda mac, ip4, _: _group(
        mac,
        "224.0.0.22",
        IP(src=ip4, dst="224.0.0.22", ttl=1, options=_ALERT) / IGMPv3_MR(records=[_RECORD]),
    ),
    "MLDv2 report": lambda mac, _, ip6: _group(
        mac, "ff02::16", IPv6(src=ip6, dst="ff02::16", hlim=1) / _HOPS / ICMPv6MLReport2(records=[_RECORD6])
    ),
    "UDP to a group from a virtual router's MAC": lambda _, ip4, __: _group(
        "00:00:5e:00:01:07", "239.9.9.9", IP(src=ip4, dst="239.9.9.9", ttl=255) / UDP(sport=9, dport=9)
    ),
    "LLDP": lambda mac, _, __: Ether(src=mac, dst="01:80:c2:00:00:0e", type=0x88CC),
    "EAPOL": lambda mac, _, __: Ether(src=mac, dst="01:80:c2:00:00:03", type=0x888E),
    "LACP": lambda mac, _, __: Ether(src=mac, dst="01:80:c2:00:00:02", type=0x8809),
    "spanning tree": lambda mac, _, __: Ether(src=mac, dst="01:80:c2:00:00:00", type=60) / LLC() / STP(),
    "CDP": lambda mac, _, __: Ether(src=mac, dst="01:00:0c:cc:cc:cc", type=60) / LLC() / SNAP(OUI=12, code=0x2000),
    "PTP": lambda mac, _, __: Ether(src=mac, dst="01:1b:19:00:00:00", type=0x88F7),
    "PPPoE discovery": lambda mac, _, __: Ether(src=mac, dst="ff:ff:ff:ff:ff:ff", type=0x8863),
    "unicast of an ethertype for experiments": lambda mac, _, __: Ether(src=mac, dst=_peer(mac), type=0x88B5),
    "MPLS, unicast": lambda mac, _, __: Ether(src=mac, dst=_peer(mac), type=0x8847),
    "VLAN-tagged ARP": lambda mac, ip4, _: (
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=100) / ARP(hwsrc=mac, psrc=ip4, pdst="192.168.7.7")
    ),
    "VLAN-tagged unicast UDP": lambda mac, ip4, _: (
        Ether(src=mac, dst=_peer(mac)) / Dot1Q(vlan=100) / IP(src=ip4, dst="192.168.7.7", ttl=255) / UDP(dport=9)
    ),
    "VLAN 802.1ad": lambda mac, _, __: (
        Ether(src=mac, dst=_peer(mac), type=0x88A8) / Dot1Q(vlan=5) / Dot1Q(vlan=6, type=0x88B5)
    ),
}


def _peer(mac: str) -> str:
    return ROUTER_MAC if mac == NIC_MAC else NIC_MAC


def frame_cell(name: str, *, outwards: bool) -> Cell:
    async def run(at: Round) -> Count:
        tag = new_tag()
        if outwards:
            frame = frame_of(name, NIC_MAC, str(HOST4.ip), HOST_LINK_LOCAL, tag)
            arrived, count = at.wire, lambda: len(at.wire.matching(came(tag)))
            send_frame(at.lab.host, NIC, frame)
        else:
            frame = frame_of(name, ROUTER_MAC, str(ROUTER4.ip), str(ROUTER_LINK_LOCAL), tag)
            arrived, count = at.host, copies(at, frame, tag)
            send_frame(at.lab.wire, WIRE_PORT, frame)
        await at.seen(arrived, lambda seen: not seen.outgoing and seen.data == frame, "the frame, byte for byte,")
        return count

    return Cell(f"{'from' if outwards else 'to'} the host, a frame: {name}", run)


def copies(at: Round, frame: bytes, tag: bytes) -> Count:
    """How often the frame comes. IGMP by a socket: a capture sees VPP's punted copy too, which tc drops behind it."""
    if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_IGMP:
        group = str(ip_address(frame[30:34]))
        there = at.held.enter_context(receiver(at.lab.host, 4, socket.IPPROTO_IGMP, link=NIC, groups=(group,)))
        return lambda: there.count(tag)
    return lambda: len(at.host.matching(came(tag)))


async def test_groups_and_broadcasts_from_the_host(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, [talk_cell(talk, outwards=True) for talk in TALKS])


async def test_groups_and_broadcasts_to_the_host(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, [talk_cell(talk, outwards=False) for talk in TALKS])


async def test_frames_pass_as_they_are(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, [frame_cell(name, outwards=way) for name in FRAMES for way in (True, False)])
