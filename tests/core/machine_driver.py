"""Drives an UplinkMachine by its public door and keeps books on what it orders, as a strict daemon would.

Every effect is checked against the books: one step at a time, cancelled before another starts; one timer at a time;
numbers only grow; Finish once, after a stop, and nothing after it.
"""

from dataclasses import dataclass, field

from hostlink.core.effects import (
    ArmTimer,
    CancelStep,
    DisarmTimer,
    Effect,
    Finish,
    Publish,
    Refuse,
    StartStep,
    Transition,
)
from hostlink.core.events import (
    AuditRequested,
    Captured,
    ConfirmMissed,
    DeadlinePassed,
    Event,
    GivenBack,
    GoneAround,
    HandedOver,
    HostChanged,
    Inspected,
    Mirrored,
    PathProved,
    ReleaseRequested,
    Result,
    ResumeRequested,
    StepFailed,
    StopRequested,
    UplinkLost,
    VppChanged,
    VppFound,
    VppLost,
)
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Facts, Problem
from hostlink.core.table import State, Step, Trigger

FIT = Facts(uplink_found=True, vpp_reachable=True)
BOOM = Problem("HL-402", "VPP said no")


@dataclass
class Driver:
    """A started machine. `send` gives an event and returns the effects; the rest are the books."""

    machine: UplinkMachine = field(default_factory=lambda: UplinkMachine("eth1"))
    step: int = 0
    """The number of the latest step."""
    kind: Step | None = None
    """What runs; None: nothing."""
    timer: int = 0
    armed_s: float | None = None
    by_progress: bool = False
    stopped: bool = False
    finished: bool = False
    clean: bool | None = None

    def __post_init__(self) -> None:
        self._book(self.machine.start())

    @property
    def state(self) -> State:
        return self.machine.state

    def send(self, event: Event) -> tuple[Effect, ...]:
        effects = self.machine.handle(event)
        refused = any(isinstance(effect, Refuse) for effect in effects)
        if isinstance(event, Result) and event.step == self.step and not refused:
            self.kind = None
        if isinstance(event, DeadlinePassed) and event.timer == self.timer:
            self.armed_s = None
        self.stopped |= isinstance(event, StopRequested)
        self._book(effects)
        return effects

    def _book(self, effects: tuple[Effect, ...]) -> None:
        assert not self.finished or effects == (), f"effects after the end: {effects}"
        for effect in effects:
            match effect:
                case StartStep(step, kind):
                    assert self.kind is None, f"{kind} starts while {self.kind} runs"
                    assert step > self.step
                    self.step, self.kind = step, kind
                case CancelStep(step):
                    assert self.kind is not None
                    assert step == self.step
                    self.kind = None
                case ArmTimer(timer, after_s, by_progress):
                    assert self.armed_s is None
                    assert timer > self.timer
                    self.timer, self.armed_s, self.by_progress = timer, after_s, by_progress
                case DisarmTimer(timer):
                    assert self.armed_s is not None
                    assert timer == self.timer
                    self.armed_s = None
                case Finish(clean):
                    assert self.stopped, "finished although nobody asked for it"
                    self.finished, self.clean = True, clean
                case Publish(transition):
                    assert transition.to is self.machine.state
                    assert transition.why == self.machine.why
        assert self.machine.finished == self.finished
        assert self.finished or self.armed_s is not None, "nothing would ever happen again"

    # ------------------------------------------------------------------------------------------------- ways to a state

    def to(self, state: State) -> "Driver":
        """Takes a machine that was just started to `state`, by the shortest way, its step running."""
        if state is State.RECOVERING:
            self.to(State.CAPTURING)
            self.fail()
        else:
            for result in WAYS[state]:
                self.send(result(self.step))
        assert self.state is state
        return self

    def look(self, facts: Facts = FIT) -> tuple[Effect, ...]:
        return self.send(Inspected(self.step, facts))

    def fail(self, problem: Problem = BOOM) -> tuple[Effect, ...]:
        return self.send(StepFailed(self.step, problem))

    def overdue(self) -> tuple[Effect, ...]:
        return self.send(DeadlinePassed(self.timer))

    def event(self, trigger: Trigger) -> Event:
        """The plainest event of that kind that is not stale."""
        return plain_event(trigger, self.step, self.timer)


WAYS = {
    State.DETECTING: [],
    State.CAPTURING: [lambda step: Inspected(step, FIT)],
}
WAYS[State.HANDOVER] = [*WAYS[State.CAPTURING], Captured]
WAYS[State.MIRRORING] = [*WAYS[State.HANDOVER], HandedOver]
WAYS[State.PUNTING] = [*WAYS[State.MIRRORING], Mirrored]
WAYS[State.STEADY] = [*WAYS[State.PUNTING], PathProved]


def plain_event(trigger: Trigger, step: int, timer: int) -> Event:
    events: dict[Trigger, Event] = {
        Trigger.INSPECTED: Inspected(step, Facts()),
        Trigger.CAPTURED: Captured(step),
        Trigger.HANDED_OVER: HandedOver(step),
        Trigger.MIRRORED: Mirrored(step),
        Trigger.PATH_PROVED: PathProved(step),
        Trigger.GIVEN_BACK: GivenBack(step),
        Trigger.GONE_AROUND: GoneAround(step),
        Trigger.STEP_FAILED: StepFailed(step, BOOM),
        Trigger.DEADLINE_PASSED: DeadlinePassed(timer),
        Trigger.HOST_CHANGED: HostChanged("an address came"),
        Trigger.VPP_CHANGED: VppChanged("an interface went down"),
        Trigger.VPP_LOST: VppLost("the socket closed"),
        Trigger.VPP_FOUND: VppFound(),
        Trigger.UPLINK_LOST: UplinkLost("eth1 is gone"),
        Trigger.STOP_REQUESTED: StopRequested("SIGTERM"),
        Trigger.RELEASE_REQUESTED: ReleaseRequested(),
        Trigger.RESUME_REQUESTED: ResumeRequested(),
        Trigger.AUDIT_REQUESTED: AuditRequested(),
        Trigger.CONFIRM_MISSED: ConfirmMissed(BOOM),
    }
    return events[trigger]


def published(effects: tuple[Effect, ...]) -> Transition | None:
    found = [effect.transition for effect in effects if isinstance(effect, Publish)]
    assert len(found) <= 1
    return found[0] if found else None


def started(effects: tuple[Effect, ...]) -> Step | None:
    found = [effect.kind for effect in effects if isinstance(effect, StartStep)]
    assert len(found) <= 1
    return found[0] if found else None
