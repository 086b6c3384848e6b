"""The view of one link: whole, of one moment, and of no other link; and how a link is found."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import tracemalloc
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface, ip_network
from itertools import cycle
from random import Random

import pytest
import trio

from hostlink.core import operations as op
from hostlink.core.model import RTN_NOWHERE, Address, NextHop, Route
from hostlink.core.route_set import RouteSet, by_key
from hostlink.kernel import snapshot, uapi
from hostlink.kernel.apply import apply_host
from hostlink.kernel.errors import ReadUnsteady
from hostlink.kernel.known_routes import Before
from hostlink.kernel.namespace import open_file
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import find_link, read_link, read_policy, read_view
from hostlink.kernel.sockets import opened
from hostlink.kernel.watcher import Changed, open_watcher
from hostlink.lab.factor import deadline_factor
from tests.kernel.meddling import meddled
from tests.kernel.test_netlink import blackhole


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


@pytest.mark.parametrize(("large", "is_long"), [(5, True), (50, False)])
async def test_beside_a_full_table_the_few_that_lead_nowhere_are_searched_for_by_a_thread(
    busy_host, monkeypatch, large, is_long
):
    """Of both families those of the link, then each type that leads nowhere."""
    asked, dump_to = [], Netlink.dump_to

    async def noted(self, request, *rest, **more):
        asked.append(request.is_long)
        return await dump_to(self, request, *rest, **more)

    busy_host.ip("".join(f"route add 10.9.{number}.0/24 via 192.0.2.2\n" for number in range(9)))
    monkeypatch.setattr(Netlink, "dump_to", noted)
    monkeypatch.setattr(snapshot, "LARGE", large)
    async with open_netlink(busy_host) as nl:
        await read_view(nl, "eth1")
    assert asked == [False] * 2 + [is_long] * 2 * len(RTN_NOWHERE)


@pytest.mark.parametrize(("expected", "dumps"), [(9, 2), (4, 2 + 2 * len(RTN_NOWHERE))])
async def test_where_many_are_expected_all_are_dumped_at_once(busy_host, monkeypatch, expected, dumps):
    """And what is read is the same: what leads nowhere comes among them, and others' routes are left out."""
    asked, dump_to = [], Netlink.dump_to

    async def noted(self, request, *rest, **more):
        asked.append(request)
        return await dump_to(self, request, *rest, **more)

    busy_host.ip("".join(f"route add 10.9.{number}.0/24 via 192.0.2.2\n" for number in range(9)))
    busy_host.ip("route add blackhole 10.8.0.0/24")
    async with open_netlink(busy_host) as nl:
        wanted = await read_view(nl, "eth1")
        monkeypatch.setattr(Netlink, "dump_to", noted)
        monkeypatch.setattr(snapshot, "LARGE", 5)
        found = await read_view(nl, "eth1", expected=expected)
        asked_anew = len(asked)
        again = await read_view(nl, "eth1", before=Before(RouteSet()), expected=expected)
    assert (asked_anew, len(asked)) == (dumps, 2 * dumps)
    assert by_key(found.routes) == by_key(again.routes) == by_key(wanted.routes)


async def test_of_a_full_table_only_the_default_routes_are_kept(busy_host):
    busy_host.ip("route add default dev br7")
    async with open_netlink(busy_host) as nl:
        assert await nl.requests([blackhole(number) for number in range(20_000)]) == [None] * 20_000
        tracemalloc.start()
        try:
            assert (await find_link(nl, default_route=True)).name == "br7"
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak_bytes < 2_000_000, "each message by itself is 200 bytes and more"


async def test_default_route_with_the_lowest_metric_wins_and_ipv4_comes_first(busy_host):
    async with open_netlink(busy_host) as nl:
        assert await find_link(nl, default_route=True) is None
        busy_host.ip("-6 route add default via fd00::fe dev eth1")
        assert (await find_link(nl, default_route=True)).name == "eth1"
        busy_host.ip("route add default via 198.51.100.2 metric 200\n route add blackhole default metric 5")
        assert (await find_link(nl, default_route=True)).name == "br7"
        busy_host.ip("route add default via 192.0.2.2 metric 100\n route add default via 198.51.100.2 table 100")
        assert (await find_link(nl, default_route=True)).name == "eth1"


async def _unmeddled() -> None:
    pass


async def test_view_is_never_half_of_a_change(wired):
    """An address comes or goes between any two requests of a look: it is in the view with its route, or neither is."""
    address = Address(ip_interface("192.0.2.1/24"))
    async with open_netlink(wired) as other:
        index = (await read_link(other, "eth1")).index
        operations = (op.AddHostAddress(index, address), op.DeleteHostAddress(index, address))
        async with meddled(wired, _unmeddled, before_request=0) as (nl, counted):
            await read_view(nl, "eth1")
        assert counted.requests > 10
        for number in range(1, counted.requests + 1):
            for operation in operations:

                async def change(operation=operation) -> None:
                    assert await apply_host(other, [operation]) == []

                async with meddled(wired, change, before_request=number) as (nl, _):
                    view = await read_view(nl, "eth1")
                has_address = any(each.interface == address.interface for each in view.addresses)
                has_route = any(str(route.prefix) == "192.0.2.1/32" for route in view.routes)
                added = operation is operations[0]
                assert (has_address, has_route) == (added, added), f"{operation} before request {number}"


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
    async with opened(busy_host) as sock:
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

        mtus = cycle((1400, 1500))

        async def flip() -> None:
            await apply_host(other, [op.SetHostLink(index, mtu_bytes=next(mtus))])

        unsteady = pytest.raises(ReadUnsteady, match="interface eth1 changed during each of 10 attempts")
        async with meddled(wired, flip) as (nl, _):
            with unsteady:
                await read_view(nl, "eth1")


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


CHURN = {
    "addresses": [f"addr {verb} 10.98.0.{n}/32 dev br7" for n in range(1, 100) for verb in ("add", "del")],
    "addresses of IPv6": [f"addr {verb} fd98::{n}/128 dev br7 nodad" for n in range(1, 100) for verb in ("add", "del")],
    "routes": [f"route {verb} 10.98.{n}.0/24 via 10.99.0.2" for n in range(1, 100) for verb in ("add", "del")],
    "links": ["link add come0 type bridge", "link set come0 up", "link del come0"] * 10,
    "rules": [f"rule {verb} pref {n} iif br7 lookup 100" for n in range(1, 100) for verb in ("add", "del")],
}
"""What another link does, as fast as `ip -batch` can."""
SMALL_BYTES = 1 << 14
"""Some ten notifications."""


@contextmanager
def churn(namespace, directory, what):
    """It goes on, in a process of its own, for as long as the block."""
    (directory / "churn").write_text("\n".join(CHURN[what] * 20) + "\n")
    loop = f"while ip -n {namespace} -force -batch {directory}/churn; do :; done"
    with subprocess.Popen(["sh", "-c", loop], start_new_session=True) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


async def _overflows(watcher) -> None:
    """Wait until what other links do is more than that watcher holds."""
    with trio.fail_after(30 * deadline_factor()):
        while Changed("overflow") not in await watcher.pending():  # noqa: ASYNC110 — who waited for it would read it
            await trio.sleep(0.2)  # nobody reads meanwhile


@pytest.mark.parametrize("what", CHURN)
async def test_what_other_links_do_however_fast_keeps_nobody_from_a_view(wired, tmp_path, what):
    """F27: with a socket so small that it would overflow in each look. Changes of the link itself are in the next."""
    wired.ip("link add br7 type bridge\n link set br7 up\n addr add 10.99.0.1/24 dev br7")
    async with open_netlink(wired) as nl:
        with churn(wired, tmp_path, what) as process:
            async with open_watcher(wired, receive_buffer_bytes=SMALL_BYTES) as watcher:
                await _overflows(watcher)
            for number in range(1, 6):
                wired.ip(f"addr add 192.0.2.{number}/32 dev eth1")
                view = await read_view(nl, "eth1", heard_bytes=SMALL_BYTES)
                assert ip_interface(f"192.0.2.{number}/32") in {address.interface for address in view.addresses}
            assert process.poll() is None


async def _heard(watcher, wanted) -> None:
    """An address of IPv6 is announced a moment later."""
    with trio.fail_after(5 * deadline_factor()):
        while wanted not in await watcher.pending():  # noqa: ASYNC110 — as a look does
            await trio.sleep(0.01)


async def test_filter_leaves_what_is_of_the_link_and_what_may_be(wired):
    """One of each kind for eth1 and for br7: of br7 only what says no link is heard."""
    wired.ip("link add br7 type bridge\n link set br7 up")
    async with open_netlink(wired) as nl, open_watcher(wired) as watcher:
        eth1, br7 = (await read_link(nl, "eth1")).index, (await read_link(nl, "br7")).index
        await watcher.only_about(eth1)
        wired.ip("link set br7 mtu 1400\n addr add 198.51.100.1/24 dev br7\n route add 10.7.0.0/16 via 198.51.100.2")
        wired.ip("addr add fd07::1/64 dev br7 nodad\n route add 10.8.0.0/16 dev br7")
        assert [one for one in await watcher.pending() if one.link_index == br7] == []
        for command, kind in (
            ("link set eth1 mtu 1400", "link"),
            ("addr add 192.0.2.1/24 dev eth1", "address"),
            ("addr add fd00::1/64 dev eth1 nodad", "address"),
            ("route add 10.9.0.0/16 via 192.0.2.2", "route"),
            ("route del 10.9.0.0/16", "route"),
            ("-6 route add fd09::/64 via fd00::2", "route"),
            ("addr del 192.0.2.1/24 dev eth1", "address"),
        ):
            wired.ip(command)
            await _heard(watcher, Changed(kind, eth1))
        for command, kind in (
            ("rule add pref 9 iif br7 lookup 100", "rule"),
            ("nexthop add id 7 dev br7", "nexthop"),
            ("route add 10.10.0.0/16 nexthop via 198.51.100.2 nexthop via 198.51.100.3", "route"),
        ):
            wired.ip(command)
            await _heard(watcher, Changed(kind))
        await watcher.only_about(eth1, link_alone=True)
        wired.ip("rule del pref 9\n route del 10.10.0.0/16\n nexthop del id 7\n route add blackhole 10.11.0.0/16")
        assert await watcher.pending() == []
        wired.ip("addr add 192.0.2.3/24 dev eth1\n link set eth1 down")
        assert {one.link_index for one in await watcher.pending()} == {eth1}


async def test_more_routes_of_ipv6_than_a_part_holds_beside_others_that_come_and_go(wired):
    """The kernel goes on by their number: each part that follows a change leaves some out, or gives them twice."""
    wired.ip("link add br7 type bridge\n link set br7 up\n addr add fd01::1/48 dev br7 nodad")
    wired.ip("addr add fd02::1/48 dev eth1 nodad\n -6 route add fd02:2::/64 via fd02::2 expires 1000")
    async with open_netlink(wired) as nl, open_netlink(wired) as other:
        eth1, br7 = (await read_link(nl, "eth1")).index, (await read_link(nl, "br7")).index
        wanted = [_route6(0xFD02_0001_0000_0000 + n, eth1, "fd02::2") for n in range(1000)]
        others = [_route6(0xFD01_0001_0000_0000 + n, br7, "fd01::2") for n in range(50)]
        late = _route6(0xFD01_0002_0000_0000, br7, "fd01::2")
        assert await apply_host(nl, [op.AddHostRoute(eth1, eth1, route) for route in wanted]) == []
        assert await apply_host(nl, [op.AddHostRoute(br7, br7, route) for route in others]) == []
        there, chance = True, Random(4)

        async def meddle() -> None:
            """What is added makes the kernel begin at the root again, and so is done last."""
            nonlocal there
            if chance.random() < 0.3:
                return
            gone, come = (others, [late]) if there else ([late], others)
            there = not there
            plan = [op.DeleteHostRoute(br7, route) for route in gone]
            assert await apply_host(other, [*plan, *(op.AddHostRoute(br7, br7, route) for route in come)]) == []

        async with meddled(wired, meddle) as (torn, _):
            view = await read_view(torn, "eth1")
    found = Counter(str(route.prefix) for route in view.routes)
    assert [found["fd02:2::/64"], *(found[str(route.prefix)] for route in wanted)] == [1] * 1001


def _route6(high, link_index, gateway):
    return Route(
        ip_network((high << 64, 64)), 254, (NextHop(link_index, ip_address(gateway)),), metric=1024, protocol=4
    )
