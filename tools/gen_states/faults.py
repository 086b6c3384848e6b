"""What is wrong with the table: every fault at once, each in one sentence that says where and what to do.

The point of them all: whatever happens in whatever state, somebody has thought of it. `transitions` would take a
misspelt state, let an unguarded row hide the next one, and be silent about a state that nothing leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from string import Formatter

from tools.gen_states.spec import STAY, Rest, Row, Spec

SEVEN = ("detecting", "capturing", "handover", "mirroring", "punting", "steady", "recovering")
WAIT = "wait"
"""The action after which no step runs, so that only a deadline gets the machine out."""
AWAIT = "await_vpp"
"""The action after which an entered state's step does not start before its grace is over."""
DEADLINE = "deadline_passed"
PLACEHOLDERS = {"detail"}

Cell = tuple[str, str]


def faults(spec: Spec) -> list[str]:
    """Every fault of the table; empty where it may be used. Where names are wrong, only these are told."""
    names = [*_states(spec), *_names(spec)]
    if names:
        return names
    return [*_cells(spec), *_paths(spec), *_deadlines(spec), *_texts(spec), *_unused(spec)]


# --------------------------------------------------------------------------------------------------------------- names


def _states(spec: Spec) -> Iterator[str]:
    found = [state.name for state in spec.states]
    for name in SEVEN:
        if name not in found:
            yield f"state `{name}` is missing: there are exactly these seven: {', '.join(SEVEN)}"
    for name in found:
        if name not in SEVEN:
            yield f"state `{name}` is one too many: there are exactly these seven: {', '.join(SEVEN)}"
    if spec.initial not in found:
        yield f"initial: unknown state `{spec.initial}`"
    for state in spec.states:
        for step in (state.step, state.grace_step):
            if step is not None and step not in spec.steps:
                yield f"states.{state.name}: unknown step `{step}`"


def _names(spec: Spec) -> Iterator[str]:
    states = {state.name for state in spec.states}
    for row in spec.rows:
        yield from _unknown(row, "state", [row.state], states)
        yield from _unknown(row, "trigger", [row.trigger], spec.triggers)
        yield from _unknown(row, "state", [row.to], states | {STAY})
        yield from _unknown(row, "guard", [row.guard] if row.guard else [], spec.guards)
        yield from _unknown(row, "action", row.does, spec.actions)
    for rest in (*spec.ignored, *spec.refused):
        yield from _unknown(rest, "state", [rest.state], states)
        yield from _unknown(rest, "trigger", [rest.trigger], spec.triggers)


def _unknown(entry: Row | Rest, kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{entry.state} x {entry.trigger}: unknown {kind} `{name}`"


# --------------------------------------------------------------------------------------------------------------- cells


def _cells(spec: Spec) -> Iterator[str]:
    rows: dict[Cell, list[Row]] = {}
    for row in spec.rows:
        rows.setdefault((row.state, row.trigger), []).append(row)
    ends: dict[Cell, list[str]] = {}
    for word, rests in (("ignored", spec.ignored), ("refused", spec.refused)):
        for rest in rests:
            ends.setdefault((rest.state, rest.trigger), []).append(word)
    for state in spec.states:
        for trigger in spec.triggers:
            cell = (state.name, trigger)
            yield from _cell(f"{state.name} x {trigger}", rows.get(cell, []), ends.get(cell, []))


def _cell(name: str, rows: list[Row], ends: list[str]) -> Iterator[str]:
    unguarded = [at for at, row in enumerate(rows) if row.guard is None]
    guards = [row.guard for row in rows if row.guard is not None]
    for guard in dict.fromkeys(guards):
        if guards.count(guard) > 1:
            yield f"{name} is decided twice: two rows with the guard `{guard}`"
    if unguarded and unguarded[0] < len(rows) - 1:
        yield f"{name}: a row without a guard hides the {len(rows) - 1 - unguarded[0]} after it"
    words = ["a row without a guard"] * bool(unguarded) + ends
    if len(words) > 1:
        yield f"{name} is decided twice: {' and '.join(words)}"
    if not words:
        how = "where no guard holds" if rows else "by nothing"
        yield f"{name} is undecided ({how}): end it with a row without a guard, [[ignored]] or [[refused]]"


# ----------------------------------------------------------------------------------------------------- ways and waiting


def _paths(spec: Spec) -> Iterator[str]:
    ways: Mapping[str, set[str]] = {
        state.name: {row.to for row in spec.rows if row.state == state.name} - {STAY, state.name}
        for state in spec.states
    }
    reached, new = {spec.initial}, [spec.initial]
    while new:
        found = ways[new.pop()] - reached
        reached |= found
        new += sorted(found)
    for state in spec.states:
        if state.name not in reached:
            yield f"state `{state.name}` is unreachable: no row leads to it from `{spec.initial}`"
        if not ways[state.name]:
            yield f"state `{state.name}` has no exit: no row leads from it to another state"


def _deadlines(spec: Spec) -> Iterator[str]:
    waiting = {row.state for row in spec.rows if WAIT in row.does}
    for state in spec.states:
        if state.step is not None and state.deadline_s is None:
            yield f"state `{state.name}` waits for its step without a deadline: give it deadline_s"
        if state.step is None and state.deadline_s is not None:
            yield f"state `{state.name}` has a deadline_s and no step: give it wait_s instead"
        if state.progress and state.step is None:
            yield f"state `{state.name}` has a step's progress and no step: take progress away"
        if (state.step is None or state.name in waiting) and state.wait_s is None:
            yield f"state `{state.name}` waits without a deadline: give it wait_s"
        if state.grace_s is None and any(row.to == state.name and AWAIT in row.does for row in spec.rows):
            yield f"state `{state.name}` is entered by `{AWAIT}` and waits without a deadline: give it grace_s"
        elif state.grace_step is not None and state.grace_s is None:
            yield f"state `{state.name}` has a grace_step and no grace_s: take grace_step away"
    decided = {(rest.state, rest.trigger) for rest in (*spec.ignored, *spec.refused)}
    for state in spec.states:
        idle = any(
            row.state == state.name and row.trigger == DEADLINE and row.to == STAY and WAIT not in row.does
            for row in spec.rows
        )
        if idle or (state.name, DEADLINE) in decided:
            yield f"{state.name} x {DEADLINE} must enter a state or `{WAIT}`: a deadline that passes must lead on"


# --------------------------------------------------------------------------------------------------------------- rest


def _texts(spec: Spec) -> Iterator[str]:
    for row in spec.rows:
        wrong = {name for _, name, _, _ in Formatter().parse(row.why or "") if name is not None} - PLACEHOLDERS
        for name in sorted(wrong):
            yield f"{row.state} x {row.trigger}: `why` has the unknown placeholder {{{name}}} (known: {{detail}})"
    for state in spec.states:
        if state.step is not None and not state.doing:
            yield f"state `{state.name}` has a step: say in `doing` what is waited for while it runs"
        if state.wait_s is not None and not state.waiting:
            yield f"state `{state.name}` waits: say in `waiting` what for"
        if state.grace_s is not None and not state.awaiting:
            yield f"state `{state.name}` has a grace_s: say in `awaiting` what is waited for"


def _unused(spec: Spec) -> Iterator[str]:
    yield from _never("guard", spec.guards, {row.guard for row in spec.rows})
    yield from _never("action", spec.actions, {action for row in spec.rows for action in row.does})
    yield from _never("step", spec.steps, {step for state in spec.states for step in (state.step, state.grace_step)})


def _never(kind: str, names: Iterable[str], used: set[str | None] | set[str]) -> Iterator[str]:
    return (f"{kind} `{name}` is used nowhere" for name in names if name not in used)
