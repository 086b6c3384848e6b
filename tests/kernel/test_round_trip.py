"""An odd link, snapshotted, taken away, put back by operations such as core plans: the second snapshot is the first.

What cannot come back is named in `REPORTED_ONLY`, and only that may differ.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import trio

from hostlink.core import operations as op
from hostlink.core.model import Address, HostView, Route
from hostlink.kernel import link, uapi
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import open_netlink, open_watcher
from hostlink.kernel.snapshot import read_view

ADDRESSES = """
    addr add 192.168.10.1/24 brd + dev eth1
    addr add 192.168.10.2/24 dev eth1
    addr add 10.9.0.1 peer 10.9.0.2/32 dev eth1
    addr add 192.0.2.7/32 dev eth1
    addr add 172.16.1.1/16 dev eth1 scope link label eth1:1
    addr add 172.17.1.1/16 dev eth1 valid_lft 3000 preferred_lft 2000
    addr add 198.51.100.1/24 dev eth1 noprefixroute
    addr add 203.0.113.1/24 dev eth1 metric 77
    addr add fd00::1/64 dev eth1 nodad
    addr add fd00:1::1/128 dev eth1 nodad
    addr add fd00:2::1/64 dev eth1 nodad noprefixroute
    addr add fd00:3::1 peer fd00:3::2/128 dev eth1 nodad
    addr add fd00:4::1/64 dev eth1 nodad valid_lft 3000 preferred_lft 2000
    addr add fd00:5::1/64 dev eth1 nodad mngtmpaddr
    addr add fd00:6::1/64 dev eth1 nodad metric 99
    addr add fd00:7::1/64 dev eth1 nodad preferred_lft 0
"""

ROUTES = """
    route add default via 192.168.10.254 dev eth1 proto dhcp metric 100 src 192.168.10.1
    route add default via 192.168.10.253 dev eth1 proto static metric 200
    route add 10.1.0.0/16 via 10.255.0.1 dev eth1 onlink
    route add 10.2.0.0/16 nexthop via 192.168.10.3 dev eth1 weight 3 nexthop via 192.168.10.4 dev eth1 weight 1
    route add 10.3.0.0/16 via inet6 fe80::99 dev eth1
    route add 10.4.0.0/16 tos 0x10 via 192.168.10.5 dev eth1
    route add 10.5.0.0/16 dev eth1 scope link table 100
    route add 10.6.0.0/16 via 192.168.10.5 dev eth1 mtu lock 1300 advmss 1200 initcwnd 20
    route add 10.7.0.0/16 via 192.168.10.5 dev eth1 table 1000 metric 4000000000
    route append 10.8.0.0/16 via 192.168.10.6 dev eth1
    route append 10.8.0.0/16 via 192.168.10.5 dev eth1
    route add local 10.10.0.0/16 dev eth1 table 100
    route add 10.11.0.0/16 dev eth1 realm 5
    route add blackhole 10.12.0.0/16
    route add unreachable 10.13.0.0/16 metric 9
    nexthop add id 7 via 192.168.10.8 dev eth1
    route add 10.14.0.0/16 nhid 7
    route add 10.15.0.0/16 encap ip id 5 dst 192.168.10.9 dev eth1
    -6 route add default via fe80::1 dev eth1 proto ra metric 1024 expires 1800
    -6 route add 2001:db8:1::/48 via fd00::fe dev eth1 metric 0
    -6 route add 2001:db8:2::/48 nexthop via fd00::a dev eth1 weight 2 nexthop via fd00::b dev eth1
    -6 route add 2001:db8:3::/48 dev eth1 table 100 proto bird
    -6 route add 2001:db8:4::/48 via fd00::fe dev eth1 mtu lock 1290 pref high
    -6 route add 2001:db8:5::/48 from 2001:db8:9::/48 via fd00::fe dev eth1
    -6 route add 2001:db8:6::/48 via fd00::fe dev eth1 src fd00::1
    -6 route add 2001:db8:7::/48 via fe80::77 dev eth1 onlink
    -6 route add blackhole 2001:db8:8::/48
"""

REST = """
    rule add pref 500 iif eth1 lookup 100
    rule add pref 501 not from 10.0.0.0/8 oif eth1 fwmark 0x10/0xff ipproto tcp dport 80-90 lookup 1000
    rule add pref 502 iif eth1 lookup main suppress_prefixlength 0
    -6 rule add pref 503 to 2001:db8::/32 iif eth1 lookup 100
    neigh add 192.168.10.77 lladdr 02:00:00:00:00:77 dev eth1 nud permanent
    neigh add fd00::77 lladdr 02:00:00:00:00:78 dev eth1 nud permanent
    neigh add proxy 192.168.10.88 dev eth1
    neigh add proxy fd00::88 dev eth1
    link set eth1 alias the-uplink txqueuelen 777 mtu 1450 promisc on
    link property add dev eth1 altname enp216s0f1np1-of-the-node
"""

SYSCTLS = {
    "ipv4/conf/eth1/rp_filter": "2",
    "ipv4/conf/eth1/arp_ignore": "1",
    "ipv4/conf/eth1/promote_secondaries": "1",
    "ipv4/neigh/eth1/gc_stale_time": "123",
    "ipv4/neigh/eth1/base_reachable_time_ms": "12000",
    "ipv6/conf/eth1/accept_ra": "0",
    "ipv6/conf/eth1/dad_transmits": "0",
    "ipv6/neigh/eth1/ucast_solicit": "5",
}

REPORTED_ONLY = uapi.IFA_F_NODAD | 0x40 | 0x01
"""Address flags that may differ: TENTATIVE and SECONDARY are the kernel's; it keeps NODAD only until DAD is over."""

LOCAL = 2
KERNEL = 2
"""RTPROT_KERNEL: such routes come with their addresses, and IPv6 ones (metric 0) cannot be sent: 0 means 1024 (F31)."""


@pytest.fixture
def odd(wired):
    for path, value in SYSCTLS.items():
        wired.sysctl(path, value)
    wired.ip(ADDRESSES)
    wired.ip(ROUTES)
    wired.ip(REST)
    return wired


def comparable(view: HostView) -> HostView:
    """With what differs by nature made equal: the ifindex, the seconds that ran, the nexthop object."""
    index = view.link.index
    return replace(
        view,
        link=replace(view.link, index=0),
        addresses=tuple(_address(address) for address in view.addresses),
        routes=tuple(sorted((_route(route, index) for route in view.routes), key=repr)),
        rules=tuple(replace(rule, body=bytes(12) + rule.body[12:]) for rule in view.rules),
        neighbours=tuple(sorted(view.neighbours, key=repr)),
    )


def _address(address: Address) -> Address:
    return replace(
        address,
        flags=address.flags & ~REPORTED_ONLY,
        valid_lifetime_s=_roughly(address.valid_lifetime_s),
        preferred_lifetime_s=_roughly(address.preferred_lifetime_s),
    )


def _roughly(seconds: int | None) -> int | None:
    """To the nearest hundred: the tests run for seconds."""
    return None if seconds is None else round(seconds / 100) * 100


def _route(route: Route, index: int) -> Route:
    hops = tuple(replace(hop, link_index=0 if hop.link_index == index else hop.link_index) for hop in route.next_hops)
    return replace(route, next_hops=hops, nexthop_id=None)


def missing(wanted: HostView, actual: HostView) -> list[op.HostOperation]:
    """What core would plan: link, sysctls, addresses, neighbours, routes, rules, each only where it differs."""
    index, before, now = actual.link.index, comparable(wanted), comparable(actual)
    if before.link != now.link or not actual.link.up:
        yield_link = op.SetHostLink(
            index, True, wanted.link.mac, wanted.link.mtu_bytes, wanted.link.alias, wanted.link.tx_queue_length,
            wanted.link.promiscuous,
        )  # fmt: skip
    else:
        yield_link = None
    sysctls = dict(actual.sysctls)
    operations: list[op.HostOperation] = [
        op.SetSysctl(path.replace("{link}", actual.link.name), value)
        for path, value in wanted.sysctls
        if sysctls.get(path) != value
    ]
    operations += [yield_link] if yield_link else []
    operations += [op.AddAltname(index, name) for name in wanted.link.altnames if name not in actual.link.altnames]
    four = [a for a in wanted.addresses if a.family == 4]
    six = [a for a in reversed(wanted.addresses) if a.family == 6]
    have = {address.interface for address in actual.addresses}
    operations += [op.AddHostAddress(index, address) for address in four + six if address.interface not in have]
    operations += [op.AddHostNeighbour(index, n) for n in wanted.neighbours if n not in actual.neighbours]
    there = set(now.routes)
    routes = [r for r in wanted.routes if r.protocol != KERNEL and _route(r, wanted.link.index) not in there]
    routes.sort(key=lambda route: any(hop.gateway and not hop.onlink for hop in route.next_hops))
    operations += [op.AddHostRoute(index, wanted.link.index, route) for route in routes]
    return operations + [op.AddHostRule(rule) for rule in wanted.rules if rule not in actual.rules]


async def settled(nl, name: str) -> HostView:
    """The view once the kernel has made a local route for each IPv6 address, which it does a moment after adding it."""
    async with open_watcher(nl.namespace_fd) as watcher:
        while True:
            view = await read_view(nl, name)
            local = {route.prefix.network_address for route in view.routes if route.type == LOCAL}
            if all(address.interface.ip in local for address in view.addresses if address.family == 6):
                return view
            await anext(watcher)


async def put_back(nl, wanted: HostView, name: str) -> HostView:
    """Plan, apply, read back; twice must be enough. Returns what is there then.

    The wait at the end is for the kernel's own local routes, as in `settled`.
    """
    async with open_watcher(nl.namespace_fd) as watcher:
        failures = await apply_host(nl, missing(wanted, await read_view(nl, name)))
        assert [str(f) for f in failures if f.word != "EEXIST"] == [], "EEXIST: fe80, which the kernel makes itself"
        failures = await apply_host(nl, missing(wanted, await read_view(nl, name)))
        assert [str(f) for f in failures] == []
        with trio.move_on_after(3):
            while comparable(await read_view(nl, name)) != comparable(wanted):
                await anext(watcher)
    return await read_view(nl, name)


def assert_same(after: HostView, before: HostView) -> None:
    """Part by part, so that a failure shows what differs and not two pages."""
    wanted, got = comparable(before), comparable(after)
    for part in ("addresses", "routes", "neighbours", "rules", "sysctls"):
        lost = [each for each in getattr(wanted, part) if each not in getattr(got, part)]
        new = [each for each in getattr(got, part) if each not in getattr(wanted, part)]
        assert (lost, new) == ([], []), part
    assert got == wanted


def as_ip_shows(namespace) -> list[str]:
    """`ip route` and `ip rule` of both families, without seconds left and the nexthop object, sorted."""
    text = "".join(namespace.ip(f"{family} route show table all") for family in ("-4", "-6"))
    text += "".join(namespace.ip(f"{family} rule show") for family in ("-4", "-6"))
    return sorted(re.sub(r"expires \d+sec|nhid \d+ ", "", text).splitlines())


async def test_odd_link_is_read_whole(odd):
    async with open_netlink(odd) as nl:
        view = await read_view(nl, "eth1")
    assert view.link.altnames == ("enp216s0f1np1-of-the-node",)
    assert (view.link.alias, view.link.tx_queue_length, view.link.mtu_bytes) == ("the-uplink", 777, 1450)
    assert (view.link.promiscuous, view.link.up, view.link.carrier) == (True, True, True)
    assert (view.link.kind, view.driver, view.pci_address) == ("veth", "veth", None)
    assert len([a for a in view.addresses if a.protocol == 0]) == 16
    assert [rule.interface for rule in view.rules] == ["eth1"] * 4
    assert {str(n.address) for n in view.neighbours} == {"192.168.10.77", "fd00::77", "192.168.10.88", "fd00::88"}
    sysctls = dict(view.sysctls)
    assert {path: sysctls[path.replace("eth1", "{link}")] for path in SYSCTLS} == SYSCTLS
    nowhere = {str(route.prefix) for route in view.routes if route.leads_nowhere}
    assert nowhere == {"10.12.0.0/16", "10.13.0.0/16", "2001:db8:8::/48"}, "of no link, and everybody's"


async def test_f35_nic_moved_away_and_back(odd, away):
    """F35: a namespace round trip loses addresses, routes, neighbours, sysctls and admin state. All come back."""
    async with open_netlink(odd) as nl, open_netlink(away) as there:
        before = await settled(nl, "eth1")
        shown = as_ip_shows(odd)
        await link.move_to_namespace(nl, before.link.index, away)
        parked = await read_view(there, "eth1")
        await link.move_to_namespace(there, parked.link.index, odd)
        bare = await read_view(nl, "eth1")
        assert (bare.link.up, bare.addresses, bare.neighbours) == (False, (), ())
        assert all(route.leads_nowhere for route in bare.routes)
        assert dict(bare.sysctls)["ipv4/conf/{link}/rp_filter"] != "2"
        after = await put_back(nl, before, "eth1")
    assert_same(after, before)
    assert as_ip_shows(odd) == shown, "what the model has no words for (locks, preference, encapsulation) is back too"


async def test_replayed_onto_another_link(odd, away):
    """As a takeover does: the NIC leaves, another link with another ifindex takes its name and everything else."""
    async with open_netlink(odd) as nl:
        before = await settled(nl, "eth1")
        await link.make_veth(nl, "hl-tmp0", before.link.mac, before.link.mtu_bytes, "inner0", away)
        new = await read_view(nl, "hl-tmp0")
        async with open_netlink(away) as there:
            await link.set_up(there, (await read_view(there, "inner0")).link.index)
        await link.swap(nl, before.link.index, away, new.link.index, "eth1")
        after = await put_back(nl, before, "eth1")
    assert after.link.index == new.link.index != before.link.index
    assert_same(after, before)
