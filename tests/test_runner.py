"""The runner's timers: a deadline that runs anew while a step gets on, and one that passes whatever a step says."""

# ruff: noqa: ARG001 — steps and the fixture of the clock have their arguments

from __future__ import annotations

from typing import cast

import trio
import trio.testing

from hostlink.config import Config, Match, UplinkConfig
from hostlink.core import events
from hostlink.core.context import Hold
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Facts, Problem
from hostlink.core.table import HoldKind, State, Step
from hostlink.holding import Holding
from hostlink.kernel.netlink import Netlink
from hostlink.notices import Notices, ProblemsChanged
from hostlink.runner import Runner, StepFunction
from hostlink.steps.context import Node, Uplink

ALIVE = Facts(uplink_found=True, vpp_reachable=True, takeover_alive=True)
MIRRORING_S, PUNTING_S = 30.0, 30.0
"""Of states/uplink.toml."""


async def inspect(uplink: Uplink, step: int) -> events.Event:
    return events.Inspected(step, ALIVE)


async def give_back(uplink: Uplink, step: int) -> events.Event:
    return events.GivenBack(step)


def gets_on(every_s: float, times: int, then_s: float = 0.0) -> StepFunction:
    """A mirroring that gets on so often, then takes so long for the rest."""

    async def mirror(uplink: Uplink, step: int) -> events.Event:
        for _ in range(times):
            await trio.sleep(every_s)
            uplink.advanced()
        await trio.sleep(then_s)
        return events.Mirrored(step)

    return mirror


def proves(after_s: float) -> StepFunction:
    """A proof of the path that says all the while that it gets on."""

    async def punt(uplink: Uplink, step: int) -> events.Event:
        began = trio.current_time()
        while trio.current_time() < began + after_s:
            await trio.sleep(1)
            uplink.advanced()
        return events.PathProved(step)

    return punt


class NoDisk(Holding):
    """Holds are kept in memory: the virtual clock would run on while a thread writes."""

    async def keep(self, hold: Hold) -> None:
        assert hold.kind is HoldKind.FAILED

    async def drop(self) -> None:
        return


async def run_until(mirror: StepFunction, wanted: State, punt: StepFunction = proves(0)) -> tuple[float, Runner]:  # noqa: B008
    """Seconds until the machine, which adopts a takeover, was in that state for the first time."""
    config = UplinkConfig(Match(name="eth1"))
    node = Node(Config((config,)), cast(Netlink, None))
    machine = UplinkMachine("eth1")
    steps = {Step.INSPECT: inspect, Step.MIRROR: mirror, Step.PUNT: punt, Step.GIVE_BACK: give_back}
    uplink = Uplink(node, config, 0, "eth1")
    runner = Runner(uplink, machine, Notices(), NoDisk(uplink), steps)
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            while wanted not in {one.transition.to for one in runner.history}:  # noqa: ASYNC110 — as an operator looks
                await trio.sleep(0.5)
            at = trio.current_time()
            nursery.cancel_scope.cancel()
    return at, runner


async def test_a_mirroring_that_gets_on_may_take_longer_than_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    took_s, _ = await run_until(gets_on(20, 9), State.STEADY)
    assert 180 <= took_s < 182


async def test_one_that_hangs_is_ended_a_deadline_after_it_got_on_last(autojump_clock: trio.testing.MockClock) -> None:
    took_s, runner = await run_until(gets_on(20, 3, then_s=10_000), State.RECOVERING)
    assert 60 + MIRRORING_S <= took_s < 60 + MIRRORING_S + 1
    (problem,) = runner.problems
    assert (problem.code, problem.detail) == ("HL-403", "eth1: Mirroring got no further for 30 s")


async def test_one_that_never_gets_on_is_ended_by_its_deadline(autojump_clock: trio.testing.MockClock) -> None:
    took_s, _ = await run_until(gets_on(0, 0, then_s=10_000), State.RECOVERING)
    assert MIRRORING_S <= took_s < MIRRORING_S + 1


async def test_the_deadline_of_another_state_is_one_for_all_of_it(autojump_clock: trio.testing.MockClock) -> None:
    took_s, runner = await run_until(gets_on(0, 0), State.RECOVERING, proves(10_000))
    assert PUNTING_S <= took_s < PUNTING_S + 1
    assert runner.problems[0].detail == "eth1: Punting took longer than 30 s"


async def test_watchers_hear_of_a_problem_when_it_has_lasted_its_delay(autojump_clock: trio.testing.MockClock) -> None:
    """HL-301 is shown after 5 s, HL-304 at once; what is not shown any more is told, too."""
    config = UplinkConfig(Match(name="eth1"))
    node, machine, notices = Node(Config((config,)), cast(Netlink, None)), UplinkMachine("eth1"), Notices()
    uplink = Uplink(node, config, 0, "eth1")
    runner = Runner(uplink, machine, notices, NoDisk(uplink), {Step.INSPECT: inspect, Step.MIRROR: gets_on(1, 1000)})
    heard: list[tuple[float, list[str]]] = []

    async def listen() -> None:
        with notices.watch() as watch:
            async for notice in watch.notices:
                if isinstance(notice, ProblemsChanged):
                    heard.append((trio.current_time() - began, [one.code for one in notice.problems]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        nursery.start_soon(runner.run)
        await trio.sleep(2)
        began = trio.current_time()
        uplink.tell("a", (Problem("HL-301", "a route"),))
        uplink.tell("b", (Problem("HL-304", "eth1"),))
        await trio.sleep(20)
        uplink.tell("b", ())
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert heard == [(0, ["HL-304"]), (5, ["HL-301", "HL-304"]), (20, ["HL-301"])]
