"""Capturing: the whole snapshot and the probes that pass now, in the journal, before anything moves."""

from __future__ import annotations

import trio

from hostlink.clock import boot_id, boottime_s
from hostlink.core.events import Captured
from hostlink.core.model import Capture, HostView, IPAddress, Probe, Problem
from hostlink.core.route import RT_TABLE_MAIN
from hostlink.core.route_set import apart
from hostlink.journal import Parking, Takeover
from hostlink.kernel.errors import ReadUnsteady
from hostlink.kernel.packet_sockets import listeners
from hostlink.kernel.probe import echo, neighbour_answers, tcp_connects
from hostlink.kernel.snapshot import read_view
from hostlink.problems import problem
from hostlink.steps.confirm import armed, unguarded
from hostlink.steps.context import Uplink, fail
from hostlink.steps.deaths import so_far
from hostlink.steps.names import inner_name
from hostlink.steps.stuck import would_be_lost

PATIENCE_S = 10.0
"""Within the step's deadline. The NIC is the host's still: nothing is lost by waiting for a moment of rest."""
PROBE_TIMEOUT_S = 1.0
"""A gateway on the wire answers within milliseconds; one that takes longer is no yardstick for the path."""


async def capture(uplink: Uplink, step: int) -> Captured:
    """Take the snapshot and write it. Raises StepError, JournalError, KernelError."""
    view = await _snapshot(uplink)
    if view is None:
        raise fail("HL-405", f"{uplink.name} went away while its snapshot was taken; nothing was touched")
    takeover = takeover_of(uplink, view, await passing_probes(uplink, view))
    if uplink.takeover is not None:
        # The host changed during the snapshot and it is taken again. Nothing has moved, so the first one may go.
        uplink.journal.discard()
    await uplink.remember_all(takeover)
    uplink.told["listeners"], uplink.told["guard"] = deafened(view), unguarded(uplink)
    uplink.told["stuck"] = would_be_lost(view)
    return Captured(step)


def takeover_of(uplink: Uplink, view: HostView, probes: tuple[Probe, ...]) -> Takeover:
    """What the journal would have of a takeover of the NIC as `view` has it. Changes nothing."""
    return Takeover(
        capture=Capture(uplink.name, view, probes),
        last_good=view,
        read_at_s=boottime_s(),
        driver=uplink.config.driver,
        host_link=uplink.config.host_link,
        parking=Parking(uplink.node.config.vpp.namespace, view.link.name),
        inner_name=inner_name(view.link) if uplink.config.host_link == "veth" else None,
        boot_id=boot_id(),
        confirm=armed(uplink),
        deaths=so_far(uplink),
    )


async def _snapshot(uplink: Uplink) -> HostView | None:
    """One whole view of a host that may be changing its addresses just now. Raises ReadUnsteady after PATIENCE_S."""
    with trio.move_on_after(PATIENCE_S * uplink.node.config.timing.deadline_factor):
        while True:
            try:
                return await read_view(uplink.node.host, uplink.name)
            except ReadUnsteady:
                await trio.lowlevel.checkpoint()
    return await read_view(uplink.node.host, uplink.name)


def deafened(view: HostView) -> tuple[Problem, ...]:
    """Programs whose packet sockets end with the NIC's leaving."""
    name = view.link.name
    found = listeners(view.link.index)
    return tuple(problem("HL-115", f"{one.command} (pid {one.pid}) listens on {name}: restart it") for one in found)


def gateways(view: HostView) -> tuple[IPAddress, ...]:
    """The gateways of the default routes, IPv4 first, each once."""
    hops = [
        hop
        for route in apart(view.routes)
        if route.prefix.prefixlen == 0 and route.table == RT_TABLE_MAIN
        for hop in route.next_hops
    ]
    found = {hop.gateway: None for hop in hops if hop.gateway is not None}
    return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def wanted_probes(uplink: Uplink, view: HostView) -> tuple[Probe, ...]:
    """What is asked: each gateway by ARP or ND, and by ICMP echo, and the configuration's TCP addresses."""
    if not view.link.up:
        return ()
    wanted = (Probe(kind, address) for address in gateways(view) for kind in _kinds(address))
    return (*wanted, *uplink.config.probes)


async def passing_probes(uplink: Uplink, view: HostView) -> tuple[Probe, ...]:
    """Which probes pass now. Only these must pass afterwards (F49)."""
    wanted, passed = wanted_probes(uplink, view), list[Probe]()

    async def ask(probe: Probe) -> None:
        if await _answers(uplink, probe):
            passed.append(probe)

    async with trio.open_nursery() as nursery:
        for probe in wanted:
            nursery.start_soon(ask, probe)
    return tuple(probe for probe in wanted if probe in passed)


def _kinds(gateway: IPAddress) -> tuple[str, ...]:
    """What can be asked of a gateway through VPP. Link-local to link-local does not pass it yet (vpp-facts.md §3)."""
    return ("neighbour",) if gateway.is_link_local else ("neighbour", "echo")


async def _answers(uplink: Uplink, probe: Probe) -> bool:
    if probe.kind == "echo":
        return await echo(probe.address, uplink.name, PROBE_TIMEOUT_S)
    if probe.port is not None:
        return await tcp_connects(probe.address, probe.port, uplink.name, PROBE_TIMEOUT_S)
    return await neighbour_answers(uplink.node.host, probe.address, uplink.name)
