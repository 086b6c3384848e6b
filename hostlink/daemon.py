"""The daemon: its nursery, and who tells whom.

Long-lived tasks, all started here: one runner for each uplink's machine (runner.py), the keeper of the VPP session
(vpp_watch.py), the netlink watcher, the control socket, the signals, and the log. They share nothing but events. A
failure that none of them knows is a bug of ours: the daemon ends and leaves the takeover as it is, because VPP forwards
on without us and the next start adopts it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import trio

from hostlink import held
from hostlink.config import Config, Match
from hostlink.confirming import confirm_all
from hostlink.control import Handler, Request, serve_control
from hostlink.core.describe import describe
from hostlink.core.events import AuditRequested, Event, ReleaseRequested, ResumeRequested, StopRequested
from hostlink.core.machine import AUDITED, UplinkMachine
from hostlink.core.model import Problem
from hostlink.core.table import STATES, State
from hostlink.holding import Holding
from hostlink.journal import JournalError, Takeover
from hostlink.kernel.errors import KernelError
from hostlink.kernel.netlink import open_watcher
from hostlink.kernel.privilege import missing_capabilities
from hostlink.kernel.watcher import WITH_TC, Changed
from hostlink.lock import DAEMON, LockedError, acquire_lock
from hostlink.node import earlier_takeovers, open_node
from hostlink.notices import Moved, Notice, Notices, Reconverged
from hostlink.offline import EXIT_DONE, EXIT_FAILED, say_failed
from hostlink.problems import explain
from hostlink.report import state_report
from hostlink.runner import OperatorEvent, Runner
from hostlink.steps.context import KEEPER, Node, StepError, Uplink
from hostlink.steps.mirror import difference
from hostlink.steps.view import host_view
from hostlink.store import Store, open_store
from hostlink.varlink import REFUSED, CallError
from hostlink.vpp.errors import VppError
from hostlink.vpp_watch import Tell, keep_vpp

WATCHED_BYTES = 64 << 20
"""Of the kernel's memory, and only while messages wait: some 60,000 routes that came while the loop was busy."""
SWITCH_S = 0.0005
"""So long a thread that computes keeps the loop waiting, once for each system call of the loop: a tenth of Python's."""
CHANGES_LOGGED = 5
_ROUND = (State.MIRRORING, State.PUNTING, State.STEADY)


def run_daemon(config: Config, try_s: float | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0 when every NIC was given back cleanly.

    try_s: each takeover is on trial, and given back unless a person confirms it within so many seconds.
    """
    refusal = _refusal(config)
    if refusal is not None:
        return say_failed(refusal)
    _tame_collector()
    sys.setswitchinterval(SWITCH_S)
    try:
        with acquire_lock(config.paths.runtime, DAEMON):
            return trio.run(_serve, config, try_s, open_store())
    except LockedError as error:
        return say_failed(f"HL-112: {error}")
    except OSError as error:
        return say_failed(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")


def _tame_collector() -> None:
    """Python's cycle collector stops everything to look at all objects again and again while many are made. A full
    table makes a million that refer nowhere back, and the loop stood for half a second (measured, 100,000 routes)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _refusal(config: Config) -> str | None:
    """Why the daemon may not start at all."""
    missing = missing_capabilities()
    if missing:
        return f"HL-101: not enough rights: {', '.join(missing)} missing; nothing was touched. Run it as root"
    try:
        takeovers = earlier_takeovers(config)
    except JournalError as error:
        return f"{error.problem.code}: {error}"
    assigned = {takeover.capture.uplink for takeover in assign(config, takeovers).values()}
    for name in (takeover.capture.uplink for takeover in takeovers if takeover.capture.uplink not in assigned):
        return f"a takeover of {name} is in the journal, and no [[uplink]] matches it: run `hostlink release` first"
    return None


def assign(config: Config, takeovers: Sequence[Takeover]) -> dict[int, Takeover]:
    """Number of the [[uplink]] → its earlier takeover. The NIC itself cannot be asked, VPP has it.

    Each takeover goes to one entry: first to those that name it by what it is, then to one by default route.
    """
    found: dict[int, Takeover] = {}
    for by_default_route in (False, True):
        for number, uplink in enumerate(config.uplinks):
            if number in found or uplink.match.default_route is not by_default_route:
                continue
            free = [one for one in takeovers if one not in found.values()]
            mine = next((one for one in free if by_default_route or _is_matched(uplink.match, one)), None)
            if mine is not None:
                found[number] = mine
    return found


def _is_matched(match: Match, takeover: Takeover) -> bool:
    link, view = takeover.capture.view.link, takeover.capture.view
    by_name, by_mac = match.name in (link.name, *link.altnames), match.mac == link.mac
    return by_name or by_mac or (match.pci is not None and match.pci == view.pci_address)


# ------------------------------------------------------------------------------------------------------- the nursery


async def _serve(config: Config, try_s: float | None, store: Store) -> int:
    notices = Notices()
    async with open_node(config, try_s, store) as node:
        runners = [_runner(node, number, notices) for number in range(len(config.uplinks))]
        _drop_stale(store, runners)

        def tell(event: Event) -> None:
            for runner in runners:
                runner.post(event)

        def interface_changed(sw_if_index: int) -> None:
            for runner in runners:
                runner.vpp_changed(sw_if_index)

        def parked_changed(changed: Changed) -> None:
            for runner in runners:
                runner.parked_changed(changed)

        async with trio.open_nursery() as helpers:
            await helpers.start(_log, notices)
            await helpers.start(_stop_on_signal, tell)
            await helpers.start(_watch_host, node, runners)
            await helpers.start(serve_control, config.paths.control_socket, _handlers(node, runners, notices))
            helpers.start_soon(keep_vpp, node, tell, interface_changed, parked_changed)
            async with trio.open_nursery() as machines:
                for runner in runners:
                    machines.start_soon(runner.run)
            helpers.cancel_scope.cancel()
    return EXIT_DONE if all(runner.clean for runner in runners) else EXIT_FAILED


def _watched_bytes() -> int:
    """What the lab's storms make small; WATCHED_BYTES on a node, where this variable is not set."""
    return int(os.environ.get("HOSTLINK_LAB_WATCHED_BYTES") or WATCHED_BYTES)


def _runner(node: Node, number: int, notices: Notices) -> Runner:
    config = node.config.uplinks[number]
    earlier = assign(node.config, earlier_takeovers(node.config)).get(number)
    name = earlier.capture.uplink if earlier else config.match.name or str(config.match)
    uplink = Uplink(node, config, number, name, takeover=earlier)
    if earlier is not None:
        node.claims[name] = number
    factor = node.config.timing.deadline_factor
    deadlines = {state: text.deadline_s * factor for state, text in STATES.items() if text.deadline_s is not None}
    # Punting asks until the takeover must be confirmed, and is to say itself what did not answer.
    deadlines[State.PUNTING] += node.config.timing.confirm_s * factor
    waits = {State.STEADY: node.config.timing.audit_s}
    graces = {State.RECOVERING: node.config.vpp.grace_s * factor}
    holding = Holding(uplink, _hold_of(node.config, number))
    if node.try_s is not None:
        holding.clear()  # whoever tries a takeover is there, and wants one
    return Runner(uplink, UplinkMachine(uplink.name, deadlines, waits, graces, holding.hold), notices, holding)


def _drop_stale(store: Store, runners: list[Runner]) -> None:
    """What an earlier daemon kept for a takeover that is over by now: `hostlink release` or the guard has ended it."""
    alive = {f"{KEEPER}{runner.uplink.name}" for runner in runners if runner.uplink.takeover is not None}
    for name in set(store.names) - alive:
        store.drop(name)


def _hold_of(config: Config, number: int) -> held.Held | None:
    """What an earlier run has left for that [[uplink]]."""
    others = [uplink.match for other, uplink in enumerate(config.uplinks) if other != number]
    return held.of_match(config.uplinks[number].match, held.read_all(config.paths.journal), others)


async def _watch_host(
    node: Node, runners: list[Runner], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with open_watcher(groups=WITH_TC, receive_buffer_bytes=_watched_bytes(), routes=True) as watcher:
        task_status.started()
        async for changed in watcher:
            changes = node.alikes.read(changed.routes)
            for runner in runners:
                if changed.routes:
                    runner.routes_changed(changes)
                else:
                    runner.host_changed(changed)


async def _stop_on_signal(tell: Tell, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            tell(StopRequested(signal.Signals(number).name))


async def _log(notices: Notices, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """One line on stderr for each move and each new problem; audits that found nothing say nothing."""
    known: dict[str, tuple[Problem, ...]] = {}
    with notices.watch() as watch:
        task_status.started()
        async for notice in watch.notices:
            for line in _lines(notice, known):
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                print(f"{now} {notice.uplink}: {line}", file=sys.stderr, flush=True)


def _lines(notice: Notice, known: dict[str, tuple[Problem, ...]]) -> list[str]:
    if isinstance(notice, Reconverged):
        ended = notice.round
        words = _some(ended.changes, ended.count)
        return [f"converged in {ended.duration_s * 1000:.0f} ms ({ended.why}): {words}"]
    if isinstance(notice, Moved):
        move = notice.transition
        # What goes round from Steady to Steady is told by its end, in one line: thousands of routes may change.
        told = not (move.frm in _ROUND and move.to in _ROUND)
        return [f"{STATES[move.frm].title} -> {STATES[move.to].title}: {move.why}"] if told else []
    before = known.get(notice.uplink, ())
    known[notice.uplink] = notice.problems
    return [f"{one.code}: {explain(one.code).title}: {one.detail}" for one in notice.problems if one not in before]


def _some(changes: Sequence[str], count: int) -> str:
    shown = changes[:CHANGES_LOGGED]
    more = count - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


# -------------------------------------------------------------------------------------------------- the control socket


def _handlers(node: Node, runners: list[Runner], notices: Notices) -> Mapping[str, Handler]:
    async def get_state(_: Request) -> Mapping[str, object]:
        return state_report(node, runners)

    async def subscribe(request: Request) -> Mapping[str, object]:
        request.require_more()
        with notices.watch() as watch:
            while True:
                await request.send(state_report(node, runners))
                await watch.wait_changed()

    async def get_plan(_: Request) -> Mapping[str, object]:
        return {"uplinks": [{"name": one.uplink.name, "plan": await _plan(one)} for one in runners]}

    async def release(_: Request) -> Mapping[str, object]:
        return await _ask_all(runners, ReleaseRequested())

    async def resume(_: Request) -> Mapping[str, object]:
        return await _ask_all(runners, ResumeRequested())

    async def audit(_: Request) -> Mapping[str, object]:
        """Answered when both sides were compared. Whoever asks meanwhile is answered by the same look, or the next."""
        with notices.watch() as watch:
            await _ask_all(runners, AuditRequested())
            while any(runner.machine.state in AUDITED for runner in runners):
                await watch.wait_changed()
        return state_report(node, runners)

    async def confirm(_: Request) -> Mapping[str, object]:
        await confirm_all(runners, notices)
        return {}

    return {
        "io.hostlink.Audit": audit,
        "io.hostlink.Confirm": confirm,
        "io.hostlink.GetState": get_state,
        "io.hostlink.Subscribe": subscribe,
        "io.hostlink.GetPlan": get_plan,
        "io.hostlink.Release": release,
        "io.hostlink.Resume": resume,
    }


async def _ask_all(runners: list[Runner], event: OperatorEvent) -> Mapping[str, object]:
    """Ask every uplink's machine; refused only when all refuse."""
    refusals = [await runner.request(event) for runner in runners]
    if all(refusal is not None for refusal in refusals):
        raise CallError(REFUSED, {"message": "; ".join(str(refusal) for refusal in refusals)})
    return {}


async def _plan(runner: Runner) -> list[str]:
    if runner.uplink.takeover is None or runner.uplink.ports.host is None:
        return []
    try:
        plan = (await difference(runner.uplink, await host_view(runner.uplink))).plan
    except StepError as error:
        raise CallError(REFUSED, {"message": error.problem.detail}) from error
    except (KernelError, VppError) as error:
        raise CallError(REFUSED, {"message": str(error)}) from error
    return [describe(operation) for operation in plan]
