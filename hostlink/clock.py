"""This boot and the time in it: what a moment in a journal is told by, whoever reads it."""

from __future__ import annotations

import time
from pathlib import Path


def boot_id() -> str:
    """The kernel's name for this boot (proc_sys_kernel(5))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boottime_s() -> float:
    """Seconds since this boot (CLOCK_BOOTTIME): the same for all processes, nobody can set it, and it counts a
    suspended machine's time too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
