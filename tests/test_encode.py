"""Core's values as JSON: there and back without loss, and nothing taken that is not exactly right."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any

import pytest

from hostlink.core import model
from hostlink.encode import DecodeError, decode, encode

ROUTE = model.Route(
    prefix=IPv4Network("0.0.0.0/0"),
    table=254,
    next_hops=(model.NextHop(3, IPv6Address("fe80::1"), 2, True), model.NextHop()),
    preferred_source=IPv4Address("192.168.0.1"),
    source_prefix=IPv6Network("fd00::/8"),
    expires_s=12,
    body=bytes(range(256)),
)
VIEW = model.HostView(
    link=model.Link("eth0", 3, "52:54:00:40:46:8e", 1500, up=True, altnames=("a", "b"), alias="über"),
    addresses=(
        model.Address(IPv4Interface("192.168.0.1/24"), broadcast=IPv4Address("192.168.0.255"), label="eth0"),
        model.Address(IPv6Interface("fd00::1/64"), valid_lifetime_s=100),
    ),
    routes=(ROUTE,),
    neighbours=(model.Neighbour(IPv4Address("192.168.0.9"), None, 0x80, 8),),
    rules=(model.Rule(model.Family.IPV6, 1000, b"\x00", "eth0"),),
    sysctls=(("ipv4/conf/{link}/rp_filter", "1"),),
    pci_address="0000:d8:0a.0",
)
CAPTURE = model.Capture("eth0", VIEW, (model.Probe("echo", IPv4Address("192.168.0.254")),))


def test_a_whole_capture_comes_back_equal_bodies_and_all() -> None:
    tree = json.loads(json.dumps(encode(CAPTURE)))
    back = decode(model.Capture, tree)
    assert back == CAPTURE
    assert back.view.routes[0].body == ROUTE.body  # takes no part in ==
    assert back.view.routes[0].expires_s == 12


@pytest.mark.parametrize(
    "value",
    [
        model.VppUplink(
            model.VppPort(1, addresses=frozenset({IPv4Interface("10.0.0.1/8"), IPv6Interface("fd00::1/64")})),
            model.VppPort(2, unnumbered_to=1, link_local=IPv6Address("fe80::1")),
            frozenset({model.VppNeighbour(2, IPv4Address("10.0.0.1"), "02:00:00:00:00:01")}),
            frozenset({model.VppRoute(0, IPv4Network("10.0.0.0/8"), (model.VppPath(1, type=model.PathType.DROP),))}),
        ),
        model.VppShared(punted_l4=frozenset({(model.Family.IPV4, 6), (model.Family.IPV6, 17)})),
    ],
)
def test_sets_enums_and_pairs_come_back_too(value: Any) -> None:
    assert decode(type(value), json.loads(json.dumps(encode(value)))) == value


def test_the_same_value_always_gives_the_same_text() -> None:
    addresses = [IPv4Interface(f"10.0.{n}.1/24") for n in range(50)]
    texts = {json.dumps(encode(model.VppPort(1, addresses=frozenset(order)))) for order in (addresses, addresses[::-1])}
    assert len(texts) == 1


def test_what_has_no_json_is_our_bug() -> None:
    with pytest.raises(TypeError, match="no JSON for a object"):
        encode((object(),))


LINK = encode(VIEW.link)


def changed(**fields: object) -> dict[str, object]:
    assert isinstance(LINK, dict)
    return {**LINK, **fields}


@pytest.mark.parametrize(
    ("tree", "where", "what"),
    [
        (changed(index=True), "index", "int, not bool"),
        (changed(index=3.0), "index", "int, not float"),
        (changed(up=1), "up", "bool, not int"),
        (changed(name=None), "name", "str, not NoneType"),
        (changed(altnames="ab"), "altnames", "array"),
        (changed(altnames=["a", 1]), r"altnames\[1\]", "str, not int"),
        (changed(alias=1), "alias", "str"),
        (changed(colour="red"), "colour", "is not known in a Link"),
        (changed(index=1 << 64), "index", "no number that hostlink writes"),
        (changed(index=-(1 << 63) - 1), "index", "no number that hostlink writes"),
        ({"name": "eth0"}, "alias", "is missing in a Link"),
        ([], "the whole", "object, a Link"),
    ],
)
def test_reading_is_strict_and_names_the_place(tree: object, where: str, what: str) -> None:
    with pytest.raises(DecodeError, match=f"{where}: .*{what}"):
        decode(model.Link, tree)


@dataclass(frozen=True, slots=True)
class Box:
    value: model.IPAddress | None
    prefix: model.Prefix
    raw: bytes
    pair: tuple[model.Family, int]


BOX = Box(None, IPv4Network("10.0.0.0/8"), b"", (model.Family.IPV4, 6))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"value": 3232235521}, "value"),
        ({"value": "192.168.0.01"}, "value"),
        ({"value": "192.168.0.1/24"}, "value"),
        ({"value": "FD00::1"}, "value"),
        ({"prefix": "10.0.0.1/8"}, "prefix"),
        ({"prefix": "10.0.0.0"}, "prefix"),
        ({"raw": "a"}, "raw: should be base64"),
        ({"raw": "é"}, "raw: should be base64"),
        ({"raw": 1}, "raw: should be base64"),
        ({"pair": [4]}, "pair: should have 2 items, not 1"),
        ({"pair": [5, 6]}, r"pair\[0\]: should be a Family"),
        ({"pair": [4.0, 6]}, r"pair\[0\]: should be a Family"),
    ],
)
def test_addresses_bytes_and_enums_are_taken_only_as_they_were_written(fields: dict[str, object], what: str) -> None:
    tree = encode(BOX)
    assert isinstance(tree, dict)
    assert decode(Box, tree) == BOX
    with pytest.raises(DecodeError, match=what):
        decode(Box, {**tree, **fields})


def test_every_value_that_the_journal_keeps_is_complete() -> None:
    """A field added to core must reach the file without anybody thinking of it."""
    tree = encode(replace(CAPTURE))
    assert isinstance(tree, dict)
    assert isinstance(tree["view"], dict)
    assert set(tree["view"]) == set(model.HostView.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Moment:
    at_s: float


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_time_that_is_none_is_refused(odd: str) -> None:
    """Python's JSON has them; the age of a journal that was read "at Infinity" would have ended the give-back."""
    with pytest.raises(DecodeError, match=r"at_s: .* no number"):
        decode(Moment, json.loads(f'{{"at_s": {odd}}}'))
