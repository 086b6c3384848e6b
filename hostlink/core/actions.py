"""The actions of the table: what a row changes in the machine's memory besides the state. None starts or ends anything.

Their names and sentences are in states/uplink.toml; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hostlink.core.context import Context, Hold
from hostlink.core.events import ConfirmMissed, Event, GivenBack, Inspected, StepFailed
from hostlink.core.guards import changed, ground
from hostlink.core.model import Problem
from hostlink.core.table import HOLDS, Action, HoldKind

# Codes of the register in hostlink/problems/, which core does not import: a test holds the two together.
VPP_LOST = "HL-404"
UPLINK_LOST = "HL-405"

Doer = Callable[[Context, Event], None]


def keep_facts(context: Context, event: Event) -> None:
    if isinstance(event, Inspected):
        context.facts = event.facts
        context.failure = None


def keep_failure(context: Context, event: Event) -> None:
    if isinstance(event, Inspected):
        context.failure = event.facts.given_up
    else:
        context.failure = event.problem if isinstance(event, StepFailed | ConfirmMissed) else context.overdue


def keep_changes(context: Context, event: Event) -> None:
    if changed(event):
        context.audit_changed = True


def keep_residue(context: Context, event: Event) -> None:
    if isinstance(event, GivenBack):
        context.residue = event.residue
        context.failure = None
        context.proved = False


def count_try(context: Context, _: Event) -> None:
    context.tries += 1


def count_leftovers(context: Context, event: Event) -> None:
    if not isinstance(event, Inspected):
        return
    if context.leftover_ground != ground(event.facts):
        context.leftover_rounds = 0
    context.leftover_rounds += 1
    context.leftover_ground = ground(event.facts)


def begin_audit(context: Context, _: Event) -> None:
    context.audit = True
    context.audit_changed = False


def mark_dirty(context: Context, _: Event) -> None:
    context.dirty = True


def wait(_context: Context, _: Event) -> None:
    """The machine arms the state's wait when it sees this action in a row: memory has no part in it."""


def settle(context: Context, _: Event) -> None:
    context.hold = None
    context.failure = None
    context.residue = ()
    context.leftover_rounds = 0


def hold(context: Context, _: Event, *, kind: HoldKind, code: str | None) -> None:
    """Sets the hold; a stop that was asked for stays the reason of what comes."""
    if context.stopping:
        return
    problem = Problem(code, context.word) if code else None
    if kind is HoldKind.FAILED:
        problem = context.failure
    reason = f"{HOLDS[kind].title}: {problem.detail}" if problem else HOLDS[kind].title
    context.hold = Hold(kind, reason, problem)


def mark_proved(context: Context, _: Event) -> None:
    context.proved = True


def await_vpp(context: Context, _: Event) -> None:
    context.awaiting_vpp = True


def end_waiting(context: Context, _: Event) -> None:
    context.awaiting_vpp = False


def begin_stop(context: Context, _: Event) -> None:
    """A stop that comes in the middle of tries has its own number of them."""
    if not context.stopping:
        context.tries = 0
    context.stopping = True
    context.hold = Hold(HoldKind.STOPPING, HOLDS[HoldKind.STOPPING].title)


def finish(context: Context, event: Event) -> None:
    context.finished = True
    context.clean = isinstance(event, GivenBack) and not event.residue


DOERS: Mapping[Action, Doer] = {
    Action.KEEP_FACTS: keep_facts,
    Action.KEEP_FAILURE: keep_failure,
    Action.KEEP_CHANGES: keep_changes,
    Action.KEEP_RESIDUE: keep_residue,
    Action.COUNT_TRY: count_try,
    Action.COUNT_LEFTOVERS: count_leftovers,
    Action.BEGIN_AUDIT: begin_audit,
    Action.MARK_DIRTY: mark_dirty,
    Action.WAIT: wait,
    Action.SETTLE: settle,
    Action.HOLD_FAILED: partial(hold, kind=HoldKind.FAILED, code=None),
    Action.HOLD_VPP_LOST: partial(hold, kind=HoldKind.VPP_LOST, code=VPP_LOST),
    Action.HOLD_UPLINK_LOST: partial(hold, kind=HoldKind.UPLINK_LOST, code=UPLINK_LOST),
    Action.HOLD_OPERATOR: partial(hold, kind=HoldKind.OPERATOR, code=None),
    Action.MARK_PROVED: mark_proved,
    Action.AWAIT_VPP: await_vpp,
    Action.END_WAITING: end_waiting,
    Action.BEGIN_STOP: begin_stop,
    Action.FINISH: finish,
}
