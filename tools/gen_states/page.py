"""states/README.md: the picture, every cell of the table, and the runbook, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tools.gen_states.spec import STAY, Row, Spec, State

INTRODUCTION = """\
# How an uplink moves

*Made from [uplink.toml](uplink.toml) by `tools/gen-states`. Do not edit: edit that file and run it again.*

One machine for each uplink. An event comes in, the first row whose guard holds is carried out, effects go out: nothing
else sets a state. Every state and trigger has its answer below: a row, ignored on purpose, or refused on purpose.
"""

PICTURE = """\
## The picture

![The seven states and the moves between them](uplink.svg)

`hostlink diagram` draws it too, in several formats, and with --current where the daemon's uplinks are in it. Where a
state is entered again, or stays, the tables below say so. What an operator can be told is in
[problems.md](problems.md).
"""


def page(spec: Spec) -> str:
    """The whole page."""
    titles = {state.name: state.title for state in spec.states}
    parts: list[Iterable[str]] = [
        [INTRODUCTION, PICTURE],
        ["## What an operator should know and do", ""],
        *(_runbook(state, spec.steps) for state in spec.states),
        ["## Holds", "", "A hold waits in Detecting until its condition clears.", ""],
        table(("hold", "cleared by"), [(hold.title, hold.clears) for hold in spec.holds]),
        ["", "## The table", "", "**again**: the state is entered anew, its step starts again."],
        ["**stays**: nothing starts, nothing is cancelled. *detail*: the event's own word.", ""],
        *(_cells(spec, state, titles) for state in spec.states),
        ["## The words", ""],
        *(_words(title, texts) for title, texts in _vocabulary(spec)),
    ]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _runbook(state: State, steps: Mapping[str, str]) -> Iterator[str]:
    yield f"### {state.title}"
    yield ""
    yield state.what
    yield ""
    yield f"- **Know:** {state.know}"
    yield f"- **Normal:** {state.normal}"
    yield f"- **Do:** {state.do}"
    if state.step is not None:
        limit = f"{state.deadline_s:g} s without progress" if state.progress else f"{state.deadline_s:g} s"
        yield f"- **Runs:** `{state.step}`: {steps[state.step]}; at most {limit}."
    if state.wait_s is not None:
        yield f"- **Waits:** for {state.waiting}; {state.wait_s:g} s at a time."
    if state.grace_s is not None:
        yield f"- **Waits first:** for {state.awaiting}; at most {state.grace_s:g} s."
    if state.grace_step is not None:
        yield f"- **Runs meanwhile:** `{state.grace_step}`: {steps[state.grace_step]}."
    yield ""


def _cells(spec: Spec, state: State, titles: Mapping[str, str]) -> Iterator[str]:
    ignored = {(rest.state, rest.trigger): rest.text for rest in spec.ignored}
    refused = {(rest.state, rest.trigger): rest.text for rest in spec.refused}
    lines = []
    for trigger in spec.triggers:
        for row in spec.rows:
            if (row.state, row.trigger) == (state.name, trigger):
                lines.append((_code(trigger), _code(row.guard), _then(row, titles), _list(row.does), _why(row)))
        cell = (state.name, trigger)
        if cell in ignored:
            lines.append((_code(trigger), "", "*ignored*", "", ignored[cell]))
        if cell in refused:
            lines.append((_code(trigger), "", "*refused*", "", refused[cell]))
    yield f"### In {state.title}"
    yield ""
    yield from table(("when", "if", "then", "and", "why, as told"), lines)
    yield ""


def _then(row: Row, titles: Mapping[str, str]) -> str:
    if row.to == STAY:
        return "stays"
    return "again" if row.to == row.state else f"**{titles[row.to]}**"


def _why(row: Row) -> str:
    return (row.why or "").replace("{detail}", "*detail*")


def _vocabulary(spec: Spec) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "Triggers", spec.triggers
    yield "Guards", spec.guards
    yield "Actions", spec.actions


def _words(title: str, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield from table(("name", "meaning"), [(_code(name), text) for name, text in texts.items()])
    yield ""


def table(heads: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for line in lines:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"


def _code(name: str | None) -> str:
    return f"`{name}`" if name else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(_code(name) for name in names)
