"""What VPP should have, read off what the host has: each case of an address or route that VPP takes in its own way."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given, settings
from wishes import ADDRESSES, HOST, UPLINK, address

from hostlink.core.desired import (
    networks_by_route,
    punt_target,
    shared_desired,
    vpp_desired,
    vpp_interfaces,
    vpp_link_local,
)
from hostlink.core.desired_routes import taken_tables
from hostlink.core.host_addresses import link_local_of
from hostlink.core.model import (
    NO_INDEX,
    Address,
    Family,
    HostView,
    Link,
    LocalReassembly,
    NextHop,
    PathType,
    ProxyRange,
    Reassembly,
    Redirect,
    Route,
    VppNeighbour,
    VppPath,
    VppPort,
    VppRoute,
    VppShared,
    VppTable,
)
from hostlink.core.operations import SetUp
from hostlink.core.plan import clash, plan_uplink

MAC = "52:54:00:00:00:01"
LINK = Link("eth1", 7, MAC, 1450, up=True)
TENTATIVE, OPTIMISTIC, DADFAILED, PERMANENT, NOPREFIXROUTE = 0x40, 0x04, 0x08, 0x80, 0x200
GATEWAY = NextHop(7, ip_address("10.0.0.254"))
OWN = (address("10.0.0.1/24"), address("fd00::1/64"), address("fe80::1/64"))


def route(text: str, *hops: NextHop, **more: object) -> Route:
    return replace(Route(ip_network(text), 254, hops or (GATEWAY,), 1, 4), **more)  # type: ignore[arg-type]


def wanted_routes(*routes: Route, addresses: tuple[Address, ...] = OWN) -> frozenset[VppRoute]:
    desired, problems = vpp_desired(HostView(LINK, addresses, routes), uplink_sw=UPLINK, host_sw=HOST)
    assert problems == ()
    return desired.routes


def told(*routes: Route, addresses: tuple[Address, ...] = OWN) -> list[str]:
    """The problems, which must all be HL-301, and leave no route for VPP."""
    desired, problems = vpp_desired(HostView(LINK, addresses, routes), uplink_sw=UPLINK, host_sw=HOST)
    assert {problem.code for problem in problems} == {"HL-301"}
    assert desired.routes == frozenset()
    return [problem.detail for problem in problems]


def via(text: str, weight: int = 1, preference: int = 0) -> VppPath:
    return VppPath(UPLINK, ip_address(text), weight, preference)


# --------------------------------------------------------------------------------------------------------------- ports


def test_both_ports_and_the_neighbours() -> None:
    desired, problems = vpp_desired(HostView(LINK, OWN), uplink_sw=UPLINK, host_sw=HOST)
    interfaces = frozenset({ip_interface("10.0.0.1/24"), ip_interface("fd00::1/64")})
    assert desired.uplink == VppPort(UPLINK, True, 1450, True, True, vpp_link_local(MAC), interfaces)
    assert desired.host == VppPort(HOST, True, 1450, True, True, None, frozenset(), UPLINK, True, True)
    assert desired.neighbours == {VppNeighbour(HOST, one.interface.ip, MAC) for one in OWN[:2]}
    assert problems == ()


def test_a_host_link_without_carrier_is_sent_nothing() -> None:
    """All else stays: the uplink's addresses and routes carry the pods' traffic on."""
    desired, _ = vpp_desired(HostView(LINK, OWN), uplink_sw=UPLINK, host_sw=HOST)
    silent, _ = vpp_desired(HostView(LINK, OWN), uplink_sw=UPLINK, host_sw=HOST, host_up=False)
    assert silent == replace(desired, host=replace(desired.host, up=False))
    assert plan_uplink(silent, desired) == (SetUp(HOST, False),)
    assert plan_uplink(desired, silent) == (SetUp(HOST, True),)


def test_the_kernels_own_link_local_is_told_by_its_mac() -> None:
    """RFC 4291, appendix A."""
    assert str(link_local_of("52:54:00:40:46:8e")) == "fe80::5054:ff:fe40:468e"


def test_a_host_without_an_address() -> None:
    desired, problems = vpp_desired(HostView(LINK), uplink_sw=UPLINK, host_sw=HOST)
    assert (desired.uplink.addresses, desired.uplink.link_local) == (frozenset(), vpp_link_local(MAC))
    assert (desired.neighbours, desired.routes, problems) == (frozenset(), frozenset(), ())


def test_an_address_that_is_probed_or_failed_its_probe_is_not_the_hosts_yet() -> None:
    addresses = (
        address("fd00::1/64", PERMANENT | TENTATIVE),
        address("fd00::2/64", PERMANENT | TENTATIVE | OPTIMISTIC),
        address("fd00::3/64", PERMANENT | DADFAILED),
        address("fe80::1/64", PERMANENT | TENTATIVE),
    )
    desired, _ = vpp_desired(HostView(LINK, addresses), uplink_sw=UPLINK, host_sw=HOST)
    assert desired.uplink.addresses == {ip_interface("fd00::2/64")}
    assert {one.address for one in desired.neighbours} == {ip_address("fd00::2")}


def test_vpps_link_local_is_its_own_and_never_the_hosts() -> None:
    """EUI-64 of 52:54:00:00:00:01 is fe80::5054:ff:fe00:1 (RFC 4291, appendix A): the host's, on most nodes."""
    assert vpp_link_local("52:54:00:00:00:01") == ip_address("fe80::5054:ca:1100:1")
    assert vpp_link_local("52:54:00:00:00:01") != vpp_link_local("52:54:00:00:00:02")


@pytest.mark.parametrize(
    ("host", "vpp"),
    [
        (["10.0.0.1/24", "10.0.0.5/32"], ["10.0.0.1/24", "10.0.0.5/24"]),
        (["fd00::1/64", "fd00::2/128"], ["fd00::1/64", "fd00::2/64"]),
        (["10.0.0.1/32", "10.0.0.1/24"], ["10.0.0.1/24"]),
        (["10.0.0.1/24", "10.0.5.1/16"], ["10.0.0.1/16", "10.0.5.1/16"]),
        (["10.0.0.1/24", "10.0.0.5/28", "10.0.9.9/16"], ["10.0.0.1/16", "10.0.0.5/16", "10.0.9.9/16"]),
        (["10.0.0.1/24", "10.1.0.5/32"], ["10.0.0.1/24", "10.1.0.5/32"]),
        (["fd00::1/128"], ["fd00::1/128"]),
        (["169.254.7.7/16"], ["169.254.7.7/16"]),
    ],
)
def test_overlapping_addresses_take_the_wider_length(host: list[str], vpp: list[str]) -> None:
    assert vpp_interfaces(tuple(map(address, host))) == set(map(ip_interface, vpp))


@settings(max_examples=100, deadline=None)
@given(ADDRESSES)
def test_no_two_addresses_for_vpp_clash_and_none_is_lost(addresses: tuple[Address, ...]) -> None:
    interfaces = vpp_interfaces(addresses)
    assert {one.ip for one in interfaces} == {
        a.interface.ip for a in addresses if not (a.family == 6 and a.interface.is_link_local)
    }
    assert not any(clash(one, other) for one in interfaces for other in interfaces if one != other)


def test_a_point_to_point_address_is_alone_and_the_way_to_its_peer_a_route() -> None:
    own = (Address(ip_interface("10.0.0.1/24"), peer=ip_address("10.7.0.1")),)
    peer = route("10.7.0.0/24", NextHop(7), protocol=2, scope=253)
    desired, problems = vpp_desired(HostView(LINK, own, (peer,)), uplink_sw=UPLINK, host_sw=HOST)
    assert desired.uplink.addresses == {ip_interface("10.0.0.1/32")}
    assert desired.routes == {VppRoute(0, ip_network("10.7.0.0/24"), (VppPath(UPLINK),))}
    assert problems == ()


def test_without_a_prefix_route_an_address_is_alone_unless_somebody_routes_its_network() -> None:
    """F17: `noprefixroute`, as NetworkManager sets it, which then adds the route itself."""
    own = (address("10.0.0.1/24", PERMANENT | NOPREFIXROUTE), address("fd00::1/64", PERMANENT | NOPREFIXROUTE))
    networks = route("10.0.0.0/24", NextHop(7), scope=253), route("fd00::/64", NextHop(7))
    alone = {ip_interface("10.0.0.1/32"), ip_interface("fd00::1/128")}
    whole = {ip_interface("10.0.0.1/24"), ip_interface("fd00::1/64")}
    elsewhere = route("10.0.0.0/24", NextHop(7, ip_address("10.0.0.9"))), route("fd00::/64", NextHop(7), table=9)
    assert vpp_interfaces(own) == vpp_interfaces(own, elsewhere) == alone
    assert vpp_interfaces(own, networks) == whole
    assert vpp_interfaces((*own, address("10.0.0.2/24"))) == {
        ip_interface("10.0.0.1/24"),
        ip_interface("10.0.0.2/24"),
        ip_interface("fd00::1/128"),
    }
    assert networks_by_route((*own, address("10.9.0.2/24"))) == {one.network for one in whole}


def test_a_peer_in_the_own_network_is_reached_by_a_route_too() -> None:
    """VPP has the address alone, so nothing brings that network along."""
    own = (Address(ip_interface("10.0.0.1/24"), peer=ip_address("10.0.0.2")),)
    peer = route("10.0.0.0/24", NextHop(7), protocol=2, scope=253)
    assert wanted_routes(peer, addresses=own) == {VppRoute(0, peer.prefix, (VppPath(UPLINK),))}


# -------------------------------------------------------------------------------------------------------------- routes


def test_a_default_route() -> None:
    assert wanted_routes(route("0.0.0.0/0", metric=100, protocol=16)) == {
        VppRoute(0, ip_network("0.0.0.0/0"), (via("10.0.0.254"),))
    }


def test_what_vpp_makes_itself_or_has_its_own_way_for_is_left_out() -> None:
    hop = NextHop(7)
    assert not wanted_routes(
        route("10.0.0.0/24", hop, protocol=2, scope=253),
        route("10.0.0.0/24", hop, protocol=2, scope=253, metric=100),
        route("fd00::/64", hop, protocol=9, metric=256),
        route("fe80::/64", hop, protocol=2, metric=256),
        route("ff00::/8", hop, table=255, type=5, protocol=2),
        route("10.0.0.1/32", hop, table=255, type=2, protocol=2),
        route("10.0.0.255/32", hop, table=255, type=3, protocol=2),
        route("fd00::/128", hop, table=255, type=4, protocol=2),
        route("224.0.0.0/4", hop),
        route("255.255.255.255/32", hop),
        route("10.0.0.1/32", hop),
    )


def test_the_on_link_prefix_of_an_advertisement_beside_a_128() -> None:
    """F17: with a /128 by DHCPv6 alone, VPP's address brings no prefix, so the host's route must."""
    addresses = (address("fd00::1/128"),)
    advertised = route("fd00::/64", NextHop(7), protocol=9, metric=256)
    assert wanted_routes(advertised, addresses=addresses) == {VppRoute(0, ip_network("fd00::/64"), (VppPath(UPLINK),))}


def test_a_route_for_a_nested_network_is_in_the_wider_one() -> None:
    addresses = (address("10.0.0.1/16"), address("10.0.5.1/24"))
    assert not wanted_routes(route("10.0.5.0/24", NextHop(7), protocol=2, scope=253), addresses=addresses)


def test_the_order_of_metrics_survives_and_not_the_numbers() -> None:
    """F32: 600 and 1024 would be 88 and 0 in 8 bits."""
    hops = [NextHop(7, ip_address(f"10.0.0.{last}")) for last in (252, 253, 254)]
    made = wanted_routes(
        route("0.0.0.0/0", hops[0], metric=1024),
        route("0.0.0.0/0", hops[1], metric=600),
        route("0.0.0.0/0", hops[2], metric=0),
    )
    paths = (via("10.0.0.254"), via("10.0.0.253", preference=1), via("10.0.0.252", preference=2))
    assert made == {VppRoute(0, ip_network("0.0.0.0/0"), paths)}


def test_metric_0_of_ipv6_is_1024() -> None:
    """F31."""
    made = wanted_routes(
        route("::/0", NextHop(7, ip_address("fe80::a")), metric=0),
        route("::/0", NextHop(7, ip_address("fe80::b")), metric=512),
    )
    assert made == {VppRoute(0, ip_network("::/0"), (via("fe80::b"), via("fe80::a", preference=1)))}


def test_256_metrics_have_their_preference_and_one_more_is_told() -> None:
    many = [route("10.9.0.0/16", metric=metric) for metric in range(256)]
    (made,) = wanted_routes(*many)
    assert [path.preference for path in made.paths] == list(range(256))
    view = HostView(LINK, OWN, (*many, route("10.9.0.0/16", metric=999)))
    desired, (problem,) = vpp_desired(view, uplink_sw=UPLINK, host_sw=HOST)
    assert problem.detail == (
        "eth1: 10.9.0.0/16 via 10.0.0.254 metric 999: VPP has 256 preferences for a prefix, and this is one more"
    )
    assert desired.routes == {made}


def test_multipath_keeps_its_weights() -> None:
    hops = (
        NextHop(7, ip_address("10.0.0.253"), 3),
        NextHop(7, ip_address("10.0.0.254"), 300),
        NextHop(7, ip_address("10.0.0.253"), 2),
    )
    assert wanted_routes(route("10.9.0.0/16", *hops)) == {
        VppRoute(0, ip_network("10.9.0.0/16"), (via("10.0.0.253", 5), via("10.0.0.254", 255)))
    }


def test_a_host_on_the_link_is_its_own_next_hop() -> None:
    """VPP shows such a path so, and a route that reads back otherwise would be put in again for ever. Seen on 26.06."""
    made = wanted_routes(
        route("203.0.113.1/32", NextHop(7), scope=253),
        route("fd09::1/128", NextHop(7), metric=100),
        route("fd09::1/128", NextHop(7), NextHop(7, ip_address("fe80::a")), metric=200),
    )
    paths = (via("fd09::1"), via("fd09::1", preference=1), via("fe80::a", preference=1))
    assert {one.prefix: set(one.paths) for one in made} == {
        ip_network("203.0.113.1/32"): {via("203.0.113.1")},
        ip_network("fd09::1/128"): set(paths),
    }


def test_ipv4_by_an_ipv6_neighbour_and_onlink_gateways() -> None:
    made = wanted_routes(
        route("10.9.0.0/16", NextHop(7, ip_address("fe80::ff"))),
        route("10.8.0.0/16", NextHop(7, ip_address("203.0.113.1"), onlink=True)),
        route("10.7.0.0/16", NextHop(7)),
    )
    assert made == {
        VppRoute(0, ip_network("10.9.0.0/16"), (via("fe80::ff"),)),
        VppRoute(0, ip_network("10.8.0.0/16"), (via("203.0.113.1"),)),
        VppRoute(0, ip_network("203.0.113.1/32"), (via("203.0.113.1"),)),
        VppRoute(0, ip_network("10.7.0.0/16"), (VppPath(UPLINK),)),
    }


def test_a_gateway_that_nothing_attaches_gets_a_host_route_to_the_link() -> None:
    """Once, and not where an address or an on-link route of the host attaches it."""
    stray, stray6 = (NextHop(7, ip_address(text), onlink=True) for text in ("203.0.113.1", "2001:db8:9::1"))
    near = NextHop(7, ip_address("198.51.100.9"))
    made = wanted_routes(
        route("0.0.0.0/0", stray),
        route("10.8.0.0/16", stray),
        route("::/0", stray6),
        route("10.7.0.0/16", near),
        route("198.51.100.0/24", NextHop(7)),
        route("10.6.0.0/16", GATEWAY, metric=5),
    )
    assert {one for one in made if one.prefix.prefixlen in (32, 128)} == {
        VppRoute(0, ip_network("203.0.113.1/32"), (via("203.0.113.1"),)),
        VppRoute(0, ip_network("2001:db8:9::1/128"), (via("2001:db8:9::1"),)),
    }


def test_a_gateway_of_another_table_is_attached_in_the_table_of_the_uplink() -> None:
    """VPP judges an answer by the table of the interface that it comes in by, which is table 0."""
    stray = NextHop(7, ip_address("203.0.113.1"), onlink=True)
    made = wanted_routes(route("10.8.0.0/16", stray, table=100), route("203.0.113.0/24", NextHop(7), table=100))
    assert made == {
        VppRoute(T100, ip_network("10.8.0.0/16"), (via("203.0.113.1"),)),
        VppRoute(T100, ip_network("203.0.113.0/24"), (VppPath(UPLINK),)),
        VppRoute(0, ip_network("203.0.113.1/32"), (via("203.0.113.1"),)),
    }


def test_a_gateway_that_is_routed_another_way_is_told() -> None:
    routes = (
        route("10.8.0.0/16", NextHop(7, ip_address("203.0.113.1"), onlink=True)),
        route("203.0.113.1/32"),
    )
    desired, problems = vpp_desired(HostView(LINK, OWN, routes), uplink_sw=UPLINK, host_sw=HOST)
    assert [one.code for one in problems] == ["HL-301"]
    assert "203.0.113.1" in problems[0].detail
    assert VppRoute(0, ip_network("203.0.113.1/32"), (via("10.0.0.254"),)) in desired.routes


@pytest.mark.parametrize(
    ("kind", "path_type"), [(6, PathType.DROP), (7, PathType.ICMP_UNREACH), (8, PathType.ICMP_PROHIBIT)]
)
def test_routes_that_lead_nowhere(kind: int, path_type: PathType) -> None:
    dead = replace(route("10.9.0.0/16"), type=kind, next_hops=(), metric=200)
    alive = route("10.9.0.0/16", metric=100)
    assert wanted_routes(dead) == {VppRoute(0, dead.prefix, (VppPath(type=path_type),))}
    (both,) = wanted_routes(dead, alive)
    assert set(both.paths) == {via("10.0.0.254"), VppPath(preference=1, type=path_type)}


T100, T101 = 0x686C0000 ^ 100, 0x686C0000 ^ 101


def test_other_tables_have_tables_of_their_own() -> None:
    """The uplink's addresses are in VPP's table 0, so what they bring along there is a route of its own elsewhere."""
    made = wanted_routes(
        route("0.0.0.0/0"),
        route("0.0.0.0/0", NextHop(7, ip_address("10.0.0.253")), table=100),
        route("10.0.0.0/24", NextHop(7), table=100),
        route("10.0.0.1/32", table=101),
        route("fd00::/64", NextHop(7, ip_address("fd00::9")), table=101),
        route("0.0.0.0/0", table=253),
        route("10.0.0.1/32", NextHop(7), table=255, type=2),
    )
    assert made == {
        VppRoute(0, ip_network("0.0.0.0/0"), (via("10.0.0.254"),)),
        VppRoute(T100, ip_network("0.0.0.0/0"), (via("10.0.0.253"),)),
        VppRoute(T100, ip_network("10.0.0.0/24"), (VppPath(UPLINK),)),
        VppRoute(T101, ip_network("10.0.0.1/32"), (via("10.0.0.254"),)),
        VppRoute(T101, ip_network("fd00::/64"), (via("fd00::9"),)),
        VppRoute(0x686C0000 ^ 253, ip_network("0.0.0.0/0"), (via("10.0.0.254"),)),
    }


def test_what_leads_nowhere_goes_along_where_its_table_leads_out() -> None:
    dead = replace(route("10.9.0.0/16", table=100), type=6, next_hops=())
    elsewhere = [replace(dead, table=101), replace(dead, prefix=ip_network("fd09::/48"))]
    assert wanted_routes(dead, *elsewhere) == frozenset()
    assert wanted_routes(dead, *elsewhere, route("fe80::/64", NextHop(7), table=101)) == frozenset()
    made = wanted_routes(dead, *elsewhere, route("10.8.0.0/16", table=100))
    assert {(one.table_id, str(one.prefix)) for one in made} == {(T100, "10.9.0.0/16"), (T100, "10.8.0.0/16")}


def test_a_table_that_another_client_has_is_left_out_and_told_as_a_whole() -> None:
    taken = {VppTable(T100, Family.IPV4): "theirs", VppTable(9, Family.IPV4): "pods"}
    both = [route("10.9.0.0/16", table=100), route("10.8.0.0/16", table=100), route("fd09::/48", table=100)]
    dead = replace(both[0], prefix=ip_network("10.7.0.0/16"), type=6, next_hops=())
    view = HostView(LINK, OWN, (*both, dead))
    desired, problems = vpp_desired(view, uplink_sw=UPLINK, host_sw=HOST, taken=taken)
    assert {(one.table_id, str(one.prefix)) for one in desired.routes} == {(T100, "fd09::/48")}
    assert (desired.tables, problems) == ({VppTable(T100, Family.IPV6)}, ())
    (problem,) = taken_tables("eth1", taken, view.routes, 7)
    assert problem.code == "HL-309"
    assert problem.detail == f"eth1: IPv4 table 100 of the host is not mirrored: VPP's table {T100} is called 'theirs'"
    assert taken_tables("eth1", taken, view.routes, 8) == ()


def test_the_number_that_table_main_does_not_use_is_anybodys() -> None:
    taken = {VppTable(0x686C0000 ^ 254, Family.IPV4): "theirs"}
    assert taken_tables("eth1", taken, [route("10.9.0.0/16")], 7) == ()


@pytest.mark.parametrize(
    ("lacking", "word"),
    [
        (
            route("10.9.0.0/16", table=0x686C0000),
            "10.9.0.0/16 via 10.0.0.254 table 1751908352: VPP has no number left for table 1751908352",
        ),
        (route("10.9.0.0/16", table=100, tos=16), "VPP's routes do not look at the TOS (0x10)"),
        (route("10.9.0.0/16", tos=16), "VPP's routes do not look at the TOS (0x10)"),
        (
            route("fd09::/48", NextHop(7, ip_address("fe80::a")), source_prefix=ip_network("fd00::/64")),
            "fd09::/48 via fe80::a: VPP's routes do not look at the source (fd00::/64)",
        ),
        (replace(route("10.9.0.0/16"), next_hops=(), nexthop_id=12), "nexthop object 12, which was not resolved"),
        (route("10.9.0.0/16", NextHop(3, ip_address("10.3.0.1"))), "it leaves by another interface"),
        (replace(route("10.9.0.0/16"), type=9), "routes of type 9 do not exist in VPP"),
        (route("10.0.0.0/24"), "in VPP the uplink's own address has that prefix, and wins"),
        (replace(route("10.0.0.0/24"), type=6, next_hops=()), "blackhole 10.0.0.0/24: in VPP the uplink's own"),
    ],
)
def test_what_vpp_cannot_express_is_told(lacking: Route, word: str) -> None:
    (detail,) = told(lacking)
    assert detail.startswith("eth1: ")
    assert word in detail


def test_of_a_route_by_two_links_this_links_way_is_mirrored_and_the_rest_told() -> None:
    both = route("10.9.0.0/16", GATEWAY, NextHop(3, ip_address("10.3.0.1")))
    desired, (problem,) = vpp_desired(HostView(LINK, OWN, (both,)), uplink_sw=UPLINK, host_sw=HOST)
    assert desired.routes == {VppRoute(0, both.prefix, (via("10.0.0.254"),))}
    assert problem.detail == ("eth1: 10.9.0.0/16 with 2 next hops: its next hops by other interfaces are left out")


def test_cluster_routes_are_never_mirrored() -> None:
    cluster, other = route("10.96.0.0/12"), route("10.96.0.0/12", metric=50)
    desired, problems = vpp_desired(
        HostView(LINK, OWN, (cluster, other)), uplink_sw=UPLINK, host_sw=HOST, cluster=frozenset({cluster})
    )
    assert desired.routes == {VppRoute(0, cluster.prefix, (via("10.0.0.254"),))}
    assert problems == ()
    desired, _ = vpp_desired(HostView(LINK, OWN, (cluster,)), uplink_sw=UPLINK, host_sw=HOST, cluster={cluster})
    assert desired.routes == frozenset()


# -------------------------------------------------------------------------------------------------------------- shared


def test_what_the_primary_uplink_needs_of_the_node() -> None:
    assert shared_desired(HostView(LINK, OWN), uplink_sw=UPLINK, host_sw=HOST) == VppShared(
        redirects=frozenset(
            {
                Redirect(Family.IPV4, NO_INDEX, VppPath(HOST, ip_address("10.0.0.1"))),
                Redirect(Family.IPV6, NO_INDEX, VppPath(HOST, ip_address("fd00::1"))),
            }
        ),
        proxy_ranges=frozenset({ProxyRange(0, ip_address("0.0.0.1"), ip_address("255.255.255.254"))}),  # type: ignore[arg-type]
        punted_l4=frozenset({(Family.IPV4, 6), (Family.IPV4, 17), (Family.IPV6, 6), (Family.IPV6, 17)}),
        reassembly=frozenset({Reassembly(Family.IPV4, 64)}),
        local_reassembly=LocalReassembly(ip4=True, ip6=False),
    )


def test_another_uplink_has_a_redirect_for_its_own_interface() -> None:
    made = shared_desired(HostView(LINK, OWN), uplink_sw=UPLINK, host_sw=HOST, primary=False)
    assert {redirect.rx_sw_if_index for redirect in made.redirects} == {UPLINK}


def test_punted_packets_go_to_a_global_address_where_there_is_one() -> None:
    link_local, unusable = address("fe80::1/64"), address("fd00::9/64", DADFAILED)
    narrow, wide = replace(address("10.0.0.9/24"), scope=253), address("10.0.0.1/24")
    assert punt_target((link_local, unusable), Family.IPV6) is None
    assert punt_target((link_local, address("fd00::1/64")), Family.IPV6) == ip_address("fd00::1")
    assert punt_target((narrow, wide), Family.IPV4) == ip_address("10.0.0.1")
    assert punt_target((link_local,), Family.IPV4) is None


def test_a_new_address_does_not_move_the_redirect() -> None:
    """The kernel lists IPv4's oldest first and IPv6's newest (net/ipv6/addrconf.c, ipv6_link_dev_addr)."""
    oldest4, oldest6 = address("10.0.0.1/24"), address("fd00::1/64")
    addresses = (oldest4, address("10.0.0.2/24"), address("fd00::3/64"), address("fd00::2/64"), oldest6)
    assert punt_target(addresses, Family.IPV4) == ip_address("10.0.0.1")
    assert punt_target(addresses, Family.IPV6) == ip_address("fd00::1")


def test_a_family_without_an_address_has_no_redirect() -> None:
    made = shared_desired(HostView(LINK, OWN[2:]), uplink_sw=UPLINK, host_sw=HOST)
    assert made.redirects == frozenset()
