"""VPP's end of the interface towards the host: a tap that hostlink made, or the inner end of a veth pair.

VPP only ever *attaches*. A tap made by VPP is up at once, before its sysctls, altnames and link-local are right; the
one that hostlink made is complete and down, and outlives VPP. At an attach the host's MAC must be given again or VPP
sets a random one on the host's interface and everything stops (vpp-facts.md §4); without PERSIST the attach makes the
tap non-persistent. `id = 0` makes it print as `tap0`, as the documents show it.

Attaching comes before the NIC is touched, so that a kernel without vhost-net, or a VPP that cannot, is found out
while nothing has happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostlink.vpp.drivers.af_packet import AfPacket, opened_devices
from hostlink.vpp.session import Session

TAP_FLAGS = 1 | 4 | 8
"""tap_flags of vnet/devices/tap/tapv2.api: GSO | PERSIST | ATTACH.

GSO, because what the uplink's af_packet takes in may be a merged segment of several (veth and virtio peers, and GRO of
any NIC), and VPP drops these at a tap without it ("gso disabled on itf", read: plugins/tap/tx_node.c, 26.06).
"""


@dataclass(frozen=True, slots=True)
class HostEnd:
    """The host's end as VPP has to be told."""

    name: str
    """Its name on the host when VPP attaches (a temporary one), or of the veth's inner end in VPP's namespace."""
    mac: str
    mtu_bytes: int
    namespace: str
    """The host's network namespace as VPP understands it: `pid:<pid>` or a path below /proc or /run/netns."""
    tag: str
    number: int = 0
    """Which uplink this is, from 0: the tap's id, and the last byte of VPP's own MAC."""


def vpp_side_mac(number: int) -> str:
    """VPP's MAC towards the host: fixed, because the host's neighbour entries point to it."""
    return f"02:ca:11:c0:fd:{0x10 + number:02x}"


def tap_name(number: int) -> str:
    """What VPP calls its tap of that id (plugins/tap/tap.c)."""
    return f"tap{number}"


async def attach_tap(session: Session, end: HostEnd) -> int:
    """VPP attaches to the tap. Returns the sw_if_index. Raises VppError."""
    reply = await session.request(
        "tap_create_v3",
        id=end.number,
        use_random_mac=False,
        mac_address=vpp_side_mac(end.number),
        num_rx_queues=1,
        num_tx_queues=1,
        rx_ring_sz=256,
        tx_ring_sz=256,
        host_if_name_set=True,
        host_if_name=end.name,
        host_mac_addr_set=True,
        host_mac_addr=end.mac,
        host_mtu_set=True,
        host_mtu_size=end.mtu_bytes,
        host_namespace_set=True,
        host_namespace=end.namespace,
        tap_flags=TAP_FLAGS,
        tag=end.tag,
    )
    return int(reply.sw_if_index)


async def attach_veth(session: Session, end: HostEnd) -> int:
    """VPP opens the inner end of the veth. Returns the sw_if_index. Raises VppError.

    What it has opened under that name, which only hostlink gives, is of a session that ended before the answer came.
    """
    if end.name in (await opened_devices(session)).values():
        await session.request("af_packet_delete", host_if_name=end.name)
    return await AfPacket().attach(session, end.name, vpp_side_mac(end.number), end.tag)


async def detach_tap(session: Session, sw_if_index: int) -> None:
    """VPP lets go of the tap. Its persistence goes with it (vpp-facts.md §4): the tap dies with its last queue."""
    await session.request("tap_delete_v2", sw_if_index=sw_if_index)
