"""What somebody else undoes again and again: put right a few times, then left alone for a while, and told.

Two programs that set one thing against each other (a MAC by udev and by hostlink) would go on for ever, and each of
their moves is a moment in which packets are lost. So hostlink gives way after some moves in a short time, and tries
again when that time is over: the audit, or any other change, makes it look.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

TIMES, WITHIN_S = 5, 60.0
"""So often in so many seconds is a fight. An operator who tries something out, or udev at a boot, stays below."""


@dataclass(slots=True)
class Fights:
    """When each thing was put right. Times are of any one clock, in seconds."""

    _moves: dict[str, deque[float]] = field(default_factory=dict)

    def count(self, what: str, now: float) -> int:
        """How often it was put right within the last WITHIN_S."""
        moves = self._moves.get(what, deque())
        while moves and now - moves[0] >= WITHIN_S:
            moves.popleft()
        return len(moves)

    def paused(self, what: str, now: float) -> bool:
        """Whether it is left alone for now."""
        return self.count(what, now) >= TIMES

    def move(self, what: str, now: float) -> None:
        """It is being put right once more. Kept no more of than a fight needs."""
        self._moves.setdefault(what, deque(maxlen=TIMES)).append(now)
