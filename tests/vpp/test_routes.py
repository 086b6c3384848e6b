"""Bulk routes against a scripted peer: what goes over the wire is read here by hand, field by field."""

import json
import struct
from ipaddress import ip_address, ip_network

import pytest

from hostlink.core.model import NO_INDEX, Family, PathType, VppPath, VppRoute, path_order
from hostlink.vpp.errors import ContractError, VppBadRequest, VppGone, VppProtocolError
from hostlink.vpp.routes import apply_routes, own_source, paths_by_dump, read_routes
from hostlink.vpp.session import open_session

REQUEST = [["u16", "_vl_msg_id"], ["u32", "client_index"], ["u32", "context"]]
REPLY = [["u16", "_vl_msg_id"], ["u32", "context"]]
ADDRESS = [["vl_api_address_family_t", "af"], ["vl_api_address_union_t", "un"]]
ROUTE = [
    ["u32", "table_id"],
    ["u32", "stats_index"],
    ["vl_api_prefix_t", "prefix"],
    ["u8", "n_paths"],
    ["u8", "src"],
    ["vl_api_fib_path_t", "paths", 0, "n_paths"],
]
PREFIX = [["vl_api_address_t", "address"], ["u8", "len"]]
FIB_PATH = [
    *(["u32", name] for name in ("sw_if_index", "table_id", "rpf_id")),
    ["u8", "weight"],
    ["u8", "preference"],
    ["vl_api_fib_path_type_t", "type"],
    ["u32", "flags"],
    ["u32", "proto"],
    ["vl_api_fib_path_nh_t", "nh"],
    ["u8", "n_labels"],
    ["vl_api_fib_mpls_label_t", "label_stack", 16],
]
HEAD = struct.Struct(">II B16sB BB")
PATH = struct.Struct(">IIIBBIII16sIIIB112x")
CONNECTED = VppPath(1, None)
VIA = VppPath(1, ip_address("10.0.0.2"))


def api(route=ROUTE, prefix=PREFIX, path=FIB_PATH):
    """The definitions of routes and sources as VPP 24.10 to 26.06 have them, or with another route, prefix or path."""
    enum = lambda name, kind, *values: [name, *map(list, values), {"enumtype": kind}]  # noqa: E731
    next_hop = [["vl_api_address_union_t", "address"], ["u32", "via_label"], ["u32", "obj_id"], ["u32", "table"]]
    source = [["u8", "priority"], ["u8", "id"], ["string", "name", 64]]
    table = [["u32", "table_id"], ["bool", "is_ip6"], ["string", "name", 64]]
    messages = [
        ["ip_route_add_del_v2", *REQUEST, ["bool", "is_add", {"default": "true"}], ["bool", "is_multipath"]],
        ["ip_route_add_del_v2_reply", *REPLY, ["i32", "retval"], ["u32", "stats_index"]],
        ["ip_route_v2_dump", *REQUEST, ["u8", "src"], ["vl_api_ip_table_t", "table"]],
        ["ip_route_v2_details", *REPLY, ["vl_api_ip_route_v2_t", "route"]],
        ["fib_source_add", *REQUEST, ["vl_api_fib_source_t", "src"]],
        ["fib_source_add_reply", *REPLY, ["i32", "retval"], ["u8", "id"]],
        ["fib_source_dump", *REQUEST],
        ["fib_source_details", *REPLY, ["vl_api_fib_source_t", "src"]],
    ]
    messages[0].append(["vl_api_ip_route_v2_t", "route"])
    definitions = {
        "enums": [
            enum("address_family", "u8", ("ADDRESS_IP4", 0), ("ADDRESS_IP6", 1)),
            enum("fib_path_type", "u32", ("NORMAL", 0), ("LOCAL", 1), ("DROP", 2), ("DVR", 9)),
        ],
        "aliases": {"ip4_address": {"type": "u8", "length": 4}, "ip6_address": {"type": "u8", "length": 16}},
        "unions": [["address_union", ["vl_api_ip4_address_t", "ip4"], ["vl_api_ip6_address_t", "ip6"]]],
        "types": [
            ["address", *ADDRESS],
            ["prefix", *prefix],
            ["fib_mpls_label", ["u8", "is_uniform"], ["u32", "label"], ["u8", "ttl"], ["u8", "exp"]],
            ["fib_path_nh", *next_hop],
            ["fib_path", *path],
            ["ip_route_v2", *route],
            ["fib_source", *source],
            ["ip_table", *table],
        ],
        "messages": [[*message, {"crc": f"0x0000{number:04x}"}] for number, message in enumerate(messages, 0xC0)],
        "services": {
            "ip_route_add_del_v2": {"reply": "ip_route_add_del_v2_reply"},
            "ip_route_v2_dump": {"reply": "ip_route_v2_details", "stream": True},
            "fib_source_add": {"reply": "fib_source_add_reply"},
            "fib_source_dump": {"reply": "fib_source_details", "stream": True},
        },
    }
    return json.dumps([definitions])


def seen(request):
    """One ip_route_add_del_v2 as the peer got it: (is_add, is_multipath, table, prefix, source, [paths])."""
    is_add, is_multipath = struct.unpack_from(">??", request.body)
    table, _stats, family, address, length, count, source = HEAD.unpack_from(request.body, 2)
    assert len(request.body) == 2 + HEAD.size + count * PATH.size
    prefix = ip_network((address if family else address[:4], length))
    paths = [PATH.unpack_from(request.body, 2 + HEAD.size + number * PATH.size) for number in range(count)]
    return is_add, is_multipath, table, prefix, source, paths


def packed_path(sw_if_index=1, hop=b"", weight=1, preference=0, kind=0, proto=0):
    return PATH.pack(sw_if_index, 0, 0, weight, preference, kind, 0, proto, hop, 0, 0, 0, 0)


def routes(count, paths=(VIA,)):
    return [VppRoute(0, ip_network((0x14000000 + (number << 8), 24)), paths) for number in range(count)]


@pytest.fixture
async def peer(make_peer):
    return await make_peer("routes.sock", api_json=api())


async def test_an_add_carries_table_prefix_source_and_paths(peer):
    paths = (VIA, VppPath(2, ip_address("fe80::9"), weight=3, preference=7))
    add = [
        VppRoute(5, ip_network("20.1.0.0/16"), paths),
        VppRoute(0, ip_network("fd01::/64"), (VppPath(NO_INDEX, None, type=PathType.DROP),)),
    ]
    async with open_session(peer.path) as session:
        assert await apply_routes(session, 23, add, []) == []
    first, second = map(seen, await peer.wait_got(2, "ip_route_add_del_v2"))
    assert first[:5] == (True, False, 5, ip_network("20.1.0.0/16"), 23)
    via, link_local = first[5]
    assert via == (1, 0, NO_INDEX, 1, 0, 0, 0, 0, ip_address("10.0.0.2").packed + bytes(12), 0, 0, 0, 0)
    assert link_local == (2, 0, NO_INDEX, 3, 7, 0, 0, 1, ip_address("fe80::9").packed, 0, 0, 0, 0)
    assert second[:5] == (True, False, 0, ip_network("fd01::/64"), 23)
    assert second[5] == [(NO_INDEX, 0, NO_INDEX, 1, 0, 2, 0, 1, bytes(16), 0, 0, 0, 0)]


async def test_many_go_out_in_order_adds_first_each_with_its_own_prefix(peer):
    add, delete = routes(3000), [VppRoute(0, ip_network("99.0.0.0/8"), (VIA,)), VppRoute(0, ip_network("::/0"), ())]
    async with open_session(peer.path) as session:
        assert await apply_routes(session, 23, iter(add), iter(delete)) == []
    got = [seen(request) for request in await peer.wait_got(3002, "ip_route_add_del_v2")]
    assert [one[3] for one in got] == [route.prefix for route in add + delete]
    assert [one[0] for one in got] == [True] * 3000 + [False] * 2
    assert [one[5] for one in got[3000:]] == [[], []]


async def test_what_is_refused_is_told_route_by_route_and_the_rest_is_done(peer):
    async def refuse_some(request):
        third_byte = request.body[2 + 4 + 4 + 1 + 2]
        await peer.send(peer.reply(request, -3 if third_byte in (7, 9) else 0, bytes(4)))

    peer.on["ip_route_add_del_v2"] = refuse_some
    add = routes(20)
    async with open_session(peer.path) as session:
        failures = await apply_routes(session, 23, add, [])
    assert [(failure.route, failure.added) for failure in failures] == [(add[7], True), (add[9], True)]
    assert str(failures[0].error).startswith(
        "VPP refused ip_route_add_del_v2(is_add=True, table_id=0, prefix='20.0.7.0/24', src=23, paths=("
    )
    assert str(failures[0].error).endswith("-3 (NO_SUCH_FIB)")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (VppPath(1, None, weight=256), "ip_route_add_del_v2 cannot be packed"),
        (VppPath(1, None, preference=-1), "ip_route_add_del_v2 cannot be packed"),
    ],
)
async def test_a_route_that_does_not_fit_stops_all_before_anything_is_sent(peer, bad, words):
    add = [*routes(10), VppRoute(0, ip_network("1.0.0.0/8"), (bad,))]
    async with open_session(peer.path) as session:
        with pytest.raises(VppBadRequest, match=words):
            await apply_routes(session, 23, add, [])
        await session.request("control_ping")
    assert not [request for request in peer.got if request.name == "ip_route_add_del_v2"]


async def test_a_prefix_to_be_both_added_and_deleted_is_refused(peer):
    async with open_session(peer.path) as session:
        with pytest.raises(VppBadRequest, match=r"20\.0\.1\.0/24 of table 0 is to be both added and deleted"):
            await apply_routes(session, 23, routes(3), routes(3, (CONNECTED,))[1:2])


async def test_nothing_to_do_sends_nothing(peer):
    async with open_session(peer.path) as session:
        assert await apply_routes(session, 23, [], []) == []
    assert not [request for request in peer.got if request.name == "ip_route_add_del_v2"]


async def test_death_among_many_routes_is_told(peer):
    async def die_at_100(_request):
        if len([one for one in peer.got if one.name == "ip_route_add_del_v2"]) == 100:
            await peer.hang_up()

    peer.on["ip_route_add_del_v2"] = die_at_100
    async with open_session(peer.path) as session:
        with pytest.raises(VppGone):
            await apply_routes(session, 23, routes(10000), [])


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [("ip_route_add_del_v2_reply", b"\0\0", "too short for its retval"), ("control_ping_reply", bytes(12), "expected")],
)
async def test_what_is_no_reply_to_a_route_ends_the_session(peer, name, body, words):
    async def answer_badly(request):
        await peer.send(peer.message(name, request.context, body))

    peer.on["ip_route_add_del_v2"] = answer_badly
    async with open_session(peer.path) as session:
        with pytest.raises(VppProtocolError, match=words):
            await apply_routes(session, 23, routes(3), [])


# --------------------------------------------------------------------------------------------------------- reading


def details(prefix, *paths, table=0):
    network = ip_network(prefix)
    head = HEAD.pack(table, 77, network.version == 6, network.network_address.packed, network.prefixlen, len(paths), 23)
    return head + b"".join(paths)


async def read_back(peer, family, *entries):
    async def list_them(request):
        await peer.send(*(peer.message("ip_route_v2_details", request.context, entry) for entry in entries))

    peer.on["ip_route_v2_dump"] = list_them
    async with open_session(peer.path) as session:
        found = await read_routes(session, 23, 5, family)
    (dump,) = await peer.wait_got(1, "ip_route_v2_dump")
    assert dump.body[:6] == struct.pack(">BI?", 23, 5, family == Family.IPV6)
    return found


async def test_routes_are_read_with_their_paths_in_one_order(peer):
    hop = ip_address("10.0.0.2").packed
    found = await read_back(
        peer,
        Family.IPV4,
        details("20.0.0.0/24", packed_path(1, hop), table=5),
        details("20.0.1.0/24", packed_path(2, preference=4), packed_path(1, hop, weight=9), table=5),
        details("20.0.2.0/24", packed_path(1, ip_address("fe80::1").packed, proto=1), table=5),
        details("0.0.0.0/0", packed_path(NO_INDEX, kind=2), table=5),
    )
    assert found == [
        VppRoute(5, ip_network("20.0.0.0/24"), (VIA,)),
        VppRoute(5, ip_network("20.0.1.0/24"), (VppPath(1, VIA.next_hop, weight=9), VppPath(2, None, preference=4))),
        VppRoute(5, ip_network("20.0.2.0/24"), (VppPath(1, ip_address("fe80::1")),)),
        VppRoute(5, ip_network("0.0.0.0/0"), (VppPath(NO_INDEX, None, type=PathType.DROP),)),
    ]
    assert found[1].paths == tuple(sorted(found[1].paths, key=path_order))


async def test_ipv6_routes_are_read(peer):
    found = await read_back(peer, Family.IPV6, details("fd01::/64", packed_path(1, proto=1)))
    assert found == [VppRoute(0, ip_network("fd01::/64"), (CONNECTED,))]


async def test_a_path_of_a_kind_hostlink_never_makes_leaves_a_route_that_equals_none_it_wants(peer):
    found = await read_back(peer, Family.IPV4, details("20.0.0.0/24", packed_path(1, kind=9)))
    assert found == [VppRoute(0, ip_network("20.0.0.0/24"), ())]


async def test_details_cut_short_are_a_protocol_error(peer):
    with pytest.raises(VppProtocolError, match="does not fit its definition"):
        await read_back(peer, Family.IPV4, details("20.0.0.0/24", packed_path(1))[:12])


async def test_a_prefix_that_is_none_is_a_protocol_error(peer):
    with pytest.raises(VppProtocolError, match="is no prefix"):
        await read_back(peer, Family.IPV4, HEAD.pack(0, 0, 0, b"\x14\0\0\0", 33, 0, 23))


async def test_host_bits_that_a_connected_entry_left_behind_are_not_part_of_the_prefix(peer):
    """VPP 26.06 dumps `20.0.0.1/24` where an address that made the entry has gone and our route for it stays."""
    left = details("20.0.0.0/24", packed_path(1)).replace(b"\x14\0\0\0", b"\x14\0\0\1", 1)
    (route,) = await read_back(peer, Family.IPV4, left)
    assert str(route.prefix) == "20.0.0.0/24"


# ---------------------------------------------------------------------------------------------------------- layout


async def test_a_field_that_shifted_is_followed(make_peer):
    wider = [["u32", "table_id"], ["u64", "stats_index"], *ROUTE[2:]]
    peer = await make_peer("wider.sock", api_json=api(route=wider))
    async with open_session(peer.path) as session:
        await apply_routes(session, 23, routes(2), [])
    (first, _second) = await peer.wait_got(2, "ip_route_add_del_v2")
    _table, _stats, family, address, length = struct.unpack_from(">IQB16sB", first.body, 2)
    assert (family, address[:4], length) == (0, bytes([20, 0, 0, 0]), 24)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prefix": [PREFIX[1], PREFIX[0]]}, r"ip_route_add_del_v2\.prefix\.len has CRC another layout"),
        ({"prefix": [PREFIX[0], ["u16", "len"]]}, r"ip_route_add_del_v2\.prefix\.len"),
        ({"route": [ROUTE[1], *ROUTE[2:]]}, r"ip_route_add_del_v2\.table_id"),
    ],
)
async def test_a_layout_that_changed_is_refused_by_name(make_peer, changed, words):
    peer = await make_peer("changed.sock", api_json=api(**changed))
    async with open_session(peer.path) as session:
        with pytest.raises(ContractError, match=words):
            await apply_routes(session, 23, routes(2), [])
    assert not [request for request in peer.got if request.name == "ip_route_add_del_v2"]


# ---------------------------------------------------------------------------------------------------------- source


def sources(peer, *entries):
    async def list_them(request):
        bodies = [struct.pack(">BB64s", priority, number, name) for priority, number, name in entries]
        await peer.send(*(peer.message("fib_source_details", request.context, body) for body in bodies))

    peer.on["fib_source_dump"] = list_them


async def test_the_source_is_found_again(peer):
    sources(peer, (0x80, 8, b"API"), (0x78, 23, b"hostlink"))
    async with open_session(peer.path) as session:
        assert await own_source(session) == 23
    assert not [request for request in peer.got if request.name == "fib_source_add"]


async def test_a_source_is_made_when_there_is_none_of_that_name_and_priority(peer):
    async def give_24(request):
        await peer.send(peer.reply(request, 0, b"\x18"))

    sources(peer, (0x80, 8, b"API"), (0x90, 23, b"hostlink"))
    peer.on["fib_source_add"] = give_24
    async with open_session(peer.path) as session:
        assert await own_source(session) == 24
    (request,) = await peer.wait_got(1, "fib_source_add")
    assert struct.unpack(">BB64s", request.body) == (0x78, 0, b"hostlink".ljust(64, b"\0"))


async def test_no_source_left_is_told(peer):
    async def give_none(request):
        await peer.send(peer.reply(request, 0, b"\0"))

    sources(peer)
    peer.on["fib_source_add"] = give_none
    async with open_session(peer.path) as session:
        with pytest.raises(VppProtocolError, match="no FIB source left"):
            await own_source(session)


async def test_many_places_are_read_back_by_one_dump(peer):
    """What is there, what is not, what has the host bits of an address, and what nobody asked for."""
    hop = ip_address("10.0.0.2").packed
    entries = (
        details("20.0.0.0/24", packed_path(1, hop), table=5),
        details("20.0.1.0/24", packed_path(1, hop), table=5),
        details("20.0.2.0/24", packed_path(1, hop), table=5).replace(bytes([20, 0, 2, 0]), bytes([20, 0, 2, 7])),
    )

    async def list_them(request):
        await peer.send(*(peer.message("ip_route_v2_details", request.context, entry) for entry in entries))

    peer.on["ip_route_v2_dump"] = list_them
    async with open_session(peer.path) as session:
        places = [(5, ip_network(prefix)) for prefix in ("20.0.2.0/24", "20.0.3.0/24", "20.0.0.0/24", "20.0.0.0/25")]
        assert await paths_by_dump(session, 23, places) == [(VIA,), None, (VIA,), None]
    (dump,) = await peer.wait_got(1, "ip_route_v2_dump")
    assert dump.body[:6] == struct.pack(">BI?", 23, 5, False)
