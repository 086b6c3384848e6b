"""Operations as a difference: signs, groups, and the objects as `ip` writes them."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from test_describe import ADDRESS, DEAD, GATEWAY, HOPS, HOST_ROUTE, LINES, LINKS, MAC, NAMES, NEIGHBOUR, ROUTE

from hostlink.core import operations as op
from hostlink.core.difference import ADD, CHANGE, DELETE, LINUX, REST, VPP, Kind, Named, grouped, line, lines
from hostlink.core.model import Family, NextHop, Route, VppPath, VppRoute

NAMED = Named(NAMES, LINKS)
DEFAULT = VppRoute(0, ip_network("::/0"), (VppPath(1, ip_address("fe80::1")),))
HOST_DEFAULT = Route(ip_network("::/0"), 254, (NextHop(7, ip_address("fe80::1")),), metric=1024, expires_s=1700)
MANY = replace(HOST_ROUTE, prefix=ip_network("10.9.0.0/16"), next_hops=HOPS, mtu_bytes=1400, table=100)

TEXTS: list[tuple[op.VppOperation | op.HostOperation, str]] = [
    (op.AddVppAddress(1, ip_interface("10.0.0.1/24")), "+ 10.0.0.1/24 dev host-eth1"),
    (op.DeleteVppAddress(9, ip_interface("fd00::1/64")), "- fd00::1/64 dev interface 9"),
    (op.AddVppNeighbour(NEIGHBOUR), f"+ 10.0.0.1 dev tap0 lladdr {MAC}"),
    (op.LearnVppNeighbour(NEIGHBOUR), f"~ 10.0.0.1 dev tap0 lladdr {MAC}"),
    (op.AddVppRoute(ROUTE), "+ 10.9.0.0/16 via 10.0.0.254 dev host-eth1 weight 2, dev host-eth1 preference 1"),
    (op.AddVppRoute(DEFAULT), "+ default via fe80::1 dev host-eth1"),
    (op.DeleteVppRoute(DEAD), "- fd09::/48 prohibit"),
    (op.PuntL4(Family.IPV4, 6, True), "+ punt IPv4 TCP to unclaimed ports"),
    (op.PuntL4(Family.IPV4, 6, False), "- no longer punt IPv4 TCP to unclaimed ports"),
    (op.SetMtu(1, 1500), "~ host-eth1: set MTU 1500"),
    (op.AddHostAddress(7, ADDRESS), "+ 10.0.0.1/24 valid_lft 600sec preferred_lft forever dev eth1"),
    (op.AddHostRoute(7, 7, HOST_ROUTE), "+ default via 10.0.0.254 dev eth1 metric 100"),
    (op.AddHostRoute(7, 3, replace(HOST_ROUTE, next_hops=(NextHop(3),))), "+ default dev eth1 metric 100"),
    (op.AddHostRoute(7, 7, HOST_DEFAULT), "+ default via fe80::1 dev eth1 metric 1024 expires 1700sec"),
    (
        op.DeleteHostRoute(7, MANY),
        "- 10.9.0.0/16 nexthop via 10.0.0.254 dev eth1 weight 1 nexthop dev eth1 weight 1 metric 100 mtu 1400",
    ),
    (op.AddHostRoute(7, 7, Route(ip_network("10.0.0.0/8"), 254, type=6)), "+ blackhole 10.0.0.0/8"),
    (op.AddAltname(7, "enp1s0"), "+ eth1: altname enp1s0"),
    (
        op.DeleteHostAddress(8, replace(ADDRESS, valid_lifetime_s=None, peer=GATEWAY)),
        "- 10.0.0.1 peer 10.0.0.254/24 dev link 8",
    ),
]


@pytest.mark.parametrize(("operation", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_text(operation: op.VppOperation | op.HostOperation, text: str) -> None:
    found = line(operation, NAMED)
    assert f"{found.change} {found.text}" == text


SINGLE = [(operation, text) for operation, text in LINES if not isinstance(operation, op.ChangeVppRoutes)]


@pytest.mark.parametrize("operation", [operation for operation, _ in SINGLE], ids=[text for _, text in SINGLE])
def test_every_operation_has_its_side_and_its_sign(operation: op.VppOperation | op.HostOperation) -> None:
    found = line(operation, NAMED)
    assert found.kind.side == (VPP if isinstance(operation, op.VppOperation) else LINUX)
    name = type(operation).__name__
    signs = {"Add": ADD, "Delete": DELETE}
    wanted = next((sign for word, sign in signs.items() if name.startswith(word)), CHANGE)
    if not isinstance(operation, op.PuntL4):
        assert found.change == wanted
    rest = (op.SetSysctl, op.AddHostRule, op.AddQdisc, op.DeleteQdisc)
    assert (found.kind.about == REST) == isinstance(operation, rest), "else it concerns something of its own"
    assert " add " not in found.text
    assert " delete " not in found.text


def test_many_routes_at_once_are_a_line_each() -> None:
    (many,) = (operation for operation, _ in LINES if isinstance(operation, op.ChangeVppRoutes))
    assert list(lines([many], NAMED)) == list(lines(many.each(), NAMED))
    assert len(list(lines([op.SetUp(1, True), many], NAMED))) == 1 + len(many.packed)


def test_a_route_that_replaces_another_is_a_change_and_says_of_what() -> None:
    old = replace(DEFAULT, paths=(VppPath(1, ip_address("fe80::9")),))
    named = replace(NAMED, before=lambda table, prefix: old if (table, prefix) == (0, DEFAULT.prefix) else None)
    found = line(op.AddVppRoute(DEFAULT), named)
    assert (found.change, found.was) == (CHANGE, "default via fe80::9 dev host-eth1")
    assert line(op.AddVppRoute(ROUTE), named).change == ADD


def test_beyond_the_limit_lines_are_counted_and_not_told() -> None:
    plan = [op.SetMtu(1, 1500), *(op.AddVppRoute(ROUTE) for _ in range(5)), op.AddVppRoute(DEFAULT)]
    found = list(lines(plan, replace(NAMED, limit=2)))
    assert [bool(one.text) for one in found] == [True, True, True, False, False, False, True]
    assert [one.change for one in found] == [CHANGE, *[ADD] * 6], "the totals are of all"


def test_groups_are_by_kind_and_family_and_table() -> None:
    plan = [op.AddVppRoute(ROUTE), op.SetMtu(1, 1500), op.AddVppRoute(DEFAULT), op.DeleteVppRoute(ROUTE)]
    together = grouped(lines(plan, NAMED))
    routes4, routes6 = Kind(VPP, "routes", 4, 254), Kind(VPP, "routes", 6, 254)
    assert [(group.kind, group.count) for group in together] == [
        (routes4, 2),
        (Kind(VPP, "interfaces"), 1),
        (routes6, 1),
    ]
    apart = grouped(lines(plan, NAMED), apart=True)
    assert [group.kind for group in apart] == [routes4, Kind(VPP, "interfaces"), routes6, routes4], "the order is kept"
