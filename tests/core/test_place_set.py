"""A set in parts is a set, whatever comes into it."""

from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.place_set import PlaceSet

places = st.binary(min_size=5, max_size=5)


@given(st.lists(st.lists(places, min_size=1, max_size=8)), st.lists(places), st.integers(0, 3))
def test_it_is_as_a_set(comes, goes, first_byte):
    """Some parts of what comes have one first byte, as in the kernel's order."""
    plain, parted = set(), PlaceSet()
    for some in comes:
        for each in (some, [one[:1] + bytes([first_byte]) + one[2:] for one in some]):
            plain.update(each)
            parted.update(each)
    for one in goes + [one for some in comes for one in some[:1]]:
        plain.discard(one)
        parted.discard(one)
        assert one not in parted
    assert (len(parted), {*parted}, bool(parted)) == (len(plain), plain, bool(plain))
    assert all(one in parted for one in plain)
    while parted.let_some_go():
        assert {*parted} <= plain
    assert len(parted) == 0
