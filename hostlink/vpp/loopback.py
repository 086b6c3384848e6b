"""Loopback interfaces of VPP, which need no device: hostlink makes one only to keep a number from being given away."""

from __future__ import annotations

from hostlink.vpp.session import Session


async def make_loopback(session: Session) -> int:
    """Returns the sw_if_index. It is down, and of a MAC of VPP's. Raises VppError."""
    return int((await session.request("create_loopback")).sw_if_index)


async def remove_loopback(session: Session, sw_if_index: int) -> None:
    """VPP refuses any interface that is none. Raises VppError."""
    await session.request("delete_loopback", sw_if_index=sw_if_index)
