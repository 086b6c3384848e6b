"""How a verb ends: the exit statuses (sysexits.h where it has one), and the error that carries one to `main`."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 64
BAD_CONFIGURATION = 65
UNREACHABLE = 69
TIMED_OUT = 75

MEANINGS = {
    DONE: "done",
    FAILED: "failed; or what was asked for will not come by itself",
    USAGE: "wrong usage",
    BAD_CONFIGURATION: "the configuration is at fault",
    UNREACHABLE: "the daemon, or VPP, is not reachable",
    TIMED_OUT: "timed out waiting",
}


class VerbError(Exception):
    """The verb did not do its work. `text` goes to standard error, `status` to the shell."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)
