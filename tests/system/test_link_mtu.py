"""The host link's MTU changes: VPP and the devices below it follow, and no packet ever meets a smaller device."""

from __future__ import annotations

from hostlink.lab.flows import ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, LAN, NIC, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage
from tests.system.rounds import before_and_after, eventually

WIRE_PORT = "to-host"
HEADERS = {4: 28, 6: 48}
"""Of IP and ICMP, in bytes."""


async def test_full_size_packets_pass_right_after_each_change_of_the_mtu(dataplane: Dataplane) -> None:
    """A packet above a device's MTU stops VPP's ring for good: after each change, all of that size still passes."""
    await before_and_after(dataplane, mtu_up_and_down)


async def mtu_up_and_down(stage: Stage, _digit: str) -> None:
    async with servers(stage.lab):
        for mtu in (3000, 1400):
            if mtu > 1500:
                await _wire(stage, mtu)
            await stage.on_host("ip", "link", "set", NIC, "mtu", str(mtu))
            await _too_large_for_some(stage)
            await _wire(stage, mtu)
            await _full_size(stage, mtu)
            for address in (ROUTER4.ip, ROUTER6.ip):
                await tcp_roundtrip(stage.lab.host, address, size_bytes=100_000)
            for address in (HOST4.ip, HOST6.ip):
                await tcp_roundtrip(stage.lab.wire, address, size_bytes=100_000)


async def _wire(stage: Stage, mtu: int) -> None:
    """The router's side has the same: what is larger than its peer's a veth drops."""
    for link in (WIRE_PORT, LAN):
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", link, "mtu", str(mtu)])


async def _too_large_for_some(stage: Stage) -> None:
    """Sent at once, while VPP is still at the old size: whether they pass is open, but they may do no harm."""
    for address in (ROUTER4.ip, ROUTER6.ip):
        for size in (1350, 1450, 1900, 2900):
            await ping(stage.lab.host, address, size_bytes=size, reply_s=0.01)


async def _full_size(stage: Stage, mtu: int) -> None:
    """Not fragmented, both ways, as soon as VPP can; and what is larger is fragmented by the host."""
    for address, here in ((ROUTER4.ip, HOST4.ip), (ROUTER6.ip, HOST6.ip)):
        size = mtu - HEADERS[address.version]

        async def passes(address: object = address, size: int = size) -> bool:
            return await ping(stage.lab.host, str(address), size_bytes=size, fragment=False, reply_s=0.3) == 1

        async def comes(here: object = here, size: int = size) -> bool:
            return await ping(stage.lab.wire, str(here), size_bytes=size, fragment=False, reply_s=0.3) == 1

        await eventually(f"{size} bytes to {address}", passes)
        await eventually(f"{size} bytes to {here}", comes)
        await udp_roundtrip(stage.lab.host, address, size_bytes=mtu + 500)
