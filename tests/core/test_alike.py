"""Routes kept as packed destinations end where the same routes kept as values do, however both come together."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.alike import Alike, AlikeChange, PackedRoutes, place_of, prefix_at
from hostlink.core.attached import Leaning
from hostlink.core.desired_routes import Translator, translator_for, vpp_routes
from hostlink.core.model import Address, HostView, Link, NextHop, PathType, Route, VppPath
from hostlink.core.route_book import RouteBook, by_key
from hostlink.core.route_changes import RouteChange, change_at
from hostlink.core.vpp_tables import tables_of
from tests.core.plain_edits import each_edit, edited

OURS, OTHER, SW = 7, 8, 1
LINK = Link("eth0", OURS, "02:00:00:00:00:01", 1500, up=True)
ADDRESS = Address(ip_interface("192.0.2.1/24"))
VIA4, OTHER4, VIA6 = ip_address("192.0.2.254"), ip_address("192.0.2.253"), ip_address("fe80::1")
PREFIXES = [
    ip_network(text)
    for text in (
        "198.51.100.0/24",
        "203.0.113.0/24",
        "203.0.113.7/32",
        "2001:db8:1::/48",
        "192.0.2.0/24",
        "224.0.1.0/24",
    )
]


def cut(route):
    """A body that no kernel would say, and that says the destination where it is cut."""
    head = f"{route.next_hops}{route.type}{route.table}{route.metric}{route.tos}".encode()
    return head, b"/", b"."


def with_body(route):
    head, middle, tail = cut(route)
    return replace(
        route, body=head + bytes((route.prefix.prefixlen,)) + middle + route.prefix.network_address.packed + tail
    )


class Reader:
    """As kernel/alike.py: one `Alike` for all that differ by their destination alone."""

    def __init__(self):
        self.kinds = {}

    def of(self, route):
        return self.kinds.setdefault((cut(route), route.prefix.version), Alike.of(with_body(route), cut(route)))

    def change(self, change):
        alike = self.of(change.route)
        return AlikeChange(alike, change.gone, change.replaces), place_of(change.route.prefix)


def route(prefix="198.51.100.0/24", via=VIA4, link=OURS, **fields):
    return with_body(Route(ip_network(prefix), 254, (NextHop(link, via),), **fields))


def view(routes=()):
    return HostView(LINK, (ADDRESS,), tuple(routes))


def book(routes=(), reader=None, **settings):
    seen = view(routes)
    interfaces = [ADDRESS.interface]
    mirrored, problems = vpp_routes(seen, interfaces, SW, ())
    translator = translator_for(seen, interfaces, SW, ())
    packing = {} if reader is None else {"alike": reader.of}
    return RouteBook(seen.routes, mirrored, translator, problems=problems, **settings, **packing)


def settled(followed):
    """(what VPP gets or has replaced, what it loses), of both kinds."""
    add, delete = followed.settle(followed.touched())
    packed = PackedRoutes()
    packed.extend(*followed.settle_places(followed.touched_places()))
    return [*add, *packed.added()], {(one.table_id, one.prefix) for one in (*delete, *packed.deleted())}


def follow(followed, *changes):
    return followed.fold_all(changes)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "20.0.0.0/24", "255.255.255.255/32", "::/0", "2001:db8::/32", "::1/128"])
def test_a_packed_prefix_comes_back(text):
    assert str(prefix_at(place_of(ip_network(text)))) == text


def test_one_that_is_alike_has_its_own_destination_and_body():
    reader = Reader()
    one, other = route(), route("203.0.113.0/24")
    found = reader.of(one).at(place_of(other.prefix))
    assert (found, found.body) == (other, other.body)


def test_one_by_a_gateway_that_is_not_attached_is_looked_at_as_a_whole():
    leaning = Leaning(OURS, frozenset({ADDRESS.interface.network}))
    reader = Reader()
    followed = book(reader=reader, leaning=leaning)
    assert not follow(followed, reader.change(RouteChange(route(via=ip_address("10.55.0.1")))))
    assert follow(followed, reader.change(RouteChange(route())))


def test_a_storm_is_added_replaced_and_deleted_without_a_value():
    reader, followed = Reader(), book()
    prefixes = [ip_network((0x14000000 + (number << 8), 24)) for number in range(50)]
    for via, gone in ((VIA4, False), (OTHER4, False), (OTHER4, True)):
        changes = [
            reader.change(RouteChange(route(str(prefix), via), gone=gone, replaces=via is OTHER4))
            for prefix in prefixes
        ]
        assert follow(followed, *changes)
        assert followed.touched() == []
        packed = PackedRoutes()
        packed.extend(*followed.settle_places(followed.touched_places()))
        assert len(packed) == 50
        assert followed.counts[4] == (0 if gone else 50)
        assert [len(places) for _, places in packed.add] == ([] if gone else [50])
        assert {one.paths[0].next_hop for one in packed.added()} == (set() if gone else {via})


@pytest.mark.parametrize(
    "unusual",
    [
        route(tos=16),
        replace(route(), table=100),
        replace(route("203.0.113.7/32"), next_hops=(NextHop(OURS),)),
        replace(route(), next_hops=(NextHop(OURS, VIA4), NextHop(OTHER, VIA4))),
        route("224.0.1.0/24"),
        route("192.0.2.0/24"),
    ],
)
def test_what_needs_a_second_look_gets_it(unusual):
    """Each is followed as a value, and ends as it does there."""
    reader, packed, plain = Reader(), book(), book()
    unusual = with_body(unusual)
    usual = with_body(
        replace(unusual, prefix=ip_network("198.18.0.0/24"))
    )  # of the same kind, where nothing stands out
    assert follow(packed, reader.change(RouteChange(usual)), reader.change(RouteChange(usual, gone=True)))
    packed.touched_places()
    settled(packed)
    assert follow(packed, reader.change(RouteChange(unusual)))
    assert plain.fold(RouteChange(unusual))
    assert packed.touched_places() == []
    assert (settled(packed), packed.problems) == (settled(plain), plain.problems)


def test_several_hops_and_blackholes_are_alike_too():
    reader, followed = Reader(), book()
    several = with_body(replace(route(), next_hops=(NextHop(OURS, VIA4, 3), NextHop(OURS, OTHER4))))
    nowhere = with_body(Route(ip_network("203.0.113.0/24"), 254, type=6))
    assert follow(followed, reader.change(RouteChange(several)), reader.change(RouteChange(nowhere)))
    assert followed.touched() == []
    added, _ = settled(followed)
    assert [(path.next_hop, path.weight) for path in added[0].paths] == [(OTHER4, 1), (VIA4, 3)]
    assert [path.type for path in added[1].paths] == [PathType.DROP]


def test_a_default_route_is_not_followed():
    assert not follow(book(), Reader().change(RouteChange(with_body(replace(route(), prefix=ip_network("0.0.0.0/0"))))))


def test_a_second_metric_sets_the_prefix_apart_until_both_are_gone():
    reader, followed = Reader(), book()
    place = place_of(route().prefix)
    assert follow(followed, reader.change(RouteChange(route())))
    settled(followed)
    worse = RouteChange(route(via=OTHER4, metric=100))
    assert follow(followed, reader.change(worse))
    (added,), gone = settled(followed)
    assert ([path.next_hop for path in added.paths], gone) == ([VIA4, OTHER4], set())
    assert followed.paths_at([place]) == [added.paths]
    ends = [reader.change(replace(change, gone=True)) for change in (RouteChange(route()), worse)]
    assert follow(followed, *ends)
    assert settled(followed) == ([], {(0, route().prefix)})
    assert follow(followed, reader.change(RouteChange(route())))
    assert (followed.touched(), followed.touched_places()) == ([], [place])


def test_a_look_packs_what_it_can_and_the_kernel_finds_it():
    reader = Reader()
    odd = with_body(replace(route("203.0.113.0/24"), metric=7))
    followed = book([route(), odd, replace(odd, metric=8)], reader)
    assert len(followed) == 2
    assert by_key(followed.routes()) == by_key([route(), odd, replace(odd, metric=8)])
    assert follow(followed, reader.change(RouteChange(route(), gone=True)))
    assert followed.touched() == []
    assert settled(followed) == ([], {(0, route().prefix)})


def test_what_has_the_same_paths_goes_out_together():
    """Each group costs a message packed by the codec: with 50 gateways, 500 of them for every 5,000 routes."""
    reader, followed = Reader(), book()
    packed = PackedRoutes()
    for start in range(0, 40, 10):
        for number in range(start, start + 10):
            prefix, via = ip_network((0x14000000 + (number << 8), 24)), (VIA4, OTHER4)[number % 2]
            assert follow(followed, reader.change(RouteChange(route(str(prefix), via))))
        packed.extend(*followed.settle_places(followed.touched_places()))
    assert [(paths[0].next_hop, len(places)) for paths, places in packed.add] == [(VIA4, 20), (OTHER4, 20)]
    assert len(packed) == len(set(packed.places())) == 40


def test_what_is_let_go_of_is_gone_and_nobody_elses():
    mine = [place_of(ip_network(f"10.0.{number}.0/24")) for number in range(3)]
    packed, paths = PackedRoutes(), (VppPath(1, VIA4),)
    packed.extend([(paths, mine)], mine)
    packed.let_go()
    assert (len(packed), list(packed.places()), len(mine)) == (0, [], 3)
    packed.extend([(paths, mine[:1])], ())
    assert list(packed.places()) == mine[:1]


# -------------------------------------------------------------------------------------------- both ways, whatever comes

PAIRS = st.sampled_from(
    [(prefix, via) for prefix in PREFIXES for via in (VIA4, OTHER4, VIA6) if prefix.version == via.version]
)
changes = st.builds(
    lambda pair, link, metric, gone, replaces, table: RouteChange(
        with_body(replace(route(str(pair[0]), pair[1], link, metric=metric), table=table)), gone, replaces
    ),
    PAIRS,
    st.sampled_from([OURS, OURS, OTHER]),
    st.sampled_from([10, 10, 20]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([254, 254, 254, 100]),
)


@given(st.lists(st.tuples(changes, st.booleans(), st.booleans()), max_size=14), st.lists(changes, max_size=4))
def test_it_ends_where_values_end(messages, before):
    """Some come as values and some alike, VPP is settled now and then; the other book has nothing but values."""
    reader = Reader()
    seen = list(
        {(one.table, one.prefix): one for one in (change.route for change in before) if one.uses(OURS)}.values()
    )
    packed, plain = book(seen, reader), book(seen)
    vpp = {place(one): one for one in packed.mirrored()}
    for change, as_value, settle in messages:
        follows = follow(packed, (change, None) if as_value else reader.change(change))
        assert follows == plain.fold(change)
        if not follows:
            return
        if settle:
            vpp = settle_vpp(packed, vpp)
            settled(plain)
    keys, places = packed.touched(), packed.touched_places()
    edits = packed.edits([*keys, *places])
    packed._touched, packed._moved = dict.fromkeys(keys), dict.fromkeys(places)
    vpp = settle_vpp(packed, vpp)
    settled(plain)
    assert by_key(packed.routes()) == by_key(plain.routes())
    assert {place(one): one for one in plain.mirrored()} == {place(one): one for one in packed.mirrored()} == vpp
    assert packed.tables() == plain.tables() == tables_of(vpp.values())
    assert (+packed.counts, packed.problems) == (+plain.counts, plain.problems)
    for prefix in PREFIXES:
        assert packed.wanted((0, prefix)) == plain.wanted((0, prefix)) == vpp.get((0, prefix))
        assert packed.paths_at([place_of(prefix)]) == [vpp[0, prefix].paths if (0, prefix) in vpp else None]
        assert packed.holds(route(str(prefix))) == plain.holds(route(str(prefix)))
    single = [edit for edit in edits if not hasattr(edit, "places")]
    told = [*single, *each_edit([edit for edit in edits if hasattr(edit, "places")])]
    assert {(one.table, one.prefix) for one in told} >= {(254, prefix_at(place)) for place in places}
    assert all(edited((), [one]) == packed.edit((one.table, one.prefix)).routes for one in told)


SPREAD = [ip_network((0x14000000 + (number << 8), 24)) for number in range(12)]
spread = st.builds(
    lambda prefix, via, metric, gone: RouteChange(with_body(route(str(prefix), via, metric=metric)), gone),
    st.sampled_from([*SPREAD, *PREFIXES[:3]]),
    st.sampled_from([VIA4, OTHER4]),
    st.sampled_from([10, 10, 10, 20]),
    st.sampled_from([False] * 9 + [True]),
)


@given(st.lists(st.lists(spread, max_size=12), max_size=4), st.lists(spread, max_size=4))
def test_many_at_once_end_where_one_after_another_does(storms, before):
    """Some of the storms have nothing but new routes, each of its own prefix."""
    reader = Reader()
    seen = list({one.prefix: one for one in (change.route for change in before)}.values())
    together, single = book(seen, reader), book(seen, reader)
    for storm in storms:
        messages = [reader.change(change) for change in storm]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hostlink.core.route_book._MANY", 1)
            follows = together.fold_all(messages)
        assert all(single.fold_all([message]) for message in messages) == follows
        if not follows:
            return
        assert same_settled(together, single)
        assert {*together.mirrored()} == {*single.mirrored()}
        assert by_key(together.routes()) == by_key(single.routes())
        assert (+together.counts, together.problems) == (+single.counts, single.problems)


def same_settled(one, other):
    (add, gone), (other_add, other_gone) = settled(one), settled(other)
    return ({*add}, gone) == ({*other_add}, other_gone)


def settle_vpp(followed, vpp):
    """VPP after it was told; no delete of what is not there."""
    add, delete = settled(followed)
    assert delete <= set(vpp)
    assert len({place(one) for one in add} | delete) == len(add) + len(delete)
    left = {at: one for at, one in vpp.items() if at not in delete}
    return left | {place(one): one for one in add}


def place(one):
    return one.table_id, one.prefix


def test_of_what_vpp_may_not_have_done_the_book_is_not_sure():
    reader, followed = Reader(), book([route()])
    (paths,) = {one.paths for one in followed.mirrored()}
    new = route("203.0.113.0/24").prefix
    assert follow(followed, reader.change(RouteChange(route("203.0.113.0/24"))))
    packed = PackedRoutes()
    packed.extend(*followed.settle_places(followed.touched_places()))
    assert len(packed) == 1
    assert followed.is_sure_of((0, new), paths)
    followed.doubts.update((), (), packed)
    assert not followed.is_sure_of((0, new), paths)
    assert not followed.is_sure_of((0, new), None)
    assert followed.is_sure_of((0, route().prefix), paths)
    assert followed.is_sure_of((1, new), None)


def test_a_change_can_be_had_as_a_value():
    change = RouteChange(route(), gone=True, replaces=True)
    assert change_at(Reader().change(change)) == change_at((change, None)) == change


def test_kinds_that_come_and_go_are_not_kept_for_ever():
    """One destination, with another metric each time, on a host where no whole look comes (found by a review)."""
    book = RouteBook((), (), Translator("eth0", 3, 1, frozenset(), frozenset(), frozenset()))
    place, hop = place_of(ip_network("20.0.0.0/24")), NextHop(3, ip_address("192.0.2.2"))
    for number in range(25_000):
        route = Route(ip_network("20.0.0.0/24"), 254, (hop,), metric=number + 1)
        one = Alike.of(route, (b"\x02", number.to_bytes(4, "big"), b""))
        for gone in (False, True):
            assert book.fold_all([(AlikeChange(one, gone), place)])
            book.settle_places(book.touched_places())
    assert len(book._kinds.kinds) <= 10_000
    assert book.known() is None
    assert book.as_set().kinds == []
