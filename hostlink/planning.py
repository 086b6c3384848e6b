"""What `hostlink plan --json` shows: the difference of an uplink that is taken over, or the whole takeover of one that
is not. Nothing is touched for it.

A field is added within a version; one that changes its meaning makes a new version (hostlink/schemas/plan.json).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import trio

from hostlink.core.context import Hold
from hostlink.core.difference import ADD, CHANGE, DELETE, Group, Line, grouped
from hostlink.core.model import Link, Problem
from hostlink.core.table import HOLDS, STATES, State
from hostlink.journal import JournalError, journal_for
from hostlink.kernel.errors import KernelError
from hostlink.lock import GUARD_LOCK_NAME, is_locked
from hostlink.problems import explain
from hostlink.runner import Runner
from hostlink.steps.context import Node, StepError, Uplink
from hostlink.steps.differing import differ
from hostlink.steps.inspect import find_uplink
from hostlink.steps.offload import in_thread
from hostlink.steps.rehearsal import OUTAGE_MS, Rehearsal, rehearse
from hostlink.vpp.errors import VppError

VERSION = 1
WORDS = {ADD: "add", DELETE: "delete", CHANGE: "change"}

MOST = 100_000
"""Lines of a difference, or of a phase, however many are asked for: an answer has an end (varlink.REPLY_LIMIT_BYTES),
and a line takes some 200 bytes of it."""

Json = dict[str, Any]


async def plan_report(node: Node, runners: Iterable[Runner], limit: int | None) -> Json:
    """The whole answer to GetPlan. limit: of each group so many lines, None for all."""
    return document(node, [await _of(runner, limit) for runner in runners], alone=False)


def document(node: Node, uplinks: Sequence[Json], *, alone: bool) -> Json:
    """The document of these uplinks. alone: no daemon made it."""
    return {"version": VERSION, "alone": alone, "vpp_reachable": node.vpp.dataplane is not None, "uplinks": uplinks}


async def _of(runner: Runner, limit: int | None) -> Json:
    uplink, state, hold = runner.uplink, runner.machine.state, runner.machine.hold
    is_before = state is State.DETECTING and uplink.takeover is None
    seen = [one for one in runner.look_at_problems() if not one.hidden_by]
    known = [one.problem for one in seen if is_before or one.is_shown(trio.current_time())]
    about = {"name": uplink.name, "state": STATES[state].title}
    held = None if hold is None else _held(hold)
    if is_before:
        return {**about, "held": held, **await takeover_json(uplink, limit, known)}
    return {**about, "held": held, **await _difference(uplink, state, limit, known)}


def _held(hold: Hold) -> str:
    text = HOLDS[hold.kind]
    return f"{': '.join(dict.fromkeys([text.title, hold.reason]))}; it ends with {text.clears}"


async def _difference(uplink: Uplink, state: State, limit: int | None, known: Sequence[Problem]) -> Json:
    if uplink.takeover is None or uplink.ports.host is None:
        why = f"{STATES[state].title} is under way, and what comes after it is not known yet: ask again"
        return untold(why, known)
    try:
        found = await differ(uplink, _most(limit))
    except (StepError, KernelError, VppError) as error:
        return untold(_why(error), known)
    groups, totals = await in_thread(found.count, told, found.lines, limit)
    return {**_empty("difference"), "groups": groups, "totals": totals, "problems": _problems(known)}


async def takeover_json(uplink: Uplink, limit: int | None, known: Sequence[Problem]) -> Json:
    """The takeover that is not yet: all of it, with what is known to stand against it. Raises nothing."""
    try:
        link = await find_uplink(uplink)
        if link is None:
            return untold(f"no interface of this host matches {uplink.config.match}", known)
        found = await rehearse(uplink, link, _most(limit))
    except (StepError, KernelError, VppError, JournalError) as error:
        return untold(_why(error), known)
    phases, totals = await in_thread(found.count, _phases, found, limit)
    known = [*known, *found.problems]
    whole = {**_empty("takeover"), "totals": totals, "problems": _problems(known)}
    return {**whole, "takeover": {**_takeover(uplink, link, found), "phases": phases}}


def _most(limit: int | None) -> int:
    return MOST if limit is None else min(limit, MOST)


def told(lines: Iterable[Line], limit: int | None, *, apart: bool = False) -> tuple[list[Json], dict[str, int]]:
    """The groups and the totals."""
    made = list(lines)
    groups, most = grouped(made, apart=apart), _most(limit)
    if sum(min(group.count, most) for group in groups) > MOST:
        most = MOST // len(groups)
    return _groups(groups, most), _totals(made)


def untold(why: str, known: Sequence[Problem]) -> Json:
    """Of an uplink of which it cannot be told now."""
    return {**_empty("untold"), "why": why, "problems": _problems(known)}


def _empty(kind: str) -> Json:
    return {"kind": kind, "why": None, "totals": _totals([]), "groups": [], "takeover": None, "problems": []}


def _why(error: Exception) -> str:
    return error.problem.detail if isinstance(error, StepError) else str(error)


def _takeover(uplink: Uplink, link: Link, found: Rehearsal) -> Json:
    node, takeover = uplink.node, found.takeover
    timing = node.config.timing
    return {
        "journal": str(journal_for(node.config.paths.journal, link.name).path),
        "driver": takeover.driver,
        "host_link": takeover.host_link,
        "mac": link.mac,
        "parking": takeover.parking.namespace,
        "vpp_was_asked": found.vpp_was_asked,
        "probes": [str(probe) for probe in found.probes],
        "confirm_within_s": timing.confirm_s * timing.deadline_factor,
        "trial_s": node.try_s,
        "guard_runs": is_locked(node.config.paths.runtime, GUARD_LOCK_NAME),
        "outage_ms": OUTAGE_MS,
    }


def _phases(found: Rehearsal, limit: int | None) -> tuple[list[Json], Json]:
    """And the totals of all of them."""
    phases, totals = list[Json](), Counter[str]()
    for phase in found.phases:
        groups, counts = told(phase.lines, limit, apart=True)
        phases.append({"state": STATES[phase.state].title, "title": phase.title, "groups": groups})
        totals.update(counts)
    return phases, dict(totals)


def _groups(groups: Iterable[Group], limit: int) -> list[Json]:
    return [
        {
            "side": group.kind.side,
            "about": group.kind.about,
            "family": group.kind.family,
            "table": group.kind.table,
            "count": group.count,
            "lines": [_line(line) for line in group.lines[:limit]],
        }
        for group in groups
    ]


def _line(line: Line) -> Json:
    return {"change": WORDS[line.change], "text": line.text, "was": line.was}


def _totals(lines: Sequence[Line]) -> dict[str, int]:
    counted = Counter(line.change for line in lines)
    return {word: counted[change] for change, word in WORDS.items()}


def _problems(problems: Iterable[Problem]) -> list[Json]:
    return [_problem(one) for one in dict.fromkeys(problems)]


def _problem(one: Problem) -> Json:
    record = explain(one.code)
    words = {"code": record.code, "title": record.title, "severity": record.severity.value}
    return {**words, "detail": one.detail, "to_do": record.to_do}
