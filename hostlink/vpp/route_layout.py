"""Where table, prefix, source and paths of a route are in a packed message, found out from the codec and never guessed.

vpp_papi packs 24,500 messages a second, a patched template goes at 900,000 (design: vpp-facts §1). To patch, one must
know the offsets. They are taken from the codec itself: pack a message of zeros, pack it again with one field set to a
value that cannot be mistaken, and see which bytes changed. A definition in which a field shifted is so followed; one in
which a field has gone, has another size or another order is refused, by name. (Definition: ip_route_v2 in
vnet/ip/ip.api, fib_path in vnet/fib/fib_types.api.)
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hostlink.vpp.codec import Codec
from hostlink.vpp.contract import CONTRACT
from hostlink.vpp.errors import ContractError, Missing, VppBadRequest

_SENTINELS = {1: b"\xa5", 4: b"\xa1\xa2\xa3\xa4", 16: bytes(range(0xB0, 0xC0))}
_FORMATS = {1: "B", 4: "I", 16: "16s"}
_FIELDS = {"table_id": 4, "prefix.address.af": 1, "prefix.address.un.ip6": 16, "prefix.len": 1, "src": 1}
"""Field of the route → its bytes, in the order on the wire."""
_PATH_FIELDS = {"sw_if_index": 4, "weight": 1, "preference": 1, "type": 4, "proto": 4, "nh.address.ip6": 16}
"""The same of a path."""
_NO_LABELS = [dict[str, Any]()] * 16
_ID_BYTES, _CONTEXT_BYTES = 2, 4

_Nest = Callable[[str, bytes], dict[str, Any]]
"""The fields of a route, all zero but the one of that name, which has that value."""


@dataclass(frozen=True, slots=True)
class RouteLayout:
    """Offsets in bytes from the start of the message, without frame header."""

    context: int
    address: int
    """Of 16 bytes; an IPv4 address has the first 4."""
    length: int
    head: struct.Struct
    """Unpacks (table_id, address family, address, prefix length, source). Its size is where the paths start."""
    gaps: tuple[int, ...]
    """Bytes before the paths that are neither message id nor context nor one of those fields."""


@functools.lru_cache(maxsize=8)
def route_layout(codec: Codec, message: str) -> RouteLayout:
    """The layout of a message that ends in an ip_route_v2 called `route`. ContractError: not as hostlink knows it."""
    zeros = _pack(codec, message, {})
    if zeros is None:
        raise _unknown(message, "route")
    offsets = {field: _find(codec, message, zeros, field, size, _nested) for field, size in _FIELDS.items()}
    context = codec.offset_of(message, "context")
    if context is None:
        raise _unknown(message, "context")
    said = {*range(_ID_BYTES), *range(context, context + _CONTEXT_BYTES)}
    said.update(at + byte for field, at in offsets.items() for byte in range(_FIELDS[field]))
    return RouteLayout(
        context=context,
        address=offsets["prefix.address.un.ip6"],
        length=offsets["prefix.len"],
        head=_struct(message, _FIELDS, offsets, len(zeros)),
        gaps=tuple(byte for byte in range(len(zeros)) if byte not in said),
    )


@dataclass(frozen=True, slots=True)
class PathLayout:
    """Of what comes behind RouteLayout's head."""

    count: int
    """Where the number of paths is, from the start of the message; one byte."""
    fields: struct.Struct
    """Unpacks (sw_if_index, weight, preference, type, proto, address of 16 bytes) of a whole path."""


@functools.lru_cache(maxsize=8)
def path_layout(codec: Codec, message: str) -> PathLayout | None:
    """The layout of the paths of such a message; None: not as hostlink knows it, and the codec is to read them.

    vpp_papi takes half a millisecond for each path, nearly all of it for 16 labels that are none.
    """
    zeros, one = _pack(codec, message, {}), _pack(codec, message, _path({}))
    if zeros is None or one is None:
        return None
    counts = [at for at, (none, some) in enumerate(zip(zeros, one, strict=False)) if none != some]
    if [one[at] for at in counts] != [1]:
        return None
    try:
        offsets = {
            field: _find(codec, message, one, field, size, lambda *of: _path(_nested(*of))) - len(zeros)
            for field, size in _PATH_FIELDS.items()
        }
        fields = _struct(message, _PATH_FIELDS, offsets, len(one) - len(zeros))
    except ContractError:
        return None
    return PathLayout(counts[0], fields)


def _path(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a route with this path alone."""
    return {"n_paths": 1, "paths": [{"label_stack": _NO_LABELS} | fields]}


def _find(codec: Codec, message: str, zeros: bytes, field: str, size: int, nest: _Nest) -> int:
    """Where the field's sentinel stands in place of zeros; all else must be as before."""
    sentinel = _SENTINELS[size]
    packed = _pack(codec, message, nest(field, sentinel)) or b""
    at = packed.find(sentinel)
    if at < 0 or zeros != packed.replace(sentinel, bytes(len(sentinel)), 1):
        raise _unknown(message, field)
    if _pack(codec, message, nest(field, b"\x01" + sentinel)) is not None:  # a byte more must not fit
        raise _unknown(message, field)
    return at


def _struct(message: str, fields: Mapping[str, int], offsets: Mapping[str, int], total_bytes: int) -> struct.Struct:
    layout, at = ">", 0
    for field, size in fields.items():
        if offsets[field] < at:
            raise _unknown(message, field)
        layout += f"{offsets[field] - at}x{_FORMATS[size]}"
        at = offsets[field] + size
    return struct.Struct(f"{layout}{total_bytes - at}x")


def _pack(codec: Codec, message: str, route: dict[str, Any]) -> bytes | None:
    """The message with these fields of the route, all else zero; None: no such field, or the value does not fit."""
    fields: dict[str, Any] = {"route": route}
    if "is_add" in codec.messages[message].fields:
        fields["is_add"] = False  # its default is not zero
    try:
        return codec.pack(message, fields, message_id=0, client_index=0, context=0)
    except VppBadRequest:
        return None


def _nested(field: str, sentinel: bytes) -> dict[str, Any]:
    """The field, named with dots, as nested dicts around its value: a number, or 16 bytes as they are."""
    value: Any = sentinel if len(sentinel) >= 16 else int.from_bytes(sentinel, "big")
    for name in reversed(field.split(".")):
        value = {name: value}
    return dict(value)


def _unknown(message: str, field: str) -> ContractError:
    return ContractError((Missing(f"{message}.{field}", CONTRACT[message], "another layout"),))
