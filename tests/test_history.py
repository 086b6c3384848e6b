"""The history: kept over restarts, bounded, and of no harm when it cannot be kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from hostlink.core.effects import Transition
from hostlink.core.table import State, Trigger
from hostlink.history import FILE_NAME, LIMIT, History, keep_history, read_history
from hostlink.notices import Moved, Notices

AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


def moved(why: str, *, quiet: bool = False) -> Moved:
    return Moved("eth0", Transition(State.STEADY, State.MIRRORING, Trigger.HOST_CHANGED, why, None, quiet), AT)


async def test_what_an_earlier_daemon_did_is_there(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(moved("the host changed: route"))
    await history.write()
    assert list(History(tmp_path).moves) == [
        {
            "at": "2026-01-02T03:04:05.678+00:00",
            "uplink": "eth0",
            "from": "Steady",
            "to": "Mirroring",
            "trigger": "host_changed",
            "why": "the host changed: route",
        }
    ]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_the_file_stays_bounded_and_has_the_newest(tmp_path: Path) -> None:
    history = History(tmp_path)
    for batch in range(5):
        for number in range(LIMIT):
            history.add(moved(f"{batch}.{number}"))
        await history.write()
        assert len((tmp_path / FILE_NAME).read_bytes().splitlines()) <= 2 * LIMIT
    kept = [move["why"] for move in read_history(tmp_path)]
    assert kept == [f"4.{number}" for number in range(LIMIT)] == [move["why"] for move in history.moves]


async def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(moved("before"))
    await history.write()
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"at": 1}\n[[[\n\xff\xfe\n' + b"[" * 100_000 + b'\n{"at": "2026')
    assert [move["why"] for move in read_history(tmp_path)] == ["before"]


async def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE_NAME).mkdir()
    history = History(tmp_path)
    for why in ("one", "two"):
        history.add(moved(why))
        await history.write()
    assert [move["why"] for move in history.moves] == ["one", "two"]
    assert capsys.readouterr().err.count(f"{tmp_path / FILE_NAME}: the history cannot be kept") == 1


async def test_audits_are_no_news_and_the_last_moves_before_the_end_are_written(tmp_path: Path) -> None:
    history, notices = History(tmp_path), Notices()
    async with trio.open_nursery() as nursery:
        await nursery.start(keep_history, history, notices)
        notices.publish(moved("first"))
        notices.publish(moved("an audit that found nothing", quiet=True))
        with trio.fail_after(10):
            while not (tmp_path / FILE_NAME).exists():  # noqa: ASYNC110 — a file tells nobody
                await trio.sleep(0.01)
        notices.publish(moved("stop"))
        nursery.cancel_scope.cancel()
    lines = (tmp_path / FILE_NAME).read_text().splitlines()
    assert [json.loads(line)["why"] for line in lines] == ["first", "stop"]
