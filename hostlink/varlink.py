"""The shape of the control protocol, without any I/O: server (hostlink/control.py) and client (hostlink/cli/) share it.

A message is a JSON object and a NUL, as Varlink has it (https://varlink.org/Method-Call): a call is
`{"method": "io.hostlink.GetState", "parameters": {}, "more": false}`, a reply `{"parameters": {}, "continues": false}`
or `{"error": "io.hostlink.Refused", "parameters": {}}`. Calls of a connection are answered in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

INTERFACE = "io.hostlink"
SOCKET_NAME = "control.sock"

GET_STATE = f"{INTERFACE}.GetState"
"""Answers with the state document, version 1 (hostlink/cli/state_text.py renders it)."""
SUBSCRIBE = f"{INTERFACE}.Subscribe"
"""With `more`: the state document now, and again after each change."""
RELEASE = f"{INTERFACE}.Release"
"""Gives the uplinks back, and answers when that is done."""
RESUME = f"{INTERFACE}.Resume"
"""Clears holds."""
AUDIT = f"{INTERFACE}.Audit"
"""Compares both sides now, and answers with the state document when that is done."""
CONFIRM = f"{INTERFACE}.Confirm"
"""Confirms the takeovers that are on trial, and answers when that is on disk."""
GET_HISTORY = f"{INTERFACE}.GetHistory"
"""Answers with the last moves of all uplinks, restarts included (hostlink/history.py)."""
GET_PLAN = f"{INTERFACE}.GetPlan"

REFUSED = f"{INTERFACE}.Refused"
"""Parameters: `message`. What was asked for cannot be done now."""
FAILED = f"{INTERFACE}.Failed"
"""Parameters: `message`. It was tried, and failed."""
BUSY = f"{INTERFACE}.Busy"
"""Parameters: `message`. Too many clients at once."""

INTERFACE_NOT_FOUND = "org.varlink.service.InterfaceNotFound"
PERMISSION_DENIED = "org.varlink.service.PermissionDenied"
METHOD_NOT_FOUND = "org.varlink.service.MethodNotFound"
INVALID_PARAMETER = "org.varlink.service.InvalidParameter"
EXPECTED_MORE = "org.varlink.service.ExpectedMore"

CALL_LIMIT_BYTES = 64 << 10
"""A call is a name and a few parameters; whoever sends more is not a client of ours."""
REPLY_LIMIT_BYTES = 64 << 20


class ProtocolError(Exception):
    """The other end does not speak the protocol; its connection is of no more use."""


class CallError(Exception):
    """A call answered by an error: `name` (`io.hostlink.Refused`) and its parameters."""

    def __init__(self, name: str, parameters: Mapping[str, object]) -> None:
        self.name, self.parameters = name, dict(parameters)
        super().__init__(str(parameters.get("message", name)))


# Written out, and no dataclasses as all else: their import, or typing's, takes as long as the rest of what a verb
# imports, and verbs start often.


class Call:
    __slots__ = ("method", "more", "oneway", "parameters")

    def __init__(
        self, method: str, parameters: Mapping[str, object] | None = None, more: bool = False, oneway: bool = False
    ) -> None:
        self.method, self.parameters, self.more, self.oneway = method, parameters or {}, more, oneway

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # typeshed has a method there


class Reply:
    __slots__ = ("continues", "parameters")

    def __init__(self, parameters: Mapping[str, object] | None = None, continues: bool = False) -> None:
        self.parameters, self.continues = parameters or {}, continues

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # typeshed has a method there


def pack_call(call: Call) -> bytes:
    """The bytes of a call, NUL included."""
    message: dict[str, object] = {"method": call.method, "parameters": dict(call.parameters)}
    flags = {"more": call.more, "oneway": call.oneway}
    return _pack(message | {name: True for name, is_set in flags.items() if is_set})


def pack_reply(reply: Reply) -> bytes:
    message: dict[str, object] = {"parameters": dict(reply.parameters)}
    return _pack(message | ({"continues": True} if reply.continues else {}))


def pack_error(error: CallError) -> bytes:
    return _pack({"error": error.name, "parameters": error.parameters})


def unpack_call(raw: bytes) -> Call:
    """A call from its bytes, NUL excluded. Raises ProtocolError."""
    message = _unpack(raw)
    method, parameters = message.get("method"), message.get("parameters", {})
    if not isinstance(method, str) or not isinstance(parameters, dict):
        raise ProtocolError("a call needs a method's name and an object of parameters")
    return Call(method, parameters, message.get("more") is True, message.get("oneway") is True)


def unpack_reply(raw: bytes) -> Reply:
    """A reply from its bytes, NUL excluded. Raises CallError when it is an error, ProtocolError when it is none."""
    message = _unpack(raw)
    error, parameters = message.get("error"), message.get("parameters", {})
    if not isinstance(parameters, dict) or not isinstance(error, str | None):
        raise ProtocolError("a reply needs an object of parameters")
    if error is not None:
        raise CallError(error, parameters)
    return Reply(parameters, message.get("continues") is True)


class Splitter:
    """Cuts a stream of bytes into messages; what is not complete yet waits, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        self._searched = 0

    @property
    def is_within_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> None:
        """Raises ProtocolError when more than the limit waits."""
        self._rest += data
        if len(self._rest) > self._limit_bytes:
            raise ProtocolError(f"more than {self._limit_bytes} bytes without the end of a message being taken")

    def next(self) -> bytes | None:
        """The next complete message, NUL excluded, or None."""
        end = self._rest.find(0, self._searched)
        if end < 0:
            self._searched = len(self._rest)
            return None
        message = bytes(self._rest[:end])
        del self._rest[: end + 1]
        self._searched = 0
        return message


def _pack(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\0"


def _unpack(raw: bytes) -> dict[str, object]:
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not a JSON object ended by NUL") from error
    if not isinstance(message, dict):
        raise ProtocolError("not a JSON object")
    return message
