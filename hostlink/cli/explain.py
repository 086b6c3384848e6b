"""`hostlink explain STATE|CODE`: what a state or a problem means, and what to do. Needs no daemon."""

from __future__ import annotations

import argparse
import difflib

from hostlink.cli.exits import DONE, USAGE, VerbError
from hostlink.core.shapes import StateText
from hostlink.core.table import STATES
from hostlink.problems import REGISTER, Record

EPILOG = """without a name: all states and codes"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="STATE|CODE", help="for instance Steady, or HL-204")


def run(options: argparse.Namespace) -> int:
    print(_explain(options.name) if options.name else _overview())
    return DONE


def _explain(name: str) -> str:
    states = {text.title.lower(): text for text in STATES.values()}
    if name.lower() in states:
        return _state(states[name.lower()])
    code = name.upper() if name.upper().startswith("HL-") else f"HL-{name}"
    if code in REGISTER:
        return _problem(REGISTER[code])
    near = difflib.get_close_matches(name.lower(), [*states, *(code.lower() for code in REGISTER)], 1)
    hint = f"did you mean {near[0]}?" if near else "`hostlink explain` lists them all"
    raise VerbError(USAGE, f"{name!r} is neither a state nor a problem's code; {hint}")


def _state(text: StateText) -> str:
    without = " without progress" if text.progress else ""
    times = [f"its step may take {text.deadline_s:g} s{without}"] if text.deadline_s else []
    times += [f"it waits {text.wait_s:g} s at most before it looks again"] if text.wait_s else []
    return _entry(text.title, {"what": text.what, "know": text.know, "to do": text.do, "time": "; ".join(times)})


def _problem(record: Record) -> str:
    depends = ", ".join(f"{code} ({REGISTER[code].title})" for code in record.depends_on)
    lines = {"what": record.text, "to do": record.to_do, "not shown": f"while one of {depends} is" if depends else ""}
    return _entry(f"{record.code}  {record.title} ({record.severity.value})", lines)


def _entry(title: str, lines: dict[str, str]) -> str:
    import textwrap

    wrapped = [
        textwrap.fill(text, 100, initial_indent=f"  {label:11}", subsequent_indent=" " * 13)
        for label, text in lines.items()
        if text
    ]
    return "\n".join([title, *wrapped])


def _overview() -> str:
    states = [f"{text.title:12}{text.what}" for text in STATES.values()]
    codes = [f"{record.code:12}{record.title}" for record in REGISTER.values()]
    return "\n".join([*states, "", *codes])
