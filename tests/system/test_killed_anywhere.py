"""The daemon killed at each thing that it does, on the way there and on the way back: the next one makes it good.

What there is to be killed at is found out by a traced takeover and give-back, so what is added to hostlink is in here
by itself. Whatever the dead daemon left, its successor reaches Steady with it, and at its stop the NIC is exactly as it
was before the first one, and nothing is left over. (F42, F45, F46, F52) In CI test_interruptions.py stands for it,
which kills at moments.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import ping
from hostlink.lab.layout import HOST4
from hostlink.lab.stage import Dataplane, Stage, StageError, open_stage
from tests.system.picture import picture
from tests.system.test_failure_matrix import AT_ONCE, CLUSTER, each_once, plain
from tests.system.test_interruptions import STANDINS, available, leftovers, unlike

What = TypeVar("What")
WITHIN_S = 40.0
NOT_YET = frozenset(
    {"sockclnt_create", "get_api_json", "show_version", "fib_source_add", "fib_source_dump", "control_ping"}
)
"""Asked before VPP knows whom it would have to kill (want_interface_events), or at no set moment."""


@pytest.mark.live
@pytest.mark.timeout(600)
async def test_the_daemon_dies_at_each_kernel_operation(tmp_path: Path) -> None:
    async def cell(dataplane: Dataplane, number: int) -> str | None:
        async with open_stage(dataplane, settings=CLUSTER) as stage:
            return await _made_good(stage, HOSTLINK_LAB_DIE_AT=str(number))

    dataplanes = available()
    for dataplane in dataplanes:
        (tmp_path / str(dataplane)).mkdir(parents=True)
    counts = {one: len((await _traced(one, tmp_path / str(one)))[1]) for one in dataplanes}
    assert min(counts.values()) > 40
    # They take turns: most operations are the same with each.
    turns = ((one, range(first, counts[one], len(dataplanes))) for first, one in enumerate(dataplanes, start=1))
    wrong = await _each(cell, ((one, number) for one, numbers in turns for number in numbers))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.live
@pytest.mark.timeout(600)
async def test_the_daemon_dies_at_each_vpp_request(tmp_path: Path) -> None:
    """VPP carries the request out, and all that was sent behind it. Of a real one nobody can ask that."""

    async def cell(dataplane: Dataplane, name: str) -> str | None:
        environment = {"HOSTLINK_STANDIN_FAIL": f"{name}=kill"}
        async with open_stage(dataplane, settings=CLUSTER, vpp_environment=environment) as stage:
            return await _made_good(stage)

    requests, _ = await _traced(STANDINS[0], tmp_path)
    cells = [name for name in each_once(requests) if plain(name) not in NOT_YET]
    assert len(cells) > 40
    wrong = await _each(cell, ((STANDINS[0], name) for name in cells))
    assert not wrong, "\n\n".join(wrong)


async def _traced(dataplane: Dataplane, folder: Path) -> tuple[list[str], list[str]]:
    """(VPP requests, kernel operations) of a takeover and a give-back, in their order."""
    requests, operations = folder / "requests", folder / "operations"
    requests.touch()
    vpp = {"HOSTLINK_STANDIN_TRACE": str(requests)}
    async with open_stage(dataplane, settings=CLUSTER, vpp_environment=vpp) as stage:
        stage.start_daemon(HOSTLINK_LAB_TRACE_KERNEL=str(operations))
        await stage.wait_state("Steady", WITHIN_S)
        assert await stage.stop_daemon() == 0
    return requests.read_text().split(), operations.read_text().split()


async def _made_good(stage: Stage, **environment: str) -> str | None:
    """A daemon that will be killed, one that is not. Returns what is wrong in the end, or None."""
    before = await picture(stage)
    daemon = stage.start_daemon(**environment)
    await _steady_or_dead(stage)
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)  # it dies on the way back
    if (status := await stage.wait_daemon(WITHIN_S)) != -signal.SIGKILL:
        return f"it was not killed: exit {status}\n{stage.log}"
    stage.start_daemon()
    await stage.wait_state("Steady", WITHIN_S)
    if not await ping(stage.lab.wire, HOST4.ip, count=3):
        return f"the host does not answer\n{stage.log}"
    if (status := await stage.stop_daemon()) != 0:
        return f"exit {status}\n{stage.log}"
    return await unlike(stage, before) or await leftovers(stage)


async def _steady_or_dead(stage: Stage) -> None:
    assert stage.daemon is not None
    with trio.fail_after(WITHIN_S * deadline_factor()):
        while stage.daemon.poll() is None:
            try:
                if (await stage.state())["state"] == "Steady":
                    return
            except StageError:  # it is starting, or is just being killed
                await trio.sleep(0.05)


async def _each(
    cell: Callable[[Dataplane, What], Awaitable[str | None]], cells: Iterable[tuple[Dataplane, What]]
) -> list[str]:
    """Run all cells, a few at a time. Returns what is wrong."""
    wrong: list[str] = []
    slots = trio.CapacityLimiter(AT_ONCE)

    async def one(dataplane: Dataplane, what: What) -> None:
        async with slots:
            try:
                verdict = await cell(dataplane, what)
            except (StageError, trio.TooSlowError) as error:
                verdict = repr(error)
        if verdict:
            wrong.append(f"{dataplane}, {what}: {verdict}")

    async with trio.open_nursery() as nursery:
        for dataplane, what in cells:
            nursery.start_soon(one, dataplane, what)
    return wrong
