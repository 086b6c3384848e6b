"""Commit-confirm: a takeover is armed before anything moves, and lasts only if it is confirmed in time.

What is armed stands in the journal, so that the guard (hostlink/guard.py) can give back whatever becomes of the daemon.
Armed are the first handover, by Capturing, and each later one (a VPP that came back): the path must be proved anew.
Only a confirm that is durable disarms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import trio

from hostlink.clock import boottime_s
from hostlink.core.events import ConfirmMissed
from hostlink.core.model import Problem
from hostlink.journal import Awaits, Confirm, JournalError, Phase, Takeover
from hostlink.lock import GUARD_LOCK_NAME, is_locked
from hostlink.problems import problem
from hostlink.steps.context import Uplink


def armed(uplink: Uplink) -> Confirm:
    """From now on, for the path."""
    timing = uplink.node.config.timing
    return Confirm(boottime_s() + timing.confirm_s * timing.deadline_factor)


async def arm(uplink: Uplink) -> None:
    """Before a handover. One that Capturing has just armed stays as it is, and a person's time is not begun anew.

    Raises JournalError; for a takeover that was confirmed before it is only told: a full disk must not cost VPP's
    return.
    """
    takeover = uplink.taken()
    confirm = takeover.confirm
    if confirm is not None and (confirm.awaits is Awaits.PERSON or _is_fresh(uplink, confirm)):
        return
    try:
        await uplink.remember_all(replace(takeover, confirm=armed(uplink)))
        uplink.told["guard"] = unguarded(uplink)
    except JournalError as error:
        if takeover.phase is not Phase.PROVED:
            raise
        uplink.told["journal"] = (error.problem,)


def _is_fresh(uplink: Uplink, confirm: Confirm) -> bool:
    """Whether more than half of its time is left."""
    return confirm.by_s - boottime_s() > (armed(uplink).by_s - boottime_s()) / 2


def unguarded(uplink: Uplink) -> tuple[Problem, ...]:
    """What is told while a takeover is unconfirmed and no guard lives that would give it back."""
    if is_locked(uplink.node.config.paths.runtime, GUARD_LOCK_NAME):
        return ()
    return (problem("HL-414", f"{uplink.name}: the takeover is not confirmed yet, and hostlink-guard does not run"),)


def on_trial(uplink: Uplink) -> bool:
    """Whether a person has yet to confirm the takeover."""
    takeover = uplink.taken()
    if takeover.phase is Phase.PROVED or uplink.agreed:
        return False
    return uplink.node.try_s is not None or (takeover.confirm is not None and takeover.confirm.awaits is Awaits.PERSON)


async def await_person(uplink: Uplink) -> tuple[Problem, ...]:
    """The path is proved: from here on a person's time runs, once. Returns what is told. Raises JournalError."""
    takeover = uplink.taken()
    confirm = takeover.confirm
    if confirm is None or confirm.awaits is not Awaits.PERSON:
        confirm = Confirm(boottime_s() + (uplink.node.try_s or 0.0), Awaits.PERSON)
        await uplink.remember_all(replace(takeover, confirm=confirm))
    uplink.on_trial.set()
    until = datetime.now(UTC) + timedelta(seconds=left_s(uplink.taken()))
    return (problem("HL-416", f"{uplink.name}: waiting for a person's confirmation until {until:%H:%M:%S} UTC"),)


async def watch_trial(uplink: Uplink, post: Callable[[ConfirmMissed], None]) -> None:
    """Say when a person's time is over. Runs for as long as the daemon does."""
    while True:
        await uplink.on_trial.wait()
        uplink.on_trial = trio.Event()
        confirm = uplink.takeover.confirm if uplink.takeover else None
        if uplink.takeover is None or confirm is None or confirm.awaits is not Awaits.PERSON:
            continue
        await trio.sleep(max(0.0, left_s(uplink.takeover)))
        if uplink.takeover is not None and uplink.takeover.confirm == confirm and not uplink.agreed:
            post(ConfirmMissed(problem("HL-415", f"{uplink.name}: nobody has confirmed the takeover in time")))


def must_pass(uplink: Uplink) -> bool:
    """Whether the takeover stands and falls with its probes now.

    Where something was silent before VPP came back, as a router that is rebooting, silence afterwards says nothing.
    """
    takeover = uplink.taken()
    if takeover.phase is Phase.PROVED:
        return takeover.confirm is not None and not uplink.silent
    return takeover.confirm is None or takeover.confirm.awaits is Awaits.PATH  # None: an older hostlink's journal


def left_s(takeover: Takeover) -> float:
    """How much of the time to confirm is left; negative where it is over."""
    return 0.0 if takeover.confirm is None else takeover.confirm.by_s - boottime_s()
