"""A dump beside what was known: it says what it would say alone, and what is as it was is not kept again."""

from __future__ import annotations

import struct

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.places import PlaceMap
from hostlink.core.route_set import RouteSet, cut
from hostlink.kernel import known_routes, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.bulk_routes import BulkRoutes
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.known_routes import Before, KnownRoutes
from tests.kernel.test_bulk_routes import assert_in_order, assert_same, in_parts, message, read, table_of


def via(number: int, gateway: int) -> bytes:
    return table_of(number, bytes((192, 0, 2, 1 + gateway)))


def expiring(number: int, gateway: int) -> bytes:
    """A value, for it has a lifetime of its own."""
    return via(number, gateway) + struct.pack("=HHIIiIIIII", 36, uapi.RTA_CACHEINFO, 0, 0, 90000, 0, 0, 0, 0, 0)


def known(alikes: Alikes, bodies: list[bytes]) -> RouteSet:
    found = read(*in_parts(bodies, 7), into=BulkRoutes(alikes)).found()
    found.blocks = ()  # something to be told by
    return found


def beside(before: RouteSet, alikes: Alikes, *parts: bytes, dumps: bool = False) -> RouteSet:
    """What is found, in one dump or in several that are put together."""

    async def settled() -> RouteSet:
        found = KnownRoutes(alikes, before)
        for part in [[one] for one in parts] if dumps else [parts]:
            await found.merge(read(*part, into=KnownRoutes(alikes, before)))
        await found.settle()
        return found.found()

    return trio.run(settled)


def test_what_is_all_as_it_was_is_the_very_same():
    alikes, bodies = Alikes(), [via(number, number % 50) for number in range(5000)]
    before = known(alikes, bodies)
    for some in (bodies, bodies[::-1]):
        found = beside(before, alikes, *in_parts(some, 481), dumps=some is bodies)
        assert found.alike is before.alike
        assert (found.apart, found.blocks, set(found.kinds)) == ((), (), set(before.kinds))


@pytest.mark.parametrize("few", [0, 1000])
@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 2), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.sampled_from([False, False, True])), max_size=12),
    st.sets(st.integers(0, 30), max_size=3),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
    st.randoms(),
)
def test_whatever_has_changed_is_said(few, table, more, gone, size, dumps, shuffled, chance):
    """Others, several of a destination (some expire, and are values), the same twice, some that went, in the order in
    which they were known or in any other, in any parts, and in one dump or in several."""
    alikes = Alikes()
    before = known(alikes, [via(*one) for one in table.items()])
    were = dict(before.alike)
    there = [(*one, False) for one in table.items() if one[0] not in gone]
    for one in more:
        there.insert(chance.randint(0, len(there)), one)
    if shuffled:
        chance.shuffle(there)
    bodies = [expiring(one, gateway) if ends else via(one, gateway) for one, gateway, ends in there]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_routes, "FEW", few)
        found = beside(before, alikes, *in_parts(bodies, size), dumps=dumps)
    assert_same(found, bodies)
    assert {*found.alike.values()} <= {*found.kinds}
    if not dumps:
        assert_in_order(found, bodies)
    assert before.alike == were
    alone = read(*in_parts(bodies, 9), into=BulkRoutes(alikes)).found()
    if were and alone.alike == were and not alone.apart:
        assert found.alike is before.alike
    if found.alike is before.alike and were:
        assert {place: alone.alike.get(place) for place in were} == were


def test_a_message_that_says_one_byte_more_is_not_the_same():
    """A flag (RTNH_F_LINKDOWN, linux/rtnetlink.h), another length, other headers among each other."""
    alikes, bodies = Alikes(), [via(number, 0) for number in range(60)]
    before = known(alikes, bodies)
    flagged = bodies[30][:8] + struct.pack("=I", 16) + bodies[30][12:]
    for one in (flagged, bodies[30] + struct.pack("=HH4s", 8, uapi.RTA_PREFSRC, b"\xc0\x00\x02\x09")):
        some = [*bodies[:30], one, *bodies[31:]]
        found = beside(before, alikes, *in_parts(some, 1000))
        assert found.alike is not before.alike
        assert_same(found, some)
    other = b"".join(message(body, flags=2 | (number & 1) << 5) for number, body in enumerate(bodies))
    assert beside(before, alikes, other).alike is before.alike


@pytest.mark.parametrize("first", [[(1, True)], [(1, False)], [(1, True), (1, False)]], ids=str)
def test_what_comes_between_two_others_stays_between_them(first):
    """Of one destination: another one or a value, what was known, and a value."""
    alikes = Alikes()
    before = known(alikes, [via(number, 0) for number in range(40)])
    bodies = [expiring(7, gateway) if ends else via(7, gateway) for gateway, ends in first]
    bodies += [via(7, 0), expiring(7, 2)]
    some = [*(via(number, 0) for number in range(7)), *bodies, *(via(number, 0) for number in range(8, 40))]
    assert_in_order(beside(before, alikes, *in_parts(some, 1000)), some)


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 2), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.booleans()), max_size=40),
    st.integers(1, 40),
)
def test_what_is_confirmed_is_there_as_it_was(table, there, size):
    """Told while it is read, whatever comes after it; of a second dump nothing is told."""
    alikes = Alikes()
    before = known(alikes, [via(*one) for one in table.items()])
    bodies = [expiring(one, gateway) if ends else via(one, gateway) for one, gateway, ends in there]
    told: list[bytes] = []
    beside = Before(before, lambda *said: told.extend(places_of_kinds(before, *said)))
    read(*in_parts(bodies, size), into=beside.sink(alikes, None, 2))
    said = {(number, gateway) for number, gateway, ends in there if not ends}
    assert {*told} <= {place for place, one in before.alike.items() if said_of(place, one) in said}
    count = len(told)
    read(*in_parts(bodies, size), into=beside.sink(alikes, None, 2))
    assert len(told) == count


def test_all_of_a_table_as_it_was_is_confirmed_once():
    alikes, bodies = Alikes(), [via(number, number % 50) for number in range(5000)]
    before = known(alikes, bodies)
    told: list[bytes] = []
    told_to = Before(before, lambda *said: told.extend(places_of_kinds(before, *said)))
    read(*in_parts(bodies, 481), into=told_to.sink(alikes, None, 2))
    assert len(told) == 5000
    assert {*told} == {*before.alike}


def places_of_kinds(before, version, joined, kinds):
    places = cut(version, joined)
    assert [before.alike[place] for place in places] == list(kinds)
    return places


def said_of(place, one):
    """(number, gateway) of `via`."""
    (hop,) = one.route.next_hops
    return int.from_bytes(place[2:4], "big"), hop.gateway.packed[3] - 1


# ------------------------------------------------------------------------------------------------------------ in order


def looked(alikes: Alikes, before: Before, bodies: list[bytes], size: int = 481) -> RouteSet:
    """As a look reads it: where it cannot be read by the order of the one before, again without."""

    async def settled() -> RouteSet:
        found = before.silent().sink(alikes, None, 0)
        try:
            dump = read(*in_parts(bodies, size), into=before.sink(alikes, None, 2))
        except Unreadable:
            dump = read(*in_parts(bodies, size), into=before.sink(alikes, None, 2))
        await found.merge(dump)
        await found.settle()
        return found.found()

    return trio.run(settled)


class Asked(PlaceMap):
    """Counts what is looked up in it."""

    count = 0

    def get(self, place, default=None):
        self.count += 1
        return super().get(place, default)

    def gets(self, places):
        self.count += len(places)
        return super().gets(places)


def test_a_table_that_is_dumped_as_before_is_not_looked_up():
    alikes, bodies = Alikes(), [via(number, number % 50) for number in range(5000)]
    first = known(alikes, bodies)
    second = looked(alikes, Before(first), bodies[::-1])
    assert len(second.orders[4]) == 5000
    asked = RouteSet((), Asked(second.alike), second.kinds, second.blocks, second.orders)
    third = looked(alikes, Before(asked), bodies[::-1])
    assert (third.alike is asked.alike, third.orders[4] is second.orders[4]) == (True, True)
    assert asked.alike.count < 10
    turned = bodies[2000::-1] + bodies[:2000:-1]
    fourth = looked(alikes, Before(third), turned)
    assert asked.alike.count >= 5000, "of another order each is looked up"
    assert (fourth.alike is asked.alike, fourth.orders[4] is second.orders[4]) == (True, False)
    count = asked.alike.count
    assert looked(alikes, Before(fourth), turned).orders[4] is fourth.orders[4]
    assert asked.alike.count < count + 10


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 2), min_size=1, max_size=30),
    st.dictionaries(st.integers(0, 30), st.none() | st.integers(0, 2), max_size=5),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.sampled_from([False, False, True])), max_size=5),
    st.sets(st.integers(0, 30), max_size=3),
    st.integers(1, 40),
    st.sampled_from(["sorted", "as it was", "anyhow"]),
    st.randoms(),
)
def test_beside_an_order_it_says_what_is_there(table, followed, more, gone, size, listed, chance):
    """Whatever was followed since the order was kept, and whatever else is there or not there by now."""
    alikes = Alikes()
    first = known(alikes, [via(*one) for one in table.items()])
    before = looked(alikes, Before(first), [via(*one) for one in table.items()])
    assert before.orders
    now = dict(table)
    for number, gateway in followed.items():
        alone = known(alikes, [via(number, gateway or 0)])
        ((place, kind),) = alone.alike.items()
        if gateway is None:
            before.alike.pop(place, None)
            now.pop(number, None)
        else:
            before.alike[place], now[number] = kind, gateway
    changed = {*map(place_of_number, followed)}
    were = dict(before.alike)
    there = [(*one, False) for one in now.items() if one[0] not in gone]
    for one in more:
        there.insert(chance.randint(0, len(there)), one)
    if listed != "as it was":
        there.sort(key=lambda one: one[0] if listed == "sorted" else chance.random())
    bodies = [expiring(one, gateway) if ends else via(one, gateway) for one, gateway, ends in there]
    told: list[bytes] = []
    known_now = RouteSet((), before.alike, None, None, before.orders)
    tell = Before(known_now, lambda *said: told.extend(places_of_kinds(before, *said)), changed)
    found = looked(alikes, tell, bodies, size)
    assert_same(found, bodies)
    assert_in_order(found, bodies)
    assert before.alike == were
    said = {(number, gateway) for number, gateway, ends in there if not ends}
    assert {*told} <= {place for place, one in were.items() if said_of(place, one) in said}
    for version, order in found.orders.items():
        assert version == 4
        dumped = [place_of_number(number) for number, _, _ in there]
        assert [one for some in order.slices() for one in some] == [place for place in dumped if place in were]
        assert [before.alike[place] for some in order.slices() for place in some] == order.said(slice(None))


def place_of_number(number: int) -> bytes:
    ((place, _),) = known(Alikes(), [via(number, 0)]).alike.items()
    return place


def test_of_two_tables_both_orders_are_kept():
    """A dump of each IP version, put together; and blackholes, which are dumps of their own, without any."""
    alikes, fours = Alikes(), [via(number, number % 3) for number in range(200)]
    before = known(alikes, fours)
    sixes = Before(before).sink(alikes, None, 10)

    async def settled() -> RouteSet:
        found = Before(before).silent().sink(alikes, None, 0)
        beside = Before(before)
        await found.merge(read(*in_parts(fours, 50), into=beside.sink(alikes, None, 2)))
        await found.merge(sixes)
        await found.merge(Before(before).silent().sink(alikes, None, 2))
        await found.settle()
        return found.found()

    assert {version: len(one) for version, one in trio.run(settled).orders.items()} == {4: 200, 6: 0}


async def merged(alikes: Alikes, before: RouteSet, ordered: list[bytes], beside: list[bytes]) -> RouteSet:
    """A dump of the whole family, and one beside it (a type's), as a look puts them together."""
    whole = Before(before)
    found = whole.silent().sink(alikes, None, 0)
    await found.merge(read(*in_parts(ordered, 7), into=whole.sink(alikes, None, 2)))
    await found.merge(read(*in_parts(beside, 7), into=whole.silent().sink(alikes, None, 2)))
    await found.settle()
    return found.found()


def test_what_two_dumps_have_counts_once():
    """Half of the table in order, and the same half beside it: the other half is gone."""
    alikes, bodies = Alikes(), [via(number, 0) for number in range(40)]
    before = looked(alikes, Before(known(alikes, bodies)), bodies)
    assert before.orders
    found = trio.run(merged, alikes, before, bodies[:20], bodies[:20])
    assert found.alike is not before.alike
    assert_same(found, bodies[:20])


def test_of_a_dump_that_lists_one_twice_no_order_is_kept():
    """Else the next one that lists it twice would stand for another, which is gone."""
    alikes, bodies = Alikes(), [via(number, 0) for number in range(40)]
    before = known(alikes, bodies)
    found = trio.run(merged, alikes, before, [*bodies[:39], bodies[38]], bodies[39:])
    assert (found.alike is before.alike, found.orders) == (True, {})
