"""Punting: the node's shared punt path, and the proof that packets pass: what answered before answers again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import trio

from hostlink.core.desired import PROXIED, shared_desired
from hostlink.core.events import PathProved
from hostlink.core.model import HostView, Probe, VppShared
from hostlink.core.plan_shared import plan_shared
from hostlink.kernel.probe import echo
from hostlink.steps.context import Node, Uplink, fail
from hostlink.steps.mirror import host_view

PROBE_WITHIN_S = 12.0
"""Switches in front of a NIC that moved may forget and learn again; a router answers its first ARP within a second."""
_TRY_S = 0.5
_PAUSE_S = 0.1
ROUNDS = 3


async def punt(uplink: Uplink, step: int) -> PathProved:
    """Set what the node shares, then prove the path. Raises StepError, VppError, KernelError, JournalError."""
    view = await host_view(uplink)
    uplink.node.contributions[uplink.name] = contribution(uplink, view)
    await settle_shared(uplink.node)
    await _prove(uplink)
    await keep_last_good(uplink)
    return PathProved(step)


def contribution(uplink: Uplink, view: HostView) -> VppShared:
    """What this uplink needs of the shared objects. The first uplink of the configuration is the primary one."""
    ports = uplink.ports
    if ports.uplink is None or ports.host is None:
        raise fail("HL-411", f"{uplink.name}: VPP has lost one of its interfaces")
    return shared_desired(
        view,
        uplink_sw=ports.uplink.sw_if_index,
        host_sw=ports.host.sw_if_index,
        primary=uplink.number == 0,
    )


async def settle_shared(node: Node) -> None:
    """Bring what the node shares to what its uplinks need together. Raises StepError, VppError."""
    async with node.shared_lock:
        dataplane = node.dataplane()
        desired = union(node.contributions.values())
        for _ in range(ROUNDS):
            actual = await dataplane.read_shared()
            plan = plan_shared(desired, actual, await _owned(node, actual))
            if not plan:
                return
            await dataplane.apply(plan)
        raise fail("HL-410", f"the node's punt path in VPP still differs after {ROUNDS} rounds: {plan}")


async def _owned(node: Node, actual: VppShared) -> VppShared:
    """What of it is hostlink's, also of an earlier life: redirects to a port with our tag, and our own range."""
    ours = await node.dataplane().host_ports()
    return VppShared(
        frozenset(redirect for redirect in actual.redirects if redirect.path.sw_if_index in ours),
        actual.proxy_ranges & {PROXIED},
    )


def union(parts: Iterable[VppShared]) -> VppShared:
    """All contributions in one."""
    total = VppShared()
    for part in parts:
        total = VppShared(
            total.redirects | part.redirects,
            total.proxy_ranges | part.proxy_ranges,
            total.punted_l4 | part.punted_l4,
        )
    return total


async def _prove(uplink: Uplink) -> None:
    probes = uplink.taken().capture.probes
    missing: list[Probe] = []

    async def ask(probe: Probe) -> None:
        with trio.move_on_after(PROBE_WITHIN_S * uplink.node.config.timing.deadline_factor):
            while True:
                if await _passes(uplink, probe):
                    return
                await trio.sleep(_PAUSE_S)
        missing.append(probe)

    async with trio.open_nursery() as nursery:
        for probe in probes:
            nursery.start_soon(ask, probe)
    if missing:
        names = ", ".join(f"{probe.address} ({probe.kind})" for probe in missing)
        raise fail("HL-407", f"{uplink.name}: answered before the takeover and does not any more: {names}")


async def _passes(uplink: Uplink, probe: Probe) -> bool:
    if probe.kind == "echo":
        return await echo(probe.address, uplink.name, _TRY_S)
    # The host's own ARP is answered by VPP's proxy and proves nothing: VPP must have heard the router on the wire. The
    # echo, even to a router that answers none, is what makes VPP ask.
    port = uplink.ports.uplink
    if port is None:
        return False
    if await uplink.node.dataplane().neighbour_known(port.sw_if_index, probe.address):
        return True
    await echo(probe.address, uplink.name, _TRY_S)
    return False


async def keep_last_good(uplink: Uplink) -> None:
    """The host's view, once it is true in VPP too, is what give-back restores from now on."""
    takeover, view = uplink.taken(), await host_view(uplink)
    owned = {(route.table, route.prefix, route.metric) for route in takeover.owned}
    routes = tuple(route for route in view.routes if (route.table, route.prefix, route.metric) not in owned)
    nic = takeover.last_good
    view = replace(view, routes=routes, driver=nic.driver, pci_address=nic.pci_address)
    if view != takeover.last_good:
        uplink.remember(replace(takeover, last_good=view))
