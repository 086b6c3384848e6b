"""A lease as the scenarios take it: which addresses a server gives, which client asks, and that the host has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, ip_address
from typing import Any

from hostlink.core.model import IPAddress, IPInterface
from hostlink.lab.factor import deadline_factor
from hostlink.lab.stage import Stage
from tests.system.dhcp.clients import CLIENTS, Client, client
from tests.system.dhcp.managers import Manager, manager
from tests.system.dhcp.servers import Offer
from tests.system.leases import converged, host_addresses, host_default
from tests.system.rounds import eventually

KEPT4 = IPv4Interface("192.168.9.1/24")
"""An address beside the leased ones, which is no client's."""


def offer(first: str, router: IPInterface, lease_s: int) -> Offer:
    """Ten addresses; the client renews and rebinds after one and two seconds."""
    start = ip_address(first)
    factor = int(deadline_factor())
    return Offer(start, start + 9, router, lease_s=lease_s * factor, t1_s=factor, t2_s=2 * factor)


@contextmanager
def dhcp_client(stage: Stage, program: str, version: int = 4) -> Iterator[Client | Manager]:
    """Not started yet. version: of IP."""
    with client(stage, program, version) if program in CLIENTS else manager(stage, program, version) as made:
        yield made


def begin(dhcp: Client | Manager, version: int) -> None:
    """Start it. dhclient makes its DUID of the link's MAC alone (DUID-LL), as the others do here."""
    if isinstance(dhcp, Client) and version == 6:
        dhcp.start("-D", "LL")
    else:
        dhcp.start()


async def leased(stage: Stage, dhcp: Client | Manager, given: Offer) -> IPAddress:
    """The host's one leased address of the offer's family, when it is of this offer and, by IPv4, so is its gateway."""
    version = given.router.version
    found: list[IPAddress] = []

    async def probe() -> bool:
        own = await _of_family(stage, version)
        found[:] = [ip_address(entry["local"]) for entry in own if entry.get("dynamic")]
        if len(own) != 1 or len(found) != 1 or not given.first <= found[0] <= given.last:  # type: ignore[operator]
            return False
        return version == 6 or await host_default(stage, 4) == given.router.ip

    await _seen(stage, dhcp, f"a lease of {given.first} to {given.last}", probe)
    return found[0]


async def followed(stage: Stage, clients: str, dhcp: Client | Manager, given: Offer, address: IPAddress) -> None:
    """The client is at work on the host link, with the address that it had before.

    dhclient must be started again (HL-115). udhcpc goes on. dhcpcd and networkd see the NIC go and another link of its
    name come, and ask for their lease anew.
    """
    if clients == "dhclient" and stage.daemon is not None:
        dhcp.stop()
        begin(dhcp, given.router.version)
    assert await leased(stage, dhcp, given) == address
    await converged(stage)


async def without_lease(stage: Stage, dhcp: Client | Manager, version: int = 4, within_s: float = 15.0) -> None:
    """Until the host has no address of that family but link-local ones."""

    async def probe() -> bool:
        return not await _of_family(stage, version)

    await _seen(stage, dhcp, f"the host has no IPv{version} address any more", probe, within_s)


async def _of_family(stage: Stage, version: int) -> list[dict[str, Any]]:
    family, kept = {4: "inet", 6: "inet6"}[version], str(KEPT4.ip)
    return [entry for entry in await host_addresses(stage) if entry["family"] == family and entry["local"] != kept]


async def _seen(
    stage: Stage, dhcp: Client | Manager, what: str, probe: Callable[[], Awaitable[bool]], within_s: float = 15.0
) -> None:
    try:
        await eventually(what, probe, within_s)
    except BaseException as error:
        error.add_note(f"{await stage.on_host('ip', 'address')}{await stage.on_host('ip', 'route')}{dhcp.log[-4000:]}")
        raise
