"""The table of the machine as states/uplink.toml has it, for whoever asks: the machine, `explain`, `diagram`.

Only a window: the names and rows themselves are made by tools/gen-states.
"""

from __future__ import annotations

from collections.abc import Mapping

from hostlink.core._made_names import Action, Guard, HoldKind, State, Step, Trigger
from hostlink.core._made_table import (
    ACTIONS,
    GUARDS,
    HOLDS,
    INITIAL,
    ROWS,
    STATES,
    STEPS,
    TRIGGERS,
)
from hostlink.core._made_table import IGNORED as _IGNORED
from hostlink.core._made_table import REFUSED as _REFUSED
from hostlink.core.shapes import HoldText, Row, StateText

IGNORED: Mapping[tuple[State, Trigger], str] = {(rest.state, rest.trigger): rest.text for rest in _IGNORED}
"""What is ignored on purpose where no row holds, and the reason."""
REFUSED: Mapping[tuple[State, Trigger], str] = {(rest.state, rest.trigger): rest.text for rest in _REFUSED}
"""What is refused on purpose where no row holds, and the message."""

__all__ = [
    "ACTIONS",
    "GUARDS",
    "HOLDS",
    "IGNORED",
    "INITIAL",
    "REFUSED",
    "ROWS",
    "STATES",
    "STEPS",
    "TRIGGERS",
    "Action",
    "Guard",
    "HoldKind",
    "HoldText",
    "Row",
    "State",
    "StateText",
    "Step",
    "Trigger",
]
