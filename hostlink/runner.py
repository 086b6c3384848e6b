"""One machine at work: events in by one ordered channel, effects carried out in the order in which the machine says
them.

At most one step runs. Before another starts the running one is cancelled *and waited for*, so that nothing of it can
act any more when the next one looks. A step's typed failure becomes its result; anything else is a bug of ours and
ends the daemon, which leaves the takeover as it is: VPP forwards on, and the next start adopts it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio

from hostlink.core import effects, events
from hostlink.core.alike import AlikeChange, Place
from hostlink.core.context import Hold
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Problem, Route
from hostlink.core.route_changes import Change, RouteChange
from hostlink.core.table import State, Step, Trigger
from hostlink.holding import Holding
from hostlink.journal import JournalError, Phase
from hostlink.kernel.errors import KernelError, ReadUnsteady
from hostlink.kernel.watcher import Changed
from hostlink.notices import Moved, Notices, ProblemsChanged, Progressed, Reconverged
from hostlink.problems import problem
from hostlink.problems.showing import Seen, Showing, next_s
from hostlink.progress import Progress
from hostlink.rounds import Rounds
from hostlink.steps.around import go_around
from hostlink.steps.capture import capture
from hostlink.steps.confirm import watch_trial
from hostlink.steps.context import StepError, Uplink, one_failure
from hostlink.steps.elsewhere import keep_telling
from hostlink.steps.giveback import give_back
from hostlink.steps.handover import hand_over
from hostlink.steps.inspect import inspect
from hostlink.steps.mirror import mirror
from hostlink.steps.punt import punt
from hostlink.steps.view import save_edits
from hostlink.vpp.errors import VppError, VppGone, VppProtocolError, VppTimeout

HISTORY = 1000
_WAITING_EVENTS = 4096

StepFunction = Callable[[Uplink, int], Awaitable[events.Event]]
STEPS: dict[Step, StepFunction] = {
    Step.INSPECT: inspect,
    Step.CAPTURE: capture,
    Step.HAND_OVER: hand_over,
    Step.MIRROR: mirror,
    Step.PUNT: punt,
    Step.GIVE_BACK: give_back,
    Step.GO_AROUND: go_around,
}
OPERATOR_TRIGGERS = (Trigger.RELEASE_REQUESTED, Trigger.RESUME_REQUESTED, Trigger.AUDIT_REQUESTED)
"""Asked for by a person, who is told of a refusal by the ticket. Any other event that the table refuses is a bug."""
OperatorEvent = events.ReleaseRequested | events.ResumeRequested | events.AuditRequested
_GOES_ON_WITHOUT_VPP = (Step.INSPECT, Step.GIVE_BACK, Step.GO_AROUND)
_AGAIN_S = 1.0
"""How soon a back-off that is over asks again, where the NIC is still being given back."""
_NEEDS_UPLINK = (Step.CAPTURE, Step.MIRROR, Step.PUNT)
"""Steps that an interface which went away ends. That clears by itself: the NIC comes home and is taken again."""
_UPLINK_LOST = "HL-405"
_LOST = {"overflow": "notifications were lost", "unreadable": "a notification could not be read"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transition with its time, for the history."""

    at: datetime
    transition: effects.Transition


@dataclass(slots=True)
class Ticket:
    """Lets whoever posted an event know what was decided."""

    decided: trio.Event = field(default_factory=trio.Event)
    refusal: str | None = None

    def decide(self, todo: tuple[effects.Effect, ...]) -> None:
        self.refusal = next((effect.message for effect in todo if isinstance(effect, effects.Refuse)), None)
        self.decided.set()


@dataclass(slots=True)
class _Running:
    step: int
    scope: trio.CancelScope
    ended: trio.Event


class Runner:
    """Runs one uplink's machine until it is finished."""

    def __init__(
        self,
        uplink: Uplink,
        machine: UplinkMachine,
        notices: Notices,
        holding: Holding | None = None,
        steps: Mapping[Step, StepFunction] = STEPS,
    ) -> None:
        self.uplink = uplink
        self.holding = holding or Holding(uplink)
        self.machine = machine
        self.history: deque[Recorded] = deque(maxlen=HISTORY)
        self.rounds = Rounds()
        self.since = datetime.now(UTC)
        self.deadline_at: float | None = None
        """time.monotonic() when the present deadline passes."""
        self.clean = True
        self._notices = notices
        self._steps = steps
        self._send, self._receive = trio.open_memory_channel[tuple[events.Event, Ticket]](_WAITING_EVENTS)
        self._waiting_kinds: set[type[events.Event]] = set()
        self._running: _Running | None = None
        self._showing = Showing()
        self._told: tuple[tuple[Problem, bool], ...] = ()
        """Each problem, and whether it was shown."""
        self._timers: dict[int, trio.CancelScope] = {}

    async def run(self) -> None:
        """Until the machine is finished, which only a stop brings about."""
        async with trio.open_nursery() as nursery:
            await self._carry_out(self.machine.start(), nursery)
            nursery.start_soon(save_edits, self.uplink)
            nursery.start_soon(keep_telling, self.uplink)
            nursery.start_soon(self._tell_anew)
            nursery.start_soon(self.uplink.work.keep_telling, self._tell_progress)
            nursery.start_soon(watch_trial, self.uplink, self.post)
            nursery.start_soon(self._end_back_off, self.machine.hold)
            while not self.machine.finished:
                event, ticket = await self._receive.receive()
                self._waiting_kinds.discard(type(event))
                # What the first two are about the inbox was told when they were posted.
                if not isinstance(event, events.HostChanged | events.VppChanged | events.Result):
                    self.uplink.inbox.look_at_everything()
                if isinstance(event, events.Mirrored | events.PathProved):
                    self.rounds.changed(event.changes)
                todo = self.machine.handle(event)
                ticket.decide(todo)
                await self._carry_out(todo, nursery)
            nursery.cancel_scope.cancel()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that an operator should know of this uplink now."""
        return (*self.machine.problems, *self.holding.problems, *self.uplink.problems)

    def look_at_problems(self) -> tuple[Seen, ...]:
        """The same, with when each is shown, on trio's clock."""
        return self._showing.look(self.problems, trio.current_time())

    # ----------------------------------------------------------------------------------------------------- events in

    def post(self, event: events.Event) -> None:
        """Hand an event to the machine. "Look again" said twice is said once, so a storm fills no memory."""
        if isinstance(event, events.HostChanged | events.VppChanged):
            if type(event) in self._waiting_kinds:
                return
            self._waiting_kinds.add(type(event))
        self._send.send_nowait((event, Ticket()))

    def host_changed(self, changed: Changed) -> None:
        """A netlink notification: passed on when it may concern this uplink."""
        if changed.kind == "down" and changed.link_index == self.uplink.host_link_index:
            self.uplink.unfilled |= self.uplink.takeover is not None and self.uplink.takeover.last_good.link.up
        uplink = self.uplink
        ours = (uplink.link_index, uplink.pair_index)
        if changed.link_index is None or ours[0] is None or changed.link_index in ours:
            uplink.inbox.look_at_everything()
            self.post(events.HostChanged(_LOST.get(changed.kind, changed.kind)))
        elif changed.kind in ("address", "link", "down"):
            uplink.elsewhere.set()

    def routes_changed(self, changes: Sequence[Change]) -> None:
        """Routes of the host have changed: those passed on that may concern this uplink."""
        saids = [said for said, _ in changes]
        kinds = dict(zip(map(id, saids), saids, strict=True))  # a storm's are few
        ours = {number for number, said in kinds.items() if self._may_be_ours(said.route)}
        taken = changes
        if len(ours) < len(kinds):
            # One by another link that has replaced ours: the kernel says nothing else of ours then (F30).
            taken = [
                change for change in changes if id(change[0]) in ours or (change[0].replaces and self._holds(*change))
            ]
        if taken:
            self.uplink.inbox.routes(taken)
            self.post(events.HostChanged("route"))

    def _may_be_ours(self, route: Route) -> bool:
        index = self.uplink.link_index
        return index is None or route.leads_nowhere or not route.next_hops or route.uses(index)

    def _holds(self, said: RouteChange | AlikeChange, place: Place | None) -> bool:
        book = self.uplink.book
        if book is None or isinstance(said, RouteChange):
            return book is None or book.holds(said.route)
        return place is None or book.holds(said.alike.at(place))

    def parked_changed(self, changed: Changed) -> None:
        """A notification from VPP's namespace: passed on when it may be about what this uplink has there."""
        parked = self.uplink.parked_indexes
        if parked and (changed.link_index is None or changed.link_index in parked):
            self.uplink.inbox.look_at_everything()
            self.post(events.HostChanged(f"{changed.kind} in VPP's namespace"))

    def vpp_changed(self, sw_if_index: int) -> None:
        """An interface event of VPP: passed on when it is about one of this uplink's ports."""
        ports = self.uplink.ports
        for port in (ports.uplink, ports.host):
            if port is not None and port.sw_if_index == sw_if_index:
                self.uplink.inbox.look_at_vpp()
                self.post(events.VppChanged(f"interface event for {port.name}"))

    async def request(self, event: OperatorEvent) -> str | None:
        """An operator's request. Returns as soon as it is decided: why it was refused, or None."""
        ticket = Ticket()
        self._send.send_nowait((event, ticket))
        await ticket.decided.wait()
        return ticket.refusal

    # ---------------------------------------------------------------------------------------------------- effects out

    async def _carry_out(self, todo: tuple[effects.Effect, ...], nursery: trio.Nursery) -> None:
        for effect in todo:
            match effect:
                case effects.StartStep(step, kind):
                    await self._start_step(step, kind, nursery)
                case effects.CancelStep(step):
                    await self._cancel_step(step)
                case effects.ArmTimer():
                    self._timers[effect.timer] = scope = trio.CancelScope()
                    self.deadline_at = time.monotonic() + effect.after_s
                    nursery.start_soon(self._time, effect, trio.current_time(), scope)
                case effects.DisarmTimer(timer):
                    self.deadline_at = None
                    if timer in self._timers:
                        self._timers.pop(timer).cancel()
                case effects.KeepHold(hold):
                    await self.holding.keep(hold)
                    nursery.start_soon(self._end_back_off, hold)
                case effects.DropHold():
                    await self.holding.drop()
                case effects.Publish(transition):
                    self._publish(transition)
                case effects.Refuse(trigger, state, message):
                    if trigger not in OPERATOR_TRIGGERS:
                        raise RuntimeError(f"{self.uplink.name}: {trigger} in {state}: {message}")
                case effects.Finish(clean):
                    self.clean = clean

    async def _start_step(self, step: int, kind: Step, nursery: trio.Nursery) -> None:
        if self._running is not None:
            await self._running.ended.wait()
        self._running = _Running(step, trio.CancelScope(), trio.Event())
        nursery.start_soon(self._run_step, self._running, kind)

    async def _cancel_step(self, step: int) -> None:
        if self._running is not None and self._running.step == step:
            self._running.scope.cancel()
            await self._running.ended.wait()

    async def _run_step(self, running: _Running, kind: Step) -> None:
        left = 0
        """What this step has left for the next."""
        try:
            with running.scope:
                result = await self._result(running.step, kind)
                self.post(result)
                if isinstance(result, events.Mirrored | events.PathProved):
                    left = len(self.uplink.inbox)
                if kind is Step.MIRROR and len(self.uplink.inbox):
                    self.post(events.HostChanged("route"))
        finally:
            self.uplink.work.end(left)
            running.ended.set()

    async def _result(self, step: int, kind: Step) -> events.Event:
        name = self.uplink.name
        try:
            with one_failure():
                return await self._steps[kind](self.uplink, step)
        except (StepError, JournalError) as error:
            if error.problem.code == _UPLINK_LOST and kind in _NEEDS_UPLINK:
                return events.UplinkLost(error.problem.detail)
            return events.StepFailed(step, error.problem)
        except ReadUnsteady as error:
            return events.StepFailed(step, problem("HL-409", f"{name}: {error}"))
        except KernelError as error:
            return events.StepFailed(step, problem("HL-401", f"{name}: {error}"))
        except (VppGone, VppTimeout) as error:
            if kind in _GOES_ON_WITHOUT_VPP:
                return events.StepFailed(step, problem("HL-404", f"{name}: {error}"))
            if isinstance(error, VppTimeout):
                self.uplink.node.doubted.set()
            return events.VppLost(str(error), self.uplink.node.losses_lately() + 1)
        except VppProtocolError as error:
            if kind in _GOES_ON_WITHOUT_VPP or not self._is_proved:
                return events.StepFailed(step, problem("HL-402", f"{name}: {error}"))
            # What it said cannot be trusted, nor what it will say: another session, and a look at everything. One that
            # goes on so is lost too often, and then the NIC is given back (HL-208).
            self.uplink.node.doubted.set()
            return events.VppLost(str(error), self.uplink.node.losses_lately() + 1)
        except VppError as error:
            return events.StepFailed(step, problem("HL-402", f"{name}: {error}"))

    @property
    def _is_proved(self) -> bool:
        takeover = self.uplink.takeover
        return takeover is not None and takeover.phase is Phase.PROVED

    async def _time(self, armed: effects.ArmTimer, began: float, scope: trio.CancelScope) -> None:
        with scope:  # which may have been cancelled before this task had its first turn
            deadline = began + armed.after_s
            while (left_s := deadline - trio.current_time()) > 0:
                self.deadline_at = time.monotonic() + left_s
                await trio.sleep(left_s)
                if armed.by_progress:
                    deadline = max(deadline, self.uplink.progress_at + armed.after_s)
            self._timers.pop(armed.timer, None)
            self.post(events.DeadlinePassed(armed.timer))

    async def _end_back_off(self, hold: Hold | None) -> None:
        """Clear the hold when its back-off is over, if it has one and still stands."""
        after_s = self.holding.back_off_s(hold)
        if after_s is None:
            return
        await trio.sleep(after_s)
        while self.machine.hold is hold:
            if self.machine.state is State.DETECTING:
                self.post(events.ResumeRequested(by="the back-off of retry_s, which is over"))
                return
            await trio.sleep(_AGAIN_S)

    def _publish(self, transition: effects.Transition) -> None:
        now = datetime.now(UTC)
        if transition.frm is not transition.to or not self.history:
            self.since = now
        self.history.append(Recorded(now, transition))
        self._notices.publish(Moved(self.uplink.name, transition, now))
        ended = self.rounds.moved(transition, now, time.monotonic())
        if ended is not None and ended.count:
            self._notices.publish(Reconverged(self.uplink.name, ended))
        self._tell_problems()
        self.uplink.told_anew.set()

    async def _tell_anew(self) -> None:
        """What becomes known of outside of the steps, and what has lasted long enough to be shown."""
        while True:
            due_s = next_s(self.look_at_problems(), trio.current_time())
            with trio.move_on_at(math.inf if due_s is None else due_s):
                await self.uplink.told_anew.wait()
            self.uplink.told_anew = trio.Event()
            self._tell_problems()

    def _tell_progress(self, progress: Progress, ended: bool) -> None:
        self._notices.publish(Progressed(self.uplink.name, progress, ended))

    def _tell_problems(self) -> None:
        """To the watchers, when something has changed or comes to be shown."""
        now_s = trio.current_time()
        told = tuple((seen.problem, seen.is_shown(now_s)) for seen in self.look_at_problems())
        if told != self._told:
            self._told = told
            self._notices.publish(ProblemsChanged(self.uplink.name, tuple(one for one, shown in told if shown)))
