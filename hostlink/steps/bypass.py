"""The bypass: what the host speaks with its link goes around VPP, in the kernel (kernel/bpf/programs.py says what).

A veth pair between the host's namespace and VPP's, of one name on both sides, and a program on each tc hook that a
frame passes. Once set it needs neither the daemon nor VPP: DHCP and router advertisements go on while VPP is restarted.
It wants the NIC to be a Linux device in VPP's namespace, which af_packet leaves it.

Open (`uplink.around`), it takes everything around VPP: for as long as VPP does not have its part.

Level-triggered like the rest: each look compares what is there with what should be; an undisturbed one sets nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from hostlink.core.host_addresses import usable
from hostlink.core.model import Address, Link
from hostlink.kernel import link as kernel_link
from hostlink.kernel.bpf import programs
from hostlink.kernel.bpf.load import loaded
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.neighbours import forget_neighbours
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.snapshot import find_link
from hostlink.kernel.tc import Placed, Program, Side, ensure_program
from hostlink.steps.context import Uplink, fail
from hostlink.steps.made import bypass_alias, bypass_pair
from hostlink.steps.names import mark, pair_name
from hostlink.steps.parking import carry_out, make_pair, parked, quiet_and_up
from hostlink.vpp.host_link import vpp_side_mac


async def ensure_bypass(uplink: Uplink, addresses: Collection[Address]) -> list[str]:
    """Everything of it that can be there now: the NIC's part as soon as the NIC is parked. Returns what was set.

    addresses: the host's own. Raises StepError, KernelRefused.
    """
    host = uplink.node.host
    async with parked(uplink) as there:
        here_end, there_end = await _ensure_pair(uplink, there)
        uplink.pair_index = here_end
        host_link = await find_link(host, name=mark(uplink.name))
        if host_link is None:
            raise fail("HL-401", f"the host link of {uplink.name} is gone: somebody deletes interfaces here")
        done = [one for one in on_host(uplink, host_link.index, here_end) if await ensure_program(host, one)]
        nic = await find_link(there, name=uplink.held().parking.name)
        if nic is not None:
            placed = [behind_pair(there_end, nic.index), *on_nic(uplink, nic.index, there_end, addresses)]
            # The NIC first: while it is closed and the host's end is not yet, a packet is lost, and none comes twice.
            done = [one for one in placed if await ensure_program(there, one)] + done
    return [f"bypass: {one}" for one in done]


async def open_bypass(uplink: Uplink, addresses: Collection[Address]) -> None:
    """VPP loses its part, or has lost it: the host goes around it, where host link and NIC are in their places.

    It asks for its neighbours anew: of those that it reached through VPP it knows VPP's MAC. Raises as `ensure_bypass`.
    """
    host_link = await find_link(uplink.node.host, name=mark(uplink.name))
    async with parked(uplink) as there:
        nic = await find_link(there, name=uplink.held().parking.name)
    if host_link is None or nic is None:
        return
    uplink.around = True
    await ensure_bypass(uplink, addresses)
    await forget_neighbours(uplink.node.host, host_link.index, vpp_side_mac(uplink.number))


async def close_bypass(uplink: Uplink, addresses: Collection[Address]) -> list[str]:
    """VPP has its part: from here on what is VPP's goes through it. Returns what was set. Raises as `ensure_bypass`."""
    if not uplink.around:
        return []
    uplink.around = False
    return await ensure_bypass(uplink, addresses)


def why_impossible() -> str | None:
    """Why this kernel cannot have a bypass, or None. Changes nothing."""
    try:
        with loaded("trial", programs.host_ingress()):
            return None
    except KernelRefused as refusal:
        return str(refusal)


async def remove_bypass(uplink: Uplink) -> None:
    """The pair goes; the programs go with their devices. Nothing of it being there is right too."""
    uplink.pair_index = None
    link = await _our_pair(uplink)
    if link is not None:
        await kernel_link.delete_link(uplink.node.host, link.index)


def on_host(uplink: Uplink, host_index: int, pair_index: int) -> list[Placed]:
    """What belongs on the host link, and on the pair's end beside it."""
    if uplink.around:
        egress, ingress = programs.all_host_egress(pair_index), programs.all_host_ingress()
    else:
        egress = programs.host_egress(pair_index, vpp_side_mac(uplink.number))
        ingress = programs.host_ingress()
    return [
        Placed(host_index, Side.EGRESS, Program("host-egress", egress)),
        Placed(host_index, Side.INGRESS, Program("host-ingress", ingress)),
        Placed(pair_index, Side.INGRESS, Program("pair", programs.pair_ingress(host_index, to_host=True))),
    ]


def behind_pair(pair_index: int, nic_index: int) -> Placed:
    """What belongs on the pair's end in VPP's namespace."""
    return Placed(pair_index, Side.INGRESS, Program("pair", programs.pair_ingress(nic_index, to_host=False)))


def on_nic(uplink: Uplink, nic_index: int, pair_index: int, addresses: Collection[Address]) -> list[Placed]:
    """What belongs on the NIC. pair_index: the pair's end beside it. addresses: the host's own."""
    own = {address.interface.ip for address in addresses if usable(address)}
    if uplink.around:
        ingress, egress = programs.all_nic_ingress(pair_index), programs.all_nic_egress(own)
    else:
        ingress, egress = programs.nic_ingress(pair_index), programs.nic_egress(own)
    return [
        Placed(nic_index, Side.INGRESS, Program("nic-ingress", ingress)),
        Placed(nic_index, Side.EGRESS, Program("nic-egress", egress)),
    ]


async def _ensure_pair(uplink: Uplink, there: Netlink) -> tuple[int, int]:
    """(ifindex on the host, ifindex in VPP's namespace), both ends up."""
    host, name = uplink.node.host, pair_name(uplink.held().capture.view.link)
    here_end, there_end = await _our_pair(uplink), await find_link(there, name=name)
    if here_end is not None and there_end is not None and here_end.up and there_end.up:
        return here_end.index, there_end.index
    if here_end is not None and there_end is None:  # its other end is in a namespace that is not VPP's any more
        await kernel_link.delete_link(host, here_end.index)
        here_end = None
    if here_end is None:
        await make_pair(host, bypass_pair(uplink.held(), uplink.number))
        made = await find_link(host, name=name)
        if made is not None:
            await carry_out(host, [bypass_alias(uplink.held(), made.index)], uplink.name)
    return await quiet_and_up(host, name), await quiet_and_up(there, name)


async def _our_pair(uplink: Uplink) -> Link | None:
    link = await find_link(uplink.node.host, name=pair_name(uplink.held().capture.view.link))
    return link if link is not None and link.kind == "veth" else None
