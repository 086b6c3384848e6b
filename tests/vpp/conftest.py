"""A scripted peer that speaks VPP's framing on a Unix socket: for what no real VPP can be made to do on demand.

It packs by hand with struct, not with hostlink's codec, so that both sides cannot be wrong together. It defines a
handful of messages of its own; tests/vpp/test_real_vpp.py holds the same code against a real one.
"""

import json
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

HEADER = struct.Struct(">QII")
CREATE, CREATE_REPLY = 15, 16

REQUEST = [["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"]]
REPLY = [["u16", "_vl_msg_id"], ["u32", "context"]]


def definitions(*, extra_field: bool = False) -> str:
    """The API files of the peer; `extra_field` makes it another release, with a type that has grown."""
    port = [["u32", "sw_if_index"], *([["u32", "speed"]] if extra_field else []), ["string", "tag", 16]]
    crc = "0x000000b2" if extra_field else "0x000000b1"
    return json.dumps(
        [
            {
                "types": [["port", *port]],
                "messages": [
                    ["set_flags", *REQUEST, ["u32", "sw_if_index"], ["bool", "up"], {"crc": "0x000000a1"}],
                    ["set_flags_reply", *REPLY, ["i32", "retval"], {"crc": "0x000000a2"}],
                    ["get_index", *REQUEST, ["vl_api_port_t", "port"], {"crc": crc}],
                    ["get_index_reply", *REPLY, ["i32", "retval"], ["u32", "sw_if_index"], {"crc": "0x000000a3"}],
                    ["port_dump", *REQUEST, {"crc": "0x000000a4"}],
                    ["port_details", *REPLY, ["vl_api_port_t", "port"], {"crc": crc}],
                    ["port_event", *REQUEST[:2], ["u32", "pid"], ["u32", "sw_if_index"], {"crc": "0x000000a5"}],
                ],
                "services": {
                    "set_flags": {"reply": "set_flags_reply"},
                    "get_index": {"reply": "get_index_reply"},
                    "port_dump": {"reply": "port_details", "stream": True},
                },
            }
        ]
    )


BUNDLED_CRCS = {
    "sockclnt_create": "455fb9c4",
    "sockclnt_create_reply": "35166268",
    "sockclnt_delete": "8ac76db6",
    "sockclnt_delete_reply": "8f38b1ee",
    "get_api_json": "51077d14",
    "get_api_json_reply": "ea715b59",
    "control_ping": "51077d14",
    "control_ping_reply": "f6b0b8ca",
}


@dataclass(frozen=True)
class Got:
    """A request as the peer read it; `body` is what follows id, client_index and context."""

    name: str
    client_index: int
    context: int
    body: bytes


@dataclass
class Peer:
    """Answers every request at once with a reply of zeros, but for those with a handler in `on`."""

    path: Path
    api_json: str = field(default_factory=definitions)
    on: dict[str, Callable[[Got], Awaitable[None]]] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    client_index: int = 0x80000007
    create_response: int = 0
    hidden: set[str] = field(default_factory=set)
    _stream: trio.SocketStream | None = None
    _got_more: trio.Event = field(default_factory=trio.Event)

    @property
    def table(self) -> dict[str, int]:
        """`name_crc` → id."""
        crcs = dict(BUNDLED_CRCS)
        with suppress(ValueError, TypeError, LookupError, RecursionError):  # some tests send nonsense
            messages = [message for api in json.loads(self.api_json) for message in api["messages"]]
            crcs |= {message[0]: message[-1]["crc"][2:] for message in messages}
        ids = {"sockclnt_create": CREATE, "sockclnt_create_reply": CREATE_REPLY}
        return {
            f"{name}_{crc}": ids.get(name, 100 + number)
            for number, (name, crc) in enumerate(crcs.items())
            if name not in self.hidden
        }

    def id_of(self, name: str) -> int:
        return next(number for key, number in self.table.items() if key.rpartition("_")[0] == name)

    def message(self, name: str, context: int, body: bytes = b"") -> bytes:
        """A reply or details, framed."""
        return self.frame(struct.pack(">HI", self.id_of(name), context) + body)

    def event(self, sw_if_index: int) -> bytes:
        return self.frame(struct.pack(">HIII", self.id_of("port_event"), 1, 1, sw_if_index))

    def reply(self, request: Got, retval: int = 0, more: bytes = b"") -> bytes:
        return self.message(f"{request.name}_reply", request.context, struct.pack(">i", retval) + more)

    @staticmethod
    def frame(message: bytes) -> bytes:
        return HEADER.pack(0, len(message), 0) + message

    async def send(self, *frames: bytes) -> None:
        assert self._stream is not None
        await self._stream.send_all(b"".join(frames))

    async def hang_up(self) -> None:
        assert self._stream is not None
        await self._stream.aclose()

    async def wait_got(self, count: int, name: str) -> list[Got]:
        """Wait until so many requests of that name have come; returns them."""
        while len(found := [request for request in self.got if request.name == name]) < count:
            self._got_more = trio.Event()
            await self._got_more.wait()
        return found

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        with listener:
            await listener.bind(str(self.path))
            listener.listen()
            task_status.started()
            while True:
                accepted, _address = await listener.accept()
                self._stream = trio.SocketStream(accepted)
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # hanging up is what tests do
                    await self._converse(self._stream)

    async def _converse(self, stream: trio.SocketStream) -> None:
        names = {number: key.rpartition("_")[0] for key, number in self.table.items()}
        names[CREATE] = "sockclnt_create"
        held = b""
        while data := await stream.receive_some(65536):
            held += data
            while len(held) >= 16 and len(held) >= 16 + (length := HEADER.unpack_from(held)[1]):
                message, held = held[16 : 16 + length], held[16 + length :]
                await self._handle(names[struct.unpack_from(">H", message)[0]], message)

    async def _handle(self, name: str, message: bytes) -> None:
        if name == "sockclnt_create":
            request = Got(name, 0, *struct.unpack_from(">I", message, 2), message[6:])
        else:
            request = Got(name, *struct.unpack_from(">II", message, 2), message[10:])
        self.got.append(request)
        await self.on.get(name, self._default)(request)
        self._got_more.set()

    async def _default(self, request: Got) -> None:
        if request.name == "sockclnt_create":
            await self.send(self._created(request))
        elif request.name == "get_api_json":
            text = self.api_json.encode()
            await self.send(self.reply(request, 0, struct.pack(">I", len(text)) + text))
        elif request.name == "get_index":
            await self.send(self.reply(request, 0, request.body[:4]))
        elif request.name == "control_ping":
            await self.send(self.reply(request, 0, bytes(8)))
        elif not request.name.endswith("_dump"):
            await self.send(self.reply(request))

    def _created(self, request: Got) -> bytes:
        entries = b"".join(struct.pack(">H64s", number, key.encode()) for key, number in self.table.items())
        fields = (CREATE_REPLY, 0, request.context, self.create_response, self.client_index, len(self.table))
        return self.frame(struct.pack(">HIIiIH", *fields) + entries)


@pytest.fixture
async def peer(tmp_path, nursery):
    """A running peer; its socket is `peer.path`."""
    running = Peer(tmp_path / "api.sock")
    await nursery.start(running.serve)
    return running


@pytest.fixture
def make_peer(tmp_path, nursery):
    """Starts further peers: `await make_peer("name", api_json=…)`."""

    async def make(name: str, **settings) -> Peer:
        running = Peer(tmp_path / name, **settings)
        await nursery.start(running.serve)
        return running

    return make


@pytest.fixture
def definitions_of():
    """The peer's API definitions as JSON; `extra_field=True` gives another release's."""
    return definitions
