"""Named limitations: why a scenario may be skipped on a real VPP without failing `tools/check --live`.

A scenario that meets one says `pytest.skip(limited("name"))`, and the report shows the text. Any other skip on a real
VPP is a failure, because a flow that is not proved is not there.
"""

from __future__ import annotations

import re

LIMITS: dict[str, str] = {
    "neighbours-from-tables": "before 26.02 VPP never learns in another table than 0 where a neighbour is "
    "(hostlink/vpp/quirks.py; `hostlink explain HL-312`)",
}
"""Name → what cannot be, on which dataplane, why, and where that is written. README says it too, for operators."""


def limited(name: str) -> str:
    """The reason for a skip. KeyError for a name that is not registered."""
    return f"limit {name}: {LIMITS[name]}"


def is_registered(reason: str) -> bool:
    """Whether the reason of a skip is one of the limitations above."""
    found = re.match(r"limit ([\w-]+): ", reason)
    return found is not None and found[1] in LIMITS
