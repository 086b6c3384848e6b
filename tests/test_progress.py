"""Long work: told of when it is long, seldom, and at its end; by the runner, in the log, in virtual time."""

# ruff: noqa: ARG001 — steps and the fixture of the clock have their arguments

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import trio
import trio.testing

from hostlink.config import Config, Match, UplinkConfig
from hostlink.core import events
from hostlink.core.machine import UplinkMachine
from hostlink.core.table import Step
from hostlink.kernel.netlink import Netlink
from hostlink.notices import Notices, Progressed
from hostlink.progress import TOLD_AFTER_S, TOLD_EVERY_S, Progress, Work
from hostlink.report import state_report
from hostlink.runner import Runner
from hostlink.steps.context import Node, StepError, Uplink, fail
from hostlink.told import Teller

from .test_runner import NoDisk, give_back, inspect, proves

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
Told = list[tuple[float, str, int, int | None, bool]]
"""(when, what, done, total, ended)"""


async def told_of(work: Work, do: object) -> Told:
    """What is told while `do` is at work, and in the ten seconds after it."""
    told: Told = []
    began = trio.current_time()

    def tell(one: Progress, ended: bool) -> None:
        told.append((round(trio.current_time() - began, 3), one.what, one.done, one.total, ended))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.keep_telling, tell)
        await do(work)  # type: ignore[operator]
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    return told


async def test_short_work_is_not_told_of(autojump_clock: trio.testing.MockClock) -> None:
    async def short(work: Work) -> None:
        for _ in range(50):
            work.begin("changing VPP", 10)
            work.advance(10)
            await trio.sleep(TOLD_AFTER_S * 0.9)
            assert work.long is None
            work.end()
            await trio.sleep(0.01)

    assert await told_of(Work(), short) == []


async def test_long_work_is_told_of_seldom_and_at_its_end(autojump_clock: trio.testing.MockClock) -> None:
    async def count(work: Work) -> None:
        work.begin("changing VPP", 1000)
        for _ in range(1000):
            await trio.sleep(0.002)
            work.advance()
        work.end()

    told = await told_of(Work(), count)
    assert told[0][:2] == (TOLD_AFTER_S, "changing VPP")
    assert 0 < told[0][2] < 1000
    assert len(told) <= 2 + 1 / TOLD_EVERY_S
    assert told[-1] == (2.0, "changing VPP", 1000, 1000, True)
    assert [ended for *_, ended in told] == [False] * (len(told) - 1) + [True]


async def test_work_that_does_not_get_on_wakes_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(work: Work) -> None:
        work.begin("comparing VPP with the host")
        await trio.sleep(100)
        work.end()

    assert await told_of(Work(), hang) == [
        (1.0, "comparing VPP with the host", 0, None, False),
        (100.0, "comparing VPP with the host", 0, None, True),
    ]


async def test_what_follows_long_work_is_told_of_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async def two(work: Work) -> None:
        work.begin("comparing VPP with the host")
        await trio.sleep(5)
        work.begin("changing VPP", 4)
        assert work.long is not None
        assert work.long.what == "changing VPP"
        await trio.sleep(0.5)
        work.end()

    told = await told_of(Work(), two)
    assert told == [
        (1.0, "comparing VPP with the host", 0, None, False),
        (5.0, "comparing VPP with the host", 0, None, True),
        (5.0, "changing VPP", 0, 4, False),
        (5.5, "changing VPP", 0, 4, True),
    ]


async def test_other_work_ends_whatever_is_left(autojump_clock: trio.testing.MockClock) -> None:
    async def one(work: Work) -> None:
        work.begin("changing VPP", 4)
        await trio.sleep(2)
        work.end(left=3)
        assert work.long is None

    assert (await told_of(Work(), one))[-1] == (2.0, "changing VPP", 0, 4, True)


async def test_what_comes_bit_by_bit_is_one_work(autojump_clock: trio.testing.MockClock) -> None:
    async def storm(work: Work) -> None:
        for left in (20, 30, 10):
            work.goes_on("bringing routes", left)
            await trio.sleep(0.8)
            work.advance(5)
            work.end(left=1)
        work.end()

    told = await told_of(Work(), storm)
    assert told[0] == (1.0, "bringing routes", 5, 35, False)
    assert told[-1] == (2.4, "bringing routes", 15, 20, True)


# ---------------------------------------------------------------------------------------------------------- the runner


async def notices_of(mirror: object, for_s: float) -> tuple[list[Progressed], list[object]]:
    """What watchers hear, and the document's `progress` each time; until so many seconds have passed."""
    config = UplinkConfig(Match(name="eth1"))
    node, notices = Node(Config((config,)), cast(Netlink, None)), Notices()
    uplink = Uplink(node, config, 0, "eth1")
    steps = {Step.INSPECT: inspect, Step.MIRROR: mirror, Step.PUNT: proves(0), Step.GIVE_BACK: give_back}
    runner = Runner(uplink, UplinkMachine("eth1"), notices, NoDisk(uplink), steps)  # type: ignore[arg-type]
    heard: list[Progressed] = []
    shown: list[object] = []

    async def listen() -> None:
        with notices.watch() as watch:
            async for notice in watch.notices:
                if isinstance(notice, Progressed):
                    heard.append(notice)
                    shown.append(state_report(node, [runner])["uplinks"][0]["progress"])  # type: ignore[index]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        nursery.start_soon(runner.run)
        await trio.sleep(for_s)
        nursery.cancel_scope.cancel()
    shown.append(state_report(node, [runner])["uplinks"][0]["progress"])  # type: ignore[index]
    return heard, shown


async def test_the_document_shows_the_work_and_watchers_hear_of_it(autojump_clock: trio.testing.MockClock) -> None:
    async def mirror(uplink: Uplink, step: int) -> events.Event:
        uplink.work.begin("changing VPP", 3)
        for _ in range(3):
            await trio.sleep(1.1)
            uplink.advanced(1)
        await trio.sleep(0.5)
        return events.Mirrored(step)

    heard, shown = await notices_of(mirror, 20)
    assert [(one.uplink, one.progress.done, one.ended) for one in heard] == [
        ("eth1", 0, False),
        ("eth1", 1, False),
        ("eth1", 2, False),
        ("eth1", 3, False),
        ("eth1", 3, True),
    ]
    assert [{**one, "since": ""} for one in shown[:2]] == [  # type: ignore[dict-item]
        {"what": "changing VPP", "done": 0, "total": 3, "since": ""},
        {"what": "changing VPP", "done": 1, "total": 3, "since": ""},
    ]
    assert shown[-1] is None


async def test_work_ends_with_a_step_that_fails(autojump_clock: trio.testing.MockClock) -> None:
    async def mirror(uplink: Uplink, step: int) -> events.Event:
        uplink.inbox.begin_look()
        uplink.work.begin("changing VPP", 3)
        await trio.sleep(2)
        raise StepError(fail("HL-410", "eth1: it differs").problem)

    heard, shown = await notices_of(mirror, 20)
    assert [one.ended for one in heard] == [False, True]
    assert shown[-1] is None


# ------------------------------------------------------------------------------------------------------------- the log


def test_the_log_has_a_line_for_its_begin_and_one_for_its_end() -> None:
    def lines(done: int, total: int | None, lasted_s: float, ended: bool = False) -> list[str]:
        work = Progress("changing VPP", done, total, at, lasted_s)
        return [entry.message for entry in teller.entries(Progressed("eth1", work, ended), 0)]

    teller, at = Teller(), AT
    assert lines(20_000, 100_000, 1.25) == ["changing VPP: 20,000 of 100,000 after 1.2 s"]
    assert lines(40_000, 100_000, 2.0) == []
    assert lines(100_000, 100_000, 4.0, True) == ["changing VPP: 100,000 in 4.0 s"]
    at = LATER
    assert lines(10, None, 9.0) == []
    assert lines(0, 0, 9.0, True) == []
    assert lines(10, None, 9.0, True) == []
    assert lines(0, 5, 0.1) == [], "it goes on after something long, and is short itself"
    assert lines(5, 5, 0.2, True) == []
    assert lines(3, 5, 7.0, True) == ["changing VPP: 3 of 5 in 7.0 s"]
