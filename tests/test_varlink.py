"""The protocol's messages: however the bytes are cut, and whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink import varlink
from hostlink.varlink import Call, CallError, ProtocolError, Reply, Splitter

NAMES = st.text(max_size=20)
PARAMETERS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers() | NAMES, max_size=3)


@given(st.lists(st.builds(Call, NAMES, PARAMETERS, st.booleans(), st.booleans()), max_size=5), st.data())
def test_calls_survive_any_cut_of_the_stream(calls: list[Call], data: st.DataObject) -> None:
    stream = b"".join(map(varlink.pack_call, calls))
    splitter, found, start = Splitter(1 << 20), [], 0
    while start < len(stream):
        end = data.draw(st.integers(start + 1, len(stream)))
        splitter.feed(stream[start:end])
        while (message := splitter.next()) is not None:
            found.append(varlink.unpack_call(message))
        start = end
    assert found == calls
    assert not splitter.is_within_message


@given(st.binary(max_size=100))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    for unpack in (varlink.unpack_call, varlink.unpack_reply):
        try:
            unpack(raw)
        except (ProtocolError, CallError):
            continue


def test_more_than_the_limit_without_an_end_is_refused() -> None:
    splitter = Splitter(10)
    splitter.feed(b"x" * 10)
    with pytest.raises(ProtocolError, match="more than 10 bytes"):
        splitter.feed(b"x")


def test_replies_and_errors_as_varlink_has_them() -> None:
    assert varlink.pack_call(Call("a.B", {"c": 1}, more=True)) == b'{"method":"a.B","parameters":{"c":1},"more":true}\0'
    assert varlink.pack_reply(Reply({"c": 1}, continues=True)) == b'{"parameters":{"c":1},"continues":true}\0'
    assert varlink.unpack_reply(b'{"parameters":{"c":1}}') == Reply({"c": 1})
    with pytest.raises(CallError, match="why not") as caught:
        varlink.unpack_reply(varlink.pack_error(CallError(varlink.REFUSED, {"message": "why not"}))[:-1])
    assert caught.value.name == "io.hostlink.Refused"
