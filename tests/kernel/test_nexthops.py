"""Routes on nexthop objects look the same however little the kernel says of them, and come back alike (F29)."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
import trio

from hostlink.core.model import NextHop
from hostlink.core.operations import AddHostRoute
from hostlink.kernel import uapi
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import Changed, open_netlink, open_watcher
from hostlink.kernel.nexthops import read_nexthops
from hostlink.kernel.snapshot import read_view
from hostlink.kernel.sockets import Message

OBJECTS = """addr add 192.0.2.1/24 dev eth1
    addr add fd00::1/64 dev eth1 nodad
    nexthop add id 1 via 192.0.2.2 dev eth1
    nexthop add id 2 via 192.0.2.3 dev eth1
    nexthop add id 3 via fd00::2 dev eth1
    nexthop add id 4 via 203.0.113.9 dev eth1 onlink
    nexthop add id 5 dev eth1
    nexthop add id 6 blackhole
    nexthop add id 10 group 1/2,3
    nexthop add id 11 group 3
    route add 10.1.0.0/16 nhid 1
    route add 10.3.0.0/16 nhid 3
    route add 10.4.0.0/16 nhid 4
    route add 10.5.0.0/16 nhid 5
    route add 10.6.0.0/16 nhid 6
    route add 10.10.0.0/16 nhid 10 metric 7
    route add 10.11.0.0/16 nhid 11
    -6 route add fd09::/64 nhid 3
    route add 10.20.0.0/16 via 192.0.2.9"""
"""10/8 and fd09::/64 are on an object each; 10.20.0.0/16 is on none."""


async def routes_of(namespace):
    async with open_netlink(namespace) as nl:
        view = await read_view(nl, "eth1")
    return view.link.index, {str(r.prefix): r for r in view.routes if str(r.prefix).startswith(("10.", "fd09"))}


@pytest.fixture(params=[0, 1], ids=["object only", "compatible"])
def with_objects(request, wired):
    wired.sysctl("ipv4/nexthop_compat_mode", str(request.param))
    wired.ip(OBJECTS)
    return wired


async def test_the_next_hops_are_there_in_both_modes(with_objects):
    index, routes = await routes_of(with_objects)

    def hop(gateway: str | None, weight: int = 1, *, onlink: bool = False) -> NextHop:
        return NextHop(index, ip_address(gateway) if gateway else None, weight, onlink)

    assert {prefix: (route.nexthop_id, route.next_hops) for prefix, route in routes.items()} == {
        "10.1.0.0/16": (1, (hop("192.0.2.2"),)),
        "10.3.0.0/16": (3, (hop("fd00::2"),)),
        "10.4.0.0/16": (4, (hop("203.0.113.9", onlink=True),)),
        "10.5.0.0/16": (5, (hop(None),)),
        "10.10.0.0/16": (10, (hop("192.0.2.2"), hop("192.0.2.3", 3))),
        "10.11.0.0/16": (11, (hop("fd00::2"),)),
        "10.20.0.0/16": (None, (hop("192.0.2.9"),)),
        "fd09::/64": (3, (hop("fd00::2"),)),
    }


async def test_a_replaced_object_and_a_replaced_group_are_followed(with_objects):
    with_objects.ip("nexthop replace id 1 via 192.0.2.7 dev eth1\n nexthop replace id 11 group 1/2")
    _, routes = await routes_of(with_objects)
    gateways = {prefix: [str(hop.gateway) for hop in route.next_hops] for prefix, route in routes.items()}
    assert gateways["10.1.0.0/16"] == ["192.0.2.7"]
    assert gateways["10.10.0.0/16"] == gateways["10.11.0.0/16"] == ["192.0.2.7", "192.0.2.3"]


async def test_they_come_back_without_their_objects(with_objects):
    index, before = await routes_of(with_objects)
    with_objects.ip("nexthop flush")
    _, left = await routes_of(with_objects)
    assert set(left) == {"10.20.0.0/16"}
    async with open_netlink(with_objects) as nl:
        plan = [AddHostRoute(index, index, route) for prefix, route in before.items() if prefix not in left]
        assert await apply_host(nl, plan) == []
    _, after = await routes_of(with_objects)
    assert {prefix: route.next_hops for prefix, route in after.items()} == {
        prefix: route.next_hops for prefix, route in before.items()
    }
    assert {route.nexthop_id for route in after.values()} == {None}


async def test_an_object_that_changes_is_heard_of(with_objects):
    """With objects alone the kernel says nothing else of a route whose object is replaced, or deleted."""
    commands = ("nexthop replace id 10 group 2", "nexthop replace id 1 via 192.0.2.7 dev eth1", "nexthop del id 3")
    for command in commands:
        async with open_watcher(with_objects) as watcher:
            with_objects.ip(command)
            with trio.fail_after(5):
                async for changed in watcher:
                    if changed == Changed("nexthop", None):
                        break


async def test_lost_carrier_takes_objects_and_their_routes(with_objects, wire):
    """F29: the kernel announces neither the objects nor their IPv4 routes; the link it does."""
    async with open_netlink(with_objects) as nl, open_watcher(with_objects) as watcher:
        index = (await read_view(nl, "eth1")).link.index
        wire.ip("link set wire0 down")
        with trio.fail_after(5):
            async for changed in watcher:
                if changed == Changed("link", index) and not (await read_view(nl, "eth1")).link.carrier:
                    break
    _, routes = await routes_of(with_objects)
    assert set(routes) == {"10.20.0.0/16"}


def test_a_weight_of_more_than_8_bits_and_a_member_that_comes_later() -> None:
    """struct nexthop_grp has the high byte of the weight since Linux 6.12."""

    def said(*attributes: tuple[int, bytes]) -> Message:
        body = b"".join(struct.pack("=HH", 4 + len(value), kind) + value for kind, value in attributes)
        return Message(uapi.RTM_NEWNEXTHOP, 0, 0, bytes(8) + body)

    def number(value: int) -> bytes:
        return struct.pack("=I", value)

    group = said((uapi.NHA_ID, number(1)), (uapi.NHA_GROUP, struct.pack("=IBBH", 2, 0xE7, 3, 0)))
    member = said((uapi.NHA_ID, number(2)), (uapi.NHA_OIF, number(7)), (uapi.NHA_GATEWAY, ip_address("fe80::1").packed))
    assert read_nexthops([group, member]) == {
        1: (NextHop(7, ip_address("fe80::1"), 1000),),
        2: (NextHop(7, ip_address("fe80::1")),),
    }
