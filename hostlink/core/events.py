"""What happened: the only input of the machine, in the past tense, frozen.

Each kind has one trigger, by which the table finds its rows. Results carry the number of the step that they belong
to, so that the late result of a step that was given up changes nothing; a passed deadline carries its timer's number
for the same reason. `detail` is the event's own word for the reason that an operator is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hostlink.core.model import Facts, Problem
from hostlink.core.table import Trigger

DETAILS_SHOWN = 3
"""Of a list, this many are told in a reason; the whole list is in the history and in the plan."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A look at the node has ended."""

    trigger: ClassVar[Trigger] = Trigger.INSPECTED
    step: int
    facts: Facts

    @property
    def detail(self) -> str:
        """What is missing for a takeover, or that nothing is. The obstacles say it best, where there are any."""
        bare = [] if self.facts.uplink_found else ["the uplink is not there"]
        bare += [] if self.facts.vpp_reachable else ["VPP does not answer"]
        if self.facts.given_up is not None:
            return self.facts.given_up.detail
        missing = [problem.detail for problem in self.facts.obstacles] or bare
        return some(missing) or "nothing stands against a takeover"


@dataclass(frozen=True, slots=True)
class Captured:
    """The journal is durable."""

    trigger: ClassVar[Trigger] = Trigger.CAPTURED
    step: int
    detail: ClassVar[str] = "the snapshot is safely on disk"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """VPP and Linux both show their interface."""

    trigger: ClassVar[Trigger] = Trigger.HANDED_OVER
    step: int
    detail: ClassVar[str] = "VPP and Linux both show their interface"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The difference between the host and VPP is empty, read back. `changes`: what was done for that, readable."""

    trigger: ClassVar[Trigger] = Trigger.MIRRORED
    step: int
    changes: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        return some(self.changes) or "nothing differed"


@dataclass(frozen=True, slots=True)
class PathProved:
    """The probes that passed before the takeover passed again. `changes`: what was done for that, readable."""

    trigger: ClassVar[Trigger] = Trigger.PATH_PROVED
    step: int
    changes: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        return some(self.changes) or "the probes passed"


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The NIC is the host's again, read back. `residue`: what could not be restored, named."""

    trigger: ClassVar[Trigger] = Trigger.GIVEN_BACK
    step: int
    residue: tuple[Problem, ...] = ()

    @property
    def detail(self) -> str:
        return some([problem.detail for problem in self.residue]) or "everything is as it was"


@dataclass(frozen=True, slots=True)
class GoneAround:
    """The bypass is open, or cannot be."""

    trigger: ClassVar[Trigger] = Trigger.GONE_AROUND
    step: int

    @property
    def detail(self) -> str:
        return "the bypass was opened"


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The step could not be done. Send VppLost or UplinkLost instead where that is why: those clear by themselves."""

    trigger: ClassVar[Trigger] = Trigger.STEP_FAILED
    step: int
    problem: Problem

    @property
    def detail(self) -> str:
        return self.problem.detail


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    trigger: ClassVar[Trigger] = Trigger.DEADLINE_PASSED
    timer: int
    detail: ClassVar[str] = "the deadline passed"


@dataclass(frozen=True, slots=True)
class HostChanged:
    """Something on the host changed: look again. `what`: in a few words."""

    trigger: ClassVar[Trigger] = Trigger.HOST_CHANGED
    what: str

    @property
    def detail(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class VppChanged:
    """Something in VPP changed: look again. `what`: in a few words."""

    trigger: ClassVar[Trigger] = Trigger.VPP_CHANGED
    what: str

    @property
    def detail(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class VppLost:
    """VPP does not answer any more. `losses`: how often it was lost under a takeover lately, this time included."""

    trigger: ClassVar[Trigger] = Trigger.VPP_LOST
    reason: str
    losses: int = 1

    @property
    def detail(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class VppFound:
    """VPP's API socket answers. `fit`: nothing of this VPP (contract, namespace) stands against its use."""

    trigger: ClassVar[Trigger] = Trigger.VPP_FOUND
    fit: bool = True
    detail: ClassVar[str] = "VPP answers"


@dataclass(frozen=True, slots=True)
class UplinkLost:
    """The NIC or the host interface is gone."""

    trigger: ClassVar[Trigger] = Trigger.UPLINK_LOST
    reason: str

    @property
    def detail(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The daemon is to end. `signal`: `SIGTERM`, or who else asked."""

    trigger: ClassVar[Trigger] = Trigger.STOP_REQUESTED
    signal: str

    @property
    def detail(self) -> str:
        return self.signal


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """An operator wants the NIC back."""

    trigger: ClassVar[Trigger] = Trigger.RELEASE_REQUESTED
    detail: ClassVar[str] = "an operator asked"


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """The hold is cleared: by an operator, or because its back-off is over. `by`: who."""

    trigger: ClassVar[Trigger] = Trigger.RESUME_REQUESTED
    by: str = "an operator"

    @property
    def detail(self) -> str:
        return self.by


@dataclass(frozen=True, slots=True)
class AuditRequested:
    """An operator wants both sides compared now."""

    trigger: ClassVar[Trigger] = Trigger.AUDIT_REQUESTED
    detail: ClassVar[str] = "an operator asked"


@dataclass(frozen=True, slots=True)
class ConfirmMissed:
    """A takeover on trial (`hostlink run --try`) was not confirmed in time."""

    trigger: ClassVar[Trigger] = Trigger.CONFIRM_MISSED
    problem: Problem

    @property
    def detail(self) -> str:
        return self.problem.detail


Result = Inspected | Captured | HandedOver | Mirrored | PathProved | GivenBack | GoneAround | StepFailed
"""How a step ends: exactly one of these for each StartStep that was not cancelled."""

Event = (
    Result
    | DeadlinePassed
    | HostChanged
    | VppChanged
    | VppLost
    | VppFound
    | UplinkLost
    | StopRequested
    | ReleaseRequested
    | ResumeRequested
    | AuditRequested
    | ConfirmMissed
)


def some(texts: list[str] | tuple[str, ...]) -> str:
    """The first few, and how many more: `a; b; c; and 4 more`."""
    shown = list(texts[:DETAILS_SHOWN])
    more = len(texts) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)
