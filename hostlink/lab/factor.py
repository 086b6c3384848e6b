"""How much longer everything takes here than on plain hardware: the lab's deadlines are stretched by it.

An emulated CPU (tools/guest) is 5 to 20 times slower. Deadlines grow with $HOSTLINK_DEADLINE_FACTOR, and so do those of
the daemon that the lab starts; what a scenario asserts does not.
"""

from __future__ import annotations

import os

VARIABLE = "HOSTLINK_DEADLINE_FACTOR"
_LEAST, _MOST = 0.1, 100.0
"""What the daemon's own `[timing] deadline_factor` may be (hostlink/config.py)."""


def deadline_factor() -> float:
    """$HOSTLINK_DEADLINE_FACTOR, 1.0 when it is not set. Raises ValueError for what is no factor."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not _LEAST <= factor <= _MOST:
        raise ValueError(f"${VARIABLE} is a number from {_LEAST:g} to {_MOST:g}, not {text!r}")
    return factor
