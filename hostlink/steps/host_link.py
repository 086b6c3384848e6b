"""Where hostlink's own things are on the node: the host link, and the namespaces in which the NIC may be parked."""

from __future__ import annotations

from hostlink.core.model import Link
from hostlink.journal import Takeover
from hostlink.kernel.namespace import exists, identity
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import find_link, read_links
from hostlink.steps.context import Uplink
from hostlink.steps.names import mark, temporary_name

HOST_LINK_KINDS = {"tap": "tun", "veth": "veth"}
"""The kernel's kind of each host link (IFLA_INFO_KIND)."""


async def our_host_link(uplink: Uplink) -> Link | None:
    """The host link: by its mark, or where somebody took that off by what it must look like. Never by a name alone."""
    takeover = uplink.taken()
    nic, names = takeover.capture.view.link, (uplink.name, temporary_name(takeover))
    for link in await read_links(uplink.node.host):
        if link.kind != HOST_LINK_KINDS[takeover.host_link]:
            continue
        alike = link.name in names and link.mac == nic.mac and link.index != nic.index
        if mark(uplink.name) in link.altnames or (alike and await _could_be_ours(uplink, takeover)):
            return link
    return None


async def _could_be_ours(uplink: Uplink, takeover: Takeover) -> bool:
    """A veth without our mark may be the NIC itself, plugged in again (F34): ours has its other end with VPP."""
    if takeover.inner_name is None:
        return True
    for place in places(uplink, takeover):
        async with open_netlink(place, faults=uplink.node.faults) as there:
            if await find_link(there, name=takeover.inner_name) is not None:
                return True
    return False


def places(uplink: Uplink, takeover: Takeover) -> list[str]:
    """Where the NIC may be parked: the named namespace, and the one that VPP is in, where that has lost its name.

    `ip netns del` takes only the name: the namespace, with the NIC in it, lives as long as VPP does (F33).
    """
    pid = uplink.node.vpp.pid
    candidates = [takeover.parking.namespace] + ([f"/proc/{pid}/ns/net"] if pid is not None else [])
    found = {identity(place): place for place in reversed(candidates) if exists(place)}
    found.pop(identity(None), None)  # a VPP in the host's own namespace: nothing of ours is parked there
    return list(found.values())
