"""The cluster's routes: which way they go, and that nobody else's route is ever touched."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from fake_host import FakeHost, four, six
from hypothesis import given, settings
from hypothesis import strategies as st

from hostlink.core import operations as op
from hostlink.core.cluster import cluster_gaps, desired_cluster, next_hop, plan_cluster
from hostlink.core.model import Family, HostView, Link, NextHop, Prefix, Route

LINK = Link("eth1", 7, "52:54:00:00:00:01", 1500, up=True)
SERVICES, PODS = (ip_network("10.96.0.0/12"),), (ip_network("10.244.0.0/16"), ip_network("fd01::/48"))
ADDRESSES = (four("10.0.0.1/24"), six("fd00::1/64"), six("fe80::1/64"))


def default(via: str, metric: int, **more: object) -> Route:
    hop = NextHop(7, ip_address(via))
    prefix = ip_network("::/0" if hop.gateway and hop.gateway.version == 6 else "0.0.0.0/0")
    return replace(Route(prefix, 254, (hop,), 1, 16, 0, metric), **more)  # type: ignore[arg-type]


VIEW = HostView(LINK, ADDRESSES, (default("10.0.0.254", 100), default("fe80::ff", 1024)))


def cluster(view: HostView = VIEW, pods: tuple[Prefix, ...] = PODS) -> tuple[Route, ...]:
    return desired_cluster(view, SERVICES, pods, 60)


def having(*routes: Route, view: HostView = VIEW) -> HostView:
    return replace(view, routes=(*view.routes, *routes))


def test_each_prefix_goes_by_the_default_gateway_with_room_for_the_overlay() -> None:
    gateway4, gateway6 = NextHop(7, ip_address("10.0.0.254")), NextHop(7, ip_address("fe80::ff"))
    assert cluster() == (
        Route(SERVICES[0], 254, (gateway4,), 1, 4, 0, 0, mtu_bytes=1440),
        Route(PODS[0], 254, (gateway4,), 1, 4, 0, 0, mtu_bytes=1440),
        Route(PODS[1], 254, (gateway6,), 1, 4, 0, 1024, mtu_bytes=1440),
    )


def test_a_prefix_that_is_said_twice_is_one_route() -> None:
    assert len(cluster(pods=(*PODS, *SERVICES))) == 3


@pytest.mark.parametrize(
    ("routes", "gateway"),
    [
        ([default("10.0.0.254", 100), default("10.0.0.253", 50)], "10.0.0.253"),
        ([default("10.0.0.254", 100), default("10.0.0.253", 50, table=100)], "10.0.0.254"),
        ([default("10.0.0.254", 100), default("10.0.0.253", 50, type=6)], "10.0.0.254"),
        ([default("10.0.0.254", 100, next_hops=(NextHop(3, ip_address("10.3.0.1")),))], "10.0.0.2"),
        ([default("10.0.0.254", 100, next_hops=(NextHop(7),))], "10.0.0.2"),
        ([], "10.0.0.2"),
    ],
)
def test_the_best_default_gateway_of_this_link_or_one_made_up(routes: list[Route], gateway: str) -> None:
    hop = next_hop(replace(VIEW, routes=tuple(routes)), Family.IPV4)
    assert hop == NextHop(7, ip_address(gateway))


def test_a_gateway_beyond_the_subnet_stays_onlink() -> None:
    route = default("10.0.0.254", 0, next_hops=(NextHop(7, ip_address("203.0.113.1"), onlink=True),))
    assert next_hop(replace(VIEW, routes=(route,)), Family.IPV4) == NextHop(7, ip_address("203.0.113.1"), onlink=True)


@pytest.mark.parametrize(
    ("addresses", "gateway"),
    [
        (["10.0.0.7/24"], "10.0.0.1"),
        (["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"], "10.0.0.5"),
        (["10.0.0.1/30", "10.0.0.2/30", "10.1.0.9/24"], "10.1.0.1"),
        (["10.0.0.1/32", "10.0.0.2/31"], None),
        ([], None),
    ],
)
def test_a_made_up_next_hop_is_no_address_of_ours(addresses: list[str], gateway: str | None) -> None:
    hop = next_hop(HostView(LINK, tuple(map(four, addresses))), Family.IPV4)
    assert hop == (NextHop(7, ip_address(gateway)) if gateway else None)


def test_a_made_up_next_hop_in_ipv6_is_not_in_the_link_local_prefix() -> None:
    only_link_local = HostView(LINK, (six("fe80::1/64"),))
    assert next_hop(only_link_local, Family.IPV6) is None
    assert next_hop(HostView(LINK, (six("fe80::1/64"), six("fd00::1/64"))), Family.IPV6) == NextHop(
        7, ip_address("fd00::2")
    )


def test_a_prefix_without_a_way_is_left_out_and_told() -> None:
    view = replace(VIEW, addresses=ADDRESSES[:1], routes=VIEW.routes[:1])
    assert [route.prefix for route in cluster(view)] == [SERVICES[0], PODS[0]]
    (gap,) = cluster_gaps(view, SERVICES, PODS)
    assert (gap.code, gap.detail) == ("HL-303", "eth1: no route to fd01::/48: no gateway and no subnet in IPv6")
    assert cluster_gaps(VIEW, SERVICES, PODS) == ()


# ---------------------------------------------------------------------------------------------------------------- plan


def test_from_nothing_and_then_nothing() -> None:
    wanted = cluster()
    assert plan_cluster(wanted, VIEW, ()) == (tuple(op.AddHostRoute(7, 7, route) for route in wanted), ())
    assert plan_cluster(wanted, having(*wanted), wanted) == ((), ())


def test_a_route_that_was_there_is_left_alone_and_named() -> None:
    theirs = replace(cluster()[1], protocol=186, metric=20)
    plan, (problem,) = plan_cluster(cluster(), having(theirs), ())
    assert [one.route.prefix for one in plan if isinstance(one, op.AddHostRoute)] == [SERVICES[0], PODS[1]]
    assert len(plan) == 2
    assert problem.code == "HL-302"
    assert problem.detail == (
        "eth1: the host has a route of its own for a prefix of the cluster: "
        "10.244.0.0/16 via 10.0.0.254 metric 20 mtu 1440"
    )


def test_the_very_same_route_is_somebody_elses_unless_the_journal_has_it() -> None:
    theirs = cluster()[0]
    plan, problems = plan_cluster(cluster(), having(theirs), ())
    assert theirs not in {one.route for one in plan if isinstance(one, op.AddHostRoute)}
    assert [problem.code for problem in problems] == ["HL-302"]


def test_another_gateway_replaces_ours() -> None:
    ours = cluster()
    view = replace(VIEW, routes=(default("10.0.0.253", 100), VIEW.routes[1]))
    wanted = cluster(view)
    plan, problems = plan_cluster(wanted, having(*ours, view=view), ours)
    assert problems == ()
    assert plan == (
        op.DeleteHostRoute(7, ours[0]),
        op.DeleteHostRoute(7, ours[1]),
        op.AddHostRoute(7, 7, wanted[0]),
        op.AddHostRoute(7, 7, wanted[1]),
    )


def test_what_is_not_wanted_any_more_goes_after_the_rest() -> None:
    ours = cluster()
    plan, _ = plan_cluster(ours[:1], having(*ours[1:]), ours)
    assert plan == (
        op.AddHostRoute(7, 7, ours[0]),
        op.DeleteHostRoute(7, ours[1]),
        op.DeleteHostRoute(7, ours[2]),
    )


def test_ours_is_ours_whatever_the_kernel_made_of_its_mtu() -> None:
    """The kernel gives IPv6 routes the link's new MTU when that shrinks (seen on 6.1 and 6.18)."""
    (*_, wanted) = cluster()
    changed = replace(wanted, mtu_bytes=1400)
    plan, problems = plan_cluster((wanted,), having(changed), (wanted,))
    assert plan == (op.DeleteHostRoute(7, changed), op.AddHostRoute(7, 7, wanted))
    assert problems == ()


def test_a_route_that_somebody_changed_since_is_theirs() -> None:
    ours = cluster()
    changed = replace(ours[0], next_hops=(NextHop(7, ip_address("10.0.0.77")),))
    plan, problems = plan_cluster((), having(changed), ours)
    assert (plan, problems) == ((), ())


def test_the_journal_outlives_the_links_index() -> None:
    journaled = tuple(replace(one, next_hops=(replace(one.next_hops[0], link_index=4),)) for one in cluster())
    assert plan_cluster(cluster(), having(*cluster()), journaled) == ((), ())


SUBSETS = st.lists(st.sampled_from(cluster()), unique=True).map(tuple)
FOREIGN = st.lists(
    st.sampled_from([replace(route, protocol=186, metric=metric) for route in cluster() for metric in (20, 30)]),
    unique=True,
).map(tuple)


@settings(max_examples=100, deadline=None)
@given(SUBSETS, SUBSETS, FOREIGN)
def test_only_ours_are_touched(
    wanted: tuple[Route, ...], before: tuple[Route, ...], foreign: tuple[Route, ...]
) -> None:
    there = FakeHost(LINK, addresses=list(ADDRESSES), routes=[*VIEW.routes, *before, *foreign])
    there.routes += [route for route in there._made() if route not in there.routes]
    others = set(there.routes) - set(before)
    plan, problems = plan_cluster(wanted, there.view(), before)
    for operation in plan:
        there.apply(operation)
    taken = {route.prefix for route in foreign}
    free = {route for route in wanted if route.prefix not in taken}
    assert set(there.routes) == others | free
    assert {problem.code for problem in problems} <= {"HL-302"}
    assert len(problems) == len({route.prefix for route in wanted} & taken)
    assert plan_cluster(wanted, there.view(), tuple(free))[0] == ()
