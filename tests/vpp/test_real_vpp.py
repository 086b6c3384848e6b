"""The session and the routes against a real VPP in a namespace of its own; skipped, and said so, where none is."""

import os
import signal
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import trio

from hostlink.core import operations as op
from hostlink.core.model import NO_INDEX, Family, PathType, VppPath, VppRoute
from hostlink.lab.real_vpp import find_vpp, running_vpp
from hostlink.vpp.contract import check_contract
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.errors import VppGone, VppRefused
from hostlink.vpp.messages import fib_path
from hostlink.vpp.routes import apply_routes, own_source, read_routes
from hostlink.vpp.session import Request, open_session, raise_first

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(find_vpp() is None, reason="no VPP found: neither $HOSTLINK_VPP nor vpp on PATH"),
]


@pytest.fixture
async def vpp(tmp_path):
    namespace = f"hl-{os.getpid()}-vpp"
    await trio.run_process(["ip", "netns", "add", namespace])
    async with running_vpp(find_vpp(), namespace, tmp_path) as running:
        yield running
    await trio.run_process(["ip", "netns", "delete", namespace])


@pytest.fixture
async def session(vpp):
    async with open_session(vpp.api_socket) as opened:
        yield opened


async def make_loopback(session):
    """An interface that is up with 10.0.0.1/24 and fd00::1/64; returns its sw_if_index."""
    created = await session.request("create_loopback")
    address = {"sw_if_index": created.sw_if_index, "is_add": True}
    requests = [
        Request("sw_interface_set_flags", {"sw_if_index": created.sw_if_index, "flags": 1}),
        Request("sw_interface_add_del_address", {**address, "prefix": "10.0.0.1/24"}),
        Request("sw_interface_add_del_address", {**address, "prefix": "fd00::1/64"}),
    ]
    raise_first(await session.batch(requests))
    return created.sw_if_index


def routes(sw_if_index, count):
    paths = (VppPath(sw_if_index, ip_address("10.0.0.2")),)
    return [VppRoute(0, ip_network((0x14000000 + (number << 8), 24)), paths) for number in range(count)]


async def test_the_contract_holds(session):
    assert check_contract(session.message_table) == ()


async def test_requests_dumps_and_refusals(session):
    sw_if_index = await make_loopback(session)
    (local, loopback) = await session.dump("sw_interface_dump")
    assert (local.interface_name, loopback.interface_name) == ("local0", "loop0")
    tagged = {"is_add": True, "sw_if_index": sw_if_index, "tag": "höstlink"}
    await session.request("sw_interface_tag_add_del", **tagged)
    assert (await session.dump("sw_interface_dump"))[1].tag == "höstlink"
    results = await session.batch(
        [
            Request("sw_interface_set_flags", {"sw_if_index": 77}),
            Request("control_ping"),
            Request("sw_interface_add_del_address", {"sw_if_index": sw_if_index, "prefix": "10.9.9.9/24"}),
        ]
    )
    refused = [(one.retval, one.word) if isinstance(one, VppRefused) else one.retval for one in results]
    assert refused == [(-2, "INVALID_SW_IF_INDEX"), 0, (-60, "ADDRESS_NOT_FOUND_FOR_INTERFACE")]


async def test_events_come_once_they_are_wanted(session):
    created = await session.request("create_loopback")
    await session.request("want_interface_events", enable_disable=1, pid=os.getpid())
    await session.request("sw_interface_set_flags", sw_if_index=created.sw_if_index, flags=1)
    with trio.fail_after(5):
        event = await session.events.receive()
    assert (event.name, event.message.sw_if_index) == ("sw_interface_event", created.sw_if_index)


async def test_the_death_of_vpp_is_noticed_at_once(vpp, session, nursery):
    reason = trio.Event()

    async def watch():
        assert isinstance(await session.wait_closed(), VppGone)
        reason.set()

    nursery.start_soon(watch)
    os.killpg(vpp.process.pid, signal.SIGKILL)
    with trio.fail_after(2):
        await reason.wait()
    with pytest.raises(VppGone):
        await session.request("control_ping")


async def test_many_routes_go_in_come_back_equal_and_go_again(session):
    wanted = routes(await make_loopback(session), 20000)
    source = await own_source(session)
    assert await apply_routes(session, source, wanted, []) == []
    assert set(await read_routes(session, source, 0, Family.IPV4)) == set(wanted)
    assert await apply_routes(session, source, [], wanted[1:]) == []
    assert await read_routes(session, source, 0, Family.IPV4) == wanted[:1]


async def test_every_kind_of_route_reads_back_as_it_was_written(session):
    loop = await make_loopback(session)
    via = VppPath(loop, ip_address("10.0.0.2"))
    other = VppPath(loop, ip_address("10.0.0.3"), weight=3)
    kinds = {
        "30.0.0.0/24": (via,),
        "30.0.1.0/24": (VppPath(loop, None),),
        "30.0.2.0/24": (VppPath(type=PathType.DROP),),
        "30.0.3.0/24": (VppPath(type=PathType.ICMP_UNREACH),),
        "30.0.4.0/24": (VppPath(type=PathType.ICMP_PROHIBIT),),
        "30.0.5.5/32": (VppPath(type=PathType.LOCAL),),
        "30.0.6.0/24": (via, other),
        "30.0.7.0/24": (via, VppPath(loop, ip_address("10.0.0.3"), preference=5)),
        "30.0.8.0/24": (VppPath(NO_INDEX, ip_address("10.0.0.2")),),
        "30.0.9.0/24": (VppPath(loop, ip_address("fd00::2")),),
        "0.0.0.0/0": (via,),
        "fd01::/64": (VppPath(loop, ip_address("fd00::2")),),
        "fd02::/64": (VppPath(loop, ip_address("fe80::2")),),
        "fd03::/64": (VppPath(loop, None),),
        "::/0": (VppPath(loop, ip_address("fe80::2")),),
    }
    wanted = {VppRoute(0, ip_network(prefix), paths) for prefix, paths in kinds.items()}
    source = await own_source(session)
    assert await apply_routes(session, source, wanted, []) == []
    read = [route for family in Family for route in await read_routes(session, source, 0, family)]
    assert set(read) == wanted


async def test_an_add_replaces_the_paths(session):
    loop = await make_loopback(session)
    source = await own_source(session)
    (old,) = routes(loop, 1)
    new = VppRoute(0, old.prefix, (VppPath(loop, ip_address("10.0.0.9")),))
    await apply_routes(session, source, [old], [])
    await apply_routes(session, source, [new], [])
    assert await read_routes(session, source, 0, Family.IPV4) == [new]


async def test_what_vpp_refuses_is_told_and_the_rest_is_done(session):
    loop = await make_loopback(session)
    source = await own_source(session)
    (good,) = routes(loop, 1)
    bad = [
        VppRoute(0, ip_network("31.0.0.0/24"), ()),
        VppRoute(99, ip_network("31.0.1.0/24"), (VppPath(loop, None),)),
        VppRoute(0, ip_network("31.0.2.0/24"), (VppPath(77, None),)),
    ]
    failures = await apply_routes(session, source, [*bad, good], [])
    assert [(failure.route, failure.error.word) for failure in failures] == [
        (bad[0], "NO_PATHS_IN_ROUTE"),
        (bad[1], "NO_SUCH_FIB"),
        (bad[2], "NO_MATCHING_INTERFACE"),
    ]
    assert await read_routes(session, source, 0, Family.IPV4) == [good]


async def test_the_source_outlives_the_session_and_wins_over_the_apis_own_routes_without_touching_them(vpp, session):
    loop = await make_loopback(session)
    source = await own_source(session)
    (ours,) = routes(loop, 1)
    theirs = {"table_id": 0, "prefix": str(ours.prefix), "n_paths": 1, "paths": [fib_path(VppPath(loop), Family.IPV4)]}
    await apply_routes(session, source, [ours], [])
    await session.request("ip_route_add_del", is_add=True, is_multipath=False, route=theirs)
    async with open_session(vpp.api_socket) as later:
        assert await own_source(later) == source
        assert await read_routes(later, source, 0, Family.IPV4) == [ours]
        await apply_routes(later, source, [], [ours])
        assert await read_routes(later, source, 0, Family.IPV4) == []
        lookup = await later.request("ip_route_lookup", table_id=0, exact=1, prefix=str(ours.prefix))
    assert lookup.route.paths[0].nh.address.ip4 == ip_address("0.0.0.0")


async def test_where_an_interface_address_has_the_prefix_ours_waits_behind_it_unseen(session):
    loop = await make_loopback(session)
    source = await own_source(session)
    connected = VppRoute(0, ip_network("10.0.0.0/24"), (VppPath(loop, None),))
    assert await apply_routes(session, source, [connected], []) == []
    assert await read_routes(session, source, 0, Family.IPV4) == []


async def test_a_route_that_gets_or_loses_its_gateway_changes_its_source_and_leaves_nothing_behind(session):
    """On-link routes are the CLI's, or VPP does not take them for attached (vpp/on_link.py)."""
    loop, dataplane = await make_loopback(session), await open_dataplane(session)
    prefix = ip_network("30.0.0.0/24")
    on_link, by_gateway = (VppRoute(0, prefix, (VppPath(loop, hop),)) for hop in (None, ip_address("10.0.0.2")))
    peer = VppRoute(0, ip_network("30.1.0.1/32"), (VppPath(loop, ip_address("30.1.0.1")),))
    seen = []
    for route in (on_link, by_gateway, on_link, by_gateway, None):
        operations = [op.AddVppRoute(route), op.AddVppRoute(peer)] if route else [op.DeleteVppRoute(by_gateway)]
        await dataplane.apply(operations)
        shown = str((await session.request("cli_inband", cmd=f"show ip fib {prefix}")).reply)
        flags = str((await session.request("cli_inband", cmd=f"show ip fib {peer.prefix}")).reply)
        assert "entry-flags:attached" in flags
        seen.append(
            tuple(word in shown for word in (f"{prefix} fib:", "entry-flags:attached", "CLI refs", "hostlink refs"))
        )
    there, away = (True, True, True, False), (True, False, False, True)
    assert seen == [there, away, there, away, (False, False, False, False)]


async def test_many_sessions_that_end_do_not_stop_it(vpp):
    """While its errno says EAGAIN, as it does after answers had to wait, it does not notice one that only closes."""
    async with open_session(vpp.api_socket) as session:
        source_id, before = await own_source(session), _sockets_of(vpp)
        await apply_routes(session, source_id, add=routes(await make_loopback(session), 5000), delete=())
        for _ in range(30):
            await _leave_answers_waiting(session, source_id)
            async with open_session(vpp.api_socket):
                pass
        with trio.fail_after(5):
            await session.request("control_ping")
        assert _sockets_of(vpp) == before


async def _leave_answers_waiting(session, source_id):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_routes, session, source_id, 0, Family.IPV4)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        time.sleep(0.05)  # noqa: ASYNC251 — nobody reads for so long


def _sockets_of(vpp):
    return sum(os.readlink(one).startswith("socket:") for one in Path(f"/proc/{vpp.process.pid}/fd").iterdir())
