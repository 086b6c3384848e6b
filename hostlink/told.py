"""What the log says of the machines: moves, problems that come and go, rounds that changed something.

Rounds that follow each other fast are told together: a flapping route is a line a second, not a wall of text. Of long
work that can be counted two lines tell: that it is long, and its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import trio

from hostlink.core.machine import AUDITED
from hostlink.core.model import Problem
from hostlink.core.table import STATES, State
from hostlink.log import ERROR, INFO, NOTICE, WARNING, Entry, say
from hostlink.notices import Moved, Notice, Notices, ProblemsChanged, Progressed, Reconverged
from hostlink.problems import Severity, explain
from hostlink.progress import TOLD_AFTER_S
from hostlink.rounds import Round

CHANGES_TOLD = 5
TOGETHER_S = 1.0
_ROUND = (*AUDITED, State.STEADY)
_WAITING_LIMIT = 4096
"""A storm's notices come faster than lines are written."""
_PRIORITIES = {Severity.ERROR: ERROR, Severity.WARNING: WARNING, Severity.NOTE: NOTICE}


async def keep_log(
    notices: Notices,
    write: Callable[[Entry], None] = say,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Until cancelled, and then what is left."""
    teller = Teller()
    with notices.watch(_WAITING_LIMIT) as watch:
        task_status.started()
        try:
            while True:
                with trio.move_on_at(teller.due):
                    _write(teller.entries(await watch.notices.receive(), trio.current_time()), write)
                _write(teller.late(trio.current_time()), write)
                _write(teller.missed(watch.missed), write)
        finally:
            for notice in watch.waiting():
                _write(teller.entries(notice, trio.current_time()), write)
            _write(teller.late(math.inf), write)


def _write(entries: Iterator[Entry], write: Callable[[Entry], None]) -> None:
    for entry in entries:
        write(entry)


class Teller:
    """Makes entries of notices. Times are of any one clock, in seconds."""

    def __init__(self) -> None:
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._not_before: dict[str, float] = {}
        self._held: dict[str, list[Reconverged]] = {}
        """Rounds of an uplink that are to be told together."""
        self._at_work: dict[str, datetime] = {}
        """Uplink → when the work began that was told of last."""
        self._missed = 0

    @property
    def due(self) -> float:
        """When what is held is to be told."""
        return min((self._not_before[uplink] for uplink in self._held), default=math.inf)

    def entries(self, notice: Notice, now: float) -> Iterator[Entry]:
        """What is said at once."""
        if isinstance(notice, Reconverged):
            if now < self._not_before.get(notice.uplink, -math.inf):
                self._held.setdefault(notice.uplink, []).append(notice)
                return
            self._not_before[notice.uplink] = now + TOGETHER_S
            yield _converged([notice.round], notice.uplink)
        elif isinstance(notice, Moved):
            yield from _moved(notice)
        elif isinstance(notice, Progressed):
            yield from self._progressed(notice)
        else:
            yield from self._changed(notice)

    def late(self, now: float) -> Iterator[Entry]:
        """What was held, and is due now."""
        for uplink in [uplink for uplink in self._held if self._not_before[uplink] <= now]:
            rounds = self._held.pop(uplink)
            self._not_before[uplink] = now + TOGETHER_S
            yield _converged([notice.round for notice in rounds], uplink)

    def missed(self, count: int) -> Iterator[Entry]:
        """count: of all notices that were never heard, because too many waited."""
        if count > self._missed:
            text = f"{count - self._missed} events came too fast to be logged: see `hostlink state --history`"
            self._missed = count
            yield Entry(text, priority=WARNING, fields={"event": "missed"})

    def _progressed(self, notice: Progressed) -> Iterator[Entry]:
        work = notice.progress
        told = self._at_work.get(notice.uplink) == work.at
        if not work.total or not (told or work.lasted_s >= TOLD_AFTER_S) or (told and not notice.ended):
            return
        self._at_work[notice.uplink] = work.at
        counts = f"{work.done:,}" if notice.ended and work.done == work.total else f"{work.done:,} of {work.total:,}"
        text = f"{work.what}: {counts} {'in' if notice.ended else 'after'} {work.lasted_s:.1f} s"
        fields = {"event": "worked" if notice.ended else "working", "done": str(work.done), "total": str(work.total)}
        yield Entry(text, notice.uplink, INFO, fields | {"duration_ms": f"{work.lasted_s * 1000:.0f}"})

    def _changed(self, notice: ProblemsChanged) -> Iterator[Entry]:
        before = self._problems.get(notice.uplink, ())
        self._problems[notice.uplink] = notice.problems
        for one in notice.problems:
            if one not in before:
                record = explain(one.code)
                fields = {"event": "problem", "code": one.code, "to_do": record.to_do}
                text = f"{one.code}: {record.title}: {one.detail}"
                yield Entry(text, notice.uplink, _PRIORITIES[record.severity], fields)
        codes = {one.code for one in notice.problems}
        for code in dict.fromkeys(one.code for one in before if one.code not in codes):
            yield Entry(f"{code} is over: {explain(code).title}", notice.uplink, INFO, {"event": "over", "code": code})


def _moved(notice: Moved) -> Iterator[Entry]:
    """What goes round from Steady to Steady is told by its end, in one line: thousands of routes may change."""
    move = notice.transition
    if move.frm in _ROUND and move.to in _ROUND:
        return
    ends = {"from": STATES[move.frm].title, "to": STATES[move.to].title}
    priority = WARNING if move.to is State.RECOVERING else INFO
    text = f"{ends['from']} -> {ends['to']}: {move.why}"
    yield Entry(text, notice.uplink, priority, {"event": "moved", **ends, "why": move.why}, notice.at)


def _converged(rounds: Sequence[Round], uplink: str) -> Entry:
    """Of several the changes of all, the longest time, and the reasons as far as they differ."""
    longest_s = max(one.duration_s for one in rounds)
    changes, count = [change for one in rounds for change in one.changes], sum(one.count for one in rounds)
    why = ", ".join(dict.fromkeys(one.why for one in rounds))
    took = (
        f"in {longest_s * 1000:.0f} ms"
        if len(rounds) == 1
        else f"{len(rounds)} times, in at most {longest_s * 1000:.0f} ms"
    )
    fields = {"event": "converged", "duration_ms": f"{longest_s * 1000:.1f}", "changes": str(count), "why": why}
    return Entry(f"converged {took} ({why}): {_some(changes, count)}", uplink, INFO, fields)


def _some(changes: Sequence[str], count: int) -> str:
    shown = changes[:CHANGES_TOLD]
    more = count - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)
