"""The same scenario on the bare NIC first, which proves the scenario, and then on the node that is taken over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError
from hostlink.lab.stage import Dataplane, Stage, open_stage

Scenario = Callable[[Stage, str], Awaitable[None]]
"""Of the stage and of a hexadecimal digit, another one in each round, for addresses that are new to the node."""
POLL_S = 0.05
NOTHING_CAME_S = 0.5
"""How long is waited for what must not come. What does come comes within a few milliseconds."""


async def before_and_after(dataplane: Dataplane, scenario: Scenario, settings: str = "") -> None:
    """Run it on the bare NIC and after the takeover. A failure says in which of the two."""
    async with open_stage(dataplane, settings=settings) as stage:
        with _noted("this was on the bare NIC: the scenario itself is wrong"):
            await scenario(stage, "a")
        stage.start_daemon()
        await stage.wait_state("Steady")
        with _noted("this was after the takeover; on the bare NIC it passed"):
            await scenario(stage, "b")


def in_turn(*scenarios: Scenario) -> Scenario:
    """Several scenarios on one stage. A failure says in which."""

    async def run(stage: Stage, digit: str) -> None:
        for scenario in scenarios:
            with _noted(f"in {scenario.__name__}"):
                await scenario(stage, digit)

    return run


@contextmanager
def _noted(text: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(text)
        raise


async def eventually(what: str, probe: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> None:
    """Wait until it is so. Raises FlowError when it is not within that time (times the stage's deadline factor)."""
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            if await probe():
                return
            await trio.sleep(POLL_S)
    raise FlowError(f"{what}: not within {within_s * deadline_factor():g} s")


async def nothing_comes() -> None:
    """The time in which an answer that must not be would have come."""
    await trio.sleep(NOTHING_CAME_S * deadline_factor())
