"""Addresses of the host on links that have no wire (lo, a dummy, kube-ipvs0): told, because VPP knows nothing of them.

On the bare NIC whoever had a route to this node reached them, and the host answered ARP for those in the link's own
network. With the NIC in VPP a packet for one follows VPP's routes, most often back out by the default route. hostlink
gives VPP no routes for them: they would hide what other clients have for the same address (a service's, a pod's), and
nothing in VPP tells that afterwards.

Left out: what the host link has as well, and the cluster's own prefixes, whose packets come from pods.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import trio

from hostlink.core.model import IPAddress, Prefix, Problem
from hostlink.kernel.errors import KernelError, ReadUnsteady
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.snapshot import read_global_addresses, read_links
from hostlink.problems import problem
from hostlink.steps.context import Uplink

NAMED = 3
GATHER_S = 0.2
"""Who gives addresses to such a link gives many at once."""
_KINDS = ("dummy",)


async def keep_telling(uplink: Uplink) -> None:
    """Each time that `elsewhere` is set, look once. Returns never; what it cannot read now the next look does."""
    while True:
        await uplink.elsewhere.wait()
        await trio.sleep(GATHER_S)
        uplink.elsewhere = trio.Event()
        if uplink.takeover is not None and uplink.host_link_index is not None:
            with suppress(KernelError):
                await tell_elsewhere(uplink)
        uplink.told_anew.set()


async def tell_elsewhere(uplink: Uplink) -> None:
    """Say which addresses they are, or that there are none. What changes too fast to be read is left for the next look.

    Raises KernelError.
    """
    try:
        found = await _without_wire(uplink.node.host)
        own = set(await read_global_addresses(uplink.node.host, uplink.host_link_index or 0))
    except ReadUnsteady:
        uplink.elsewhere.set()
        return
    cluster = uplink.node.config.cluster
    places = [
        (name, _not_among(addresses, own, (*cluster.service_cidrs, *cluster.pod_cidrs))) for name, addresses in found
    ]
    if uplink.takeover is not None:  # still
        uplink.told["elsewhere"] = tuple(_told(uplink.name, name, left) for name, left in places if left)


async def _without_wire(host: Netlink) -> list[tuple[str, list[IPAddress]]]:
    links = [link for link in await read_links(host) if link.loopback or link.kind in _KINDS]
    return [(link.name, await read_global_addresses(host, link.index)) for link in links if link.up]


def _not_among(addresses: list[IPAddress], own: Collection[IPAddress], prefixes: Collection[Prefix]) -> list[IPAddress]:
    others = [address for address in addresses if address not in own]
    return [one for one in others if not any(one.version == net.version and one in net for net in prefixes)]


def _told(uplink: str, link: str, addresses: list[IPAddress]) -> Problem:
    shown = ", ".join(map(str, addresses[:NAMED]))
    more = f" and {len(addresses) - NAMED} more" if len(addresses) > NAMED else ""
    return problem("HL-311", f"{uplink}: {shown}{more} on {link}")
