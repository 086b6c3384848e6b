"""The values of core as JSON and back: what the journal writes, and must be able to read after any death.

The shape comes from the dataclasses' own annotations, so that a field cannot be forgotten on one of the two ways.
Addresses and prefixes become their usual text, bytes become base64, enums their value, tuples and sets arrays (sets
sorted, so that the same value always gives the same text). Reading is strict: a missing field, a field that is not
known, another type, a boolean where a number belongs are all refused, with the path of the culprit. What was read may
move a node's only NIC.
"""

from __future__ import annotations

import base64
import enum
import functools
import ipaddress
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from hostlink.core.route_set import RouteSet, kept

T = TypeVar("T")

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_IP_TYPES = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Interface,
    ipaddress.IPv6Network,
)


_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""JSON knows no limit, and NaN; the kernel and VPP have 64 bits at most."""


class DecodeError(ValueError):
    """The JSON is not the value that it should be. `where` is the path within it (`capture.view.link.mtu_bytes`)."""

    def __init__(self, where: str, text: str) -> None:
        self.where = where
        super().__init__(f"{where or 'the whole'}: {text}")


def encode(value: object) -> Json:
    """A JSON tree for a value made of frozen dataclasses and the types that they use. TypeError for any other."""
    kind: Any = type(value)
    return _encoder(kind)(value)


@functools.cache
def _encoder(kind: type) -> Callable[[Any], Json]:
    """How values of exactly that class become JSON: asked once for each class, because a full table is 100,000."""
    if kind in (types.NoneType, bool, int, float, str):
        return lambda value: cast(Json, value)
    if issubclass(kind, enum.Enum):
        return lambda value: cast(Json, value.value)
    if issubclass(kind, bytes):
        return lambda value: base64.b64encode(value).decode("ascii")
    if issubclass(kind, _IP_TYPES):
        return str
    if issubclass(kind, RouteSet):
        return lambda value: encode(kept(value))  # and so it is read back
    if issubclass(kind, Mapping):
        return lambda value: [[encode(key), encode(item)] for key, item in value.items()]
    if issubclass(kind, tuple):
        return lambda value: [encode(item) for item in value]
    if issubclass(kind, frozenset):
        return lambda value: sorted((encode(item) for item in value), key=repr)
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return lambda value: {name: encode(getattr(value, name)) for name in names}
    raise TypeError(f"no JSON for a {kind.__name__}")


def decode(kind: type[T], tree: object, where: str = "") -> T:
    """The value of that class which `encode` made the tree from. Raises DecodeError."""
    return cast(T, _decode(kind, tree, where))


def _decode(kind: Any, tree: object, where: str) -> Any:
    if kind in _LEAVES:
        return _LEAVES[kind](tree, where)
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(typing.get_args(kind), tree, where)
    if origin in (tuple, frozenset):
        return _decode_sequence(origin, typing.get_args(kind), tree, where)
    if origin is Mapping:
        pairs = _decode_sequence(tuple, (tuple.__class_getitem__(typing.get_args(kind)), Ellipsis), tree, where)
        return dict(pairs)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _decode_enum(kind, tree, where)
    if is_dataclass(kind):
        return _decode_dataclass(kind, tree, where)
    raise TypeError(f"no way to read a {kind} from JSON")


def _decode_dataclass(kind: Any, tree: object, where: str) -> Any:
    if not isinstance(tree, dict):
        raise DecodeError(where, f"should be an object, a {kind.__name__}")
    hints = _hints(kind)
    if odd := sorted(set(tree) ^ set(hints)):
        word = "is not known" if odd[0] in tree else "is missing"
        raise DecodeError(f"{where}.{odd[0]}".lstrip("."), f"{word} in a {kind.__name__}")
    return kind(**{name: _decode(hint, tree[name], f"{where}.{name}".lstrip(".")) for name, hint in hints.items()})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _decode_union(members: tuple[Any, ...], tree: object, where: str) -> Any:
    """The members of core's unions never share a JSON form, so the first that takes the tree is the right one."""
    refusals = []
    for member in members:
        if member is RouteSet:
            continue
        try:
            return _decode(member, tree, where)
        except DecodeError as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _decode_sequence(origin: type, arguments: tuple[Any, ...], tree: object, where: str) -> Any:
    if not isinstance(tree, list):
        raise DecodeError(where, "should be an array")
    if origin is frozenset or arguments[-1] is Ellipsis:
        kinds = (arguments[0],) * len(tree)
    elif len(tree) == len(arguments):
        kinds = arguments
    else:
        raise DecodeError(where, f"should have {len(arguments)} items, not {len(tree)}")
    return origin(_decode(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, tree, strict=True)))


def _decode_enum(kind: type[enum.Enum], tree: object, where: str) -> enum.Enum:
    for member in kind:
        if type(member.value) is type(tree) and member.value == tree:
            return member
    raise DecodeError(where, f"should be a {kind.__name__}, not {tree!r}"[:200])


def _plain(kind: type) -> Callable[[object, str], Any]:
    def read(tree: object, where: str) -> Any:
        if type(tree) is not kind:  # not isinstance: True is an int
            raise DecodeError(where, f"should be of type {kind.__name__}, not {type(tree).__name__}")
        if (type(tree) is int and not _LEAST <= tree <= _MOST) or (type(tree) is float and not math.isfinite(tree)):
            raise DecodeError(where, f"{tree} is no number that hostlink writes"[:200])
        return tree

    return read


def _ip(kind: Any) -> Callable[[object, str], Any]:
    def read(tree: object, where: str) -> Any:
        try:
            value = kind(tree) if isinstance(tree, str) else None
        except ValueError:
            value = None
        if value is None or str(value) != tree:
            raise DecodeError(where, f"should be an {kind.__name__} as text, not {tree!r}"[:200])
        return value

    return read


def _bytes(tree: object, where: str) -> bytes:
    try:
        return base64.b64decode(tree if isinstance(tree, str) else "?", validate=True)
    except ValueError as error:  # binascii.Error, or text that is not ASCII
        raise DecodeError(where, "should be base64") from error


_LEAVES: dict[Any, Callable[[object, str], Any]] = {
    **{kind: _plain(kind) for kind in (bool, int, float, str, type(None))},
    **{kind: _ip(kind) for kind in _IP_TYPES},
    bytes: _bytes,
}
