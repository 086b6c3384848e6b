"""The report: each scenario with each dataplane, as a table to read and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tools.live.results import Column, Result, Results, columns, is_fault

FOLDER = Path(".live")
VERSION = 1
_LONGEST = 200


def write_report(results: Results, releases: Sequence[str], notes: Sequence[str]) -> str:
    """Write .live/report.md and .live/report.json. Returns the former's text."""
    text = as_text(results, releases, notes)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "report.md").write_text(text)
    (FOLDER / "report.json").write_text(as_json(results, releases, notes))
    return text


def as_text(results: Results, releases: Sequence[str], notes: Sequence[str]) -> str:
    """Markdown: what it ran on, the sums, the table, and a footnote for every cell that is not a plain pass."""
    head, reasons = columns(results, releases), _Footnotes()
    scenarios = sorted({name for name, _ in results})
    rows = [[name, *(_cell(results.get((name, column)), reasons) for column in head)] for name in scenarios]
    sums = [["", *(_sum(results, column) for column in head)]]
    parts = [
        "# Every scenario on every dataplane",
        f"On: {', '.join(['the stand-in', *(f'VPP {release}' for release in releases)])}.",
        *(f"{note}" for note in notes),
        _table(["scenario", *map(str, head)], [*sums, *rows]),
        *([reasons.text()] if reasons.numbers else []),
        verdict(results),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(results: Results) -> str:
    """One line: whether all is proved, and else what is not."""
    faults = sorted(f"{name} on {column}" for (name, column), one in results.items() if is_fault(column, one))
    if not faults:
        return f"All {len(results)} are as they should be."
    return f"{len(faults)} of {len(results)} are not as they should be: " + "; ".join(faults)


def as_json(results: Results, releases: Sequence[str], notes: Sequence[str]) -> str:
    cells = [
        {
            "scenario": name,
            "dataplane": column.dataplane,
            "release": column.release or None,
            "outcome": one.outcome,
            "reason": one.reason or None,
            "seconds": one.seconds,
            "fault": is_fault(column, one),
        }
        for (name, column), one in sorted(results.items(), key=lambda item: (item[0][0], str(item[0][1])))
    ]
    report = {"version": VERSION, "releases": list(releases), "notes": list(notes), "cells": cells}
    return json.dumps(report, indent=1) + "\n"


def read_report(path: Path) -> tuple[Results, list[str]]:
    """The cells and releases of a report.json, or nothing where there is none. Raises ValueError, KeyError."""
    if not path.exists():
        return {}, []
    report = json.loads(path.read_text())
    if report["version"] != VERSION:
        raise ValueError(f"{path} is of version {report['version']}, not {VERSION}")
    cells = {
        (one["scenario"], Column(one["dataplane"], one["release"] or "")): Result(
            one["outcome"], one["reason"] or "", one["seconds"]
        )
        for one in report["cells"]
    }
    return cells, list(report["releases"])


class _Footnotes:
    """Reasons, each with one number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        return self.numbers.setdefault(reason, len(self.numbers) + 1)

    def text(self) -> str:
        return "\n".join(f"{number}. {reason[:_LONGEST]}" for reason, number in self.numbers.items())


def _cell(result: Result | None, reasons: _Footnotes) -> str:
    if result is None:
        return "-"
    word = result.outcome.upper() if result.outcome in ("failed", "not run") else result.outcome
    return f"{word} ({reasons.number(result.reason)})" if result.reason else word


def _sum(results: Results, column: Column) -> str:
    outcomes = Counter(one.outcome for (_, where), one in results.items() if where == column)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())) or "nothing run"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
