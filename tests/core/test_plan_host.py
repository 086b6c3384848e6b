"""A plan carried out on a host that does what the kernel does makes the link as the snapshot says; then it is empty."""

from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from fake_host import AUTOMATIC, PROMOTE, FakeHost, RefusedError, four, prefix, six
from hypothesis import given, settings
from hypothesis import strategies as st

from hostlink.core import operations as op
from hostlink.core.advertised import superseded
from hostlink.core.alike import Alike, place_of
from hostlink.core.foreseen import carried
from hostlink.core.host_addresses import (
    IFA_F_MANAGETEMPADDR,
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    IFA_F_PERMANENT,
    SETTABLE_FLAGS,
)
from hostlink.core.model import Address, Family, HostView, Link, Neighbour, NextHop, Qdisc, Route, Rule
from hostlink.core.plan_host import plan_host
from hostlink.core.route_set import RouteSet, kept

ASKED = SETTABLE_FLAGS | IFA_F_NODAD
OLD, NEW = 7, 19
"""The link's index where the snapshot was taken, and where it is filled in."""
MAC = "52:54:00:00:00:01"
NIC = Link("eth1", OLD, MAC, 1500, up=True, altnames=("enp1s0",), alias="uplink", tx_queue_length=500)
FRESH = Link("eth1", NEW, "02:00:00:00:00:99", 1400, kind="tun")

TEMPORARY = {"valid_lifetime_s": 3000, "preferred_lifetime_s": 2000, "flags": 0}
ADDRESSES: list[Address] = [
    four("10.0.0.1/24"),
    four("10.0.0.1/24", **TEMPORARY),
    four("10.0.0.1/24", label="eth1:1"),
    four("10.0.0.2/24"),
    four("10.0.0.5/32", broadcast=None),
    four("192.168.7.1/24", flags=IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE),
    six("fe80::1/64", scope=253),
    six("fd00::1/64"),
    six("fd00::2/64", **{**TEMPORARY, "flags": IFA_F_MANAGETEMPADDR}),
    six("fd00::3/128", valid_lifetime_s=900, preferred_lifetime_s=0, flags=0),
]


def route(text: str, via: str | None, **more: object) -> Route:
    gateway = ip_address(via) if via else None
    made = Route(prefix(text), 254, (NextHop(OLD, gateway),), 1, 4, 0, 1024 if ":" in text else 0)
    return replace(made, **more)  # type: ignore[arg-type]


ROUTES: list[Route] = [
    route("0.0.0.0/0", "10.0.0.254", protocol=16, metric=100, preferred_source=ip_address("10.0.0.1")),
    route("0.0.0.0/0", "10.0.0.253", metric=200),
    route("10.9.0.0/16", "10.0.0.254", mtu_bytes=1400),
    route("10.8.0.1/32", None, scope=253),
    route("10.7.0.0/16", "10.8.0.1"),
    route("10.6.0.0/16", "203.0.113.1", next_hops=(NextHop(OLD, ip_address("203.0.113.1"), onlink=True),)),
    route("10.5.0.0/16", None, table=100),
    route("192.168.7.0/24", None, protocol=2, scope=253, metric=100),
    route("::/0", "fe80::ff", protocol=9, expires_s=1800),
    route("fd09::/48", "fd00::ff"),
    route("fd08::/48", None, next_hops=(NextHop(OLD, ip_address("fe80::a")), NextHop(OLD, ip_address("fe80::b"), 2))),
]
RULES = [Rule(Family.IPV4, 100, b"\x02\0\0\0\0\0\0\x01" + b"\0" * 8, "eth1")]
NEIGHBOURS = [Neighbour(ip_address("10.0.0.9"), MAC, 0x80), Neighbour(ip_address("10.0.0.8"), None, 0, 8)]


def host(link: Link, addresses: list[Address], routes: list[Route], **more: object) -> FakeHost:
    """A host that came to what it is as hosts do; what the kernel would have refused is not there."""
    made = FakeHost(replace(link, up=False), **more)  # type: ignore[arg-type]
    wanted: list[op.HostOperation] = [op.AddHostAddress(link.index, one) for one in addresses]
    wanted += [op.SetHostLink(link.index, up=True)] if link.up else []
    wanted += [op.AddHostRoute(link.index, OLD, one) for one in routes]
    for operation in wanted:
        try:
            made.apply(operation)
        except RefusedError:
            continue
    return made


SOME_ADDRESSES = st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=7)
SOME_ROUTES = st.lists(st.sampled_from(ROUTES), unique=True, max_size=8)


@st.composite
def snapshots(draw: st.DrawFn) -> HostView:
    """A host's view of its NIC."""
    link = replace(NIC, up=draw(st.sampled_from([True, True, True, False])), promiscuous=draw(st.booleans()))
    sysctls = {PROMOTE: draw(st.sampled_from("01")), "ipv4/conf/{link}/rp_filter": draw(st.sampled_from("012"))}
    made = host(link, draw(SOME_ADDRESSES), draw(SOME_ROUTES), sysctls=sysctls)
    made.rules = draw(st.lists(st.sampled_from(RULES), max_size=1))
    made.neighbours = draw(st.lists(st.sampled_from(NEIGHBOURS), unique=True)) if link.up else []
    return made.view()


@st.composite
def hosts(draw: st.DrawFn) -> FakeHost:
    """A host's link as it may be found: anything."""
    link = replace(FRESH, up=draw(st.booleans()))
    return host(link, draw(SOME_ADDRESSES), draw(SOME_ROUTES), sysctls={PROMOTE: draw(st.sampled_from("01"))})


def carry_out(desired: HostView, there: FakeHost, rounds: int, *, exact: bool = False) -> None:
    """Plans, does, looks again, until nothing is left to do; in at most so many rounds."""
    for _ in range(rounds):
        for operation in plan_host(desired, there.view(), exact=exact):
            there.apply(operation)
    assert plan_host(desired, there.view(), exact=exact) == ()


def said(view: HostView, index: int) -> tuple[set[Any], set[Route], set[str], Link]:
    """What must be the same on both links; next hops of `index` said of no link in particular."""
    addresses = {(a.interface, a.peer, a.label, a.broadcast, a.valid_lifetime_s is None) for a in view.addresses}
    routes = {
        replace(r, next_hops=tuple(replace(h, link_index=0) if h.link_index == index else h for h in r.next_hops))
        for r in view.routes
    }
    return addresses, routes, set(view.link.altnames), replace(view.link, index=0, kind="", carrier=False)


@settings(max_examples=120, deadline=None)
@given(snapshots())
def test_a_fresh_link_is_what_the_snapshot_says_after_two_plans(desired: HostView) -> None:
    """The second one only takes NODAD off what the first one added."""
    there = FakeHost(FRESH)
    carry_out(desired, there, 2)
    assert said(there.view(), NEW) == said(desired, OLD)
    for family in Family:
        order = [[a.interface for a in view.addresses if a.family is family] for view in (desired, there.view())]
        assert order[0] == order[1]
    assert dict(there.view().sysctls) == dict(desired.sysctls)
    assert (there.rules, there.neighbours) == (list(desired.rules), list(desired.neighbours))


@settings(max_examples=120, deadline=None)
@given(snapshots())
def test_what_a_plan_leads_to_is_foreseen(desired: HostView) -> None:
    """`hostlink plan` goes by it: the next plan is the one that comes, and VPP is to have what it really will."""
    there, desired = FakeHost(FRESH), replace(desired, link=replace(desired.link, mac=FRESH.mac))
    plan = plan_host(desired, there.view())
    foreseen = carried(desired, there.view(), plan)
    for operation in plan:
        there.apply(operation)
    after = there.view()
    assert said(foreseen, NEW)[:2] == said(after, NEW)[:2]
    assert {(one.interface, one.flags & ASKED) for one in foreseen.addresses} == {
        (one.interface, one.flags & ASKED) for one in after.addresses
    }
    settle = [one for one in plan_host(desired, foreseen) if isinstance(one, op.ChangeHostAddress)]
    assert {one.address.interface for one in settle} == {
        one.address.interface for one in plan_host(desired, after) if isinstance(one, op.ChangeHostAddress)
    }


@settings(max_examples=120, deadline=None)
@given(snapshots(), hosts())
def test_any_link_gets_what_it_lacks_and_keeps_what_is_not_asked_about(desired: HostView, there: FakeHost) -> None:
    before = there.view()
    plan = plan_host(desired, before)
    carry_out(desired, there, 3)
    after = there.view()
    wanted, has = said(desired, OLD), said(after, NEW)
    assert {one[0] for one in wanted[0]} <= {one[0] for one in has[0]}
    assert {one for one in wanted[1] if one.protocol != 2} <= has[1]
    asked = {address.interface.ip for address in desired.addresses}
    if desired.link.up and not any(isinstance(one, op.DeleteHostAddress) for one in plan):
        assert {a.interface for a in before.addresses if a.interface.ip not in asked} <= {
            a.interface for a in after.addresses
        }
        assert set(before.routes) <= set(after.routes)
    assert not any(isinstance(one, op.DeleteHostRoute) for one in plan)


@settings(max_examples=120, deadline=None)
@given(snapshots(), hosts())
def test_exact_leaves_nothing_else(desired: HostView, there: FakeHost) -> None:
    carry_out(desired, there, 5, exact=True)
    after = there.view()
    wanted, has = said(desired, OLD), said(after, NEW)
    own = any(address.interface.is_link_local for address in desired.addresses)
    automatic = set() if own else {one for one in has[0] if one[0].is_link_local}
    assert has[0] - automatic == wanted[0]
    assert {r for r in has[1] if r.protocol != 2} == {r for r in wanted[1] if r.protocol != 2}


@settings(max_examples=120, deadline=None)
@given(snapshots(), hosts())
def test_the_host_is_never_without_an_address_while_both_have_one(desired: HostView, there: FakeHost) -> None:
    """But for an address that must go and come again at once, when it is the only one."""
    there.apply(op.SetHostLink(NEW, up=desired.link.up))
    before = there.view()
    if not before.addresses or not desired.addresses:
        return
    wanted = {address.interface.ip for address in desired.addresses}
    for _ in range(3):
        for operation in plan_host(desired, there.view(), exact=True):
            there.apply(operation)
            coming_again = isinstance(operation, op.DeleteHostAddress) and operation.address.interface.ip in wanted
            assert there.addresses or coming_again or isinstance(operation, op.SetSysctl), operation


def test_the_second_address_of_a_subnet_outlives_the_first() -> None:
    """F14: a lease changes within its subnet; with promote_secondaries=0 the kernel would delete both."""
    there = host(replace(FRESH, up=True), [four("10.0.0.1/24")], [], sysctls={PROMOTE: "0"})
    desired = replace(host(NIC, [four("10.0.0.2/24")], []).view(), sysctls=((PROMOTE, "0"),))
    done: list[op.HostOperation] = []
    for _ in range(2):
        for operation in plan_host(desired, there.view(), exact=True):
            done.append(operation)
            there.apply(operation)
            assert there.addresses
    sysctl = "ipv4/conf/eth1/promote_secondaries"
    at = done.index(op.SetSysctl(sysctl, "1"))
    assert isinstance(done[at + 1], op.DeleteHostAddress)
    assert done[at + 2] == op.SetSysctl(sysctl, "0")
    assert there.sysctls[PROMOTE] == "0"
    assert [address.interface.ip for address in there.addresses if address.family == 4] == [ip_address("10.0.0.2")]


# ------------------------------------------------------------------------------------------------------ in particular


def test_the_whole_order_on_a_fresh_link() -> None:
    addresses, routes = [four("10.0.0.1/24"), six("fe80::1/64", scope=253)], [ROUTES[0], ROUTES[3]]
    made = host(NIC, addresses, routes)
    made.sysctls = {"ipv6/conf/{link}/accept_ra": "2", "ipv6/conf/{link}/stable_secret": "::1", PROMOTE: "0"}
    made.neighbours, made.rules = NEIGHBOURS[:1], list(RULES)
    there = FakeHost(FRESH, sysctls={**made.sysctls, "ipv6/conf/{link}/accept_ra": "1"})
    there.sysctls["ipv6/conf/{link}/stable_secret"] = "::2"
    plan = plan_host(made.view(), there.view())
    assert plan == (
        op.SetHostLink(NEW, mac=MAC, mtu_bytes=1500, alias="uplink", tx_queue_length=500),
        op.SetSysctl("ipv6/conf/eth1/stable_secret", "::1"),
        op.SetSysctl("ipv6/conf/eth1/accept_ra", "2"),
        op.AddAltname(NEW, "enp1s0"),
        op.AddHostAddress(NEW, replace(addresses[0], flags=0)),
        op.AddHostAddress(NEW, replace(addresses[1], flags=IFA_F_NODAD)),
        op.SetHostLink(NEW, up=True),
        op.AddHostRoute(NEW, OLD, ROUTES[3]),
        op.AddHostRoute(NEW, OLD, ROUTES[0]),
        op.AddHostNeighbour(NEW, NEIGHBOURS[0]),
        op.AddHostRule(RULES[0]),
    )


def test_a_failed_probe_is_made_again_and_a_passed_one_is_not() -> None:
    failed, tentative = 0x88, 0xC0
    view = HostView(NIC, (six("fd00::1/64", flags=failed), six("fd00::2/64", flags=tentative)))
    added = [one.address for one in plan_host(view, HostView(FRESH)) if isinstance(one, op.AddHostAddress)]
    assert {str(one.interface.ip): one.flags for one in added} == {"fd00::1": 0, "fd00::2": IFA_F_NODAD}


def test_what_the_kernel_decides_is_no_difference() -> None:
    desired = HostView(
        NIC,
        (
            six("fd00::1/64", **{**TEMPORARY, "flags": 0x940}),
            four("10.0.0.1/24", **{**TEMPORARY, "flags": 0x81}),
            six("fe80::1/64", protocol=3, scope=253),
        ),
    )
    actual = HostView(
        replace(NIC, index=NEW),
        (
            six("fd00::1/64", valid_lifetime_s=5, preferred_lifetime_s=0, flags=0x900 & ~0x800),
            four("10.0.0.1/24", valid_lifetime_s=5, preferred_lifetime_s=1, flags=0, protocol=9),
            six("fe80::1/128", scope=0),
        ),
    )
    assert plan_host(desired, actual) == ()


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (four("10.0.0.1/24"), four("10.0.0.1/24", **TEMPORARY)),
        (four("10.0.0.1/24", **TEMPORARY), four("10.0.0.1/24")),
        (four("10.0.0.1/24"), four("10.0.0.1/24", broadcast=None)),
        (four("10.0.0.1/24"), four("10.0.0.1/24", label="eth1:7")),
        (four("10.0.0.1/24"), four("10.0.0.1/24", scope=253)),
        (four("10.0.0.1/24", route_priority=50), four("10.0.0.1/24")),
        (six("fd00::1/64"), six("fd00::1/128")),
        (six("fd00::1/64", flags=0x80 | IFA_F_NOPREFIXROUTE), six("fd00::1/64")),
        (six("fd00::1/64", **{**TEMPORARY, "preferred_lifetime_s": 0}), six("fd00::1/64", **TEMPORARY)),
    ],
)
def test_an_address_that_differs_goes_and_comes_again(wanted: Address, there: Address) -> None:
    plan = plan_host(HostView(NIC, (wanted,)), HostView(replace(NIC, index=NEW), (there,)))
    assert [type(one) for one in plan] == [op.DeleteHostAddress, op.AddHostAddress]


def test_an_address_that_has_run_out_is_not_asked_for() -> None:
    view = HostView(NIC, (four("10.0.0.1/24", valid_lifetime_s=0, preferred_lifetime_s=0),))
    assert not any(isinstance(one, op.AddHostAddress) for one in plan_host(view, HostView(FRESH)))


def test_a_sysctl_that_the_link_lacks_is_left_out() -> None:
    view = HostView(NIC, sysctls=(("ipv6/conf/{link}/novel", "1"),))
    assert plan_host(view, HostView(replace(NIC, index=NEW))) == ()


def test_what_the_kernel_makes_is_asked_for_last_and_only_if_it_stays_away() -> None:
    made = Route(prefix("10.0.0.255/32"), 255, (NextHop(OLD),), 3, 2, 253)
    desired = HostView(NIC, (four("10.0.0.1/24"),), (made,))
    first = plan_host(desired, HostView(replace(NIC, index=NEW)))
    assert [type(one) for one in first] == [op.AddHostAddress]
    then = plan_host(desired, HostView(replace(NIC, index=NEW), desired.addresses))
    assert then == (op.AddHostRoute(NEW, OLD, made),)


def test_a_managers_own_prefix_route_is_a_route_like_others() -> None:
    """NetworkManager: the address says noprefixroute, and the route, `proto kernel` with a metric, is its own."""
    own = ROUTES[7]
    desired = HostView(NIC, (ADDRESSES[5],), (own,))
    assert op.AddHostRoute(NEW, OLD, own) in plan_host(desired, HostView(FRESH))


def test_a_route_on_a_nexthop_object_is_there_when_its_hops_are() -> None:
    by_object = replace(ROUTES[2], nexthop_id=7)
    there = replace(ROUTES[2], next_hops=(NextHop(NEW, ip_address("10.0.0.254")),))
    assert plan_host(HostView(NIC, routes=(by_object,)), HostView(replace(NIC, index=NEW), routes=(there,))) == ()


@pytest.mark.parametrize(
    ("accept_ra", "forwarding", "metric"), [("1", "0", 1025), ("1", "1", 1024), ("2", "1", 1025), ("0", "0", 1024)]
)
def test_an_advertised_default_leaves_its_metric_to_the_kernels_own(
    accept_ra: str, forwarding: str, metric: int
) -> None:
    sysctls = (("ipv6/conf/{link}/accept_ra", accept_ra), ("ipv6/conf/{link}/forwarding", forwarding))
    desired = HostView(NIC, routes=(ROUTES[8],), sysctls=sysctls)
    there = HostView(replace(NIC, index=NEW), sysctls=sysctls)
    (add,) = plan_host(desired, there)
    assert isinstance(add, op.AddHostRoute)
    assert add.route == replace(ROUTES[8], metric=metric)
    assert add.route.expires_s == 1800
    for routes in ((add.route,), (ROUTES[8],)):
        hop = (NextHop(NEW, ip_address("fe80::ff")),)
        assert plan_host(desired, replace(there, routes=(replace(routes[0], next_hops=hop),))) == ()


def test_advertised_defaults_of_two_routers_stay_two_routes() -> None:
    """With one metric the kernel makes one multipath route of them, and the plan would never be empty."""
    sysctls = (("ipv6/conf/{link}/accept_ra", "1"), ("ipv6/conf/{link}/forwarding", "0"))
    other = replace(ROUTES[8], next_hops=(NextHop(OLD, ip_address("fe80::fe")),))
    desired = HostView(NIC, routes=(ROUTES[8], other), sysctls=sysctls)
    there = HostView(replace(NIC, index=NEW), sysctls=sysctls)
    added = [step.route for step in plan_host(desired, there) if isinstance(step, op.AddHostRoute)]
    assert [route.metric for route in added] == [1025, 1026]
    moved = [replace(r, next_hops=(replace(r.next_hops[0], link_index=NEW),)) for r in added]
    for number, route in enumerate(moved):
        (still,) = plan_host(desired, replace(there, routes=(route,)))
        assert still == op.AddHostRoute(NEW, OLD, added[1 - number])
    assert plan_host(desired, replace(there, routes=tuple(moved))) == ()


def test_next_hops_on_another_link_stay_on_it() -> None:
    both = replace(ROUTES[2], next_hops=(NextHop(OLD, ip_address("10.0.0.254")), NextHop(3, ip_address("10.3.0.1"))))
    there = replace(both, next_hops=(NextHop(3, ip_address("10.3.0.1")), NextHop(NEW, ip_address("10.0.0.254"))))
    assert plan_host(HostView(NIC, routes=(both,)), HostView(replace(NIC, index=NEW), routes=(there,))) == ()


def test_a_rule_is_the_same_while_its_interface_is_away() -> None:
    """The kernel marks a rule whose interface is gone; that is not what the rule says."""
    detached = replace(RULES[0], body=RULES[0].body[:8] + b"\x08\0\0\0" + RULES[0].body[12:])
    assert plan_host(HostView(NIC, rules=(RULES[0],)), HostView(replace(NIC, index=NEW), rules=(detached,))) == ()
    inverted = replace(RULES[0], body=RULES[0].body[:8] + b"\x02\0\0\0" + RULES[0].body[12:])
    plan = plan_host(HostView(NIC, rules=(RULES[0],)), HostView(replace(NIC, index=NEW), rules=(inverted,)))
    assert plan == (op.AddHostRule(RULES[0]),)


def test_a_link_that_was_down_stays_down_and_one_that_is_up_goes_down_first() -> None:
    down = replace(NIC, up=False)
    assert plan_host(HostView(down), HostView(replace(down, index=NEW))) == ()
    there = HostView(replace(NIC, index=NEW, mtu_bytes=9000), (four("10.0.0.1/24"),))
    assert plan_host(HostView(down), there, exact=True) == (op.SetHostLink(NEW, up=False),)


def test_exact_keeps_an_automatic_link_local_unless_another_is_wanted() -> None:
    there = HostView(replace(NIC, index=NEW), (Address(AUTOMATIC, flags=IFA_F_PERMANENT),))
    assert plan_host(HostView(NIC), there, exact=True) == ()
    other = six("fe80::1/64", scope=253)
    assert [type(one) for one in plan_host(HostView(NIC, (other,)), there, exact=True)] == [op.AddHostAddress]
    both = replace(there, addresses=(*there.addresses, other))
    assert plan_host(HostView(NIC, (other,)), both, exact=True) == (op.DeleteHostAddress(NEW, there.addresses[0]),)


def test_a_copy_of_an_advertised_default_goes_when_the_kernels_own_is_there() -> None:
    own = route("::/0", "fe80::a", protocol=9, expires_s=1500)
    copy, later = replace(own, metric=1025, expires_s=900), replace(own, metric=1030, expires_s=900)
    other = replace(route("::/0", "fe80::b", protocol=9, expires_s=1500), metric=1026)
    by_hand = replace(own, metric=2000, expires_s=None)
    elsewhere = replace(copy, table=100)
    link = Link("eth0", OLD, "52:54:00:00:00:01", 1500)
    assert superseded(HostView(link, routes=(own, copy, other, by_hand, elsewhere))) == (copy,)
    assert superseded(HostView(link, routes=(copy, later))) == (later,)
    assert superseded(HostView(link, routes=(copy, other))) == ()


# ------------------------------------------------------------------ queueing, token, multicast, and what is refused

TBF, PFIFO = Qdisc("tbf", 0x100000, b"one"), Qdisc("pfifo", 0x200000, b"two")
READS = (("ipv6/conf/{link}/accept_ra", "2"),)


def test_a_qdisc_replaces_another_and_an_absent_one_is_taken_away() -> None:
    nic, fresh = HostView(NIC, qdisc=TBF), HostView(replace(NIC, index=NEW), qdisc=PFIFO)
    assert plan_host(nic, fresh) == (op.DeleteQdisc(NEW, PFIFO), op.AddQdisc(NEW, TBF))
    assert plan_host(replace(nic, qdisc=None), fresh) == (op.DeleteQdisc(NEW, PFIFO),)
    assert plan_host(nic, replace(fresh, qdisc=TBF)) == ()


def test_a_token_is_set_where_the_link_takes_one() -> None:
    """And taken away everywhere; one that a link which reads no advertisements had is not asked for in vain."""
    token = IPv6Address("::7")
    nic, fresh = HostView(replace(NIC, token=token), sysctls=READS), HostView(replace(NIC, index=NEW), sysctls=READS)
    assert plan_host(nic, fresh) == (op.SetToken(NEW, token),)
    deaf = replace(nic, sysctls=(("ipv6/conf/{link}/accept_ra", "0"),))
    assert plan_host(deaf, replace(fresh, sysctls=deaf.sysctls)) == ()
    mute = replace(nic, sysctls=(*READS, ("ipv6/conf/{link}/router_solicitations", "0")))
    assert plan_host(mute, replace(fresh, sysctls=mute.sysctls)) == ()
    assert plan_host(HostView(NIC), HostView(replace(NIC, index=NEW, token=token))) == (
        op.SetToken(NEW, IPv6Address("::")),
    )


def test_an_alias_that_was_taken_away_goes() -> None:
    nic = HostView(replace(NIC, alias=None))
    assert plan_host(nic, HostView(replace(NIC, index=NEW))) == (op.SetHostLink(NEW, alias=""),)


def test_what_an_older_journal_does_not_say_is_left_alone() -> None:
    there = HostView(replace(NIC, index=NEW, flags=0x1200, group=7))
    assert plan_host(HostView(replace(NIC, flags=None, group=None)), there) == ()
    assert plan_host(HostView(replace(NIC, flags=0x1000, group=0)), there) == (
        op.SetHostLink(NEW, flags=0x1000, group=0),
    )


def test_multicast_addresses_are_only_added() -> None:
    nic, fresh = HostView(NIC, multicast=("01:00:5e:00:00:07",)), HostView(replace(NIC, index=NEW))
    assert plan_host(nic, fresh) == (op.AddMulticast(NEW, "eth1", "01:00:5e:00:00:07"),)
    assert plan_host(HostView(NIC), replace(fresh, multicast=nic.multicast)) == ()


def test_what_the_kernel_refuses_holds_up_nothing_else() -> None:
    """What comes when all else is there comes then, too."""
    settled, unsettled = six("fd00::1/64"), six("fd00::1/64", flags=IFA_F_PERMANENT | IFA_F_NODAD)
    nic = HostView(NIC, (settled,), (route("10.5.0.0/16", None, table=100),))
    there = HostView(replace(NIC, index=NEW), (unsettled,))
    (refused,) = plan_host(nic, there)
    assert isinstance(refused, op.AddHostRoute)
    after = plan_host(nic, there, refused=[refused])
    assert [type(one) for one in after] == [op.ChangeHostAddress]
    assert plan_host(nic, there, refused=[refused, *after]) == ()


def test_a_full_table_that_is_there_already_is_not_put_back_again():
    """Kept packed in the journal, found packed on another link: only what is missing comes, and what differs."""
    fields = {"protocol": 12, "metric": 20}
    via = (NextHop(OLD, ip_address("10.0.0.254")),)
    wanted = [Route(ip_network((0x14000000 + (n << 8), 24)), 254, via, **fields) for n in range(60)]
    there = [replace(one, next_hops=(replace(via[0], link_index=NEW),)) for one in wanted]
    there[5] = replace(there[5], metric=30)
    kind, moved, other = (Alike.of(one, (b"%d" % n, b"", b"")) for n, one in enumerate((wanted[0], there[0], there[5])))
    full = kept(RouteSet((), {place_of(one.prefix): kind for one in wanted}))
    found = {place_of(one.prefix): moved for one in there[:50]} | {place_of(there[5].prefix): other}
    plan = plan_host(HostView(NIC, routes=full), HostView(replace(NIC, index=NEW), routes=RouteSet((), found)))
    assert [one.route for one in plan] == [wanted[5], *wanted[50:]]
    values = plan_host(
        HostView(NIC, routes=tuple(full)), HostView(replace(NIC, index=NEW), routes=tuple(RouteSet((), found)))
    )
    assert set(plan) == set(values)
