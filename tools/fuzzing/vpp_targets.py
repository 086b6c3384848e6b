"""A VPP that answers wrongly: VppError, or values of their types; the session ends or goes on, and nobody waits on.

`vpp-session` is the whole client against the stand-in, whose answers are damaged on their way: what a takeover asks and
does is asked and done. Time is virtual, so a deadline costs nothing.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from random import Random

import trio
import trio.testing

from hostlink.core import operations as op
from hostlink.core.alike import PackedRoutes, place_of
from hostlink.core.model import Family, VppPath, VppPort, VppRoute, VppUplink
from hostlink.core.plan import plan_uplink
from hostlink.encode import decode, encode
from hostlink.lab.standin import codec as standin
from hostlink.lab.standin.apijson import definitions_json
from hostlink.lab.standin.apiserver import ApiServer, Connection
from hostlink.lab.standin.bench import NamedDevices
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.faults import Faults
from hostlink.lab.standin.registry import Vpp
from hostlink.lab.standin.state import State
from hostlink.vpp.claims import read_claims
from hostlink.vpp.codec import Codec, codec_for
from hostlink.vpp.contract import CONTRACT, check_contract
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.drivers import DRIVERS
from hostlink.vpp.errors import VppError
from hostlink.vpp.frames import HEADER, LONGEST_FRAME_BYTES, FrameSplitter, frame
from hostlink.vpp.route_packer import DETAILS, RouteReader
from hostlink.vpp.session import Session, open_session
from hostlink.vpp.tags import host_tag, uplink_tag
from tools.fuzzing.engine import Hang, Target, mutated

_IDLE_S = 0.02
"""Nothing happens for so long: the virtual time goes on. (The session decodes definitions in a thread.)"""
_MACHINE_S = 40.0
"""Virtual: some step's deadline, which ends a dump that trickles on."""
_TRICKLE_S = 4.0
"""Virtual: sooner than the session's own deadline."""
_PATIENCE_S = 30.0
"""Real: whoever waits longer waits for ever."""


@functools.cache
def _definitions() -> str:
    return definitions_json(api())


# ------------------------------------------------------------------------------------------------------ single messages


@functools.cache
def _codec() -> Codec:
    return codec_for(_definitions())


_ANSWERS = tuple(name for name in CONTRACT if name.endswith(("_reply", "_details", "_event")))


@functools.cache
def _messages() -> Sequence[bytes]:
    """Each kind of answer with zeros, behind its number."""
    packer = standin.Codec(api())
    return [bytes((number,)) + packer.pack(name, {"_vl_msg_id": 7}) + bytes(64) for number, name in enumerate(_ANSWERS)]


def _check_message(data: bytes) -> None:
    name = _ANSWERS[data[0] % len(_ANSWERS)] if data else DETAILS
    with suppress(VppError):
        message = _codec().unpack(name, data[1:])
        assert type(message).__name__ == name
    if name == DETAILS:
        with suppress(VppError):
            reader = RouteReader(_codec())
            assert decode(VppRoute, encode(reader.read(data[1:]))) == reader.read(data[1:])


def _check_definitions(data: bytes) -> None:
    with suppress(VppError):
        codec = Codec(data.decode("utf-8", "surrogateescape"))
        for name in codec.messages:
            codec.offset_of(name, "context")
            with suppress(VppError):
                codec.unpack(name, bytes(200))


@functools.cache
def _some_definitions() -> Sequence[bytes]:
    """The shorter modules, each alone."""
    texts = [json.dumps([module]).encode() for module in json.loads(_definitions())]
    return sorted(texts, key=len)[:4]


def _check_stream(data: bytes) -> None:
    """However it is cut, no more than one frame is held."""
    splitter, random = FrameSplitter(longest_bytes=1000), Random(data)
    with suppress(VppError):
        while data:
            size = random.randrange(1, 64)
            for message in splitter.feed(data[:size]):
                assert 2 <= len(message) <= 1000
            assert splitter.unfinished_bytes <= 1000 + HEADER.size + size
            data = data[size:]


# ------------------------------------------------------------------------------------------------------------- sessions

Damage = Callable[[Random, list[bytes], int], list[bytes]]
"""(random source, the frames of one answer, which one) → what is sent instead."""


def _swap(_: Random, frames: list[bytes], at: int) -> list[bytes]:
    return [*frames[:at], *reversed(frames[at:])]


def _drop(_: Random, frames: list[bytes], at: int) -> list[bytes]:
    return frames[:at] + frames[at + 1 :]


def _twice(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    return frames[: at + 1] + [frames[at]] * random.choice((1, 3, 200)) + frames[at + 1 :]


def _cut_message(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    message = frames[at][HEADER.size :]
    return [*frames[:at], frame(message[: random.randrange(len(message) + 1)]), *frames[at + 1 :]]


def _longer(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    return [
        *frames[:at],
        frame(frames[at][HEADER.size :] + random.randbytes(random.randrange(1, 300))),
        *frames[at + 1 :],
    ]


def _oversized(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    size = random.choice((0, 1, LONGEST_FRAME_BYTES, LONGEST_FRAME_BYTES + 1, 0xFFFFFFFF))
    return [*frames[:at], HEADER.pack(size) + frames[at][HEADER.size :], *frames[at + 1 :]]


def _other_id(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    number = random.choice((0, 15, 16, random.randrange(100, 300), 0xFFFF))
    message = number.to_bytes(2) + frames[at][HEADER.size + 2 :]
    return [*frames[:at], frame(message), *frames[at + 1 :]]


def _changed(random: Random, frames: list[bytes], at: int) -> list[bytes]:
    """Behind id and context, as often as not."""
    data = bytearray(frames[at][HEADER.size :])
    first = random.choice((0, 2, 6, 6, 6, 6))
    for _ in range(random.choice((1, 1, 3, 20))):
        if len(data) > first:
            data[random.randrange(first, len(data))] = random.choice((0, 1, 2, 255, random.randrange(256)))
    return [*frames[:at], frame(bytes(data)), *frames[at + 1 :]]


_DAMAGES: tuple[Damage, ...] = (
    *(_swap, _drop, _twice, _cut_message, _longer, _oversized, _other_id),
    *(_changed, _changed, _changed, _changed),
)
_UNTOUCHED = 1 << 15
"""The definitions are longer than anything else; they have a target of their own."""


class _Liar:
    """The stand-in, and what becomes of what it says."""

    def __init__(self, data: bytes) -> None:
        self._random = Random(data)
        self._quiet = self._random.randrange(70)
        """Answers that go out as they are before the first that does not."""
        self._often = self._random.choice((1, 1, 4))
        faults = Faults({})
        devices = NamedDevices({"up0": 1500, "in0": 1500})
        self._server = ApiServer(Vpp(State(lambda: 0.0), devices, _definitions()), faults)
        self._said = bytearray()
        self._connection = Connection(self._said.extend, lambda: None)

    async def serve(self, listener: trio.SocketListener) -> None:
        stream = await listener.accept()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                while data := await stream.receive_some(1 << 16):
                    await self._answer(stream, bytes(data))

    async def _answer(self, stream: trio.SocketStream, data: bytes) -> None:
        self._server.receive(self._connection, data)
        said, self._said[:] = bytes(self._said), b""
        frames = list(_frames(said))
        self._quiet -= 1
        if not frames or len(said) > _UNTOUCHED or self._quiet > 0 or self._quiet % self._often:
            await stream.send_all(said)
            return
        at = self._random.randrange(len(frames))
        what = self._random.randrange(len(_DAMAGES) + 3)
        if what < len(_DAMAGES):
            await stream.send_all(b"".join(_DAMAGES[what](self._random, frames, at)))
        elif what == len(_DAMAGES):
            await stream.send_all(said[: self._random.randrange(len(said))])
            await stream.aclose()
        elif what == len(_DAMAGES) + 1:
            await stream.send_all(said[self._random.randrange(len(said)) :])
        else:
            while True:  # never ends, and never fast enough for any limit of bytes
                await stream.send_all(frames[0])
                await trio.sleep(_TRICKLE_S)


def _frames(said: bytes) -> Iterator[bytes]:
    while said:
        size = HEADER.size + HEADER.unpack_from(said)[0]
        yield said[:size]
        said = said[size:]


def _check_session(data: bytes) -> None:
    clock = trio.testing.MockClock(autojump_threshold=_IDLE_S)
    trio.run(_session, data, _take_over, clock=clock)


async def _session(data: bytes, talk: Callable[[Session], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.fspath(Path(folder) / "api.sock")
        with trio.socket.socket(trio.socket.AF_UNIX) as sock:
            await sock.bind(path)
            sock.listen()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_Liar(data).serve, trio.SocketListener(sock))
                nursery.start_soon(_lose_patience)
                with suppress(VppError), trio.move_on_after(_MACHINE_S):
                    async with open_session(path) as session:
                        await talk(session)
                nursery.cancel_scope.cancel()


async def _lose_patience() -> None:
    began_s = time.monotonic()
    while time.monotonic() - began_s < _PATIENCE_S:  # noqa: ASYNC110 — for real time to pass
        await trio.sleep(_MACHINE_S)
    raise Hang(f"the session waits still after {_PATIENCE_S:g} s")


async def _take_over(session: Session) -> None:
    """What the daemon asks and does, in its words; a refusal ends it, as any step."""
    check_contract(session.message_table)
    str((await session.request("show_version")).version)
    dataplane = await open_dataplane(session)
    await session.request("want_interface_events", enable_disable=1, pid=1)
    await read_claims(session)
    await dataplane.read_shared()
    up = await DRIVERS["af_packet"].attach(session, "up0", "02:00:00:00:00:01", uplink_tag("up0"))
    host = await DRIVERS["af_packet"].attach(session, "in0", "02:00:00:00:00:02", host_tag("up0"))
    ports = await dataplane.find("up0")
    plan: list[op.VppOperation] = [op.SetUp(up, True), op.SetUp(host, True), op.EnableIp6(up), op.EnableProxyArp(host)]
    await dataplane.apply(plan)
    for text in ("10.0.0.0/8", "fd00::/16", "10.1.0.0/16"):
        route = VppRoute(0, ip_network(text), (VppPath(up, None, 1, 0),))
        await dataplane.change_routes([route], [])
    packed, paths = PackedRoutes(), (VppPath(up, None, 1, 0),)
    places = [place_of(ip_network(f"10.2.{number}.0/24")) for number in range(30)]
    packed.extend([(paths, places)], [])
    await dataplane.change_routes([], [], packed)
    await dataplane.has_paths(set(places), lambda those: [paths for _ in those])
    await dataplane.paths_by_dump([(0, ip_network("10.1.0.0/16"))])
    await dataplane.routes_at([(0, ip_network("10.1.0.0/16"))])
    if ports.uplink is not None and ports.host is not None:
        wanted = VppUplink(VppPort(up), VppPort(host), packed=dict.fromkeys(places, paths))
        for wish in (None, wanted):
            uplink = await dataplane.read_uplink(ports.uplink, ports.host, wish)
            assert decode(VppUplink, encode(uplink)) == uplink
            plan_uplink(wanted, uplink)
        await dataplane.tables_in_use(uplink.tables)
    await dataplane.learnt_neighbours([up])
    await dataplane.dead_routes(None)
    await dataplane.taken_tables()
    assert all(isinstance(one.family, Family) for one in await dataplane.own_tables())


TARGETS = (
    Target("vpp-message", _check_message, mutated(_messages)),
    Target("vpp-stream", _check_stream, mutated(lambda: [b"".join(frame(one[1:]) for one in _messages()[:20])])),
    Target("vpp-definitions", _check_definitions, mutated(_some_definitions)),
    Target("vpp-session", _check_session, lambda random: random.randbytes(8)),
)
