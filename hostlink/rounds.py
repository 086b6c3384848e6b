"""What a reconvergence was: the round from Steady through Mirroring and Punting and back, with its reason and its work.

A change that comes in the middle makes the round longer and no second one. A round that ends elsewhere (in Recovering)
is no reconvergence, and the history tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hostlink.core.effects import Transition
from hostlink.core.table import State, Trigger

KEPT = 20
"""Changes of one round that are kept in words; of the others only how many."""
_ROUND = (State.MIRRORING, State.PUNTING)
_AUDITS = (Trigger.DEADLINE_PASSED, Trigger.AUDIT_REQUESTED)


@dataclass(frozen=True, slots=True)
class Round:
    """at: when it began, UTC. changes: the first few; count: of all. audit: begun by an audit, not by a change."""

    at: datetime
    why: str
    audit: bool
    changes: tuple[str, ...]
    count: int
    duration_s: float


class Rounds:
    """Hears the moves of one machine; has the last reconvergence that changed something, and the last audit."""

    def __init__(self) -> None:
        self.last: Round | None = None
        self.last_audit: Round | None = None
        self._begun: tuple[datetime, float, str, bool] | None = None
        self._changes: list[str] = []
        self._count = 0

    def changed(self, changes: Sequence[str]) -> None:
        """A step has changed something."""
        self._changes += changes[: KEPT - len(self._changes)]
        self._count += len(changes)

    def moved(self, transition: Transition, at: datetime, monotonic_s: float) -> Round | None:
        """The machine has moved. Returns the round that ended with it well, if one did."""
        if transition.to in _ROUND:
            if self._begun is None:
                self._begun = (at, monotonic_s, transition.why, transition.trigger in _AUDITS)
                self._changes, self._count = [], 0
            return None
        begun, self._begun = self._begun, None
        if begun is None or transition.to is not State.STEADY:
            return None
        began_at, began_s, why, audit = begun
        ended = Round(began_at, why, audit, tuple(self._changes), self._count, monotonic_s - began_s)
        if audit:
            self.last_audit = ended
        if self._count or not audit:
            self.last = ended
        return ended
