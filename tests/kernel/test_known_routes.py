"""A dump beside what was known: it says what it would say alone, and what is as it was is not kept again."""

from __future__ import annotations

import struct

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.route_set import RouteSet
from hostlink.kernel import known_routes, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.bulk_routes import BulkRoutes
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
    beside = Before(before, lambda places, kinds: told.extend(places_of_kinds(before, places, kinds)))
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
    told_to = Before(before, lambda places, kinds: told.extend(places_of_kinds(before, places, kinds)))
    read(*in_parts(bodies, 481), into=told_to.sink(alikes, None, 2))
    assert len(told) == 5000
    assert {*told} == {*before.alike}


def places_of_kinds(before, places, kinds):
    assert [before.alike[place] for place in places] == list(kinds)
    return places


def said_of(place, one):
    """(number, gateway) of `via`."""
    (hop,) = one.route.next_hops
    return int.from_bytes(place[2:4], "big"), hop.gateway.packed[3] - 1
