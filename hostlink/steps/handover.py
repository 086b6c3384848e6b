"""Handover: the NIC goes to VPP, the host link takes its name.

First everything that can be done while the NIC still works: the host link is made (complete, down, under a temporary
name), the bypass's programs are on it, VPP attaches to it, and VPP's side of it is set. A
kernel without vhost-net or a VPP that refuses ends the step here, with the network untouched.
Then the NIC moves and the host link takes the name that has become free: that is the outage (steps/outage.py). It ends
before VPP opens the NIC, because the bypass is open until VPP has its part.

Each part looks whether it is done already, so the step can be begun again: also for a VPP that came back, which takes
its part again while the host link, and the NIC in VPP's namespace, are where they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hostlink.core.desired import PUNTED_L4
from hostlink.core.events import HandedOver
from hostlink.core.model import Neighbour, VppShared
from hostlink.core.operations import AddAltname, AddHostNeighbour
from hostlink.kernel import link as kernel_link
from hostlink.kernel.snapshot import find_link, read_neighbours
from hostlink.kernel.tap import make_tap
from hostlink.steps.bypass import ensure_bypass
from hostlink.steps.confirm import arm
from hostlink.steps.context import Uplink, fail
from hostlink.steps.made import Tap, host_end, host_link, port_mtu, silent_and_marked
from hostlink.steps.names import mark
from hostlink.steps.outage import move_nic
from hostlink.steps.parking import carry_out, make_pair, parked, quiet_and_up
from hostlink.steps.shared import settle_shared
from hostlink.vpp.drivers import DRIVERS
from hostlink.vpp.host_link import attach_tap, attach_veth
from hostlink.vpp.tags import Ports, uplink_tag


async def hand_over(uplink: Uplink, step: int) -> HandedOver:
    """Give the NIC to VPP and show the host link in its place.

    Raises StepError, JournalError, KernelError, VppError.
    """
    uplink.meet_vpp()
    await arm(uplink)
    dataplane = uplink.node.dataplane()
    await make_host_link(uplink)
    ports = await dataplane.find(uplink.name)
    uplink.around = uplink.around or ports == Ports()
    await ensure_bypass(uplink, uplink.held().last_good.addresses)
    if ports.host is None:
        await attach_host_link(uplink)
    if ports == Ports():
        await _punt_first(uplink)
    await move_nic(uplink)
    await _park(uplink)
    await ensure_bypass(uplink, uplink.held().last_good.addresses)
    if (await dataplane.find(uplink.name)).uplink is None:
        await attach_nic(uplink)
    await show(uplink)
    uplink.ports = await dataplane.find(uplink.name)
    return HandedOver(step)


async def _punt_first(uplink: Uplink) -> None:
    """Before VPP has an address of the host's: it answers datagrams to ports that nobody listens at in VPP with ICMP's
    port unreachable, which ends the peers' conversations, until such packets are punted."""
    dataplane = uplink.node.dataplane()
    dataplane.punted_l4_known = True  # nothing of an earlier life of ours is in this VPP
    uplink.node.contributions.setdefault(uplink.name, VppShared(punted_l4=PUNTED_L4))
    await settle_shared(uplink.node)


async def make_host_link(uplink: Uplink) -> None:
    """The host link under its temporary name, down and marked, unless there is one. Raises StepError, KernelError."""
    takeover, host = uplink.taken(), uplink.node.host
    if await find_link(host, name=mark(uplink.name)) is not None:
        return
    wanted = host_link(takeover, uplink.number)
    if isinstance(wanted, Tap):
        uplink.hold_on(make_tap(wanted.name, wanted.mac, wanted.mtu_bytes, faults=uplink.node.faults))
    else:
        await make_pair(host, wanted)
        async with parked(uplink) as there:
            await quiet_and_up(there, wanted.peer)
    uplink.unfilled = True
    made = await find_link(host, name=wanted.name)
    if made is None:
        raise fail("HL-401", f"{wanted.name}, made for {uplink.name}, is gone again: somebody deletes interfaces here")
    await carry_out(host, silent_and_marked(takeover, made), uplink.name)


async def attach_host_link(uplink: Uplink, neighbours: Sequence[Neighbour] = ()) -> None:
    """VPP attaches to it, whatever it is called. It is left as it was: up or down. Raises StepError, VppError.

    neighbours: what it had before VPP's end was lost.
    """
    takeover, dataplane = uplink.taken(), uplink.node.dataplane()
    link = await find_link(uplink.node.host, name=mark(uplink.name))
    if link is None:
        raise fail("HL-401", f"the host link of {uplink.name} is gone: somebody deletes interfaces here")
    end = host_end(takeover, uplink.number, link.name, uplink.node.host_namespace)
    attach = attach_tap if takeover.host_link == "tap" else attach_veth
    kept = dict.fromkeys((*neighbours, *await read_neighbours(uplink.node.host, link.index)))
    sw_if_index = await attach(dataplane.session, end)
    await dataplane.apply([port_mtu(takeover, sw_if_index)])
    await _keep_neighbours(uplink, link.index, kept)
    if not link.up:
        await _lower_host_link(uplink)


async def _keep_neighbours(uplink: Uplink, link_index: int, kept: Iterable[Neighbour]) -> None:
    """VPP sets a tap's MAC when it attaches, and though it is the same, the kernel forgets its neighbours, permanent
    ones too (net/ipv4/arp.c, arp_netdev_event)."""
    host = uplink.node.host
    there = await read_neighbours(host, link_index)
    lost = [AddHostNeighbour(link_index, one) for one in kept if one not in there]
    await carry_out(host, lost, uplink.name)


async def _lower_host_link(uplink: Uplink) -> None:
    """Down again, if VPP has raised it: it comes up when it is filled, with everything in place."""
    link = await find_link(uplink.node.host, name=mark(uplink.name))
    if link is not None and link.up:
        await kernel_link.set_down(uplink.node.host, link.index)


async def _park(uplink: Uplink) -> None:
    takeover, host = uplink.taken(), uplink.node.host
    nic = takeover.capture.view.link
    link = await find_link(host, name=uplink.name)
    in_its_place = await find_link(host, name=mark(uplink.name))
    if link is not None and in_its_place is not None and link.index == nic.index and link.mac == nic.mac:
        await kernel_link.set_promiscuous(host, link.index, True)
        await kernel_link.swap(host, link.index, takeover.parking.namespace, in_its_place.index, uplink.name)
    async with parked(uplink) as there:
        await quiet_and_up(there, takeover.parking.name)


async def attach_nic(uplink: Uplink) -> None:
    """VPP opens the NIC where it is parked. Its port is down, and has nothing but its MTU. Raises VppError."""
    takeover, dataplane = uplink.taken(), uplink.node.dataplane()
    nic = takeover.capture.view.link
    driver, tag = DRIVERS[takeover.driver], uplink_tag(uplink.name)
    sw_if_index = await driver.attach(dataplane.session, takeover.parking.name, nic.mac, tag)
    await dataplane.apply([port_mtu(takeover, sw_if_index)])


async def show(uplink: Uplink) -> None:
    """The host link under the NIC's name, which is free, and its altnames. Raises StepError, KernelError."""
    host, nic = uplink.node.host, uplink.taken().capture.view.link
    link = await find_link(host, name=mark(uplink.name))
    if link is None:
        raise fail("HL-401", f"the host link of {uplink.name} is gone: somebody deletes interfaces here")
    if link.name != uplink.name:
        await kernel_link.rename(host, link.index, uplink.name)
    missing = [name for name in nic.altnames if name not in link.altnames]
    await carry_out(host, [AddAltname(link.index, name) for name in missing], uplink.name)
