"""The log's forms, and what it says of the machines."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from hostlink import log
from hostlink.core.effects import Transition
from hostlink.core.model import Problem
from hostlink.core.table import State, Trigger
from hostlink.log import Entry, JournalSink, json_sink, sink_for, terminal_sink, text_sink
from hostlink.notices import Moved, Notice, Notices, ProblemsChanged, Reconverged
from hostlink.rounds import Round
from hostlink.told import TOGETHER_S, Teller, keep_log

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
LOST = Entry("VPP lost: \x1b[2Jgone\nfor good", "eth0", log.ERROR, {"event": "problem", "code": "HL-404"}, AT)


def test_text_is_a_line_whatever_was_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    text_sink(LOST)
    text_sink(Entry("started", at=AT))
    assert capsys.readouterr().err.splitlines() == [
        "2026-01-02T03:04:05.678+00:00 eth0: VPP lost: \ufffd[2Jgone\ufffdfor good",
        "2026-01-02T03:04:05.678+00:00 hostlink: started",
    ]


def test_json_has_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    json_sink(LOST)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line) == {
        "at": "2026-01-02T03:04:05.678+00:00",
        "priority": "error",
        "uplink": "eth0",
        "message": LOST.message,
        "event": "problem",
        "code": "HL-404",
    }


def test_a_terminal_gets_colour(capsys: pytest.CaptureFixture[str]) -> None:
    terminal_sink(LOST)
    assert " eth0 \x1b[31mVPP lost: \ufffd[2Jgone\ufffdfor good\x1b[0m\n" in capsys.readouterr().err


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "journal"))
        sock.settimeout(5)
        yield sock


def fields(datagram: bytes) -> dict[str, str]:
    """journald's own reading of it (https://systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    found = {}
    while datagram:
        end = datagram.index(b"\n")
        line, datagram = datagram[:end], datagram[end + 1 :]
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(datagram[:8], "little")
            value, datagram = datagram[8 : 8 + length], datagram[9 + length :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_gets_priority_and_fields(tmp_path: Path, journald: socket.socket) -> None:
    JournalSink(tmp_path / "journal")(LOST)
    assert fields(journald.recv(1 << 16)) == {
        "MESSAGE": f"eth0: {LOST.message}",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "hostlink",
        "HOSTLINK_UPLINK": "eth0",
        "HOSTLINK_EVENT": "problem",
        "HOSTLINK_CODE": "HL-404",
    }


def test_what_the_journal_does_not_take_is_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    JournalSink(tmp_path / "nobody")(LOST)
    assert "eth0: VPP lost" in capsys.readouterr().err


def test_the_form_follows_where_standard_error_leads(tmp_path: Path) -> None:
    with (tmp_path / "err").open("wb") as file:
        status, number = os.fstat(file.fileno()), file.fileno()
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert isinstance(sink_for("auto", journal, number), JournalSink)
        assert sink_for("auto", {"JOURNAL_STREAM": "1:2"}, number) is text_sink
        assert sink_for("json", journal, number) is json_sink
        assert sink_for("text", journal, number) is text_sink
    master, slave = os.openpty()
    assert sink_for("auto", {"TERM": "xterm"}, slave) is terminal_sink
    assert sink_for("auto", {"TERM": "xterm", "NO_COLOR": "1"}, slave) is text_sink
    for descriptor in (master, slave):
        os.close(descriptor)


def moved(frm: State, to: State, why: str = "it is so") -> Moved:
    return Moved("eth0", Transition(frm, to, Trigger.HOST_CHANGED, why, None), AT)


def converged(number: int) -> Reconverged:
    return Reconverged("eth0", Round(AT, "the host changed: route", False, (f"add route {number}",), 1, 0.0123))


def said(teller: Teller, *notices: Notice, now: float = 0.0) -> list[str]:
    return [entry.message for notice in notices for entry in teller.entries(notice, now)]


def test_moves_are_told_and_rounds_are_not_moves() -> None:
    teller = Teller()
    round_ = (moved(State.STEADY, State.MIRRORING), moved(State.MIRRORING, State.PUNTING))
    assert said(teller, moved(State.HANDOVER, State.MIRRORING), *round_) == ["Handover -> Mirroring: it is so"]
    (entry,) = teller.entries(moved(State.STEADY, State.RECOVERING, "VPP is gone"), 0.0)
    assert entry.priority == log.WARNING
    assert entry.fields == {"event": "moved", "from": "Steady", "to": "Recovering", "why": "VPP is gone"}


def test_a_problem_is_told_when_it_comes_and_when_it_is_over() -> None:
    teller = Teller()
    lost = Problem("HL-404", "eth0: no answer")
    (came,) = teller.entries(ProblemsChanged("eth0", (lost,)), 0.0)
    assert (came.priority, came.fields["code"]) == (log.ERROR, "HL-404")
    assert came.fields["to_do"]
    assert said(teller, ProblemsChanged("eth0", (lost,))) == []
    (over,) = said(teller, ProblemsChanged("eth0", ()))
    assert over.startswith("HL-404 is over: ")


def test_rounds_that_follow_each_other_fast_are_told_together() -> None:
    teller = Teller()
    first = said(teller, *map(converged, range(1000)), now=10.0)
    assert first == ["converged in 12 ms (the host changed: route): add route 0"]
    assert teller.due == 10.0 + TOGETHER_S
    assert list(teller.late(10.0 + TOGETHER_S / 2)) == []
    (late,) = teller.late(teller.due)
    assert late.message == (
        "converged 999 times, in at most 12 ms (the host changed: route): "
        "add route 1; add route 2; add route 3; add route 4; add route 5; and 994 more"
    )
    assert teller.due == math.inf
    assert said(teller, converged(1), now=11.5) == [], "a second has not passed since the last line"


async def test_what_was_held_is_told_in_time_and_at_the_end() -> None:
    notices, lines = Notices(), list[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(keep_log, notices, lambda entry: lines.append(entry.message))
        for number in range(3):
            notices.publish(converged(number))
        with trio.fail_after(10):
            while len(lines) < 2:  # noqa: ASYNC110 — a list tells nobody
                await trio.sleep(0.01)
        assert lines[1].endswith("2 times, in at most 12 ms (the host changed: route): add route 1; add route 2")
        notices.publish(converged(3))
        notices.publish(moved(State.STEADY, State.RECOVERING))
        nursery.cancel_scope.cancel()
    assert lines[2].startswith("Steady -> Recovering")
    assert lines[3].endswith("add route 3")
