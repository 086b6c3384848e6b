"""The stand-in's codec and definitions against the client library that VPP ships: same bytes, same names, same CRCs."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from vpp_papi.vpp_papi import VPPApiJSONFiles

from hostlink.lab.standin.apijson import definitions_json
from hostlink.lab.standin.codec import Codec, CodecError
from hostlink.lab.standin.definitions import BASE_SIZES, Field, api

CODEC = Codec(api())
MESSAGES, SERVICES = VPPApiJSONFiles.process_json_array_str(definitions_json(api()))
NAMES = sorted(api().messages)


def sample(field: Field, dice: random.Random, counts: dict[str, int]) -> Any:
    """A value of the codec's own shape for a field."""
    if field.count_field is not None:
        return _sample_array(field, dice, counts)
    if field.type == "string":
        return "".join(dice.choice("abc-0") for _ in range(5))
    if field.name == "len":
        return dice.randrange(33)
    definition = api().types.get(field.type)
    if field.length is not None:
        return _sample_fixed_array(field, dice)
    if definition is None:
        return _sample_scalar(field.type, dice)
    if definition.kind == "alias":
        return sample(Field(definition.base, field.name, definition.length), dice, counts)
    if definition.kind == "enum":
        return dice.choice(definition.symbols)[1]
    if definition.kind == "union":
        return bytes(16) if field.type == "address_union" else bytes(4)
    return sample_fields(definition.fields, dice)


def _sample_scalar(name: str, dice: random.Random) -> Any:
    if name == "bool":
        return dice.random() < 0.5
    if name == "f64":
        return dice.random()
    bits = 8 * BASE_SIZES[name] - (1 if name.startswith("i") else 0)
    return dice.randrange(1 << bits)


def _sample_array(field: Field, dice: random.Random, counts: dict[str, int]) -> Any:
    if field.type == "string":
        return "text of no fixed length"
    count = counts[field.count_field or ""]
    if field.type == "u8":
        return dice.randbytes(count)
    return [sample(Field(field.type, field.name), dice, {}) for _ in range(count)]


def _sample_fixed_array(field: Field, dice: random.Random) -> Any:
    if field.type == "u8":
        return dice.randbytes(field.length or 0)
    if field.type == "fib_mpls_label":
        return bytes(7 * 16)
    return [_sample_scalar(field.type, dice) for _ in range(field.length or 0)]


def sample_fields(fields: tuple[Field, ...], dice: random.Random) -> dict[str, Any]:
    counts = {field.count_field: 3 for field in fields if field.count_field}
    values: dict[str, Any] = {}
    for field in fields:
        values[field.name] = counts[field.name] if field.name in counts else sample(field, dice, counts)
    return values


def same(ours: Any, theirs: Any) -> bool:
    """Whether a value read by vpp_papi is the one that was packed. Unions are looked at through their discriminator."""
    if isinstance(ours, dict):
        if "un" in ours:
            return bool(theirs.packed == ours["un"][: len(theirs.packed)])
        return all(same(value, getattr(theirs, name)) for name, value in ours.items() if name not in OPAQUE)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, bytes):
        packed = getattr(theirs, "packed", theirs)
        return bytes(packed) == ours
    return bool(ours == theirs)


OPAQUE = {"label_stack", "nh", "punt", "prefix", "host_ip4_prefix", "host_ip6_prefix"}
"""Their bytes are compared by packing again what vpp_papi read, not leaf by leaf."""


def test_the_library_knows_the_same_messages_with_the_same_crcs() -> None:
    assert {name: message.crc for name, message in MESSAGES.items()} == {
        name: f"0x{message.crc}" for name, message in api().messages.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_library_reads_what_the_codec_packs(name: str) -> None:
    values = sample_fields(api().messages[name].fields, random.Random(name))
    packed = CODEC.pack(name, values)
    read, size = MESSAGES[name].unpack(packed)
    assert size == len(packed)
    names = ["_0" if field.name == "_vl_msg_id" else field.name for field in api().messages[name].fields]
    for own, their in zip(values, names, strict=True):
        assert own in OPAQUE or same(values[own], getattr(read, their)), own


@pytest.mark.parametrize("name", NAMES)
def test_the_codec_reads_back_what_it_packed(name: str) -> None:
    values = sample_fields(api().messages[name].fields, random.Random(name))
    assert CODEC.unpack(name, CODEC.pack(name, values)) == values


def test_a_route_packed_by_the_library_is_read_with_its_paths() -> None:
    path = {
        "sw_if_index": 3,
        "table_id": 0,
        "rpf_id": 0xFFFFFFFF,
        "weight": 2,
        "preference": 8,
        "type": 0,
        "flags": 0,
        "proto": 1,
        "nh": {"address": {"ip6": "fd00::fe"}},
        "n_labels": 0,
        "label_stack": [{}] * 16,
    }
    route = {"table_id": 7, "prefix": "2001:db8::/32", "n_paths": 2, "paths": [path, path]}
    packed = MESSAGES["ip_route_add_del"].pack({"_vl_msg_id": 9, "context": 1, "is_add": True, "route": route})
    read = CODEC.unpack("ip_route_add_del", packed)["route"]
    assert read["table_id"] == 7
    assert read["prefix"] == {"address": {"af": 1, "un": bytes.fromhex("20010db8") + bytes(12)}, "len": 32}
    assert [(p["sw_if_index"], p["weight"], p["preference"]) for p in read["paths"]] == [(3, 2, 8)] * 2
    assert read["paths"][0]["nh"]["address"] == bytes.fromhex("fd00") + bytes(13) + b"\xfe"


def test_a_count_that_overruns_the_message_is_an_error_that_names_the_field() -> None:
    packed = CODEC.pack("classify_add_del_session", {"match_len": 32, "match": bytes(16)})
    with pytest.raises(CodecError, match="match is said to have 32 bytes"):
        CODEC.unpack("classify_add_del_session", packed)


def test_a_message_that_ends_early_is_an_error() -> None:
    with pytest.raises(CodecError, match="ends within"):
        CODEC.unpack("sw_interface_set_flags", b"\0\x01\0\0")


def test_every_module_carries_the_types_of_its_messages() -> None:
    """As real ones do: a client may load one module alone."""
    for module in json.loads(definitions_json(api())):
        known = {f"vl_api_{one[0]}_t" for kind in ("types", "enums", "unions") for one in module[kind]}
        known |= {f"vl_api_{name}_t" for name in module["aliases"]} | set(BASE_SIZES) | {"string"}
        fields = [field for message in module["messages"] for field in message[1:-1]]
        assert {field[0] for field in fields} <= known, module["module"]


def test_messages_left_out_are_in_no_module() -> None:
    text = definitions_json(api(), frozenset({"set_punt", "set_punt_reply"}))
    assert "set_punt" not in text
    assert "show_version" in text
