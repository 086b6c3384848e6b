"""A lease that was taken before the takeover changes afterwards (F03, F12, F13; networkd: F01, F09).

Each step is first run on the bare NIC. The clients: udhcpc and dhclient by a script as Debian's are, dhcpcd and
systemd-networkd by netlink. What each makes of the takeover: `followed`.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from hostlink.lab.layout import HOST6, LAN, NIC, ROUTER4
from hostlink.lab.stage import Dataplane
from tests.system.dhcp.leasing import dhcp_client, followed, leased, offer
from tests.system.dhcp.scene import carries, everywhere, open_place, take_over
from tests.system.dhcp.servers import server
from tests.system.leases import converged, conversation

pytestmark = pytest.mark.once

SECOND_ROUTER4 = IPv4Interface("192.168.0.253/24")
OTHER_ROUTER4 = IPv4Interface("192.168.7.254/24")
CASES = [("dnsmasq", "udhcpc", 120), ("kea", "dhclient", 4), ("dnsmasq", "dhcpcd", 120), ("dnsmasq", "networkd", 120)]
"""Server, client, lease in seconds. dnsmasq gives none below 120 s; dhcpcd takes none below 20 s."""


@everywhere
@pytest.mark.parametrize(("servers", "clients", "lease_s"), CASES, ids=[case[1] for case in CASES])
async def test_a_lease_changes(place: Dataplane | None, servers: str, clients: str, lease_s: int) -> None:
    """F12, F13: another gateway for the same address, another address, another network, and the first again."""
    first_offer = offer("192.168.0.100", ROUTER4, lease_s)
    second_offer = offer("192.168.0.140", ROUTER4, lease_s)
    elsewhere = offer("192.168.7.100", OTHER_ROUTER4, lease_s)
    async with open_place(place) as stage:
        await stage.on_host("ip", "-4", "address", "flush", "dev", NIC)
        for router in (SECOND_ROUTER4, OTHER_ROUTER4):
            await stage.lab.exec(stage.lab.wire, ["ip", "address", "add", str(router), "dev", LAN])
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

                await leases.replace(replace(first_offer, router=SECOND_ROUTER4), knowing=True)
                dhcp.renew()
                assert await leased(stage, dhcp, replace(first_offer, router=SECOND_ROUTER4)) == first
                await converged(stage)
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

                await leases.replace(first_offer)
                dhcp.renew()
                again = await leased(stage, dhcp, first_offer)
                await converged(stage, gone=[second, third])
                await carries(stage, again)
                await stays.goes_on()
