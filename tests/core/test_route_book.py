"""The book follows the kernel's route messages to where a whole look would come, or says that it cannot."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.alike import PackedRoutes
from hostlink.core.attached import Leaning
from hostlink.core.desired_routes import translator_for, vpp_routes
from hostlink.core.model import Address, Family, HostView, Link, NextHop, PathType, Route, VppTable
from hostlink.core.route_book import RouteBook, by_key
from hostlink.core.route_changes import RouteChange
from hostlink.core.route_edits import RouteEdit
from hostlink.core.vpp_tables import tables_of
from tests.core.plain_edits import edited

T100 = 0x686C0000 ^ 100
OURS, OTHER, SW = 7, 8, 1
LINK = Link("eth0", OURS, "02:00:00:00:00:01", 1500, up=True)
ADDRESS = Address(ip_interface("192.0.2.1/24"))
GATEWAYS = [ip_address("192.0.2.254"), ip_address("192.0.2.253")]
PREFIXES = [ip_network("198.51.100.0/24"), ip_network("203.0.113.0/24"), ip_network("2001:db8:1::/48")]


def route(prefix="198.51.100.0/24", via=GATEWAYS[0], link=OURS, **fields):
    return Route(ip_network(prefix), 254, (NextHop(link, via),), **fields)


def view(routes=()):
    return HostView(LINK, (ADDRESS,), tuple(routes))


def book(routes=(), taken=(), **settings):
    seen = view(routes)
    interfaces = [ADDRESS.interface]
    mirrored, problems = vpp_routes(seen, interfaces, SW, (), taken)
    translator = translator_for(seen, interfaces, SW, (), taken)
    return RouteBook(seen.routes, mirrored, translator, problems=problems, **settings)


def settled(followed):
    return followed.settle(followed.touched())


def test_a_new_route_is_added_and_its_end_deletes_it():
    followed = book()
    assert followed.fold(RouteChange(route()))
    (added,), deleted = settled(followed)
    assert (added.prefix, deleted, followed.counts[4]) == (ip_network("198.51.100.0/24"), [], 1)
    assert followed.fold(RouteChange(route(), gone=True))
    assert settled(followed) == ([], [added])
    assert followed.counts[4] == 0


def test_one_that_came_and_went_before_anybody_looked_changes_nothing():
    followed = book()
    assert followed.fold(RouteChange(route()))
    assert followed.fold(RouteChange(route(), gone=True))
    assert settled(followed) == ([], [])


STRAY, LEANING_ON = ip_address("10.55.0.1"), ip_address("10.55.0.2")


def leaning(*gateways):
    return Leaning(OURS, frozenset({ADDRESS.interface.network}), frozenset(gateways))


def test_a_route_by_a_gateway_that_is_not_attached_is_not_followed():
    followed = book(leaning=leaning(LEANING_ON))
    assert not followed.fold(RouteChange(route(via=STRAY)))
    assert followed.fold(RouteChange(route(via=LEANING_ON)))  # which has its host route already
    assert followed.fold(RouteChange(route(via=ip_address("fe80::1"), prefix="203.0.113.0/24")))
    assert followed.fold(RouteChange(route(via=STRAY, link=OTHER, prefix="203.0.112.0/24")))


def test_the_end_of_a_route_by_a_gateway_that_leans_on_another_is_not_followed():
    there = route(via=LEANING_ON)
    assert not book([there], leaning=leaning(LEANING_ON)).fold(RouteChange(there, gone=True))
    assert not book([there], leaning=leaning(LEANING_ON)).fold(RouteChange(route(), replaces=True))
    near = route(prefix="203.0.113.0/24")
    assert book([near], leaning=leaning(LEANING_ON)).fold(RouteChange(near, gone=True))


def test_on_link_routes_are_followed_unless_a_gateway_may_lean_on_them():
    on_link = route(prefix="203.0.113.0/24", via=None)
    assert book(leaning=leaning()).fold(RouteChange(on_link))
    assert not book(leaning=leaning(LEANING_ON)).fold(RouteChange(on_link))
    assert not book([on_link], leaning=leaning(LEANING_ON)).fold(RouteChange(on_link, gone=True))


def test_what_the_look_has_seen_already_changes_nothing():
    followed = book([route()])
    assert followed.fold(RouteChange(route()))
    assert followed.touched() == []


def test_a_replaced_route_has_the_new_gateway():
    followed = book([route()])
    assert followed.fold(RouteChange(route(via=GATEWAYS[1]), replaces=True))
    (added,), deleted = settled(followed)
    assert ([path.next_hop for path in added.paths], deleted) == ([GATEWAYS[1]], [])


def test_one_replaced_by_another_links_is_gone():
    """F30: the kernel says nothing of ours then but the other's RTM_NEWROUTE with NLM_F_REPLACE."""
    followed = book([route()])
    assert followed.fold(RouteChange(route(link=OTHER), replaces=True))
    added, (deleted,) = settled(followed)
    assert (added, deleted.prefix) == ([], ip_network("198.51.100.0/24"))


def test_another_links_routes_are_left_alone():
    followed = book([route()])
    assert followed.fold(RouteChange(route("203.0.113.0/24", link=OTHER)))
    assert followed.fold(RouteChange(route("203.0.113.0/24", link=OTHER), gone=True))
    assert followed.touched() == []


def test_the_best_metric_comes_first_and_its_end_leaves_the_other():
    followed = book([route(metric=600)])
    assert followed.fold(RouteChange(route(via=GATEWAYS[1], metric=100)))
    (added,), _ = settled(followed)
    assert [path.next_hop for path in added.paths] == [GATEWAYS[1], GATEWAYS[0]]
    assert followed.fold(RouteChange(route(via=GATEWAYS[1], metric=100), gone=True))
    (left,), deleted = settled(followed)
    assert ([path.next_hop for path in left.paths], deleted) == ([GATEWAYS[0]], [])


@pytest.mark.parametrize(
    "change",
    [
        RouteChange(route(via=GATEWAYS[1])),  # beside the one that is there: which one the kernel takes is its own
        RouteChange(route(via=GATEWAYS[1]), gone=True),  # a part of what is there, or what the look has not seen
        RouteChange(replace(route(), prefix=ip_network("0.0.0.0/0"))),
        RouteChange(route("203.0.113.0/24")),  # of a prefix that hostlink has routes of its own for
        RouteChange(Route(ip_network("198.51.100.0/24"), 254, nexthop_id=7), replaces=True),
    ],
    ids=["beside", "a part", "default", "settled", "a nexthop object alone"],
)
def test_what_a_message_does_not_tell_is_not_followed(change):
    assert not book([route()], settled=[ip_network("203.0.113.0/24")]).fold(change)


def test_what_leads_nowhere_is_everybodys_in_table_main_only():
    followed, blackhole = book(), Route(ip_network("198.18.0.0/15"), 254, type=6)
    assert followed.fold(RouteChange(replace(blackhole, table=77)))
    assert followed.touched() == []
    assert followed.fold(RouteChange(blackhole))
    (added,), _ = settled(followed)
    assert [path.type for path in added.paths] == [PathType.DROP]


def test_what_vpp_cannot_have_is_told_and_untold():
    followed = book([route(tos=16)])
    assert ["TOS" in problem.detail for problem in followed.problems] == [True]
    assert followed.fold(RouteChange(route(tos=16), gone=True))
    assert (settled(followed), followed.problems) == (([], []), ())
    assert followed.fold(RouteChange(route("203.0.113.0/24", tos=8)))
    assert settled(followed) == ([], [])
    assert len(followed.problems) == 1


def test_another_table_does_not_touch_the_same_prefix_of_the_main_one():
    followed = book([route()])
    assert followed.fold(RouteChange(replace(route(), table=100)))
    (added,), _ = settled(followed)
    assert (added.table_id, added.prefix, followed.tables()) == (T100, route().prefix, {VppTable(T100, Family.IPV4)})
    assert followed.fold(RouteChange(replace(route(), table=100), gone=True))
    assert settled(followed) == ([], [added])
    assert followed.tables() == set()
    assert [one.table_id for one in followed.mirrored()] == [0]


def test_a_default_of_another_table_is_a_route_like_any_other():
    """And so are the prefixes of which something more hangs in table main."""
    followed = book(settled=[route().prefix])
    for prefix in ("0.0.0.0/0", "198.51.100.0/24"):
        assert followed.fold(RouteChange(replace(route(prefix), table=100)))
    assert len(settled(followed)[0]) == 2


def test_of_a_table_that_is_another_clients_nothing_is_followed_into_vpp():
    followed = book(taken=[VppTable(T100, Family.IPV4)])
    assert followed.fold(RouteChange(replace(route(), table=100)))
    assert followed.fold(RouteChange(replace(route("2001:db8:1::/48", via=ip_address("fe80::1")), table=100)))
    (added,), _ = settled(followed)
    assert added.prefix.version == 6
    assert followed.problems == ()


def test_what_leads_nowhere_in_another_table_is_looked_at_where_the_table_leads_out():
    blackhole = Route(ip_network("198.18.0.0/15"), 100, type=6)
    followed = book([replace(route(), table=100)])
    assert not followed.fold(RouteChange(blackhole))
    followed = book()
    assert followed.fold(RouteChange(blackhole)), "nothing to the link so far"
    assert followed.fold(RouteChange(replace(route(), table=101)))
    assert not followed.fold(RouteChange(replace(route(), table=100)))
    followed = book([blackhole])
    assert followed.fold(RouteChange(replace(route("203.0.113.0/24", link=OTHER), table=100)))
    assert followed.fold(RouteChange(replace(route("2001:db8:1::/48", via=ip_address("fe80::1")), table=100)))
    assert not followed.fold(RouteChange(replace(route(), table=100)))


def test_one_that_leads_nowhere_right_behind_the_first_that_leads_out_is_not_missed():
    """Both in one storm: nothing of the table has been settled yet."""
    followed = book()
    assert followed.fold(RouteChange(replace(route(), table=100)))
    assert not followed.fold(RouteChange(Route(ip_network("198.18.0.0/15"), 100, type=6)))


def test_of_what_vpp_may_not_have_done_the_book_is_not_sure():
    """Neither of what it was told to add nor of what it was told to delete."""
    there = replace(route(), table=100)
    followed = book([there])
    assert followed.fold(RouteChange(replace(route("203.0.113.0/24"), table=100)))
    assert followed.fold(RouteChange(there, gone=True))
    (added,), (deleted,) = settled(followed)
    came, went = ((one.table_id, one.prefix) for one in (added, deleted))
    assert followed.is_sure_of(came, added.paths)
    assert followed.is_sure_of(went, None)
    followed.doubts.update([added], [deleted], PackedRoutes())
    assert not any(followed.is_sure_of(place, paths) for place in (came, went) for paths in (added.paths, None))


changes = st.builds(
    RouteChange,
    route=st.builds(
        lambda prefix, number, link, metric, table, nowhere: Route(
            prefix,
            table,
            () if nowhere else (NextHop(link, GATEWAYS[number] if prefix.version == 4 else ip_address("fe80::1")),),
            type=6 if nowhere else 1,
            metric=metric,
        ),
        st.sampled_from(PREFIXES),
        st.sampled_from([0, 1]),
        st.sampled_from([OURS, OTHER]),
        st.sampled_from([10, 20]),
        st.sampled_from([254, 254, 100, 101]),
        st.sampled_from([False, False, False, True]),
    ),
    gone=st.booleans(),
    replaces=st.booleans(),
)


@given(st.lists(changes, max_size=12))
def test_it_ends_where_a_whole_look_would(messages):
    """Whatever comes, as long as it is followed: what VPP has is what its routes of the host translate to."""
    followed, vpp = book(), {}
    for change in messages:
        if not followed.fold(change):
            return
        add, delete = settled(followed)
        for one in delete:
            del vpp[one.table_id, one.prefix]
        vpp |= {(one.table_id, one.prefix): one for one in add}
    assert followed.tables() == tables_of(vpp.values())
    wanted, _ = vpp_routes(view(followed.routes()), [ADDRESS.interface], SW, ())
    assert frozenset(vpp.values()) == wanted
    assert all(one.uses(OURS) or one.leads_nowhere for one in followed.routes())


def test_edits_of_a_snapshot_are_those_of_the_book():
    before = [route(), route("203.0.113.0/24")]
    followed = book(before)
    followed.fold(RouteChange(route(), gone=True))
    followed.fold(RouteChange(route("192.88.99.0/24")))
    edits = [followed.edit(key) for key in followed.touched()]
    assert RouteEdit(254, ip_network("198.51.100.0/24")) in edits
    assert by_key(edited(before, edits)) == by_key(followed.routes())
