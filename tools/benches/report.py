"""What a bench found: rows of one table, made in one run, so that their ratios mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.benches.machine import Facts, machine

Cell = str | int | float | None
"""None: not measured, printed as a dash."""


class Unavailable(Exception):
    """What is to be measured is not on this machine; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Report:
    """columns: the table's heads, also the keys of each row and of the JSON. notes: what a reader must know."""

    bench: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[str] = ()
    limit_kept: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    machine: Facts = field(default_factory=machine)

    def text(self) -> str:
        """The table for a person."""
        cells = [[column.replace("_", " ") for column in self.columns]]
        cells += [[_shown(row.get(column)) for column in self.columns] for row in self.rows]
        widths = [max(len(line[at]) for line in cells) for at in range(len(self.columns))]
        lines = [
            "  ".join(_aligned(cell, width, at) for at, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in cells
        ]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, "", lines[0], rule, *lines[1:], "", *self.notes])

    def numbers(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "version": 1,
            "bench": self.bench,
            **self.facts,
            "machine": self.machine,
            "limit_kept": self.limit_kept,
            "rows": [dict(row) for row in self.rows],
            "notes": list(self.notes),
        }


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        if 0 < cell < 0.1:
            return f"{cell:.2g}"
        return f"{cell:,.0f}" if cell >= 100 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _aligned(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at == 0 else cell.rjust(width)
