"""`hostlink state --watch` on a terminal: the view on a screen of its own, drawn anew at each change and by no clock.

One loop waits for the daemon and for signals, so that nothing happens in the middle of a drawing: a window that is
resized, ^Z and its end, ^C. Whatever ends it, the terminal is as it was, and the last view stays on it, whole. Of what
comes while a terminal is slow, only the newest is drawn. A daemon that dropped this command, because it was stopped or
its terminal took nothing for long, is called once more; of one that has ended the caller is told.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper

from rich.console import Console
from rich.live import Live

from hostlink import varlink
from hostlink.cli.client import Client, UnreachableError
from hostlink.cli.exits import DONE
from hostlink.cli.live_view import View

REDRAW_S = 0.1
"""So long a drawing stands at least: more of a flapping route nobody could read."""
_HINT = "drawn anew at each change; ^C ends"
_ENDING = (signal.SIGINT, signal.SIGTERM)
_HEEDED = (*_ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
_WAKE_BYTES = 4096


def watch(client: Client, path: str) -> int:
    """Until ^C (0), SIGTERM (143), or the end of the daemon (UnreachableError). Only in the main thread.

    client: connected; path: of its socket, for another try. Raises VerbError for what is no state document.
    """
    client.start(varlink.SUBSCRIBE)
    with _heeded_signals() as signals, _screen() as screen:
        heard, standing_until = False, time.monotonic()
        while True:
            left_s = standing_until - time.monotonic()
            for number in signals.wait(*((None, left_s) if left_s > 0 else (client, None))):
                if number in _ENDING:
                    return DONE if number == signal.SIGINT else 128 + number
                screen.heed(number)
            if left_s > 0:
                continue
            try:
                document = client.newest()
            except UnreachableError as error:
                client, heard = _called_again(path, error, heard), False
                continue
            if document is not None:
                screen.show(document)
                heard, standing_until = True, time.monotonic() + REDRAW_S


def _called_again(path: str, error: UnreachableError, heard: bool) -> Client:
    """Raises the error again where the daemon has said nothing since it was called last, or nobody is there."""
    if not heard:
        raise error
    try:
        client = Client(path)
        client.start(varlink.SUBSCRIBE)
    except UnreachableError:
        raise error from None
    return client


class _Signals:
    """Those that have come and were not heeded yet."""

    def __init__(self, wakes: socket.socket) -> None:
        self._wakes = wakes
        self._waiting: list[int] = []

    def came(self, number: int, _: object) -> None:
        """The handler. Said twice, an end does not wait until a terminal that takes nothing has taken all."""
        if number in _ENDING and number in self._waiting:
            raise KeyboardInterrupt
        self._waiting.append(number)

    def wait(self, client: Client | None, within_s: float | None) -> list[int]:
        """Until a signal has come, there is something to read for the client, or the time is over."""
        files = [self._wakes.fileno(), *([client.fileno()] if client else [])]
        select.select(files, [], [], within_s)
        with suppress(BlockingIOError):
            self._wakes.recv(_WAKE_BYTES)
        taken, self._waiting = self._waiting, []
        return taken


@contextmanager
def _heeded_signals() -> Iterator[_Signals]:
    ours, wakes = socket.socketpair()
    with ours, wakes:
        ours.setblocking(False)
        wakes.setblocking(False)
        signals = _Signals(wakes)
        woken = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, signals.came) for number in _HEEDED}
        try:
            yield signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(woken)


class _Screen:
    """The terminal: a screen of its own while the view lives."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # no arrow in this terminal's encoding is no reason to end
        self._console = Console(file=sys.stdout, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._last: tuple[Mapping[str, object], datetime] | None = None

    def show(self, document: Mapping[str, object]) -> None:
        now = datetime.now(UTC)
        self._draw(View(document, now, _HINT))
        self._last = document, now

    def heed(self, number: int) -> None:
        """The window has another size, somebody went to the background with us, or came back."""
        if number == signal.SIGTSTP:
            self._leave()
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._last is not None:
            self._draw(View(*self._last, _HINT))

    def end(self) -> None:
        """Leaves the last view on the terminal, whole."""
        self._leave()
        if self._last is not None:
            self._console.print(View(*self._last))

    def _draw(self, view: View) -> None:
        self._console.size = _size()
        if self._live is None:
            self._live = Live(
                view,
                console=self._console,
                screen=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        else:
            self._live.update(view, refresh=True)

    def _leave(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


@contextmanager
def _screen() -> Iterator[_Screen]:
    screen = _Screen()
    try:
        yield screen
    finally:
        screen.end()


def _size() -> tuple[int, int]:
    """Columns and lines, asked for at each drawing: $COLUMNS and $LINES do not hear of a resize."""
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, lines = 0, 0
    return columns or 80, lines or 24
