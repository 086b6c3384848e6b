"""What is said alike is read once: the same values as by the complete reader, and one `Alike` for equal bytes."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from hostlink.core.route_changes import RouteChange, change_at
from hostlink.kernel import uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.netlink import open_watcher
from hostlink.kernel.routes import by_pyroute2
from hostlink.kernel.sockets import HEADER
from tests.kernel.test_bulk_routes import table_of
from tests.kernel.test_routes import CORPUS, dumped, moved_about


def message(body: bytes, kind: int = uapi.RTM_NEWROUTE, flags: int = 0) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, 7, 99) + body


def values(changes) -> list[RouteChange]:
    return [change_at(change) for change in changes]


async def test_every_route_of_the_kernels_reads_as_the_complete_reader_has_it(wired):
    """Twice: what was unknown at first is known then. And each destination in the message of each other."""
    wired.ip(CORPUS)
    bodies = await dumped(wired)
    moved = moved_about(bodies)
    read = Alikes()
    for some in (bodies, bodies, moved, moved):
        found = values(read.read([message(body) for body in some]))
        complete = [by_pyroute2(body) for body in some]
        assert [change.route for change in found] == complete
        assert [change.route.body for change in found] == some
        assert [change.route.expires_s for change in found] == [route.expires_s for route in complete]


async def test_what_it_says_besides_the_route_is_told_apart(wired):
    wired.ip("link set lo up\n route add 198.51.100.0/24 via 192.0.2.254 dev eth1 onlink\n")
    (body,) = [body for body in await dumped(wired) if body[24:28] == bytes((198, 51, 100, 0))]
    said = [(kind, flags) for kind in (uapi.RTM_NEWROUTE, uapi.RTM_DELROUTE) for flags in (0, uapi.NLM_F_REPLACE)]
    read = Alikes()
    for _ in range(2):
        changes = read.read([message(body, kind, flags) for kind, flags in said])
        assert [(one.gone, one.replaces) for one, _ in changes] == [
            (kind == uapi.RTM_DELROUTE, flags != 0) for kind, flags in said
        ]
        assert len({one.alike for one, _ in changes}) == 1
    route = by_pyroute2(body)
    assert read.of(route) is changes[0][0].alike
    assert read.of(replace(route, body=b"")) is None
    assert read.of(replace(route, expires_s=5)) is None


async def test_cache_entries_are_no_routes(wired):
    wired.ip("link set lo up\n route add 198.51.100.0/24 via 192.0.2.254 dev eth1 onlink\n")
    (body,) = [body for body in await dumped(wired) if body[24:28] == bytes((198, 51, 100, 0))]
    cloned = body[:8] + struct.pack("=I", uapi.RTM_F_CLONED) + body[12:]
    read = Alikes()
    assert read.read([message(cloned), message(body), message(cloned)]) == read.read([message(body)])


async def test_a_watcher_hands_on_what_came_one_after_another(wired):
    """Each message whole and in its order, whatever else is said between."""
    wired.ip("addr add 192.0.2.1/24 dev eth1")
    async with open_watcher(wired, routes=True) as watcher:
        routes = [f"198.51.{number}.0/24" for number in range(40)]
        wired.ip("\n".join(f"route add {route} via 192.0.2.254" for route in routes[:20]))
        wired.ip("link set eth1 mtu 1400")
        wired.ip("\n".join(f"route add {route} via 192.0.2.254" for route in routes[20:]))
        found, read = await watcher.pending(), Alikes()
    changes = values(read.read([one for changed in found for one in changed.routes]))
    assert [str(change.route.prefix) for change in changes] == routes
    kinds = [changed.kind for changed in found]
    assert kinds.index("link") in range(kinds.index("route") + 1, len(kinds) - kinds[::-1].index("route") - 1)


def storm(count: int, *, sequence: int = 0) -> list[bytes]:
    """As `ip -batch` has the kernel say it: by some gateways in turn, some of them gone again, each its own request."""
    return [
        HEADER.pack(HEADER.size + len(body), uapi.RTM_DELROUTE if number % 7 == 0 else uapi.RTM_NEWROUTE, 0, at, 99)
        + body
        for number, at in zip(range(count), range(sequence, sequence + count), strict=True)
        for body in (table_of(number, bytes((192, 0, 2, 1 + number % 5))),)
    ]


def test_a_storm_is_read_at_once_as_each_message_by_itself():
    read, alone = Alikes(), Alikes()
    first = read.read(storm(1200))
    for some in (storm(1200, sequence=5000), storm(1200, sequence=9000)[::-1], storm(3)):
        found = read.read(some)
        each = [change for one in some for change in alone.read([one])]
        assert values(found) == values(each)
        assert [change.route.body for change in values(found)] == [one[HEADER.size :] for one in some]
        assert {id(said.alike) for said, _ in found} <= {id(said.alike) for said, _ in first}


@pytest.mark.parametrize("at", [0, 700, 1199])
@pytest.mark.parametrize("what", ["host bits", "other length", "unknown gateway", "cache entry"])
def test_one_among_them_that_is_otherwise_is_read_by_itself(what, at):
    read = Alikes()
    read.read(storm(1200))
    some = storm(1200)
    usual = table_of(at, bytes((192, 0, 2, 1 + at % 5)))
    body = {
        "host bits": usual[:24] + b"\x14\0\0\1" + usual[28:],
        "other length": usual + struct.pack("=HH4s", 8, uapi.RTA_PREFSRC, b"\xc0\x00\x02\x09"),
        "unknown gateway": table_of(at, b"\xc0\x00\x02\x63"),
        "cache entry": usual[:8] + struct.pack("=I", uapi.RTM_F_CLONED) + usual[12:],
    }[what]
    some[at] = message(body)
    if what == "host bits":
        with pytest.raises(Unreadable):
            read.read(some)
        return
    expected = [by_pyroute2(one[HEADER.size :]) for one in some]
    expected = [one for one, said in zip(expected, some, strict=True) if what != "cache entry" or said != some[at]]
    assert [change.route for change in values(read.read(some))] == expected


def test_one_of_the_other_family_that_is_as_long_is_none_of_them():
    """An IPv6 prefix of 32 bits, in a message as long as those of IPv4 beside it."""
    more = struct.pack("=HHIHHIHHI", 8, uapi.RTA_PREFSRC, 0x0901A8C0, 8, 11, 5, 8, 16, 7)  # and RTA_FLOW, RTA_MARK
    four = table_of(1) + more
    six = struct.pack("=8BI", 10, 32, *table_of(1)[2:8], 0) + table_of(1)[12:20]
    six += struct.pack("=HH16s", 20, uapi.RTA_DST, bytes.fromhex("20010db8") + bytes(12))
    six += struct.pack("=HHI", 8, uapi.RTA_PRIORITY, 20)
    six += struct.pack("=HH16s", 20, uapi.RTA_GATEWAY, bytes.fromhex("fe80") + bytes(13) + b"\1")
    six += struct.pack("=HHi", 8, uapi.RTA_OIF, 3)
    assert len(four) == len(six)
    read, expected = Alikes(), [by_pyroute2(four), by_pyroute2(six)]
    for _ in range(3):
        assert [change.route for change in values(read.read([message(four), message(six)]))] == expected
        assert [change.route for change in values(read.read([message(six), message(four)]))] == expected[::-1]
