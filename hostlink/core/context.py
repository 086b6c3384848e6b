"""What the machine remembers beside its state: the ground that guards judge on and that actions change.

Only the machine and actions.py write here; guards.py only reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostlink.core.model import Facts, Problem
from hostlink.core.table import HoldKind


@dataclass(frozen=True, slots=True)
class Hold:
    """Why Detecting does not go on by itself. `problem`: what failed, where something did."""

    kind: HoldKind
    reason: str
    problem: Problem | None = None


@dataclass(slots=True)
class Context:
    """One uplink's memory. The numbers of steps and timers only ever grow."""

    word: str = ""
    """The present event's own word, for reasons and problems."""
    overdue: Problem | None = None
    """The present event's problem, where it is a passed deadline."""
    why: str = ""
    hold: Hold | None = None
    failure: Problem | None = None
    """The last failure of a step, until it is settled."""
    residue: tuple[Problem, ...] = ()
    """What the last give-back could not restore."""
    facts: Facts | None = None
    dirty: bool = False
    """Something changed that the running step may not have seen."""
    audit: bool = False
    audit_changed: bool = False
    proved: bool = False
    """The host has worked through its interface in this takeover: a lost VPP is waited for."""
    awaiting_vpp: bool = False
    """VPP is waited for with the host's interface in place, before the state's step runs."""
    stopping: bool = False
    finished: bool = False
    clean: bool = False
    tries: int = 0
    """What count_try counted since the state was first entered."""
    leftover_rounds: int = 0
    leftover_ground: tuple[bool, bool] = (False, False)
    """(uplink found, VPP reachable) when leftovers were last given back: where it is another now, a try is worth it."""
    latest_step: int = 0
    running_step: int | None = None
    latest_timer: int = 0
    armed_timer: int | None = None
