"""A lease that runs out, is taken back by its server, and comes again (F03, F12, F13; networkd: F01, F09).

First on the bare NIC, with every client, and connections open all the while. Given back, it is as dynamic as it was.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import HOST6, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage
from tests.system.addressing import dead
from tests.system.dhcp.clients import Client
from tests.system.dhcp.leasing import begin, dhcp_client, followed, leased, offer, without_lease
from tests.system.dhcp.managers import Manager
from tests.system.dhcp.scene import carries, everywhere, open_place, take_over
from tests.system.dhcp.servers import Offer, Server, server
from tests.system.leases import Conversation, converged, conversations, host_addresses

pytestmark = pytest.mark.once

CASES = {"udhcpc": 16, "dhclient": 4, "dhcpcd": 20, "networkd": 6}
"""Client, lease in seconds: the shortest that it takes (busybox and dhcpcd make longer ones of shorter)."""


@everywhere
@pytest.mark.parametrize(("clients", "lease_s"), CASES.items(), ids=CASES)
async def test_a_lease_runs_out_and_comes_back(place: Dataplane | None, clients: str, lease_s: int) -> None:
    """Connections with the address rest while nobody has it, and go on when it is there again; others never rest."""
    given = offer("192.168.0.100", ROUTER4, lease_s)
    async with open_place(place) as stage:
        await stage.on_host("ip", "-4", "address", "flush", "dev", NIC)
        with server(stage.lab, stage.directory, "kea", offer=given) as leases, dhcp_client(stage, clients) as dhcp:
            await leases.start()
            begin(dhcp, 4)
            address = await leased(stage, dhcp, given)
            async with conversations(stage, HOST6.ip, address) as (stays, comes, goes):
                await take_over(stage, place)
                await followed(stage, clients, dhcp, given, address)
                for talk in (stays, comes, goes):
                    await talk.goes_on()
                leases.stop()
                if isinstance(dhcp, Manager):  # the others are refused in test_leases.py
                    await gone_and_back(stage, leases, dhcp, given, address, stays)
                    for talk in (comes, goes):
                        await talk.goes_on()
                    await leases.replace(replace(given, refused=True))
                lasting = replace(given, lease_s=int(120 * deadline_factor()))
                await gone_and_back(stage, leases, dhcp, lasting, address, stays)
                for talk in (stays, comes, goes):
                    await talk.goes_on()
                dhcp.stop()
                await given_back(stage, address, lasting.lease_s)


async def gone_and_back(
    stage: Stage, leases: Server, dhcp: Client | Manager, given: Offer, address: IPAddress, stays: Conversation
) -> None:
    """No renewal is answered as the client wants it, until the address has gone; then the server offers `given`."""
    if isinstance(dhcp, Client):  # the others ask by themselves
        dhcp.renew()
    await without_lease(stage, dhcp, address.version, within_s=30)
    await converged(stage, gone=[address])
    await dead(stage, str(address))
    await stays.goes_on()
    await leases.replace(given)
    if address.version == 6 and isinstance(dhcp, Manager):
        dhcp.renew()  # networkd 252 asks no more when T2 comes while it waits for a renewal: on the bare NIC too
    assert await leased(stage, dhcp, given) == address
    await converged(stage)
    await carries(stage, address)


async def given_back(stage: Stage, address: IPAddress, lease_s: int) -> None:
    """The client has ended, so that nobody refreshes it: what is left of the lease goes on running down (F13, F44)."""
    before_s = await left_s(stage, address)
    if stage.daemon is not None:
        assert await stage.stop_daemon() == 0, stage.log
    assert 0 < await left_s(stage, address) <= before_s <= lease_s


async def left_s(stage: Stage, address: IPAddress) -> int:
    (entry,) = [entry for entry in await host_addresses(stage) if entry["local"] == str(address)]
    assert entry.get("dynamic"), entry
    return int(entry["valid_life_time"])
