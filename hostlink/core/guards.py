"""The guards of the table: each a question about the machine's memory and the event at hand. None changes anything.

Their names and sentences are in states/uplink.toml; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hostlink.core.context import Context
from hostlink.core.events import Event, Inspected, Mirrored, PathProved, VppFound, VppLost
from hostlink.core.model import Facts
from hostlink.core.table import Guard, HoldKind

LEFTOVER_ROUNDS = 3
"""Give-backs of one and the same leftover before it waits for an operator: enough for a device that was still busy."""
SNAPSHOTS = 5
MIRROR_ROUNDS = 3
STOP_TRIES = 5
"""Failed give-backs before a stop ends all the same: systemd would kill us anyway, and say less."""

PATIENT_LOSSES = 3
"""A VPP that was lost more often lately is not waited for: the host would be cut off again and again."""

OPERATOR_HOLDS = (HoldKind.OPERATOR, HoldKind.FAILED)
"""Holds that only an operator's resume clears."""

Judge = Callable[[Context, Event], bool]


def given_up(context: Context, event: Event) -> bool:
    return _facts(event).given_up is not None and not _held_by_operator(context)


def adoptable(context: Context, event: Event) -> bool:
    return _facts(event).takeover_alive and not _held_by_operator(context)


def attachable(context: Context, event: Event) -> bool:
    facts = _facts(event)
    fit = facts.vpp_reachable and not facts.obstacles and not facts.takeover_alive
    return facts.host_link_alive and fit and not _held_by_operator(context)


def worth_waiting(context: Context, event: Event) -> bool:
    facts = _facts(event)
    return facts.host_link_alive and not facts.vpp_reachable and not _held_by_operator(context)


def vpp_may_return(context: Context, event: Event) -> bool:
    return context.proved and isinstance(event, VppLost) and event.losses <= PATIENT_LOSSES


def vpp_awaited(context: Context, _: Event) -> bool:
    return context.awaiting_vpp


def vpp_is_back(context: Context, event: Event) -> bool:
    return context.awaiting_vpp and isinstance(event, VppFound) and event.fit


def leftovers_returnable(context: Context, event: Event) -> bool:
    facts = _facts(event)
    return _left_over(facts) and (context.leftover_rounds < LEFTOVER_ROUNDS or context.leftover_ground != ground(facts))


def leftovers_stuck(_: Context, event: Event) -> bool:
    return _left_over(_facts(event))


def clear_to_take(context: Context, event: Event) -> bool:
    facts = _facts(event)
    fit = facts.uplink_found and facts.vpp_reachable and not facts.obstacles
    return fit and not _left_over(facts) and not _held_by_operator(context)


def held(context: Context, _: Event) -> bool:
    return context.hold is not None


def resumable(context: Context, _: Event) -> bool:
    return context.hold is not None or context.leftover_rounds > 0


def dirty(context: Context, _: Event) -> bool:
    return context.dirty


def dirty_again(context: Context, _: Event) -> bool:
    return context.dirty and context.tries < MIRROR_ROUNDS


def host_restless(context: Context, _: Event) -> bool:
    return context.tries >= SNAPSHOTS


def audit_found_nothing(context: Context, event: Event) -> bool:
    """The last event of the audit may bring changes of its own, which no action has kept yet."""
    return context.audit and not context.audit_changed and not changed(event)


def changed(event: Event) -> bool:
    """Whether a step of the round has changed something."""
    return isinstance(event, Mirrored | PathProved) and bool(event.changes)


def step_running(context: Context, _: Event) -> bool:
    return context.running_step is not None


def retry_due(context: Context, _: Event) -> bool:
    return context.running_step is None


def stopping(context: Context, _: Event) -> bool:
    return context.stopping


def last_try_of_stop(context: Context, _: Event) -> bool:
    return context.stopping and context.tries >= STOP_TRIES - 1


def ground(facts: Facts) -> tuple[bool, bool]:
    """What decides whether another try at leftovers can go better than the last."""
    return facts.uplink_found, facts.vpp_reachable


def _facts(event: Event) -> Facts:
    return event.facts if isinstance(event, Inspected) else Facts()


def _left_over(facts: Facts) -> bool:
    """A takeover that is alive but may not be adopted must go as well."""
    return facts.leftovers or facts.takeover_alive


def _held_by_operator(context: Context) -> bool:
    return context.hold is not None and context.hold.kind in OPERATOR_HOLDS


JUDGES: Mapping[Guard, Judge] = {
    Guard.GIVEN_UP: given_up,
    Guard.ADOPTABLE: adoptable,
    Guard.ATTACHABLE: attachable,
    Guard.WORTH_WAITING: worth_waiting,
    Guard.VPP_MAY_RETURN: vpp_may_return,
    Guard.VPP_AWAITED: vpp_awaited,
    Guard.VPP_IS_BACK: vpp_is_back,
    Guard.LEFTOVERS_RETURNABLE: leftovers_returnable,
    Guard.LEFTOVERS_STUCK: leftovers_stuck,
    Guard.CLEAR_TO_TAKE: clear_to_take,
    Guard.HELD: held,
    Guard.RESUMABLE: resumable,
    Guard.DIRTY: dirty,
    Guard.DIRTY_AGAIN: dirty_again,
    Guard.HOST_RESTLESS: host_restless,
    Guard.AUDIT_FOUND_NOTHING: audit_found_nothing,
    Guard.STEP_RUNNING: step_running,
    Guard.RETRY_DUE: retry_due,
    Guard.STOPPING: stopping,
    Guard.LAST_TRY_OF_STOP: last_try_of_stop,
}
