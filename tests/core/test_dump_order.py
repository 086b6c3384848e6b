"""A dump beside the order of the one before says of each destination what is known of it, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.dump_order import DumpOrder, Following, common

NUMBERS = st.integers(0, 40)


def place(number: int, version: int = 4) -> bytes:
    """Of the same few bytes each: a search that is out of step finds them too."""
    return bytes((24, number % 3, 24, number % 3, number)) if version == 4 else bytes((64, *[number % 3] * 15, number))


def order_of(numbers, said, version=4) -> DumpOrder[str]:
    found = DumpOrder[str](version)
    found.append(b"".join(place(number, version) for number in numbers), [said[number] for number in numbers])
    return found


def listed(order: DumpOrder[str]) -> list[tuple[bytes, str]]:
    return list(zip([one for some in order.slices() for one in some], order.said(slice(None)), strict=True))


@pytest.mark.parametrize("version", [4, 6])
@given(
    st.lists(NUMBERS, unique=True),
    st.dictionaries(NUMBERS, st.sampled_from("xyz")),
    st.sets(NUMBERS),
    st.lists(NUMBERS, unique=True),
    st.booleans(),
    st.integers(1, 9),
)
def test_what_is_said_of_the_next_ones_is_so(version, numbers, said, changed, dump, mostly_the_same, step):
    """Whatever was changed, and however it is listed: each is said as it is now, and the order kept is the dump's."""
    were = dict.fromkeys(numbers, "x")
    now = {number: said.get(number, "x") if number in changed else "x" for number in range(41)}
    if mostly_the_same:
        dump = [number for number in numbers if number not in changed] + [one for one in dump if one in changed]
    following = Following(version, order_of(numbers, were, version), {place(number, version) for number in changed})
    for start in range(0, len(dump), step):
        some = dump[start : start + step]
        while some:
            joined = b"".join(place(number, version) for number in some)
            known = following.next(joined)
            assert known == [now[number] for number in some[: len(known)]]
            if known:
                following.go_on(len(known))
            else:
                following.take(place(some[0], version), [now[some[0]]])
            some = some[max(1, len(known)) :]
    assert listed(following.order()) == [(place(number, version), now[number]) for number in dump]


@given(
    st.lists(NUMBERS, unique=True),
    st.dictionaries(NUMBERS, st.sampled_from("xyz")),
    st.lists(st.integers(0, 40), max_size=6),
    st.sets(NUMBERS, max_size=2),
    st.integers(1, 30),
)
def test_what_is_near_is_said_as_it_is(numbers, changed, turned, gone, step):
    """Neighbours the other way round, some gone, some that lead elsewhere since."""
    were, now = dict.fromkeys(numbers, "x") | dict.fromkeys(numbers[::2], "y"), {}
    now |= were | changed
    dump = list(numbers)
    for at in turned:
        dump[at : at + 2] = reversed(dump[at : at + 2])
    dump = [number for number in dump if number not in gone]
    order = order_of(numbers, were)
    following = Following(4, order, {*map(place, changed)})
    for start in range(0, len(dump), step):
        some = dump[start : start + step]
        while some:
            found = following.near(b"".join(map(place, some)))
            assert [order.kinds[one] for one in found] == [now[number] for number in some[: len(found)]]
            taken, some = some[: max(1, len(found))], some[max(1, len(found)) :]
            if found:
                following.take_near(b"".join(map(place, taken)), found)
            else:
                following.take(place(taken[0]), [now[taken[0]]])
    assert listed(following.order()) == [(place(number), now[number]) for number in dump]


def test_neighbours_the_other_way_round_are_found():
    """In one stretch, and where one ends between them."""
    order = order_of(range(60), {number: str(number % 7) for number in range(60)})
    following = Following(4, order)
    dump = [*range(18), 20, 19, 18, *range(21, 38), 39, 40, 38, *range(41, 60)]
    for start in (0, 20, 40):
        some = dump[start : start + 20]
        joined = b"".join(map(place, some))
        found = following.near(joined)
        assert [order.kinds[one] for one in found] == [str(number % 7) for number in some]
        following.take_near(joined, found)
    assert [one for one, _ in listed(following.order())] == [*map(place, dump)]


def test_nothing_is_near_that_was_changed_or_is_not_known():
    following = Following(4, order_of(range(20), dict.fromkeys(range(20), "x")), {place(5)})
    assert len(following.near(b"".join(map(place, range(20))))) == 5
    assert len(following.near(b"".join(map(place, (1, 0, 30, 2))))) == 2


def test_what_is_listed_as_before_is_the_same_object():
    order = order_of(range(41), dict.fromkeys(range(41), "x"))
    following = Following(4, order)
    for start in range(0, 41, 7):
        joined = bytes(order.places[start * 5 : (start + 7) * 5])
        following.go_on(len(following.next(joined)))
    assert following.order() is order
    assert [*following.met] == [range(41)]


def test_one_that_is_gone_and_one_that_is_new_cost_the_others_nothing():
    order = order_of(range(0, 40, 2), dict.fromkeys(range(40), "x"))
    following = Following(4, order, {place(7), place(20)})
    asked = []
    for number in (*range(0, 8, 2), 7, *range(8, 20, 2), *range(22, 40, 2)):
        known = following.next(place(number))
        asked += [] if known else [number]
        following.take(place(number), ["x"])
    assert asked == [7, 22], "the new one, and the one behind that which is gone"


@given(st.lists(NUMBERS, unique=True, min_size=1), st.lists(NUMBERS), st.sets(NUMBERS, max_size=5))
def test_what_has_come_in_its_turn_is_known_or_not_to_be_told(numbers, dump, changed):
    following = Following(4, order_of(numbers, dict.fromkeys(numbers, "x")), {place(one) for one in changed})
    met = set()
    for number in dump:
        if number not in numbers and number not in changed:
            continue  # of what is not known nobody asks
        if following.next(place(number)):
            following.go_on(1)
            met.add(number)
            continue
        try:
            assert following.is_passed(place(number)) == (number in met)
        except ValueError:
            return
        if number not in met:
            following.take(place(number), ["x"])
    assert {one for some in following.slices() for one in some} == {place(number) for number in met}


def test_what_came_last_is_known_to_have_come_and_can_be_taken_back():
    following = Following(4, order_of(range(9), dict.fromkeys(range(9), "x")))
    following.go_on(len(following.next(place(0) + place(1) + place(2))))
    assert following.is_passed(place(2))
    with pytest.raises(ValueError, match=r"not where it was"):
        following.is_passed(place(0))
    following.unmeet_last()
    assert [*following.met] == [range(2)]


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.integers(1, 5))
def test_common_is_how_many_pieces_are_the_same(begin, one, other, size):
    one, other = begin + one, begin + other
    found = common(one, bytearray(other), size)
    assert one[: found * size] == other[: found * size]
    assert len(one[: found * size]) == found * size
    beyond = slice(found * size, (found + 1) * size)
    assert one[beyond] != other[beyond] or len(one[beyond]) < size


def test_kinds_that_nothing_leads_to_any_more_are_let_go():
    """Each look has others: what is kept stays as small as what is there."""
    order = DumpOrder[tuple[int, ...]](4)
    for look in range(60):
        following = Following(4, order)
        said = [(look, number) for number in range(40)]
        following.take(b"".join(map(place, range(40))), said)
        order = following.order()
        assert [*map(id, order.said(slice(None)))] == [*map(id, said)]
    assert len(order.kinds) <= 1040
