"""Take one uplink out of a living VPP: everything that hostlink put there, in the reverse of the order of its making.

Deletes only what a dump shows. What VPP refuses does not stop the rest: it is returned, to be named. The punt
redirect and the proxy ARP flag go before their interface does, because VPP keeps both by number.

In two parts: to delete an af_packet interface sets its Linux device down (read: vnet_delete_sw_interface, 26.06), and
the host may be working through these devices, around VPP, until the NIC is on its way.
"""

from __future__ import annotations

from dataclasses import replace

from hostlink.core.desired import PUNTED_L4
from hostlink.core.model import VppInterface, VppPort, VppUplink
from hostlink.core.operations import DeleteRedirect, DeleteVppRoute
from hostlink.core.plan import plan_uplink
from hostlink.journal import Phase
from hostlink.steps.context import Uplink
from hostlink.steps.keep_tags import keep_tags
from hostlink.steps.offload import in_thread
from hostlink.steps.shared import settle_shared
from hostlink.steps.tables import clear_tables, without_kept
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.drivers.af_packet import opened_devices
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.host_link import detach_tap
from hostlink.vpp.session import Request
from hostlink.vpp.tags import Ports


async def withdraw(uplink: Uplink) -> list[VppRefused]:
    """Withdraw the uplink from VPP, but for its devices, which are `detach`'s. Returns what VPP refused.

    Raises VppError when VPP is lost meanwhile.
    """
    dataplane = uplink.node.dataplane()
    if uplink.takeover is not None:
        await keep_tags(uplink)
    ports = await dataplane.find(uplink.name)
    if uplink.takeover is None and ports == Ports():
        return []  # nothing of ours was ever there: the shared objects are somebody else's
    refusals = await _leave_shared(uplink)
    if ports.uplink is not None and ports.host is not None:
        refusals += await _empty(uplink, ports.uplink, ports.host)
    else:
        if ports.uplink is None:
            refusals += await let_go_of_nic(uplink, uplink.ports.uplink.sw_if_index if uplink.ports.uplink else None)
        refusals += await clear_tables(uplink)
    return refusals


async def detach(uplink: Uplink) -> list[VppRefused]:
    """VPP lets go of the devices. Returns what it refused. Raises VppError when it is lost meanwhile.

    By tag, and by the journal's device names too: the session may have ended before an af_packet interface had its tag.
    Without a journal what has none and is called as the NIC goes with what has: no takeover begins where it was there
    before (HL-207).
    """
    dataplane, takeover = uplink.node.dataplane(), uplink.takeover
    ports = await dataplane.find(uplink.name)
    if takeover is None and ports == Ports():
        return []
    refusals: list[VppRefused] = []
    names = await opened_devices(dataplane.session)
    ours = [port for port in (ports.host, ports.uplink) if port is not None]
    devices = {names[port.sw_if_index] for port in ours if port.sw_if_index in names}
    if takeover is not None:
        devices |= {takeover.parking.name, takeover.inner_name or takeover.parking.name} & set(names.values())
    elif uplink.name in names.values():
        untagged = {one.sw_if_index for one in await dataplane.interfaces() if not one.tag}
        devices |= {name for number, name in names.items() if name == uplink.name and number in untagged}
    try:
        if ports.host is not None and ports.host.sw_if_index not in names:
            await detach_tap(dataplane.session, ports.host.sw_if_index)
    except VppRefused as refusal:
        refusals.append(refusal)
    requests = [Request("af_packet_delete", {"host_if_name": name}) for name in sorted(devices)]
    return refusals + await _ask(dataplane, requests)


async def _leave_shared(uplink: Uplink) -> list[VppRefused]:
    """A takeover that never got as far as Punting has set nothing there: what is there is somebody else's."""
    if uplink.takeover is not None and uplink.takeover.phase is Phase.CAPTURED:
        return []
    dataplane = uplink.node.dataplane()
    if not dataplane.punted_l4_known:
        dataplane.punted_l4 |= PUNTED_L4  # by an earlier life of ours: VPP does not tell who switched it on
    try:
        await settle_shared(uplink.node, leaving=uplink.name)
    except VppRefused as refusal:
        return [refusal]
    return []


async def _empty(uplink: Uplink, port: VppInterface, host: VppInterface) -> list[VppRefused]:
    """Routes, tables, neighbours and addresses go by plan: wanted is nothing. The rest is switched off by hand."""
    dataplane = uplink.node.dataplane()
    nothing = VppUplink(VppPort(port.sw_if_index), VppPort(host.sw_if_index))
    found = await dataplane.read_uplink(port, host, nothing, uplink.advanced)
    bare = replace(
        found,
        uplink=replace(found.uplink, addresses=frozenset()),
        neighbours=frozenset(),
        routes=frozenset(),
        tables=frozenset(),
        packed={},
    )
    actual, _ = await without_kept(uplink, bare, found)
    plan = await in_thread(len(actual.routes) + len(actual.packed), plan_uplink, bare, actual)
    uplink.work.begin("taking out of VPP what is hostlink's", len(plan))
    refusals = await dataplane.try_all(plan, uplink.work.advance)
    refusals += await _ask(dataplane, _off(actual.host.sw_if_index, actual.host.unnumbered_to, actual.host.proxy_arp))
    return refusals


def _off(host: int, lender: int | None, proxy_arp: bool) -> list[Request]:
    requests = []
    if proxy_arp:
        requests.append(Request("proxy_arp_intfc_enable_disable", {"sw_if_index": host, "enable": False}))
    if lender is not None:
        fields = {"sw_if_index": lender, "unnumbered_sw_if_index": host, "is_add": False}
        requests.append(Request("sw_interface_set_unnumbered", fields))
    return requests


async def let_go_of_host(uplink: Uplink, port: VppInterface) -> None:
    """Take VPP's end of a dead host link out, and what points to it, for another to come. Raises VppError.

    The redirects go first, and with them the uplink's part of what the node shares: a redirect by an interface that was
    deleted stays dead, and looks alive when another interface gets its number.
    """
    dataplane = uplink.node.dataplane()
    uplink.node.contributions.pop(uplink.name, None)
    await drop_redirects(uplink, port.sw_if_index, port.sw_if_index)
    there = await dataplane.port(port)
    await _ask(dataplane, _off(port.sw_if_index, there.unnumbered_to, there.proxy_arp))
    names = await opened_devices(dataplane.session)
    if port.sw_if_index in names:
        await dataplane.session.request("af_packet_delete", host_if_name=names[port.sw_if_index])
    else:
        await detach_tap(dataplane.session, port.sw_if_index)


async def let_go_of_nic(uplink: Uplink, number: int | None) -> list[VppRefused]:
    """Take out what still points to the NIC's port, which somebody deleted in VPP. Raises VppError otherwise.

    number: the sw_if_index that it had, where that is known.
    """
    dataplane = uplink.node.dataplane()
    port, refusals = (await dataplane.find(uplink.name)).host, list[VppRefused]()
    if port is not None:
        refusals += await _ask(dataplane, _off(port.sw_if_index, (await dataplane.port(port)).unnumbered_to, False))
    dead = await dataplane.dead_routes(number)
    return refusals + await dataplane.try_all([DeleteVppRoute(route) for route in dead])


async def drop_redirects(uplink: Uplink, sw_if_index: int, alive: int) -> None:
    """Delete the redirects that lead to that port of ours, also where somebody deleted it. Raises VppError.

    alive: any interface that is there. VPP goes by whose packets are redirected, but refuses a request whose path has
    an interface that is none (-54; measured, 26.06).
    """
    async with uplink.node.shared_lock:
        dataplane = uplink.node.dataplane()
        leading = [one for one in (await dataplane.read_shared()).redirects if one.path.sw_if_index == sw_if_index]
        named = [replace(one, path=replace(one.path, sw_if_index=alive)) for one in leading]
        await dataplane.apply([DeleteRedirect(one) for one in named])


async def _ask(dataplane: Dataplane, requests: list[Request]) -> list[VppRefused]:
    refusals = []
    for reply in await dataplane.session.batch(requests):
        if isinstance(reply, VppRefused):
            refusals.append(reply)
        elif isinstance(reply, Exception):
            raise reply
    return refusals
