"""af_packet: VPP opens a Linux device of its own namespace by AF_PACKET. Slow, needs no PCI, works everywhere.

Also how VPP opens the inner end of the veth that stands in for a tap (`host_link = "veth"`).

Measured on VPP 26.06: without `mode=1` (ethernet) the answer is -7; without flag 2 (checksum and GSO offload) every
TCP packet whose checksum the peer left partial (veth, virtio) is dropped as bad although ping works; a fresh
interface has an MTU of 9000, and one packet above the device's MTU wedges its transmit ring for good: so the MTU is
set before admin-up.
"""

from __future__ import annotations

from hostlink.vpp.session import Session

ETHERNET_MODE = 1
CHECKSUM_GSO_OFFLOAD = 2


class AfPacket:
    """The af_packet driver (VPP: plugins/af_packet/af_packet.api)."""

    needs: tuple[str, ...] = ()

    async def attach(self, session: Session, name: str, mac: str, tag: str) -> int:
        """Open the device `name` of VPP's namespace with that MAC, and tag it. Returns the sw_if_index."""
        reply = await session.request(
            "af_packet_create_v3",
            mode=ETHERNET_MODE,
            flags=CHECKSUM_GSO_OFFLOAD,
            host_if_name=name,
            hw_addr=mac,
            use_random_hw_addr=False,
            num_rx_queues=1,
            num_tx_queues=1,
        )
        sw_if_index = int(reply.sw_if_index)
        await session.request("sw_interface_tag_add_del", is_add=True, sw_if_index=sw_if_index, tag=tag)
        return sw_if_index


def port_name(device: str) -> str:
    """What VPP calls the interface of that Linux device (plugins/af_packet/af_packet.c)."""
    return f"host-{device}"


async def opened_devices(session: Session) -> dict[int, str]:
    """sw_if_index → name of the Linux device, for every af_packet interface of this VPP."""
    return {int(details.sw_if_index): str(details.host_if_name) for details in await session.dump("af_packet_dump")}
