"""The shapes of the made table: what a row is, and what an operator is told of a state or a hold.

Apart from the table itself, because the made module is built of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostlink.core._made_names import Action, Guard, State, Step, Trigger


@dataclass(frozen=True, slots=True)
class StateText:
    """A state: its runbook entry, what runs in it and for how long."""

    title: str
    what: str
    know: str
    normal: str
    """How long an uplink is usually in it."""
    do: str
    step: Step | None
    """What starts at entry."""
    deadline_s: float | None
    """How long that step may take; with `progress`, how long without getting on."""
    progress: bool
    """Its step says when it gets on: what it has to do may be as long as the host's table of routes."""
    wait_s: float | None
    """How long the state waits where no step runs."""
    grace_s: float | None
    """How long VPP is waited for before the step starts, where the row that entered it says so."""
    grace_step: Step | None
    """What runs meanwhile."""
    looks: bool
    """Its step reads everything anew, so that what changed before it is settled by it."""
    doing: str
    """What is waited for while the step runs."""
    waiting: str
    """What is waited for when none runs."""
    awaiting: str
    """What is waited for in the grace."""


@dataclass(frozen=True, slots=True)
class HoldText:
    title: str
    clears: str
    """What ends the hold."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What becomes of a state and trigger where no row holds."""

    state: State
    trigger: Trigger
    text: str
    """Why it is ignored, or what is said when it is refused."""


@dataclass(frozen=True, slots=True)
class Row:
    """One move. Of the rows of a state and trigger, the first whose guard holds wins."""

    state: State
    trigger: Trigger
    guard: Guard | None
    to: State | None
    """The state that is entered (perhaps again), or None: the machine stays, its step goes on."""
    does: tuple[Action, ...]
    why: str | None
    """Told as the reason from then on; `{detail}` is the event's own word. None: the last one stays."""
