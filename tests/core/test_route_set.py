"""A set of routes is the same set however it keeps them, and whatever is asked of it."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.alike import Alike, AlikeEdit, place_of
from hostlink.core.model import NextHop, Route
from hostlink.core.route_edits import RouteEdit, edited_set
from hostlink.core.route_set import (
    KeptRoutes,
    RouteSet,
    apart,
    at,
    by_key,
    check_places,
    in_order_of,
    kept,
    kinds,
    of_kind,
    same_routes,
    with_apart,
)
from tests.core.plain_edits import each_edit, edited

VIA4, OTHER4, VIA6 = ip_address("192.0.2.254"), ip_address("192.0.2.253"), ip_address("fe80::1")
PREFIXES = [ip_network(text) for text in ("198.51.100.0/24", "203.0.113.0/24", "203.0.113.7/32", "2001:db8:1::/48")]


def cut(route):
    """A body that no kernel would say, and that says the destination where it is cut."""
    return f"{replace(route, prefix=ip_network((0, route.prefix.max_prefixlen)))}".encode(), b"/", b"."


def with_body(route):
    head, middle, tail = cut(route)
    place = place_of(route.prefix)
    return replace(route, body=head + place[:1] + middle + place[1:] + tail)


class Reader:
    """As kernel/alike.py: one `Alike` for all that differ by their destination alone."""

    def __init__(self):
        self.kinds = {}

    def of(self, route):
        key = cut(route), route.prefix.version
        return self.kinds.setdefault(key, Alike.of(route, cut(route)))


routes = st.builds(
    lambda prefix, other, metric, protocol, table: with_body(
        Route(
            prefix,
            table,
            (NextHop(7, VIA6 if prefix.version == 6 else OTHER4 if other else VIA4),),
            metric=metric,
            protocol=protocol,
        )
    ),
    st.sampled_from(PREFIXES),
    st.booleans(),
    st.sampled_from([10, 10, 20]),
    st.sampled_from([4, 16]),
    st.sampled_from([254, 254, 254, 100]),
)
tables = st.lists(routes, max_size=8, unique=True).map(tuple)


def packed(values, reader, packing=()):
    """As a look finds them: what may be packed, unless `packing` says otherwise of that number."""
    alike, values = {}, list(values)
    for number, there in enumerate(by_key(values).values()):
        one = there[0]
        if len(there) == 1 and one.table == 254 and (number >= len(packing) or packing[number]):
            values.remove(one)
            alike[place_of(one.prefix)] = reader.of(one)
    return RouteSet(values, alike)


@given(tables, st.lists(st.booleans(), max_size=8))
def test_it_has_the_same_routes_in_every_form(values, packing):
    reader = Reader()
    whole, some = packed(values, reader), packed(values, Reader(), packing)
    forms = [values, whole, some, kept(whole), kept(some)]
    for form in forms:
        assert len(form) == len(values)
        assert by_key(form) == by_key(values)
        assert by_key(of_kind(form, lambda one: one.protocol == 16)) == by_key(x for x in values if x.protocol == 16)
        assert by_key(at(form, PREFIXES[:2])) == by_key(one for one in values if one.prefix in PREFIXES[:2])
        assert {route.body for route in form} == {route.body for route in values}
        assert all(same_routes(form, other) for other in forms)
        assert len(with_apart(form, ())) == len(form) - len(apart(form))
        left = kept(form, lambda one: one.protocol == 16, PREFIXES[:2])
        assert by_key(left) == by_key(x for x in values if x.protocol != 16 or x.prefix not in PREFIXES[:2])
    assert whole == some == kept(some)
    assert len(kinds(whole)) <= len(values)


@given(tables, tables, st.lists(st.booleans(), max_size=8))
def test_other_routes_are_others_in_every_form(values, others, packing):
    reader = Reader()
    one = [values, packed(values, reader), kept(packed(values, reader))]
    other = [others, packed(others, reader, packing), kept(packed(others, Reader(), packing))]
    same = by_key(values) == by_key(others)
    assert [same_routes(a, b) for a in one for b in other] == [same] * 9
    assert [same_routes(b, a) for a in one for b in other] == [same] * 9


@given(tables, st.randoms(use_true_random=False), st.lists(st.booleans(), max_size=8))
def test_a_set_in_the_order_of_another_is_the_same(values, chance, packing):
    """And compares with it at once. What expires does so when it did before."""
    short = with_body(Route(ip_network("2001:db8:7::/48"), 254, (NextHop(7, VIA6),), metric=9))
    one = kept(RouteSet((replace(short, expires_s=7), *packed(values, Reader()).apart), packed(values, Reader()).alike))
    there = packed([route for some in by_key(values).values() for route in some], Reader(), packing)
    other = kept(RouteSet((*chance.sample(there.apart, len(there.apart)), replace(short, expires_s=5)), there.alike))
    if same_routes(one, other):
        found = in_order_of(one, other)
        assert same_routes(found, one)
        assert (found.alike, len(found.apart)) == (other.alike, len(other.apart))
        assert [route.expires_s for route in found.apart if route.expires_s] == [7]


def test_a_set_is_no_tuple():
    assert RouteSet() != ()
    assert RouteSet() == KeptRoutes((), ())


@given(tables, st.lists(tables, max_size=3), st.booleans())
def test_edits_end_where_they_end_among_values(values, later, gone):
    reader = Reader()
    edits = []
    for some in later:
        found = packed(some, reader)
        for (table, prefix), there in by_key(found.apart).items():
            edits.append(RouteEdit(table, prefix, () if gone else tuple(there)))
        for block in kept(found).alike:
            edits.append(AlikeEdit(254, None if gone else block.route, block.cut, block.version, block.places))
    single = [one for edit in edits for one in (each_edit([edit]) if isinstance(edit, AlikeEdit) else [edit])]
    assert by_key(edited_set(kept(packed(values, reader)), edits)) == by_key(edited(values, single))


def test_a_lifetime_is_no_difference_and_a_body_neither():
    one = with_body(Route(PREFIXES[0], 254, (NextHop(7, VIA4),)))
    assert RouteSet([one]) == RouteSet([replace(one, expires_s=7, body=b"")])


@pytest.mark.parametrize(
    ("version", "places"),
    [(4, b"\x18\x14\0\x01"), (4, b"\x21\x14\0\x01\0"), (4, b"\x18\x14\0\x01\x01"), (6, b"\x81" + bytes(16)), (5, b"")],
)
def test_what_is_no_destination_is_refused(version, places):
    check_places(4, b"\x18\x14\0\x01\0\x20\x14\0\x01\x07")
    check_places(6, b"\x80" + bytes(15) + b"\x01")
    with pytest.raises(ValueError, match="no destinations"):
        check_places(version, places)
