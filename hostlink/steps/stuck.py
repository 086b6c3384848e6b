"""What is told of things that hang on the NIC and do not come back: before a takeover, and when it is over."""

from __future__ import annotations

from hostlink.core.events import some
from hostlink.core.model import HostView, Problem
from hostlink.core.stuck import stuck
from hostlink.journal import Takeover
from hostlink.problems import problem


def would_be_lost(view: HostView) -> tuple[Problem, ...]:
    """What a takeover would take from the NIC for good."""
    found = stuck([view])
    return (problem("HL-116", f"{view.link.name} has what a takeover takes: {some(found)}"),) if found else ()


def lost(uplink: str, takeover: Takeover) -> list[Problem]:
    """Of the NIC as it was captured, and of the host link as it was last. Nothing can be read back of it."""
    found = stuck([takeover.capture.view, takeover.last_good])
    return [problem("HL-418", f"{uplink}: not restored: {'; '.join(found)}")] if found else []
