"""The MTU of the devices below VPP's ports: never less than what VPP may send to them.

One packet above the device's MTU wedges an af_packet's transmit ring for good (vpp-facts.md §2). So a device grows
before VPP's port does, and shrinks after it. One that cannot grow keeps VPP at what it has, and that is told.
"""

from __future__ import annotations

from dataclasses import replace

from hostlink.core.model import HostView, Link, Problem
from hostlink.kernel import link as kernel_link
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import find_link
from hostlink.problems import problem
from hostlink.steps.context import Uplink


async def grow(uplink: Uplink, view: HostView) -> tuple[HostView, tuple[Problem, ...]]:
    """Before VPP: raise the devices to the host link's MTU. Returns the view with the MTU that VPP may have."""
    wanted, told = view.link.mtu_bytes, []
    async with open_netlink(uplink.taken().parking.namespace, faults=uplink.node.faults) as there:
        for device in await _devices(uplink, there):
            if device.mtu_bytes >= view.link.mtu_bytes:
                continue
            try:
                await kernel_link.set_mtu(there, device.index, view.link.mtu_bytes)
            except KernelRefused as refusal:
                wanted = min(wanted, device.mtu_bytes)
                told.append(problem("HL-305", f"{uplink.name}: {refusal}; VPP stays at {device.mtu_bytes} bytes"))
    return replace(view, link=replace(view.link, mtu_bytes=wanted)), tuple(told)


async def shrink(uplink: Uplink, mtu_bytes: int) -> None:
    """After VPP: lower the devices to what VPP has."""
    async with open_netlink(uplink.taken().parking.namespace, faults=uplink.node.faults) as there:
        for device in await _devices(uplink, there):
            if device.mtu_bytes > mtu_bytes:
                await kernel_link.set_mtu(there, device.index, mtu_bytes)


async def _devices(uplink: Uplink, there: Netlink) -> list[Link]:
    takeover = uplink.taken()
    names = [takeover.parking.name, *([takeover.inner_name] if takeover.inner_name else [])]
    found = [await find_link(there, name=name) for name in names]
    return [link for link in found if link is not None]
