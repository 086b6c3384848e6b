"""The lines of the big table: what was measured, beside what, and whether that meets its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tools.benches.report import Cell

HEADS = ("row", "routes", "measured", "unit", "compared_with", "compared", "ratio", "goal", "met")


class Met(Enum):
    """What became of a goal."""

    YES = "yes"
    NO = "NO"
    NOT_MEASURED = "not measured"
    """It has a goal, and nothing to say whether it is met."""
    NOT_JUDGED = "not judged"
    """Small sizes, or a stand-in: the number says nothing about the goal."""
    NO_GOAL = "-"
    FAILED = "failed"
    """The row did not end, or what it measured was wrong."""


@dataclass(frozen=True, slots=True)
class Goal:
    """least or most: of what was measured, or, with of_ratio, of the ratio to what it is compared with."""

    least: float | None = None
    most: float | None = None
    of_ratio: bool = False

    def holds(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def text(self, unit: str) -> str:
        """`≥ 200,000 routes/s`, `≤ 1.5 ×`."""
        sign, limit = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {limit:,g} {'×' if self.of_ratio else unit}"


@dataclass(frozen=True, slots=True)
class Line:
    """measured and compared are in the same unit. routes: present, or handled. None: not measured."""

    row: str
    routes: int
    measured: float | None
    unit: str
    compared_with: str = ""
    compared: float | None = None
    goal: Goal | None = None
    judged: bool = True
    failure: str = ""
    """Why there is nothing."""

    @property
    def ratio(self) -> float | None:
        """measured / compared."""
        if self.measured is None or not self.compared:
            return None
        return self.measured / self.compared

    @property
    def met(self) -> Met:
        if self.failure:
            return Met.FAILED
        if self.goal is None:
            return Met.NO_GOAL
        if not self.judged:
            return Met.NOT_JUDGED
        value = self.ratio if self.goal.of_ratio else self.measured
        if value is None:
            return Met.NOT_MEASURED
        return Met.YES if self.goal.holds(value) else Met.NO

    def cells(self) -> dict[str, Cell]:
        """By HEADS."""
        return {
            "row": self.row,
            "routes": self.routes,
            "measured": self.measured,
            "unit": self.unit,
            "compared_with": self.compared_with or None,
            "compared": self.compared,
            "ratio": self.ratio,
            "goal": self.goal.text(self.unit) if self.goal else None,
            "met": self.met.value,
        }


def all_met(lines: Sequence[Line]) -> bool:
    """Whether no row failed, and no goal was missed or left without a measurement."""
    return not any(line.met in (Met.NO, Met.NOT_MEASURED, Met.FAILED) for line in lines)
