"""Makes the JSON that `get_api_json` serves, in the shape of a real VPP's: a list of modules.

Each module carries every type that its messages need, as real ones do, because a client may load a module alone. Types
are listed after what they are made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hostlink.lab.standin.definitions import BASE_SIZES, Api, Field, MessageDef, ModuleDef, TypeDef


def _type_name(name: str) -> str:
    return name if name in BASE_SIZES or name == "string" else f"vl_api_{name}_t"


def _default(field: Field) -> dict[str, Any]:
    assert field.default is not None
    return {"default": int(field.default) if field.default.isdigit() else field.default}


def _field(field: Field, tag_name: str = "") -> list[Any]:
    out: list[Any] = [_type_name(field.type), field.name]
    if field.count_field is not None:
        out += [0, field.count_field] if field.count_field else [0]
    elif field.length is not None:
        out.append(field.length)
    if field.default is not None:
        out.append(_default(field))
    if field.tag is not None:
        out.append({tag_name: field.tag})
    return out


def _needed(api: Api, fields: Iterable[Field], found: dict[str, TypeDef]) -> None:
    for field in fields:
        _need(api, field.type, found)


def _need(api: Api, name: str, found: dict[str, TypeDef]) -> None:
    definition = api.types.get(name)
    if definition is None or name in found:
        return
    _needed(api, definition.fields, found)
    _need(api, definition.base, found)
    found[name] = definition


def _message(message: MessageDef) -> list[Any]:
    return [message.name, *map(_field, message.fields), {"crc": f"0x{message.crc}", "options": {}}]


def _service(message: MessageDef) -> dict[str, Any]:
    service: dict[str, Any] = {"reply": message.reply}
    if message.stream:
        service["stream"] = True
    if message.events:
        service["events"] = list(message.events)
    return service


def _alias(definition: TypeDef) -> dict[str, Any]:
    alias: dict[str, Any] = {"type": _type_name(definition.base)}
    if definition.length is not None:
        alias["length"] = definition.length
    return alias


def _structure(definition: TypeDef, tag_name: str) -> list[Any]:
    return [definition.name, *(_field(field, tag_name) for field in definition.fields)]


def _enum(definition: TypeDef) -> list[Any]:
    return [definition.name, *map(list, definition.symbols), {"enumtype": definition.base}]


def _module(api: Api, module: ModuleDef, without: frozenset[str]) -> dict[str, Any]:
    messages = [message for message in module.messages if message.name not in without]
    found: dict[str, TypeDef] = {}
    for message in messages:
        _needed(api, message.fields, found)
    kinds = {kind: [d for d in found.values() if d.kind == kind] for kind in ("alias", "enum", "type", "union")}
    return {
        "module": module.name,
        "types": [_structure(d, "discriminator") for d in kinds["type"]],
        "messages": [_message(message) for message in messages],
        "unions": [_structure(d, "case") for d in kinds["union"]],
        "enums": [_enum(d) for d in kinds["enum"]],
        "enumflags": [],
        "services": {m.name: _service(m) for m in messages if m.reply},
        "options": {"version": module.version},
        "aliases": {d.name: _alias(d) for d in kinds["alias"]},
        "vl_api_version": module.crc,
        "imports": [],
        "counters": [],
        "paths": [],
    }


def definitions_json(api: Api, without: frozenset[str] = frozenset()) -> str:
    """The served text. `without` names messages to leave out, for tests of a client's contract."""
    return json.dumps([_module(api, module, without) for module in api.modules])
