"""DHCPv4 of the host after a takeover, each verb first on the bare NIC (F03, F08, F12, F13): what the wire and the
server see is a client, and what the client sees is the server, each message once and as it was sent.

Clients that live through a takeover: udhcpc opens a socket by the link's name for each exchange, and goes on.
dhclient (4.4.3) holds one packet socket, bound to the NIC's index, and reads even unicast answers by it. When the NIC
leaves the namespace it reads ENETDOWN, and each later send is ENXIO (packet(7)): it is started again, as what
supervises it does, and asks for the lease that it has on file.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.frames import Frame
from hostlink.lab.layout import HOST4, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage
from hostlink.lab.station import station
from tests.system.dhcp.clients import Client, client
from tests.system.dhcp.messages import BROADCAST4, dhcp4, first_of_each
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
from tests.system.dhcp.servers import FIRST4, LEASE_S, Server, server

pytestmark = pytest.mark.once

EXCHANGE = ["discover", "offer", "request", "ack"]
OLD_S = 50
"""What is left of a lease that has grown old."""


async def without_ipv4(stage: Stage) -> None:
    """Only IPv6 is left on the NIC: a DHCP client begins here."""
    await stage.on_host("ip", "-4", "address", "flush", "dev", NIC)
    assert await stage.on_host("ip", "-4", "route", "show", "table", "all", "dev", NIC) == ""


async def left_s(stage: Stage, address: IPAddress) -> int:
    """How long the kernel still keeps the address, in seconds; for ever is some 2^32."""
    (link,) = json.loads(await stage.on_host("ip", "-json", "-4", "address", "show", "dev", NIC))
    return int(next(entry["valid_life_time"] for entry in link["addr_info"] if entry["local"] == str(address)))


async def lease_taken(stage: Stage, dhcp: Client, leases: Server) -> IPAddress:
    """From nothing, by the four messages, and then the address works."""
    async with watching(stage) as watch:
        since = len(dhcp.events)
        dhcp.start()
        bound = await dhcp.wait("bound", since)
        await fence(stage)
        messages = await passed_whole(watch, dhcp4)
    assert first_of_each(messages) == EXCHANGE
    # Until it has the lease: on a busy machine dhclient has come to its T1, and renews by unicast, before we look.
    taken = messages[: [message.kind for message in messages].index("ack")]
    ways = {(message.source, message.destination) for message in taken if not message.outgoing}
    assert ways == {("0.0.0.0", BROADCAST4)}
    address = ip_address(bound["address"])
    assert leases.leases() == {address}
    assert f"default via {ROUTER4.ip} dev {NIC} proto dhcp src {address}" in await stage.on_host("ip", "route")
    return address


async def lease_given_back(stage: Stage, dhcp: Client, leases: Server, address: IPAddress) -> None:
    async with watching(stage) as watch:
        await dhcp.release()
        frame = await watch.wire.wait(lambda frame: any(m.kind == "release" for m in dhcp4([frame])))
        (release,) = dhcp4([frame])
    assert (release.ciaddr, release.source, release.destination) == (str(address), str(address), str(ROUTER4.ip))
    await until(lambda: not leases.leases(), f"the lease is gone from the server\n{leases.log[-2000:]}")


async def lease_renewed(stage: Stage, dhcp: Client, address: IPAddress) -> None:
    """One request, by unicast, and one answer; the kernel's address lives longer by it (F13)."""
    old = f"valid_lft {OLD_S} preferred_lft {OLD_S}".split()
    await stage.on_host("ip", "address", "change", f"{address}/24", "dev", NIC, *old)
    async with watching(stage) as watch:
        since = len(dhcp.events)
        dhcp.renew()
        await dhcp.wait("renewed", since)
        await fence(stage)
        messages = await passed_whole(watch, dhcp4)
        renewals = [event for event in dhcp.events[since:] if event["kind"] == "renewed"]
    request, answer = messages[:2]
    assert len(renewals) <= sum(message.kind == "ack" for message in messages)
    assert (request.kind, request.ciaddr, request.source) == ("request", str(address), str(address))
    assert request.destination == str(ROUTER4.ip)
    assert (answer.kind, answer.xid, answer.yiaddr) == ("ack", request.xid, str(address))
    assert OLD_S < await left_s(stage, address) <= LEASE_S


def is_decline(frame: Frame) -> bool:
    return any(message.kind == "decline" for message in dhcp4([frame]))


def is_rebind(frame: Frame) -> bool:
    """RFC 2131, 4.3.2: a broadcast request with ciaddr."""
    return any(m.kind == "request" and not m.is_unicast and m.ciaddr != "0.0.0.0" for m in dhcp4([frame]))


async def lease_rebound(stage: Stage, dhcp: Client, leases: Server, address: IPAddress) -> None:
    """The server is gone when the client asks for it, and there again when the client asks anybody."""
    async with watching(stage) as watch:
        since = len(dhcp.events)
        leases.stop()
        dhcp.renew()
        await watch.wire.wait(is_rebind, within_s=15)
        await leases.start()
        await dhcp.wait("renewed", since)
        await fence(stage)
        messages = await passed_whole(watch, dhcp4)
    (answer,) = [message for message in messages if message.outgoing]
    asked = messages[: messages.index(answer)]
    assert (answer.kind, answer.yiaddr) == ("ack", str(address))
    assert {(message.kind, message.ciaddr, message.source) for message in asked} == {
        ("request", str(address), str(address))
    }
    assert asked[0].destination == str(ROUTER4.ip)
    assert asked[-1].destination == BROADCAST4


@everywhere
@pytest.mark.parametrize(("servers", "clients"), [("dnsmasq", "udhcpc"), ("kea", "dhclient")])
async def test_a_lease_from_nothing(place: Dataplane | None, servers: str, clients: str) -> None:
    """F08: taken over without any IPv4, and the first lease is taken afterwards."""
    async with open_place(place) as stage:
        await without_ipv4(stage)
        with server(stage.lab, stage.directory, servers) as leases, client(stage, clients) as dhcp:
            await leases.start()
            await take_over(stage, place)
            address = await lease_taken(stage, dhcp, leases)
            await carries(stage, address)
            if place:
                await wait_vpp_address(stage, address, there=True)
            await lease_given_back(stage, dhcp, leases, address)
            if place:
                await wait_vpp_address(stage, address, there=False)


@everywhere
@pytest.mark.parametrize(("servers", "clients"), [("kea", "udhcpc"), ("dnsmasq", "dhclient")])
async def test_a_lease_lives_through_the_takeover(place: Dataplane | None, servers: str, clients: str) -> None:
    """F03, F12, F13: taken on the bare NIC; then renewed, rebound, released and taken again."""
    async with open_place(place) as stage:
        await without_ipv4(stage)
        with server(stage.lab, stage.directory, servers) as leases, client(stage, clients) as dhcp:
            await leases.start()
            address = await lease_taken(stage, dhcp, leases)
            if clients == "dhclient":
                dhcp.stop()
            await take_over(stage, place)
            assert 0 < await left_s(stage, address) <= LEASE_S
            if clients == "dhclient":
                await started_again(dhcp, address)
            await lease_renewed(stage, dhcp, address)
            await lease_rebound(stage, dhcp, leases, address)
            await carries(stage, address)
            await lease_given_back(stage, dhcp, leases, address)
            again = await lease_taken(stage, dhcp, leases)
            await carries(stage, again)


async def started_again(dhcp: Client, address: IPAddress) -> None:
    """It asks for what it had (RFC 2131, 3.2)."""
    since = len(dhcp.events)
    dhcp.start()
    bound = await dhcp.wait("bound", since)
    assert (bound["reason"], bound["address"]) == ("REBOOT", str(address))


@everywhere
async def test_what_is_sent_to_a_client_comes_once(place: Dataplane | None) -> None:
    """Around VPP and through it there are two ways to the client's port; its socket gets each datagram by one."""
    async with open_place(place) as stage:
        await take_over(stage, place)
        with (
            udp_socket(stage.lab.host, "0.0.0.0", 68) as client_end,
            udp_socket(stage.lab.wire, str(ROUTER4.ip), 67) as server_end,
            udp_socket(stage.lab.host, str(HOST4.ip), 6868) as other,
        ):
            sent = [(number, to) for number in range(5) for to in (str(HOST4.ip), BROADCAST4)]
            for number, to in sent:
                server_end.sendto(f"{number} {to}".encode(), (to, 68))
            with trio.fail_after(5 * deadline_factor()):
                server_end.sendto(b"fence", (str(HOST4.ip), 6868))
                await trio.lowlevel.wait_readable(other)
            came: list[bytes] = []
            await until(lambda: received(client_end, came) >= len(sent), f"{len(sent)} datagrams for the client")
            await fence(stage)
            received(client_end, came)
    assert sorted(came) == sorted(f"{number} {to}".encode() for number, to in sent)


def received(sock: socket.socket, into: list[bytes]) -> int:
    """Adds what has come; returns how much there is in all."""
    with contextlib.suppress(BlockingIOError):
        while True:
            into.append(sock.recv(2048))
    return len(into)


@contextlib.contextmanager
def udp_socket(namespace: str, address: str, port: int) -> Iterator[socket.socket]:
    with inside(namespace):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind((address, port))
        yield sock


@everywhere
@pytest.mark.parametrize(("servers", "clients"), [("dnsmasq", "dhclient"), ("kea", "udhcpc")])
async def test_an_address_that_somebody_has_is_declined(place: Dataplane | None, servers: str, clients: str) -> None:
    """The client's ARP probe (sender 0.0.0.0) gets the true answer of the other station, and no other."""
    async with open_place(place) as stage:
        await without_ipv4(stage)
        with server(stage.lab, stage.directory, servers) as leases, client(stage, clients) as dhcp:
            await leases.start()
            await take_over(stage, place)
            async with (
                station(stage.lab, "squatter", "02:00:00:00:00:64", [f"{FIRST4}/24"]),
                watching(stage) as watch,
            ):
                dhcp.start(*(["-a500"] if clients == "udhcpc" else []))
                await watch.wire.wait(is_decline, within_s=10)
                if clients == "dhclient":  # by RFC 2131, 3.1, it would now wait for ten seconds
                    dhcp.stop()
                    dhcp.start()
                bound = await dhcp.wait("bound")
                await fence(stage)
                messages = await passed_whole(watch, dhcp4)
            (decline,) = [message for message in messages if message.kind == "decline"]
            assert (decline.requested, decline.destination) == (str(FIRST4), BROADCAST4)
            assert bound["address"] != str(FIRST4)
            await carries(stage, ip_address(bound["address"]))
