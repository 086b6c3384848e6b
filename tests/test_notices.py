"""The bulletin: everybody hears, in order, and no watcher can hurt the emitter or another watcher."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio

from hostlink.core.effects import Transition
from hostlink.core.model import Problem
from hostlink.core.table import State
from hostlink.notices import Moved, Notice, Notices, ProblemsChanged, Watch

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def moved(why: str) -> Moved:
    return Moved("eth0", Transition(State.STEADY, State.MIRRORING, None, why, None), AT)


async def hear(watch: Watch, count: int) -> list[Notice]:
    with trio.fail_after(1):
        return [await watch.notices.receive() for _ in range(count)]


async def test_every_watcher_hears_everything_in_order() -> None:
    notices, told = Notices(), [moved("a"), ProblemsChanged("eth0", (Problem("HL-109", "x"),)), moved("b")]
    with notices.watch() as first, notices.watch() as second:
        for notice in told:
            notices.publish(notice)
        assert await hear(first, 3) == await hear(second, 3) == told


def test_nobody_listening_is_no_error() -> None:
    Notices().publish(moved("a"))


async def test_a_watcher_hears_only_what_is_published_within_its_block() -> None:
    notices = Notices()
    notices.publish(moved("before"))
    with notices.watch() as watch:
        notices.publish(moved("within"))
        assert await hear(watch, 1) == [moved("within")]
        assert watch.notices.statistics().current_buffer_used == 0
    notices.publish(moved("after"))


async def test_a_slow_watcher_misses_some_knows_it_and_hurts_nobody() -> None:
    notices = Notices()
    with notices.watch(waiting_limit=2) as slow, notices.watch() as quick:
        for number in range(5):
            notices.publish(moved(str(number)))
        assert len(await hear(quick, 5)) == 5
        assert slow.missed == 3
        assert await hear(slow, 2) == [moved("0"), moved("1")]


async def test_a_watcher_whose_task_died_hurts_nobody() -> None:
    notices = Notices()
    with notices.watch() as dead, notices.watch() as living:
        dead.notices.close()
        notices.publish(moved("a"))
        dead.close()
        notices.publish(moved("b"))
        assert await hear(living, 2) == [moved("a"), moved("b")]


async def watch_badly(notices: Notices) -> None:
    with notices.watch() as watch:
        notices.publish(moved("a"))
        await watch.notices.receive()
        raise RuntimeError("a bug in a watcher")


async def test_a_watcher_may_leave_because_of_what_it_heard() -> None:
    notices = Notices()
    with notices.watch() as other:
        with pytest.raises(RuntimeError, match="watcher"):
            await watch_badly(notices)
        notices.publish(moved("b"))
        assert await hear(other, 2) == [moved("a"), moved("b")]


async def test_many_changes_wake_once() -> None:
    notices = Notices()
    with notices.watch() as watch:
        for number in range(10):
            notices.publish(moved(str(number)))
        with trio.fail_after(1):
            await watch.wait_changed()
        with trio.move_on_after(0.01) as waiting:
            await watch.wait_changed()
        assert waiting.cancelled_caught
