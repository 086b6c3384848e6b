"""How hostlink finds its own interfaces in VPP again, after its own death: by tag (sw_interface_tag_add_del).

sw_if_index values change with every life of VPP and names with every driver; a tag is text of ours that VPP keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hostlink.core.model import VppInterface

TAG_BYTES = 63
"""The tag field is 64 bytes with its NUL (vnet/interface.api)."""


OURS = "hostlink-"
"""What every tag of ours begins with."""
_HOST = f"{OURS}host-"


@dataclass(frozen=True, slots=True)
class Ports:
    """The two interfaces of one takeover in VPP; None where VPP has none with our tag."""

    uplink: VppInterface | None = None
    host: VppInterface | None = None


def uplink_tag(uplink: str) -> str:
    """The tag of the NIC in VPP. `uplink` is the NIC's name on the host (at most 15 bytes)."""
    return f"{OURS}uplink-{uplink}"


def host_tag(uplink: str) -> str:
    """The tag of the interface towards the host."""
    return f"{_HOST}{uplink}"


def is_host_tag(tag: str) -> bool:
    """Whether it is the tag of an interface towards the host, of any uplink."""
    return tag.startswith(_HOST)


def find_ports(interfaces: Iterable[VppInterface], uplink: str) -> Ports:
    """Pick the two by tag out of all interfaces of VPP."""
    by_tag = {interface.tag: interface for interface in interfaces if interface.tag}
    return Ports(by_tag.get(uplink_tag(uplink)), by_tag.get(host_tag(uplink)))
