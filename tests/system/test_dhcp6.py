"""DHCPv6 of the host after a takeover, first on the bare NIC (F07, F08, F21): the whole exchange, renew and rebind.

Everything goes to ff02::1:2 from the host's link-local, with the hop limit that the client gave it (Linux: 1), and the
answers come by unicast to that link-local. The DUID is of the link's MAC (DUID-LL, RFC 8415, 11.4), which a client
makes anew when its file is lost, and the IAID of the MAC too: both must be what they were on the NIC.

dhclient binds its socket to the link-local address that it finds (and holds the link's index): it is started again
after the takeover, as what supervises it does, with the lease that it has on file.
"""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from hostlink.core.model import IPAddress
from hostlink.lab.frames import Match
from hostlink.lab.layout import NIC, NIC_MAC
from hostlink.lab.stage import Dataplane, Stage
from tests.system.dhcp.clients import Client, client
from tests.system.dhcp.messages import SERVERS6, Message6, dhcp6, first_of_each
from tests.system.dhcp.scene import (
    carries,
    everywhere,
    fence,
    open_place,
    passed_whole,
    take_over,
    until,
    wait_vpp_address,
    watching,
)
from tests.system.dhcp.servers import LEASE_S, Server, server

pytestmark = pytest.mark.once

EXCHANGE = ["solicit", "advertise", "request", "reply"]
DUID_LL = bytes.fromhex("00030001") + bytes.fromhex(NIC_MAC.replace(":", ""))
"""RFC 8415, 11.4: type 3, hardware type 1 (Ethernet), the address."""
OLD_S = 50


async def without_ipv6(stage: Stage) -> str:
    """Only the link-local is left, which is returned; and the default route of a router advertisement."""
    await stage.on_host("ip", "-6", "address", "flush", "dev", NIC, "scope", "global")
    (link,) = json.loads(await stage.on_host("ip", "-json", "-6", "address", "show", "dev", NIC))
    (address,) = link["addr_info"]
    return str(address["local"])


def ways(messages: list[Message6]) -> set[tuple[object, ...]]:
    """How the client's messages travel, and by which DUID all go."""
    assert {m.duid for m in messages} == {DUID_LL}
    return {(m.source, m.destination, m.hops) for m in messages if not m.outgoing}


async def lease_taken(stage: Stage, dhcp: Client, leases: Server, link_local: str) -> tuple[IPAddress, int]:
    """From nothing, by the four messages. Returns the address and the IAID."""
    async with watching(stage) as watch:
        since = len(dhcp.events)
        dhcp.start("-D", "LL")
        bound = await dhcp.wait("bound", since)
        await fence(stage, 6)
        messages = await passed_whole(watch, dhcp6)
    assert ways(messages) == {(link_local, SERVERS6, 1)}
    assert first_of_each(messages) == EXCHANGE
    (iaid,) = {message.iaid for message in messages}
    assert iaid is not None
    address = ip_address(bound["address"])
    assert leases.leases() == {address}
    return address, iaid


async def lease_given_back(stage: Stage, dhcp: Client, leases: Server) -> None:
    async with watching(stage) as watch:
        await dhcp.release()
        await watch.wire.wait(is_a("release"))
    await until(lambda: not leases.leases(), f"the lease is gone from the server\n{leases.log[-2000:]}")


async def lease_renewed(stage: Stage, dhcp: Client, link_local: str, address: IPAddress) -> int:
    """One question at T1, and one answer; the kernel's address lives longer by it. Returns the IAID."""
    old = f"valid_lft {OLD_S} preferred_lft {OLD_S}".split()
    await stage.on_host("ip", "address", "change", f"{address}/128", "dev", NIC, *old)
    async with watching(stage) as watch:
        await watch.wire.wait(is_a("renew"), within_s=15)
        await dhcp.wait("renewed", len(dhcp.events))
        await fence(stage, 6)
        messages = await passed_whole(watch, dhcp6)
    assert ways(messages) == {(link_local, SERVERS6, 1)}
    request = next(message for message in messages if message.kind == "renew")
    assert [(m.kind, m.iaid, m.address) for m in messages if m.xid == request.xid and m.outgoing] == [
        ("reply", request.iaid, str(address))
    ]
    assert OLD_S < await left_s(stage, address) <= LEASE_S
    assert request.iaid is not None
    return request.iaid


async def left_s(stage: Stage, address: IPAddress) -> int:
    (link,) = json.loads(await stage.on_host("ip", "-json", "-6", "address", "show", "dev", NIC))
    return int(next(entry["valid_life_time"] for entry in link["addr_info"] if entry["local"] == str(address)))


def is_a(kind: str) -> Match:
    return lambda frame: any(message.kind == kind for message in dhcp6([frame]))


async def lease_rebound(stage: Stage, dhcp: Client, leases: Server, link_local: str, address: IPAddress) -> int:
    """The server is gone when it is asked to renew, and there again when any server is asked. Returns the IAID.

    A renewal is asked for again after ten seconds (REN_TIMEOUT, RFC 8415, 7.6), when T2 is long past: it is a rebind.
    """
    leases.stop()
    async with watching(stage) as watch:
        since = len(dhcp.events)
        await watch.wire.wait(is_a("renew"), within_s=15)
        await leases.start()
        await dhcp.wait("renewed", since, within_s=20)
        await fence(stage, 6)
        messages = await passed_whole(watch, dhcp6)
    assert ways(messages) == {(link_local, SERVERS6, 1)}
    answer = next(message for message in messages if message.outgoing)
    asked = messages[: messages.index(answer)]
    assert first_of_each(asked) == ["renew", "rebind"]
    assert (answer.kind, answer.xid, answer.address) == ("reply", asked[-1].xid, str(address))
    (iaid,) = {message.iaid for message in messages}
    assert iaid is not None
    return iaid


@everywhere
@pytest.mark.parametrize("servers", ["dnsmasq", "kea"])
async def test_a_lease_from_nothing(place: Dataplane | None, servers: str) -> None:
    """F08, F07: taken over with nothing but a link-local.

    The client has lost its files, and the server knows it by DUID and IAID: it gets the address that it had.
    """
    async with open_place(place) as stage:
        link_local = await without_ipv6(stage)
        with server(stage.lab, stage.directory, servers, 6) as leases, client(stage, "dhclient", 6) as dhcp:
            await leases.start()
            address, iaid = await lease_taken(stage, dhcp, leases, link_local)
            dhcp.stop()
            dhcp.forget()
            await without_ipv6(stage)
            await take_over(stage, place)
            assert await lease_taken(stage, dhcp, leases, link_local) == (address, iaid)
            await carries(stage, address)
            if place:
                await wait_vpp_address(stage, address, there=True)
            await lease_given_back(stage, dhcp, leases)
            if place:
                await wait_vpp_address(stage, address, there=False)


async def confirmed(stage: Stage, dhcp: Client, link_local: str) -> None:
    """Started again it asks whether its address still fits the link (RFC 8415, 18.2.3)."""
    async with watching(stage) as watch:
        since = len(dhcp.events)
        dhcp.start("-D", "LL")
        await dhcp.wait("bound", since)
        await fence(stage, 6)
        messages = await passed_whole(watch, dhcp6)
    assert ways(messages) == {(link_local, SERVERS6, 1)}
    assert first_of_each(messages)[:2] == ["confirm", "reply"]  # then it may rebind, for a takeover that took long


@everywhere
async def test_a_lease_lives_through_the_takeover(place: Dataplane | None) -> None:
    """F03, F07, F13: taken on the bare NIC, then renewed and rebound after the takeover, by the same DUID and IAID.

    By Kea: dnsmasq's T1 is half of its shortest lease, a minute.
    """
    async with open_place(place) as stage:
        link_local = await without_ipv6(stage)
        with server(stage.lab, stage.directory, "kea", 6) as leases, client(stage, "dhclient", 6) as dhcp:
            await leases.start()
            address, iaid = await lease_taken(stage, dhcp, leases, link_local)
            dhcp.stop()
            await take_over(stage, place)
            assert 0 < await left_s(stage, address) <= LEASE_S
            await confirmed(stage, dhcp, link_local)
            assert await lease_renewed(stage, dhcp, link_local, address) == iaid
            assert await lease_rebound(stage, dhcp, leases, link_local, address) == iaid
            await carries(stage, address)
