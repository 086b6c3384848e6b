"""The view of one link: whole, of one moment, and of no other link; and how a link is found."""

from __future__ import annotations

import os
import struct
from collections import Counter
from ipaddress import ip_address, ip_interface, ip_network

import pytest
import trio

from hostlink.core import operations as op
from hostlink.core.model import Address, NextHop, Route
from hostlink.kernel import uapi
from hostlink.kernel.apply import apply_host
from hostlink.kernel.errors import ReadUnsteady
from hostlink.kernel.namespace import open_file
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import find_link, read_link, read_policy, read_view
from hostlink.kernel.sockets import open_socket


@pytest.fixture
def busy_host(wired):
    """eth1 beside a bridge with things of its own, and a twin of the same MAC."""
    wired.ip(
        """link property add dev eth1 altname enp0s1-which-is-longer-than-fifteen
        link add twin0 link eth1 address 52:54:00:12:34:56 type macvlan
        link add br7 type bridge
        link set br7 up
        addr add 192.0.2.1/24 dev eth1
        addr add 198.51.100.1/24 dev br7
        addr add fd00::1/64 dev eth1 nodad
        route add 10.0.0.0/8 via 198.51.100.2
        rule add pref 9 iif br7 lookup 100
        rule add pref 10 iif eth1 lookup 100
        neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev br7 nud permanent"""
    )
    return wired


async def test_view_is_of_that_link_only(busy_host):
    async with open_netlink(busy_host) as nl:
        view = await read_view(nl, "eth1")
    assert {str(address.interface) for address in view.addresses if not address.interface.is_link_local} == {
        "192.0.2.1/24",
        "fd00::1/64",
    }
    assert all(route.uses(view.link.index) for route in view.routes)
    assert not {"10.0.0.0/8", "198.51.100.0/24"} & {str(route.prefix) for route in view.routes}
    assert [rule.priority for rule in view.rules] == [10]
    assert view.neighbours == ()


async def test_what_leads_nowhere_is_of_every_view_whatever_its_table(busy_host):
    busy_host.ip("route add blackhole 203.0.113.0/24\n route add prohibit 203.0.114.0/24 table 4711")
    busy_host.ip("route add unreachable 2001:db8::/32 table 4294967295\n route add 203.0.115.0/24 dev br7 table 4711")
    async with open_netlink(busy_host) as nl:
        view = await read_view(nl, "eth1")
    nowhere = {(route.table, str(route.prefix), route.type) for route in view.routes if route.leads_nowhere}
    assert nowhere == {(254, "203.0.113.0/24", 6), (4711, "203.0.114.0/24", 8), (0xFFFFFFFF, "2001:db8::/32", 7)}
    assert "203.0.115.0/24" not in {str(route.prefix) for route in view.routes}


async def test_rules_that_look_a_table_up_are_read_whatever_link_they_are_about(busy_host):
    busy_host.ip("rule add from 10.0.0.0/8 to 10.9.0.0/16 fwmark 0x7 tos 0x10 lookup 4711 pref 11")
    busy_host.ip("-6 rule add not from fd00::/64 oif br7 lookup 4294967295 pref 12")
    busy_host.ip("rule add from 10.0.0.0/8 blackhole pref 13")
    async with open_netlink(busy_host) as nl:
        rules = [(int(one.family), one.priority, one.table, one.text) for one in await read_policy(nl)]
    assert rules == [
        (4, 0, 255, "0: from all lookup 255"),
        (4, 9, 100, "9: from all iif br7 lookup 100"),
        (4, 10, 100, "10: from all iif eth1 lookup 100"),
        (4, 11, 4711, "11: from 10.0.0.0/8 to 10.9.0.0/16 tos 0x10 fwmark 0x7 lookup 4711"),
        (4, 32766, 254, "32766: from all lookup 254"),
        (4, 32767, 253, "32767: from all lookup 253"),
        (6, 0, 255, "0: from all lookup 255"),
        (6, 12, 0xFFFFFFFF, "12: not from fd00::/64 oif br7 lookup 4294967295"),
        (6, 32766, 254, "32766: from all lookup 254"),
    ]


async def test_link_that_is_not_there_has_no_view(host):
    async with open_netlink(host) as nl:
        assert await read_view(nl, "eth1") is None
        assert await read_view(nl, 4711) is None


async def test_view_by_name_altname_and_index_is_the_same(busy_host):
    async with open_netlink(busy_host) as nl:
        by_name = await read_view(nl, "eth1")
        by_index = await read_view(nl, by_name.link.index)
        by_altname = await read_view(nl, "enp0s1-which-is-longer-than-fifteen")
    assert by_name.link == by_index.link == by_altname.link
    assert by_name.addresses == by_altname.addresses


async def test_links_are_found_by_each_property(busy_host):
    async with open_netlink(busy_host) as nl:
        eth1 = await read_link(nl, "eth1")
        assert await find_link(nl, name="eth1") == eth1
        assert await find_link(nl, name="enp0s1-which-is-longer-than-fifteen") == eth1
        assert await find_link(nl, mac="52:54:00:12:34:56".upper()) == eth1, "and not its macvlan"
        assert await find_link(nl, mac="52:54:00:12:34:56", name="twin0") == await read_link(nl, "twin0")
        assert await find_link(nl, name="br7", mac="52:54:00:12:34:56") is None
        assert await find_link(nl, pci="0000:00:03.0") is None
        with pytest.raises(ValueError, match="a property to go by"):
            await find_link(nl)


async def test_default_route_with_the_lowest_metric_wins_and_ipv4_comes_first(busy_host):
    async with open_netlink(busy_host) as nl:
        assert await find_link(nl, default_route=True) is None
        busy_host.ip("-6 route add default via fd00::fe dev eth1")
        assert (await find_link(nl, default_route=True)).name == "eth1"
        busy_host.ip("route add default via 198.51.100.2 metric 200\n route add blackhole default metric 5")
        assert (await find_link(nl, default_route=True)).name == "br7"
        busy_host.ip("route add default via 192.0.2.2 metric 100\n route add default via 198.51.100.2 table 100")
        assert (await find_link(nl, default_route=True)).name == "eth1"


async def test_view_is_never_half_of_a_change(wired):
    """Somebody adds and deletes an address all the time: it is in a view with its local route, or neither is."""
    async with open_netlink(wired) as nl, open_netlink(wired) as other:
        index = (await read_link(nl, "eth1")).index
        address = Address(ip_interface("192.0.2.1/24"))
        seen = set()

        async def flip() -> None:
            while True:
                await apply_host(other, [op.AddHostAddress(index, address)])
                await trio.sleep(0.004)
                await apply_host(other, [op.DeleteHostAddress(index, address)])
                await trio.sleep(0.004)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flip)
            with trio.move_on_after(20):
                while len(seen) < 2:
                    for _ in range(25):
                        try:
                            view = await read_view(nl, "eth1")
                        except ReadUnsteady:
                            continue
                        has_address = any(each.interface == address.interface for each in view.addresses)
                        has_route = any(str(route.prefix) == "192.0.2.1/32" for route in view.routes)
                        assert has_address == has_route
                        seen.add(has_address)
            nursery.cancel_scope.cancel()
    assert seen == {True, False}, "both were met, so the views are not of one moment for ever"


class TearingSocket:
    """The real one, but the first answer to each kind of dump is torn: some parts are missing, and it says so."""

    def __init__(self, sock):
        self.sock = sock
        self.asked = Counter()
        self.tearing = False

    def fileno(self):
        return self.sock.fileno()

    async def send(self, data):
        _size, kind, flags = struct.unpack_from("=IHH", data)
        dump = flags & uapi.NLM_F_DUMP == uapi.NLM_F_DUMP
        if dump:
            self.asked[kind, data[16:]] += 1
        self.tearing = dump and self.asked[kind, data[16:]] == 1
        return await self.sock.send(data)

    async def recvmsg(self, size):
        data, *rest = await self.sock.recvmsg(size)
        if not self.tearing:
            return data, *rest
        kept, offset = b"", 0
        while offset < len(data):
            length, kind, flags, *ids = struct.unpack_from("=IHHII", data, offset)
            if kind == uapi.NLMSG_DONE:
                head = struct.pack("=IHHII", length, kind, flags | uapi.NLM_F_DUMP_INTR, *ids)
                kept += head + data[offset + 16 : offset + length]
            offset += (length + 3) & ~3
        return kept, *rest


async def test_a_look_with_interrupted_dumps_is_the_look_without(busy_host):
    """NLM_F_DUMP_INTR on each dump of it: all are read again, and nothing of what was torn is in the view."""
    with open_socket(busy_host) as sock:
        namespace_fd = open_file(busy_host)
        try:
            torn = TearingSocket(sock)
            view = await read_view(Netlink(torn, busy_host, namespace_fd), "eth1")
        finally:
            os.close(namespace_fd)
    async with open_netlink(busy_host) as nl:
        assert view == await read_view(nl, "eth1")
    assert len({kind for kind, _ in torn.asked}) >= 4
    assert set(torn.asked.values()) == {2}


async def test_what_never_holds_still_is_a_typed_error(wired):
    async with open_netlink(wired) as nl, open_netlink(wired) as other:
        index = (await read_link(nl, "eth1")).index

        async def flip() -> None:
            while True:
                for mtu_bytes in (1400, 1500):
                    await apply_host(other, [op.SetHostLink(index, mtu_bytes=mtu_bytes)])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flip)
            with pytest.raises(ReadUnsteady, match="interface eth1 changed during each of 10 attempts"):
                await read_view(nl, "eth1")
            nursery.cancel_scope.cancel()


async def test_pouring_in_routes_does_not_stop_a_view(wired):
    """A routing daemon at work: what stood throughout is in the view, whatever else came and went."""
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_netlink(wired) as nl, open_netlink(wired) as other:
        index = (await read_link(nl, "eth1")).index
        hops = (NextHop(index, ip_address("192.0.2.254")),)
        stable = [Route(ip_network((0x0A000000 + (n << 9), 24)), 254, hops, protocol=4) for n in range(500)]
        moving = [Route(ip_network((0x0A000000 + (n << 9) + 256, 24)), 254, hops, protocol=4) for n in range(100)]
        assert await apply_host(nl, [op.AddHostRoute(index, index, route) for route in stable]) == []

        async def pour() -> None:
            while True:
                for route in moving:
                    await apply_host(other, [op.AddHostRoute(index, index, route)])
                    await apply_host(other, [op.DeleteHostRoute(index, route)])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            view = await read_view(nl, "eth1")
            nursery.cancel_scope.cancel()
    assert set(stable) <= set(view.routes)


async def test_change_of_another_link_is_no_reason_to_read_again(wired):
    """Pods come and go on a node all the time."""
    async with open_netlink(wired) as nl, open_netlink(wired) as other:
        wired.ip("link add br7 type bridge")
        index = (await read_link(nl, "br7")).index
        changes = 0

        async def churn() -> None:
            nonlocal changes
            while True:
                for up in (True, False):
                    await apply_host(other, [op.SetHostLink(index, up=up)])
                    changes += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(churn)
            for _ in range(5):
                assert (await read_view(nl, "eth1")).link.name == "eth1"
            nursery.cancel_scope.cancel()
    assert changes > 5
