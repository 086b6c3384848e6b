"""A digest says that a dump reads as another one did, however its frames come, and that it does not."""

from __future__ import annotations

import random

import pytest

from hostlink.core.alike import place_of, prefix_at
from hostlink.core.model import Family, VppPath
from hostlink.vpp import compared as module
from hostlink.vpp.compared import Compared, read_compared
from hostlink.vpp.session import open_session
from hostlink.vpp.table_digest import TableDigest
from tests.vpp.test_compared import OTHER, PATHS, entry, places
from tests.vpp.test_routes import VIA, api

SEVERAL = tuple(sorted((VIA, OTHER)))
PORTS = frozenset({1, 2})


@pytest.fixture
async def peer(make_peer):
    return await make_peer("digest.sock", api_json=api())


@pytest.fixture
async def session(peer):
    async with open_session(peer.path) as opened:
        yield opened


def digest(session, peer, entries, *, context=5, pieces=1, family=Family.IPV4):
    found = TableDigest(session.codec, family)
    frames = [peer.message("ip_route_v2_details", context, one) for one in entries]
    begin = frames[0][16:22]
    for start in range(0, len(frames), -(-len(frames) // pieces)):
        data = b"".join(frames[start : start - (-len(frames) // pieces)])
        assert found.take(data + b"torn", begin) == len(data)
    return found.value()


def table(count=3000, several=()):
    return [entry(place, SEVERAL if number in several else PATHS) for number, place in enumerate(places(count))]


async def test_the_same_said_in_other_pieces_is_the_same(session, peer):
    """Other contexts, other pieces, other indexes of statistics, other bytes behind an IPv4 address."""
    entries = table(several={0, 7, 8, 1500, 2999})
    wanted = digest(session, peer, entries)
    assert digest(session, peer, entries, context=77, pieces=13) == wanted
    stirred = [entry_with_other_gaps(one) for one in entries]
    assert stirred != entries
    assert digest(session, peer, stirred, pieces=2999) == wanted


def entry_with_other_gaps(details):
    """struct ip_route_v2_details behind its context: table, stats_index, af, address of 16, length, source, paths."""
    return details[:4] + b"\xaa\xbb\xcc\xdd" + details[8:13] + b"\x99" * 12 + details[25:]


@pytest.mark.parametrize("seed", range(20))
async def test_any_byte_that_means_something_makes_another(session, peer, seed):
    chance = random.Random(seed)
    entries = table(200, several={3, 4, 5})
    wanted = digest(session, peer, entries)
    at = chance.randrange(200)
    told_by_the_length = 26  # how many paths
    meaningless = (*range(4, 8), *range(13, 25), told_by_the_length)
    meaning = [byte for byte in range(len(entries[at])) if byte not in meaningless]
    byte = chance.choice(meaning)
    changed = bytearray(entries[at])
    changed[byte] ^= 1 << chance.randrange(8)
    assert digest(session, peer, [*entries[:at], bytes(changed), *entries[at + 1 :]]) != wanted
    assert digest(session, peer, [*entries[:at], *entries[at + 1 :]]) != wanted
    assert digest(session, peer, [*entries, entries[at]]) != wanted


async def test_of_ipv6_all_of_the_address_counts(session, peer):
    entries = table(50)
    changed = [*entries[:-1], entries[-1][:20] + b"\x01" + entries[-1][21:]]
    assert digest(session, peer, entries) == digest(session, peer, changed)
    six = {"family": Family.IPV6}
    assert digest(session, peer, entries, **six) != digest(session, peer, changed, **six)


# ------------------------------------------------------------------------------------------------------ its one user


@pytest.fixture
def dumped(peer, monkeypatch):
    """VPP lists `there`; each dump of IPv4 routes is counted."""
    monkeypatch.setattr(module, "_WORTH_DIGESTING", 10)
    there, counted = {}, []

    async def list_them(request):
        if request.body[5]:
            return
        counted.append(request)
        entries = [entry(place, paths) for place, paths in there.items()]
        await peer.send(*(peer.message("ip_route_v2_details", request.context, one) for one in entries))

    peer.on["ip_route_v2_dump"] = list_them
    return there, counted


async def looked(session, wanted, before=None) -> Compared:
    return await read_compared(session, 23, PORTS, wanted, before=before)


async def test_what_reads_as_before_is_what_it_was(session, dumped):
    there, counted = dumped
    wanted = dict.fromkeys(places(300), PATHS)
    there |= {**wanted, place_of(prefix_at(places(1, 0x1E000000)[0])): (OTHER,)}
    first = await looked(session, wanted)
    assert (first.missing, list(first.others.values()), first.digests) == (frozenset(), [(OTHER,)], ())
    second = await looked(session, wanted, first)
    before = await looked(session, wanted, second)
    assert [len(one.digests) for one in (first, second, before)] == [0, 0, 2], "of one that keeps still"
    assert (before.missing, before.others) == (first.missing, first.others)
    assert await looked(session, wanted, before) is before
    assert len(counted) == 4, "by one dump each time"


async def digested(session, wanted) -> Compared:
    found = None
    for _ in range(3):
        found = await looked(session, wanted, found)
    assert found.digests
    return found


@pytest.mark.parametrize("drift", ["gone", "another gateway", "one more"])
async def test_what_has_drifted_is_found(session, dumped, drift):
    there, _ = dumped
    wanted = dict.fromkeys(places(300), PATHS)
    there |= wanted
    before = await digested(session, wanted)
    place = places(300)[7]
    match drift:
        case "gone":
            del there[place]
        case "another gateway":
            there[place] = (OTHER,)
        case _:
            there[places(1, 0x1E000000)[0]] = PATHS
    found = await looked(session, wanted, before)
    alone = await looked(session, wanted)
    assert found is not before
    assert (found.missing, found.others) == (alone.missing, alone.others)
    assert found.missing or found.others


async def test_another_wish_is_compared_with(session, dumped):
    there, _ = dumped
    wanted = dict.fromkeys(places(300), PATHS)
    there |= wanted
    before = await digested(session, wanted)
    for other, ports in ((dict(wanted), PORTS), (wanted, frozenset({1, 3}))):
        assert await read_compared(session, 23, ports, other, before=before) is not before
    wanted[places(301)[300]] = (VppPath(1, VIA.next_hop),)
    found = await looked(session, wanted, before)
    assert found.missing == {places(301)[300]}
