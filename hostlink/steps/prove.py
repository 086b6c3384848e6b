"""The proof that packets pass: what answered before the takeover answers again.

It decides over the takeover once, before it is `proved`. Later a router may go away for reasons of its own (it reboots,
the default route moves): then a probe that fails is told, and nothing is torn down for it.
"""

from __future__ import annotations

import errno
from ipaddress import IPv6Address

import trio

from hostlink.core.model import HostView, IPAddress, Probe, Problem
from hostlink.journal import Phase
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.probe import echo
from hostlink.problems import problem
from hostlink.steps.capture import gateways
from hostlink.steps.context import Uplink, fail, one_failure

PROBE_WITHIN_S = 12.0
"""Switches in front of a NIC that moved may forget and learn again; a router answers its first ARP within a second."""
_TRY_S = 0.5
NOBODY = IPv6Address("2001:db8::1")
_PAUSE_S = 0.1


async def prove(uplink: Uplink, view: HostView) -> tuple[Problem, ...]:
    """Ask all probes, out of the link by its name in `view`.

    Raises StepError when one fails that never passed in this takeover; else what is to be told.
    """
    proved = uplink.taken().phase is Phase.PROVED
    if proved and not uplink.carrier:
        return ()  # that the cable is out is told already, and explains any silence
    there = gateways(view)
    probes = [probe for probe in uplink.taken().capture.probes if not proved or probe.address in there]
    try:
        with one_failure():
            silent = await _silent(uplink, view.link.name, probes, 2 * _TRY_S if proved else PROBE_WITHIN_S)
    except KernelRefused as refusal:
        if refusal.errno != errno.ENODEV:
            raise
        # Deleted or renamed in the middle of it: what told us so brings us back to Mirroring, which puts it right.
        return (problem("HL-412", f"{uplink.name}: its path could not be looked at: {refusal}"),)
    names = ", ".join(f"{probe.address} ({probe.kind})" for probe in silent)
    if silent and not proved:
        raise fail("HL-407", f"{uplink.name}: answered before the takeover and does not any more: {names}")
    return (problem("HL-412", f"{uplink.name}: does not answer at present: {names}"),) if silent else ()


async def _silent(uplink: Uplink, device: str, probes: list[Probe], within_s: float) -> list[Probe]:
    passed: set[Probe] = set()

    async def ask(probe: Probe) -> None:
        while True:
            if await _passes(uplink, device, probe):
                passed.add(probe)
                return
            await trio.sleep(_PAUSE_S)

    with trio.move_on_after(within_s * uplink.node.config.timing.deadline_factor):
        async with trio.open_nursery() as nursery:
            for probe in probes:
                nursery.start_soon(ask, probe)
    return [probe for probe in probes if probe not in passed]


async def _passes(uplink: Uplink, device: str, probe: Probe) -> bool:
    if probe.kind == "echo":
        return await echo(probe.address, device, _TRY_S)
    # The host's own ARP is answered by VPP's proxy and proves nothing: VPP must have heard the router on the wire.
    port = uplink.ports.uplink
    if port is None:
        return False
    if await uplink.node.dataplane().neighbour_known(port.sw_if_index, probe.address):
        return True
    await _make_vpp_ask(device, probe.address)
    return False


async def _make_vpp_ask(device: str, gateway: IPAddress) -> None:
    """VPP asks by itself once, when it gets the route; lost in a switch that is still learning, it stays lost.

    A packet to the gateway makes it ask again, whether that answers or not. To a link-local one none can be sent (the
    ND proxy answers no link-local source), so one is sent by way of it: to an address that is nobody's (RFC 3849), and
    with two hops, of which VPP takes one, so that it ends at the gateway.
    """
    if gateway.is_link_local:
        await echo(NOBODY, device, _TRY_S, hops=2)
    else:
        await echo(gateway, device, _TRY_S)
