"""Starting the DHCP programs: unpacked by tools/setup.sh into .venv/debian, and never those of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trio

from hostlink.lab.children import child
from hostlink.lab.factor import deadline_factor

_ROOT = Path(__file__).parents[3] / ".venv" / "debian"
_POLL_S = 0.02


class DhcpError(Exception):
    """A program did not do what was waited for; the text has what it said."""


def command(program: str, *arguments: str) -> list[str]:
    """The argv that runs it with its own libraries. `program`: its file name. Raises DhcpError when it is not there."""
    for folder in ("usr/sbin", "sbin", "usr/bin", "bin", "lib/systemd", "usr/lib/systemd"):
        if (path := _ROOT / folder / program).exists():
            break
    else:
        raise DhcpError(f"no {program} below {_ROOT}: `source tools/setup.sh` as root (tools/check does) unpacks it")
    places = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/systemd")
    libraries = [str(path) for place in places for path in _ROOT.glob(place)]
    return ["env", f"LD_LIBRARY_PATH={':'.join(libraries)}", str(path), *arguments]


@contextmanager
def running(namespace: str, argv: Sequence[str], log: Path) -> Iterator[int]:
    """Runs it there for the length of the block, all that it says in `log`. Yields its process id."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # `ip netns exec`, `sh` and `env` become the next by exec: the process id is the program's own.
        with child(namespace, ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv], stdout=output) as process:
            yield process.pid
    finally:
        os.close(output)


def text_from(log: Path, offset: int = 0) -> str:
    """What the log has from that byte on; nothing when there is no log yet."""
    return log.read_bytes()[offset:].decode(errors="replace") if log.exists() else ""


async def wait_text(log: Path, text: str, offset: int = 0, within_s: float = 5.0) -> None:
    """Until the log has the text, from that byte on. Raises DhcpError with the log."""
    said = ""
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            said = text_from(log, offset)
            if text in said:
                return
            await trio.sleep(_POLL_S)
    raise DhcpError(f"{text!r} did not appear within {within_s:g} s in {log.name}:\n{said}")
