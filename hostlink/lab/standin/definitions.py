"""Parses the compact table of `tables.py` into typed definitions.

Everything else that has to know a message (codec, served JSON, handlers' registry) reads these values. A mistake in the
table is a mistake in this repository: it raises at import, and no message is half known.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

from hostlink.lab.standin.tables import MESSAGES, TYPES

BASE_SIZES = {"u8": 1, "i8": 1, "bool": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4, "u64": 8, "i64": 8, "f64": 8}
"""Sizes in bytes of what the API calls base types; `string` stands apart, its length is the field's."""

PLAIN_REPLY_CRC = "e8d4e804"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `length` counts elements (bytes for a string); `count_field` names the field that says a variable
    one.
    """

    type: str
    name: str
    length: int | None = None
    count_field: str | None = None
    default: str | None = None
    tag: str | None = None
    """A union member's case, or the field that tells which member a union holds."""

    @property
    def variable(self) -> bool:
        return self.count_field is not None


@dataclass(frozen=True, slots=True)
class TypeDef:
    kind: str
    """alias, enum, type or union."""
    name: str
    base: str = ""
    length: int | None = None
    fields: tuple[Field, ...] = ()
    symbols: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class MessageDef:
    name: str
    crc: str
    """Eight hex digits, no 0x."""
    fields: tuple[Field, ...]
    reply: str | None = None
    stream: bool = False
    events: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name in the message table that sockclnt_create_reply carries."""
        return f"{self.name}_{self.crc}"


@dataclass(slots=True)
class ModuleDef:
    name: str
    version: str
    crc: str
    messages: list[MessageDef] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Api:
    types: dict[str, TypeDef]
    modules: tuple[ModuleDef, ...]
    messages: dict[str, MessageDef]


MESSAGE_ID = Field("u16", "_vl_msg_id")
CLIENT_INDEX = Field("u32", "client_index")
CONTEXT = Field("u32", "context")
REQUEST = (MESSAGE_ID, CLIENT_INDEX, CONTEXT)
REPLY = (MESSAGE_ID, CONTEXT)
RETVAL = Field("i32", "retval")


def _logical_lines(text: str) -> Iterator[str]:
    line = ""
    for raw in text.strip("\n").split("\n"):
        if raw.startswith(" "):
            line += " " + raw.strip()
        else:
            if line:
                yield line
            line = raw
    yield line


def _parse_field(word: str) -> Field:
    declared, _, rest = word.partition(":")
    rest, _, tag = rest.partition("?")
    name, _, default = rest.partition("=")
    base, bracket, length = declared.rstrip("]").partition("[")
    fixed = int(length) if length.isdigit() else None
    count_field = length if bracket and fixed is None else None
    return Field(base, name, fixed, count_field, default.replace("~0", "4294967295") or None, tag or None)


def _parse_type(line: str) -> TypeDef:
    kind, name, *words = line.split()
    if kind == "alias":
        base = _parse_field(words[0] + ":")
        return TypeDef(kind, name, base=base.type, length=base.length)
    if kind == "enum":
        symbols = tuple((symbol, int(value)) for symbol, value in (word.split("=") for word in words[1:]))
        return TypeDef(kind, name, base=words[0], symbols=symbols)
    return TypeDef(kind, name, fields=tuple(map(_parse_field, words)))


def _parse_modules() -> tuple[ModuleDef, ...]:
    modules: list[ModuleDef] = []
    for line in _logical_lines(MESSAGES):
        kind, name, *words = line.split()
        if kind == "module":
            modules.append(ModuleDef(name, words[0], words[1]))
            continue
        _add_message(modules[-1].messages, kind, name, words[0], tuple(map(_parse_field, words[1:])))
    return tuple(modules)


def _add_message(messages: list[MessageDef], kind: str, name: str, crc: str, fields: tuple[Field, ...]) -> None:
    if kind == "reply":
        _replace_reply(messages, MessageDef(name, crc, REPLY + fields))
    elif kind == "event":
        request = next(m for m in reversed(messages) if m.reply)
        where = messages.index(request)
        messages[where] = MessageDef(request.name, request.crc, request.fields, request.reply, request.stream, (name,))
        messages.append(MessageDef(name, crc, (MESSAGE_ID, *fields)))
    elif kind == "raw":
        reply = None if name.endswith("_reply") else f"{name}_reply"
        messages.append(MessageDef(name, crc, (MESSAGE_ID, *fields), reply))
    else:
        messages.append(MessageDef(name, crc, REQUEST + fields, f"{name}_reply", stream=kind == "dump"))
        messages.append(MessageDef(f"{name}_reply", PLAIN_REPLY_CRC, (*REPLY, RETVAL)))


def _replace_reply(messages: list[MessageDef], reply: MessageDef) -> None:
    """The plain reply that a `call` or `dump` line assumed gives way to the one spelled out."""
    request = messages[-2]
    messages[-2:] = [
        MessageDef(request.name, request.crc, request.fields, reply.name, request.stream),
        reply,
    ]


@functools.cache
def api() -> Api:
    """The whole table. Messages keep the table's order, which is also the order of their numbers."""
    types = {definition.name: definition for definition in map(_parse_type, _logical_lines(TYPES))}
    modules = _parse_modules()
    messages = {message.name: message for module in modules for message in module.messages}
    return Api(types, modules, messages)
