"""The machine of one uplink: an event in, effects out. It knows no clock and does nothing itself.

Every move is a row of states/uplink.toml, given to `transitions` as it stands: ignored and refused cells too, so that
the library never meets an event that it does not know. `transitions` decides which row fires and sets the state;
callbacks only change the machine's own memory and gather effects. (Its own `Timeout` runs on a thread, and a trigger
fired within a callback nests: neither is used.)

One step runs at a time. Entering a state ends the running step, whose late result then carries a number that is not the
latest one and changes nothing; so does the deadline of a timer that was disarmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from transitions import Machine

from hostlink.core.actions import DOERS
from hostlink.core.context import Context, Hold
from hostlink.core.effects import (
    ArmTimer,
    CancelStep,
    DisarmTimer,
    DropHold,
    Effect,
    Finish,
    KeepHold,
    Publish,
    Refuse,
    StartStep,
    Transition,
)
from hostlink.core.events import DeadlinePassed, Event, Result
from hostlink.core.guards import JUDGES, OPERATOR_HOLDS
from hostlink.core.model import Facts, Problem
from hostlink.core.table import (
    HOLDS,
    IGNORED,
    INITIAL,
    REFUSED,
    ROWS,
    STATES,
    Action,
    Row,
    State,
    Step,
    Trigger,
)

STEP_OVERDUE, GIVE_BACK_OVERDUE = "HL-403", "HL-408"
"""Codes of the register in hostlink/problems/, which core does not import: a test holds the two together."""

AUDITED = (State.MIRRORING, State.PUNTING)
"""The states that an audit passes on its way back to Steady."""


class _Model:
    """What `transitions` moves: it sets `state` and adds its own methods, and nothing else has any business here."""

    state: State
    trigger: partial[bool]


class UplinkMachine:
    """One uplink. Give every event to `handle`, in the order in which things happened, and carry out what it answers.

    deadlines: seconds that a state's step may take (where the table says so: without getting on). waits: seconds that
    a state waits where no step runs (Detecting: to look again; Steady: to audit; Recovering: to try again). graces:
    seconds that a state waits for VPP first. What is left out is as in states/uplink.toml. hold: one that outlived an
    earlier run. Raises ValueError for a state that has no such time.
    """

    def __init__(
        self,
        name: str,
        deadlines: Mapping[State, float] | None = None,
        waits: Mapping[State, float] | None = None,
        graces: Mapping[State, float] | None = None,
        hold: Hold | None = None,
    ) -> None:
        self.name = name
        self.set_times(deadlines or {}, waits or {}, graces or {})
        self._context = Context(hold=hold)
        self._armed_s: float | None = None
        self._armed_by_progress = False
        self._ended: list[Effect] = []
        self._begun: list[Effect] = []
        self._model = _Model()
        self._library = self._build()

    # ------------------------------------------------------------------------------------------------ the public door

    def set_times(
        self, deadlines: Mapping[State, float], waits: Mapping[State, float], graces: Mapping[State, float]
    ) -> None:
        """As at the beginning; for the states that are entered from now on. Raises ValueError."""
        self._deadlines = _times("deadline", {s: STATES[s].deadline_s for s in State}, deadlines)
        self._waits = _times("wait", {s: STATES[s].wait_s for s in State}, waits)
        self._graces = _times("grace", {s: STATES[s].grace_s for s in State}, graces)

    def start(self) -> tuple[Effect, ...]:
        """Enters the first state. Call it once, before anything else."""
        if self._context.latest_step:
            raise RuntimeError(f"the machine of {self.name} was started before")
        hold = self._context.hold
        self._context.why = f"held since an earlier run: {hold.reason}" if hold else "started"
        self._enter(INITIAL)
        publish = Publish(Transition(INITIAL, INITIAL, None, self.why, self._context.running_step))
        return self._effects(publish)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Decides on one event. A stale one, and any after the end, changes nothing."""
        context = self._context
        if context.finished or self._stale(event):
            return ()
        context.word, context.overdue = event.detail, None
        if isinstance(event, DeadlinePassed):
            context.armed_timer = None
            context.overdue = self._overdue()
            context.word = context.overdue.detail
        state, shown, hold = self.state, self._shown(), context.hold
        self._model.trigger(event.trigger.value, event)
        publish = self._publish(state, event.trigger) if self._shown() != shown else None
        if self.state not in AUDITED:
            context.audit = False
        self._ended += self._kept(hold)
        return self._effects(publish)

    def _kept(self, before: Hold | None) -> list[Effect]:
        """What becomes of a hold on disk. A stop leaves it there: the next run is to know of it."""
        after = self._context.hold
        if after == before:
            return []
        if after is not None:
            return [KeepHold(after)] if after.kind in OPERATOR_HOLDS else []
        return [DropHold()] if before is not None and before.kind in OPERATOR_HOLDS else []

    # --------------------------------------------------------------------------------------------------- what is shown

    @property
    def state(self) -> State:
        return self._model.state

    @property
    def why(self) -> str:
        """The reason of the last move."""
        return self._context.why

    @property
    def hold(self) -> Hold | None:
        return self._context.hold

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What an operator should know now, the most pressing first. Obstacles only count before a takeover."""
        context, facts = self._context, self._context.facts or Facts()
        held = (context.hold.problem,) if context.hold and context.hold.problem else ()
        failed = (context.failure,) if context.failure else ()
        obstacles = facts.obstacles if self.state is State.DETECTING else ()
        return tuple(dict.fromkeys((*held, *failed, *context.residue, *obstacles, *facts.notes)))

    @property
    def next(self) -> str:
        """What is waited for."""
        if self.finished:
            return "nothing: done"
        if self.state is State.DETECTING and self.hold is not None:
            return HOLDS[self.hold.kind].clears
        text = STATES[self.state]
        if self._context.awaiting_vpp:
            return text.awaiting
        return text.waiting if self._context.running_step is None else text.doing

    @property
    def deadline_s(self) -> float | None:
        """After how many seconds, from when it was armed, the present deadline passes."""
        return self._armed_s if self._context.armed_timer is not None else None

    @property
    def dirty(self) -> bool:
        return self._context.dirty

    @property
    def finished(self) -> bool:
        return self._context.finished

    @property
    def awaits_vpp(self) -> bool:
        """Whether VPP is waited for with the host's interface in place."""
        return self._context.awaiting_vpp

    @property
    def facts(self) -> Facts | None:
        """What the last look showed."""
        return self._context.facts

    # ------------------------------------------------------------------------------------------------------- the rows

    def _build(self) -> Machine:
        library = Machine(model=self._model, states=list(State), initial=INITIAL, auto_transitions=False, queued=False)
        for row in ROWS:
            judge = partial(JUDGES[row.guard], self._context) if row.guard else None
            after = partial(self._carry_out, row)
            library.add_transition(row.trigger.value, row.state, row.to, conditions=judge, after=after)
        for state, trigger in IGNORED:
            library.add_transition(trigger.value, state, None)
        for (state, trigger), message in REFUSED.items():
            library.add_transition(trigger.value, state, None, after=partial(self._refuse, state, message))
        return library

    def _carry_out(self, row: Row, event: Event) -> None:
        context = self._context
        if isinstance(event, Result):
            context.running_step = None
        for action in row.does:
            DOERS[action](context, event)
        if row.why is not None:
            context.why = row.why.format(detail=context.word)
        if row.to is not None:
            context.tries = 0 if row.to is not row.state else context.tries
            self._enter(row.to)
        elif Action.WAIT in row.does:
            self._disarm()
            self._arm(self._waits[row.state])

    def _refuse(self, state: State, message: str, event: Event) -> None:
        self._ended.append(Refuse(event.trigger, state, message))

    # ------------------------------------------------------------------------------------------------ steps and timers

    def _enter(self, state: State) -> None:
        context, text = self._context, STATES[state]
        if context.running_step is not None:
            self._ended.append(CancelStep(context.running_step))
            context.running_step = None
        self._disarm()
        context.dirty = context.dirty and not text.looks
        if context.finished:
            self._begun.append(Finish(context.clean))
            return
        self._start(text.grace_step if context.awaiting_vpp else text.step)
        if context.awaiting_vpp:
            self._arm(self._graces[state])
            return
        self._arm(self._waits[state] if text.step is None else self._deadlines[state], by_progress=text.progress)

    def _start(self, step: Step | None) -> None:
        if step is not None:
            self._context.latest_step += 1
            self._context.running_step = self._context.latest_step
            self._begun.append(StartStep(self._context.running_step, step))

    def _arm(self, after_s: float, *, by_progress: bool = False) -> None:
        self._context.latest_timer += 1
        self._context.armed_timer = self._context.latest_timer
        self._armed_s, self._armed_by_progress = after_s, by_progress
        self._begun.append(ArmTimer(self._context.latest_timer, after_s, by_progress))

    def _disarm(self) -> None:
        if self._context.armed_timer is not None:
            self._ended.append(DisarmTimer(self._context.armed_timer))
            self._context.armed_timer = None

    def _stale(self, event: Event) -> bool:
        """Whether it belongs to a step or timer that is over.

        In a state that has a step only the running one's result counts. In one that has none, the table says that a
        second result of the last step is refused: nothing but a bug sends one.
        """
        if isinstance(event, DeadlinePassed):
            return event.timer != self._context.armed_timer
        if not isinstance(event, Result):
            return False
        over = self._context.running_step is None and STATES[self.state].step is not None
        return over or event.step != self._context.latest_step

    # ----------------------------------------------------------------------------------------------------- what is told

    def _overdue(self) -> Problem:
        code = GIVE_BACK_OVERDUE if self.state is State.RECOVERING else STEP_OVERDUE
        what = "got no further for" if self._armed_by_progress else "took longer than"
        return Problem(code, f"{self.name}: {STATES[self.state].title} {what} {self._armed_s:g} s")

    def _shown(self) -> tuple[object, ...]:
        return self.state, self.why, self.hold, self.problems

    def _publish(self, frm: State, trigger: Trigger) -> Publish:
        goes_well = self.state in (*AUDITED, State.STEADY)
        quiet = self._context.audit and not self._context.audit_changed and goes_well
        return Publish(Transition(frm, self.state, trigger, self.why, self._context.running_step, quiet))

    def _effects(self, publish: Publish | None) -> tuple[Effect, ...]:
        effects = (*self._ended, *([publish] if publish else []), *self._begun)
        self._ended, self._begun = [], []
        return effects


def _times(
    what: str, defaults: Mapping[State, float | None], changed: Mapping[State, float]
) -> MappingProxyType[State, float]:
    times = {state: time_s for state, time_s in defaults.items() if time_s is not None}
    unknown = [STATES[state].title for state in changed if state not in times]
    if unknown:
        raise ValueError(f"{unknown[0]} has no {what} that could be changed")
    return MappingProxyType({**times, **changed})
