"""Messages of one length, handled a byte of all of them at a time: as if each had been handled by itself."""

from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.route_set import place_bytes
from hostlink.core.runs import Layout


@st.composite
def runs(draw):
    """A layout, and messages of it."""
    version, before, between, after = draw(st.sampled_from([4, 6])), *(draw(st.integers(0, 5)) for _ in range(3))
    address = place_bytes(version) - 1
    size = before + 1 + between + address + after
    ignored = tuple({at for at in draw(st.lists(st.integers(0, size - 1), max_size=4)) if at < before})
    layout = Layout(size, version, before, before + 1 + between, ignored)
    return layout, draw(st.lists(st.binary(min_size=size, max_size=size), max_size=6))


@given(runs())
def test_destinations_are_gathered_and_blanked_and_written_back(run):
    layout, messages = run
    whole = b"".join(messages)
    first, last = layout.address_at, layout.address_at + place_bytes(layout.version) - 1
    places = [one[layout.length_at : layout.length_at + 1] + one[first:last] for one in messages]
    assert layout.places(whole) == b"".join(places)
    blanked = layout.blank(memoryview(whole))
    varies = {layout.length_at, *range(first, last), *layout.ignored}
    expected = [bytes(0 if at in varies else byte for at, byte in enumerate(one)) for one in messages]
    assert blanked == b"".join(expected)
    filled = bytearray(whole)
    layout.fill(filled, layout.places(whole))
    assert filled == whole
    layout.fill(blanked, b"".join(places))
    kept = [bytes(0 if at in layout.ignored else byte for at, byte in enumerate(one)) for one in messages]
    assert blanked == b"".join(kept)
