"""Work in VPP's network namespace, where the NIC is parked, and host operations that a step cannot go on without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hostlink.core.operations import HostOperation
from hostlink.kernel import link as kernel_link
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import find_link
from hostlink.steps.context import Uplink, fail
from hostlink.steps.made import VethPair, quiet_and_raised


@asynccontextmanager
async def parked(uplink: Uplink) -> AsyncIterator[Netlink]:
    """A netlink socket in the namespace where the NIC is parked."""
    async with open_netlink(uplink.taken().parking.namespace, faults=uplink.node.faults) as there:
        yield there


async def carry_out(netlink: Netlink, operations: Sequence[HostOperation], uplink: str) -> None:
    """Apply host operations, raising the first failure as the step's."""
    for failure in await apply_host(netlink, operations):
        raise fail("HL-401", f"{uplink}: {failure}")


async def quiet_and_up(netlink: Netlink, name: str) -> int:
    """Linux says nothing of its own on that device: no link-local, no answers, no SLAAC. Returns its ifindex."""
    link = await find_link(netlink, name=name)
    if link is None:
        raise fail("HL-401", f"{name} is not in {netlink.namespace or 'the host'} although it was put there")
    await carry_out(netlink, quiet_and_raised(link), name)
    return link.index


async def make_pair(host: Netlink, pair: VethPair) -> None:
    """Raises KernelRefused: EEXIST, either name is taken."""
    await kernel_link.make_veth(
        host, pair.name, pair.mac, pair.mtu_bytes, pair.peer, pair.namespace, peer_mac_address=pair.peer_mac
    )
