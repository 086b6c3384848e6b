"""A terminal for a command: a pty with an emulator behind it (pyte), so that a test sees what a person sees.

pyte knows no alternate screen (xterm's private mode 1049), so that is made here: what is shown before it comes back
after it. Keys are typed, so ^C and ^Z come by the line discipline as from a keyboard.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyte
import trio

from hostlink.lab.factor import deadline_factor

DEADLINE_S = 30.0
ROOT = Path(__file__).parents[2]
_ALTERNATE = 1049


class _Screen(pyte.Screen):
    """With a screen for programs that want one of their own."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.alternate = False
        self._before: Any = None

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if _ALTERNATE in modes and kwargs.get("private") and not self.alternate:
            self.alternate, self._before = True, (deepcopy(self.buffer), deepcopy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        if _ALTERNATE in modes and kwargs.get("private") and self.alternate:
            hidden = self.cursor.hidden
            self.alternate, (self.buffer, self.cursor) = False, self._before
            self.cursor.hidden = hidden
        super().reset_mode(*modes, **kwargs)


class Terminal:
    """What a command shows, and what is typed to it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], columns: int, lines: int) -> None:
        self._master, self.process = master, process
        self._screen = _Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.reading = trio.Event()
        """Cleared by `stop_reading`: then it is a terminal that takes nothing."""
        self.reading.set()

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def alternate(self) -> bool:
        return self._screen.alternate

    @property
    def cursor_hidden(self) -> bool:
        return self._screen.cursor.hidden

    def colour_of(self, word: str) -> str:
        """Of the first character of its first occurrence."""
        for at, line in enumerate(self._screen.display):
            if word in line:
                return str(self._screen.buffer[at][line.index(word)].fg)
        raise AssertionError(f"{word!r} is not in:\n{self.text}")

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def resize(self, columns: int, lines: int) -> None:
        """As a window's: the kernel sends SIGWINCH (tty_ioctl(4))."""
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def stop_reading(self) -> None:
        self.reading = trio.Event()

    async def until(self, is_so: Callable[[], bool], what: str, within_s: float = DEADLINE_S) -> None:
        """within_s: times the lab's deadline factor."""
        with trio.move_on_after(within_s * deadline_factor()):
            while not is_so():  # noqa: ASYNC110 — what a person looks for has no event
                await trio.sleep(0.01)
            return
        raise AssertionError(f"{what} did not come; the terminal shows:\n{self.text}\n{self.raw[-2000:]!r}")

    async def until_text(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text for word in words), repr(words))

    async def ended(self) -> int:
        """Its exit status, when all that it wrote is shown."""
        await self.until(lambda: self.process.poll() is not None, "its end")
        await self.until(lambda: self._drained, "the end of its output")
        return self.process.returncode

    _drained = False

    async def read(self) -> None:
        """Until the other end is closed."""
        while True:
            await self.reading.wait()
            try:
                await trio.lowlevel.wait_readable(self._master)
                data = os.read(self._master, 1 << 16)
            except BlockingIOError:
                continue
            except OSError:  # EIO: nobody has it open any more
                break
            self.raw += data
            self._stream.feed(data)
        self._drained = True


@asynccontextmanager
async def terminal(
    arguments: Sequence[str], columns: int = 80, lines: int = 24, **environment: str
) -> AsyncIterator[Terminal]:
    """`python -m hostlink ARGUMENTS` on it, in a session of its own. Killed at the end."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color", **environment}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        if name not in environment:
            env.pop(name, None)
    # A session leader without a controlling terminal gets the first that it opens (tty_ioctl(4), TIOCSCTTY).
    # Who runs the tests in the background of a shell has them ignore SIGINT, and all that they start.
    code = (
        "import os, signal, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
        "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, sys.executable, *arguments]
    process = subprocess.Popen(  # noqa: ASYNC220 — it does not wait
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env, cwd=ROOT
    )
    os.close(slave)
    shown = Terminal(master, process, columns, lines)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shown.read)
            yield shown
            nursery.cancel_scope.cancel()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
