"""Definitions and packing: a registry of its own for each VPP, and strings that survive what others write."""

import json

import pytest

from hostlink.vpp.codec import Codec, bootstrap_codec, codec_for
from hostlink.vpp.errors import VppBadRequest, VppProtocolError
from hostlink.vpp.session import open_session

HEAD = {"message_id": 1, "client_index": 2, "context": 3}


def strings(*fields) -> Codec:
    message = ["say", ["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"], *fields, {"crc": "0x1"}]
    return codec_for(json.dumps([{"messages": [message], "services": {}}]))


async def test_two_releases_of_vpp_in_one_process_keep_their_own_types(make_peer, definitions_of):
    old = await make_peer("old.sock")
    new = await make_peer("new.sock", api_json=definitions_of(extra_field=True))
    async with open_session(old.path) as first, open_session(new.path) as second:
        for session, peer, port_bytes in ((first, old, 20), (second, new, 24), (first, old, 20)):
            await session.request("get_index", port={"sw_if_index": 1})
            assert len(peer.got[-1].body) == port_bytes
        assert "speed" not in first.codec.messages["port_details"].unpack(bytes(40))[0].port._fields
        assert "speed" in second.codec.messages["port_details"].unpack(bytes(40))[0].port._fields


async def test_the_same_definitions_are_parsed_once(make_peer):
    first, second = await make_peer("a.sock"), await make_peer("b.sock")
    async with open_session(first.path) as one, open_session(second.path) as other:
        assert one.codec is other.codec
        assert one.codec is not bootstrap_codec()


@pytest.mark.parametrize("text", ["", "plain", "Ä tag in UTF-8", "\udcff\udcfe"])
def test_strings_come_back_as_they_went_fixed_and_variable(text):
    codec = strings(["string", "fixed", 64], ["string", "variable", 0], ["u32", "after"])
    packed = codec.pack("say", {"fixed": text, "variable": text, "after": 7}, **HEAD)
    said = codec.unpack("say", packed)
    assert (said.fixed, said.variable, said.after) == (text, text, 7)


def test_after_bytes_that_do_not_fit_the_codec_still_reads_right():
    codec = codec_for(
        '[{"aliases": {"ip4_address": {"type": "u8", "length": 4}, "ip6_address": {"type": "u8", "length": 16}},'
        ' "unions": [["address_union", ["vl_api_ip4_address_t", "ip4"], ["vl_api_ip6_address_t", "ip6"]]],'
        ' "types": [["address", ["u8", "af"], ["vl_api_address_union_t", "un"]],'
        '           ["prefix", ["vl_api_address_t", "address"], ["u8", "len"]]],'
        ' "messages": [["by_address", ["u16", "_vl_msg_id"], ["vl_api_address_t", "address"], {"crc": "0x2"}],'
        '              ["by_prefix", ["u16", "_vl_msg_id"], ["vl_api_prefix_t", "prefix"], {"crc": "0x3"}]]}]'
    )
    with pytest.raises(VppProtocolError, match="a by_address of 5 bytes does not fit its definition"):
        codec.unpack("by_address", bytes(5))
    packed = bytes(3) + bytes([10, 0, 0, 0]) + bytes(12) + bytes([8])
    assert str(codec.unpack("by_prefix", packed).prefix) == "10.0.0.0/8"


def test_what_vpp_says_of_a_message_goes_before_what_is_bundled():
    codec = codec_for(
        '[{"messages": [["control_ping", ["u16", "_vl_msg_id"], ["u32", "flavour"], {"crc": "0x00000099"}]]}]'
    )
    assert codec.crcs["control_ping"] == "00000099"
    assert codec.messages["control_ping"].fields == ["_vl_msg_id", "flavour"]
    assert bootstrap_codec().crcs["control_ping"] == "51077d14"


def test_an_enum_before_a_field_or_in_it_is_no_stumbling_block():
    codec = codec_for(
        '[{"enums": [["colour", ["RED", 0], ["BLUE", 1], {"enumtype": "u8"}]],'
        ' "messages": [["paint", ["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"],'
        ' ["vl_api_colour_t", "colour"], ["u32", "area"], {"crc": "0x3"}]]}]'
    )
    assert codec.offset_of("paint", "area") == 11
    assert codec.unpack("paint", codec.pack("paint", {"colour": 1, "area": 5}, **HEAD)).colour == 1
    with pytest.raises(VppBadRequest, match=r"paint\.colour has no field 'name'; it has no fields"):
        codec.pack("paint", {"colour": {"name": "RED"}}, **HEAD)
    with pytest.raises(VppBadRequest, match="paint cannot be packed"):
        codec.pack("paint", {"colour": [1]}, **HEAD)


def test_offsets_are_those_of_the_packed_message_and_none_behind_a_variable_part():
    codec = strings(["u8", "flag"], ["string", "name", 64], ["u32", "index"], ["string", "tail", 0], ["u32", "last"])
    assert [codec.offset_of("say", field) for field in ("context", "index", "last", "absent")] == [6, 75, None, None]
    packed = codec.pack("say", {"index": 0xA1A2A3A4}, **HEAD)
    assert packed[75:79] == b"\xa1\xa2\xa3\xa4"


def test_a_message_is_made_when_it_is_asked_for_and_one_that_cannot_be_harms_no_other():
    codec = Codec(
        '[{"messages": [["sound", ["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"], {"crc": "0x1"}],'
        ' ["broken", ["vl_api_nothing_t", "of_no_type"], {"crc": "0x2"}]]}]'
    )
    assert len(codec.messages.made()) == 0
    assert {"sound", "broken", "control_ping"} <= set(codec.messages)
    assert codec.crcs["broken"] == "2"
    with pytest.raises(VppProtocolError, match="VPP's API definition of broken cannot be used"):
        codec.pack("broken", {}, **HEAD)
    assert codec.pack("sound", {}, **HEAD) == bytes([0, 1, 0, 0, 0, 2, 0, 0, 0, 3])
    assert codec.messages["sound"] is codec.messages["sound"]
    assert len(codec.messages.made()) == 1
