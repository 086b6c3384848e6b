"""The daemon: its nursery, and who tells whom.

Long-lived tasks, all started here: one runner for each uplink's machine (runner.py), the keeper of the VPP session
(vpp_watch.py), the netlink watcher, the control socket, the signals, and the log. They share nothing but events. A
failure that none of them knows is a bug of ours: the daemon ends and leaves the takeover as it is, because VPP forwards
on without us and the next start adopts it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from hostlink import collector, held
from hostlink.allocator import keep_little
from hostlink.config import Config, Match, MetricsConfig
from hostlink.control import serve_control
from hostlink.core.events import Event, StopRequested
from hostlink.core.machine import UplinkMachine
from hostlink.defaults import CONFIG_PATH
from hostlink.exposition import keep_metrics, why_impossible
from hostlink.handlers import control_handlers
from hostlink.history import History, keep_history
from hostlink.holding import Holding
from hostlink.journal import JournalError, Takeover
from hostlink.kernel.alike import Alikes
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.netlink import open_watcher
from hostlink.kernel.privilege import missing_capabilities
from hostlink.kernel.watcher import WITH_TC, Changed
from hostlink.lock import DAEMON, LockedError, acquire_lock
from hostlink.node import earlier_takeovers, open_node
from hostlink.notices import Notices
from hostlink.offline import EXIT_DONE, EXIT_FAILED, say_failed
from hostlink.reload import Times, reload
from hostlink.runner import Runner
from hostlink.steps.context import KEEPER, Node, Uplink
from hostlink.store import Store, open_store
from hostlink.systemd import feed_watchdog, keep_told, watchdog_s
from hostlink.told import keep_log
from hostlink.vpp_watch import Tell, keep_vpp

WATCHED_BYTES = 64 << 20
"""Of the kernel's memory, and only while messages wait: some 60,000 routes that came while the loop was busy."""
SWITCH_S = 0.0005
"""So long a thread that computes keeps the loop waiting, once for each system call of the loop: a tenth of Python's."""


def run_daemon(config: Config, try_s: float | None = None, file: Path = Path(CONFIG_PATH)) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0 when every NIC was given back cleanly.

    file: what SIGHUP reads anew.
    try_s: each takeover is on trial, and given back unless a person confirms it within so many seconds.
    """
    refusal = _refusal(config)
    if refusal is not None:
        return say_failed(refusal)
    keep_little()
    collector.tame()
    sys.setswitchinterval(SWITCH_S)
    try:
        with acquire_lock(config.paths.runtime, DAEMON):
            return trio.run(_serve, config, try_s, open_store(), file)
    except LockedError as error:
        return say_failed(f"HL-112: {error}")
    except OSError as error:
        return say_failed(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")


def _refusal(config: Config) -> str | None:
    """Why the daemon may not start at all."""
    missing = missing_capabilities()
    if missing:
        return f"HL-101: not enough rights: {', '.join(missing)} missing; nothing was touched. Run it as root"
    impossible = why_impossible(config.metrics)
    if impossible is not None:
        return impossible
    try:
        takeovers = earlier_takeovers(config)
    except JournalError as error:
        return f"{error.problem.code}: {error}"
    assigned = {takeover.capture.uplink for takeover in assign(config, takeovers).values()}
    for name in (takeover.capture.uplink for takeover in takeovers if takeover.capture.uplink not in assigned):
        orphan = f"a takeover of {name} is in the journal, and no [[uplink]] matches it"
        return f"HL-124: {orphan}: run `hostlink release` first"
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


async def _serve(config: Config, try_s: float | None, store: Store, file: Path) -> int:
    notices, history = Notices(), History(config.paths.journal)
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

        handlers = control_handlers(node, runners, notices, history)
        async with trio.open_nursery() as helpers:
            await helpers.start(keep_log, notices)
            await helpers.start(keep_history, history, notices)
            if config.metrics != MetricsConfig():
                await helpers.start(keep_metrics, config.metrics, node, runners, notices)
            await helpers.start(_heed_signals, tell, store, lambda: reload(file, node, runners))
            await helpers.start(partial(keep_told, store, runners, notices, at_start=config.systemd.ready == "started"))
            feeding_s = watchdog_s(os.environ)
            if feeding_s is not None:
                helpers.start_soon(feed_watchdog, store, feeding_s)
            await helpers.start(_watch_host, node, runners)
            await helpers.start(serve_control, config.paths.control_socket, handlers, config.control.group)
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
    times = Times.of(node.config)
    holding = Holding(uplink, _hold_of(node.config, number))
    if node.try_s is not None:
        holding.clear()  # whoever tries a takeover is there, and wants one
    machine = UplinkMachine(uplink.name, times.deadlines, times.waits, times.graces, holding.hold)
    return Runner(uplink, machine, notices, holding)


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
            node.overflows += changed.kind == "overflow"
            hand_on(changed, node.alikes, runners)


def hand_on(changed: Changed, alikes: Alikes, runners: Sequence[Runner]) -> None:
    """To every runner. Of routes that cannot be read nobody knows what became of them: everything is looked at."""
    try:
        changes = alikes.read(changed.routes)
    except Unreadable:
        changed, changes = Changed("unreadable"), []
    for runner in runners:
        if changed.routes:
            runner.routes_changed(changes)
        else:
            runner.host_changed(changed)


async def _heed_signals(
    tell: Tell,
    store: Store,
    reloading: Callable[[], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                reloading()
            else:
                store.tell("STOPPING=1")
                tell(StopRequested(signal.Signals(number).name))
