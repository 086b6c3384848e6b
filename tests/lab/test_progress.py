"""Long work of the lab and the tools: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import sys

import pytest

from hostlink.lab import progress
from hostlink.lab.progress import long_work, unseen
from tests.cli.terminal import terminal

WORK = """
import os, sys
from hostlink.lab.progress import long_work
os.system("stty -echo 2>/dev/null")  # what is typed is no part of the picture
with long_work("bench", 3) as work:
    for what in ("first [one]", "second", "third"):
        work.on(what)
        sys.stdin.readline()
        with long_work("the lab", 2) as part:
            part.on("its links")
            sys.stdin.readline()
        work.advance()
print("the result")
"""


def work_on_three(after_s: float = 0.0) -> None:
    with long_work("bench", 3, after_s=after_s) as work:
        for what in ("first", "second", "third"):
            work.on(what)
            with long_work("the lab", 9) as part:
                part.on("its links")
                part.advance(5)
            work.advance()


def test_without_a_terminal_each_thing_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    work_on_three()
    out, err = capsys.readouterr()
    *lines, last = err.splitlines()
    assert out == ""
    assert lines == ["bench: first (1 of 3)", "bench: second (2 of 3)", "bench: third (3 of 3)"]
    assert last.startswith("bench: done in 0.")


def test_what_is_short_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    work_on_three(after_s=60)
    assert capsys.readouterr() == ("", "")


def test_what_is_only_counted_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines = progress.Lines("bench", 1_000_000, 0, sys.stderr)
    for _ in range(1000):
        lines.advance(1000)
    assert capsys.readouterr().err == ""
    lines._said -= progress.LINE_EVERY_S
    lines.advance(0)
    assert capsys.readouterr().err == "bench: 1,000,000 of 1,000,000 done\n"


def test_what_fails_is_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    def fail_in_the_middle() -> None:
        with long_work("bench", 3) as work:
            work.on("first")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert capsys.readouterr().err == "bench: first (1 of 3)\n"
    work_on_three()
    assert "bench: first (1 of 3)\n" in capsys.readouterr().err, "what comes after it is no part of it"


async def test_on_a_terminal_it_is_a_bar_that_goes_in_the_end() -> None:
    async with terminal(["-c", WORK]) as shown:
        await shown.until_text("bench: first [one]", "━", "0/3")
        assert shown.cursor_hidden
        shown.type(b"\n")
        await shown.until_text("bench: the lab: its links", "0/3")
        shown.type(b"\n")
        await shown.until_text("bench: second", "1/3")
        for _ in range(4):
            shown.type(b"\n")
        assert await shown.ended() == 0
    assert "━" not in shown.text
    assert not shown.cursor_hidden
    assert [line for line in shown.text.splitlines() if line][-2].startswith("bench: done in ")
    assert shown.text.endswith("the result")


@pytest.mark.parametrize("term", ["dumb", ""])
async def test_a_dumb_terminal_gets_lines(term: str) -> None:
    async with terminal(["-c", WORK], TERM=term) as shown:
        shown.type(b"\n" * 6)
        assert await shown.ended() == 0
    assert b"\x1b" not in shown.raw
    assert "bench: third (3 of 3)" in shown.text


async def test_an_interrupted_bar_leaves_the_terminal_as_it_was() -> None:
    async with terminal(["-c", WORK]) as shown:
        await shown.until_text("bench: first", "0/3")
        shown.type(b"\x03")
        assert await shown.ended() != 0
    assert not shown.cursor_hidden
    assert "━" not in shown.text
    assert "done in" not in shown.text


def test_nothing_is_shown_while_the_terminal_is_somebody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    with unseen():
        work_on_three()
    assert capsys.readouterr() == ("", "")
