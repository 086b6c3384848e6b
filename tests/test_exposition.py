"""Metrics over HTTP and in a file: what a scraper gets, and that nobody can hold it up."""

from __future__ import annotations

import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from hostlink import exposition
from hostlink.config import MetricsConfig
from hostlink.exposition import Changed, keep_file, keep_metrics, serve_http
from hostlink.notices import Notices

TEXT = b"hostlink_state 1\n"
NO_NODE: Any = None
"""Nobody asks for the text."""


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


def get(path: Path, target: str = "/metrics", method: str = "GET") -> tuple[int, str | None, bytes]:
    connection = UnixHttp(path)
    connection.request(method, target)
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


@asynccontextmanager
async def serving(where: Path | tuple[str, int]) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_http, where, lambda: TEXT)
        yield
        nursery.cancel_scope.cancel()


async def test_a_scraper_gets_the_text(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as earlier:  # whose daemon died: nobody listens
        earlier.bind(str(path))
    async with serving(path):
        found = await trio.to_thread.run_sync(get, path)
        assert found == (200, "text/plain; version=0.0.4; charset=utf-8", TEXT)
        assert (await trio.to_thread.run_sync(get, path, "/"))[0] == 404
        assert (await trio.to_thread.run_sync(get, path, "/metrics", "POST"))[0] == 405


@pytest.mark.parametrize("sent", [b"", b"GET /metrics", b"\xff" * 20_000, b"\r\n\r\n"], ids=len)
async def test_whoever_sends_no_request_holds_nobody_up(
    tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "HTTP_S", 0.2)
    path = tmp_path / "metrics.sock"
    async with serving(path):
        streams = [await trio.open_unix_socket(str(path)) for _ in range(exposition.CLIENT_LIMIT)]
        with trio.fail_after(10):
            for stream in streams:
                try:
                    await stream.send_all(sent)
                    while await stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass
        assert (await trio.to_thread.run_sync(get, path))[0] == 200


async def test_the_file_is_replaced_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "FILE_EVERY_S", 0.01)
    path, changed, texts = tmp_path / "hostlink.prom", Changed(), iter([b"1\n", b"2\n"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_file, path, lambda: next(texts), changed)
        await has(path, b"1\n")
        changed.tell()
        await has(path, b"2\n")
        nursery.cancel_scope.cancel()
    assert modes(tmp_path) == {"hostlink.prom": 0o644}


async def has(path: Path, text: bytes) -> None:
    with trio.fail_after(10):
        while content(path) != text:  # noqa: ASYNC110 — a file tells nobody
            await trio.sleep(0.01)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def modes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.stat().st_mode & 0o777 for entry in folder.iterdir()}


async def test_a_file_that_cannot_be_written_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exposition, "FILE_EVERY_S", 0.0)
    changed, tries = Changed(), 0

    def text() -> bytes:
        nonlocal tries
        tries += 1
        changed.tell()
        if tries == 3:
            nursery.cancel_scope.cancel()
        return TEXT

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_file, tmp_path / "absent" / "hostlink.prom", text, changed)
    assert capsys.readouterr().err.count("the metrics cannot be written") == 1


async def test_what_is_there_and_is_no_socket_is_left_alone_and_the_daemon_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that was mistyped, and a port that is another's: neither is worth the node's network."""
    precious = tmp_path / "precious"
    precious.write_text("of somebody else")
    with socket.create_server(("127.0.0.1", 0)) as other:
        for listen in (precious, other.getsockname()):
            async with trio.open_nursery() as nursery:
                await nursery.start(keep_metrics, MetricsConfig(listen), NO_NODE, [], Notices())
                nursery.cancel_scope.cancel()
    said = capsys.readouterr().err
    assert f"{precious} is there and is no socket: it was left alone" in said
    assert said.count("metrics are not served on") == 2
    assert content(precious) == b"of somebody else"
