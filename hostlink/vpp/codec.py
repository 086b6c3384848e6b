"""API definitions of one VPP, and messages to bytes and back with them.

VPP sends its definitions itself (get_api_json), so nothing about a release is kept on the node. vpp_papi's packers do
the work, in a copy of their own for each set of definitions (papi.py); the codecs last used are
kept, keyed by the definitions' hash, so that reconnecting to the same VPP costs no parsing.

vpp_papi packs what it knows and ignores what it does not: a mistyped field becomes a zero in VPP. So every field name,
nested ones too, is checked here first.
"""

from __future__ import annotations

import enum
import hashlib
import importlib.resources
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostlink.vpp.errors import SENSELESS, VppBadRequest, VppProtocolError
from hostlink.vpp.papi import private_copy

Message = Any
"""A decoded message: a named tuple of vpp_papi with the fields of the API file, such as `reply.retval`."""

_HEADER_FIELDS = frozenset({"_vl_msg_id", "client_index", "context"})


class Kind(enum.Enum):
    """How VPP answers a request."""

    NOTHING = "nothing"
    REPLY = "one reply"
    DUMP = "a dump"
    CURSOR = "a stream with a cursor"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: its kind, and the name of the reply or of the details."""

    kind: Kind
    message: str


class Definitions(Mapping[str, Any]):
    """Name → vpp_papi's definition of a message, made when it is first asked for, and kept as JSON until then.

    A VPP has a thousand messages, of which hostlink uses a tenth; made all at once they take 7 MB more, and half of the
    time of a first connection (measured, 26.06). Types are few, and needed by each other: they are made at once.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._texts: dict[str, str] = {}
        self._made: dict[str, Any] = {}

    def learn(self, files: list[dict[str, Any]], messages: Iterable[list[Any]]) -> Mapping[str, Any]:
        """API files without their messages, and these. What is known of a name stays. Returns the services."""
        _, services = self._loader.process_json_array_str(json.dumps(files))
        self._texts = {**{message[0]: json.dumps(message) for message in messages}, **self._texts}
        return dict(services)

    def made(self) -> Collection[Any]:
        """Those that were asked for until now."""
        return self._made.values()

    def __getitem__(self, name: str) -> Any:
        """KeyError: there is none. VppProtocolError: nothing can be made of what VPP sent."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name, self._texts[name])
        return made

    def _make(self, name: str, text: str) -> Any:
        try:
            messages, _ = self._loader.process_json_array_str(f'[{{"messages": [{text}]}}]')
            return messages[name]
        except SENSELESS as fault:
            raise VppProtocolError(f"VPP's API definition of {name} cannot be used: {fault!r}") from fault

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class Codec:
    """Packs and unpacks the messages of one set of definitions. Build it by `codec_for` or `bootstrap_codec`."""

    def __init__(self, definitions_json: str) -> None:
        """definitions_json: a JSON array of API files, as get_api_json answers. VppProtocolError: not usable."""
        loader, self._serializer = private_copy()
        self.messages = Definitions(loader)
        """Name → vpp_papi's definition."""
        self.crcs: dict[str, str] = {}
        """Name → CRC, eight hexadecimal digits."""
        self.answers: dict[str, Answer] = {}
        """Request → how it is answered."""
        try:
            self._learn(json.loads(definitions_json))
        except SENSELESS as fault:
            raise VppProtocolError(f"the API definitions that VPP sent cannot be used: {fault!r}") from fault
        # A VPP's own definitions leave out memclnt.api, control_ping with it. Last, because the first of a name wins.
        self._learn([json.loads(_bundled_definitions())])
        self._offsets: dict[tuple[str, str], int | None] = {}

    def _learn(self, files: list[dict[str, Any]]) -> None:
        messages = {message[0]: message for file in files for message in file.pop("messages", ())}
        services = self.messages.learn(files, messages.values())
        self.crcs = {**{name: _crc(message) for name, message in messages.items()}, **self.crcs}
        self.answers = {**{name: _answer(service) for name, service in services.items()}, **self.answers}

    def pack(self, name: str, fields: Mapping[str, Any], *, message_id: int, client_index: int, context: int) -> bytes:
        """One message without its frame header. VppBadRequest names the field that is wrong."""
        definition = self.messages[name]
        if clash := _HEADER_FIELDS & fields.keys():
            raise VppBadRequest(f"{name}: the session sets {', '.join(sorted(clash))} itself")
        _check_fields(definition, fields, name)
        header = {"_vl_msg_id": message_id, "client_index": client_index, "context": context}
        try:
            return bytes(definition.pack({**fields, **header}))
        except SENSELESS as fault:
            raise VppBadRequest(f"{name} cannot be packed from {dict(fields)!r}: {_cause(fault)}") from fault

    def unpack(self, name: str, data: bytes) -> Message:
        """Decode a message of kind `name`. VppProtocolError when it does not fit its definition."""
        try:
            message, _size = self.messages[name].unpack(data)
        except SENSELESS as fault:
            self._forget_half_done_work()
            raise VppProtocolError(f"a {name} of {len(data)} bytes does not fit its definition: {fault}") from fault
        return message

    def offset_of(self, name: str, field: str) -> int | None:
        """Where a top-level field starts, by vpp_papi's packers; None: absent, or behind a variable part."""
        key = (name, field)
        if key not in self._offsets:
            self._offsets[key] = self._find_offset(name, field)
        return self._offsets[key]

    def _find_offset(self, name: str, field: str) -> int | None:
        definition = self.messages[name]
        if field not in definition.fields:
            return None
        before = definition.packers[: definition.fields.index(field)]
        if any(self._is_variable(packer) for packer in before):
            return None
        return sum(int(packer.size) for packer in before)

    def _is_variable(self, packer: Any) -> bool:
        lists = (self._serializer.VLAList, self._serializer.VLAList_legacy)
        if isinstance(packer, lists) or not _attribute(packer, "fixed", True):
            return True
        return any(map(self._is_variable, _members(packer).values()))

    def _forget_half_done_work(self) -> None:
        """vpp_papi marks a type while it converts it and does not unmark it when unpacking fails half-way."""
        for packer in (*self._serializer.types.values(), *self.messages.made()):
            if _attribute(packer, "toplevelconversion"):
                packer.toplevelconversion = False


_codecs: dict[bytes, Codec] = {}
_MOST_CODECS = 4
"""The bootstrap messages, the VPP of now, the one before an upgrade, and one to spare; the oldest goes first."""


def codec_for(definitions_json: str) -> Codec:
    """The codec of these definitions: the kept one, or a new one with a type registry of its own."""
    key = hashlib.sha256(definitions_json.encode("utf-8", "surrogateescape")).digest()
    codec = _codecs.pop(key, None) or Codec(definitions_json)
    _codecs[key] = codec
    while len(_codecs) > _MOST_CODECS:
        del _codecs[next(iter(_codecs))]
    return codec


def bootstrap_codec() -> Codec:
    """The few messages that vpp_papi ships (memclnt.api), enough to ask a VPP for all others."""
    return codec_for("[]")


def _crc(message: list[Any]) -> str:
    """Of a message as an API file has it: the CRC stands in an object behind its name and fields."""
    (crc,) = (part["crc"] for part in message if isinstance(part, dict) and "crc" in part)
    return str(crc).removeprefix("0x")


def _answer(service: Mapping[str, Any]) -> Answer:
    """One entry of `services` in an API file: {"reply": …}, with "stream" for a dump, "stream_msg" for a cursor."""
    reply = str(service["reply"])
    if reply == "null":
        return Answer(Kind.NOTHING, "")
    if "stream_msg" in service:
        return Answer(Kind.CURSOR, reply)
    return Answer(Kind.DUMP if service.get("stream") else Kind.REPLY, reply)


def _bundled_definitions() -> str:
    return importlib.resources.files("vpp_papi.data").joinpath("memclnt.api.json").read_text()


def _check_fields(packer: Any, value: Any, where: str) -> None:
    """Refuse field names that the definition has not, at any depth."""
    if isinstance(value, Mapping):
        known = _members(packer)
        for name, inner in value.items():
            if name not in known:
                raise VppBadRequest(f"{where} has no field {name!r}; it has {', '.join(known) or 'no fields'}")
            _check_fields(known[name], inner, f"{where}.{name}")
    elif isinstance(value, list | tuple) and (element := _attribute(packer, "packer")) is not None:
        for inner in value:
            _check_fields(element, inner, where)


def _members(packer: Any) -> dict[str, Any]:
    """Field name → packer of a struct or union, looking through aliases."""
    while (packers := _attribute(packer, "packers")) is None:
        packer = _attribute(packer, "packer")
        if packer is None:
            return {}
    if isinstance(packers, Mapping):
        return dict(packers)
    return dict(zip(packer.fields, packers, strict=True))


def _attribute(packer: Any, name: str, default: Any = None) -> Any:
    """The packer's own attribute. Not by getattr, which the packer of an enum answers with a KeyError."""
    return getattr(packer, "__dict__", {}).get(name, default)


def _cause(fault: BaseException) -> str:
    """The innermost reason: vpp_papi wraps once per nesting level."""
    while fault.__cause__ is not None:
        fault = fault.__cause__
    return f"{fault!r}"
