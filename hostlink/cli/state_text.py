"""The state document as plain text, aligned: state_lines.py has the words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from hostlink.cli.state_lines import BAD, BUSY, GOOD, Clock, Move, Section, Trouble, sections, vpp_line

_LABEL = 10
_COLOURS = {GOOD: "32", BUSY: "33", BAD: "31"}


def state_text(document: Mapping[str, object], now: datetime, *, colour: bool = False) -> str:
    """The whole text, a newline at its end. `now` is aware."""
    parts = ["\n".join(_section(section, colour)) for section in sections(document, Clock(now))]
    return "\n\n".join([*parts, f"VPP  {vpp_line(document)[0]}"]) + "\n"


def _section(section: Section, colour: bool) -> Iterator[str]:
    yield f"{section.name}  {_paint(section.state, section.mood, colour)}  {section.since}".rstrip()
    for line in section.lines:
        if isinstance(line, Trouble):
            yield f"  {_paint(line.head, line.mood, colour)}  {line.text}"
            if line.to_do:
                yield _line("  to do", line.to_do)
        else:
            yield _line(line.label, line.text)
    yield from _moves(section.moves)


def _line(label: str, text: str) -> str:
    return f"  {label:{_LABEL}}{text}"


def _moves(moves: list[Move]) -> Iterator[str]:
    width = max((len(move.ends) for move in moves), default=0)
    for number, move in enumerate(moves):
        yield _line("" if number else "history", f"{move.at:8}  {move.ends:{width}}  {move.why}")


def _paint(text: str, mood: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[mood]}m{text}\x1b[0m" if colour and mood in _COLOURS else text
