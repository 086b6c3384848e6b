"""hostlink's tables in VPP: made, named, used by others, emptied and taken away; on the stand-in and on a real VPP."""

import os
import sys
from functools import partial
from ipaddress import ip_address, ip_network

import pytest
import trio

from hostlink.core.model import NO_INDEX, Family, PathType, VppPath, VppPort, VppRoute, VppTable
from hostlink.core.operations import AddVppRoute, AddVppTable, DeleteVppRoute, DeleteVppTable
from hostlink.lab.children import in_namespace
from hostlink.lab.factor import deadline_factor
from hostlink.lab.real_vpp import find_vpp, running_vpp
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.errors import VppUnreachable
from hostlink.vpp.routes import read_routes
from hostlink.vpp.session import open_session
from hostlink.vpp.tables import TableUse, read_tables

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

ONE, SIX, TWO = VppTable(0x686C0064, Family.IPV4), VppTable(0x686C0064, Family.IPV6), VppTable(0x686C0065, Family.IPV4)
NAMES = {ONE: "hostlink 100", SIX: "hostlink 100", TWO: "hostlink 101"}
DROP = (VppPath(type=PathType.DROP),)


@pytest.fixture(params=["standin", "vpp"])
async def session(request, tmp_path):
    if request.param == "vpp" and find_vpp() is None:
        pytest.skip("no VPP found: neither $HOSTLINK_VPP nor vpp on PATH")
    namespace = f"hl-{os.getpid()}-tables"
    await trio.run_process(["ip", "netns", "add", namespace])
    try:
        if request.param == "vpp":
            async with running_vpp(find_vpp(), namespace, tmp_path) as running, open_session(running.api_socket) as one:
                yield one
        else:
            argv = [sys.executable, "-m", "hostlink.lab.standin", "--api-socket", str(tmp_path / "api.sock")]
            async with trio.open_nursery() as nursery:
                start = partial(trio.run_process, in_namespace(namespace, argv), check=False)
                process = await nursery.start(start)
                await _answers(tmp_path / "api.sock")
                async with open_session(tmp_path / "api.sock") as one:
                    yield one
                process.kill()
    finally:
        await trio.run_process(["ip", "netns", "delete", namespace])


async def _answers(path):
    with trio.fail_after(10 * deadline_factor()):
        while True:
            try:
                async with open_session(path):
                    return
            except VppUnreachable:
                await trio.sleep(0.05)


def route(table, prefix="10.9.0.0/16"):
    return VppRoute(table.table_id, ip_network(prefix), DROP)


async def others_of(session):
    return {table: name for table, name in (await read_tables(session)).items() if table.table_id}


async def foreign(session, table, **fields):
    entry = {"table_id": table.table_id, "is_ip6": table.family is Family.IPV6, **fields.pop("entry", {})}
    await session.request("ip_table_add_del_v2", table=entry, create_mfib=True, **fields)


async def test_they_are_made_once_and_gone_when_they_are_empty(session):
    dataplane = await open_dataplane(session)
    assert await dataplane.make_tables(NAMES)
    assert await dataplane.make_tables([ONE]), "again, and nothing comes of it"
    assert await others_of(session) == NAMES
    assert await dataplane.own_tables() == NAMES.keys()
    assert await dataplane.tables_in_use(NAMES) == {}, "what VPP has in every table is nobody's"
    await dataplane.apply([DeleteVppTable(table) for table in NAMES])
    assert await others_of(session) == {}


async def test_another_clients_table_of_that_number_is_told_apart_by_its_name(session):
    dataplane = await open_dataplane(session)
    await foreign(session, ONE, is_add=True, entry={"name": "theirs"})
    assert await dataplane.taken_tables() == {ONE: "theirs"}
    assert not await dataplane.make_tables([ONE, TWO])
    assert await dataplane.make_tables([SIX, TWO])
    assert await others_of(session) == {**NAMES, ONE: "theirs"}
    await dataplane.apply([AddVppTable(ONE)])
    assert (await others_of(session))[ONE] == "theirs", "VPP keeps the first name"


async def test_one_that_others_have_routes_in_or_interfaces_is_not_taken_away(session):
    dataplane = await open_dataplane(session)
    await dataplane.make_tables(NAMES)
    loop = (await session.request("create_loopback")).sw_if_index
    await session.request("sw_interface_set_table", sw_if_index=loop, is_ipv6=True, vrf_id=SIX.table_id)
    fields = {"table_id": ONE.table_id, "prefix": "10.8.0.0/16", "n_paths": 1}
    path = {"sw_if_index": NO_INDEX, "type": 2, "nh": {"address": {"ip4": "0.0.0.0"}}, "label_stack": [{}] * 16}
    await session.request("ip_route_add_del", is_add=True, route={**fields, "paths": [path]})
    await dataplane.apply([AddVppRoute(route(ONE)), AddVppRoute(route(TWO))])
    own = {TWO: TableUse(siblings=True), SIX: TableUse(interfaces=("loop0",))}
    assert await dataplane.tables_in_use(NAMES) == {**own, ONE: TableUse(routes=1, siblings=True)}
    del own[TWO]
    besides = [route(ONE), route(TWO)]
    assert await dataplane.tables_in_use(NAMES, besides) == {**own, ONE: TableUse(routes=1)}
    await dataplane.apply([DeleteVppRoute(route(ONE)), *(DeleteVppTable(table) for table in NAMES)])
    assert await others_of(session) == NAMES, "not even the one with a route of hostlink's own left"
    assert await read_routes(session, dataplane.source_id, TWO.table_id, Family.IPV4) == [route(TWO)]
    await session.request("delete_loopback", sw_if_index=loop)
    await session.request("ip_route_add_del", is_add=False, route={**fields, "paths": [path]})
    await dataplane.apply([DeleteVppRoute(route(TWO)), *(DeleteVppTable(table) for table in NAMES)])
    assert await others_of(session) == {}


async def test_a_table_that_is_gone_is_no_refusal_of_a_plan_and_one_of_what_is_followed(session):
    """Whoever carries a plan out reads back what came of it; whoever follows must hear of it at once."""
    dataplane = await open_dataplane(session)
    await dataplane.apply([AddVppRoute(route(ONE)), DeleteVppRoute(route(TWO))])
    assert await dataplane.routes_at([(ONE.table_id, route(ONE).prefix)]) == {}
    (refusal,) = await dataplane.change_routes([route(ONE)], [])
    assert refusal.word == "NO_SUCH_FIB"


async def test_what_is_left_in_a_table_that_others_delete_is_there_again_in_the_next(session):
    """Measured on VPP 26.06, of IPv4 alone, in whatever table is made next: why hostlink empties its own first.

    One that an interface is bound to outlives its deletion, with all that is in it.
    """
    dataplane = await open_dataplane(session)
    loop = (await session.request("create_loopback")).sw_if_index
    for table, left, next_one, again in ((SIX, "fd09::/48", SIX, []), (ONE, "10.9.0.0/16", TWO, ["10.9.0.0/16"])):
        six = table.family is Family.IPV6
        await dataplane.make_tables([table])
        await dataplane.apply([AddVppRoute(route(table, left))])
        await session.request("sw_interface_set_table", sw_if_index=loop, is_ipv6=six, vrf_id=table.table_id)
        await foreign(session, table, is_add=False)
        assert await others_of(session) == {table: NAMES[table]}
        assert await read_routes(session, dataplane.source_id, table.table_id, table.family) == [route(table, left)]
        await session.request("sw_interface_set_table", sw_if_index=loop, is_ipv6=six, vrf_id=0)
        assert await others_of(session) == {}
        await dataplane.make_tables([next_one])
        found = await read_routes(session, dataplane.source_id, next_one.table_id, next_one.family)
        assert [str(one.prefix) for one in found] == again
        gone = [DeleteVppRoute(one) for one in found]
        await dataplane.apply([*gone, DeleteVppTable(next_one)])
        assert await others_of(session) == {}


async def test_an_uplink_has_the_routes_of_all_of_hostlinks_tables_and_of_no_others(session):
    dataplane = await open_dataplane(session)
    await dataplane.make_tables([ONE, SIX])
    await foreign(session, TWO, is_add=True, entry={"name": "theirs"})
    ports = [(await session.request("create_loopback")).sw_if_index for _ in range(3)]
    for port in ports:
        await session.request("sw_interface_set_flags", sw_if_index=port, flags=1)
    hops = [VppPath(port, ip_address("10.0.0.9")) for port in ports]
    mine = [
        VppRoute(ONE.table_id, ip_network("10.9.0.0/16"), (hops[0],)),
        VppRoute(ONE.table_id, ip_network("10.5.0.0/16"), (VppPath(ports[0]),)),
        VppRoute(SIX.table_id, ip_network("fd09::/48"), (VppPath(ports[0], ip_address("fe80::9")),)),
        route(ONE, "10.7.0.0/16"),
    ]
    theirs = [VppRoute(ONE.table_id, ip_network("10.6.0.0/16"), (hops[2],)), route(TWO)]
    assert await dataplane.change_routes([*mine, *theirs], []) == []
    every = {one.sw_if_index: one for one in await dataplane.interfaces()}
    there = await dataplane.read_uplink(every[ports[0]], every[ports[1]])
    assert there.routes == set(mine)
    assert there.tables == {ONE, SIX}
    assert isinstance(there.uplink, VppPort)
