"""The control socket, through a real Unix socket: what clients get, and what hostile ones cannot do."""

from __future__ import annotations

import json
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trio.testing

from hostlink import control, varlink
from hostlink.control import Handler, Request, serve_control
from hostlink.listening import SocketTakenError
from hostlink.varlink import Call, CallError


async def get_state(request: Request) -> Mapping[str, object]:
    return {"version": 1, "asked": dict(request.parameters)}


async def refuse(_: Request) -> Mapping[str, object]:
    raise CallError(varlink.REFUSED, {"message": "nothing is held"})


class Counter:
    """A Subscribe that sends when told to, and says when its client has gone."""

    def __init__(self) -> None:
        self.started, self.cancelled = trio.Event(), trio.Event()

    async def __call__(self, request: Request) -> Mapping[str, object]:
        request.require_more()
        try:
            self.started.set()
            await request.send({"n": 1})
            await trio.sleep_forever()
        finally:
            self.cancelled.set()
        raise AssertionError


@asynccontextmanager
async def serving(path: Path, gid: int | None = None, **methods: Handler) -> AsyncIterator[None]:
    handlers = {f"io.hostlink.{name}": handler for name, handler in methods.items()}
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: serve_control(path, handlers, gid, task_status=task_status))
        yield
        nursery.cancel_scope.cancel()


async def ask(path: Path, raw: bytes, *, count: int = 1) -> list[dict[str, object]]:
    async with await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(raw)
        return await replies(stream, count)


async def replies(stream: trio.SocketStream, count: int) -> list[dict[str, object]]:
    splitter, found = varlink.Splitter(varlink.REPLY_LIMIT_BYTES), []
    with trio.fail_after(10):
        while len(found) < count:
            while (message := splitter.next()) is not None:
                found.append(json.loads(message))
            if len(found) < count:
                data = await stream.receive_some()
                assert data, f"disconnected after {found}"
                splitter.feed(bytes(data))
    return found


async def is_disconnected(stream: trio.SocketStream) -> bool:
    with trio.fail_after(10):
        try:
            return await stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True


async def test_a_call_is_answered_with_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        raw = varlink.pack_call(Call(varlink.GET_STATE, {"uplink": "eth0"}))
        assert await ask(path, raw) == [{"parameters": {"version": 1, "asked": {"uplink": "eth0"}}}]


async def test_only_its_owner_and_group_may_connect_and_the_file_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    async with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711
    assert not path.exists()


async def test_calls_sent_ahead_are_answered_in_order(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state, Resume=refuse):
        raw = b"".join(
            varlink.pack_call(Call(method)) for method in (varlink.GET_STATE, varlink.RESUME, varlink.GET_STATE)
        )
        first, second, third = await ask(path, raw, count=3)
    assert first == third == {"parameters": {"version": 1, "asked": {}}}
    assert second == {"error": "io.hostlink.Refused", "parameters": {"message": "nothing is held"}}


async def test_an_unknown_method_is_named_and_the_connection_lives(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        raw = varlink.pack_call(Call("io.hostlink.Explode")) + varlink.pack_call(Call(varlink.GET_STATE))
        error, answer = await ask(path, raw, count=2)
    assert error == {"error": varlink.METHOD_NOT_FOUND, "parameters": {"method": "io.hostlink.Explode"}}
    assert "parameters" in answer


async def test_a_oneway_call_gets_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state, Resume=refuse):
        raw = varlink.pack_call(Call(varlink.RESUME, oneway=True)) + varlink.pack_call(Call(varlink.GET_STATE))
        assert "error" not in (await ask(path, raw))[0]


async def test_subscribe_goes_on_until_the_client_leaves(tmp_path: Path) -> None:
    path, counter = tmp_path / "control.sock", Counter()
    async with serving(path, Subscribe=counter):
        async with await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(varlink.pack_call(Call(varlink.SUBSCRIBE, more=True)))
            assert await replies(stream, 1) == [{"parameters": {"n": 1}, "continues": True}]
        with trio.fail_after(5):
            await counter.cancelled.wait()


async def test_subscribe_without_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, Subscribe=Counter()):
        assert await ask(path, varlink.pack_call(Call(varlink.SUBSCRIBE))) == [
            {"error": varlink.EXPECTED_MORE, "parameters": {}}
        ]


async def test_a_client_that_closes_its_sending_half_still_gets_its_answer(tmp_path: Path) -> None:
    """`printf … | socat - UNIX-CONNECT:…` does that."""
    path, release = tmp_path / "control.sock", trio.Event()

    async def slow(_: Request) -> Mapping[str, object]:
        await release.wait()
        return {"done": True}

    async with serving(path, Release=slow), await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(varlink.pack_call(Call(varlink.RELEASE)))
        await stream.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        release.set()
        assert await replies(stream, 1) == [{"parameters": {"done": True}}]
        assert await is_disconnected(stream)


@pytest.mark.parametrize(
    "raw",
    [
        b"not json\0",
        b"[1]\0",
        b'{"parameters":{}}\0',
        b'{"method":1}\0',
        b'{"method":"a","parameters":[]}\0',
        b"[" * 50_000 + b"\0",
        b"\xff\xfe\0",
        b"x" * (varlink.CALL_LIMIT_BYTES + 1),
    ],
)
async def test_who_does_not_speak_the_protocol_is_disconnected_and_others_are_served(
    tmp_path: Path, raw: bytes
) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        async with await trio.open_unix_socket(str(path)) as hostile:
            await hostile.send_all(raw)
            assert await is_disconnected(hostile)
        assert await ask(path, varlink.pack_call(Call(varlink.GET_STATE)))


async def test_a_call_that_never_ends_is_cut_off(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.02  # the socket's bytes are real, and take real time
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state), await trio.open_unix_socket(str(path)) as slow:
        started_s = trio.current_time()
        await slow.send_all(b'{"method":')
        with trio.move_on_after(control.IDLE_S * 2):
            assert await is_disconnected_unhurried(slow)
        assert trio.current_time() - started_s <= control.CALL_S + 1


async def is_disconnected_unhurried(stream: trio.SocketStream) -> bool:
    return await stream.receive_some() == b""


async def test_a_client_that_reads_nothing_is_dropped_and_only_that_one(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.02
    path, dropped = tmp_path / "control.sock", trio.Event()

    async def flood(request: Request) -> Mapping[str, object]:
        try:
            while True:
                await request.send({"much": "x" * 100_000})
        finally:
            dropped.set()

    async with serving(path, Subscribe=flood, GetState=get_state), await trio.open_unix_socket(str(path)) as deaf:
        await deaf.send_all(varlink.pack_call(Call(varlink.SUBSCRIBE, more=True)))
        with trio.fail_after(control.SEND_S * 3):
            await dropped.wait()
        assert await ask(path, varlink.pack_call(Call(varlink.GET_STATE)))


async def test_too_many_clients_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        crowd = [await trio.open_unix_socket(str(path)) for _ in range(control.CLIENT_LIMIT)]
        for stream in crowd:  # each has been served, so each holds its place
            await stream.send_all(varlink.pack_call(Call(varlink.GET_STATE)))
            await replies(stream, 1)
        async with await trio.open_unix_socket(str(path)) as late:
            (answer,) = await replies(late, 1)
            assert answer["error"] == varlink.BUSY
        await crowd.pop().aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert "parameters" in (await ask(path, varlink.pack_call(Call(varlink.GET_STATE))))[0]
        for stream in crowd:
            await stream.aclose()


async def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(path, GetState=get_state):
        assert await ask(path, varlink.pack_call(Call(varlink.GET_STATE)))


async def test_the_socket_of_a_living_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        with trio.fail_after(5), pytest.raises(SocketTakenError, match="somebody answers on"):
            await serve_control(path, {})
        assert await ask(path, varlink.pack_call(Call(varlink.GET_STATE)))


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("somebody's notes")
    with pytest.raises(SocketTakenError, match="no socket"):
        await serve_control(path, {})
    assert path.read_text() == "somebody's notes"


async def test_a_bug_in_a_handler_comes_out(tmp_path: Path) -> None:
    async def buggy(_: Request) -> Mapping[str, object]:
        return {}["absent"]

    path = tmp_path / "control.sock"
    with pytest.RaisesGroup(KeyError, allow_unwrapped=True, flatten_subgroups=True):
        async with serving(path, GetState=buggy), await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(varlink.pack_call(Call(varlink.GET_STATE)))
            await trio.sleep_forever()


NOBODY = 65534
_ASKING = """
import socket, sys
calling = socket.socket(socket.AF_UNIX)
calling.connect(sys.argv[1])
calling.sendall(b'{"method": "io.hostlink.%s"}\\0' % sys.argv[2].encode())
print(calling.recv(4096).decode().rstrip("\\0"))
"""


async def as_nobody(path: Path, method: str, group: int) -> str:
    """What a client of uid NOBODY in that group is answered; its error, where it may not even connect."""
    asking = [sys.executable, "-c", _ASKING, str(path), method]
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups", *asking]
    done = await trio.run_process(argv, capture_stdout=True, capture_stderr=True, check=False)
    return (done.stdout or done.stderr.splitlines()[-1]).decode().strip()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that everybody may go through, as /run is."""
    with TemporaryDirectory(prefix="hl-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def test_a_group_may_look_and_only_root_may_change(open_folder: Path) -> None:
    async def release(request: Request) -> Mapping[str, object]:
        request.require_root()
        return {}

    path, group = open_folder / "run" / "control.sock", 54321
    async with serving(path, gid=group, GetState=get_state, Release=release):
        assert json.loads(await as_nobody(path, "GetState", group)) == {"parameters": {"version": 1, "asked": {}}}
        refused = json.loads(await as_nobody(path, "Release", group))
        assert refused["error"] == varlink.PERMISSION_DENIED
        assert f"uid {NOBODY}: try as root" in refused["parameters"]["message"]
        assert "PermissionError" in await as_nobody(path, "GetState", group + 1)
        assert await ask(path, varlink.pack_call(Call("io.hostlink.Release"))) == [{"parameters": {}}]


async def test_an_interface_that_is_not_there_and_a_method_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with serving(path, GetState=get_state):
        calls = [varlink.pack_call(Call(method)) for method in ("io.hostlink.Get", "io.systemd.GetState")]
        method, interface = await ask(path, b"".join(calls), count=2)
    assert method == {"error": varlink.METHOD_NOT_FOUND, "parameters": {"method": "io.hostlink.Get"}}
    assert interface == {"error": varlink.INTERFACE_NOT_FOUND, "parameters": {"interface": "io.systemd"}}
