"""Give-back: the NIC is the host's again, with what the host had last. From the journal alone, with or without VPP.

First the bypass is opened, so that the host has its network until the NIC is on its way. Then VPP, as far as it
answers: what it has of the uplink is taken down in order, within a deadline of its own, because a dead or hanging VPP
must not keep the NIC. Then the kernel, which is the outage: the host link goes, the NIC comes home from wherever it is
(VPP's namespace, or the host under the name that the kernel gave it when that namespace died), gets its name back, and
is filled from `last_good`: at once by a plan that was made before, then by what a look shows. It is reported as done
only when a look at the NIC shows it; what could not be restored is named. VPP's devices and the journal go last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import trio

from hostlink.clock import boot_id
from hostlink.core.describe import describe
from hostlink.core.events import GivenBack
from hostlink.core.host_addresses import is_link_local6
from hostlink.core.model import HostView, Link, Problem
from hostlink.core.operations import DeleteHostAddress, HostOperation
from hostlink.core.plan_host import plan_host
from hostlink.journal import JournalError, Phase, Takeover
from hostlink.kernel import link as kernel_link
from hostlink.kernel.apply import HostFailure, apply_host
from hostlink.kernel.errors import KernelError
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import find_link, read_addresses, read_links, read_view
from hostlink.kernel.sysctl import read_sysctls
from hostlink.problems import problem
from hostlink.steps.bypass import open_bypass, remove_bypass
from hostlink.steps.context import StepError, Uplink, fail
from hostlink.steps.host_link import our_host_link, places
from hostlink.steps.names import name_before
from hostlink.steps.stuck import lost
from hostlink.steps.tables import kept_at_the_end
from hostlink.steps.view import keep_last_good, look
from hostlink.steps.withdraw import detach, withdraw
from hostlink.vpp.errors import VppError, VppGone, VppRefused

VPP_PATIENCE_S = 5.0
"""A healthy VPP takes its part down in milliseconds; one that does not answer is left behind."""
NEWEST_WITHIN_S = 10.0
"""A full table is read in two or three. A host link that never holds still does not keep the NIC from going home."""
ROUNDS = 6
LINK_LOCAL_S, _LOOK_S = 1.0, 0.02
"""The kernel looks at carriers once a second at most (net/core/link_watch.c)."""


async def give_back(uplink: Uplink, step: int) -> GivenBack:
    """Give the NIC back. Raises StepError, KernelError, JournalError."""
    uplink.takeover = uplink.takeover or (uplink.journal.read() if uplink.claimed else None)
    if uplink.takeover is not None:
        await _keep_newest(uplink)
        await _go_around(uplink)
    residue, notes, answers = await _leave_vpp(uplink)
    takeover = uplink.takeover
    if takeover is None:
        return GivenBack(step, (*residue, *await _let_go(uplink, answers)))
    foreseen = await _foreseen(uplink, takeover)
    await _remove_host_link(uplink)
    try:
        link, unnamed = await _bring_home(uplink, takeover)
    except StepError:
        await remove_bypass(uplink)  # it leads to a NIC that is nowhere
        raise
    residue += unnamed
    if takeover.boot_id == boot_id():
        if link.index == takeover.capture.view.link.index:
            await _give(uplink, foreseen)  # what is wrong of it, the look shows
        await _drop_altnames(uplink.node.host, takeover, link)
        residue += await _refill(uplink, link)
        residue += lost(uplink.name, takeover)
        await _drop_late_link_local(uplink.node.host, takeover, link)
    await remove_bypass(uplink)
    residue += await _let_go(uplink, answers)
    async with uplink.saving:
        uplink.journal.discard()
        uplink.forget()
    uplink.link_index, uplink.told["tables"] = link.index, notes
    return GivenBack(step, tuple(residue))


async def _keep_newest(uplink: Uplink) -> None:
    """What the host has on its link at this moment is what it had last, where the link was its own already."""
    if uplink.taken().phase is Phase.CAPTURED or await our_host_link(uplink) is None:
        return
    with suppress(StepError, KernelError, JournalError):  # gone meanwhile, or a full disk: the last good one, then
        view = None
        with trio.move_on_after(NEWEST_WITHIN_S * uplink.node.config.timing.deadline_factor):
            view = await look(uplink)
        if view is not None:  # else it changes faster than it can be read
            await keep_last_good(uplink, view, newest=True)


async def _go_around(uplink: Uplink) -> None:
    """For as long as VPP is taken down. Where it cannot be, the host waits a little longer."""
    with suppress(StepError, KernelError):
        await open_bypass(uplink, uplink.held().last_good.addresses)


async def _leave_vpp(uplink: Uplink) -> tuple[list[Problem], tuple[Problem, ...], bool]:
    """(what could not be taken out of VPP, what is left there on purpose, whether it may be asked for more)"""
    notes: tuple[Problem, ...] = ()

    async def leave(uplink: Uplink) -> list[VppRefused]:
        nonlocal notes
        refusals = await withdraw(uplink)
        notes = await kept_at_the_end(uplink)
        return refusals

    uplink.node.contributions.pop(uplink.name, None)
    residue, answers = await _of_vpp(uplink, leave)
    return residue, notes, answers


async def _let_go(uplink: Uplink, answers: bool) -> list[Problem]:
    """Of the devices. A VPP that did not answer before is not waited for once more."""
    return (await _of_vpp(uplink, detach))[0] if answers else []


async def _of_vpp(uplink: Uplink, part: Callable[[Uplink], Awaitable[list[VppRefused]]]) -> tuple[list[Problem], bool]:
    """Have it done, as far as VPP answers. Returns what could not be, and whether VPP answers."""
    if uplink.node.vpp.dataplane is None:
        return [], False  # dead or out of reach: what was in it went with it, or is found by tag when it is seen again
    with trio.move_on_after(VPP_PATIENCE_S * uplink.node.config.timing.deadline_factor):
        try:
            return [problem("HL-406", f"{uplink.name}: {refusal}") for refusal in await part(uplink)], True
        except VppGone:
            return [], False
        except VppError as error:
            return [problem("HL-406", f"{uplink.name}: VPP was left as it is: {error}")], False
    return [problem("HL-406", f"{uplink.name}: VPP was left as it is: it did not answer in time")], False


async def _remove_host_link(uplink: Uplink) -> None:
    uplink.let_go()
    link = await our_host_link(uplink)
    if link is not None:
        await kernel_link.delete_link(uplink.node.host, link.index)  # of a veth, VPP's end goes with it


async def _bring_home(uplink: Uplink, takeover: Takeover) -> tuple[Link, list[Problem]]:
    """The NIC on the host, under its own name where that is free. Raises StepError when it is nowhere."""
    host, nic, parking = uplink.node.host, takeover.capture.view.link, takeover.parking
    for place in places(uplink, takeover):
        async with open_netlink(place, faults=host.faults) as there:
            found = [await find_link(there, name=name) for name in (parking.name, name_before(nic))]
            for link in (one for one in found if one is not None and one.mac == nic.mac):
                await kernel_link.set_promiscuous(there, link.index, takeover.last_good.link.promiscuous)
                await _free_of_clashes(host, there, link, takeover)
                await _move_home(host, there, link, nic)
    home = await _at_home(host, nic)
    if home is None:
        raise fail(
            "HL-408",
            f"{nic.name} ({nic.mac}) is neither on the host nor in the namespace {parking.namespace}: "
            "was it unplugged, or was the namespace deleted with a veth or VLAN in it?",
        )
    return home, await _name(host, home, nic)


async def _free_of_clashes(host: Netlink, there: Netlink, link: Link, takeover: Takeover) -> None:
    """The kernel lets no link in that has a name which another one has there, be it as an altname (F36).

    An altname that the host has taken off meanwhile may be another link's by now, and so may the NIC's own name.
    """
    for altname in link.altnames:
        kept = altname in takeover.last_good.link.altnames
        if not kept or await find_link(host, name=altname) is not None:
            await kernel_link.delete_altname(there, link.index, altname)
    if link.name != name_before(takeover.capture.view.link) and await find_link(host, name=link.name) is not None:
        await kernel_link.set_down(there, link.index)  # Linux before 6.2 renames nothing that is up
        await kernel_link.rename(there, link.index, name_before(takeover.capture.view.link))


async def _name(host: Netlink, link: Link, nic: Link) -> list[Problem]:
    """Its own name, unless another link has it: then the host has the NIC under the one that it came with."""
    if link.name == nic.name:
        return []
    other = await find_link(host, name=nic.name)
    if other is None or other.index == link.index:
        await kernel_link.rename(host, link.index, nic.name)
        return []
    what = f"its name, which interface {other.index} ({other.kind or 'a NIC'}, {other.mac}) has: it is {link.name} now"
    return [problem("HL-406", f"{nic.name}: not restored: {what}")]


async def _move_home(host: Netlink, there: Netlink, link: Link, nic: Link) -> None:
    """With the ifindex that it had, where nobody has taken it meanwhile: some programs know links by number (F56)."""
    taken = any(other.index == nic.index for other in await read_links(host))
    await kernel_link.move_to_namespace(there, link.index, None, None if taken else nic.index)


async def _at_home(host: Netlink, nic: Link) -> Link | None:
    """The NIC on the host: by its name, its former index, or as the kernel names one whose namespace died (F33)."""
    candidates = [link for link in await read_links(host) if link.mac == nic.mac and link.kind == nic.kind]
    names = (nic.name, name_before(nic), f"dev{nic.index}")
    return next((link for link in candidates if link.name in names or link.index == nic.index), None)


async def _drop_altnames(host: Netlink, takeover: Takeover, link: Link) -> None:
    """The NIC kept its altnames all the while; those that the host has taken off its link since go now."""
    taken_off = set(takeover.capture.view.link.altnames) - set(takeover.last_good.link.altnames)
    for name in sorted(taken_off & set(link.altnames)):
        await kernel_link.delete_altname(host, link.index, name)


async def _drop_late_link_local(host: Netlink, takeover: Takeover, link: Link) -> None:
    """The kernel gives a link that comes up a link-local address as soon as it finds a carrier, which may be now.

    Where the host had taken that off and has another one, it goes again. (One without any gets one: a link needs it.)
    """
    wanted = {one.interface.ip for one in takeover.last_good.addresses if is_link_local6(one)}
    before = {one.interface.ip for one in takeover.capture.view.addresses if is_link_local6(one)}
    if not wanted or before <= wanted or not takeover.last_good.link.up:
        return
    with trio.move_on_after(LINK_LOCAL_S):
        while True:
            there = await read_addresses(host, link.index)
            late = [one for one in there if is_link_local6(one) and one.interface.ip not in wanted]
            if late:
                await apply_host(host, [DeleteHostAddress(link.index, one) for one in late])
                return
            await trio.sleep(_LOOK_S)


async def _refill(uplink: Uplink, link: Link) -> list[Problem]:
    """Fill the NIC from last_good and read it back; what is missing then is named.

    What the kernel has refused twice is not asked for again, and nothing else waits for it.
    """
    failures: dict[HostOperation, HostFailure] = {}
    refused: dict[HostOperation, HostFailure] = {}
    for _ in range(ROUNDS):
        uplink.work.begin("reading back what the NIC has")
        view = await _read_back(uplink, link)
        plan = plan_host(uplink.left_of_last_good(), view, refused=refused)
        if not plan:
            break
        before, failures = failures, {failure.operation: failure for failure in await _give(uplink, plan)}
        refused |= {operation: failure for operation, failure in failures.items() if operation in before}
    uplink.work.begin("reading back what the NIC has")
    missing = plan_host(uplink.left_of_last_good(), await _read_back(uplink, link))
    if not missing:
        return []
    whys = [*failures.values(), *(why for operation, why in refused.items() if operation not in failures)]
    what = "; ".join(describe(operation, links={link.index: uplink.name}) for operation in missing)
    why = "; ".join(map(str, whys)) or "the kernel took it, and it is not there"
    return [problem("HL-406", f"{uplink.name}: not restored: {what} ({why})")]


async def _give(uplink: Uplink, plan: Sequence[HostOperation]) -> list[HostFailure]:
    uplink.work.begin("putting on the NIC what the host had", len(plan))
    return await apply_host(uplink.node.host, plan, uplink.work.advance)


async def _read_back(uplink: Uplink, link: Link) -> HostView:
    view = await read_view(uplink.node.host, link.index)
    if view is None:
        raise fail("HL-408", f"{uplink.name} went away while it was being filled again")
    return view


async def _foreseen(uplink: Uplink, takeover: Takeover) -> tuple[HostOperation, ...]:
    """What the NIC will lack when it has come home. Nothing where it is not parked.

    A link that moves loses all but its attributes, and its sysctls are the default ones of where it comes to. What else
    it may lose (flags, queueing) is seen when it is there.
    """
    host, nic, wanted = uplink.node.host, takeover.capture.view.link, uplink.left_of_last_good()
    for place in places(uplink, takeover):
        async with open_netlink(place, faults=host.faults) as there:
            link = await find_link(there, name=takeover.parking.name)
        if link is not None and link.mac == nic.mac:
            last = wanted.link
            link = replace(link, index=nic.index, up=False, promiscuous=last.promiscuous)
            link = replace(link, flags=last.flags, group=last.group, token=last.token)
            sysctls = read_sysctls(host.namespace_fd, "default")
            return plan_host(
                wanted, replace(wanted, link=link, addresses=(), routes=(), neighbours=(), sysctls=sysctls)
            )
    return ()
