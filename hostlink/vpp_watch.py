"""Keeps the session with VPP: connects when VPP is there, notices when it goes, and says so to every machine.

A VPP that hangs accepts and never answers, and sends no keepalive, so it is asked (control_ping) now and then. One slow
answer is not a death: a busy main thread takes seconds over a large table (F53). Two in a row are.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from hostlink.core.events import Event, VppFound, VppLost
from hostlink.core.model import Problem
from hostlink.kernel import uapi
from hostlink.kernel.errors import NoSuchNamespace
from hostlink.kernel.namespace import exists, same_namespace
from hostlink.kernel.watcher import Changed, open_watcher
from hostlink.problems import problem
from hostlink.steps.context import Node, VppLife, one_failure
from hostlink.vpp.contract import check_contract
from hostlink.vpp.dataplane import Dataplane, open_dataplane
from hostlink.vpp.errors import VppError, VppTimeout, understanding
from hostlink.vpp.session import Session, open_session

RETRY_S, RETRY_SOON_S = 0.5, 0.05
"""Between two tries to reach VPP; soon while it is waited for with the host's interface in place."""
PING_EVERY_S = 2.0
PING_WITHIN_S = 5.0
PINGS_LOST = 2
REQUEST_WITHIN_S = 5.0

Tell = Callable[[Event], None]
"""Hands an event to every machine."""


async def keep_vpp(
    node: Node, tell: Tell, interface_changed: Callable[[int], None], parked_changed: Callable[[Changed], None]
) -> None:
    """Run for as long as the daemon does. parked_changed: told of what changes in VPP's network namespace."""
    while True:
        try:
            async with open_session(os.fspath(node.config.vpp.api_socket), deadline_s=vpp_deadline_s(node)) as session:
                node.vpp = await _introduce(node, session)
                node.vpp_known.set()
                tell(VppFound(fit=node.vpp.dataplane is not None and not node.vpp.obstacles))
                try:
                    with one_failure():  # a VPP that dies while it is pinged fails the ping too
                        reason = await _until_lost(node, session, interface_changed, parked_changed)
                except VppError as error:
                    reason = error
                _lose(node, tell, reason)  # before the session is left, which takes its time where VPP hangs
        except VppError as error:
            _lose(node, tell, error)
        awaited = node.losses and trio.current_time() - node.losses[-1] < node.config.vpp.grace_s
        await trio.sleep(RETRY_SOON_S if awaited else RETRY_S)


def _lose(node: Node, tell: Tell, reason: VppError) -> None:
    was_usable, node.vpp = node.vpp.dataplane is not None, VppLife(last_error=str(reason))
    node.vpp_known.set()
    if node.contributions:
        node.losses.append(trio.current_time())
    node.contributions.clear()
    if was_usable:
        tell(VppLost(str(reason), node.losses_lately()))


async def _introduce(node: Node, session: Session) -> VppLife:
    """Who answers; and from here on VPP says what becomes of its interfaces."""
    found = await who_answers(node, session, open_dataplane)
    if found.dataplane is not None:
        await session.request("want_interface_events", enable_disable=1, pid=os.getpid())
    return found


async def who_answers(node: Node, session: Session, opening: Callable[[Session], Awaitable[Dataplane]]) -> VppLife:
    """Who answers, and whether hostlink can work with it. Asks nothing that changes VPP before that is known.

    opening: `open_dataplane`, or `read_only` for who must not change anything after that either. Raises VppError.
    """
    missing = check_contract(session.message_table)
    pid = session.peer_pid
    obstacles = namespace_obstacles(node, pid)
    if missing:
        names = "; ".join(str(one) for one in missing)
        obstacles = (problem("HL-204", f"VPP at {node.config.vpp.api_socket}: {names}"), *obstacles)
        return VppLife(pid=pid, obstacles=obstacles)
    with understanding("show_version"):
        version = str((await session.request("show_version")).version)
    dataplane = await opening(session)
    return VppLife(dataplane=dataplane, version=version, pid=pid, obstacles=obstacles, since=trio.current_time())


def vpp_deadline_s(node: Node) -> float:
    """How long a request may go without any progress."""
    return REQUEST_WITHIN_S * node.config.timing.deadline_factor


def namespace_obstacles(node: Node, pid: int | None) -> tuple[Problem, ...]:
    """What is wrong with the namespace that VPP should be in. pid: VPP's, where it is known."""
    namespace = node.config.vpp.namespace
    if not exists(namespace):
        return (problem("HL-203", f"there is no network namespace {namespace!r}"),)
    if pid is not None and not same_namespace(namespace, pid):
        return (problem("HL-202", f"VPP (process {pid}) does not run in the network namespace {namespace!r}"),)
    return ()


async def _until_lost(
    node: Node, session: Session, interface_changed: Callable[[int], None], parked_changed: Callable[[Changed], None]
) -> VppError:
    reason: VppError | None = None

    async def listen() -> None:
        async for event in session.events:
            if event.name == "sw_interface_event":
                with understanding("an interface event"):
                    sw_if_index = int(event.message.sw_if_index)
                interface_changed(sw_if_index)

    async def ping() -> None:
        nonlocal reason
        reason = await _until_silent(session, node.config.timing.deadline_factor)
        nursery.cancel_scope.cancel()

    async def wait() -> None:
        nonlocal reason
        reason = await session.wait_closed()
        nursery.cancel_scope.cancel()

    async def doubt() -> None:
        nonlocal reason
        await node.doubted.wait()
        reason = VppTimeout("VPP did not answer a request in time, or not as a VPP does")
        nursery.cancel_scope.cancel()

    async def watch() -> None:
        with suppress(NoSuchNamespace):  # an obstacle of this VPP, so nothing of ours is parked there
            await _watch_parked(node, parked_changed)

    node.doubted = trio.Event()
    async with trio.open_nursery() as nursery:
        for task in (listen, ping, wait, doubt, watch):
            nursery.start_soon(task)
    assert reason is not None
    return reason


async def _watch_parked(node: Node, parked_changed: Callable[[Changed], None]) -> None:
    """What is said of links and of tc there, for as long as this VPP lives.

    Not longer: a socket keeps its namespace alive, and with it a NIC that nobody would find there (F33, F34). The next
    VPP may live in a namespace made anew, which needs a socket of its own (F56).
    """
    async with open_watcher(node.config.vpp.namespace, (uapi.RTNLGRP_LINK, uapi.RTNLGRP_TC)) as watcher:
        parked_changed(Changed("overflow"))  # what changed before it was there
        async for changed in watcher:
            parked_changed(changed)


async def _until_silent(session: Session, factor: float) -> VppError:
    lost = 0
    while True:
        await trio.sleep(PING_EVERY_S)
        try:
            await session.request("control_ping", deadline_s=PING_WITHIN_S * factor)
            lost = 0
        except VppTimeout:
            lost += 1
            if lost >= PINGS_LOST:
                return VppTimeout(f"VPP has not answered {lost} pings in a row")
