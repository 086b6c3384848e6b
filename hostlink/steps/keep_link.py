"""The host link stays what it is, whatever somebody does to it: there, marked, of the NIC's name and MAC.

A host link that was deleted is put back in place: VPP's uplink, with its addresses and routes, is not touched, and so
the node's pods go on meanwhile. What pointed to the dead host port goes before that port does, and the ordinary plans
point it to the new one. Then the link is filled from the journal, as it is when it was set down.

The name comes first, because sysctls go by it; the MAC comes last, because whatever else is set may make udev set it
(F05, F06). Both are put right a few times only (fights.py).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace

import trio

from hostlink.core.host_addresses import link_local_of
from hostlink.core.model import HostView, Link, Neighbour
from hostlink.core.operations import AddAltname, AddHostNeighbour, DeleteHostAddress, HostOperation
from hostlink.fights import TIMES, WITHIN_S
from hostlink.kernel import link as kernel_link
from hostlink.kernel.apply import apply_host
from hostlink.kernel.errors import KernelError, KernelRefused
from hostlink.kernel.snapshot import find_link
from hostlink.problems import problem
from hostlink.steps.bypass import ensure_bypass
from hostlink.steps.context import CannotPutBack, Uplink, fail
from hostlink.steps.handover import attach_host_link, make_host_link
from hostlink.steps.host_link import our_host_link
from hostlink.steps.keep_ports import count_deletion, port_is_gone
from hostlink.steps.names import mark
from hostlink.steps.parking import carry_out
from hostlink.steps.withdraw import drop_redirects, let_go_of_host

MAC, NAME, DELETED, DOWN = "MAC", "name", "deleted", "set down"


async def keep_host_link(uplink: Uplink) -> list[str]:
    """Before a round: the host link is there, VPP has it, and it has its mark and name. Returns what was done.

    Raises StepError: HL-420 where it is deleted each time. Raises KernelError, VppError.
    """
    done = await _put_back(uplink)
    link = await our_host_link(uplink)
    if link is None:
        raise fail("HL-405", f"{uplink.name} is gone from the host: its host link was deleted")
    if mark(uplink.name) not in link.altnames:
        await carry_out(uplink.node.host, [AddAltname(link.index, mark(uplink.name))], uplink.name)
        done.append(f"host: gave {link.name} the altname {mark(uplink.name)} again")
    if not done and await port_is_gone(uplink):
        count_deletion(uplink)
    done += await _attached(uplink, uplink.taken().last_good.neighbours)
    return done + await _keep_name(uplink, link)


async def _put_back(uplink: Uplink) -> list[str]:
    if await our_host_link(uplink) is not None:
        return []
    now = trio.current_time()
    if uplink.fights.paused(DELETED, now):
        raise CannotPutBack(problem("HL-420", f"{uplink.name} was deleted {TIMES} times within {WITHIN_S:g} s"))
    uplink.fights.move(DELETED, now)
    uplink.unfilled = True
    uplink.let_go()
    port = (await uplink.node.dataplane().find(uplink.name)).host
    if port is not None:
        await let_go_of_host(uplink, port)
    try:
        await make_host_link(uplink)
    except KernelError as error:
        raise CannotPutBack(problem("HL-401", f"{uplink.name} was deleted: {error}")) from error
    await ensure_bypass(uplink, uplink.held().last_good.addresses)
    return [f"host: put {uplink.name} back, which somebody had deleted"]


async def _attached(uplink: Uplink, neighbours: Sequence[Neighbour]) -> list[str]:
    """VPP has its end of it. Where somebody deleted that in VPP, what is left of it there goes first.

    neighbours: what the host had before. A veth's end goes down with VPP's port (measured, 26.06), and a link without
    carrier loses its proxies (net/core/neighbour.c, neigh_carrier_down).
    """
    before = uplink.ports.host
    uplink.ports = await uplink.node.dataplane().find(uplink.name)
    if uplink.ports.host is not None:
        return []
    uplink.node.contributions.pop(uplink.name, None)
    await attach_host_link(uplink, neighbours)
    uplink.ports = await uplink.node.dataplane().find(uplink.name)
    if before is not None and uplink.ports.host is not None:
        await drop_redirects(uplink, before.sw_if_index, uplink.ports.host.sw_if_index)
    return [f"VPP: attached to {uplink.name}"]


async def renew_host_port(uplink: Uplink, view: HostView) -> list[str]:
    """VPP's end of a veth anew, where its transmit ring may be stuck. Returns what was done.

    A veth drops what is larger than its receiving end takes, and says so: the kernel keeps that frame at the head of
    the sender's ring (net/packet/af_packet.c, tpacket_snd, out_status), and VPP sends nothing there any more until the
    receiving end takes it (measured, 26.06: `tx sendto temporary failure`). Who lowers the host link's MTU does so
    before VPP can know. A tap drops nothing for its size. Raises VppError, StepError.
    """
    port = uplink.ports.host
    if uplink.taken().inner_name is None or port is None:
        return []
    if port.mtu_bytes <= view.link.mtu_bytes and not uplink.ring_stuck:
        return []
    await let_go_of_host(uplink, port)
    done = await _attached(uplink, view.neighbours)
    uplink.ring_stuck = False
    return done


# ------------------------------------------------------------------------------------------------------------ the name


async def _keep_name(uplink: Uplink, link: Link) -> list[str]:
    uplink.told["name"] = ()
    if link.name == uplink.name:
        return []
    host, now = uplink.node.host, trio.current_time()
    other = await find_link(host, name=uplink.name)
    if other is not None and other.index == link.index:  # its own name, given to it as an altname
        await kernel_link.delete_altname(host, link.index, uplink.name)
    elif other is not None:
        text = f"{uplink.name} is the name of interface {other.index} ({other.kind or 'a NIC'}, {other.mac})"
        uplink.told["name"] = (problem("HL-322", f"{text}; the host's interface is {link.name}"),)
        return []
    if uplink.fights.paused(NAME, now):
        text = f"{uplink.name} is renamed again and again, now to {link.name}"
        uplink.told["name"] = (problem("HL-320", text),)
        return []
    uplink.fights.move(NAME, now)
    await _rename(uplink, link)
    return [f"host: renamed {link.name} back to {uplink.name}"]


async def _rename(uplink: Uplink, link: Link) -> None:
    """Linux before 6.2 renames nothing that is up: it is filled again then."""
    host = uplink.node.host
    try:
        await kernel_link.rename(host, link.index, uplink.name)
    except KernelRefused as refusal:
        if refusal.errno != errno.EBUSY or not link.up:
            raise
        uplink.unfilled = True
        await kernel_link.set_down(host, link.index)
        await kernel_link.rename(host, link.index, uplink.name)


# ------------------------------------------------------------------------------------------------------------- the MAC


def as_kept(uplink: Uplink, view: HostView) -> HostView:
    """With the MAC that the host link has after a round: a wrong one is put right, and sometimes left as it is."""
    if uplink.fights.paused(MAC, trio.current_time()):
        return view
    return replace(view, link=replace(view.link, mac=uplink.held().capture.view.link.mac))


async def keep_mac(uplink: Uplink, view: HostView) -> list[str]:
    """After a round. Returns what was done. Raises KernelError."""
    host, wanted, now = uplink.node.host, uplink.taken().capture.view.link.mac, trio.current_time()
    uplink.told["mac"] = ()
    link = await find_link(host, name=mark(uplink.name))
    if link is None or link.mac == wanted:
        return []
    if uplink.fights.paused(MAC, now):
        text = f"the MAC of {uplink.name} is set to {link.mac} again and again; it must be {wanted}"
        uplink.told["mac"] = (problem("HL-320", text),)
        return []
    uplink.fights.move(MAC, now)
    await kernel_link.set_mac(host, link.index, wanted)
    # The kernel forgets every neighbour of a link whose MAC changes, permanent ones too (neigh_changeaddr).
    last_good = uplink.taken().last_good
    lost = dict.fromkeys((*last_good.neighbours, *view.neighbours))
    # And where the link came up with it, it has a link-local address made of that MAC, which nobody asked for (F08).
    known = {one.interface.ip for one in last_good.addresses}
    made = [one for one in view.addresses if one.interface.ip == link_local_of(link.mac) not in known]
    plan: list[HostOperation] = [AddHostNeighbour(link.index, one) for one in lost]
    plan += [DeleteHostAddress(link.index, one) for one in made]
    await apply_host(host, plan)
    return [f"host: set the MAC of {uplink.name} back to {wanted}: somebody had set {link.mac}"]
