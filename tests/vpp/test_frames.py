"""Framing: however the stream is cut, the same messages come out."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.vpp.errors import VppProtocolError
from hostlink.vpp.frames import FrameSplitter, frame


@given(st.lists(st.binary(min_size=2, max_size=300), max_size=20), st.lists(st.integers(1, 400), max_size=30))
def test_any_cutting_of_the_stream_gives_the_same_messages(messages, cuts):
    stream, splitter, out = b"".join(map(frame, messages)), FrameSplitter(), []
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        out += splitter.feed(piece)
    assert out == messages
    assert splitter.unfinished_bytes == 0


def test_the_header_is_sixteen_bytes_with_the_length_in_the_middle():
    assert frame(b"abc") == bytes(8) + b"\0\0\0\x03" + bytes(4) + b"abc"


def test_no_more_than_one_frame_is_held():
    splitter = FrameSplitter(longest_bytes=100)
    list(splitter.feed(struct.pack(">QII", 0, 100, 0) + bytes(99)))
    assert splitter.unfinished_bytes == 115
    assert list(splitter.feed(b"\0" + frame(b"next"))) == [bytes(100), b"next"]


@pytest.mark.parametrize("length", [0, 1, 101, 2**32 - 1])
def test_a_length_that_no_vpp_sends_is_refused_with_what_came_before_it_handed_on(length):
    splitter, out = FrameSplitter(longest_bytes=100), []
    with pytest.raises(VppProtocolError, match=f"a frame of {length} bytes came; VPP's are 2 to 100"):
        out.extend(splitter.feed(frame(b"fine") + struct.pack(">QII", 0, length, 0)))
    assert out == [b"fine"]
