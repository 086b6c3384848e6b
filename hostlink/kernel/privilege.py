"""Which of the capabilities that hostlink lives on this process has (capabilities(7)).

CAP_NET_ADMIN to change links, addresses and routes; CAP_NET_RAW for the probes; CAP_SYS_ADMIN for setns(2).
"""

from __future__ import annotations

from pathlib import Path

NEEDED = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}
"""Bit numbers from include/uapi/linux/capability.h."""


def missing_capabilities(status: Path = Path("/proc/self/status")) -> tuple[str, ...]:
    """The names of those that are not in this process's effective set. Empty: fit."""
    for line in status.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            effective = int(value, 16)
            return tuple(name for name, bit in NEEDED.items() if not effective >> bit & 1)
    raise ValueError(f"{status} has no CapEff line")
