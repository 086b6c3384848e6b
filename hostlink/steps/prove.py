"""The proof that packets pass: what answered before the takeover answers again.

It decides over a takeover that is to be confirmed (steps/confirm.py), and asks for as long as there is time for that.
Otherwise a router may go away for reasons of its own (it reboots, the default route moves): then a probe that fails is
told, and nothing is torn down for it. Nor does one stand against VPP's return that was silent before.
"""

from __future__ import annotations

import errno
from ipaddress import IPv6Address

import trio

from hostlink.core.model import HostView, IPAddress, Probe, Problem
from hostlink.journal import Phase
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.probe import echo, tcp_connects
from hostlink.problems import problem
from hostlink.steps.capture import gateways
from hostlink.steps.confirm import left_s, must_pass
from hostlink.steps.context import Uplink, fail, one_failure

_TRY_S = 0.5
_TCP_TRY_S = 1.0
NOBODY = IPv6Address("2001:db8::1")
_PAUSE_S = 0.1


async def prove(uplink: Uplink, view: HostView) -> tuple[Problem, ...]:
    """Ask all probes, out of the link by its name in `view`.

    Raises StepError when the takeover must be confirmed and one fails; else what is to be told.
    """
    takeover = uplink.taken()
    if takeover.phase is Phase.PROVED and not uplink.carrier:
        return ()  # that the cable is out is told already, and explains any silence
    to_confirm, factor = must_pass(uplink), uplink.node.config.timing.deadline_factor
    probes = _asked(uplink, view)
    try_s = _TCP_TRY_S if any(probe.port is not None for probe in probes) else _TRY_S
    within_s = max(left_s(takeover) if to_confirm else 0.0, 2 * try_s * factor)
    try:
        with one_failure():
            silent = await _silent(uplink, view.link.name, probes, within_s)
    except KernelRefused as refusal:
        if refusal.errno != errno.ENODEV:
            raise
        # Deleted or renamed in the middle of it: what told us so brings us back to Mirroring, which puts it right.
        return (problem("HL-412", f"{uplink.name}: its path could not be looked at: {refusal}"),)
    names = ", ".join(map(str, silent))
    if silent and to_confirm:
        raise fail("HL-407", f"{uplink.name}: answered before the takeover and does not any more: {names}")
    if not to_confirm:
        uplink.silent = bool(silent)
    return (problem("HL-412", f"{uplink.name}: does not answer at present: {names}"),) if silent else ()


def _asked(uplink: Uplink, view: HostView) -> list[Probe]:
    """All that passed before the first proof; after it, of the gateways, those that are gateways still (F49)."""
    takeover = uplink.taken()
    if takeover.phase is not Phase.PROVED:
        return list(takeover.capture.probes)
    there = gateways(view)
    return [probe for probe in takeover.capture.probes if probe.address in there or probe.port is not None]


async def _silent(uplink: Uplink, device: str, probes: list[Probe], within_s: float) -> list[Probe]:
    passed: set[Probe] = set()

    async def ask(probe: Probe) -> None:
        while True:
            if await _passes(uplink, device, probe):
                passed.add(probe)
                return
            await trio.sleep(_PAUSE_S)

    with trio.move_on_after(within_s):
        async with trio.open_nursery() as nursery:
            for probe in probes:
                nursery.start_soon(ask, probe)
    return [probe for probe in probes if probe not in passed]


async def _passes(uplink: Uplink, device: str, probe: Probe) -> bool:
    if probe.kind == "echo":
        return await echo(probe.address, device, _TRY_S)
    if probe.port is not None:
        return await tcp_connects(probe.address, probe.port, device, _TCP_TRY_S)
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
