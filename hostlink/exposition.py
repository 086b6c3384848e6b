"""Where metrics are read: over HTTP on a Unix or loopback socket, or from a file for node-exporter.

Only `GET /metrics` is answered, one request for a connection, complete within HTTP_S and HEAD_BYTES: whoever does not
keep to it is disconnected, and costs nobody anything. The file is replaced whole after a change, at most once in
FILE_EVERY_S (https://github.com/prometheus/node_exporter#textfile-collector).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import trio

from hostlink.config import MetricsConfig
from hostlink.durable import replace_whole
from hostlink.listening import listening
from hostlink.log import WARNING, Entry, say
from hostlink.notices import Notices
from hostlink.runner import Runner
from hostlink.steps.context import Node

HTTP_S = 5.0
HEAD_BYTES = 8 << 10
CLIENT_LIMIT = 8
FILE_EVERY_S = 5.0
_WAITING_LIMIT = 4096
_FOR_ALL = 0o644
"""node-exporter is another user."""

Text = Callable[[], bytes]


def why_impossible(config: MetricsConfig) -> str | None:
    """What is missing for the metrics that are configured; None when nothing is."""
    if config.listen is None and config.textfile is None:
        return None
    try:
        import hostlink.metrics  # noqa: F401 — only whether it can be
    except ImportError:
        return "[metrics] is configured, and prometheus-client is not installed: pip install 'hostlink[metrics]'"
    return None


async def keep_metrics(
    config: MetricsConfig,
    node: Node,
    runners: Sequence[Runner],
    notices: Notices,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Count, and show where the configuration says, until cancelled. What fails there is said."""
    from hostlink.metrics import Metrics

    metrics, changed = Metrics(node, runners), Changed()
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        if config.listen is not None:
            try:
                await nursery.start(serve_http, config.listen, metrics.text)
            except OSError as error:  # not worth a node's network
                say(Entry(f"metrics are not served on {config.listen}: {error.strerror or error}", priority=WARNING))
        if config.textfile is not None:
            nursery.start_soon(keep_file, config.textfile, metrics.text, changed)
        watch = stack.enter_context(notices.watch(_WAITING_LIMIT))
        task_status.started()
        async for notice in watch.notices:
            metrics.hear(notice)
            changed.tell()


class Changed:
    """Tells one task that something has changed since it looked last. True at first."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._event.set()

    def tell(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()


async def keep_file(path: Path, text: Text, changed: Changed) -> None:
    """Replace the file after each change. A failure is said once."""
    is_told = False
    while True:
        await changed.wait()
        try:
            await trio.to_thread.run_sync(replace_whole, path, text(), _FOR_ALL)
        except OSError as error:
            if not is_told:
                say(Entry(f"{path}: the metrics cannot be written: {error.strerror or error}", priority=WARNING))
            is_told = True
        await trio.sleep(FILE_EVERY_S)


async def serve_http(
    where: Path | tuple[str, int], text: Text, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled; `started` when clients can connect. Raises OSError."""
    slots = trio.CapacityLimiter(CLIENT_LIMIT)

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.WouldBlock, trio.TooSlowError):
            slots.acquire_nowait()
            try:
                with trio.fail_after(HTTP_S):
                    await stream.send_all(_answer(await _head(stream), text))
            finally:
                slots.release()

    with _listening(where) as sock:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        task_status.started()
        await trio.serve_listeners(serve, [listener])


@contextmanager
def _listening(where: Path | tuple[str, int]) -> Iterator[socket.socket]:
    """Raises OSError, of a path that is taken too."""
    if isinstance(where, Path):
        with listening(where, 0o666, CLIENT_LIMIT) as sock:
            yield sock
        return
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    with socket.create_server(where, family=family, backlog=CLIENT_LIMIT) as sock:
        yield sock


async def _head(stream: trio.SocketStream) -> bytes:
    """The request's first line. Empty for what is no request."""
    data = bytearray()
    while b"\r\n\r\n" not in data and len(data) <= HEAD_BYTES:
        more = await stream.receive_some()
        if not more:
            return b""
        data += more
    return bytes(data).partition(b"\r\n")[0] if len(data) <= HEAD_BYTES else b""


def _answer(line: bytes, text: Text) -> bytes:
    method, _, rest = line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if not line:
        return _response("400 Bad Request", b"no HTTP request\n")
    if method != b"GET":
        return _response("405 Method Not Allowed", b"only GET\n", ["Allow: GET"])
    if path != b"/metrics":
        return _response("404 Not Found", b"try /metrics\n")
    return _response("200 OK", text(), (), "text/plain; version=0.0.4; charset=utf-8")


def _response(status: str, body: bytes, more: Sequence[str] = (), kind: str = "text/plain; charset=utf-8") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "Connection: close")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body
