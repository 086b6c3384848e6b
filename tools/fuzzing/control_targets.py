"""A client of the control socket that speaks anything: answered or disconnected, and the next one is served."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import trio

from hostlink import varlink
from hostlink.control import Request, serve_control
from hostlink.varlink import Call
from tools.fuzzing.engine import Target, mutated

_PATIENCE_S = 30.0
_KNOWN = varlink.pack_call(Call(varlink.GET_STATE))


async def _get_state(request: Request) -> Mapping[str, object]:
    return {"asked": dict(request.parameters)}


async def _subscribe(request: Request) -> Mapping[str, object]:
    request.require_more()
    await request.send({"n": 1})
    await request.send({"n": 2})
    return {"n": 3}


_HANDLERS = {varlink.GET_STATE: _get_state, varlink.SUBSCRIBE: _subscribe}


def _check(data: bytes) -> None:
    trio.run(_talk, data)


async def _talk(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / varlink.SOCKET_NAME
        with trio.fail_after(_PATIENCE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(serve_control, path, _HANDLERS)
                await _ask(path, data)
                answer = await _ask(path, _KNOWN)
                assert varlink.unpack_reply(answer.rstrip(b"\0")) == varlink.Reply({"asked": {}})
                nursery.cancel_scope.cancel()


async def _ask(path: Path, data: bytes) -> bytes:
    """All that comes back. What is said is read, whatever it is."""
    said = b""
    async with await trio.open_unix_socket(os.fspath(path)) as stream:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(data)
            await stream.send_eof()
            while part := await stream.receive_some():
                said += part
    assert not said or said.endswith(b"\0")
    return said


def _calls() -> Sequence[bytes]:
    asks = [
        Call(varlink.GET_STATE, {"uplink": "eth0"}),
        Call(varlink.SUBSCRIBE, more=True),
        Call("io.hostlink.Explode"),
    ]
    packed = [varlink.pack_call(call) for call in asks]
    return [*packed, b"".join(packed), varlink.pack_call(Call(varlink.GET_STATE, oneway=True)) + packed[0]]


TARGETS = (Target("control", _check, mutated(_calls)),)
