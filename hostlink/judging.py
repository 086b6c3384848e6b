"""What the guard decides, from what it sees of one takeover at one moment. It does nothing itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hostlink.journal import Glance, Phase


class Verdict(enum.Enum):
    """What is to be done, and why."""

    WAIT = "nothing is due"
    UNCONFIRMED = "it was not confirmed in time"
    UNFINISHED = "its give-back was begun and not ended"
    ORPHANED = "daemon and VPP are both gone"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each is waited for, in seconds."""

    daemon_s: float
    """A daemon that runs, to give back itself what was not confirmed: it knows the same time."""
    give_back_s: float
    """A daemon that runs, to end a give-back."""
    guard_s: float
    """A daemon that is gone, to be started again."""
    vpp_s: float
    """VPP, to come back."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One takeover at one moment."""

    glance: Glance
    boot_id: str
    """Of this boot."""
    now_s: float
    """CLOCK_BOOTTIME."""
    held_s: float | None
    """How long ago a hold was written; None: there is none. Under a hold a takeover is being given back."""
    daemon_gone_s: float | None
    """For how long nobody has held the node's lock; None: somebody does."""
    vpp_gone_s: float | None
    """For how long VPP's socket has accepted nobody; None: it does, or nobody looked."""


def judge(seen: Seen, patience: Patience) -> Verdict:
    """A takeover of another boot is nobody's here: nothing of it is left to give back but its journal."""
    glance = seen.glance
    if glance.boot_id != seen.boot_id:
        return Verdict.WAIT
    if seen.daemon_gone_s is None:
        return _while_it_runs(seen, patience)
    if glance.confirm is not None and seen.now_s >= glance.confirm.by_s:
        return Verdict.UNCONFIRMED
    if seen.daemon_gone_s < patience.guard_s:
        return Verdict.WAIT
    if seen.held_s is not None:
        return Verdict.UNFINISHED
    if seen.vpp_gone_s is None or seen.vpp_gone_s < patience.vpp_s:
        return Verdict.WAIT
    return Verdict.ORPHANED if glance.confirm is None else Verdict.UNCONFIRMED


def _while_it_runs(seen: Seen, patience: Patience) -> Verdict:
    """A daemon that works is left alone with all but a takeover that it lets go unconfirmed."""
    confirm = seen.glance.confirm
    if confirm is None:
        return Verdict.WAIT
    if seen.held_s is not None:
        return Verdict.UNFINISHED if seen.held_s >= patience.give_back_s else Verdict.WAIT
    # One that was proved before may be waiting for VPP, which is lost again since this handover.
    away_s = patience.vpp_s if seen.glance.phase is Phase.PROVED else 0.0
    return Verdict.UNCONFIRMED if seen.now_s >= confirm.by_s + patience.daemon_s + away_s else Verdict.WAIT
