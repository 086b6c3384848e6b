"""The control socket's interfaces in Varlink's own words, for `varlinkctl introspect` and whoever writes a client.

The types are those of the JSON Schemas in hostlink/schemas, said once there: what Varlink cannot say (minima, patterns)
is left out, and an object that has no name of its own gets its field's. https://varlink.org/Interface-Definition
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hostlink import varlink
from hostlink.control import Handler, Request
from hostlink.varlink import CallError

INTROSPECTION = "org.varlink.service"
_SCHEMAS = Path(__file__).parent / "schemas"

_SERVICE = """# The Varlink service interface, which every service has.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
"""
_HOSTLINK = """# hostlink: a node's primary interface, shared between VPP and Linux.
# Release, Resume, Confirm and Audit are root's (and the daemon's own user's); the rest is for whoever may connect.
interface io.hostlink

{types}
# The state of every uplink.
method GetState() -> {state}

# With `more`: the state now, and again after each change.
method Subscribe() -> {state}

# The last moves of all uplinks, restarts of the daemon included.
method GetHistory() -> {history}

# What would be done now: the difference between Linux and VPP, or the whole takeover before it.
# limit: so many lines of each group; without it all of them.
method GetPlan(limit: ?int) -> {plan}

# Compares host and VPP now; answers when that is done.
method Audit() -> {state}

# Gives the uplinks back and holds them; answers when that is decided.
method Release() -> ()

# Clears holds.
method Resume() -> ()

# Keeps takeovers that are on trial; answers when that is on disk.
method Confirm() -> ()

# What was asked for cannot be done now.
error Refused (message: string)

# It was tried, and failed.
error Failed (message: string)

# Too many clients at once.
error Busy (message: string)
"""
_PLAIN = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}

Schema = Mapping[str, Any]


def descriptions() -> dict[str, str]:
    """Interface → its definition."""
    names = ("state", "history", "plan")
    state, history, plan = (json.loads((_SCHEMAS / f"{name}.json").read_text()) for name in names)
    types = "\n".join(_types(state["$defs"] | {"past_move": history["$defs"]["move"]} | plan["$defs"]))
    moves = {**history, "properties": {**history["properties"], "moves": {"type": "array", "items": _ref("past_move")}}}
    text = _HOSTLINK.format(types=types, state=_type(state), history=_type(moves), plan=_type(plan))
    return {INTROSPECTION: _SERVICE, "io.hostlink": text}


def introspection(handlers: Mapping[str, Handler], version: str) -> Mapping[str, Handler]:
    """Handlers of org.varlink.service for a daemon that has these."""
    interfaces = sorted({INTROSPECTION, *(name.rpartition(".")[0] for name in handlers)})

    async def get_info(_: Request) -> Mapping[str, object]:
        about = {"vendor": "hostlink", "product": "hostlink", "version": version, "url": ""}
        return {**about, "interfaces": interfaces}

    async def get_description(request: Request) -> Mapping[str, object]:
        wanted = request.parameters.get("interface")
        if not isinstance(wanted, str):
            raise CallError(varlink.INVALID_PARAMETER, {"parameter": "interface"})
        if wanted not in interfaces:
            raise CallError(varlink.INTERFACE_NOT_FOUND, {"interface": wanted[:200]})
        return {"description": descriptions()[wanted]}

    return {f"{INTROSPECTION}.GetInfo": get_info, f"{INTROSPECTION}.GetInterfaceDescription": get_description}


def _types(definitions: Schema) -> Iterator[str]:
    for name, schema in definitions.items():
        if _type(schema) not in _PLAIN.values():
            comment = f"# {schema['description']}\n" if "description" in schema else ""
            yield f"{comment}type {_named(name)} {_type(schema)}\n"


def _type(schema: Schema) -> str:
    if "anyOf" in schema:  # of one thing, or null
        (found,) = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return f"?{_type(found)}"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return "string" if name == "time" else _named(name)
    if "const" in schema or "enum" in schema:
        return _enum(schema.get("enum", [schema.get("const")]))
    kind = schema["type"]
    if isinstance(kind, list):
        return f"?{_PLAIN[kind[0]]}"
    if kind == "array":
        return f"[]{_type(schema['items'])}"
    if kind == "object":
        return f"({', '.join(f'{name}: {_type(one)}' for name, one in schema['properties'].items())})"
    return _PLAIN[kind]


def _enum(values: list[object]) -> str:
    return f"({', '.join(map(str, values))})" if all(isinstance(value, str) for value in values) else "int"


def _named(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
