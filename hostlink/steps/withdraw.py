"""Take one uplink out of a living VPP: everything that hostlink put there, in the reverse of the order of its making.

Deletes only what a dump shows. What VPP refuses does not stop the rest: it is returned, to be named. The output ACL
slot and the punt redirect are freed before their interface goes, because VPP keeps both by number (vpp/filter.py).
"""

from __future__ import annotations

from dataclasses import replace

from hostlink.core.desired import TCP, UDP
from hostlink.core.model import Family, VppInterface
from hostlink.core.plan import plan_uplink
from hostlink.steps.context import Uplink
from hostlink.steps.punt import settle_shared
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.drivers import DRIVERS
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.host_link import detach_tap, detach_veth
from hostlink.vpp.session import Request


async def withdraw(uplink: Uplink) -> list[VppRefused]:
    """Withdraw the uplink from VPP. Returns what VPP refused. Raises VppError when VPP is lost meanwhile."""
    dataplane = uplink.node.dataplane()
    refusals: list[VppRefused] = []
    if uplink.takeover is not None:
        # An earlier life of ours has set these, whatever this one remembers: VPP does not tell.
        dataplane.punted_l4 |= {(family, protocol) for family in Family for protocol in (TCP, UDP)}
    try:
        await settle_shared(uplink.node)
    except VppRefused as refusal:
        refusals.append(refusal)
    ports = await dataplane.find(uplink.name)
    if ports.uplink is not None and ports.host is not None:
        refusals += await _empty(dataplane, ports.uplink, ports.host)
    refusals += await _detach_host_link(uplink, ports.host)
    refusals += await _detach_nic(uplink)
    if not uplink.node.contributions:
        await dataplane.drop_filter()
    return refusals


async def _empty(dataplane: Dataplane, uplink: VppInterface, host: VppInterface) -> list[VppRefused]:
    """Routes, neighbours and addresses go by plan: wanted is nothing. The rest is switched off by hand."""
    actual = await dataplane.read_uplink(uplink, host)
    bare = replace(
        actual,
        uplink=replace(actual.uplink, addresses=frozenset()),
        neighbours=frozenset(),
        routes=frozenset(),
    )
    refusals: list[VppRefused] = []
    for operation in plan_uplink(bare, actual):
        try:
            await dataplane.apply([operation])
        except VppRefused as refusal:
            refusals.append(refusal)
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


async def _ask(dataplane: Dataplane, requests: list[Request]) -> list[VppRefused]:
    refusals = []
    for reply in await dataplane.session.batch(requests):
        if isinstance(reply, VppRefused):
            refusals.append(reply)
        elif isinstance(reply, Exception):
            raise reply
    return refusals


async def _detach_host_link(uplink: Uplink, host: VppInterface | None) -> list[VppRefused]:
    """A tap is born with its tag. A veth's inner end is known by name, so one that never got its tag is found too."""
    dataplane, takeover = uplink.node.dataplane(), uplink.takeover
    try:
        if host is not None:
            await dataplane.unbind_filter(host.sw_if_index)
        if takeover is not None and takeover.inner_name is not None:
            await detach_veth(dataplane.session, takeover.inner_name)
        elif host is not None:
            await detach_tap(dataplane.session, host.sw_if_index)
    except VppRefused as refusal:
        return [refusal]
    return []


async def _detach_nic(uplink: Uplink) -> list[VppRefused]:
    takeover = uplink.takeover
    if takeover is None:
        return []
    try:
        await DRIVERS[takeover.driver].detach(uplink.node.dataplane().session, takeover.parking.name)
    except VppRefused as refusal:
        return [refusal]
    return []
