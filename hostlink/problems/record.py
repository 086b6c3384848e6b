"""The shape of a registered problem."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """Whether somebody must act. From the gravest to the least."""

    ERROR = "error"
    """hostlink does not do its work until somebody acts, or something comes back."""
    WARNING = "warning"
    """It works, and something is not as it should be."""
    NOTE = "note"
    """Worth knowing, for instance when something else is looked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """A registered problem. `text` says what it means, `to_do` what a person can do about it."""

    code: str
    title: str
    severity: Severity
    text: str
    to_do: str
    depends_on: tuple[str, ...] = ()
    """Codes of problems that explain this one: while one of them is there, this one is not shown."""
    delay_s: float = 0.0
    """How long it must last before it is shown: what heals by itself in that time wakes nobody."""
