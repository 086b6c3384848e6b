"""Dumps read many messages at a time say what pyroute2's parser says of each, whatever comes beside what."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import ip_network

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from hostlink.core.model import NextHop, Route
from hostlink.core.route_set import RouteSet, by_key
from hostlink.kernel import routebody, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.bulk_routes import BulkRoutes
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.routes import by_pyroute2
from hostlink.kernel.sockets import HEADER
from tests.kernel.test_routes import CORPUS, dumped, made_routes, moved_about


def message(body: bytes, kind: int = uapi.RTM_NEWROUTE, flags: int = 2) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, 7, 99) + body + b"\0" * (-len(body) % 4)


def read(*parts: bytes, into: BulkRoutes | None = None) -> BulkRoutes:
    found = BulkRoutes(Alikes()) if into is None else into
    for part in parts:
        at = 0
        while at < len(part):
            at = found.take(part, at)
    return found


def in_parts(bodies: list[bytes], count: int) -> list[bytes]:
    return [b"".join(map(message, bodies[start : start + count])) for start in range(0, len(bodies), count)]


def table_of(number: int, via: bytes = b"\xc0\x00\x02\xfe", length: int = 24) -> bytes:
    """A body as fib_dump_info makes it."""
    body = struct.pack("=8BI", 2, length, 0, 0, 254, 186, 0, 1, 0)
    body += struct.pack("=HHI", 8, uapi.RTA_TABLE, 254)
    body += struct.pack("=HH4s", 8, uapi.RTA_DST, struct.pack(">I", 0x14000000 + (number << (32 - length))))
    body += struct.pack("=HHI", 8, uapi.RTA_PRIORITY, 20) + struct.pack("=HH4s", 8, uapi.RTA_GATEWAY, via)
    return body + struct.pack("=HHi", 8, uapi.RTA_OIF, 3)


def complete(bodies: list[bytes]) -> dict:
    """By the complete reader. The same route again is one route."""
    return {key: list(dict.fromkeys(there)) for key, there in by_key(map(by_pyroute2, bodies)).items()}


def assert_same(found: RouteSet, bodies: list[bytes]) -> None:
    """Of one prefix in any order: what is alike comes first, and what the order means is in the metrics."""
    ours, theirs = by_key(found), complete(bodies)
    assert {key: frozenset(there) for key, there in ours.items()} == {k: frozenset(v) for k, v in theirs.items()}
    assert sorted(route.body for route in found) == sorted(set(bodies))


def assert_in_order(found: RouteSet, bodies: list[bytes]) -> None:
    """Of one dump: `ip route append` says nothing of the order but by the order."""
    assert_same(found, bodies)
    assert {key: list(dict.fromkeys(there)) for key, there in by_key(found).items()} == complete(bodies)
    assert {*found.alike.values()} <= {*found.kinds}


@pytest.mark.parametrize("count", [1, 3, 1000])
async def test_the_kernels_own_table_reads_as_the_complete_reader_has_it(wired, count):
    """And again with the destination of each in the message of each other, so that all kinds come among each other."""
    wired.ip(CORPUS)
    bodies = await dumped(wired)
    moved = moved_about(bodies)
    for some in (bodies, [*bodies, *moved], [*moved, *bodies]):
        assert_in_order(read(*in_parts(some, count)).found(), some)


def test_a_full_table_is_packed():
    bodies = [table_of(number, bytes((192, 0, 2, 1 + number % 50))) for number in range(5000)]
    found = read(*in_parts(bodies, 481)).found()
    assert (len(found.alike), found.apart, len(set(found.alike.values()))) == (5000, (), 50)
    assert_same(found, bodies)


@settings(max_examples=12)
@given(st.lists(st.tuples(st.sampled_from([11, 186, 188]), st.booleans()), min_size=40, max_size=120), st.booleans())
def test_routes_of_two_lengths_among_each_other_are_each_as_said(said, learnt):
    """A part of a routing daemon's: by one gateway, of several protocols, some with a preferred source. Where one of
    another length comes, the cut goes astray and falls into step again further on."""
    bodies = []
    for number, (protocol, preferred) in enumerate(said):
        body = bytearray(table_of(number))
        body[5] = protocol
        bodies.append(
            bytes(body) + (struct.pack("=HH4s", 8, uapi.RTA_PREFSRC, b"\xc0\x00\x02\x01") if preferred else b"")
        )
    first = [table_of(5000 + number) for number in range(60)] if learnt else []
    assert_same(read(*in_parts([*first, *bodies], 1000)).found(), [*first, *bodies])


def test_what_has_another_beside_it_is_apart():
    """Whichever comes first, in one part or in two; what is default, expires or is of another table is too."""
    one, other = table_of(7), table_of(7, b"\xc0\x00\x02\x01")
    rest = [table_of(number) for number in range(100)]
    elsewhere = one[:12] + struct.pack("=HHI", 8, uapi.RTA_TABLE, 100) + one[20:]
    for parts in ([[*rest, other]], [rest, [other]], [[other], rest], [[other, *rest, other], rest]):
        found = read(*(b"".join(map(message, part)) for part in parts)).found()
        assert len(found.alike) == 99
        assert {route.next_hops[0].gateway.packed[3] for route in found.apart} == {1, 254}
    assert len(read(message(one), message(elsewhere)).found().apart) == 1
    default = struct.pack("=8BI", 2, 0, *one[2:8], 0) + one[12:24] + bytes(4) + one[28:]
    assert [str(route.prefix) for route in read(*map(message, (*rest, default))).found().apart] == ["0.0.0.0/0"]


def test_messages_of_other_kinds_between_are_passed_over():
    part = message(table_of(1)) + message(b"", kind=uapi.RTM_NEWLINK) + message(table_of(2)) * 2
    cloned = table_of(3)[:8] + struct.pack("=I", uapi.RTM_F_CLONED) + table_of(3)[12:]
    assert_same(read(part + message(cloned) + message(table_of(4))).found(), [table_of(n) for n in (1, 2, 4)])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [table_of(1)[:24] + b"\x14\0\x01\x01" + table_of(1)[28:], b"\x02\x21" + table_of(1)[2:], table_of(1)[:-3]],
    ids=["host bits", "length", "cut"],
)
def test_what_is_no_route_is_an_error_among_others_too(wrong, known):
    before = message(table_of(5)) * known
    with pytest.raises(Unreadable):
        read(before + message(table_of(6)) + message(wrong) + message(table_of(7)))


def test_a_message_that_says_more_than_came_is_an_error():
    with pytest.raises(Unreadable, match="does not fit"):
        read(message(table_of(5)) + message(table_of(6))[:-4])


@given(st.lists(made_routes(), min_size=1, max_size=5), st.lists(st.integers(0, 9), max_size=30), st.integers(1, 20))
def test_whatever_comes_beside_what(routes, order, count):
    """Each also in table main, with a metric of its own, and with the others' destinations."""
    pairs = [(one, other) for one in routes for other in routes if one.family == other.family]
    kinds = [*routes, *(replace(one, table=254, prefix=other.prefix) for one, other in pairs)]
    bodies = [routebody.adding(kinds[number % len(kinds)], 0, 0) for number in order]
    assert_in_order(read(*in_parts(bodies, count)).found(), bodies)


@given(st.lists(st.integers(0, 40), max_size=40), st.lists(st.integers(0, 40), max_size=40))
def test_two_dumps_are_put_together(one, other):
    """As several dumps of the same routes are: what both have is one route."""
    first, second = ([table_of(n // 2, bytes((192, 0, 2, 1 + n % 2))) for n in some] for some in (one, other))
    alikes = Alikes()

    async def together() -> RouteSet:
        found = read(*in_parts(first, 7), into=BulkRoutes(alikes))
        await found.merge(read(*in_parts(second, 7), into=BulkRoutes(alikes)), again=True)
        return found.found()

    assert_same(trio.run(together), [*first, *second])


def test_what_expires_in_two_dumps_is_one_route():
    hop = (NextHop(3),)
    bodies = [routebody.adding(Route(ip_network("2001:db8::/48"), 254, hop, metric=9), 0, 0) for _ in range(2)]
    lives = [struct.pack("=HHIIiIIIII", 36, uapi.RTA_CACHEINFO, 0, 0, ticks, 0, 0, 0, 0, 0) for ticks in (900, 800)]
    first, second = (read(message(body + life)) for body, life in zip(bodies, lives, strict=True))
    trio.run(lambda: first.merge(second, again=True))
    (route,) = first.found()
    assert route.expires_s == 8
