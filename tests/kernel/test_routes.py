"""The two readers of routes make the same value of the same bytes: on a corpus of the kernel's, and on made ones."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.model import NextHop, Route
from hostlink.kernel import routebody, uapi
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.netlink import Request, open_netlink
from hostlink.kernel.routes import by_hand, by_pyroute2, read_body, read_routes
from hostlink.kernel.sockets import Message

CORPUS = """
    addr add 192.168.10.1/24 dev eth1
    addr add fd00::1/64 dev eth1 nodad
    route add default via 192.168.10.254 dev eth1 proto dhcp metric 100 src 192.168.10.1
    route add 10.1.0.0/16 via 10.255.0.1 dev eth1 onlink
    route add 10.2.0.0/16 nexthop via 192.168.10.3 dev eth1 weight 3 nexthop via 10.254.0.4 dev eth1 onlink
    route add 10.3.0.0/16 via inet6 fe80::99 dev eth1
    route add 10.4.0.0/16 tos 0x10 via 192.168.10.5 dev eth1
    route add 10.6.0.0/16 via 192.168.10.5 dev eth1 mtu lock 1300 advmss 1200
    route add 10.7.0.0/16 via 192.168.10.5 dev eth1 table 1000 metric 4000000000 mtu 1280
    route add 10.9.0.0/16 nexthop via inet6 fe80::9 dev eth1 nexthop via 192.168.10.4 dev eth1
    route add 10.11.0.0/16 dev eth1 realm 5
    route add blackhole 10.12.0.0/16
    route add throw 10.13.0.0/16 metric 9
    nexthop add id 7 via 192.168.10.8 dev eth1
    route add 10.14.0.0/16 nhid 7
    route add 10.15.0.0/16 encap ip id 5 dst 192.168.10.9 dev eth1
    -6 route add default via fe80::1 dev eth1 proto ra expires 1800 pref high
    -6 route add 2001:db8:2::/48 nexthop via fd00::a dev eth1 weight 2 nexthop via fd00::b dev eth1
    -6 route add 2001:db8:3::/48 dev eth1 table 100 proto bird
    -6 route add 2001:db8:5::/48 from 2001:db8:9::/48 via fd00::fe dev eth1
    -6 route add 2001:db8:6::/48 via fd00::fe dev eth1 src fd00::1
    -6 route add unreachable 2001:db8:8::/48
"""
BY_HAND_AT_LEAST = 14
"""Routes of the corpus that need no pyroute2: the fast reader must not give up on the common ones."""


def moved_about(bodies: list[bytes]) -> list[bytes]:
    """The destination of each of these bodies in each other that is built as usual, of the same family."""
    usual: dict[int, list[bytes]] = {4: [], 16: []}
    for body in bodies:
        size = {2: 4, 10: 16}[body[0]]
        if body[20:24] == struct.pack("=HH", 4 + size, uapi.RTA_DST):
            usual[size].append(body)
    assert min(map(len, usual.values())) > 3
    return [
        bytes((one[0], size * 8)) + one[2:24] + other[24 : 24 + size] + one[24 + size :]
        for size, alike in usual.items()
        for one in alike
        for other in alike
    ]


async def dumped(namespace) -> list[bytes]:
    bodies = []
    async with open_netlink(namespace) as nl:
        for family in (2, 10):
            body = struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, 0, 0)
            bodies += [m.body for m in await nl.dump(Request("read the routes", uapi.RTM_GETROUTE, body))]
    return bodies


async def test_fast_reader_agrees_with_pyroute2(wired):
    wired.ip(CORPUS)
    bodies = await dumped(wired)
    fast = [(by_hand(body, {}), by_pyroute2(body)) for body in bodies]
    read = [(one, other) for one, other in fast if one is not None]
    assert len(read) >= BY_HAND_AT_LEAST
    assert [one for one, _ in read] == [other for _, other in read]
    assert [one.expires_s for one, _ in read] == [other.expires_s for _, other in read]
    assert len(read) < len(fast), "the corpus holds some that go through pyroute2"


async def test_odd_ones_read_right(wired):
    """Said once in full, so that both readers cannot be wrong together."""
    wired.ip(CORPUS)
    bodies = await dumped(wired)
    routes = {str(route.prefix): route for route in read_routes(Message(uapi.RTM_NEWROUTE, 0, 0, b) for b in bodies)}
    index = routes["10.11.0.0/16"].next_hops[0].link_index
    assert routes["10.3.0.0/16"].next_hops == (NextHop(index, ip_address("fe80::99")),)
    assert routes["10.2.0.0/16"].next_hops == (
        NextHop(index, ip_address("192.168.10.3"), 3),
        NextHop(index, ip_address("10.254.0.4"), 1, True),
    )
    assert routes["10.9.0.0/16"].next_hops[0].gateway == ip_address("fe80::9")
    assert (routes["10.7.0.0/16"].table, routes["10.7.0.0/16"].metric) == (1000, 4000000000)
    assert (routes["10.6.0.0/16"].mtu_bytes, routes["10.7.0.0/16"].mtu_bytes) == (1300, 1280)
    assert routes["10.14.0.0/16"].nexthop_id == 7
    assert routes["10.12.0.0/16"].next_hops == ()
    assert routes["2001:db8:5::/48"].source_prefix == ip_network("2001:db8:9::/48")
    assert 1790 < routes["::/0"].expires_s <= 1800
    assert routes["::/0"].metric == 1024
    assert routes["10.4.0.0/16"].tos == 0x10


async def test_cache_entries_are_left_out():
    cached = struct.pack("=8BI", 2, 32, 0, 0, 254, 0, 0, 1, uapi.RTM_F_CLONED)
    assert read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, cached)]) == ()


def test_truncated_body_is_an_error_and_not_a_route():
    body = struct.pack("=8BI", 2, 8, 0, 0, 254, 0, 0, 1, 0) + struct.pack("=HH", 8, uapi.RTA_PRIORITY) + b"\1"
    with pytest.raises(Unreadable, match="does not fit"):
        read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, body)])


@pytest.mark.parametrize(
    "attribute",
    [
        struct.pack("=HHI", 0, uapi.RTA_PRIORITY, 1),
        struct.pack("=HHHHI", 12, uapi.RTA_METRICS, 0, uapi.RTAX_MTU + 1, 0),
        struct.pack("=HHHBBi", 12, uapi.RTA_MULTIPATH, 0, 0, 0, 3),
    ],
    ids=["attribute", "metric", "next hop"],
)
def test_something_of_no_length_is_an_error_and_not_an_endless_loop(attribute):
    """Found by mutated messages."""
    body = struct.pack("=8BI", 2, 8, 0, 0, 254, 0, 0, 1, 0) + attribute
    with pytest.raises(Unreadable, match="0 bytes"):
        read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, body)])


# ------------------------------------------------------------------------------- made routes, through bytes and back

links = st.integers(1, 0x7FFFFFFF)
numbers = st.integers(0, 0xFF)
metrics = st.integers(0, 0xFFFFFFFF)


@st.composite
def made_routes(draw) -> Route:
    six = draw(st.booleans())
    bits, network, address = (128, IPv6Network, IPv6Address) if six else (32, IPv4Network, IPv4Address)
    length = draw(st.integers(0, bits))
    prefix = network((draw(st.integers(0, 2**bits - 1)) >> (bits - length) << (bits - length), length))
    addresses = st.integers(1, 2**bits - 1).map(address)
    gateways = st.none() | addresses
    hop = st.builds(NextHop, links, gateways, st.just(1), st.booleans())
    several = st.lists(st.builds(NextHop, links, gateways, st.integers(1, 256), st.booleans()), min_size=2, max_size=4)
    return Route(
        prefix=prefix,
        table=draw(st.integers(1, 0xFFFFFFFF)),
        next_hops=tuple(draw(st.one_of(hop.map(lambda each: [each]), several))),
        type=draw(st.sampled_from((1, 2, 5))),
        protocol=draw(numbers),
        scope=draw(numbers),
        metric=draw(metrics),
        tos=draw(numbers),
        preferred_source=draw(st.none() | addresses),
        mtu_bytes=draw(st.none() | st.integers(1, 0xFFFF)),
    )


@given(made_routes())
def test_route_built_from_fields_reads_back_the_same_in_both_readers(route):
    body = routebody.adding(route, 0, 0)
    assert by_hand(body, {}) == by_pyroute2(body) == route


@given(st.lists(made_routes(), min_size=2, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_routes_that_differ_by_their_destinations_read_right_whatever_was_read_before(routes, order):
    """Each again with the destination of the one before it, so that equal bytes come with other destinations."""
    hops, alike = {}, {}
    moved = [replace(one, prefix=other.prefix) for one, other in pairwise(routes) if one.family == other.family]
    for number in order:
        for route in (routes[number % len(routes)], *moved):
            body = routebody.adding(route, 0, 0)
            assert (read := read_body(body, hops, alike)) == by_pyroute2(body)
            assert read.body == body


async def test_every_reader_says_the_same_of_what_the_kernel_has(wired):
    """Twice: the second time each is known, all but its destination. And with the destinations of others."""
    wired.ip(CORPUS)
    bodies = await dumped(wired)
    usual = [body for body in bodies if body[0] == 2 and body[20:24] == struct.pack("=HH", 8, uapi.RTA_DST)]
    assert len(usual) >= BY_HAND_AT_LEAST // 3
    hosts = [one[:1] + b"\x20" + one[2:24] + other[24:28] + one[28:] for one in usual for other in usual]
    hops, alike = {}, {}
    for body in (*bodies, *bodies, *hosts, *hosts):
        read, complete = read_body(body, hops, alike), by_pyroute2(body)
        assert (read, read.expires_s) == (complete, complete.expires_s)
    assert alike


@given(made_routes(), links)
def test_body_sent_back_on_another_link_moves_its_hops_and_nothing_else(route, new_index):
    old_index = route.next_hops[0].link_index
    body = routebody.adding(route, 0, 0)
    moved = by_hand(routebody.adding(replace(route, body=body), old_index, new_index), {})
    own = [hop for hop in route.next_hops if hop.link_index == old_index]
    kept = route.next_hops if route.family == 4 else own
    wanted = tuple(replace(hop, link_index=new_index if hop in own else hop.link_index) for hop in kept)
    assert moved == replace(route, next_hops=wanted)


def test_gateway_of_the_other_family_goes_as_via():
    hop = NextHop(3, ip_address("fe80::1"))
    route = Route(ip_network("10.0.0.0/8"), 254, (hop,))
    assert by_pyroute2(routebody.adding(route, 0, 0)) == route


def test_what_the_kernel_only_reports_is_not_sent_back():
    """RTNH_F_LINKDOWN (0x10) in flags is refused by the kernel, cache information ignored at best."""
    head = struct.pack("=8BI", 10, 0, 0, 0, 254, 9, 0, 1, 0x10 | uapi.RTNH_F_ONLINK)
    life = struct.pack("=HHIIiIIIII", 36, uapi.RTA_CACHEINFO, 0, 0, 100_000, 0, 0, 0, 0, 0)
    body = head + struct.pack("=HHi", 8, uapi.RTA_OIF, 3) + life + struct.pack("=HHI", 8, uapi.RTA_NH_ID, 7)
    route = by_pyroute2(body)
    assert (route.expires_s, route.nexthop_id) == (1000, 7)
    sent = routebody.adding(route, 3, 4)
    expires = struct.pack("=HHI", 8, uapi.RTA_EXPIRES, 1000)
    kept_head = head[:8] + struct.pack("=I", uapi.RTNH_F_ONLINK)
    assert sent == kept_head + struct.pack("=HHi", 8, uapi.RTA_OIF, 4) + expires


def test_route_of_a_nexthop_object_is_deleted_by_its_number():
    """With both the number and what it stands for the kernel answers EINVAL."""
    head = struct.pack("=8BI", 2, 8, 0, 0, 254, 4, 0, 1, 0)
    oif, number = struct.pack("=HHi", 8, uapi.RTA_OIF, 3), struct.pack("=HHI", 8, uapi.RTA_NH_ID, 7)
    assert routebody.deleting(by_pyroute2(head + oif + number), 3) == head + number
