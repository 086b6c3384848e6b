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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import trio

from hostlink.config import Config, Match, UplinkConfig
from hostlink.control import Handler, Request, serve_control
from hostlink.core.describe import describe
from hostlink.core.events import AuditRequested, Event, GivenBack, ReleaseRequested, ResumeRequested, StopRequested
from hostlink.core.machine import AUDITED, UplinkMachine
from hostlink.core.model import Problem
from hostlink.core.table import STATES, State
from hostlink.journal import JournalError, Takeover, journals_in
from hostlink.kernel.errors import KernelError
from hostlink.kernel.netlink import open_netlink, open_watcher
from hostlink.kernel.privilege import missing_capabilities
from hostlink.kernel.seam import NO_FAULTS, Faults
from hostlink.kernel.watcher import WITH_TC, Changed
from hostlink.lock import LockedError, acquire_lock
from hostlink.notices import Moved, Notice, Notices, Reconverged
from hostlink.problems import explain
from hostlink.report import state_report
from hostlink.runner import OperatorEvent, Runner
from hostlink.steps.context import Node, StepError, Uplink, VppLife, one_failure
from hostlink.steps.giveback import give_back
from hostlink.steps.mirror import difference
from hostlink.steps.view import host_view
from hostlink.varlink import CallError
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.errors import VppError
from hostlink.vpp.session import open_session
from hostlink.vpp_watch import Tell, keep_vpp, peer_pid, vpp_deadline_s

EXIT_DONE, EXIT_FAILED = 0, 1
WATCHED_BYTES = 64 << 20
"""Of the kernel's memory, and only while messages wait: some 60,000 routes that came while the loop was busy."""
SWITCH_S = 0.0005
"""So long a thread that computes keeps the loop waiting, once for each system call of the loop: a tenth of Python's."""
REFUSED = "io.hostlink.Refused"
CHANGES_LOGGED = 5
_ROUND = (State.MIRRORING, State.PUNTING, State.STEADY)


def run_daemon(config: Config) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0 when every NIC was given back cleanly."""
    refusal = _refusal(config)
    if refusal is not None:
        return _say_failed(refusal)
    _tame_collector()
    sys.setswitchinterval(SWITCH_S)
    try:
        with acquire_lock(config.paths.runtime):
            return trio.run(_serve, config)
    except LockedError as error:
        return _say_failed(f"HL-112: {error}")
    except OSError as error:
        return _say_failed(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")


def _tame_collector() -> None:
    """Python's cycle collector stops everything to look at all objects again and again while many are made. A full
    table makes a million that refer nowhere back, and the loop stood for half a second (measured, 100,000 routes)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _say_failed(text: str) -> int:
    print(f"hostlink: {text}", file=sys.stderr, flush=True)
    return EXIT_FAILED


def _refusal(config: Config) -> str | None:
    """Why the daemon may not start at all."""
    missing = missing_capabilities()
    if missing:
        return f"HL-101: not enough rights: {', '.join(missing)} missing; nothing was touched. Run it as root"
    try:
        takeovers = _takeovers(config)
    except JournalError as error:
        return f"{error.problem.code}: {error}"
    assigned = {takeover.capture.uplink for takeover in assign(config, takeovers).values()}
    for name in (takeover.capture.uplink for takeover in takeovers if takeover.capture.uplink not in assigned):
        return f"a takeover of {name} is in the journal, and no [[uplink]] matches it: run `hostlink release` first"
    return None


def _takeovers(config: Config) -> list[Takeover]:
    found = (journal.read() for journal in journals_in(config.paths.journal))
    return [takeover for takeover in found if takeover is not None]


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


async def _serve(config: Config) -> int:
    notices = Notices()
    async with _open_node(config) as node:
        runners = [_runner(node, number, notices) for number in range(len(config.uplinks))]

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


@asynccontextmanager
async def _open_node(config: Config) -> AsyncIterator[Node]:
    faults = lab_faults()
    async with open_netlink(faults=faults) as host:
        yield Node(config, host, faults)


def lab_faults() -> Faults:
    """What the lab's failure matrix and storms plan; nothing on a node, where these variables are not set."""
    plan, trace = os.environ.get("HOSTLINK_LAB_FAIL_KERNEL", ""), os.environ.get("HOSTLINK_LAB_TRACE_KERNEL")
    torn = int(os.environ.get("HOSTLINK_LAB_TORN_DUMPS") or 0)
    return Faults.from_text(plan, Path(trace) if trace else None, torn) if plan or trace or torn else NO_FAULTS


def _watched_bytes() -> int:
    """What the lab's storms make small; WATCHED_BYTES on a node, where this variable is not set."""
    return int(os.environ.get("HOSTLINK_LAB_WATCHED_BYTES") or WATCHED_BYTES)


def _runner(node: Node, number: int, notices: Notices) -> Runner:
    config = node.config.uplinks[number]
    earlier = assign(node.config, _takeovers(node.config)).get(number)
    name = earlier.capture.uplink if earlier else config.match.name or str(config.match)
    uplink = Uplink(node, config, number, name, takeover=earlier)
    if earlier is not None:
        node.claims[name] = number
    factor = node.config.timing.deadline_factor
    deadlines = {state: text.deadline_s * factor for state, text in STATES.items() if text.deadline_s is not None}
    waits = {State.STEADY: node.config.timing.audit_s}
    graces = {State.RECOVERING: node.config.vpp.grace_s * factor}
    return Runner(uplink, UplinkMachine(uplink.name, deadlines, waits, graces), notices)


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

    return {
        "io.hostlink.Audit": audit,
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


# ---------------------------------------------------------------------------------------------------------- no daemon


def release_offline(config: Config) -> int:
    """Give every NIC back from the journals, with no daemon running. Returns the exit status."""
    missing = missing_capabilities()
    if missing:
        return _say_failed(f"HL-101: not enough rights: {', '.join(missing)} missing; nothing was touched")
    try:
        with acquire_lock(config.paths.runtime):
            return trio.run(_release_all, config)
    except LockedError as error:
        return _say_failed(f"HL-112: {error}")
    except OSError as error:
        return _say_failed(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")


async def _release_all(config: Config) -> int:
    status = EXIT_DONE
    try:
        takeovers = _takeovers(config)
    except JournalError as error:
        return _say_failed(f"{error.problem.code}: {error}")
    if not takeovers:
        print("nothing to give back: there is no takeover in the journal", file=sys.stderr)
    for takeover in takeovers:
        async with _open_node(config) as node:
            status = max(status, await _release(node, takeover))
    return status


async def _release(node: Node, takeover: Takeover) -> int:
    name = takeover.capture.uplink
    settings = UplinkConfig(Match(name=name), takeover.driver, takeover.host_link)
    uplink = Uplink(node, settings, 0, name, takeover=takeover)
    try:
        event = await _give_back_with_vpp(node, uplink)
    except (StepError, KernelError, JournalError, VppError) as error:
        return _say_failed(f"{name} could not be given back, and the journal is kept: {error}")
    for residue in event.residue:
        print(f"hostlink: {residue.code}: {residue.detail}", file=sys.stderr)
    print(f"{name} is the host's again")
    return EXIT_FAILED if event.residue else EXIT_DONE


async def _give_back_with_vpp(node: Node, uplink: Uplink) -> GivenBack:
    """With VPP where it answers; the NIC comes home without it too."""
    try:
        async with open_session(os.fspath(node.config.vpp.api_socket), deadline_s=vpp_deadline_s(node)) as session:
            node.vpp = VppLife(await open_dataplane(session), pid=peer_pid(node.config.vpp.api_socket))
            with one_failure():
                return await give_back(uplink, 0)
    except VppError:
        node.vpp = VppLife()
    with one_failure():
        return await give_back(uplink, 0)
