"""Packed routes against a scripted peer: the same on the wire as values, each answer looked at, each entry compared."""

import struct
from ipaddress import ip_address, ip_network

import pytest
import trio

from hostlink.core.alike import PackedRoutes, place_of, prefix_at
from hostlink.core.model import VppPath
from hostlink.vpp.errors import VppGone, VppProtocolError
from hostlink.vpp.packed_routes import apply_packed, has_paths
from hostlink.vpp.session import open_session
from tests.vpp.test_routes import HEAD, ROUTE, VIA, api, details, packed_path, seen

ADD_DEL, DETAILS = "ip_route_add_del_v2", "ip_route_v2_details"
PATHS, PATHS6 = (VIA,), (VppPath(1, ip_address("fe80::1")),)
HOP = ip_address("10.0.0.2").packed


@pytest.fixture
async def peer(make_peer):
    return await make_peer("packed.sock", api_json=api())


def places(count, first=0x14000000):
    return [place_of(ip_network((first + (number << 8), 24))) for number in range(count)]


def packed(*add, delete=()):
    work = PackedRoutes()
    work.extend(add, delete)
    return work


async def test_each_request_is_as_the_codec_packs_it(peer):
    six = [place_of(ip_network(f"2001:db8:{number}::/48")) for number in range(3)]
    four, gone = places(3000), [*places(1, 0x63000000), place_of(ip_network("2001:db8:ff::/64"))]
    work = packed((PATHS, four), (PATHS6, six), delete=gone)
    async with open_session(peer.path) as session:
        assert await apply_packed(session, 23, work) == []
    got = [seen(request) for request in await peer.wait_got(3005, ADD_DEL)]
    assert [one[3] for one in got] == [prefix_at(place) for place in (*four, *six, *gone)]
    assert {one[:3] + one[4:5] for one in got[:3003]} == {(True, False, 0, 23)}
    assert {one[0] for one in got[3003:]} == {False}
    assert got[0][5] == got[2999][5] == [(1, 0, 0xFFFFFFFF, 1, 0, 0, 0, 0, HOP + bytes(12), 0, 0, 0, 0)]
    assert got[3000][5][0][8] == ip_address("fe80::1").packed
    assert got[3003][5] == got[3004][5] == []
    contexts = [request.context for request in peer.got if request.name == ADD_DEL]
    assert len(set(contexts)) == 3005


@pytest.mark.parametrize("at_once", [1, 7, 3000], ids=lambda n: f"{n} answers at once")
async def test_each_answer_is_looked_at_however_they_come(peer, at_once):
    """Refusals in the middle of a run, and frames that are torn anywhere."""
    refused = {5, 6, 700, 2999}
    answers = []

    async def answer(request):
        number = len([one for one in peer.got if one.name == ADD_DEL]) - 1
        answers.append(peer.reply(request, -3 if number in refused else 0, bytes(4)))
        if len(answers) == at_once or number == 2999:
            data = b"".join(answers)
            answers.clear()
            cut = number % len(data)
            await peer.send(data[:cut])
            await peer.send(data[cut:])

    peer.on[ADD_DEL] = answer
    async with open_session(peer.path) as session:
        refusals = await apply_packed(session, 23, packed((PATHS, places(2000)), delete=places(1000, 0x63000000)))
    assert [one.fields["prefix"] for one in refusals] == [
        "20.0.5.0/24",
        "20.0.6.0/24",
        "20.2.188.0/24",
        "99.3.231.0/24",
    ]
    assert [(one.fields["is_add"], one.retval) for one in refusals] == [(True, -3)] * 3 + [(False, -3)]


async def test_answers_in_another_order_are_each_their_own(peer):
    answers = []

    async def answer(request):
        number = len(answers)
        answers.append(peer.reply(request, -3 if number == 160 else 0, bytes(4)))
        if len(answers) == 300:
            for part in (answers[:100], answers[100:150], [*reversed(answers[150:200])], answers[200:]):
                await peer.send(*part)
                await trio.sleep(0.01)

    peer.on[ADD_DEL] = answer
    async with open_session(peer.path) as session:
        (refusal,) = await apply_packed(session, 23, packed((PATHS, places(300))))
        assert session.counters.late_replies == 0
    assert refusal.fields["prefix"] == "20.0.160.0/24"


async def test_another_requests_answer_among_them_arrives(peer):
    answers = []

    async def answer(request):
        answers.append(peer.reply(request, 0, bytes(4)))
        if len(answers) == 200:
            await peer.send(*answers[:100])

    async def ping(request):
        await peer.send(peer.reply(request, 0, bytes(8)), *answers[100:])

    peer.on |= {ADD_DEL: answer, "control_ping": ping}
    async with open_session(peer.path) as session, trio.open_nursery() as nursery:
        nursery.start_soon(apply_packed, session, 23, packed((PATHS, places(200))))
        await peer.wait_got(200, ADD_DEL)
        await session.request("control_ping")


@pytest.mark.parametrize("twice", [0, 250])
async def test_an_answer_that_comes_twice_counts_once(peer, twice):
    """A VPP does not do that: whoever does must not make us believe that the last ones were carried out."""
    answers = []

    async def answer(request):
        answers.append(peer.reply(request, 0, bytes(4)))
        if len(answers) == 300:
            await peer.send(*answers[: twice + 1], answers[twice], *answers[twice + 1 : 299])

    peer.on[ADD_DEL] = answer
    async with open_session(peer.path) as session:
        with trio.move_on_after(1.0) as scope:
            await apply_packed(session, 23, packed((PATHS, places(300))))
        assert scope.cancelled_caught
        assert session.counters.late_replies == 1


async def test_death_among_them_is_told(peer):
    async def die(_request):
        if len(peer.got) > 500:
            await peer.hang_up()

    peer.on[ADD_DEL] = die
    async with open_session(peer.path) as session:
        with pytest.raises(VppGone):
            await apply_packed(session, 23, packed((PATHS, places(10000))))


async def test_a_field_that_shifted_is_followed(make_peer):
    wider = [["u32", "table_id"], ["u64", "stats_index"], *ROUTE[2:]]
    peer = await make_peer("wider.sock", api_json=api(route=wider))
    async with open_session(peer.path) as session:
        await apply_packed(session, 23, packed((PATHS, places(2))))
    (first, _second) = await peer.wait_got(2, ADD_DEL)
    _table, _stats, family, address, length = struct.unpack_from(">IQB16sB", first.body, 2)
    assert (family, address[:4], length) == (0, bytes([20, 0, 0, 0]), 24)


# ------------------------------------------------------------------------------------------------------------ read back


async def compared(peer, wanted, *entries, at_once=True):
    """What the read-back says of VPP's entries where these {prefix: paths} are wanted (None: none)."""

    async def list_them(request):
        assert request.body[:5] == struct.pack(">BI", 23, 0)
        six = request.body[5]
        frames = [peer.message(DETAILS, request.context, one) for one in entries if HEAD.unpack_from(one)[2] == six]
        for some in [frames] if at_once else [[one] for one in frames]:
            await peer.send(*some)

    peer.on["ip_route_v2_dump"] = list_them
    asked = {place_of(ip_network(prefix)): paths for prefix, paths in wanted.items()}
    async with open_session(peer.path) as session:
        return await has_paths(session, 23, set(asked), lambda places: [asked.get(place) for place in places])


FOUR, SIX = "20.0.1.0/24", "2001:db8::/32"
THERE = details(FOUR, packed_path(1, HOP))
THERE6 = details(SIX, packed_path(1, ip_address("fe80::1").packed, proto=1))
MANY = [details(f"30.{number >> 8}.{number & 255}.0/24", packed_path(1, HOP)) for number in range(300)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_is_as_wanted_is_so(peer, at_once):
    wanted = {FOUR: PATHS, SIX: PATHS6, "20.0.2.0/24": None, "30.0.7.0/24": PATHS}
    assert await compared(peer, wanted, *MANY, THERE, THERE6, at_once=at_once)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("wanted", "entries"),
    [
        ({FOUR: PATHS}, [details(FOUR, packed_path(1, HOP[:3] + b"\x03"))]),
        ({FOUR: PATHS}, [details(FOUR, packed_path(1, HOP), packed_path(2, HOP))]),
        ({FOUR: None}, [THERE]),
        ({FOUR: PATHS, "20.0.2.0/24": PATHS}, [THERE]),
        ({FOUR: PATHS, SIX: PATHS6}, [THERE]),
        ({FOUR: PATHS}, [details(FOUR, packed_path(1, HOP), table=5)]),
        ({FOUR: PATHS}, [details("20.0.1.0/25", packed_path(1, HOP))]),
    ],
    ids=["other hop", "one path more", "not gone", "one missing", "a family missing", "other table", "other length"],
)
async def test_what_differs_is_seen(peer, wanted, entries, at_once):
    assert not await compared(peer, wanted, *MANY, *entries, *MANY, at_once=at_once)


async def test_host_bits_of_the_address_that_made_the_entry_are_passed_over(peer):
    left = THERE.replace(b"\x14\0\1\0", b"\x14\0\1\7", 1)
    assert await compared(peer, {FOUR: PATHS}, left)


@pytest.mark.parametrize("before", [0, 300])
async def test_details_cut_short_are_a_protocol_error(peer, before):
    with pytest.raises(VppProtocolError, match="does not fit its definition"):
        await compared(peer, {FOUR: PATHS}, *MANY[:before], THERE[:30])
