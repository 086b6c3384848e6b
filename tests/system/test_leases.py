"""A lease that was taken before the takeover changes afterwards (F03, F12, F13; networkd: F01, F09).

Each step is first run on the bare NIC. The clients: udhcpc and dhclient by a script as Debian's are, dhcpcd and
systemd-networkd by netlink. What each makes of the takeover: `followed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, ip_address

import pytest

from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import HOST6, LAN, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage
from tests.system.dhcp.clients import CLIENTS, Client, client
from tests.system.dhcp.managers import Manager, manager
from tests.system.dhcp.scene import carries, everywhere, open_place, take_over
from tests.system.dhcp.servers import Offer, server
from tests.system.leases import converged, conversation, host_addresses, host_default
from tests.system.rounds import eventually

OTHER_ROUTER4 = IPv4Interface("192.168.7.254/24")


def offer(first: str, router: IPv4Interface, lease_s: int) -> Offer:
    start = ip_address(first)
    factor = int(deadline_factor())
    return Offer(start, start + 9, router, lease_s=lease_s * factor, t1_s=factor, t2_s=2 * factor)


@contextmanager
def dhcp_client(stage: Stage, program: str) -> Iterator[Client | Manager]:
    with client(stage, program) if program in CLIENTS else manager(stage, program) as made:
        yield made


async def leased(stage: Stage, dhcp: Client | Manager, given: Offer) -> IPAddress:
    """The one IPv4 address that the host has, when it is of this offer, dynamic, and its router is the gateway."""
    found: list[IPAddress] = []

    async def probe() -> bool:
        own = [entry for entry in await host_addresses(stage) if entry["family"] == "inet"]
        found[:] = [ip_address(entry["local"]) for entry in own if entry.get("dynamic")]
        if len(own) != 1 or len(found) != 1 or not given.first <= found[0] <= given.last:  # type: ignore[operator]
            return False
        return await host_default(stage, 4) == given.router.ip

    try:
        await eventually(f"a lease of {given.first} to {given.last}", probe, within_s=15)
    except BaseException as error:
        error.add_note(f"{await stage.on_host('ip', 'address')}{await stage.on_host('ip', 'route')}{dhcp.log[-4000:]}")
        raise
    return found[0]


CASES = [("dnsmasq", "udhcpc", 120), ("kea", "dhclient", 4), ("dnsmasq", "dhcpcd", 120), ("kea", "networkd", 4)]
"""Server, client, lease in seconds. dnsmasq gives none below 120 s; dhcpcd makes 20 s of a shorter one."""


@everywhere
@pytest.mark.parametrize(("servers", "clients", "lease_s"), CASES, ids=[case[1] for case in CASES])
async def test_a_lease_changes(place: Dataplane | None, servers: str, clients: str, lease_s: int) -> None:
    """F12, F13: another address, another network with another gateway, no lease at all, and one again."""
    first_offer = offer("192.168.0.100", ROUTER4, lease_s)
    second_offer = offer("192.168.0.140", ROUTER4, lease_s)
    elsewhere = offer("192.168.7.100", OTHER_ROUTER4, lease_s)
    async with open_place(place) as stage:
        await stage.on_host("ip", "-4", "address", "flush", "dev", NIC)
        await stage.lab.exec(stage.lab.wire, ["ip", "address", "add", str(OTHER_ROUTER4), "dev", LAN])
        with (
            server(stage.lab, stage.directory, servers, offer=first_offer) as leases,
            dhcp_client(stage, clients) as dhcp,
        ):
            await leases.start()
            dhcp.start()
            first = await leased(stage, dhcp, first_offer)
            async with conversation(stage, HOST6.ip) as stays, conversation(stage, first) as ends:
                await take_over(stage, place)
                await followed(stage, clients, dhcp, first_offer, first)
                await stays.goes_on()
                await ends.goes_on()

                await leases.replace(second_offer)
                dhcp.renew()
                second = await leased(stage, dhcp, second_offer)
                await converged(stage, gone=[first])
                await ends.is_silent()
                await stays.goes_on()
                await carries(stage, second)

                await leases.replace(elsewhere)
                dhcp.renew()
                third = await leased(stage, dhcp, elsewhere)
                await converged(stage, gone=[first, second])
                await carries(stage, third)

                if clients != "dhcpcd":
                    leases.stop()
                    dhcp.renew()
                    await without_lease(stage)
                    await converged(stage, gone=[first, second, third])
                await leases.replace(first_offer)
                dhcp.renew()
                again = await leased(stage, dhcp, first_offer)
                await converged(stage, gone=[second, third])
                await carries(stage, again)
                await stays.goes_on()


async def followed(stage: Stage, clients: str, dhcp: Client | Manager, given: Offer, address: IPAddress) -> None:
    """The client is at work on the host link, with the address that it had before.

    dhclient must be started again (HL-115). udhcpc goes on. dhcpcd and networkd see the NIC go and another link of its
    name come, and ask for their lease anew.
    """
    if clients == "dhclient" and stage.daemon is not None:
        dhcp.stop()
        dhcp.start()
    assert await leased(stage, dhcp, given) == address
    await converged(stage)


async def without_lease(stage: Stage) -> None:
    async def none() -> bool:
        return all(entry["family"] != "inet" for entry in await host_addresses(stage))

    await eventually("the host has no IPv4 address any more", none, within_s=15)
