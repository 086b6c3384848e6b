"""`hostlink explain STATE|CODE`: what a state or a problem means, and what to do. Needs no daemon."""

from __future__ import annotations

import argparse
import re

from hostlink.cli.exits import DONE, USAGE, VerbError
from hostlink.cli.suggestions import state_titles, suggest
from hostlink.core.shapes import StateText
from hostlink.core.table import HOLDS, INITIAL, ROWS, STATES
from hostlink.problems import REGISTER, Record

EPILOG = """without a name: all states and codes

exit status: 0 explained; 64 there is no such state or code"""

SUGGESTED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    name = parser.add_argument("name", nargs="?", metavar="STATE|CODE", help="for instance Steady, or HL-204")
    suggest(name, lambda: [*state_titles(), *REGISTER])


def run(options: argparse.Namespace) -> int:
    print(_explain(options.name) if options.name else _overview())
    return DONE


def _explain(name: str) -> str:
    states = {text.title.lower(): text for text in STATES.values()}
    if name.lower() in states:
        return _state(states[name.lower()])
    code = _code(name)
    if code in REGISTER:
        return _problem(REGISTER[code])
    near = _near(name)
    hint = f"did you mean {near}?" if near else "`hostlink explain` lists them all"
    raise VerbError(USAGE, f"{name!r} is neither a state nor a problem's code; {hint}")


def _code(name: str) -> str:
    """As people type it: `hl-204`, `HL204`, `204`."""
    return re.sub(r"^(HL)?[-_ ]?", "HL-", name.strip().upper())


def _near(name: str) -> str:
    """What is written much the same, the nearest first: `Steady`, or `HL-204 (VPP lacks a message)`."""
    import difflib

    named = {text.title.lower(): text.title for text in STATES.values()}
    named |= {record.code.lower(): f"{record.code} ({record.title})" for record in REGISTER.values()}
    typed = [name.lower(), _code(name).lower()] if re.search(r"\d", name) else [name.lower()]
    found = [near for text in typed for near in difflib.get_close_matches(text, named, SUGGESTED, 0.7)]
    return " or ".join([named[near] for near in dict.fromkeys(found)][:SUGGESTED])


def _state(text: StateText) -> str:
    lines = {"what": text.what, "know": text.know, "normal": text.normal, "to do": text.do, "at most": _limits(text)}
    state = next(state for state, other in STATES.items() if other is text)
    if state is INITIAL:
        lines["holds"] = "; ".join(f"{hold.title}: until {hold.clears}" for hold in HOLDS.values())
    ends = {STATES[row.to].title: None for row in ROWS if row.state is state and row.to not in (None, state)}
    return _entry(text.title, {**lines, "leads to": ", ".join(ends)})


def _limits(text: StateText) -> str:
    """What the machine allows, beside what is usual."""
    without = " without progress" if text.progress else ""
    times = [f"{text.grace_s:g} s first, for {text.awaiting}"] if text.grace_s else []
    times += [f"{text.deadline_s:g} s{without} for {text.doing}"] if text.deadline_s else []
    times += [f"{text.wait_s:g} s at a time for {text.waiting}"] if text.wait_s else []
    return "; ".join(times)


def _problem(record: Record) -> str:
    depends = ", ".join(f"{code} ({REGISTER[code].title})" for code in record.depends_on)
    shown = [f"when it has lasted {record.delay_s:g} s"] if record.delay_s else []
    shown += [f"not while {depends} is there"] if depends else []
    lines = {"what": record.text, "to do": record.to_do, "shown": "; ".join(shown)}
    return _entry(f"{record.code}  {record.title} ({record.severity.value})", lines)


def _entry(title: str, lines: dict[str, str]) -> str:
    import textwrap

    wrapped = [
        textwrap.fill(text, 100, initial_indent=f"  {label:11}", subsequent_indent=" " * 13, break_on_hyphens=False)
        for label, text in lines.items()
        if text
    ]
    return "\n".join([title, *wrapped])


def _overview() -> str:
    states = [f"{text.title:12}{text.what}" for text in STATES.values()]
    codes = [f"{record.code:10}{record.severity.value:9}{record.title}" for record in REGISTER.values()]
    return "\n".join([*states, "", *codes])
