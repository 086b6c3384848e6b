"""The machine that a bench runs on: numbers without it say nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

Facts = dict[str, str | int | float]


def machine() -> Facts:
    """CPU model, cores that this process may use, memory, kernel, Python; and how busy it was when this was asked."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def cpu_model(cpuinfo: str) -> str:
    """Of /proc/cpuinfo: `model name` on x86; other architectures have none, and are named themselves."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, "") or platform.machine()


def words(facts: Facts) -> str:
    """One line for a person."""
    return (
        f"Machine: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, kernel {facts['kernel']}, "
        f"Python {facts['python']}; load {facts['load']} when this began."
    )
