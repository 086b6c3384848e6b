"""The log: one event a line, on standard error, in the form that whoever reads it can use.

Under systemd each event goes to the journal with its priority and fields, by journald's own protocol
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL): `journalctl -t hostlink HOSTLINK_CODE=HL-404 -o verbose`. On a terminal it
is for a person, with colours that say again what the words say (https://no-color.org). Elsewhere it is plain text, or
JSON objects where that was asked for (`hostlink run --log json`).
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6
"""Priorities of syslog(3)."""
FORMS = ("auto", "text", "json", "journal")
JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_NAMES = {ERROR: "error", WARNING: "warning", NOTICE: "notice", INFO: "info"}
_COLOURS = {ERROR: "31", WARNING: "33", NOTICE: "36"}
_LONGEST_BYTES = 32 << 10
"""Of one field: what a datagram takes, with room for the others."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `fields` are for machines: lower-case names, `code`, `from`, `duration_ms` …"""

    message: str
    uplink: str = ""
    """Empty for what is about none of them."""
    priority: int = INFO
    fields: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=_now)


Sink = Callable[[Entry], None]


def text_sink(entry: Entry) -> None:
    """`2026-01-02T03:04:05.678+00:00 eth0: Steady -> Mirroring: the host changed: route`"""
    about = entry.uplink or "hostlink"
    print(f"{entry.at.isoformat(timespec='milliseconds')} {about}: {_line(entry)}", file=sys.stderr, flush=True)


def terminal_sink(entry: Entry) -> None:
    """Shorter: whoever looks on knows the day."""
    colour = _COLOURS.get(entry.priority)
    line = f"\x1b[{colour}m{_line(entry)}\x1b[0m" if colour else _line(entry)
    print(f"{entry.at.astimezone():%H:%M:%S.%f}"[:-3], entry.uplink or "hostlink", line, file=sys.stderr, flush=True)


def json_sink(entry: Entry) -> None:
    head = {"at": entry.at.isoformat(timespec="milliseconds"), "priority": _NAMES[entry.priority]}
    about = {"uplink": entry.uplink} if entry.uplink else {}
    print(json.dumps({**head, **about, "message": entry.message, **entry.fields}), file=sys.stderr, flush=True)


class JournalSink:
    """To journald. What it does not take goes to standard error, which journald has too."""

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = os.fspath(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __call__(self, entry: Entry) -> None:
        fields = {"MESSAGE": entry.message, "PRIORITY": str(entry.priority), "SYSLOG_IDENTIFIER": "hostlink"}
        if entry.uplink:
            fields["MESSAGE"] = f"{entry.uplink}: {entry.message}"
            fields["HOSTLINK_UPLINK"] = entry.uplink
        fields |= {f"HOSTLINK_{name.upper()}": value for name, value in entry.fields.items()}
        try:
            self._socket.sendto(b"".join(_packed(name, value) for name, value in fields.items()), self._path)
        except OSError:
            text_sink(entry)


def _packed(name: str, value: str) -> bytes:
    """A field with a newline in it is told by its length."""
    data = value.encode(errors="replace")[:_LONGEST_BYTES]
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def _line(entry: Entry) -> str:
    """Nothing that came from elsewhere (VPP's errors, names) begins another line, or tells a terminal what to do."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in entry.message)


def sink_for(form: str, environment: Mapping[str, str], stderr: int = 2) -> Sink:
    """The sink of that form (FORMS). auto: journald's where standard error is the journal's, as systemd tells."""
    if form == "journal" or (form == "auto" and _is_journal(environment.get("JOURNAL_STREAM", ""), stderr)):
        return JournalSink()
    if form == "json":
        return json_sink
    plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return terminal_sink if form == "auto" and os.isatty(stderr) and not plain else text_sink


def _is_journal(stream: str, stderr: int) -> bool:
    """$JOURNAL_STREAM is the device and inode of the stream to the journal (systemd.exec(5))."""
    status = os.fstat(stderr)
    return stream == f"{status.st_dev}:{status.st_ino}"


class _Log:
    """What `say` writes to: one for a process."""

    sink: Sink | None = None


def use(form: str) -> None:
    """Write in that form from now on (FORMS)."""
    _Log.sink = sink_for(form, os.environ)


def say(entry: Entry) -> None:
    """Write it, in the form chosen, else as fits."""
    if _Log.sink is None:
        use("auto")
    assert _Log.sink is not None
    _Log.sink(entry)
