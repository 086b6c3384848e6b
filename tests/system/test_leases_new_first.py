"""A new lease comes beside the old one, whose address is the primary, and only then the old one goes (F14, F12).

With promote_secondaries=0 the kernel takes the new address away along with the old one, until the client sets it again
at its next renewal (dhclient, whose old address the kernel ends: test_leases.py). First on the bare NIC; VPP has what
the host has, through all of that.
"""

from __future__ import annotations

import pytest

from hostlink.core.model import IPAddress
from hostlink.lab.layout import HOST6, LAN, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage
from tests.system.addressing import dead, undisturbed
from tests.system.dhcp.clients import Client, client
from tests.system.dhcp.leasing import KEPT4, begin, followed, leased, offer, without_lease
from tests.system.dhcp.scene import carries, everywhere, open_place, take_over
from tests.system.dhcp.servers import Offer, Server, server
from tests.system.leases import converged, host_addresses
from tests.system.rounds import eventually
from tests.system.test_addresses_change import promote

pytestmark = pytest.mark.once


@everywhere
async def test_the_new_address_comes_before_the_old_one_goes(place: Dataplane | None) -> None:
    """udhcpc, by a script that makes the new before it breaks the old; a kept address and IPv6 lose nothing by it."""
    first_offer, second_offer = (offer(f"192.168.0.{number}", ROUTER4, 120) for number in (100, 140))
    async with open_place(place) as stage:
        await stage.on_host("ip", "-4", "address", "flush", "dev", NIC)
        await stage.on_host("ip", "address", "add", str(KEPT4), "dev", NIC)
        await stage.lab.exec(stage.lab.wire, ["ip", "address", "add", f"{KEPT4.ip + 253}/24", "dev", LAN])
        with (
            server(stage.lab, stage.directory, "kea", offer=first_offer) as leases,
            client(stage, "udhcpc", new_first=True) as dhcp,
        ):
            await leases.start()
            begin(dhcp, 4)
            first = await leased(stage, dhcp, first_offer)
            await take_over(stage, place)
            await followed(stage, "udhcpc", dhcp, first_offer, first)
            async with undisturbed(stage, str(KEPT4.ip), str(HOST6.ip)) as steady:
                steady.step = "promoted"
                promote(stage, True)
                second = await replaced(stage, leases, dhcp, second_offer, first)
                steady.step = "not promoted"
                promote(stage, False)
                await leases.replace(first_offer)
                dhcp.renew()
                await gone(stage, second)
                await without_lease(stage, dhcp)
                await converged(stage, gone=[first, second])
                dhcp.renew()
                assert await there(stage, dhcp, first_offer, second) == first
                steady.step = "after all"


async def replaced(stage: Stage, leases: Server, dhcp: Client, given: Offer, old: IPAddress) -> IPAddress:
    """The client is refused its old address, and has another. Returns that."""
    await leases.replace(given)
    dhcp.renew()
    await gone(stage, old)
    return await there(stage, dhcp, given, old)


async def there(stage: Stage, dhcp: Client, given: Offer, old: IPAddress) -> IPAddress:
    address = await leased(stage, dhcp, given)
    await converged(stage, gone=[old])
    await dead(stage, str(old))
    await carries(stage, address)
    return address


async def gone(stage: Stage, address: IPAddress) -> None:
    async def probe() -> bool:
        return str(address) not in {entry["local"] for entry in await host_addresses(stage)}

    await eventually(f"{address} is gone from the host", probe, within_s=15)
