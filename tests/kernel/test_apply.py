"""Operations carried out: in their order, in bulk, each refusal named, and nobody else's things touched."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network

import pytest

from hostlink.core import operations as op
from hostlink.core.model import Address, Neighbour, NextHop, Route
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.seam import Faults
from hostlink.kernel.snapshot import read_view


def address(text: str, **more) -> Address:
    return Address(ip_interface(text), **more)


def interfaces(view) -> list[str]:
    return [str(each.interface) for each in view.addresses if each.family == 4]


async def index_of(nl, name: str) -> int:
    return (await read_view(nl, name)).link.index


def there_and_back(here, away) -> None:
    """eth1 leaves for another namespace and comes back, up again."""
    here.ip(f"link set eth1 netns {away}")
    away.ip(f"link set eth1 netns {here}")
    here.ip("link set eth1 up")


@pytest.fixture
def two_links(wired, wire):
    """eth1, and eth2 beside it, both up, with an address each."""
    wired.ip(f"link add eth2 type veth peer name wire1 netns {wire}")
    wire.ip("link set wire1 up")
    wired.ip(
        """link set eth2 up
        addr add 192.0.2.1/24 dev eth1
        addr add 198.51.100.1/24 dev eth2
        addr add fd00:1::1/64 dev eth1 nodad
        addr add fd00:2::1/64 dev eth2 nodad"""
    )
    return wired


async def test_everything_in_one_go_although_each_leans_on_the_one_before(wired):
    """Link up, then an address, then a route by a gateway in its subnet; a sysctl in between."""
    wired.ip("link set eth1 down")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        gateway = NextHop(index, ip_address("192.0.2.254"))
        failures = await apply_host(
            nl,
            [
                op.SetHostLink(index, up=True, mtu_bytes=1400, alias="uplink", tx_queue_length=500, promiscuous=True),
                op.AddAltname(index, "enp0s1"),
                op.AddHostAddress(index, address("192.0.2.1/24", broadcast=IPv4Address("192.0.2.255"))),
                op.SetSysctl("ipv4/conf/eth1/rp_filter", "2"),
                op.AddHostNeighbour(index, Neighbour(ip_address("192.0.2.254"), "02:00:00:00:00:01", 0x80)),
                op.AddHostRoute(index, index, Route(ip_network("0.0.0.0/0"), 254, (gateway,), protocol=16)),
            ],
        )
        view = await read_view(nl, "eth1")
    assert failures == []
    assert (view.link.up, view.link.mtu_bytes, view.link.alias) == (True, 1400, "uplink")
    assert (view.link.tx_queue_length, view.link.promiscuous, view.link.altnames) == (500, True, ("enp0s1",))
    assert dict(view.sysctls)["ipv4/conf/{link}/rp_filter"] == "2"
    assert [str(route.prefix) for route in view.routes if route.protocol == 16] == ["0.0.0.0/0"]
    assert [neighbour.mac for neighbour in view.neighbours] == ["02:00:00:00:00:01"]


async def test_cluster_route_from_fields(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        hops = (NextHop(index, ip_address("192.0.2.254")),)
        route = Route(ip_network("10.96.0.0/12"), 254, hops, protocol=4, mtu_bytes=1440)
        assert await apply_host(nl, [op.AddHostRoute(index, index, route)]) == []
        shown = wired.ip("route show 10.96.0.0/12").split()
        assert shown == ["10.96.0.0/12", "via", "192.0.2.254", "dev", "eth1", "proto", "static", "mtu", "1440"]
        (read,) = [each for each in (await read_view(nl, "eth1")).routes if each.prefix == route.prefix]
        assert read == route
        assert await apply_host(nl, [op.DeleteHostRoute(index, route)]) == []
        assert wired.ip("route show 10.96.0.0/12") == ""


async def test_refusals_are_named_and_stop_nothing(wired):
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        far = NextHop(index, ip_address("203.0.113.1"))
        operations = [
            op.AddHostAddress(index, address("192.0.2.1/24")),
            op.AddHostAddress(index, address("192.0.2.1/24")),
            op.AddHostRoute(index, index, Route(ip_network("10.0.0.0/8"), 254, (far,))),
            op.SetSysctl("ipv4/conf/eth1/no_such_thing", "1"),
            op.AddHostAddress(9999, address("192.0.2.9/24")),
            op.AddHostAddress(index, address("192.0.2.3/24")),
        ]
        failures = await apply_host(nl, operations)
        view = await read_view(nl, "eth1")
    assert [(f.operation, f.link, f.word) for f in failures] == [
        (operations[1], "eth1", "EEXIST"),
        (operations[2], "eth1", "ENETUNREACH"),
        (operations[3], "eth1", "ENOENT"),
        (operations[4], "interface 9999", "ENODEV"),
    ]
    assert str(failures[1]).startswith("eth1: the kernel refused to add the route 10.0.0.0/8 (table 254) on interface")
    assert interfaces(view) == ["192.0.2.1/24", "192.0.2.3/24"]


async def test_f14_deleting_the_primary_takes_the_new_secondary_along(wired):
    """F14: new address first, old primary deleted, the kernel deletes both, and both requests were successes.

    So success of the operations proves nothing: the next snapshot shows what is missing.
    """
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        plan = [
            op.AddHostAddress(index, address("192.0.2.2/24")),
            op.DeleteHostAddress(index, address("192.0.2.1/24")),
        ]
        assert await apply_host(nl, plan) == []
        assert interfaces(await read_view(nl, "eth1")) == []
        assert await apply_host(nl, plan[:1]) == []
        assert interfaces(await read_view(nl, "eth1")) == ["192.0.2.2/24"]


async def test_f14_does_not_happen_where_secondaries_are_promoted(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        plan = [
            op.SetSysctl("ipv4/conf/eth1/promote_secondaries", "1"),
            op.AddHostAddress(index, address("192.0.2.2/24")),
            op.DeleteHostAddress(index, address("192.0.2.1/24")),
        ]
        assert await apply_host(nl, plan) == []
        assert interfaces(await read_view(nl, "eth1")) == ["192.0.2.2/24"]


@pytest.mark.parametrize("gateway", [None, "fd00:1::fe"])
async def test_f30_route_of_another_interface_is_never_overwritten(two_links, gateway):
    """F30: the same IPv6 prefix and metric on two interfaces. NLM_F_REPLACE would take eth2's away."""
    two_links.ip("-6 route add 2001:db8::/32 dev eth2 metric 1024")
    async with open_netlink(two_links) as nl:
        index = await index_of(nl, "eth1")
        hop = NextHop(index, ip_address(gateway) if gateway else None)
        route = Route(ip_network("2001:db8::/32"), 254, (hop,), metric=1024, protocol=4)
        assert await apply_host(nl, [op.AddHostRoute(index, index, route)]) == []
        shown = two_links.ip("-6 route show 2001:db8::/32")
        assert ("dev eth1" in shown, "dev eth2" in shown) == (True, True)
        assert await apply_host(nl, [op.DeleteHostRoute(index, route)]) == []
        shown = two_links.ip("-6 route show 2001:db8::/32")
        assert ("dev eth1" in shown, "dev eth2" in shown) == (False, True)


async def test_f30_multipath_over_two_interfaces_comes_back_as_one(two_links, away):
    """An IPv6 route by eth1 and eth2: when eth1 goes, eth2's hop stays; what comes back joins it."""
    two_links.ip("-6 route add 2001:db8::/32 nexthop via fd00:1::fe dev eth1 nexthop via fd00:2::fe dev eth2")
    before = two_links.ip("-6 route show 2001:db8::/32").split()
    async with open_netlink(two_links) as nl:
        view = await read_view(nl, "eth1")
        (route,) = [each for each in view.routes if str(each.prefix) == "2001:db8::/32"]
        there_and_back(two_links, away)
        two_links.ip("addr add fd00:1::1/64 dev eth1 nodad")
        assert two_links.ip("-6 route show 2001:db8::/32").split()[:3] == ["2001:db8::/32", "via", "fd00:2::fe"]
        index = await index_of(nl, "eth1")
        assert await apply_host(nl, [op.AddHostRoute(index, view.link.index, route)]) == []
    assert sorted(two_links.ip("-6 route show 2001:db8::/32").split()) == sorted(before)


async def test_ipv4_multipath_over_two_interfaces_comes_back_whole(two_links, away):
    """IPv4 is the other way round: the whole route goes with either link, so all of it is sent."""
    two_links.ip("route add 10.0.0.0/8 nexthop via 192.0.2.254 dev eth1 weight 2 nexthop via 198.51.100.254 dev eth2")
    before = two_links.ip("route show 10.0.0.0/8")
    async with open_netlink(two_links) as nl:
        view = await read_view(nl, "eth1")
        (route,) = [each for each in view.routes if str(each.prefix) == "10.0.0.0/8"]
        there_and_back(two_links, away)
        two_links.ip("addr add 192.0.2.1/24 dev eth1")
        assert two_links.ip("route show 10.0.0.0/8") == ""
        index = await index_of(nl, "eth1")
        assert await apply_host(nl, [op.AddHostRoute(index, view.link.index, route)]) == []
    assert two_links.ip("route show 10.0.0.0/8") == before


async def test_each_odd_route_can_be_deleted_by_what_was_read(two_links):
    two_links.ip(
        """route add 10.1.0.0/16 via 10.255.0.1 dev eth1 onlink
        route add 10.2.0.0/16 nexthop via 192.0.2.3 dev eth1 weight 3 nexthop via 192.0.2.4 dev eth1
        route add 10.3.0.0/16 via inet6 fe80::99 dev eth1
        route add 10.4.0.0/16 tos 0x10 via 192.0.2.5 dev eth1
        route append 10.5.0.0/16 via 192.0.2.6 dev eth1
        route append 10.5.0.0/16 via 192.0.2.5 dev eth1
        route add 10.6.0.0/16 via 192.0.2.5 dev eth1 mtu lock 1300
        route add 10.7.0.0/16 via 192.0.2.5 dev eth1 table 1000 metric 4000000000
        nexthop add id 7 via 192.0.2.8 dev eth1
        route add 10.8.0.0/16 nhid 7
        -6 route add 2001:db8:1::/48 via fe80::1 dev eth1 expires 1800 pref high
        -6 route add 2001:db8:2::/48 nexthop via fd00:1::a dev eth1 nexthop via fd00:1::b dev eth1
        -6 route add 2001:db8:5::/48 from 2001:db8:9::/48 via fd00:1::fe dev eth1"""
    )
    async with open_netlink(two_links) as nl:
        view = await read_view(nl, "eth1")
        odd = [route for route in view.routes if route.protocol == 3]
        assert len(odd) == 12
        assert await apply_host(nl, [op.DeleteHostRoute(view.link.index, route) for route in odd]) == []
        assert [route for route in (await read_view(nl, "eth1")).routes if route.protocol == 3] == []


async def test_f16_expiring_default_keeps_its_expiry(two_links):
    """F16: a default learnt from router advertisements must not come back for ever."""
    two_links.ip("-6 route add default via fe80::1 dev eth1 proto ra expires 1800")
    async with open_netlink(two_links) as nl:
        view = await read_view(nl, "eth1")
        (default,) = [route for route in view.routes if str(route.prefix) == "::/0"]
        two_links.ip("-6 route del default")
        assert await apply_host(nl, [op.AddHostRoute(view.link.index, view.link.index, default)]) == []
    shown = two_links.ip("-6 route show default")
    assert "proto ra" in shown
    assert "expires 1" in shown


async def test_route_comes_back_with_another_metric_if_the_plan_says_so(two_links):
    """A default by router advertisement must not have the metric of the one that the kernel makes itself."""
    two_links.ip("-6 route add default via fe80::1 dev eth1 proto ra expires 1800 pref high")
    async with open_netlink(two_links) as nl:
        view = await read_view(nl, "eth1")
        (default,) = [route for route in view.routes if str(route.prefix) == "::/0"]
        worse = replace(default, metric=default.metric + 1)
        assert await apply_host(nl, [op.AddHostRoute(view.link.index, view.link.index, worse)]) == []
    shown = two_links.ip("-6 route show default")
    assert shown.count("via fe80::1 dev eth1 proto ra metric 1025 expires") == 1
    assert shown.count("pref high") == 2


async def test_f13_lifetimes_of_an_address_go_on(wired):
    """F13: what was dynamic stays so, with the seconds that were left."""
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        leased = address("192.0.2.1/24", valid_lifetime_s=600, preferred_lifetime_s=300, protocol=42)
        old = address("fd00:1::1/64", valid_lifetime_s=600, preferred_lifetime_s=0, flags=0x02)
        assert await apply_host(nl, [op.AddHostAddress(index, leased), op.AddHostAddress(index, old)]) == []
        four, six = [each for each in (await read_view(nl, "eth1")).addresses if not each.interface.is_link_local]
    assert 590 < four.valid_lifetime_s <= 600
    assert 290 < four.preferred_lifetime_s <= 300
    assert four.protocol == 42
    assert (six.preferred_lifetime_s, bool(six.flags & 0x20)) == (0, True), "deprecated, and still there"


async def test_mac_is_set_on_a_link_that_goes_down(wired):
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        assert await apply_host(nl, [op.SetHostLink(index, up=False, mac="02:00:00:00:00:aa")]) == []
        link = (await read_view(nl, "eth1")).link
    assert (link.up, link.mac) == (False, "02:00:00:00:00:aa")


async def test_sysctl_waits_for_what_was_to_be_done_before_it(wired):
    """A new MTU resets the IPv6 MTU, so the sysctl must not overtake it."""
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        plan = [op.SetHostLink(index, mtu_bytes=1400), op.SetSysctl("ipv6/conf/eth1/mtu", "1300")]
        assert await apply_host(nl, plan) == []
        view = await read_view(nl, "eth1")
    assert (view.link.mtu_bytes, dict(view.sysctls)["ipv6/conf/{link}/mtu"]) == (1400, "1300")


async def test_alias_is_taken_away_by_an_empty_one(wired):
    wired.ip("link set eth1 alias something")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        assert await apply_host(nl, [op.SetHostLink(index, alias="")]) == []
        assert (await read_view(nl, "eth1")).link.alias is None


async def test_sysctl_of_the_right_namespace_and_no_path_out_of_it(wired, away):
    away.ip("link add eth1 type bridge")
    async with open_netlink(wired) as nl, open_netlink(away) as there:
        assert await apply_host(nl, [op.SetSysctl("ipv4/conf/eth1/rp_filter", "1")]) == []
        assert dict((await read_view(nl, "eth1")).sysctls)["ipv4/conf/{link}/rp_filter"] == "1"
        assert dict((await read_view(there, "eth1")).sysctls)["ipv4/conf/{link}/rp_filter"] == "0"
        with pytest.raises(ValueError, match="no path below"):
            await apply_host(nl, [op.SetSysctl("../kernel/hostname", "x")])


async def test_planned_fault_stops_its_operation_before_the_kernel_and_no_other(wired, tmp_path):
    trace = tmp_path / "trace"
    faults = Faults.from_text("address.add:2=ENOMEM, sysctl.set=EPERM", trace)
    async with open_netlink(wired, faults=faults) as nl:
        index = await index_of(nl, "eth1")
        operations = [
            *(op.AddHostAddress(index, address(f"192.0.2.{n}/24")) for n in (1, 2, 3)),
            op.SetSysctl("ipv4/conf/eth1/rp_filter", "1"),
        ]
        failures = await apply_host(nl, operations)
        view = await read_view(nl, "eth1")
    assert [(f.operation, f.word) for f in failures] == [(operations[1], "ENOMEM"), (operations[3], "EPERM")]
    assert "a fault planned by the lab: address.add:2" in failures[0].detail
    assert interfaces(view) == ["192.0.2.1/24", "192.0.2.3/24"]
    assert dict(view.sysctls)["ipv4/conf/{link}/rp_filter"] == "0"
    assert trace.read_text().split() == ["address.add"] * 3 + ["sysctl.set"]


async def test_thousands_of_routes_go_and_come_back(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        hops = (NextHop(index, ip_address("192.0.2.254")),)
        routes = [Route(ip_network((0x0A000000 + (n << 8), 24)), 254, hops, protocol=4) for n in range(5000)]
        assert await apply_host(nl, [op.AddHostRoute(index, index, route) for route in routes]) == []
        read = [route for route in (await read_view(nl, "eth1")).routes if route.protocol == 4]
        assert read == routes
        failures = await apply_host(nl, [op.AddHostRoute(index, index, route) for route in read[:3]])
        assert [f.word for f in failures] == ["EEXIST"] * 3
        assert await apply_host(nl, [op.DeleteHostRoute(index, route) for route in read]) == []


async def test_how_far_it_is_is_said_while_it_goes_on(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        hops = (NextHop(index, ip_address("192.0.2.254")),)
        prefixes = [ip_network((0x14000000 + (number << 8), 24)) for number in range(2500)]
        plan = [op.AddHostRoute(index, index, Route(prefix, 254, hops, protocol=4)) for prefix in prefixes]
        plan.insert(7, op.SetSysctl("ipv4/conf/eth1/rp_filter", "2"))
        said: list[int] = []
        assert await apply_host(nl, plan, said.append) == []
    assert sum(said) == len(plan)
    assert len([count for count in said if count]) == 4, "up to the sysctl, two times _AT_ONCE, and the rest"
