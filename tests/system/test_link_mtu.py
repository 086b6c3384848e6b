"""The host link's MTU changes: VPP and the devices below it follow, and no packet ever meets a smaller device."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab.flows import ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, LAN, NIC, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage
from tests.system.rounds import before_and_after, eventually

WIRE_PORT = "to-host"
_IP_MTU_DISCOVER, _PMTUDISC_DONT = 10, 0
"""include/uapi/linux/in.h; the socket module has neither on 3.11."""
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
            async with _large_ones(stage.lab.wire, HOST4.ip), _large_ones(stage.lab.host, ROUTER4.ip):
                await stage.on_host("ip", "link", "set", NIC, "mtu", str(mtu))
                await trio.sleep(0.1)  # the condition is that some were on their way while VPP was changed
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


@asynccontextmanager
async def _large_ones(namespace: str, address: IPAddress) -> AsyncIterator[None]:
    """Datagrams of all sizes, without a pause: each change meets some that are too large by then.

    Without DF, or VPP's answer to one that was too early would be remembered as the path's MTU for ten minutes.
    """
    with inside(namespace):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)

    async def run() -> None:
        for size in cycle((2900, 1450)):
            with suppress(OSError):
                sock.sendto(bytes(size), (str(address), 9))
            await trio.sleep(0.001)

    with sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield
            nursery.cancel_scope.cancel()


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
