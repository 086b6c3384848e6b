"""The register of everything that an operator can be told: one record for each problem, by a code that never changes.

A problem in the field is a `core.model.Problem`: a code and the detail of the case (which interface, which message).
What it means and what to do is written once, here, in a file for each area. Codes are grouped: 1xx the host before a
takeover, 2xx VPP before a takeover, 3xx mirroring, 4xx steps and recovery, 5xx the journal. A code is never given to
another problem. states/problems.md is made of the register by tools/gen-states; `showing` says when one is shown.
"""

from __future__ import annotations

from hostlink.core.model import Problem
from hostlink.problems.host import HOST
from hostlink.problems.host_interface import HOST_INTERFACE
from hostlink.problems.journal import JOURNAL
from hostlink.problems.limits import LIMITS
from hostlink.problems.mirroring import MIRRORING
from hostlink.problems.record import Record, Severity
from hostlink.problems.steps import STEPS
from hostlink.problems.trial import TRIAL
from hostlink.problems.vpp import VPP

__all__ = ["LIMITS", "REGISTER", "Record", "Severity", "UnknownProblemError", "explain", "problem"]

_ALL = (*HOST, *VPP, *LIMITS, *MIRRORING, *HOST_INTERFACE, *STEPS, *TRIAL, *JOURNAL)

REGISTER: dict[str, Record] = {record.code: record for record in sorted(_ALL, key=lambda record: record.code)}
"""Every registered problem by its code, in order of the codes."""


class UnknownProblemError(LookupError):
    """Our bug, or a person's typing error: no problem has that code."""


def problem(code: str, detail: str) -> Problem:
    """A case of a registered problem. Raises UnknownProblemError for a code that is not in the register."""
    return Problem(explain(code).code, detail)


def explain(code: str) -> Record:
    """The record of a code, in any case of letters, with or without the `HL-`. Raises UnknownProblemError."""
    wanted = code.upper()
    wanted = wanted if wanted.startswith("HL-") else f"HL-{wanted}"
    if wanted not in REGISTER:
        raise UnknownProblemError(f"no problem has the code {code!r}; known are {', '.join(REGISTER)}")
    return REGISTER[wanted]
