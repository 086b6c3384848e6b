"""Daemons that die over a takeover before it is confirmed: counted in the journal, and given up after some.

A daemon that is stopped gives back, so a journal that is there when one starts is a dead one's. Where it was confirmed
it is adopted, as often as need be: it was good. One that is not is the first suspect. Its successor goes on with it, in
the same time to confirm, or gives back what cannot be gone on with and takes over again; the count goes with it. When
that one dies too there is no third try by itself.
"""

from __future__ import annotations

from dataclasses import replace

from hostlink.clock import boot_id
from hostlink.core.model import Problem
from hostlink.journal import JournalError, Takeover
from hostlink.problems import problem
from hostlink.steps.context import Uplink

LIMIT = 2
"""One may be killed by hand, or by the kernel for its memory."""


async def count_death(uplink: Uplink) -> None:
    """Once in a daemon's life, at its first look: durable before anything is done that may end it too.

    Where the journal cannot be written it is told, and only the guard ends what goes on like this.
    """
    if uplink.deaths is not None:
        return
    uplink.deaths, takeover = 0, uplink.takeover
    if takeover is None or takeover.confirm is None or takeover.boot_id != boot_id():
        return
    uplink.deaths = takeover.deaths + 1
    try:
        await uplink.remember_all(replace(takeover, deaths=uplink.deaths))
    except JournalError as error:
        uplink.told["journal"] = (error.problem,)


def given_up(uplink: Uplink, takeover: Takeover) -> Problem | None:
    """Why it is not gone on with, if so many have died."""
    if takeover.confirm is None or takeover.deaths < LIMIT:
        return None
    return problem("HL-419", f"{uplink.name}: {takeover.deaths} daemons died over the takeover before it was confirmed")


def so_far(uplink: Uplink) -> int:
    """What a new takeover begins with. One that comes after it was given up was asked for: it begins anew."""
    deaths = uplink.deaths or 0
    return deaths if deaths < LIMIT else 0
