"""How verbs talk to a daemon: plain blocking sockets, no trio, so that a verb answers at once.

The control socket is found by --runtime-dir, then $HOSTLINK_RUNTIME_DIR, then the default folder.
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from collections.abc import Iterator, Mapping

from hostlink import varlink
from hostlink.cli.exits import FAILED, UNREACHABLE, VerbError
from hostlink.defaults import RUNTIME_DIR
from hostlink.varlink import Call, CallError, ProtocolError, Reply, Splitter

TYPE_CHECKING = False  # no pathlib either: paths are text here, as its import takes as long as all of this
if TYPE_CHECKING:
    from types import TracebackType

ENVIRONMENT = "HOSTLINK_RUNTIME_DIR"
ANSWER_S = 5.0
"""How long the daemon may take for what it answers at once."""
_PARTS = 64
"""Reads of `newest` at most: a daemon that says more meanwhile is heard at the next."""


class UnreachableError(VerbError):
    """No daemon answers on the control socket."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(UNREACHABLE, f"no daemon answers on {path}: {reason}")


class AnswerTimeoutError(Exception):
    """The daemon is there, and what was waited for did not come in time."""


def add_runtime_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime-dir",
        metavar="DIR",
        help=f"the daemon's runtime folder (${ENVIRONMENT}; default {RUNTIME_DIR})",
    )


def socket_path(options: argparse.Namespace) -> str:
    """The control socket that the command line or the environment names, or the default one."""
    return os.path.join(named_runtime_dir(options, RUNTIME_DIR), varlink.SOCKET_NAME)


def named_runtime_dir(options: argparse.Namespace, default: str) -> str:
    folder: str | None = options.runtime_dir
    return folder if folder is not None else os.environ.get(ENVIRONMENT) or default


class Client:
    """A connection to the daemon. Raises UnreachableError when there is none, or when it ends."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._splitter = Splitter(varlink.REPLY_LIMIT_BYTES)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(os.fspath(path))
        except OSError as error:
            self._socket.close()
            raise UnreachableError(path, _reason(error)) from error

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def call(
        self, method: str, parameters: Mapping[str, object] | None = None, *, within_s: float = ANSWER_S
    ) -> Mapping[str, object]:
        """One call and its answer. Raises VerbError: what the daemon refuses is the verb's failure."""
        self._send(Call(method, parameters or {}))
        try:
            return self._receive(time.monotonic() + within_s).parameters
        except AnswerTimeoutError as error:
            raise UnreachableError(self._path, f"it took the call and gave no answer in {within_s:g} s") from error

    def subscribe(self, method: str, *, within_s: float | None = None) -> Iterator[Mapping[str, object]]:
        """Each answer of a call with `more`. AnswerTimeoutError when `within_s` seconds are over."""
        deadline_s = None if within_s is None else time.monotonic() + within_s
        self.start(method)
        continues = True
        while continues:
            reply = self._receive(deadline_s)
            continues = reply.continues
            yield reply.parameters

    def start(self, method: str) -> None:
        """A call with `more`, whose answers `newest` takes."""
        self._send(Call(method, more=True))

    def newest(self) -> Mapping[str, object] | None:
        """The last answer of those that have come by now; None: none has. For whoever reads late.

        Where the connection ended behind it, the next call raises.
        """
        newest: bytes | None = None
        try:
            for _ in range(_PARTS):
                while (message := self._splitter.next()) is not None:
                    newest = message
                self._splitter.feed(self._receive_some(0.0))
        except AnswerTimeoutError:
            pass
        except UnreachableError:
            if newest is None:
                raise
        except ProtocolError as error:
            raise self._no_daemon(error) from error
        return None if newest is None else self._unpacked(newest).parameters

    def fileno(self) -> int:
        return self._socket.fileno()

    def _send(self, call: Call) -> None:
        try:
            self._socket.sendall(varlink.pack_call(call))
        except OSError as error:
            raise UnreachableError(self._path, _reason(error)) from error

    def _receive(self, deadline_s: float | None) -> Reply:
        try:
            while (message := self._splitter.next()) is None:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    raise AnswerTimeoutError
                self._splitter.feed(self._receive_some(left_s))
        except ProtocolError as error:
            raise self._no_daemon(error) from error
        return self._unpacked(message)

    def _unpacked(self, message: bytes) -> Reply:
        try:
            return varlink.unpack_reply(message)
        except CallError as error:
            raise VerbError(FAILED, f"the daemon: {error}") from error
        except ProtocolError as error:
            raise self._no_daemon(error) from error

    def _no_daemon(self, error: ProtocolError) -> UnreachableError:
        return UnreachableError(self._path, f"what answers there is no hostlink daemon: {error}")

    def _receive_some(self, within_s: float | None) -> bytes:
        """0: only what is there already. None: however long it takes."""
        self._socket.settimeout(within_s)
        try:
            data = self._socket.recv(1 << 16)
        except (TimeoutError, BlockingIOError) as error:
            raise AnswerTimeoutError from error
        except OSError as error:
            raise UnreachableError(self._path, _reason(error)) from error
        if not data:
            raise UnreachableError(self._path, "it ended the connection")
        return data


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            f"there is no such socket; is the daemon running, and is this its folder (--runtime-dir, ${ENVIRONMENT})?"
        )
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there; a daemon died and left it behind"
    if isinstance(error, PermissionError):
        return "only its owner may connect; try as root"
    return error.strerror or str(error)
