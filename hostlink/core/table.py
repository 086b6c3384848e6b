"""The table of the machine as states/uplink.toml has it, for whoever asks: the machine, `explain`, `diagram`.

Only a window: the names and rows themselves are made by tools/gen-states.
"""

from __future__ import annotations

from hostlink.core._made_names import Action, Guard, HoldKind, State, Step, Trigger
from hostlink.core._made_table import (
    ACTIONS,
    GUARDS,
    HOLDS,
    IGNORED,
    INITIAL,
    REFUSED,
    ROWS,
    STATES,
    STEPS,
    TRIGGERS,
)
from hostlink.core.shapes import HoldText, Row, StateText

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
