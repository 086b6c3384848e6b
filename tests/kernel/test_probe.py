"""Probes over a real wire: who answers, who does not, and that asking leaves nothing in the neighbour tables."""

from __future__ import annotations

import socket
import time
from functools import partial
from ipaddress import ip_address

import pytest
import trio

from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import inside
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.probe import _is_reply, echo, neighbour_answers, tcp_connects

PRESENT = ("192.0.2.2", "fd00::2", "fe80::2")
ABSENT = ("192.0.2.3", "fd00::3", "fe80::3")


@pytest.fixture
def talking(wired, wire):
    wired.ip(
        """addr add 192.0.2.1/24 dev eth1
        addr add fd00::1/64 dev eth1 nodad
        addr add fe80::1/64 dev eth1 nodad"""
    )
    wire.ip(
        """addr add 192.0.2.2/24 dev wire0
        addr add fd00::2/64 dev wire0 nodad
        addr add fe80::2/64 dev wire0 nodad"""
    )
    return wired


@pytest.mark.parametrize("address", PRESENT)
async def test_echo_is_answered(talking, address):
    assert await echo(ip_address(address), "eth1", 3, namespace=talking)


@pytest.mark.parametrize("address", ABSENT)
async def test_echo_is_not_answered_within_its_time(talking, address):
    begun = time.monotonic()
    assert not await echo(ip_address(address), "eth1", 0.4, namespace=talking)
    assert 0.3 < time.monotonic() - begun < 2


async def test_echo_without_a_route_or_a_device(talking):
    assert not await echo(ip_address("198.51.100.1"), "eth1", 0.2, namespace=talking)
    with pytest.raises(KernelRefused, match=r"raw socket on nosuch0 for a probe: ENODEV"):
        await echo(ip_address("192.0.2.2"), "nosuch0", 0.2, namespace=talking)


async def test_echo_of_a_link_that_is_down(talking):
    talking.ip("link set eth1 down")
    assert not await echo(ip_address("192.0.2.2"), "eth1", 0.2, namespace=talking)


@pytest.mark.parametrize("address", PRESENT)
async def test_neighbour_answers_and_no_entry_is_left(talking, address):
    async with open_netlink(talking) as nl:
        assert await neighbour_answers(nl, ip_address(address), "eth1", 3)
    assert talking.ip("neigh show dev eth1") == ""


@pytest.mark.parametrize("address", ABSENT)
async def test_absent_neighbour_leaves_no_failed_entry(talking, address):
    async with open_netlink(talking) as nl:
        assert not await neighbour_answers(nl, ip_address(address), "eth1", 0.4)
    assert talking.ip("neigh show dev eth1") == ""


async def test_arp_of_others_is_no_answer(talking, wire):
    """The wire asks for somebody ten times a second meanwhile; nobody answers for the one that we ask about."""
    wire.sysctl("ipv4/neigh/wire0/retrans_time_ms", "100")
    wire.sysctl("ipv4/neigh/wire0/mcast_solicit", "20")
    async with open_netlink(talking) as nl, trio.open_nursery() as nursery:
        nursery.start_soon(partial(echo, ip_address("192.0.2.77"), "wire0", 1, namespace=wire))
        assert not await neighbour_answers(nl, ip_address("192.0.2.3"), "eth1", 0.6)
        nursery.cancel_scope.cancel()


def test_reply_to_another_ping_is_no_answer():
    """A raw socket hears the replies to everybody's pings."""
    token, other = b"0123456789abcdef", b"fedcba9876543210"
    header4, icmp4, icmp6 = b"\x45" + bytes(19), b"\0" * 8, b"\x81" + bytes(7)
    assert _is_reply(header4 + icmp4 + token, 4, token)
    assert not _is_reply(header4 + icmp4 + other, 4, token)
    assert not _is_reply(header4 + b"\x03" + icmp4[1:] + token, 4, token), "an unreachable quotes what we sent"
    assert _is_reply(icmp6 + token, 6, token)
    assert not _is_reply(icmp6 + other, 6, token)


async def test_the_socket_that_asked_by_arp_is_closed_by_a_thread(talking, monkeypatch):
    """Also where nobody has waited for the answer: the kernel waits for all CPUs in it."""
    run_sync, closed = trio.to_thread.run_sync, []

    async def noted(function, *args):
        owner = getattr(function, "__self__", None)
        closed.extend([owner] if isinstance(owner, socket.socket) and function == owner.close else [])
        return await run_sync(function, *args)

    monkeypatch.setattr(trio.to_thread, "run_sync", noted)
    async with open_netlink(talking) as nl:
        assert await neighbour_answers(nl, ip_address(PRESENT[0]), "eth1")
        with trio.move_on_after(0.1):
            await neighbour_answers(nl, ip_address(ABSENT[0]), "eth1")
    assert [(sock.family, sock.fileno()) for sock in closed] == [(socket.AF_PACKET, -1)] * 2


async def test_arp_is_answered_to_a_device_without_address(wired, wire):
    wire.ip("addr add 192.0.2.2/24 dev wire0")
    async with open_netlink(wired) as nl:
        assert await neighbour_answers(nl, ip_address("192.0.2.2"), "eth1", 3)


async def test_proxy_that_answers_counts(talking, wire):
    wire.sysctl("ipv4/conf/wire0/proxy_arp", "1")
    wire.sysctl("ipv4/neigh/wire0/proxy_delay", "0")
    wire.ip("link set lo up")
    wire.sysctl("ipv4/ip_forward", "1")
    wire.ip("route add 192.0.2.3/32 dev lo")
    async with open_netlink(talking) as nl:
        assert await neighbour_answers(nl, ip_address("192.0.2.3"), "eth1", 3)


@pytest.mark.parametrize("address", PRESENT[:2])
async def test_tcp_connects_only_where_somebody_listens(talking, wire, address):
    with inside(wire):
        listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    port = listener.getsockname()[1]
    with listener:
        assert await tcp_connects(ip_address(address), port, "eth1", 3, namespace=talking)
    assert not await tcp_connects(ip_address(address), port, "eth1", 3, namespace=talking), "refused"


async def test_tcp_is_asked_out_of_the_device_and_within_its_time(talking):
    begun = time.monotonic()
    assert not await tcp_connects(ip_address("192.0.2.3"), 22, "eth1", 0.4, namespace=talking)
    assert 0.3 < time.monotonic() - begun < 2
    assert not await tcp_connects(ip_address("198.51.100.1"), 22, "eth1", 0.2, namespace=talking), "no route"
    with pytest.raises(KernelRefused, match=r"TCP socket on nosuch0 for a probe: ENODEV"):
        await tcp_connects(ip_address("192.0.2.2"), 22, "nosuch0", 0.2, namespace=talking)


async def test_no_such_device_answers_nothing(host):
    async with open_netlink(host) as nl:
        assert not await neighbour_answers(nl, ip_address("192.0.2.2"), "eth9", 0.2)
        assert not await neighbour_answers(nl, ip_address("fd00::2"), "lo", 0.2)
