"""How a verb ends: the exit statuses (sysexits.h where it has one), and the error that carries one to `main`."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 64
BAD_CONFIGURATION = 65
UNREACHABLE = 69
TIMED_OUT = 75


class VerbError(Exception):
    """The verb did not do its work. `text` goes to standard error, `status` to the shell."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)
