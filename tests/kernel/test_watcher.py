"""Notifications: what they say, how many there are, and that an overflow (F27) is one of them and not the end."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import trio
import trio.testing

from hostlink.core.model import NextHop, Route
from hostlink.core.operations import AddHostRoute
from hostlink.kernel import uapi
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import Changed, open_netlink, open_watcher
from hostlink.kernel.snapshot import read_link
from hostlink.kernel.watcher import WITH_NEIGHBOURS, Watcher

SETTLED_S = 0.2
"""The kernel's work queue has had its turn."""


async def until(watcher, wanted: Changed) -> None:
    with trio.fail_after(5):
        async for changed in watcher:
            if changed == wanted:
                return


async def test_each_kind_names_its_link(wired):
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
    async with open_watcher(wired, WITH_NEIGHBOURS) as watcher:
        wired.ip("link set eth1 mtu 1400")
        await until(watcher, Changed("link", index))
        wired.ip("addr add 192.0.2.1/24 dev eth1")
        await until(watcher, Changed("address", index))
        wired.ip("route add 198.51.100.0/24 via 192.0.2.2")
        await until(watcher, Changed("route", index))
        wired.ip("rule add pref 9 iif eth1 lookup 100")
        await until(watcher, Changed("rule", None))
        wired.ip("-6 rule add pref 9 from fd00::/64 lookup 100")
        await until(watcher, Changed("rule", None))
        wired.ip("rule del pref 9")
        await until(watcher, Changed("rule", None))
        wired.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth1")
        await until(watcher, Changed("neighbour", index))


async def test_a_link_that_was_down_between_is_said_to_be_so(wired):
    """F35: up again at once, it has lost its routes all the same, IPv4's without a word."""
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
    async with open_watcher(wired) as watcher:
        wired.ip("link set eth1 mtu 1400")
        assert await watcher.pending() == [Changed("link", index)]
        wired.ip("link set eth1 down\n link set eth1 up")
        said = await watcher.pending()
        assert {Changed("down", index), Changed("link", index)} <= set(said)


async def test_multipath_route_may_concern_any_link(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_watcher(wired) as watcher:
        wired.ip("route add 198.51.100.0/24 nexthop via 192.0.2.2 nexthop via 192.0.2.3")
        await until(watcher, Changed("route", None))


async def test_what_is_queued_is_said_once(wired):
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
    async with open_watcher(wired) as watcher:
        wired.ip("link set eth1 mtu 1400\n link set eth1 mtu 1401\n link set eth1 mtu 1402")
        assert await watcher.pending() == [Changed("link", index)]
        assert await watcher.pending() == []


async def test_nothing_is_left_behind_others_noise(wired):
    """Thousands of routes of another link queue up before the one change that matters."""
    wired.ip("link add br7 type bridge\n link set br7 addrgenmode none up\n addr add 198.51.100.1/24 dev br7")
    async with open_netlink(wired) as nl, open_watcher(wired) as watcher:
        index = (await read_link(nl, "br7")).index
        hops = (NextHop(index, ip_address("198.51.100.2")),)
        routes = [Route(ip_network((0x0A000000 + (n << 8), 24)), 254, hops) for n in range(2000)]
        assert await apply_host(nl, [AddHostRoute(index, index, route) for route in routes]) == []
        wired.ip("rule add pref 9 iif eth1 lookup 100")
        assert (await watcher.pending())[-1] == Changed("rule", None)
        assert await watcher.pending() == []


async def test_f27_overflow_is_said_and_watching_goes_on(wired):
    """F27: a burst larger than the buffer. Messages are lost for ever; that they are must be heard."""
    async with open_watcher(wired, receive_buffer_bytes=4096) as watcher:
        wired.ip("\n".join(f"addr add 10.0.{n}.1/24 dev eth1" for n in range(40)))
        with trio.fail_after(5):
            heard = [await anext(watcher)]
            while Changed("overflow") not in heard:
                heard.append(await anext(watcher))
        wired.ip("rule add pref 9 iif eth1 lookup 100")
        await until(watcher, Changed("rule", None))


async def test_without_an_overflow_none_is_said(wired):
    async with open_watcher(wired) as watcher:
        wired.ip("\n".join(f"addr add 10.0.{n}.1/24 dev eth1" for n in range(40)))
        assert Changed("overflow") not in await watcher.pending()


async def test_link_of_another_namespace_is_not_heard(wired, away):
    async with open_watcher(away) as watcher:
        wired.ip("link set eth1 mtu 1400")
        assert await watcher.pending() == []


async def test_leaving_link_is_heard(wired, away):
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
    async with open_watcher(wired) as watcher:
        wired.ip(f"link set eth1 netns {away}")
        await until(watcher, Changed("link", index))


async def test_waits_for_what_comes_later(host):
    heard: list[Changed] = []

    async def listen(task_status=trio.TASK_STATUS_IGNORED) -> None:
        async with open_watcher(host) as watcher:
            task_status.started()
            heard.append(await anext(watcher))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            await trio.testing.wait_all_tasks_blocked()
            assert heard == []
            host.ip("rule add pref 9 iif eth1 lookup 100")
    assert heard == [Changed("rule", None)]


async def test_a_refresh_of_lifetimes_alone_is_not_said(wired):
    """F15: router advertisements refresh them many times a second; anything else about an address is said.

    nodad: of a tentative address the kernel itself says nothing. It announces some of them from a work queue, which on
    a busy machine runs after `ip` has ended.
    """
    async with open_netlink(wired) as nl:
        changed = Changed("address", (await read_link(nl, "eth1")).index)
    add = "addr add 2001:db8::1/64 dev eth1 nodad valid_lft 600 preferred_lft 300"
    refresh = "addr change 2001:db8::1/64 dev eth1 nodad valid_lft 900 preferred_lft 450"
    async with open_watcher(wired) as watcher:
        for script, said in (
            (add, True),
            (refresh, False),
            (f"{refresh}\n {refresh}", False),
            ("addr change 2001:db8::1/64 dev eth1 nodad valid_lft forever preferred_lft forever", True),
            (refresh, True),
            ("addr change 2001:db8::1/64 dev eth1 nodad valid_lft 900 preferred_lft 0", True),
            ("addr del 2001:db8::1/64 dev eth1", True),
            (add, True),
        ):
            wired.ip(script)
            if said:
                await until(watcher, changed)
                await trio.sleep(SETTLED_S)
                await watcher.pending()
            else:
                await trio.sleep(SETTLED_S)
                assert changed not in await watcher.pending(), script


async def test_what_one_link_says_again_and_again_is_looked_into_once(wired, monkeypatch):
    """F27: another link's addresses come and go without end. To look into each kept the loop from everything else; and
    what a third link says in the middle of it is heard."""
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
        wired.ip("link add eth9 type bridge")
        other = (await read_link(nl, "eth9")).index
    looked_into = []
    read = Watcher._read
    monkeypatch.setattr(Watcher, "_read", lambda self, data: looked_into.append(data) or read(self, data))
    lines = [f"addr {verb} 10.98.0.{number}/32 dev eth9" for number in range(1, 50) for verb in ("add", "del")]
    async with open_watcher(wired, (uapi.RTNLGRP_IPV4_IFADDR,)) as watcher:
        wired.ip("\n".join([*lines, "addr add 192.0.2.1/24 dev eth1", *lines]))
        assert await watcher.pending() == [Changed("address", other), Changed("address", index)]
    assert 1 < len(looked_into) < 20


async def test_what_was_not_looked_into_is_no_refresh_later(wired):
    """An address that was deprecated, which was passed over as its link had been told, and is preferred again."""
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
    one, forever = "addr change fd00:98::1/64 dev eth1", "addr change fd00:98::1/64 dev eth1 preferred_lft forever"
    wired.ip("addr add fd00:98::1/64 dev eth1 nodad")
    async with open_watcher(wired, (uapi.RTNLGRP_IPV6_IFADDR,)) as watcher:
        wired.ip(forever)
        assert await watcher.pending() == [Changed("address", index)]
        wired.ip(f"addr add fd00:98::2/64 dev eth1 nodad\n {one} preferred_lft 0")
        assert await watcher.pending() == [Changed("address", index)]
        wired.ip(forever)
        assert await watcher.pending() == [Changed("address", index)]
