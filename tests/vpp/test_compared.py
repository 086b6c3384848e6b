"""Table 0 read beside what is wanted, against a scripted peer: what differs is said, however its details come."""

import random
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from hostlink.core.alike import place_of, prefix_at
from hostlink.core.model import PathType, VppPath, VppPort, VppRoute, VppUplink
from hostlink.vpp.compared import read_compared
from hostlink.vpp.errors import VppProtocolError
from hostlink.vpp.on_link import Sources
from hostlink.vpp.session import open_session
from tests.vpp.test_routes import VIA, api, details, packed_path

PATHS = (VIA,)
OTHER = replace(VIA, next_hop=ip_address("10.0.0.3"))
FOREIGN = replace(VIA, sw_if_index=9)
NOTHING = VppUplink(VppPort(1), VppPort(2))
SOURCES = Sources(own=23, on_link=4)
HOPS = {one.next_hop: one.next_hop.packed for one in (VIA, OTHER)}


@pytest.fixture
async def peer(make_peer):
    return await make_peer("compared.sock", api_json=api())


def places(count, first=0x14000000):
    return [place_of(ip_network((first + (number << 8), 24))) for number in range(count)]


def entry(place, paths, **more):
    hops = [one.next_hop.packed if one.next_hop else b"" for one in paths]
    raw = [packed_path(one.sw_if_index, hop, kind=one.type.value) for one, hop in zip(paths, hops, strict=True)]
    return details(str(prefix_at(place)), *raw, **more)


async def read(peer, wanted, entries, at_once=1000):
    """What is read of these details where `wanted` is wanted."""

    async def list_them(request):
        source, six = request.body[0], request.body[5]
        if source != SOURCES.own:
            return
        frames = [peer.message("ip_route_v2_details", request.context, one) for one in entries if one[8] == six]
        data = b"".join(frames)
        for start in range(0, len(data), at_once):
            await peer.send(data[start : start + at_once])

    peer.on["ip_route_v2_dump"] = list_them
    async with open_session(peer.path) as session:
        compared = await read_compared(session, SOURCES, frozenset({1, 2}), {} if wanted is None else wanted.packed)
        routes, packed = await compared.parted(wanted)
    assert len(routes) == len(set(routes))
    return set(routes), packed


@pytest.mark.parametrize("at_once", [200, 5000, 1 << 20])
async def test_a_full_table_as_it_should_be_differs_in_nothing(peer, at_once):
    fours = places(3000)
    sixes = [place_of(ip_network((0x2001 << 112 | n << 64, 64))) for n in range(50)]
    via6 = (VppPath(1, ip_address("fe80::1")),)
    wanted = replace(NOTHING, packed={**dict.fromkeys(fours, PATHS), **dict.fromkeys(sixes, via6)})
    six = [details(str(prefix_at(place)), packed_path(1, ip_address("fe80::1").packed, proto=1)) for place in sixes]
    routes, packed = await read(peer, wanted, [*(entry(place, PATHS) for place in fours), *six], at_once)
    assert (routes, packed.missing, packed.others, len(packed)) == (set(), set(), {}, 3050)
    assert packed.wanted is wanted.packed


@pytest.mark.parametrize("at_once", [150, 4000, 1 << 20])
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_there_is_said(peer, seed, at_once):
    """Beside what should be: other paths, several, none of ours, others' interfaces, on-link ones, and nothing."""
    chance = random.Random(seed)
    fours, strays = places(400), places(100, 0x1E000000)
    kinds = [
        PATHS,
        PATHS,
        PATHS,
        PATHS,
        (OTHER,),
        (VIA, OTHER),
        (FOREIGN,),
        (VppPath(1),),
        (VppPath(type=PathType.DROP),),
    ]
    there = {place: chance.choice(kinds) for place in [*fours, *strays] if chance.random() < 0.9}
    several = tuple(sorted((VIA, OTHER)))
    wanted = {place: chance.choice([PATHS, PATHS, PATHS, several, (VppPath(type=PathType.DROP),)]) for place in fours}
    values = frozenset(VppRoute(0, prefix_at(place), PATHS) for place in strays[:20])
    order = list(there)
    chance.shuffle(order)
    uplink = replace(NOTHING, packed=wanted, routes=values)
    routes, packed = await read(peer, uplink, [entry(place, there[place]) for place in order], at_once)
    ours = {place: tuple(sorted(paths)) for place, paths in there.items() if paths != (FOREIGN,)}
    as_values = {p for p in ours if p not in wanted and (p in strays[:20] or ours[p] == (VppPath(1),))}
    assert routes == {VppRoute(0, prefix_at(place), ours[place]) for place in as_values}
    assert dict(packed) == {place: paths for place, paths in ours.items() if place not in as_values}
    assert packed.missing == {place for place in wanted if place not in ours}


async def test_host_bits_and_other_tables(peer):
    (place,) = places(1)
    left = entry(place, PATHS).replace(b"\x14\0\0\0", b"\x14\0\0\7", 1)
    elsewhere = entry(place, (OTHER,), table=5)
    routes, packed = await read(peer, replace(NOTHING, packed={place: PATHS}), [left, elsewhere])
    assert (routes, packed.missing, packed.others) == (set(), set(), {})


async def test_a_host_route_by_itself_is_on_link(peer):
    itself, by = (place_of(ip_network(text)) for text in ("10.0.0.2/32", "10.0.0.3/32"))
    routes, packed = await read(peer, NOTHING, [entry(itself, PATHS), entry(by, PATHS)])
    assert routes == {VppRoute(0, prefix_at(itself), PATHS)}
    assert dict(packed) == {by: PATHS}


async def test_without_a_wish_all_are_values(peer):
    (place,) = places(1)
    routes, packed = await read(peer, None, [entry(place, PATHS)])
    assert (routes, len(packed)) == ({VppRoute(0, prefix_at(place), PATHS)}, 0)


@pytest.mark.parametrize("before", [0, 300])
async def test_details_cut_short_are_a_protocol_error(peer, before):
    many = [entry(place, PATHS) for place in places(before)]
    with pytest.raises(VppProtocolError, match="does not fit its definition"):
        await read(peer, NOTHING, [*many, entry(places(1)[0], PATHS)[:30]])


async def test_on_link_ones_are_of_a_source_of_their_own(peer):
    """And what an operator has made by gateways under that source is his."""
    on_link = VppRoute(0, ip_network("198.51.100.0/24"), (replace(VIA, next_hop=None),))
    by_gateway = entry(place_of(ip_network("203.0.113.0/24")), PATHS)

    async def list_them(request):
        if request.body[0] == SOURCES.on_link and not request.body[5]:
            for one in (entry(place_of(on_link.prefix), on_link.paths), by_gateway):
                await peer.send(peer.message("ip_route_v2_details", request.context, one))

    peer.on["ip_route_v2_dump"] = list_them
    async with open_session(peer.path) as session:
        compared = await read_compared(session, SOURCES, frozenset({1, 2}), {})
    assert compared.on_link == (on_link,)
