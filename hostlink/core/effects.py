"""What is to be done: the only output of the machine, imperative, frozen. Whoever carries one out reports by an event.

In one answer they come in this order: what runs is ended (CancelStep, DisarmTimer), the move is told (Publish, Refuse),
then what is new begins (StartStep, ArmTimer), or the end (Finish). A step is never started while another one runs: its
CancelStep came before.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostlink.core.table import State, Step, Trigger


@dataclass(frozen=True, slots=True)
class Transition:
    """A move that watchers and the history are told of."""

    frm: State
    to: State
    """The same as `frm` where a state was entered again, or where only what is shown changed."""
    trigger: Trigger | None
    """None: the machine's start."""
    why: str
    step: int | None
    """The step that runs from now on, if any."""
    quiet: bool = False
    """Part of an audit that found nothing: not worth a line in the history."""


@dataclass(frozen=True, slots=True)
class StartStep:
    """Run it, and report one result with this number."""

    step: int
    kind: Step


@dataclass(frozen=True, slots=True)
class CancelStep:
    """End it; nothing of it may act any more when the next step starts. Its result, if one still comes, is stale."""

    step: int


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Send DeadlinePassed with this number after that time."""

    timer: int
    after_s: float
    by_progress: bool = False
    """The time runs anew whenever the running step gets on."""


@dataclass(frozen=True, slots=True)
class DisarmTimer:
    timer: int


@dataclass(frozen=True, slots=True)
class Publish:
    """The state has moved, or what is shown of it has."""

    transition: Transition


@dataclass(frozen=True, slots=True)
class Refuse:
    """The event is refused on purpose: `message` is for whoever sent it. For a step's result that is a bug of ours."""

    trigger: Trigger
    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The machine is done, after a stop. `clean`: the NIC was given back and nothing is left over."""

    clean: bool


Effect = StartStep | CancelStep | ArmTimer | DisarmTimer | Publish | Refuse | Finish
