"""Packs and unpacks API messages, compiled once from the table.

Runs of fields of known size become one `struct` each, however deeply they are nested, because 100,000 routes over one
socket must not take a minute. A value is what its field says: numbers and booleans, `str` for strings, `bytes` for u8
arrays, addresses and unions (whole, padded: the discriminator beside it tells how to read it), `list` for other arrays,
`dict` for types. The one exception: an array of fixed length whose elements are types (only the label stack of a path)
stays raw `bytes`, because the stand-in speaks no MPLS and 64 numbers a path would be the most expensive part.

A message that is too short or whose counts overrun it raises CodecError. Fields left out when packing are zero.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from hostlink.lab.standin.definitions import Api, Field, MessageDef

Values = dict[str, Any]
_SCALARS = {"u8": "B", "i8": "b", "bool": "?", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q"}
"""Struct letters of what goes big-endian. f64 does not: VPP sends it in its machine's order, little-endian."""


class CodecError(Exception):
    """The bytes are no such message; says which field ran out."""


class _Fixed:
    """A value of known size: `width` items of a struct format, and how they become the value and come from it."""

    def __init__(
        self,
        fmt: str,
        width: int,
        build: Callable[[tuple[Any, ...], int], Any],
        flatten: Callable[[Any, list[Any]], None],
    ) -> None:
        self.fmt = fmt
        self.width = width
        self.build = build
        self.flatten = flatten


def _scalar(fmt: str) -> _Fixed:
    return _Fixed(fmt, 1, lambda items, i: items[i], lambda value, out: out.append(value or 0))


def _float() -> _Fixed:
    def flatten(value: float | None, out: list[Any]) -> None:
        out.append(struct.pack("<d", value or 0.0))

    return _Fixed("8s", 1, lambda items, i: struct.unpack("<d", items[i])[0], flatten)


def _bytes(size: int) -> _Fixed:
    return _Fixed(f"{size}s", 1, lambda items, i: items[i], lambda value, out: out.append(value or b""))


def _text(size: int) -> _Fixed:
    def build(items: tuple[Any, ...], i: int) -> str:
        return bytes(items[i]).split(b"\0", 1)[0].decode(errors="replace")

    return _Fixed(f"{size}s", 1, build, lambda value, out: out.append((value or "").encode()[: size - 1]))


def _numbers(fmt: str, length: int) -> _Fixed:
    def flatten(value: list[Any] | None, out: list[Any]) -> None:
        out.extend(value or [0] * length)

    return _Fixed(fmt * length, length, lambda items, i: list(items[i : i + length]), flatten)


class _Compiler:
    """Turns type names into layouts; each named type is compiled once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._types: dict[str, _Fixed | Layout] = {}

    def type(self, name: str) -> _Fixed | Layout:
        if name not in self._types:
            self._types[name] = self._compile(name)
        return self._types[name]

    def _compile(self, name: str) -> _Fixed | Layout:
        if name == "f64":
            return _float()
        if name in _SCALARS:
            return _scalar(_SCALARS[name])
        definition = self._api.types[name]
        if definition.kind in ("alias", "enum"):
            return self.field(Field(definition.base, name, definition.length))
        if definition.kind == "union":
            return _bytes(max(self._size(member) for member in definition.fields))
        layout = Layout.of(definition.fields, self)
        return layout.as_fixed() or layout

    def _size(self, field: Field) -> int:
        compiled = self.field(field)
        assert isinstance(compiled, _Fixed), f"{field.name}: a union's members have a fixed size"
        return struct.calcsize(f">{compiled.fmt}")

    def field(self, field: Field) -> _Fixed | Layout:
        """A field that is not an array of variable length."""
        if field.length is None:
            return self.type(field.type)
        if field.type == "string":
            return _text(field.length)
        if field.type == "u8":
            return _bytes(field.length)
        element = self.type(field.type)
        assert isinstance(element, _Fixed), f"{field.name}: no fixed array of variable things in this API"
        if element.width == 1:
            return _numbers(element.fmt, field.length)
        return _bytes(struct.calcsize(f">{element.fmt}") * field.length)


class _FixedStep:
    """Consecutive fields of known size: one struct."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, _Fixed]] = []
        self.struct = struct.Struct(">")

    def add(self, name: str, fixed: _Fixed) -> None:
        self.fields.append((name, fixed))
        self.struct = struct.Struct(">" + "".join(f.fmt for _, f in self.fields))

    def build(self, items: tuple[Any, ...], i: int, into: Values) -> None:
        for name, fixed in self.fields:
            into[name] = fixed.build(items, i)
            i += fixed.width

    def flatten(self, values: Mapping[str, Any], out: list[Any]) -> None:
        for name, fixed in self.fields:
            fixed.flatten(values.get(name), out)

    def unpack(self, data: bytes, offset: int, into: Values) -> int:
        try:
            items = self.struct.unpack_from(data, offset)
        except struct.error as error:
            raise CodecError(f"the message ends within {self.fields[0][0]} … {self.fields[-1][0]}: {error}") from None
        self.build(items, 0, into)
        return offset + self.struct.size

    def pack(self, values: Mapping[str, Any], out: bytearray) -> None:
        items: list[Any] = []
        self.flatten(values, items)
        out += self.struct.pack(*items)


class _ArrayStep:
    """`type[count]:name`, `u8[count]:name` and `string[]:name`: the count is a field before it, or a u32 right here."""

    def __init__(self, field: Field, element: _Fixed | Layout | None) -> None:
        self.field = field
        self._wrapped = isinstance(element, _Fixed)
        self._element = _wrapped(element) if isinstance(element, _Fixed) else element
        """None for bytes and text."""

    def _take(self, data: bytes, offset: int, size: int) -> bytes:
        taken = data[offset : offset + size]
        if len(taken) < size:
            raise CodecError(f"{self.field.name} is said to have {size} bytes, the message has {len(taken)} left")
        return taken

    def unpack(self, data: bytes, offset: int, into: Values) -> int:
        if self.field.type == "string":
            size = int.from_bytes(self._take(data, offset, 4))
            into[self.field.name] = self._take(data, offset + 4, size).rstrip(b"\0").decode(errors="replace")
            return offset + 4 + size
        count: int = into[self.field.count_field or ""]
        if self._element is None:
            into[self.field.name] = self._take(data, offset, count)
            return offset + count
        elements = into[self.field.name] = []
        for _ in range(count):
            element: Values = {}
            offset = self._element.unpack(data, offset, element)
            elements.append(element[""] if self._wrapped else element)
        return offset

    def pack(self, values: Mapping[str, Any], out: bytearray) -> None:
        value = values.get(self.field.name)
        if self.field.type == "string":
            text = (value or "").encode()
            out += struct.pack(">I", len(text)) + text
        elif self._element is None:
            out += value or b""
        else:
            for element in value or ():
                self._element.pack({"": element} if self._wrapped else element, out)


class _NestedStep:
    """A field whose type has no fixed size (a route with its paths)."""

    def __init__(self, name: str, layout: Layout) -> None:
        self._name = name
        self._layout = layout

    def unpack(self, data: bytes, offset: int, into: Values) -> int:
        nested = into[self._name] = {}
        return self._layout.unpack(data, offset, nested)

    def pack(self, values: Mapping[str, Any], out: bytearray) -> None:
        self._layout.pack(values.get(self._name) or {}, out)


class Layout:
    """The steps that read or write the fields of one type or message."""

    def __init__(self) -> None:
        self._steps: list[_FixedStep | _ArrayStep | _NestedStep] = []

    @classmethod
    def of(cls, fields: tuple[Field, ...], compiler: _Compiler) -> Layout:
        layout = cls()
        for field in fields:
            layout._add(field, compiler)
        return layout

    def _add(self, field: Field, compiler: _Compiler) -> None:
        if field.variable:
            plain = field.type in ("u8", "string")
            self._steps.append(_ArrayStep(field, None if plain else compiler.type(field.type)))
            return
        compiled = compiler.field(field)
        if isinstance(compiled, Layout):
            self._steps.append(_NestedStep(field.name, compiled))
        else:
            self.add_fixed(field.name, compiled)

    def add_fixed(self, name: str, fixed: _Fixed) -> None:
        if not self._steps or not isinstance(self._steps[-1], _FixedStep):
            self._steps.append(_FixedStep())
        last = self._steps[-1]
        assert isinstance(last, _FixedStep)
        last.add(name, fixed)

    def as_fixed(self) -> _Fixed | None:
        """The same as one fixed value, if every field is; else None."""
        if len(self._steps) != 1 or not isinstance(self._steps[0], _FixedStep):
            return None
        step = self._steps[0]

        def build(items: tuple[Any, ...], i: int) -> Values:
            values: Values = {}
            step.build(items, i, values)
            return values

        def flatten(value: Mapping[str, Any] | None, out: list[Any]) -> None:
            step.flatten(value or {}, out)

        return _Fixed(step.struct.format[1:], sum(f.width for _, f in step.fields), build, flatten)

    def unpack(self, data: bytes, offset: int, into: Values) -> int:
        for step in self._steps:
            offset = step.unpack(data, offset, into)
        return offset

    def pack(self, values: Mapping[str, Any], out: bytearray) -> None:
        for step in self._steps:
            step.pack(values, out)


def _wrapped(element: _Fixed) -> Layout:
    """A layout of one nameless field, so that arrays of fixed and of variable things are read alike."""
    layout = Layout()
    layout.add_fixed("", element)
    return layout


class Codec:
    """Packs and unpacks the messages of one API table."""

    def __init__(self, api: Api) -> None:
        compiler = _Compiler(api)
        self._layouts = {name: Layout.of(message.fields, compiler) for name, message in api.messages.items()}

    def unpack(self, message: MessageDef | str, data: bytes) -> Values:
        """All fields of the message, `_vl_msg_id` among them. Bytes after its end are ignored, as VPP does."""
        values: Values = {}
        name = message if isinstance(message, str) else message.name
        self._layouts[name].unpack(data, 0, values)
        return values

    def pack(self, message: MessageDef | str, values: Mapping[str, Any]) -> bytes:
        out = bytearray()
        name = message if isinstance(message, str) else message.name
        self._layouts[name].pack(values, out)
        return bytes(out)
