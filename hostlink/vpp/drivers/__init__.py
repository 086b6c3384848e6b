"""Drivers: how VPP takes a NIC. One file each; a driver says what it needs and attaches, and nothing else.

A driver is given the NIC where it parks it: in VPP's network namespace, up. `DRIVERS` is the register that
configuration and preflight ask.
"""

from __future__ import annotations

from typing import Protocol

from hostlink.vpp.drivers import af_packet
from hostlink.vpp.session import Session


class Driver(Protocol):
    """What every driver module offers."""

    needs: tuple[str, ...]
    """What the machine must have for it, for a person to read: hugepages, an IOMMU, vfio. Empty: nothing."""

    async def attach(self, session: Session, name: str, mac: str, tag: str) -> int:
        """VPP opens the NIC `name` of its own namespace and tags it. Returns the sw_if_index. Raises VppError."""


DRIVERS: dict[str, Driver] = {"af_packet": af_packet.AfPacket()}
