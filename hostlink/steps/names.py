"""The names that hostlink gives to what it makes on the host."""

from __future__ import annotations

from hostlink.core.model import Link
from hostlink.journal import Takeover


def temporary_name(takeover: Takeover) -> str:
    """The host link's name until the NIC's own is free: unique on the node, within an interface name's 15 bytes."""
    return name_before(takeover.capture.view.link)


def name_before(nic: Link) -> str:
    """The same, before there is a takeover."""
    return f"hl{nic.index}"


def inner_name(nic: Link) -> str:
    """The veth's end in VPP's namespace."""
    return f"hlv{nic.index}"


def pair_name(nic: Link) -> str:
    """Both ends of the bypass pair, on the host and in VPP's namespace."""
    return f"hlb{nic.index}"


def mark(uplink: str) -> str:
    """The altname that says whose the host link is, to hostlink and to whoever looks at `ip link`."""
    return f"hostlink-{uplink}"


def is_mark(altname: str) -> bool:
    """Whether an altname is one of ours."""
    return altname.startswith("hostlink-")
