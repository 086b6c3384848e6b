"""Every operation reads as one line, and every kind of operation is here."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import get_args

import pytest

from hostlink.core import operations as op
from hostlink.core.alike import PackedRoutes, place_of
from hostlink.core.describe import describe, describe_all
from hostlink.core.model import (
    NO_INDEX,
    Address,
    Family,
    LocalReassembly,
    Neighbour,
    NextHop,
    PathType,
    ProxyRange,
    Qdisc,
    Reassembly,
    Redirect,
    Route,
    Rule,
    VppNeighbour,
    VppPath,
    VppRoute,
    VppTable,
)

MAC = "52:54:00:00:00:01"
NAMES, LINKS = {1: "host-eth1", 2: "tap0"}, {7: "eth1"}
GATEWAY = ip_address("10.0.0.254")
NEIGHBOUR = VppNeighbour(2, ip_address("10.0.0.1"), MAC)
ROUTE = VppRoute(0, ip_network("10.9.0.0/16"), (VppPath(1, GATEWAY, 2), VppPath(1, None, preference=1)))
DEAD = VppRoute(9, ip_network("fd09::/48"), (VppPath(type=PathType.ICMP_PROHIBIT),))
RANGE = ProxyRange(0, IPv4Address("0.0.0.1"), IPv4Address("255.255.255.254"))
REDIRECT = Redirect(Family.IPV6, NO_INDEX, VppPath(2, ip_address("fd00::1")))
ADDRESS = Address(ip_interface("10.0.0.1/24"), valid_lifetime_s=600)
HOST_ROUTE = Route(ip_network("0.0.0.0/0"), 254, (NextHop(7, GATEWAY),), metric=100)
HOPS = (NextHop(7, GATEWAY), NextHop(7))

MANY = PackedRoutes()
PLACES = [[place_of(ip_network(text))] for text in ("10.1.0.0/16", "10.2.0.0/16")]
MANY.extend([((VppPath(1, ip_address("10.0.0.254")),), PLACES[0])], PLACES[1])
LINES: list[tuple[op.VppOperation | op.HostOperation, str]] = [
    (op.SetMtu(1, 1500), "VPP: host-eth1: set MTU 1500"),
    (op.SetUp(1, True), "VPP: host-eth1: set up"),
    (op.SetUp(9, False), "VPP: interface 9: set down"),
    (op.EnableIp6(2), "VPP: tap0: enable IPv6"),
    (op.SuppressAdvertisements(2), "VPP: tap0: send no router advertisements"),
    (op.SetLinkLocal(1, IPv6Address("fe80::1")), "VPP: host-eth1: set link-local address fe80::1"),
    (op.AddVppAddress(1, ip_interface("10.0.0.1/24")), "VPP: host-eth1: add address 10.0.0.1/24"),
    (op.DeleteVppAddress(1, ip_interface("fd00::1/64")), "VPP: host-eth1: delete address fd00::1/64"),
    (op.SetUnnumbered(2, 1), "VPP: tap0: unnumbered, use the addresses of host-eth1"),
    (op.EnableProxyArp(2), "VPP: tap0: answer ARP for others"),
    (op.EnableNdProxy(2), "VPP: tap0: answer neighbour solicitations for others"),
    (op.AddVppNeighbour(NEIGHBOUR), f"VPP: tap0: add neighbour 10.0.0.1 at {MAC}"),
    (op.DeleteVppNeighbour(NEIGHBOUR), f"VPP: tap0: delete neighbour 10.0.0.1 at {MAC}"),
    (op.LearnVppNeighbour(NEIGHBOUR), f"VPP: tap0: go on with neighbour 10.0.0.1 at {MAC}"),
    (
        op.AddVppRoute(ROUTE),
        "VPP: add route 10.9.0.0/16 via 10.0.0.254 dev host-eth1 weight 2, dev host-eth1 preference 1",
    ),
    (
        op.ChangeVppRoutes(MANY),
        "VPP: add route 10.1.0.0/16 via 10.0.0.254 dev host-eth1, delete route 10.2.0.0/16 ",
    ),
    (op.DeleteVppRoute(DEAD), "VPP: delete route fd09::/48 in table 9 prohibit"),
    (
        op.SetLocalReassembly(LocalReassembly(True, False), LocalReassembly()),
        "VPP: put together fragments for VPP itself of IPv4",
    ),
    (
        op.SetReassembly(Reassembly(Family.IPV6, 64), Reassembly(Family.IPV6, 3)),
        "VPP: put together up to 64 fragments of an IPv6 datagram",
    ),
    (
        op.AddVppTable(VppTable(0x686C0064, Family.IPV4)),
        "VPP: add IPv4 table 1751908452 for the host's table 100",
    ),
    (
        op.DeleteVppTable(VppTable(0x686C0064, Family.IPV6)),
        "VPP: delete IPv6 table 1751908452 for the host's table 100",
    ),
    (op.AddProxyRange(RANGE), "VPP: add proxy ARP range 0.0.0.1 - 255.255.255.254 of table 0"),
    (op.DeleteProxyRange(RANGE), "VPP: delete proxy ARP range 0.0.0.1 - 255.255.255.254 of table 0"),
    (op.AddRedirect(REDIRECT), "VPP: add punt redirect IPv6 from any interface via fd00::1 dev tap0"),
    (op.DeleteRedirect(REDIRECT), "VPP: delete punt redirect IPv6 from any interface via fd00::1 dev tap0"),
    (op.PuntL4(Family.IPV4, 6, True), "VPP: punt IPv4 TCP to unclaimed ports"),
    (op.PuntL4(Family.IPV6, 132, False), "VPP: no longer punt IPv6 protocol 132 to unclaimed ports"),
    (
        op.SetHostLink(7, True, MAC, 1500, "uplink", 500, False),
        f"host: eth1: set up, promiscuous off, MAC {MAC}, MTU 1500, alias uplink, transmit queue length 500",
    ),
    (op.SetHostLink(7), "host: eth1: set nothing"),
    (
        op.SetHostLink(7, flags=0x80 | 0x200 | 0x1000, group=5),
        "host: eth1: set arp off allmulticast on multicast on, group 5",
    ),
    (op.SetHostLink(7, flags=0), "host: eth1: set multicast off"),
    (op.SetToken(7, IPv6Address("::7")), "host: eth1: set IPv6 token ::7"),
    (op.AddQdisc(7, Qdisc("tbf", 0x100000)), "host: eth1: add qdisc tbf 10: root"),
    (op.DeleteQdisc(7, Qdisc("fq", 0x800A0000)), "host: eth1: delete qdisc fq 800a: root"),
    (op.AddMulticast(7, "eth1", "01:00:5e:00:00:77"), "host: eth1: add multicast address 01:00:5e:00:00:77"),
    (op.AddAltname(8, "enp1s0"), "host: link 8: add altname enp1s0"),
    (op.SetSysctl("ipv4/conf/eth1/rp_filter", "1"), "host: set sysctl net/ipv4/conf/eth1/rp_filter = 1"),
    (op.AddHostAddress(7, ADDRESS), "host: eth1: add address 10.0.0.1/24 valid for 600 s"),
    (op.ChangeHostAddress(7, ADDRESS), "host: eth1: settle address 10.0.0.1/24 valid for 600 s"),
    (
        op.DeleteHostAddress(7, replace(ADDRESS, peer=ip_address("10.7.0.1"), valid_lifetime_s=None)),
        "host: eth1: delete address 10.0.0.1/24 peer 10.7.0.1",
    ),
    (op.AddHostRoute(7, 7, HOST_ROUTE), "host: eth1: add route default (IPv4) via 10.0.0.254 metric 100"),
    (
        op.DeleteHostRoute(7, replace(HOST_ROUTE, prefix=ip_network("10.9.0.0/16"), next_hops=HOPS, table=100)),
        "host: eth1: delete route 10.9.0.0/16 with 2 next hops metric 100 table 100",
    ),
    (
        op.AddHostNeighbour(7, Neighbour(ip_address("10.0.0.9"), MAC, 0x80)),
        f"host: eth1: add neighbour 10.0.0.9 at {MAC}",
    ),
    (
        op.AddHostNeighbour(7, Neighbour(ip_address("10.0.0.8"), None, 0, 8)),
        "host: eth1: add proxy neighbour 10.0.0.8",
    ),
    (op.AddHostRule(Rule(Family.IPV4, 100, b"", "eth1")), "host: add IPv4 rule 100 for eth1"),
    (op.AddHostRule(Rule(Family.IPV6, 5, b"")), "host: add IPv6 rule 5 for any interface"),
]


@pytest.mark.parametrize(("operation", "line"), LINES, ids=[line for _, line in LINES])
def test_line(operation: op.VppOperation | op.HostOperation, line: str) -> None:
    assert describe(operation, NAMES, LINKS) == line


def test_of_many_routes_the_first_are_told() -> None:
    many, paths = PackedRoutes(), (VppPath(1, ip_address("10.0.0.254")),)
    many.extend([(paths, [place_of(ip_network((0x14000000 + (n << 8), 24))) for n in range(300)])], ())
    told = describe_all([op.SetUp(1, True), op.ChangeVppRoutes(many), op.EnableIp6(2)], NAMES)
    assert told[1] == "VPP: add route 20.0.0.0/24 via 10.0.0.254 dev host-eth1"
    assert (len(told), told[-2:]) == (23, ["VPP: 280 more routes", "VPP: tap0: enable IPv6"])
    assert describe(op.ChangeVppRoutes(many), NAMES).endswith(" and 280 more routes")
    each = op.EachOperation([op.SetUp(1, True), op.ChangeVppRoutes(many)])
    assert len(each) == len(list(each)) == 301
    assert not op.EachOperation(())


def test_every_kind_of_operation_has_a_line() -> None:
    kinds = {*get_args(op.VppOperation), *get_args(op.HostOperation)}
    assert {type(operation) for operation, _ in LINES} == kinds
