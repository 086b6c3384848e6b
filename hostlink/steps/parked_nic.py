"""The NIC where it is parked: there, up, and its carrier followed by the host link.

A tap is told its carrier. A veth has one as long as its other end is up, which is VPP's: set down under a VPP that goes
on sending, it stops VPP's transmit ring for good once that is full (measured, 26.06: 1,024 frames, `tx sendto fatal
failure`, then only `tx frame not ready`, also when it is up again). So VPP's own port goes down before the device, and
up after it.
"""

from __future__ import annotations

from hostlink.core.model import Link
from hostlink.kernel import link as kernel_link
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.snapshot import find_link
from hostlink.problems import problem
from hostlink.steps.context import Uplink, fail
from hostlink.steps.names import mark, pair_name
from hostlink.steps.parking import parked, quiet_and_up


async def look_at_nic(uplink: Uplink) -> list[str]:
    """Before a round: it is there and up; a carrier is given to the host link. Returns what was done.

    Raises StepError: HL-405 when it is gone. Raises KernelError.
    """
    takeover, done = uplink.taken(), []
    async with parked(uplink) as there:
        nic = await find_link(there, name=takeover.parking.name)
        if nic is None:
            where = takeover.parking.namespace
            raise fail("HL-405", f"{uplink.name}: the NIC is gone from VPP's namespace {where}: was it unplugged?")
        if not nic.up:
            await quiet_and_up(there, nic.name)
            done.append(f"NIC: set {nic.name} up in VPP's namespace")
        if nic.mac != takeover.capture.view.link.mac:
            await kernel_link.set_mac(there, nic.index, takeover.capture.view.link.mac)
            done.append(f"NIC: set the MAC of {nic.name} back, which was {nic.mac}")
        nic = await find_link(there, name=nic.name) or nic
        uplink.parked_indexes = await _indexes(uplink, there, nic)
        uplink.carrier = nic.carrier
        uplink.told["carrier"] = () if nic.carrier else (problem("HL-321", f"{uplink.name}: {_state(nic)}"),)
        return done + (await _set_carrier(uplink, there, True) if nic.carrier else [])


async def nic_is_parked(uplink: Uplink) -> bool:
    """Whether the NIC is where VPP has it."""
    async with parked(uplink) as there:
        return await find_link(there, name=uplink.taken().parking.name) is not None


async def drop_carrier(uplink: Uplink) -> list[str]:
    """After a round, VPP sending nothing more: the host link has no carrier where the NIC has none."""
    if uplink.carrier:
        return []
    async with parked(uplink) as there:
        return await _set_carrier(uplink, there, False)


def vpp_may_send(uplink: Uplink) -> bool:
    """Whether VPP's port to the host may be up."""
    return uplink.carrier or uplink.held().host_link == "tap"


async def _set_carrier(uplink: Uplink, there: Netlink, on: bool) -> list[str]:
    """Of a link that is down nothing is known, and nothing needs to be: it is looked at again when it is up."""
    inner = uplink.taken().inner_name
    if inner is not None:
        end = await find_link(there, name=inner)
        if end is None or end.up == on:
            return []
        if on:
            port = (await uplink.node.dataplane().find(uplink.name)).host
            uplink.ring_stuck = port is not None and port.up
        await (kernel_link.set_up if on else kernel_link.set_down)(there, end.index)
    else:
        link = await find_link(uplink.node.host, name=mark(uplink.name))
        if link is None or not link.up or link.carrier == on:
            return []
        await kernel_link.set_carrier(uplink.node.host, link.index, on)
    return [f"host: {uplink.name} has {'a' if on else 'no'} carrier, as the NIC"]


async def _indexes(uplink: Uplink, there: Netlink, nic: Link) -> frozenset[int]:
    names = [pair_name(uplink.taken().capture.view.link), *filter(None, [uplink.taken().inner_name])]
    others = [await find_link(there, name=name) for name in names]
    return frozenset([nic.index, *(one.index for one in others if one is not None)])


def _state(nic: Link) -> str:
    return f"{nic.name}, in VPP's namespace, is up and has no carrier" if nic.up else f"{nic.name} does not come up"
