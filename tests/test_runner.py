"""The runner's timers: a deadline that runs anew while a step gets on, and one that passes whatever a step says."""

# ruff: noqa: ARG001 — steps and the fixture of the clock have their arguments

from __future__ import annotations

from typing import cast

import trio
import trio.testing

from hostlink.config import Config, Match, UplinkConfig
from hostlink.core import events
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Facts
from hostlink.core.table import State, Step
from hostlink.kernel.netlink import Netlink
from hostlink.notices import Notices
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


async def run_until(mirror: StepFunction, wanted: State, punt: StepFunction = proves(0)) -> tuple[float, Runner]:  # noqa: B008
    """Seconds until the machine, which adopts a takeover, was in that state for the first time."""
    config = UplinkConfig(Match(name="eth1"))
    node = Node(Config((config,)), cast(Netlink, None))
    machine = UplinkMachine("eth1")
    steps = {Step.INSPECT: inspect, Step.MIRROR: mirror, Step.PUNT: punt, Step.GIVE_BACK: give_back}
    runner = Runner(Uplink(node, config, 0, "eth1"), machine, Notices(), steps)
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
