"""The bypass: which frames of the host go around VPP, as programs for the tc hooks of the devices that they pass.

    host link ──egress──► bypass pair ══► NIC egress ──► wire          (frames that leave the host)
    host link ◄─ingress── bypass pair ◄══ NIC ingress ◄── wire         (frames for the host)

VPP routes. It takes a hop off what it carries, answers neighbours for the host, has its own mind about multicast and
router advertisements, and drops what is addressed to nobody yet. What a host speaks with its *link* must not meet that:
ARP probes and announcements, duplicate address detection, advertisements and solicitations of routers, all multicast
and broadcast (DHCP, IGMP and MLD, OSPF, VRRP, mDNS, LLDP), everything to and from link-local addresses, tagged frames.
These pass the NIC as the host sent them, and reach the host as they came. Unicast of IPv4 and IPv6 goes through VPP.

VPP's own copy. On the NIC VPP reads by an AF_PACKET socket, which gets each frame before tc sees it: so VPP sees all,
and tc decides only whether the host gets the frame too. On the host link, what VPP punts of it a second time is dropped
("from VPP" is what does not carry the mark that the pair's programs set).

What goes through VPP is made to look untouched: it leaves the host with VPP's MAC as its destination, whichever MAC the
host has learnt for a neighbour (VPP drops frames for other MACs: `l3 mac mismatch`, F22), and with one hop more, which
VPP takes off again (F21). 255 cannot be raised: it leaves VPP as 254 and is put right at the NIC, for the host's own
addresses only, because with another source (a pod) it would forge what RFC 5082 checks. So the host's own 254 leaves as
255 too: that is the one value that does not arrive as sent.

Until VPP has its part, the bypass is open (`all_…`): everything passes it, as if the NIC were the host's. VPP reads
along meanwhile; what it passes on to the host is dropped there, and what it answers in the host's name at the NIC.
Closing it takes nothing from the host's connections: whichever MAC the host has learnt, VPP's is put in its place.

The rules were tried against VPP 26.06. Frame offsets: Ethernet II, RFC 826 (ARP), RFC 791, RFC 8200, RFC 4861.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from hostlink.core.model import IPAddress
from hostlink.kernel.attributes import mac_bytes
from hostlink.kernel.bpf.assembler import BYTE, FRAME, HALF, R0, R1, R2, R3, R4, R5, R6, R7, R8, WORD, Assembler

MARK = 0x686C6279
"""skb->mark between the bypass pair and the device that is behind it: "hlby"."""
CONTINUE = 0xFFFFFFFF
"""TC_ACT_UNSPEC: no verdict, other people's filters come next."""
SHOT = 2
STOLEN = 4
"""TC_ACT_STOLEN: dropped, and the sender is told that all is well. For what VPP sends by its AF_PACKET ring: after one
TC_ACT_SHOT its sendto fails (`tx sendto temporary failure`) and the ring stays wedged (VPP 26.06, measured)."""
_INGRESS = 1
"""BPF_F_INGRESS of bpf_redirect."""
_STORE_BYTES, _L3_CSUM_REPLACE, _REDIRECT = 9, 10, 23
"""Helper functions, include/uapi/linux/bpf.h."""

# Fields of struct __sk_buff.
_PKT_TYPE, _MARK, _VLAN_PRESENT = 4, 8, 20
_OTHERHOST = 3

# Offsets in a frame.
_ETHERTYPE = 12
_ARP_SENDER, _ARP_TARGET = 28, 38
_TTL, _PROTOCOL4, _FRAGMENT, _SOURCE4, _DESTINATION4, _CHECKSUM4 = 22, 23, 20, 26, 30, 24
_NEXT_HEADER, _HOP_LIMIT, _SOURCE6, _DESTINATION6, _ICMP6_TYPE, _ND_TARGET = 20, 21, 22, 38, 54, 62
_ARP, _IP4, _IP6 = 0x0806, 0x0800, 0x86DD
_UDP, _ICMP6 = 17, 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_DHCP_CLIENT = 68
_GROUPS4, _GROUP4 = 0xF0, 0xE0
"""224.0.0.0/4 by its first byte."""
_MULTICAST_BIT = 1


def host_egress(pair_index: int, vpp_mac: str) -> bytes:
    """On the host link, for what the host sends. `pair_index`: the pair's end here."""
    asm = _begin()
    _tagged(asm, "around")
    asm.load(HALF, _ETHERTYPE)
    asm.jump_equal(R0, _ARP, "arp")
    asm.jump_equal(R0, _IP4, "ip4")
    asm.jump_equal(R0, _IP6, "ip6")
    asm.jump("around")
    asm.label("arp")
    _announcement_or_probe(asm, "around")
    _sent_to(asm, vpp_mac, "to-vpp")
    asm.load(BYTE, 0)
    asm.jump_any_bit(R0, _MULTICAST_BIT, "to-vpp")  # who-has: VPP answers for everybody
    asm.jump("around")
    asm.label("ip4")
    asm.load(BYTE, 0)
    asm.jump_any_bit(R0, _MULTICAST_BIT, "around")
    _add_hop4(asm)
    asm.jump("address-it")
    asm.label("ip6")
    _link_scope6(asm, "around")
    asm.load(BYTE, 0)
    asm.jump_any_bit(R0, _MULTICAST_BIT, "to-vpp")  # who has a global address: VPP's ND proxy answers
    _add_hop6(asm)
    asm.label("address-it")
    _set_destination(asm, vpp_mac)
    asm.label("to-vpp")
    asm.leave(CONTINUE)
    asm.label("around")
    _redirect(asm, pair_index, 0)
    return asm.assembled()


def all_host_egress(pair_index: int) -> bytes:
    """`host_egress` of an open bypass: everything goes around VPP."""
    asm = _begin()
    _redirect(asm, pair_index, 0)
    return asm.assembled()


def host_ingress() -> bytes:
    """On the host link, for what comes to the host: what VPP passes on of frames that came around it is dropped."""
    asm = _begin()
    asm.context(R7, _MARK)
    asm.jump_equal(R7, MARK, "around")
    asm.load(HALF, _ETHERTYPE)
    asm.jump_equal(R0, _ARP, "pass")  # VPP's own questions and answers
    _for_host(asm, "drop")
    asm.label("pass")
    asm.leave(CONTINUE)
    asm.label("drop")
    asm.leave(SHOT)
    asm.label("around")
    asm.set_context(_MARK, 0)
    asm.leave(CONTINUE)
    return asm.assembled()


def all_host_ingress() -> bytes:
    """`host_ingress` of an open bypass: the host gets everything around VPP, and nothing by it."""
    asm = _begin()
    asm.context(R7, _MARK)
    asm.jump_equal(R7, MARK, "around")
    asm.leave(SHOT)
    asm.label("around")
    asm.set_context(_MARK, 0)
    asm.leave(CONTINUE)
    return asm.assembled()


def pair_ingress(out_index: int, *, to_host: bool) -> bytes:
    """On each end of the pair: everything goes on to the host link's receive path, or out of the NIC."""
    asm = _begin()
    asm.set_context(_MARK, MARK)
    _redirect(asm, out_index, _INGRESS if to_host else 0)
    return asm.assembled()


def nic_ingress(pair_index: int) -> bytes:
    """On the NIC, in VPP's namespace: what the host gets too. Linux there wants nothing of the rest."""
    asm = _begin()
    asm.context(R7, _PKT_TYPE)
    asm.jump_equal(R7, _OTHERHOST, "done")
    _tagged(asm, "around")
    _for_host(asm, "around")
    _advertisement6(asm, "around")
    asm.label("done")
    asm.leave(SHOT)
    asm.label("around")
    _redirect(asm, pair_index, 0)
    return asm.assembled()


def all_nic_ingress(pair_index: int) -> bytes:
    """`nic_ingress` of an open bypass: the host gets everything that is not for another MAC."""
    asm = _begin()
    asm.context(R7, _PKT_TYPE)
    asm.jump_unequal(R7, _OTHERHOST, "around")
    asm.leave(SHOT)
    asm.label("around")
    _redirect(asm, pair_index, 0)
    return asm.assembled()


def nic_egress(own: Collection[IPAddress]) -> bytes:
    """On the NIC, in VPP's namespace: 254 hops of the host's own addresses were 255. `own`: those addresses.

    And what has a group as its source is dropped. So VPP answers a ping of all hosts or all nodes (from 224.0.0.1 and
    ff02::1: VPP 26.06); the host, which got the ping too, answers or not as it sees fit.
    """
    asm = _begin()
    asm.context(R7, _MARK)
    asm.jump_equal(R7, MARK, "pass")
    asm.load(HALF, _ETHERTYPE)
    asm.jump_equal(R0, _IP4, "ip4")
    asm.jump_unequal(R0, _IP6, "pass")
    asm.load(BYTE, _SOURCE6)
    asm.jump_equal(R0, 0xFF, "drop")
    asm.load(BYTE, _HOP_LIMIT)
    asm.jump_unequal(R0, 254, "pass")
    _sent_by6(asm, own, "raise6")
    asm.jump("pass")
    asm.label("ip4")
    asm.load(BYTE, _SOURCE4)
    asm.mask(R0, _GROUPS4)
    asm.jump_equal(R0, _GROUP4, "drop")
    asm.load(BYTE, _TTL)
    asm.jump_unequal(R0, 254, "pass")
    _sent_by4(asm, own, "raise4")
    asm.label("pass")
    asm.leave(CONTINUE)
    asm.label("drop")
    asm.leave(STOLEN)
    if any(one.version == 4 for one in own):  # the verifier refuses what nothing leads to; before a lease there is none
        asm.label("raise4")
        _add_hop4(asm)
        asm.leave(CONTINUE)
    if any(one.version == 6 for one in own):
        asm.label("raise6")
        _add_hop6(asm)
        asm.leave(CONTINUE)
    return asm.assembled()


def all_nic_egress(own: Collection[IPAddress]) -> bytes:
    """`nic_egress` of an open bypass: VPP says nothing in the host's name, which speaks for itself.

    But for ARP and neighbour discovery: VPP gets to know its neighbours already.
    """
    asm = _begin()
    asm.context(R7, _MARK)
    asm.jump_equal(R7, MARK, "pass")
    asm.load(HALF, _ETHERTYPE)
    asm.jump_equal(R0, _IP4, "ip4")
    asm.jump_unequal(R0, _IP6, "pass")
    asm.load(BYTE, _SOURCE6)
    asm.jump_equal(R0, 0xFF, "drop")
    asm.load(BYTE, _NEXT_HEADER)
    asm.jump_unequal(R0, _ICMP6, "not-nd")
    asm.load(BYTE, _ICMP6_TYPE)
    asm.jump_equal(R0, _SOLICITATION, "pass")
    asm.jump_equal(R0, _ADVERTISEMENT, "pass")
    asm.label("not-nd")
    _sent_by6(asm, own, "drop")
    asm.jump("pass")
    asm.label("ip4")
    asm.load(BYTE, _SOURCE4)
    asm.mask(R0, _GROUPS4)
    asm.jump_equal(R0, _GROUP4, "drop")
    _sent_by4(asm, own, "drop")
    asm.label("pass")
    asm.leave(CONTINUE)
    asm.label("drop")
    asm.leave(STOLEN)
    return asm.assembled()


# --------------------------------------------------------------------------------------------------- which frames


def _for_host(asm: Assembler, around: str) -> None:
    """Jumps to `around` for what the wire sent to the host itself; falls through for what is VPP's to handle."""
    asm.load(HALF, _ETHERTYPE)
    asm.jump_equal(R0, _IP4, "ip4-for-host")
    asm.jump_unequal(R0, _IP6, around)  # ARP is answered by both, alike; VPP answers nobody who is not of the LAN
    _link_scope6(asm, around)
    asm.jump("for-vpp")
    asm.label("ip4-for-host")
    asm.load(BYTE, 0)
    asm.jump_any_bit(R0, _MULTICAST_BIT, around)
    asm.load(BYTE, _DESTINATION4)  # the group too: what VPP punts of it has the host's MAC
    asm.mask(R0, _GROUPS4)
    asm.jump_equal(R0, _GROUP4, around)
    asm.load(BYTE, _PROTOCOL4)
    asm.jump_unequal(R0, _UDP, "for-vpp")
    asm.load(HALF, _FRAGMENT)
    asm.jump_any_bit(R0, 0x1FFF, "for-vpp")
    _udp_port4(asm)
    asm.jump_equal(R0, _DHCP_CLIENT, around)
    asm.label("for-vpp")


def _sent_by4(asm: Assembler, own: Collection[IPAddress], there: str) -> None:
    """Jumps to `there` for IPv4 that has one of these as its source."""
    asm.load(WORD, _SOURCE4)
    for address in sorted(one for one in own if isinstance(one, IPv4Address)):
        asm.jump_equal(R0, int(address), there)


def _sent_by6(asm: Assembler, own: Collection[IPAddress], there: str) -> None:
    """The same for IPv6."""
    for number, address in enumerate(sorted(one for one in own if isinstance(one, IPv6Address))):
        for part in range(0, 16, 4):
            asm.load(WORD, _SOURCE6 + part)
            asm.jump_unequal(R0, int.from_bytes(address.packed[part : part + 4]), f"not6-{number}")
        asm.jump(there)
        asm.label(f"not6-{number}")


def _tagged(asm: Assembler, around: str) -> None:
    """VLAN tags are kept beside the frame."""
    asm.context(R7, _VLAN_PRESENT)
    asm.jump_unequal(R7, 0, around)


def _announcement_or_probe(asm: Assembler, around: str) -> None:
    """ARP about the sender's own address (RFC 5227): the sender is 0.0.0.0, or sender and target are the same."""
    asm.load(WORD, _ARP_SENDER)
    asm.jump_equal(R0, 0, around)
    asm.copy(R7, R0)
    asm.load(WORD, _ARP_TARGET)
    asm.jump_same(R0, R7, around)


def _link_scope6(asm: Assembler, around: str) -> None:
    """IPv6 to a link-local address, and multicast, but for questions for a global address by one that has some."""
    asm.load(HALF, _DESTINATION6)
    asm.mask(R0, 0xFFC0)
    asm.jump_equal(R0, 0xFE80, around)
    asm.load(BYTE, _DESTINATION6)  # not the MAC: what VPP punts of a group has the host's
    asm.jump_unequal(R0, 0xFF, "global6")
    asm.load(BYTE, _NEXT_HEADER)
    asm.jump_unequal(R0, _ICMP6, around)
    asm.load(BYTE, _ICMP6_TYPE)
    asm.jump_unequal(R0, _SOLICITATION, around)
    asm.load(HALF, _ND_TARGET)
    asm.mask(R0, 0xFFC0)
    asm.jump_equal(R0, 0xFE80, around)
    asm.load(WORD, _SOURCE6)
    asm.jump_equal(R0, 0, around)  # `::`: duplicate address detection
    asm.label("global6")


def _advertisement6(asm: Assembler, around: str) -> None:
    """Neighbour advertisements to a global address, too: the host asks for a link-local router with such a source."""
    asm.load(HALF, _ETHERTYPE)
    asm.jump_unequal(R0, _IP6, "no-advertisement")
    asm.load(BYTE, _NEXT_HEADER)
    asm.jump_unequal(R0, _ICMP6, "no-advertisement")
    asm.load(BYTE, _ICMP6_TYPE)
    asm.jump_equal(R0, _ADVERTISEMENT, around)
    asm.label("no-advertisement")


def _udp_port4(asm: Assembler) -> None:
    """R0 = the UDP destination port behind an IPv4 header of any length."""
    asm.load(BYTE, 14)
    asm.mask(R0, 0x0F)
    asm.shift_left(R0, 2)
    asm.copy(R7, R0)
    asm.load_indexed(HALF, R7, 14 + 2)


# ------------------------------------------------------------------------------------------------ what is done to them


def _begin() -> Assembler:
    asm = Assembler()
    asm.copy(R6, R1)
    return asm


def _redirect(asm: Assembler, link_index: int, flags: int) -> None:
    asm.move(R1, link_index)
    asm.move(R2, flags)
    asm.call(_REDIRECT)
    asm.leave_with_r0()


def _add_hop4(asm: Assembler) -> None:
    """TTL + 1 unless it is 255, and the header's checksum with it. TTL and protocol are one half word of it."""
    asm.load(BYTE, _TTL)
    asm.jump_equal(R0, 255, "hop4")
    asm.copy(R8, R0)
    asm.add(R8, 1)
    asm.store_register(BYTE, -8, R8)
    asm.load(BYTE, _PROTOCOL4)
    asm.copy(R7, R0)
    asm.load(HALF, _TTL)
    asm.network_half(R0)
    asm.copy(R3, R0)
    asm.shift_left(R8, 8)
    asm.combine(R8, R7)
    asm.network_half(R8)
    asm.copy(R4, R8)
    asm.copy(R1, R6)
    asm.move(R2, _CHECKSUM4)
    asm.move(R5, 2)
    asm.call(_L3_CSUM_REPLACE)
    _store(asm, _TTL, 1)
    asm.label("hop4")


def _add_hop6(asm: Assembler) -> None:
    """Hop limit + 1 unless it is 255."""
    asm.load(BYTE, _HOP_LIMIT)
    asm.jump_equal(R0, 255, "hop6")
    asm.add(R0, 1)
    asm.store_register(BYTE, -8, R0)
    _store(asm, _HOP_LIMIT, 1)
    asm.label("hop6")


def _sent_to(asm: Assembler, mac: str, there: str) -> None:
    """Jumps to `there` for a frame to that MAC."""
    raw = mac_bytes(mac)
    other = f"not-{there}"
    asm.load(WORD, 0)
    asm.jump_unequal(R0, int.from_bytes(raw[:4]), other)
    asm.load(HALF, 4)
    asm.jump_equal(R0, int.from_bytes(raw[4:]), there)
    asm.label(other)


def _set_destination(asm: Assembler, mac: str) -> None:
    """Mostly it is right already: a frame is written to only where it must be."""
    raw = mac_bytes(mac)
    _sent_to(asm, mac, "right")
    asm.store_immediate(WORD, -8, int.from_bytes(raw[:4], sys.byteorder))
    asm.store_immediate(HALF, -4, int.from_bytes(raw[4:], sys.byteorder))
    _store(asm, 0, 6)
    asm.label("right")


def _store(asm: Assembler, offset: int, length: int) -> None:
    """Writes the first bytes at FRAME - 8 into the frame."""
    asm.copy(R1, R6)
    asm.move(R2, offset)
    asm.copy(R3, FRAME)
    asm.add(R3, -8)
    asm.move(R4, length)
    asm.move(R5, 0)
    asm.call(_STORE_BYTES)
