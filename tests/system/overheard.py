"""Everything that a daemon asks of VPP, as it was sent: a process between the two, which writes it down.

It runs in VPP's network namespace, because hostlink looks where the process at the socket runs:
`python -m tests.system.overheard LISTEN CONNECT FILE`. Requests go to the file as they are on the socket.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hostlink.lab.children import child
from hostlink.lab.stage import Stage
from hostlink.vpp.codec import Message
from hostlink.vpp.session import Session, open_session
from tests.system.rounds import eventually

HEADER = struct.Struct(">QII")
"""VPP's framing: unused, length of the message, unused."""
_ID = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as VPP got it."""

    name: str
    fields: Message


def requests(path: Path, session: Session, since: int = 0) -> list[Asked]:
    """What was asked from that byte of the file on. The session is with the same VPP: it numbers messages alike."""
    names = {number: key.rpartition("_")[0] for key, number in session.message_table.items()}
    data, at, found = path.read_bytes(), since, []
    while at < len(data):
        _, length, _ = HEADER.unpack_from(data, at)
        message = data[at + HEADER.size : at + HEADER.size + length]
        name = names[_ID.unpack_from(message)[0]]
        found.append(Asked(name, session.codec.unpack(name, message)))
        at += HEADER.size + length
    return found


@asynccontextmanager
async def overhearing(stage: Stage) -> AsyncIterator[Path]:
    """For the length of the block the daemon's API socket is a listener's. Gives the file of what it has heard."""
    listen, heard = stage.directory / "overheard.sock", stage.directory / "overheard"
    stage.config.write_text(stage.config.read_text().replace(str(stage.api_socket), str(listen)))
    heard.touch()
    argv = [sys.executable, "-m", "tests.system.overheard", str(listen), str(stage.api_socket), str(heard)]

    async def is_there() -> bool:
        return listen.exists()

    with child(stage.lab.vpp, argv):
        await eventually("somebody listens", is_there)
        yield heard


@asynccontextmanager
async def reading(stage: Stage) -> AsyncIterator[Session]:
    """A session of the test's own, past the listener."""
    async with open_session(stage.api_socket) as session:
        yield session


def main(argv: Sequence[str]) -> None:
    """Serve one client after another."""
    listen, connect, path = argv
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(listen)
        server.listen(16)
        while True:
            client, _ = server.accept()
            with client, socket.socket(socket.AF_UNIX) as vpp, Path(path).open("ab", buffering=0) as file:
                vpp.connect(connect)
                _forward(client, vpp, file.write)


def _forward(client: socket.socket, vpp: socket.socket, write: Callable[[bytes], object]) -> None:
    to, rest = {client: vpp, vpp: client}, b""
    while True:
        for source in select.select([client, vpp], [], [])[0]:
            data = source.recv(1 << 18)
            if not data:
                return
            if source is client:
                rest = _write_whole(rest + data, write)
            to[source].sendall(data)


def _write_whole(data: bytes, write: Callable[[bytes], object]) -> bytes:
    """The frames that are complete; returns the rest. (The numbers of messages are VPP's from the second frame on.)"""
    at = 0
    while len(data) - at >= HEADER.size:
        end = at + HEADER.size + HEADER.unpack_from(data, at)[1]
        if end > len(data):
            break
        write(data[at:end])
        at = end
    return data[at:]


if __name__ == "__main__":
    main(sys.argv[1:])
