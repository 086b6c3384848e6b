"""VPP's ports are there, whoever deletes them in VPP: the NIC is opened again where it is parked, with all that it had.

VPP does not take what pointed to a deleted interface along. Routes by it stay, show as before and drop for ever, also
when another interface gets its number: VPP keeps one path list for all routes of the same paths, whoever gave them, so
that even a new route of hostlink's is dead where another client's old one is still there (vnet/fib/fib_path_list.c,
fib_path_back_walk_notify). And what is switched on by number looks switched on. So the new port never gets the old
one's number, and hostlink's routes by that go first. What other clients have there is theirs to say again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from hostlink.fights import TIMES, WITHIN_S
from hostlink.problems import problem
from hostlink.steps.context import CannotPutBack, Uplink
from hostlink.steps.handover import attach_nic
from hostlink.steps.withdraw import let_go_of_nic
from hostlink.vpp.loopback import make_loopback, remove_loopback
from hostlink.vpp.tags import Ports

PORT = "port"
PLACEHOLDERS = 16
"""VPP gives away what was freed last first. More than these were not freed, or lost in one life of VPP."""


async def keep_nic_port(uplink: Uplink) -> list[str]:
    """Before a round: VPP has the NIC. Returns what was done.

    Raises CannotPutBack: HL-411 where it is deleted each time. Raises StepError, VppError.
    """
    before, now = uplink.ports.uplink, await uplink.node.dataplane().find(uplink.name)
    if now.uplink is not None:
        return []
    count_deletion(uplink)
    number = before.sw_if_index if before is not None else None
    await let_go_of_nic(uplink, number)
    async with _taken(uplink, number):
        await attach_nic(uplink)
    uplink.ports = Ports((await uplink.node.dataplane().find(uplink.name)).uplink, uplink.ports.host)
    return [f"VPP: took {uplink.name} again, which somebody had deleted there"]


def count_deletion(uplink: Uplink) -> None:
    """A port of ours has gone from VPP, and not by us. Raises CannotPutBack where that is so again and again."""
    now = trio.current_time()
    if uplink.fights.paused(PORT, now):
        text = f"{uplink.name}: an interface of hostlink's was deleted in VPP {TIMES} times within {WITHIN_S:g} s"
        raise CannotPutBack(problem("HL-411", text))
    uplink.fights.move(PORT, now)


async def port_is_gone(uplink: Uplink) -> bool:
    """Whether VPP lacks a port that it had. Raises VppError."""
    there, known = await uplink.node.dataplane().find(uplink.name), uplink.ports
    return (known.uplink is not None and there.uplink is None) or (known.host is not None and there.host is None)


@asynccontextmanager
async def _taken(uplink: Uplink, number: int | None) -> AsyncIterator[None]:
    """Within the block no new interface gets that number, nor another that a port of ours has had and lost."""
    dataplane, held = uplink.node.dataplane(), list[int]()
    if number is not None:
        dataplane.lost.add(number)
    free = dataplane.lost - {one.sw_if_index for one in await dataplane.interfaces()}
    try:
        while free.difference(held) and len(held) < PLACEHOLDERS:
            held.append(await make_loopback(dataplane.session))
        yield
    finally:
        with trio.CancelScope(shield=True):
            for one in held:
                await remove_loopback(dataplane.session, one)
