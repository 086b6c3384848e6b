"""What the daemon, and whoever works without it, begin with: the node, and what earlier runs have left on disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hostlink.config import Config
from hostlink.journal import Takeover, journals_in
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.seam import NO_FAULTS, Faults
from hostlink.steps.context import Node
from hostlink.store import Store


def earlier_takeovers(config: Config) -> list[Takeover]:
    """All that the journals tell. Raises JournalError."""
    found = (journal.read() for journal in journals_in(config.paths.journal))
    return [takeover for takeover in found if takeover is not None]


@asynccontextmanager
async def open_node(config: Config, try_s: float | None = None, store: Store | None = None) -> AsyncIterator[Node]:
    """The node, with its netlink socket. store: of the service manager whose daemon this is."""
    faults = lab_faults()
    async with open_netlink(faults=faults) as host:
        yield Node(config, host, try_s, store or Store(), faults)


def lab_faults() -> Faults:
    """What the lab's scenarios plan; nothing on a node, where these variables are not set."""
    plan, trace = os.environ.get("HOSTLINK_LAB_FAIL_KERNEL", ""), os.environ.get("HOSTLINK_LAB_TRACE_KERNEL")
    counts = (int(os.environ.get(f"HOSTLINK_LAB_{what}") or 0) for what in ("TORN_DUMPS", "DIE_AT", "GARBLED_DUMPS"))
    torn, die_at, garbled = counts
    if not (plan or trace or torn or die_at or garbled):
        return NO_FAULTS
    return Faults.from_text(plan, Path(trace) if trace else None, torn, die_at, garbled)
