"""The kernel's own IGMP and MLD: it tells the LAN what it joins, and answers when it is asked; and pings to groups."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from scapy.layers.igmp import IGMPv3_MQ
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import ICMPv6MLQuery2, IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.l2 import Ether

from hostlink.lab.frames import send_frame
from hostlink.lab.layout import LAN, NIC, NIC_MAC, ROUTER4, ROUTER6, ROUTER_LINK_LOCAL, ROUTER_MAC
from hostlink.lab.stage import Dataplane
from tests.system.cells import WIRE_PORT, Cell, Count, Round, before_and_after, came, must, new_tag
from tests.system.sockets import echo_request, receiver, sender

CHANGE_TO_EXCLUDE, CHANGE_TO_INCLUDE, MODE_IS_EXCLUDE = 4, 3, 2
"""Group record types: joined, left, and the answer to a query (RFC 3376 4.2.12, RFC 3810 5.2.12)."""
GENERAL_QUERY = {
    4: Ether(src=ROUTER_MAC, dst="01:00:5e:00:00:01")
    / IP(src=str(ROUTER4.ip), dst="224.0.0.1", ttl=1, options=[IPOption_Router_Alert()])
    / IGMPv3_MQ(mrcode=1),
    6: Ether(src=ROUTER_MAC, dst="33:33:00:00:00:01")
    / IPv6(src=str(ROUTER_LINK_LOCAL), dst="ff02::1", hlim=1)
    / IPv6ExtHdrHopByHop(options=[RouterAlert()])
    / ICMPv6MLQuery2(mrd=100),
}
"""To be answered within 100 ms."""


def record(kind: int, group: str) -> bytes:
    """One group record without sources, of an IGMPv3 or MLDv2 report."""
    return bytes([kind, 0, 0, 0]) + ip_address(group).packed


async def reported(at: Round, kind: int, group: str) -> None:
    """The host's report leaves with TTL 1, router alert, to the group of all such routers, from the NIC's MAC."""
    frame = (await at.seen(at.wire, came(record(kind, group)), f"a report of kind {kind}")).data
    must(frame[6:12].hex(":"), NIC_MAC, "source MAC")
    if ip_address(group).version == 4:
        must(frame[30:34], bytes([224, 0, 0, 22]), "destination")
        must((frame[22], frame[34:38]), (1, bytes.fromhex("94040000")), "TTL and router alert")
    else:
        must(frame[38:54], ip_address("ff02::16").packed, "destination")
        must((frame[21], frame[20]), (1, 0), "hop limit and next header, which is hop-by-hop")


def join_cell(group: str) -> Cell:
    async def run(at: Round) -> None:
        with receiver(at.lab.host, ip_address(group).version, link=NIC, groups=(group,)):
            await reported(at, CHANGE_TO_EXCLUDE, group)
        await reported(at, CHANGE_TO_INCLUDE, group)

    return Cell(f"the kernel reports that it joined and left {group}", run)


def query_cell(version: int, group: str) -> Cell:
    async def run(at: Round) -> None:
        with receiver(at.lab.host, version, link=NIC, groups=(group,)):
            send_frame(at.lab.wire, WIRE_PORT, bytes(GENERAL_QUERY[version]))
            await reported(at, MODE_IS_EXCLUDE, group)

    return Cell(f"a general query is answered, IPv{version}", run)


def all_nodes_ping_cell(source: str) -> Cell:
    async def run(at: Round) -> Count:
        tag = new_tag()
        with sender(at.lab.wire, 6, socket.IPPROTO_ICMPV6, link=LAN, source=source) as here:
            here.socket.sendto(echo_request(6, tag), ("ff02::1", 0))
            await at.seen(at.wire, came(tag), "the answer")
        return lambda: len(at.wire.matching(came(tag)))

    return Cell(f"a ping to all nodes from {source or 'the link-local address'} is answered once by this node", run)


def all_hosts_ping_cell() -> Cell:
    """icmp_echo_ignore_broadcasts is on by default (ip-sysctl): silence is what a host says."""

    async def run(at: Round) -> Count:
        tag = new_tag()
        with sender(at.lab.wire, 4, socket.IPPROTO_ICMP, link=LAN) as here:
            here.socket.sendto(echo_request(4, tag), ("224.0.0.1", 0))
        return lambda: 1 + len(at.wire.matching(came(tag)))

    return Cell("a ping to all hosts is not answered, as Linux does not", run)


async def test_group_membership_is_told_and_asked(dataplane: Dataplane) -> None:
    cells = [join_cell("239.77.0.1"), join_cell("ff05::77:1"), join_cell("224.0.0.200"), join_cell("ff02::77:2")]
    cells += [query_cell(4, "239.77.0.9"), query_cell(6, "ff05::77:9"), all_nodes_ping_cell(""), all_hosts_ping_cell()]
    cells += [all_nodes_ping_cell(str(ROUTER6.ip))]
    await before_and_after(dataplane, cells)
