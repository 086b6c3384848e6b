"""A whole look beside what was known, on a real kernel: it can be wished for, and is in the kernel's order."""

from __future__ import annotations

import subprocess

import pytest
import trio

from hostlink.core.desired import vpp_desired
from hostlink.core.desired_routes import translator_for
from hostlink.core.model import HostView
from hostlink.core.route_book import Packed, RouteBook
from hostlink.core.route_set import by_key, prefix_at
from hostlink.kernel import snapshot
from hostlink.kernel.alike import Alikes
from hostlink.kernel.known_routes import Before
from hostlink.kernel.netlink import open_netlink, open_watcher
from hostlink.kernel.snapshot import read_view


@pytest.fixture
def full(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1\n addr add 198.51.100.1/24 dev eth1")
    lines = [f"route add 20.0.{number}.0/24 via 192.0.2.{2 + number % 3} dev eth1" for number in range(200)]
    lines += ["route add 21.0.0.0/24 via 198.51.100.2 dev eth1"]
    batch(wired, "\n".join(lines))
    return wired


def batch(namespace, lines):
    subprocess.run(["ip", "-n", str(namespace), "-batch", "-"], input=lines.encode(), check=True)


CHANGES = {
    "nothing": "",
    "a route goes": "route del 20.0.7.0/24",
    "an address goes, and a route without a word": "addr del 198.51.100.1/24 dev eth1",
    "a route is appended, which the kernel does not go by": "route append 20.0.9.0/24 via 192.0.2.99 dev eth1",
    "a route is put before": "route prepend 20.0.9.0/24 via 192.0.2.99 dev eth1",
    "one by several ways is appended": "route append 20.0.9.0/24 nexthop via 192.0.2.98 nexthop via 192.0.2.99",
    "a blackhole is appended": "route append blackhole 20.0.9.0/24",
    "a blackhole is put before": "route prepend blackhole 20.0.9.0/24",
    "another kind comes": "route add 22.0.0.0/24 via 192.0.2.2 dev eth1 mtu 1400",
}
SHARED = ("nothing", "another kind comes")
"""After which all that was known is as it was."""


@pytest.mark.parametrize("large", [False, True], ids=["", "large"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("forgot", [False, True], ids=["known", "kinds forgotten"])
async def test_it_is_as_a_look_alone(full, change, forgot, large, monkeypatch):
    """large: what the link has is so much that all links' routes are dumped."""
    monkeypatch.setattr(snapshot, "LARGE", 100 if large else 10_000)
    alikes = Alikes()
    async with open_netlink(full) as nl:
        before = await look(nl, alikes)
        if CHANGES[change]:
            full.ip(CHANGES[change])
        if forgot:  # as after ten thousand of them (kernel/alike.py)
            alikes._by_cut.clear()
        beside = await look(nl, alikes, before)
        alone = await look(nl, Alikes())
    assert by_key(beside.routes) == by_key(alone.routes)
    assert (beside.routes.alike is before.routes.alike) is (change in SHARED and not forgot)
    assert wish(beside) == wish(alone)


async def look(nl, alikes, before=None) -> HostView:
    return await read_view(nl, "eth1", alikes=alikes, before=None if before is None else Before(before.routes))


def wish(view):
    wanted, problems = vpp_desired(view, uplink_sw=1, host_sw=2)
    routes = {(route.table_id, route.prefix): route.paths for route in wanted.routes}
    routes |= {(0, prefix_at(place)): paths for place, paths in wanted.packed.items()}
    return routes, sorted(problem.detail for problem in problems)


OTHERS = """link add br9 type bridge
 link set br9 addrgenmode none up
 addr add 203.0.113.1/24 dev br9
 nexthop add id 7 via 203.0.113.7 dev br9
 nexthop add id 8 via 192.0.2.8 dev eth1
 nexthop add id 9 blackhole
 -6 nexthop add id 10 blackhole
 route add 23.0.0.0/24 nhid 7
 route add 23.0.9.0/24 nhid 9
 -6 route add 2001:db8:9::/48 nhid 10
 route add 23.0.1.0/24 nhid 8
 route add 23.0.2.0/24 nexthop via 192.0.2.2 nexthop via 203.0.113.2
 route add 23.0.3.0/24 via 203.0.113.2 table 100
 route add 23.0.4.0/24 via 192.0.2.2 table 100
 route add blackhole 23.0.5.0/24 table 100
 route add 20.0.3.0/24 via 203.0.113.2 metric 5
 -6 route add 2001:db8:7::/48 dev br9
 -6 route add unreachable 2001:db8:8::/48"""


@pytest.mark.parametrize("compatible", ["0", "1"])
@pytest.mark.parametrize("many", [0, 3000])
async def test_what_others_have_is_left_out_of_a_dump_of_all_links(full, compatible, many, monkeypatch):
    """Bridges' full tables, nexthop objects that are only named, several ways of which one is ours, other tables."""
    full.sysctl("ipv4/nexthop_compat_mode", compatible)
    full.ip(OTHERS)
    lines = "\n".join(f"route add 24.0.{n >> 8}.{n & 255}/32 via 203.0.113.{2 + n % 5} dev br9" for n in range(many))
    batch(full, lines)
    alikes = Alikes()
    async with open_netlink(full) as nl:
        before = await look(nl, alikes)
        monkeypatch.setattr(snapshot, "LARGE", 100)
        large = await look(nl, alikes, before)
        alone = await look(nl, Alikes())
    assert by_key(large.routes) == by_key(alone.routes)
    assert wish(large) == wish(alone)
    assert len(large.routes) < 300


async def test_a_long_dump_is_read_ahead_and_may_be_left_in_the_middle(full):
    """It is read in a thread: what was not read when somebody gives up is dropped, and the next one is whole."""
    lines = "\n".join(f"route add 24.{n >> 8}.{n & 255}.0/24 via 192.0.2.{2 + n % 5} dev eth1" for n in range(20_000))
    batch(full, lines)
    alikes = Alikes()
    async with open_netlink(full) as nl:
        for most_s in (0.001, 0.003, 0.01, 0.02, 0.04, 0.06):
            with trio.move_on_after(most_s):
                await look(nl, alikes)
        assert len((await look(nl, alikes)).routes) > 20_000
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(look, nl, alikes)


@pytest.mark.parametrize(("verb", "first"), [("prepend", True), ("append", False)])
async def test_a_blackhole_beside_another_route_is_where_the_kernel_has_it(full, verb, first):
    """Of one destination, metric and TOS the kernel goes by the first: `ip route get` says by which."""
    full.ip(f"route {verb} blackhole 20.0.9.0/24")
    async with open_netlink(full) as nl:
        view = await look(nl, Alikes())
    there = [route for route in view.routes if str(route.prefix) == "20.0.9.0/24"]
    assert [route.leads_nowhere for route in there] == [first, not first]
    paths = wish(view)[0][0, there[0].prefix]
    assert (paths[0].next_hop is None) is first


async def test_one_that_moves_to_another_link_spoils_nothing(full, monkeypatch):
    """F30: followed, and the next look of a full table finds all of the rest as it was (found by a review)."""
    monkeypatch.setattr(snapshot, "LARGE", 100)
    full.ip("link add br9 type bridge\n link set br9 addrgenmode none up\n addr add 203.0.113.1/24 dev br9")
    alikes = Alikes()
    async with open_netlink(full) as nl, open_watcher(full, routes=True) as watcher:
        view = await look(nl, alikes)
        wanted, _ = vpp_desired(view, uplink_sw=1, host_sw=2)
        translator = translator_for(view, wanted.uplink.addresses, 1, ())
        packed = Packed(view.routes.alike, wanted.packed, view.routes.kinds, wanted.ways)
        book = RouteBook(view.routes.apart, wanted.routes, translator, alike=alikes.of, packed=packed)
        await watcher.pending()
        full.ip("route replace 20.0.7.0/24 via 203.0.113.2 dev br9")
        (changed,) = await watcher.pending()
        assert book.fold_all(alikes.read(changed.routes))
        _, (gone,) = book.settle(book.touched())
        assert str(gone.prefix) == "20.0.7.0/24"
        book.settle_places(book.touched_places())
        known = book.known()
        again = await read_view(nl, "eth1", alikes=alikes, before=Before(known.routes))
    assert known.is_of(again.routes)


@pytest.mark.parametrize(("change", "is_shared"), [("", True), ("route del 20.0.7.0/24", False)])
async def test_what_was_read_in_vain_is_let_go_of_and_what_was_known_is_not(full, change, is_shared, monkeypatch):
    """An address comes while it is read for the first time. Of two full tables at once nobody needs the first."""
    read_once, views, alikes = snapshot._read_once, [], Alikes()

    async def disturbed(*args):
        views.append(await read_once(*args))
        if len(views) == 2:
            full.ip("addr add 192.0.2.77/24 dev eth1")
        return views[-1]

    monkeypatch.setattr(snapshot, "_read_once", disturbed)
    async with open_netlink(full) as nl:
        known = await look(nl, alikes)
        count = len(known.routes.alike)
        if change:
            full.ip(change)
        found = await look(nl, alikes, known)
        alone = await look(nl, Alikes())
    _, in_vain, _, _ = (view.routes.alike for view in views)
    assert ((in_vain is known.routes.alike), len(known.routes.alike)) == (is_shared, count)
    assert len(in_vain) == (count if is_shared else 0)
    assert by_key(found.routes) == by_key(alone.routes)
