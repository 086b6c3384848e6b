"""The prefix that routers advertise changes after the takeover (F13, F16): first on the bare NIC, then taken over."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from hostlink.lab.factor import deadline_factor
from hostlink.lab.frames import send_frame
from hostlink.lab.layout import LAN, NIC
from hostlink.lab.stage import Dataplane, Stage
from tests.system.advertising import INTERFACE_ID, Router, host_address, router_address
from tests.system.dhcp.scene import carries, everywhere, open_place, take_over
from tests.system.leases import converged, conversation
from tests.system.rounds import eventually

pytestmark = pytest.mark.once

OLD, NEW = "2001:db8:61::", "2001:db8:62::"
SHORT_S = int(4 * deadline_factor())


@everywhere
async def test_a_prefix_changes(place: Dataplane | None) -> None:
    """The old address is deprecated and goes on; the new one comes, and each is gone from VPP when it runs out.

    By RFC 4862, 5.5.3 (e), no advertisement takes an address away, or ends it within two hours: what is left of the
    old one is shortened on the host, and the kernel ends it.
    """
    router = Router("fe80::e1", "02:00:00:00:ee:01")
    old, new = (IPv6Address(f"{prefix}{INTERFACE_ID}".replace("::", ":0:")) for prefix in (OLD, NEW))
    async with open_place(place) as stage:
        for prefix in (OLD, NEW):
            await router_address(stage, f"{prefix}1/64")
        send_frame(stage.lab.wire, LAN, router.advertisement(prefix=OLD))
        await present(stage, old)
        async with conversation(stage, old) as talk:
            await take_over(stage, place)
            await converged(stage)
            send_frame(stage.lab.wire, LAN, router.advertisement(prefix=OLD, preferred_s=0))
            send_frame(stage.lab.wire, LAN, router.advertisement(prefix=NEW, valid_s=SHORT_S))
            await present(stage, new)
            await deprecated(stage, old)
            await converged(stage)
            await talk.goes_on()
            await absent(stage, new)
            await converged(stage, gone=[new])
            await talk.goes_on()
            send_frame(stage.lab.wire, LAN, router.advertisement(prefix=NEW))
            await present(stage, new)
            await stage.on_host(
                "ip", "address", "change", f"{old}/64", "dev", NIC, "valid_lft", "1", "preferred_lft", "0"
            )
            await absent(stage, old)
            await converged(stage, gone=[old])
            await talk.is_silent()
            await carries(stage, new)


async def present(stage: Stage, address: IPv6Address) -> None:
    async def probe() -> bool:
        found = await host_address(stage, str(address))
        return found is not None and bool(found.get("dynamic")) and not found.get("tentative")

    await eventually(f"{address} on the host, with lifetimes", probe)


async def absent(stage: Stage, address: IPv6Address) -> None:
    async def probe() -> bool:
        return await host_address(stage, str(address)) is None

    await eventually(f"{address} is gone from the host", probe, within_s=10)


async def deprecated(stage: Stage, address: IPv6Address) -> None:
    async def probe() -> bool:
        found = await host_address(stage, str(address))
        return found is not None and bool(found.get("deprecated"))

    await eventually(f"{address} is deprecated", probe)
