"""A full table kept packed is wished for, compared, planned and followed as the same table of values is."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from fake_vpp import FakeVpp
from hypothesis import given, settings
from hypothesis import strategies as st

from hostlink.core import operations as op
from hostlink.core.alike import AlikeChange, PackedRoutes, place_of, prefix_at
from hostlink.core.attached import Leaning, leaning_on
from hostlink.core.desired import networks_by_route, vpp_desired
from hostlink.core.desired_routes import translator_for
from hostlink.core.model import Address, HostView, Link, NextHop, Route, VppPath, VppRoute, VppUplink
from hostlink.core.packed_look import Packed
from hostlink.core.packed_plan import AsWanted
from hostlink.core.places import PlaceMap
from hostlink.core.plan import plan_uplink
from hostlink.core.route_book import RouteBook
from hostlink.core.route_changes import RouteChange
from hostlink.core.route_set import RouteSet, by_key
from tests.core.test_route_set import Reader, with_body

OURS, OTHER, UPLINK, HOST = 7, 8, 1, 2
LINK = Link("eth0", OURS, "02:00:00:00:00:01", 1500, up=True)
ADDRESSES = (
    Address(ip_interface("192.0.2.1/24")),
    Address(ip_interface("198.51.99.1/24"), flags=0x280),
    Address(ip_interface("fd07::9/64")),
)
VIAS = [ip_address(text) for text in ("192.0.2.254", "192.0.2.253", "10.55.0.1", "203.0.113.7")]
VIAS6 = [ip_address(text) for text in ("fe80::1", "fd00::1")]
PREFIXES = [
    ip_network(text)
    for text in (
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.55.0.1/32",
        "198.51.100.0/24",
        "198.51.99.0/24",
        "203.0.113.0/24",
        "203.0.113.7/32",
        "192.0.2.0/24",
        "192.0.2.254/32",
        "224.0.1.0/24",
        "::/0",
        "2001:db8:1::/48",
        "fe80::/64",
        "fd00::1/128",
    )
]


@st.composite
def host_routes(draw):
    prefix = draw(st.sampled_from(PREFIXES))
    vias = st.sampled_from([None, *(VIAS if prefix.version == 4 else VIAS6)])
    hop = st.builds(NextHop, st.sampled_from([OURS, OURS, OURS, OTHER]), vias, st.integers(1, 2))
    kind = draw(st.sampled_from([1, 1, 1, 1, 6, 7, 9]))
    hops = draw(st.lists(hop, min_size=1, max_size=2)) if kind == 1 else []
    table = draw(st.sampled_from([254, 254, 254, 254, 100]))
    metric, tos = draw(st.sampled_from([0, 10, 10, 20])), draw(st.sampled_from([0, 0, 0, 0, 8]))
    return Route(prefix, table, tuple(hops), kind, metric=metric, tos=tos)


tables = st.lists(host_routes(), max_size=10, unique_by=lambda one: (one.table, one.prefix, one.metric, one.tos)).map(
    lambda found: tuple(map(with_body, found))
)


def packed(values, reader):
    """As a look finds them: what may be packed is."""
    alike, values = {}, list(values)
    for there in by_key(values).values():
        one = there[0]
        if len(there) == 1 and one.table == 254 and one.prefix.prefixlen:
            values.remove(one)
            alike[place_of(one.prefix)] = reader.of(one)
    return RouteSet(values, alike)


def wish(routes, cluster=(), known=None):
    view = HostView(LINK, ADDRESSES, routes)
    return vpp_desired(view, uplink_sw=UPLINK, host_sw=HOST, cluster=cluster, known=known)


def unpacked(uplink: VppUplink) -> VppUplink:
    values = {VppRoute(0, prefix_at(place), paths) for place, paths in uplink.packed.items()}
    assert len(values) == len(uplink.packed)
    return replace(uplink, routes=uplink.routes | values, packed={})


@settings(max_examples=120)
@given(tables, st.booleans())
def test_the_wish_is_the_same(values, owns):
    cluster = [one for one in values if one.table == 254][:1] if owns else []
    plain, problems = wish(values, cluster)
    found, said = wish(packed(values, Reader()), cluster)
    assert unpacked(found) == plain
    assert Counter(said) == Counter(problems)
    assert {place_of(one.prefix) for one in found.routes if not one.table_id}.isdisjoint(found.packed)
    assert sorted(map(id, found.ways)) == sorted({id(paths) for paths in found.packed.values()})
    assert len(set(found.ways)) == len(found.ways)


def as_dataplane_reads(uplink: VppUplink, wanted: VppUplink) -> VppUplink:
    """What is there, said by how it differs from what is wanted (vpp/compared.py)."""
    values = {place_of(one.prefix) for one in wanted.routes if not one.table_id}
    there = {place_of(one.prefix): one for one in uplink.routes if one.table_id == 0 and on_link(one) is False}
    there = {place: one for place, one in there.items() if place not in values}
    others = {place: one.paths for place, one in there.items() if one.paths != wanted.packed.get(place)}
    packed = AsWanted(wanted.packed, {place for place in wanted.packed if place not in there}, others)
    assert len(packed) == len(list(packed)) == len(there)
    assert dict(packed) == {place: one.paths for place, one in there.items()}
    return replace(uplink, routes=uplink.routes - set(there.values()), packed=packed)


def on_link(route):
    itself = route.prefix.network_address if route.prefix.prefixlen == route.prefix.max_prefixlen else None
    return all(path.type.value == 0 and path.next_hop in (None, itself) for path in route.paths)


@settings(max_examples=120)
@given(tables, tables, st.booleans())
def test_the_plan_is_the_same_and_leads_to_the_same(values, before, generic):
    """Generic: two dictionaries are compared, and not one with how it differs from the other."""
    old, _ = wish(before)
    plain, _ = wish(values)
    found, _ = wish(packed(values, Reader()))
    actual = as_dataplane_reads(old, found)
    if generic:
        actual = replace(actual, packed=dict(actual.packed))
    plan, expected = plan_uplink(found, actual), plan_uplink(plain, old)
    each = list(op.EachOperation(plan))
    assert set(map(_said, each)) == set(map(_said, expected))
    assert len(each) == len(expected) == len(op.EachOperation(plan))
    vpp = FakeVpp.holding(old)
    for one in plan:
        vpp.apply(one)
    assert vpp.read(UPLINK, HOST).routes == plain.routes
    assert plan_uplink(found, as_dataplane_reads(plain, found)) == ()


def _said(one):
    """A delete needs no paths."""
    return (one.route.table_id, one.route.prefix) if isinstance(one, op.DeleteVppRoute) else one


def test_on_link_routes_come_before_packed_ones_and_go_after_them():
    """What leans on them is never without."""
    on = with_body(Route(ip_network("203.0.113.0/24"), 254, (NextHop(OURS),)))
    by = [with_body(Route(ip_network((0x14000000 + (n << 8), 24)), 254, (NextHop(OURS, VIAS[3]),))) for n in range(9)]
    full, none = (wish(packed(some, Reader()))[0] for some in ([on, *by], []))
    kinds = [type(one) for one in plan_uplink(full, none)]
    assert kinds.index(op.AddVppRoute) < kinds.index(op.ChangeVppRoutes)
    assert op.AddVppRoute not in kinds[kinds.index(op.ChangeVppRoutes) :]
    kinds = [type(one) for one in plan_uplink(none, full)]
    assert kinds.index(op.ChangeVppRoutes) < kinds.index(op.DeleteVppRoute)


def test_what_is_in_the_way_of_a_packed_route_is_replaced_and_not_deleted():
    """A value there where a packed one is wanted, and the other way round."""
    place, via = place_of(ip_network("20.0.0.0/24")), (VppPath(UPLINK, VIAS[0]),)
    value = VppRoute(0, prefix_at(place), (VppPath(UPLINK),))
    ports = wish(())[0]
    one, other = replace(ports, packed={place: via}), replace(ports, routes=frozenset({value}))
    assert list(op.EachOperation(plan_uplink(one, other))) == [op.AddVppRoute(VppRoute(0, prefix_at(place), via))]
    assert list(plan_uplink(other, one)) == [op.AddVppRoute(value)]


def followed(values):
    """A book that adopted a look which found that packed, and one that has values alone."""
    reader, view = Reader(), HostView(LINK, ADDRESSES, values)
    desired, problems = wish(values)
    interfaces = desired.uplink.addresses
    translator = translator_for(view, interfaces, UPLINK, ())
    gateways = leaning_on(desired.routes, interfaces, UPLINK)
    settled = networks_by_route(ADDRESSES) | set(map(ip_network, gateways))
    leaning = Leaning(OURS, frozenset(one.network for one in interfaces), gateways)
    routes = packed(values, reader)
    found, _ = wish(routes)
    odd = [place for place in routes.alike if place not in found.packed]
    apart = (*routes.apart, *(routes.alike.pop(place).at(place) for place in odd))
    adopted = Packed(routes.alike, PlaceMap(found.packed), routes.kinds, found.ways)
    one = RouteBook(apart, found.routes, translator, settled, problems, reader.of, leaning, adopted)
    return one, RouteBook(values, desired.routes, translator, settled, problems, leaning=leaning), reader


messages = st.lists(st.tuples(host_routes(), st.booleans(), st.booleans(), st.booleans()), max_size=6)


@settings(max_examples=120)
@given(tables, messages)
def test_what_is_followed_from_a_packed_look_on_ends_where_it_ends_among_values(values, changes):
    """Gateways that lean on other routes among them: then everything is looked at, as soon as there."""
    one, other, reader = followed(values)
    for route, gone, replaces, again in changes:
        change = RouteChange(with_body(values[0] if again and values else route), gone, replaces)
        alike = (AlikeChange(reader.of(change.route), gone, replaces), place_of(change.route.prefix))
        usual = change.route.table == 254 and change.route.prefix.prefixlen
        follows = one.fold_all([alike if usual else (change, None)])
        assert follows == other.fold(change)
        if not follows:
            return
    for book in (one, other):
        add, delete = book.settle(book.touched())
        more = PackedRoutes()
        more.extend(*book.settle_places(book.touched_places()))
        assert len(add) + len(delete) + len(more) <= 2 * len(changes)
    assert by_key(one.routes()) == by_key(one.kept()) == by_key(other.routes())
    assert (one.mirrored(), one.tables(), +one.counts) == (other.mirrored(), other.tables(), +other.counts)
    assert Counter(one.problems) == Counter(other.problems)


@pytest.mark.parametrize("gone", [False, True])
def test_what_is_said_of_a_default_gateways_own_host_route_is_not_followed(gone):
    """Found by the property above, once in thousands: it was packed, and its end was followed as any other's."""
    gateway = ip_address("203.0.113.7")
    nowhere = with_body(Route(ip_network(gateway), 254, type=6))
    one, other, reader = followed((nowhere, with_body(Route(ip_network("0.0.0.0/0"), 254, (NextHop(OURS, gateway),)))))
    said = (AlikeChange(reader.of(nowhere), gone), place_of(nowhere.prefix))
    assert (one.fold_all([said]), other.fold(RouteChange(nowhere, gone))) == (False, False)
    assert not one.touched()


def test_the_end_of_a_route_by_a_gateway_that_leans_on_another_is_not_followed():
    """Its gateway's host route may go with it. Nor is it replaced in passing."""
    there = with_body(Route(ip_network("198.51.100.0/24"), 254, (NextHop(OURS, VIAS[2]),)))
    near = with_body(replace(there, next_hops=(NextHop(OURS, VIAS[0]),)))
    for change in (RouteChange(there, gone=True), RouteChange(near, replaces=True)):
        one, other, reader = followed((there,))
        assert (0, there.prefix) not in one._mirrored, "it is packed"
        alike = (AlikeChange(reader.of(change.route), change.gone, change.replaces), place_of(there.prefix))
        assert not one.fold_all([alike])
        assert not other.fold(change)


@settings(max_examples=120)
@given(tables, messages, st.booleans())
def test_what_was_translated_before_is_the_wish_of_the_same_routes(values, changes, renumbered):
    """After whatever was followed. Where it is another VPP's interface, it is translated anew."""
    book, _, reader = followed(values)
    for route, gone, replaces, _ in changes:
        change = RouteChange(with_body(route), gone, replaces)
        alike = (AlikeChange(reader.of(change.route), gone, replaces), place_of(change.route.prefix))
        usual = change.route.table == 254 and change.route.prefix.prefixlen
        if not book.fold_all([alike if usual else (change, None)]):
            return
    book.settle(book.touched())
    book.settle_places(book.touched_places())
    known = book.known()
    assert known is not None
    if renumbered:
        known = replace(known, translator=replace(known.translator, uplink_sw=9))
    found, said = wish(known.routes, known=known)
    plain, problems = wish(tuple(book.routes()))
    assert unpacked(found) == plain
    assert Counter(said) == Counter(problems)
    assert (found.packed is known.sent) is not renumbered
    assert {*found.packed.values()} <= {*found.ways}
    assert book.kept() == known.routes


def test_parts_have_all_of_it_in_its_order():
    work, ways = PackedRoutes(), [(VppPath(UPLINK, one),) for one in VIAS[:3]]
    places = [place_of(ip_network((0x14000000 + (n << 8), 24))) for n in range(30)]
    work.extend([(ways[n], places[n * 7 : n * 7 + 7]) for n in range(3)], places[21:])
    for most in (1, 4, 7, 10, 100):
        parts = list(work.parts(most))
        assert all(len(part) == most for part in parts[:-1])
        assert 0 < len(parts[-1]) <= most
        added = [(place, paths) for part in parts for paths, some in part.add for place in some]
        assert added == [(place, paths) for paths, some in work.add for place in some]
        assert [place for part in parts for place in part.delete] == work.delete
