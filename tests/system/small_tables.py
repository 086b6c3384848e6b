"""`hostlink` for which some dozens of routes are a full table: `python -m tests.system.small_tables run …`."""

from __future__ import annotations

import sys

from hostlink.cli import main
from hostlink.steps import ahead


def make_small() -> None:
    """In this process."""
    ahead.LEAST = 50


if __name__ == "__main__":
    make_small()
    sys.exit(main())
