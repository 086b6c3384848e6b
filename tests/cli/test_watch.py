"""`hostlink state --watch` on a terminal: what a person sees, and what is left of it."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from hostlink import varlink
from hostlink.cli.client import Client
from hostlink.cli.live_view import View
from hostlink.cli.state_lines import Clock, Doing, sections
from hostlink.cli.state_text import state_text
from hostlink.control import Request

from .conftest import FakeDaemon, document, hold, uplink
from .terminal import Terminal, terminal
from .test_state import PROBLEM

NOW = datetime(2026, 1, 2, 3, 8, 17, tzinfo=UTC)
MOVES = [
    {"at": f"2026-01-02T03:04:{second:02}+00:00", "from": "Punting", "to": "Steady", "why": f"reason {second}"}
    for second in range(20)
]
ROUND = {"at": "2026-01-02T03:04:05+00:00", "why": "route", "changes": ["a"], "change_count": 1, "duration_ms": 3.5}
WORK = {"what": "changing VPP", "done": 40_000, "total": 100_000, "since": "2026-01-02T03:08:10+00:00"}
EVIL = "\x1b]0;owned\x07\n\x1b[2J‮[red]x[/red] :smile:"


@asynccontextmanager
async def watching(
    daemon: FakeDaemon, columns: int = 80, lines: int = 24, **environment: str
) -> AsyncIterator[Terminal]:
    arguments = ["-m", "hostlink", "state", "--watch", "--runtime-dir", str(daemon.runtime_dir)]
    async with terminal(arguments, columns, lines, **environment) as shown:
        yield shown


async def test_each_change_is_seen_and_control_c_leaves_the_last_view(daemon: FakeDaemon) -> None:
    async with watching(daemon) as shown:
        await shown.until_text("enp216s0f1", "Steady", "VPP  26.06-release", "^C ends")
        assert shown.alternate
        assert shown.cursor_hidden
        assert shown.colour_of("Steady") == "green"
        daemon.show(document(uplink("Recovering", why="VPP is lost", **hold("failed"))))
        await shown.until_text("Recovering", "VPP is lost", "until")
        assert "Steady" not in shown.text
        assert shown.colour_of("Recovering") == "red"
        shown.type(b"\x03")
        assert await shown.ended() == 0
    assert not shown.alternate
    assert not shown.cursor_hidden
    assert "Recovering" in shown.text
    assert "as of" in shown.text
    assert "^C ends" not in shown.text
    assert "Traceback" not in shown.text


async def test_a_daemon_that_ends_is_told_of_in_a_line_and_the_view_stays(tmp_path: Path) -> None:
    daemon, life = FakeDaemon(tmp_path / "run"), trio.CancelScope()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        with life:
            await daemon.serve(task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with watching(daemon, columns=200) as shown:
            await shown.until_text("Steady")
            life.cancel()
            assert await shown.ended() == 69
    assert not shown.alternate
    assert not shown.cursor_hidden
    *view, last = shown.text.splitlines()
    assert "Steady" in view[0]
    assert view[-1].startswith("as of ")
    assert last == f"hostlink: no daemon answers on {daemon.runtime_dir}/control.sock: it ended the connection"


async def test_sigterm_leaves_the_terminal_as_it_was(daemon: FakeDaemon) -> None:
    async with watching(daemon) as shown:
        await shown.until_text("Steady")
        shown.process.terminate()
        assert await shown.ended() == 128 + signal.SIGTERM
    assert not shown.alternate
    assert not shown.cursor_hidden
    assert "Steady" in shown.text


async def test_a_window_that_is_resized_is_drawn_anew(daemon: FakeDaemon) -> None:
    daemon.show(document(uplink(why="a reason that is longer than a small window is wide")))
    async with watching(daemon, COLUMNS="200", LINES="7") as shown:
        await shown.until_text("╭─ enp216s0f1", "is wide", "as of")
        shown.resize(30, 24)
        await shown.until(lambda: "╭" not in shown.text and "is wide" in shown.text, "a view without frames")
        assert all(len(line) <= 30 for line in shown.text.splitlines())
        shown.resize(100, 24)
        await shown.until(lambda: max(map(len, shown.text.splitlines())) == 100, "the whole width")


async def test_in_the_background_and_back(daemon: FakeDaemon) -> None:
    async with watching(daemon) as shown:
        await shown.until_text("Steady")
        shown.type(b"\x1a")
        await shown.until(lambda: not shown.alternate and not shown.cursor_hidden, "the terminal as it was")
        await shown.until(lambda: Path(f"/proc/{shown.process.pid}/stat").read_text().split()[2] == "T", "a stop")
        daemon.show(document(uplink("Mirroring")))
        shown.process.send_signal(signal.SIGCONT)
        await shown.until_text("Mirroring", "^C ends")
        assert shown.alternate
        shown.type(b"\x03")
        assert await shown.ended() == 0


async def test_no_color_is_live_without_colours(daemon: FakeDaemon) -> None:
    async with watching(daemon, NO_COLOR="1") as shown:
        await shown.until_text("Steady", "^C ends")
        assert shown.colour_of("Steady") == "default"
        daemon.show(document(uplink("Mirroring")))
        await shown.until_text("Mirroring")


async def test_a_terminal_that_knows_no_arrows(daemon: FakeDaemon) -> None:
    daemon.show(document(uplink(history=MOVES)))
    async with watching(daemon, PYTHONIOENCODING="ascii") as shown:
        await shown.until_text("Punting ? Steady", "^C ends")
        daemon.show(document(uplink("Mirroring")))
        await shown.until_text("Mirroring")


@pytest.mark.parametrize("term", ["dumb", ""])
async def test_a_dumb_terminal_gets_plain_text(daemon: FakeDaemon, term: str) -> None:
    async with watching(daemon, TERM=term) as shown:
        await shown.until_text("--- ", "enp216s0f1  Steady  since", "VPP  26.06")
        daemon.show(document(uplink("Mirroring")))
        await shown.until_text("enp216s0f1  Mirroring")
        assert b"\x1b" not in shown.raw


async def test_a_slow_terminal_is_shown_the_newest_and_keeps_nobody_waiting(daemon: FakeDaemon) -> None:
    """The daemon's answers wait for a terminal that takes nothing; then only the last of them is drawn."""
    async with watching(daemon) as shown:
        await shown.until_text("Steady")
        shown.stop_reading()
        for number in range(400):
            daemon.show(document(uplink("Mirroring", why=f"change {number} {'x' * 400}")))
            await trio.sleep(0.002)
        drawn_before = shown.raw.count(b"change ")
        daemon.show(document(uplink("Steady", why="it is over")))
        shown.reading.set()
        await shown.until_text("it is over")
        assert shown.raw.count(b"change ") - drawn_before < 100, "all that had waited was drawn"
        shown.type(b"\x03")
        assert await shown.ended() == 0


class Counting(FakeDaemon):
    """Knows how many are subscribed."""

    subscribers = 0

    async def _subscribe(self, request: Request) -> Mapping[str, object]:
        self.subscribers += 1
        try:
            return await super()._subscribe(request)
        finally:
            self.subscribers -= 1


async def test_one_that_the_daemon_has_dropped_calls_again(tmp_path: Path) -> None:
    """It was in the background for so long that the daemon's answers had no room any more (control.py, SEND_S)."""
    daemon = Counting(tmp_path / "run")
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.serve)
        async with watching(daemon) as shown:
            await shown.until_text("Steady")
            shown.process.send_signal(signal.SIGSTOP)
            while daemon.subscribers:
                daemon.show(document(uplink("Mirroring", why="x" * 10_000)))
                await trio.sleep(0.01)
            daemon.show(document(uplink("Punting")))
            shown.process.send_signal(signal.SIGCONT)
            await shown.until_text("Punting")
            shown.type(b"\x03")
            assert await shown.ended() == 0
        nursery.cancel_scope.cancel()


# --------------------------------------------------------------------------------------------------------- the drawing


def drawn(shown: dict[str, Any], columns: int = 80, height: int | None = None, hint: str = "") -> str:
    console = Console(file=StringIO(), force_terminal=True, color_system=None, width=columns, height=height or 25)
    console.print(View(shown, NOW, hint), height=height)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_it_says_what_the_text_says() -> None:
    """Word for word, but for times that would be old while they are looked at."""
    shown = document(uplink(problems=[PROBLEM], history=MOVES, last_reconvergence=ROUND, progress=WORK))
    words = set(drawn(shown, 200).replace("│", " ").split())
    missing = {word for word in state_text(shown, NOW).split() if word not in words}
    assert missing == {"(4", "min", "s)", "(7", "43", "s", "history"}


def test_times_are_those_of_the_clock() -> None:
    shown = drawn(document(uplink(progress=WORK)))
    assert "since 03:04:05 UTC" in shown
    assert "at the latest at 03:09:00 UTC" in shown
    assert "(40%), since 03:08:10 UTC" in shown
    assert "since 2025-12-31 23:59:59 UTC" in drawn(document(uplink(since="2025-12-31T23:59:59+00:00")))


def test_work_has_a_bar_where_there_is_an_end_to_it() -> None:
    bar = next(line for line in drawn(document(uplink(progress=WORK))).splitlines() if "━" in line)
    assert bar.count("━") == pytest.approx(12, abs=1)
    endless = {**WORK, "what": "comparing", "total": None}
    assert "━" not in drawn(document(uplink(progress=endless)))
    assert "comparing, since 03:08:10 UTC" in drawn(document(uplink(progress=endless)))


@pytest.mark.parametrize("total", [0, None, "x"])
def test_work_without_an_end_is_no_failure(total: object) -> None:
    (section,) = sections(document(uplink(progress={**WORK, "total": total})), Clock(NOW))
    (doing,) = [line for line in section.lines if isinstance(line, Doing)]
    assert (doing.share, doing.text) == (None, "changing VPP, since 03:08:10 UTC (7 s)")


def test_what_there_is_no_room_for_goes_in_its_order() -> None:
    shown = document(uplink(problems=[PROBLEM], history=MOVES, last_reconvergence=ROUND))
    whole = len(drawn(shown).splitlines())
    for height in range(whole, 3, -1):
        lines = drawn(shown, height=height).splitlines()
        text = "\n".join(lines)
        assert len(lines) <= height
        assert "Steady" in text
        moves, spare, problem = text.count("Punting →"), "changed" in text, "HL-109" in text
        assert moves in (10, 3, 0)
        assert spare or moves < 10
        assert problem or (moves == 0 and not spare)
        assert ("more lines" in text) == ("VPP  26.06" not in text)
    assert "… 7 more lines" in drawn(shown, height=3)


def test_many_problems_are_counted_when_they_do_not_fit() -> None:
    many = [{**PROBLEM, "code": f"HL-{code}"} for code in range(200, 230)]
    lines = drawn(document(uplink(problems=many)), height=20).splitlines()
    assert len(lines) == 20
    assert lines[-1].startswith("… 48 more lines: `hostlink state` shows them")
    assert drawn(document(uplink(problems=many))).count("HL-2") == 30


@pytest.mark.parametrize("columns", [1, 10, 20, 59, 60, 300])
def test_every_width_holds_everything(columns: int) -> None:
    shown = document(
        uplink(problems=[PROBLEM], history=MOVES[:1], progress=WORK), uplink("Detecting", **hold("failed"))
    )
    lines = drawn(shown, columns).splitlines()
    assert max(map(len, lines)) <= columns
    if columns >= 20:
        letters = "".join(lines).replace(" ", "").replace("│", "")
        assert "HL-109" in letters
        assert "seetheDHCPclient" in letters


def test_a_terminal_obeys_nothing_that_came_from_elsewhere() -> None:
    fields: dict[str, Any] = {"name": EVIL, "why": EVIL, "problems": [{**PROBLEM, "detail": EVIL, "to_do": EVIL}]}
    shown = document(
        uplink(**fields, progress={**WORK, "what": EVIL}, history=[{**MOVES[0], "why": EVIL}], **hold("x", EVIL))
    )
    text = drawn(shown, 300)
    assert not [character for character in text if character != "\n" and not character.isprintable()]
    assert text.count("[red]x[/red] :smile:") >= 6, "what looks like rich's own marks is text"


# ------------------------------------------------------------------------------------------------ the newest of many


def test_only_the_newest_of_what_has_come_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)
        with Client(path) as client:
            served, _ = listening.accept()
            with served:
                assert client.newest() is None
                replies = [varlink.pack_reply(varlink.Reply({"at": at}, continues=True)) for at in range(1000)]
                served.sendall(b"".join(replies) + replies[3][:5])
                assert client.newest() == {"at": 999}
                assert client.newest() is None
                served.sendall(replies[3][5:])
            assert client.newest() == {"at": 3}
            with pytest.raises(Exception, match="it ended the connection"):
                client.newest()
