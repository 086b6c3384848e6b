"""The state document drawn for a terminal by rich: a panel for each uplink. state_lines.py has the words.

What there is no room for goes in an order: the older moves, then what is nice to know, then all moves; what does not
fit even then is counted at the end. Printed where there is no end to the height, everything is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from hostlink.cli.state_lines import BAD, BUSY, GOOD, HISTORY_LINES, Clock, Doing, Section, Trouble, sections, vpp_line

_STYLES = {GOOD: "green", BUSY: "yellow", BAD: "red", "": ""}
_FRAMED = 60
"""Columns: a narrower terminal has no room for frames."""
_BAR = 30


class _Room(NamedTuple):
    """How much is shown: so many moves, and what is nice to know."""

    moves: int
    spare: bool


_ROOMS = (_Room(HISTORY_LINES, True), _Room(3, True), _Room(3, False), _Room(0, False))


class View:
    """One document as it was at `now` (aware). Raises VerbError for a document that is not understood."""

    def __init__(self, document: Mapping[str, object], now: datetime, hint: str = "") -> None:
        """hint: stands at the end, beside the time."""
        self._sections = sections(document, Clock(now, stays=True))
        self._vpp = vpp_line(document)
        self._end = f"as of {now:%H:%M:%S} UTC{f'; {hint}' if hint else ''}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height
        whole = options.update(height=None)
        lines: list[list[Segment]] = []
        for room in _ROOMS:
            lines = console.render_lines(self._all(room, options.max_width), whole, pad=False)
            if height is None or len(lines) <= height:
                break
        if height is not None and len(lines) > height:
            lines = [*lines[: height - 1], [Segment(self._cut(len(lines) - height + 1, options.max_width))]]
        for line in lines:
            yield from line
            yield Segment.line()

    @staticmethod
    def _cut(count: int, width: int) -> str:
        return f"… {count} more lines: `hostlink state` shows them"[:width]

    def _all(self, room: _Room, width: int) -> RenderableType:
        framed = width >= _FRAMED
        parts: list[RenderableType] = [_uplink(section, room, framed) for section in self._sections]
        text, mood = self._vpp
        vpp = Text.assemble(("VPP", _STYLES[mood]), "  ", text)
        return Group(*parts, vpp, Text(self._end, "dim"))


def _uplink(section: Section, room: _Room, framed: bool) -> RenderableType:
    style = _STYLES[section.mood]
    title = Text.assemble((section.name, "bold"), "  ", (section.state, f"bold {style}"), "  ", section.since)
    moves = [_moves(section, room.moves)] if room.moves and section.moves else []
    if not framed:
        rows = (Text.assemble(label, "  ", text) for label, text, _ in _rows(section, room))
        return Group(title, *rows, *moves)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text, bar in _rows(section, room):
        grid.add_row(label, Group(text, *bar))
    return Panel(Group(grid, *moves), title=title, title_align="left", border_style=style)


def _rows(section: Section, room: _Room) -> Iterator[tuple[Text, Text, list[ProgressBar]]]:
    """(label, text, a bar or nothing)."""
    for line in section.lines:
        if isinstance(line, Trouble):
            yield Text(line.head, f"bold {_STYLES[line.mood]}"), Text(line.text), []
            if line.to_do:
                yield Text("  to do", "dim"), Text(line.to_do), []
        elif room.spare or not line.spare:
            share = line.share if isinstance(line, Doing) else None
            bar = [] if share is None else [ProgressBar(1.0, share, width=_BAR)]
            yield Text(line.label, "dim"), Text(line.text), bar


def _moves(section: Section, most: int) -> Table:
    """Times stand in one column, and so do the ends where there is room; the reason wraps."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for ratio in (None, None, 1):
        grid.add_column(overflow="fold", ratio=ratio)
    for move in section.moves[-most:]:
        grid.add_row(Text(move.at, "dim"), Text(move.ends), Text(move.why))
    return grid
