"""Sets and maps in parts are sets and maps, whatever comes into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.places import PlaceMap, PlaceSet, gets

places = st.binary(min_size=5, max_size=5)


@st.composite
def batches(draw):
    """Lists of destinations, some of them of one first byte throughout, as in the kernel's order."""
    first_byte = bytes([draw(st.integers(0, 3))])
    return [
        [one[:1] + first_byte + one[2:] for one in some] if draw(st.booleans()) else some
        for some in draw(st.lists(st.lists(places, max_size=8), max_size=8))
    ]


@given(batches(), st.lists(places))
def test_a_set_is_as_a_set(comes, goes):
    plain, parted = set(), PlaceSet(comes[0] if comes else ())
    for some in comes:
        plain.update(some)
        if some:
            parted.update(some)
    leaves = goes + [one for some in comes for one in some[:1]]
    for one in leaves[::2]:
        plain.discard(one)
        parted.discard(one)
        assert one not in parted
    plain.difference_update(leaves)
    parted.difference_update(leaves)
    assert (len(parted), {*parted}, bool(parted)) == (len(plain), plain, bool(plain))
    assert all(one in parted for one in plain)
    assert parted == plain
    while parted.let_some_go():
        assert {*parted} <= plain
    assert len(parted) == 0


@given(batches(), batches(), batches())
def test_a_map_is_as_a_dictionary(puts, adds, asks):
    plain, parted = {}, PlaceMap()
    for number, some in enumerate(puts):
        plain.update(dict.fromkeys(some, number))
        parted.puts(some, [number] * len(some))
    for number, some in enumerate(adds, start=100):
        before = len(plain)
        there = [plain.setdefault(one, number) for one in some]
        assert parted.adds(some, [number] * len(some)) == (there, len(plain) - before)
    assert_same(parted, plain)
    for some in (*asks, *puts):
        assert parted.gets(some) == gets(plain, some) == [plain.get(one) for one in some]
        assert parted.isdisjoint(some) is plain.keys().isdisjoint(some)
        for one in some:
            assert (one in parted, parted.get(one), parted.get(one, -1)) == (
                one in plain,
                plain.get(one),
                plain.get(one, -1),
            )
            assert parted.pop(one, None) == plain.pop(one, None)
            with pytest.raises(KeyError):
                parted[one]
            with pytest.raises(KeyError):
                del parted[one]
    assert_same(parted, plain)
    assert PlaceMap(plain) == PlaceMap(plain.items()) == plain
    while parted.let_some_go():
        assert parted.items() <= plain.items()
    assert len(parted) == 0


def assert_same(parted, plain):
    assert parted == plain
    assert (len(parted), bool(parted)) == (len(plain), bool(plain))
    ordered = sorted(plain.items(), key=lambda item: item[0][1])  # of one first byte as they came
    assert list(parted) == list(parted.keys()) == [place for place, _ in ordered]
    assert list(parted.items()) == ordered
    assert list(parted.values()) == [value for _, value in ordered]


@pytest.mark.parametrize("change", [lambda there: there.puts([place(9, 9)], [0]), lambda there: there.pop(place(2, 1))])
def test_who_goes_through_a_map_is_told_that_it_changes(change):
    """Also where that is in a part that is passed, or to come."""
    for each in (PlaceMap.keys, PlaceMap.items, PlaceMap.values):
        there = PlaceMap({place(first, last): 0 for first in (1, 2, 3) for last in (1, 2)})
        going = iter(each(there))
        next(going)
        change(there)
        with pytest.raises(RuntimeError):
            list(going)


def place(first, last):
    return bytes([32, first, 0, 0, last])
