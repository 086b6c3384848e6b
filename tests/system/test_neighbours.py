"""Neighbours of a node that is taken over: they age, go, come back, are link-local, and ask with any address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from hostlink.lab.flows import echo_server, ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.layout import (
    BEYOND4,
    BEYOND6,
    HOST4,
    HOST6,
    LAN,
    NIC,
    ROUTER4,
    ROUTER6,
    ROUTER_LINK_LOCAL,
    ROUTER_MAC,
)
from hostlink.lab.proofs import age_neighbours
from hostlink.lab.stage import Dataplane, Stage
from hostlink.lab.station import STATION_LINK, station
from tests.system.advertising import HOST_LINK_LOCAL
from tests.system.neighbouring import scoped
from tests.system.rounds import before_and_after, eventually


async def test_after_ageing_everybody_is_found_again(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, aged)


async def aged(stage: Stage, _digit: str) -> None:
    """Twice: once each side is the first that asks."""
    ways = ((stage.lab.host, ROUTER4.ip, ROUTER6.ip), (stage.lab.wire, HOST4.ip, HOST6.ip))
    for order in (ways, ways[::-1]):
        await age_neighbours(stage.lab)
        for namespace, *addresses in order:
            for address in addresses:
                assert await ping(namespace, address, count=3) >= 2
    async with echo_server(stage.lab.host, [HOST4.ip, HOST6.ip]):
        for address in (HOST4.ip, HOST6.ip):
            await tcp_roundtrip(stage.lab.wire, address, size_bytes=100_000)


async def test_a_neighbour_that_was_away_is_found_again(dataplane: Dataplane) -> None:
    """With the MAC that it had, and then with another one, as when a machine is replaced."""
    await before_and_after(dataplane, away_and_back)


async def away_and_back(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    addresses = (f"192.168.0.{100 + number}", f"fd00::10{digit}")
    prefixed = [f"{address}/{length}" for address, length in zip(addresses, (24, 64), strict=True)]
    async with station(stage.lab, f"s{digit}", f"02:00:00:00:5a:0{digit}", prefixed) as namespace:
        for address in addresses:
            await eventually(f"a way to {address}", _answer(stage.lab.host, address))
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", f"to-s{digit}", "down"])
        for address in addresses:
            assert await ping(stage.lab.host, address, reply_s=0.3) == 0
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", f"to-s{digit}", "up"])
        for address in addresses:
            await eventually(f"{address} again", _answer(stage.lab.host, address), within_s=10)
            await eventually(f"the way from {address}", _answer(namespace, _same_family(address)), within_s=10)
    async with station(stage.lab, f"t{digit}", f"02:00:00:00:5b:0{digit}", prefixed) as namespace:
        for address in addresses:
            await eventually(f"the way from a replaced {address}", _answer(namespace, _same_family(address)))
            await eventually(f"a replaced {address}", _answer(stage.lab.host, address), within_s=20)


def _same_family(address: str) -> str:
    return str(HOST6.ip if ":" in address else HOST4.ip)


def _answer(namespace: str, address: str) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return await ping(namespace, address, reply_s=0.3) == 1

    return probe


async def test_link_local_to_link_local(dataplane: Dataplane) -> None:
    """F18: nothing of it loops; VPP forwards no link-local packets, and with the bypass it need not."""
    await before_and_after(dataplane, link_local)


async def link_local(stage: Stage, _digit: str) -> None:
    router, host = f"{ROUTER_LINK_LOCAL}", HOST_LINK_LOCAL
    to_router = await scoped(stage.lab, stage.lab.host, NIC, router)
    to_host = await scoped(stage.lab, stage.lab.wire, LAN, host)
    ways = ((stage.lab.host, to_router), (stage.lab.wire, to_host))
    async with (
        echo_server(stage.lab.host, [f"{host}%{NIC}"], port=7001),
        echo_server(stage.lab.wire, [f"{router}%{LAN}"], port=7001),
    ):
        for order in (ways, ways[::-1]):
            for namespace, link in ((stage.lab.host, NIC), (stage.lab.wire, LAN)):
                await stage.lab.exec(namespace, ["ip", "-6", "neigh", "flush", "dev", link])
            for namespace, address in order:
                assert await ping(namespace, address, count=3) == 3
                assert await ping(namespace, address, size_bytes=4000) == 1
                await udp_roundtrip(namespace, address, 7001)
                await tcp_roundtrip(namespace, address, 7001, size_bytes=200_000)


async def test_gateways_whose_real_mac_the_host_knows(dataplane: Dataplane) -> None:
    """F22: the host has the router's own MAC, learnt on the wire or given by an operator, and all still passes."""
    await before_and_after(dataplane, real_mac)


async def real_mac(stage: Stage, _digit: str) -> None:
    gateways = (ROUTER_LINK_LOCAL, ROUTER4.ip, ROUTER6.ip)
    async with echo_server(stage.lab.wire, [ROUTER4.ip, ROUTER6.ip, BEYOND4, BEYOND6]):
        for state in ("reachable", "permanent"):
            for gateway in gateways:
                await stage.on_host(
                    "ip", "neigh", "replace", str(gateway), "lladdr", ROUTER_MAC, "nud", state, "dev", NIC
                )
            for address in (BEYOND4, BEYOND6, ROUTER4.ip, ROUTER6.ip):
                assert await ping(stage.lab.host, address, count=3) >= 2
                await udp_roundtrip(stage.lab.host, address)
                await tcp_roundtrip(stage.lab.host, address, size_bytes=100_000)
        for gateway in gateways:
            await stage.on_host("ip", "neigh", "del", str(gateway), "dev", NIC)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_neighbour_that_asks_with_an_address_of_elsewhere(dataplane: Dataplane, version: int) -> None:
    """A router with a loopback address, or a server with a service's address, asks for the host with that as source.

    Linux does so (arp_announce 0; for IPv6 with addresses of the link that it asks on). What is not of the LAN must
    not become a neighbour there: the route that leads to it goes on counting.
    """
    await before_and_after(dataplane, partial(off_link_source, version))


async def off_link_source(version: int, stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    network, address, own = f"203.0.{number}.0/24", f"203.0.{number}.1", f"192.168.0.{120 + number}/24"
    if version == 6:
        network, address, own = f"2001:db8:e15{digit}::/64", f"2001:db8:e15{digit}::1", f"fd00::12{digit}/64"
    alone = f"{address}/{32 if version == 4 else 128}"
    async with station(stage.lab, f"e{digit}", f"02:00:00:00:e1:0{digit}", [own, alone]) as namespace:
        await stage.on_host("ip", "route", "add", network, "via", own.partition("/")[0], "dev", NIC)
        async with echo_server(namespace, [address]):
            await eventually(f"the way to {address}", _answer(stage.lab.host, address))
            await stage.lab.exec(namespace, ["ip", "neigh", "flush", "dev", STATION_LINK])
            answered = await ping(stage.lab.host, address, count=3)
            assert answered >= 2, f"{answered} of 3"
            await tcp_roundtrip(stage.lab.host, address)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_router_that_asks_with_its_address_beyond(dataplane: Dataplane, version: int) -> None:
    """The same by the default route: what it asks with is the source of its answer to the host's first packet."""
    await before_and_after(dataplane, partial(asked_from_beyond, version))


async def asked_from_beyond(version: int, stage: Stage, _digit: str) -> None:
    address = BEYOND4 if version == 4 else BEYOND6
    async with echo_server(stage.lab.wire, [address]):
        await stage.lab.exec(stage.lab.wire, ["ip", "neigh", "flush", "dev", LAN])
        answered = await ping(stage.lab.host, address, count=4)
        assert answered >= 3, f"{answered} of 4"
        await tcp_roundtrip(stage.lab.host, address)
