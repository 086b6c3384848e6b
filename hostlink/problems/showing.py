"""When a problem is shown: not before it has lasted its `delay_s`, and not while one that explains it is there.

A cause hides what depends on it from its first moment, before it is shown itself: otherwise the consequence would come
first, and go when the cause comes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hostlink.core.model import Problem
from hostlink.problems import REGISTER


@dataclass(frozen=True, slots=True)
class Seen:
    """A problem that is there, and what of it an operator sees now."""

    problem: Problem
    shown_at_s: float
    """When it has lasted long enough, on the clock of `look`."""
    hidden_by: str | None
    """The code of the problem that explains it."""

    def is_shown(self, now_s: float) -> bool:
        return self.hidden_by is None and now_s >= self.shown_at_s


class Showing:
    """Remembers since when each problem is there. One that goes and comes again begins anew: that is what flaps."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}
        """By the code: a detail that changes (a count, another route) is the same problem."""

    def look(self, problems: Collection[Problem], now_s: float) -> tuple[Seen, ...]:
        """The problems that are there now, in their order. `now_s` never goes back."""
        codes = dict.fromkeys(problem.code for problem in problems)
        self._since_s = {code: self._since_s.get(code, now_s) for code in codes}
        return tuple(self._seen(problem, codes) for problem in problems)

    def _seen(self, problem: Problem, codes: Collection[str]) -> Seen:
        record = REGISTER[problem.code]
        hidden_by = next((code for code in record.depends_on if code in codes), None)
        return Seen(problem, self._since_s[problem.code] + record.delay_s, hidden_by)


def next_s(seen: Iterable[Seen], now_s: float) -> float | None:
    """When the next of them comes to be shown with nothing else changing; None: none does."""
    return min((one.shown_at_s for one in seen if one.hidden_by is None and one.shown_at_s > now_s), default=None)
