"""The outage: from when the NIC leaves the host until the host works through what has taken its place.

What can be done before is done before: the programs of the open bypass are loaded, the host link has its sysctls, the
rest that it is to carry is known. Then, without a look in between: NIC out and host link renamed in one datagram, the
NIC's programs, NIC up, addresses, up and routes of the host link. VPP has no part in it.

Whatever of this does not come about as foreseen is made good by those who look: the rest of Handover what concerns the
NIC, Mirroring what the host link should carry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hostlink.clock import boottime_s
from hostlink.core.leased import put_back
from hostlink.core.model import Link
from hostlink.core.operations import SetHostLink
from hostlink.core.route_set import same_routes
from hostlink.journal import Phase
from hostlink.kernel import link as kernel_link
from hostlink.kernel.apply import apply_host
from hostlink.kernel.errors import ReadUnsteady
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.snapshot import find_link, read_view
from hostlink.kernel.tc import loaded_all, put_all
from hostlink.steps.bypass import behind_pair, on_nic
from hostlink.steps.context import Uplink
from hostlink.steps.made import Plan, filling, is_early, quiet
from hostlink.steps.names import mark, pair_name
from hostlink.steps.offload import in_thread
from hostlink.steps.parking import carry_out, parked
from hostlink.steps.view import host_view, lasting


@dataclass(frozen=True, slots=True)
class _Ready:
    """late: what only the renamed host link can get."""

    nic: Link
    host_link: Link
    pair_end: Link
    """The bypass pair's, in VPP's namespace."""
    late: Plan


async def move_nic(uplink: Uplink) -> None:
    """Move the NIC to VPP's namespace and put the host link in its place, where the NIC is still on the host.

    Raises StepError, JournalError, KernelError.
    """
    async with parked(uplink) as there:
        ready = await _prepared(uplink, there)
        if ready is not None:
            await _move(uplink, there, ready)


async def _prepared(uplink: Uplink, there: Netlink) -> _Ready | None:
    """None: the NIC is not on the host."""
    host, expected = uplink.node.host, uplink.taken().capture.view.link
    nic, host_link = await find_link(host, name=uplink.name), await find_link(host, name=mark(uplink.name))
    if nic is None or host_link is None or (nic.index, nic.mac) != (expected.index, expected.mac):
        return None
    pair_end = await find_link(there, name=pair_name(expected))
    if pair_end is None:
        return None
    await _last_look(uplink, nic)
    early, late = parted(filling(uplink.left_of_last_good(), await host_view(uplink)))
    await apply_host(host, early)
    await kernel_link.set_promiscuous(host, nic.index, True)
    return _Ready(nic, host_link, pair_end, late)


async def _last_look(uplink: Uplink, nic: Link) -> None:
    """What the host has changed on the NIC since the snapshot goes along. One that never rests keeps the snapshot's.

    Addresses, routes, neighbours and rules: what the link itself is like by now is partly hostlink's own doing.
    """
    takeover, at_s = uplink.taken(), boottime_s()
    if takeover.phase is not Phase.CAPTURED:
        return
    try:
        view = await read_view(uplink.node.host, nic.index, alikes=uplink.node.alikes)
    except ReadUnsteady:
        return
    was = takeover.last_good
    if view is None or (was.link.up and not view.link.up):
        return
    now = replace(was, addresses=view.addresses, routes=view.routes, neighbours=view.neighbours, rules=view.rules)
    same = await in_thread(len(view.routes), same_routes, view.routes, was.routes)
    if not same or lasting(now) != lasting(was):
        await uplink.remember_all(replace(takeover, last_good=now, read_at_s=at_s))


def parted(plan: Plan) -> tuple[Plan, Plan]:
    """What a link that is down may be given while the NIC works, which is first in the plan; and the rest."""
    early = [one for one in plan if is_early(one)]
    return early, [one for one in plan if not is_early(one)]


async def _move(uplink: Uplink, there: Netlink, ready: _Ready) -> None:
    host, name, parking = uplink.node.host, uplink.name, uplink.taken().parking
    placed = on_nic(uplink, ready.nic.index, ready.pair_end.index, uplink.held().last_good.addresses)
    with loaded_all(placed, faults=there.faults) as programs:
        await kernel_link.swap(host, ready.nic.index, parking.namespace, ready.host_link.index, name)
        moved = await find_link(there, name=parking.name)
        if moved is None:
            return
        await carry_out(there, [quiet(parking.name)], name)
        with loaded_all([behind_pair(ready.pair_end.index, moved.index)], faults=there.faults) as behind:
            on = [(replace(one, link_index=moved.index), program) for one, program in programs]
            await put_all(there, behind + on)
        await carry_out(there, [SetHostLink(moved.index, up=True)], name)
    await apply_host(host, ready.late)
    uplink.copies |= put_back(ready.late)
