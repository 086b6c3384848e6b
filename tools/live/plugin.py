"""For pytest (`-p tools.live.plugin`): each test's result as a line of JSON, as soon as there is one.

Not JUnit's file, which is written at the very end: a run that is ended at a deadline has told what it knew. The file is
named by $HOSTLINK_LIVE_RESULTS. With xdist the controller hears all workers' reports, and it alone writes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

VARIABLE = "HOSTLINK_LIVE_RESULTS"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    if report.when != "call" and report.passed:
        return
    line = {
        "test": report.nodeid,
        "outcome": report.outcome,
        "reason": _reason(report),
        "seconds": round(report.duration, 2),
    }
    with Path(os.environ[VARIABLE]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _reason(report: pytest.TestReport) -> str:
    """Why it was skipped, or the last line of what failed."""
    if report.skipped:
        _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
        return str(reason).removeprefix("Skipped: ")
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = getattr(crash, "message", None) or report.longreprtext
        return next((line.strip() for line in text.splitlines() if line.strip()), "")
    return ""
