"""Paths are read by struct just as vpp_papi reads them, and by vpp_papi where VPP says them otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.model import PathType
from hostlink.vpp.codec import codec_for
from hostlink.vpp.errors import VppProtocolError
from hostlink.vpp.route_layout import path_layout
from hostlink.vpp.route_packer import DETAILS, RouteReader, read_paths
from tests.vpp.test_routes import FIB_PATH, HEAD, api

U32, U8 = st.integers(0, 0xFFFFFFFF), st.integers(0, 255)
TYPES = st.sampled_from([kind.value for kind in PathType] + [1, 9])
ADDRESS = st.sampled_from([bytes(16), bytes(12) + b"\7\0\0\1"]) | st.binary(min_size=16, max_size=16)
SHIFTED = [*FIB_PATH[5:7], ["u16", "novel"], *FIB_PATH[:5], *FIB_PATH[7:]]
LATER = [FIB_PATH[0], ["u64", "novel"], *FIB_PATH[1:]]


def one_path(sw_if_index, table_id, weight, preference, kind, flags, proto, address, labels):
    return {
        "sw_if_index": sw_if_index,
        "table_id": table_id,
        "rpf_id": 0xFFFFFFFF,
        "weight": weight,
        "preference": preference,
        "type": kind,
        "flags": flags,
        "proto": proto,
        "nh": {"address": {"ip6": address}, "via_label": 7, "obj_id": 8, "table": 9},
        "n_labels": labels,
        "label_stack": [{"label": 3}] * labels + [{}] * (16 - labels),
    }


PATHS = st.lists(
    st.builds(one_path, U32, U32, U8, U8, TYPES, U32, st.sampled_from([0, 1, 1, 0, 2]), ADDRESS, st.integers(0, 16)),
    max_size=4,
)


def said(codec, paths):
    """The details of a route, as the codec packs them."""
    route = {"table_id": 5, "n_paths": len(paths), "paths": paths}
    return codec.pack(DETAILS, {"route": route}, message_id=0xC3, client_index=0, context=7)


@pytest.mark.parametrize("definition", [FIB_PATH, LATER])
@given(PATHS)
def test_they_are_as_the_codec_reads_them(definition, paths):
    codec = codec_for(api(path=definition))
    details = said(codec, paths)
    reader = RouteReader(codec)
    assert reader.paths(details) == read_paths(codec.unpack(DETAILS, details).route.paths)
    assert reader.paths(details) is reader.paths(details)


def test_the_codec_is_asked_for_what_is_not_known_only(monkeypatch):
    codec = codec_for(api())
    asked = []
    unpack = codec.unpack
    monkeypatch.setattr(codec, "unpack", lambda *of: asked.append(of) or unpack(*of))
    reader = RouteReader(codec)
    known, strange = (one_path(1, 0, 1, 0, kind, 0, 0, bytes(range(16)), 0) for kind in (0, 9))
    assert len(reader.paths(said(codec, [known, known]))) == 2
    assert not asked
    assert len(reader.paths(said(codec, [known, strange]))) == 1, "a path of that kind is left out"
    assert len(asked) == 1


def test_a_definition_in_another_order_is_left_to_the_codec():
    codec = codec_for(api(path=SHIFTED))
    assert path_layout(codec, DETAILS) is None
    details = said(codec, [one_path(3, 0, 1, 2, 2, 0, 1, bytes(range(16)), 1)])
    (found,) = RouteReader(codec).paths(details)
    assert (found.sw_if_index, found.preference, found.type) == (3, 2, PathType.DROP)


@pytest.mark.parametrize("cut", [1, 40])
def test_paths_that_are_not_all_there_are_a_protocol_error(cut):
    codec = codec_for(api())
    details = said(codec, [one_path(1, 0, 1, 0, 0, 0, 0, bytes(range(16)), 0)] * 2)
    with pytest.raises(VppProtocolError):
        RouteReader(codec).paths(details[:-cut])


def test_the_head_of_what_is_packed_here_is_that_of_the_other_tests():
    assert path_layout(codec_for(api()), DETAILS).count == 6 + HEAD.size - 2
