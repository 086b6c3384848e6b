"""Whether somebody holds the kernel's RTNL lock for long, now and then: one for all, as there is one such lock.

Known by whoever has waited for it, and by whoever hears that routes pour in.
"""

from __future__ import annotations

import time

_FOR_S = 10.0
_until = 0.0
"""time.monotonic() until when it is taken to be so."""


def note() -> None:
    """It is, and for some time it is taken to be so again."""
    global _until
    _until = time.monotonic() + _FOR_S


def is_likely() -> bool:
    """It was, a moment ago."""
    return time.monotonic() < _until
