"""The two typed modules: names as enums, and the table with its texts.

They are written out in ruff's format by construction (every call over several lines, with its trailing comma), so that
what is made does not depend on which formatter is installed; a test holds it to `ruff format --check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tools.gen_states.spec import STAY, Hold, Rest, Row, Spec, State

NOTICE = "Made from states/uplink.toml by tools/gen-states. Do not edit: edit that file and run it again."


def names_module(spec: Spec) -> str:
    """hostlink/core/_made_names.py."""
    enums = [
        ("State", "The states of an uplink.", {state.name: state.what for state in spec.states}),
        ("Step", "What can run, one at a time.", spec.steps),
        ("Trigger", "The kinds of event.", spec.triggers),
        ("Guard", "The conditions of rows; each has a function of its name in guards.py.", spec.guards),
        ("Action", "What rows do besides moving; each has a function of its name in actions.py.", spec.actions),
        ("HoldKind", "Why Detecting does not go on by itself.", {hold.name: hold.title for hold in spec.holds}),
    ]
    parts = [f'"""{NOTICE}"""\n\nfrom __future__ import annotations\n\nimport enum\n']
    parts += [_enum(name, doc, members) for name, doc, members in enums]
    return "\n\n".join(parts)


def _enum(name: str, doc: str, members: Mapping[str, str]) -> str:
    lines = [f"class {name}(enum.Enum):", f'    """{doc}"""', ""]
    lines += [f"    {member.upper()} = {quoted(member)}" for member in members]
    return "\n".join(lines) + "\n"


def table_module(spec: Spec) -> str:
    """hostlink/core/_made_table.py."""
    lines = ["# ruff: noqa: E501  (texts stay on one line: they are read in the TOML file)", f'"""{NOTICE}"""', ""]
    lines += ["from __future__ import annotations", "", "from collections.abc import Mapping", ""]
    lines += ["from hostlink.core._made_names import Action, Guard, HoldKind, State, Step, Trigger"]
    lines += ["from hostlink.core.shapes import HoldText, Rest, Row, StateText", ""]
    lines += [f"INITIAL = State.{spec.initial.upper()}", ""]
    lines += ["STATES: Mapping[State, StateText] = {", *_indented(_states(spec.states)), "}", ""]
    for constant, enum_name, texts in (
        ("STEPS", "Step", spec.steps),
        ("TRIGGERS", "Trigger", spec.triggers),
        ("GUARDS", "Guard", spec.guards),
        ("ACTIONS", "Action", spec.actions),
    ):
        lines += [f"{constant}: Mapping[{enum_name}, str] = {{"]
        lines += [f"    {enum_name}.{name.upper()}: {quoted(text)}," for name, text in texts.items()]
        lines += ["}", ""]
    lines += ["HOLDS: Mapping[HoldKind, HoldText] = {"]
    lines += [*_indented(_holds(spec.holds)), "}", ""]
    lines += ["ROWS: tuple[Row, ...] = (", *_indented(_rows(spec.rows)), ")", ""]
    lines += ["IGNORED: tuple[Rest, ...] = (", *_indented(_rests(spec.ignored)), ")", ""]
    lines += ["REFUSED: tuple[Rest, ...] = (", *_indented(_rests(spec.refused)), ")"]
    return "\n".join(lines) + "\n"


def _states(states: Iterable[State]) -> Iterator[str]:
    for state in states:
        yield f"State.{state.name.upper()}: StateText("
        for key in ("title", "what", "know", "normal", "do"):
            yield f"    {key}={quoted(getattr(state, key))},"
        yield f"    step={_member('Step', state.step)},"
        yield f"    deadline_s={state.deadline_s},"
        yield f"    progress={state.progress},"
        yield f"    wait_s={state.wait_s},"
        yield f"    grace_s={state.grace_s},"
        yield f"    grace_step={_member('Step', state.grace_step)},"
        yield f"    looks={state.looks},"
        yield f"    doing={quoted(state.doing)},"
        yield f"    waiting={quoted(state.waiting)},"
        yield f"    awaiting={quoted(state.awaiting)},"
        yield "),"


def _rows(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        does = [f"Action.{action.upper()}" for action in row.does]
        yield "Row("
        yield f"    state=State.{row.state.upper()},"
        yield f"    trigger=Trigger.{row.trigger.upper()},"
        yield f"    guard={_member('Guard', row.guard)},"
        yield f"    to={_member('State', None if row.to == STAY else row.to)},"
        yield f"    does=({', '.join(does)}{',' if len(does) == 1 else ''}),"
        yield f"    why={'None' if row.why is None else quoted(row.why)},"
        yield "),"


def _rests(rests: Iterable[Rest]) -> Iterator[str]:
    for rest in rests:
        yield "Rest("
        yield f"    state=State.{rest.state.upper()},"
        yield f"    trigger=Trigger.{rest.trigger.upper()},"
        yield f"    text={quoted(rest.text)},"
        yield "),"


def _holds(holds: Iterable[Hold]) -> Iterator[str]:
    for hold in holds:
        yield f"HoldKind.{hold.name.upper()}: HoldText("
        yield f"    title={quoted(hold.title)},"
        yield f"    clears={quoted(hold.clears)},"
        yield "),"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _member(enum_name: str, name: str | None) -> str:
    return "None" if name is None else f"{enum_name}.{name.upper()}"


def quoted(text: str) -> str:
    """A Python string literal on one line, in the quotes that ruff prefers: those that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"
