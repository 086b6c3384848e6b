"""The binary API over a stream: framing, clients, message numbers, replies. No socket here: bytes in, bytes out.

A frame is a 16-byte header (u64 unused, u32 length, u32 unused, big-endian) and the message. Requests are carried out
in the order they come, as many as there are. The reply goes to the client whose index the request carries, whoever
sent it: with index 0 nobody gets it, and the request was carried out all the same.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hostlink.lab.standin import (  # noqa: F401  (importing them registers their handlers)
    api_classify,
    api_core,
    api_devices,
    api_interface,
    api_ip,
    api_neighbour,
    api_punt,
    api_reassembly,
)
from hostlink.lab.standin.api_interface import ADMIN_UP, LINK_UP
from hostlink.lab.standin.codec import Codec, CodecError, Values
from hostlink.lab.standin.definitions import MessageDef, api
from hostlink.lab.standin.faults import Fault, Faults
from hostlink.lab.standin.lies import LIES
from hostlink.lab.standin.registry import HANDLERS, Vpp
from hostlink.lab.standin.retvals import Refused
from hostlink.lab.standin.state import InterfaceEvent

HEADER = struct.Struct(">QII")
SOCKCLNT_CREATE = 15
"""Fixed: a client sends it before it has seen the table. Its reply is the next number."""
FIRST_OTHER = 100
SOCKET_CLIENT = 1 << 31
"""Set in the index of every client that came by socket."""


class Connection:
    """One client's stream. `send` takes bytes for it; `gone` is asked for by sockclnt_delete."""

    def __init__(self, send: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self.send = send
        self.gone = gone
        self.index = 0
        self.received = bytearray()
        self.endless = b""
        """What is sent again and again from now on (faults.py)."""
        self._late: list[bytes] = []

    def answer(self, frames: list[bytes], fault: str) -> None:
        """Send them, or what that fault makes of them."""
        late, self._late = self._late, frames if fault == "late" else []
        if fault == "endless" and frames:
            self.endless = frames[0]
        told = LIES[fault](frames) if fault in LIES and frames else frames
        self.send(b"".join([*([] if fault == "late" else told), *late]))


class ApiServer:
    def __init__(self, vpp: Vpp, faults: Faults) -> None:
        self._vpp = vpp
        self._faults = faults
        self._codec = Codec(api())
        self._numbers = _numbered(faults.without)
        self._by_number = {number: api().messages[name] for name, number in self._numbers.items()}
        self._clients: dict[int, Connection] = {}

    def receive(self, connection: Connection, data: bytes) -> None:
        """Carries out every whole message in what has come."""
        buffer = connection.received
        buffer += data
        offset = 0
        while len(buffer) - offset >= HEADER.size:
            _, size, _ = HEADER.unpack_from(buffer, offset)
            end = offset + HEADER.size + size
            if len(buffer) < end:
                break
            self._request(connection, bytes(buffer[offset + HEADER.size : end]))
            offset = end
        del buffer[:offset]
        self._tell_interface_events()

    def disconnect(self, connection: Connection) -> None:
        self._clients.pop(connection.index, None)
        self._vpp.event_clients.pop(connection.index, None)

    def _request(self, connection: Connection, data: bytes) -> None:
        message = self._by_number.get(int.from_bytes(data[:2]))
        if message is None or message.reply is None:
            return
        try:
            request = self._codec.unpack(message, data)
        except CodecError:
            self._vpp.state.error("api", f"{message.name}: too short")
            return
        fault = self._faults.next(message.name)
        if message.name == "sockclnt_create":
            self._create(connection, request, fault)
        elif message.name == "sockclnt_delete":
            self._delete(request)
        else:
            self._answer(message, request, fault)

    def _create(self, connection: Connection, request: Values, fault: Fault | None) -> None:
        if fault is not None and fault.action == "drop":
            return
        connection.index = SOCKET_CLIENT | next(n for n in range(1, 1 << 20) if SOCKET_CLIENT | n not in self._clients)
        self._clients[connection.index] = connection
        messages = api().messages
        table = [{"index": number, "name": messages[name].key} for name, number in self._numbers.items()]
        reply = {"context": request["context"], "index": connection.index, "count": len(table), "message_table": table}
        reply["response"] = fault.retval if fault else 0
        self._send(connection, "sockclnt_create_reply", reply)

    def _delete(self, request: Values) -> None:
        asking = self._clients.get(request["client_index"])
        if asking is None:
            return
        deleted = self._clients.get(request["index"])
        response = 1 if deleted else -1
        self._send(asking, "sockclnt_delete_reply", {"context": request["context"], "response": response})
        if deleted is not None:
            self.disconnect(deleted)
            deleted.gone()

    def _answer(self, message: MessageDef, request: Values, fault: Fault | None) -> None:
        if fault is not None and fault.action == "drop":
            return
        carried_out = fault is None or fault.is_carried_out
        replies = self._carry_out(message, request) if carried_out else _refusal(message, fault)
        for pid in self._vpp.event_clients.values() if fault is not None and fault.action == "kill" else ():
            os.kill(pid, signal.SIGKILL)
        client = self._clients.get(request["client_index"])
        if client is None or message.reply is None:
            return
        frames = [self._frame(message.reply, {**reply, "context": request["context"]}) for reply in replies]
        client.answer(frames, fault.action if fault is not None else "")

    def _carry_out(self, message: MessageDef, request: Values) -> Sequence[Mapping[str, Any]]:
        try:
            reply = HANDLERS[message.name](self._vpp, request)
        except Refused as refusal:
            return [{"retval": refusal.retval, **refusal.fields}]
        if reply is None:
            return []
        return [reply] if isinstance(reply, dict) else reply

    def _send(self, connection: Connection, name: str, values: Mapping[str, Any]) -> None:
        connection.send(self._frame(name, values))

    def _frame(self, name: str, values: Mapping[str, Any]) -> bytes:
        body = self._codec.pack(name, {**values, "_vl_msg_id": self._numbers.get(name, 0)})
        return HEADER.pack(0, len(body), 0) + body

    def _tell_interface_events(self) -> None:
        """One for each interface, as VPP batches them: `added`, `down` and `deleted` all have flags 0."""
        events, self._vpp.state.interface_events = self._vpp.state.interface_events, {}
        for sw_if_index, happened in sorted(events.items()):
            up = (ADMIN_UP if InterfaceEvent.ADMIN_UP in happened else 0) | (
                LINK_UP if InterfaceEvent.LINK_UP in happened else 0
            )
            event = {"sw_if_index": sw_if_index, "flags": up, "deleted": InterfaceEvent.DELETED in happened}
            for index, pid in self._vpp.event_clients.items():
                self._send(self._clients[index], "sw_interface_event", {**event, "client_index": index, "pid": pid})


def _numbered(without: frozenset[str]) -> dict[str, int]:
    """Message numbers by name, without those that are left out."""
    names = [name for name in api().messages if name not in without]
    numbers = {"sockclnt_create": SOCKCLNT_CREATE, "sockclnt_create_reply": SOCKCLNT_CREATE + 1}
    for number, name in enumerate((n for n in names if n not in numbers), FIRST_OTHER):
        numbers[name] = number
    return numbers


def _refusal(message: MessageDef, fault: Fault | None) -> list[Mapping[str, Any]]:
    """A dump has no retval: what VPP cannot dump is just not there."""
    is_dump = message.reply is not None and message.reply.endswith("_details")
    return [] if is_dump or fault is None else [{"retval": fault.retval}]
