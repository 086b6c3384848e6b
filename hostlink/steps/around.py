"""The host goes around a VPP that was lost, for as long as that is waited for: all that it needs is the kernel's."""

from __future__ import annotations

from contextlib import suppress

from hostlink.core.events import GoneAround
from hostlink.steps.bypass import open_bypass
from hostlink.steps.context import EXPECTED, Uplink


async def go_around(uplink: Uplink, step: int) -> GoneAround:
    """Open the bypass. Where it cannot be, the host waits for VPP as well: what stands against it (the NIC is gone, the
    host link was deleted) is what the next step tells."""
    with suppress(*EXPECTED):
        await open_bypass(uplink, uplink.held().last_good.addresses)
    return GoneAround(step)
