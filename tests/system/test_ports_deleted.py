"""Somebody deletes one of hostlink's two ports in VPP: it is put back in place, and not for ever (F10, F56)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

from hostlink.core.model import VppPath, VppRoute
from hostlink.lab.flows import tcp_roundtrip, wait_reachable
from hostlink.lab.layout import BEYOND4, HOST4, HOST6, NIC, NODE2_4, NODE2_6, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.drivers.af_packet import opened_devices
from hostlink.vpp.routes import apply_routes
from hostlink.vpp.session import open_session
from tests.system.links import in_vpp, pinging, settled
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.tabling import Names, client, made, tables
from tests.system.test_bad_input import codes, detail, until

ONE = 100
ROUTES = (
    f"203.0.113.0/24 via {NODE2_4.ip}",
    f"{BEYOND4}/32 via {ROUTER4.ip}",
    f"203.0.114.0/24 dev {NIC}",
    f"2001:db8:77::/48 via {NODE2_6.ip}",
    "blackhole 203.0.115.0/24",
    f"203.0.113.0/24 via {NODE2_4.ip} table {ONE}",
    f"203.0.114.0/24 dev {NIC} table {ONE}",
    f"2001:db8:77::/48 via {NODE2_6.ip} table {ONE}",
)
OTHERS = "198.18.77.0/24"
"""Another client's route, by the same path as two of the host's: VPP keeps one list of paths for all of them."""


async def test_a_port_that_was_deleted_in_vpp_is_put_back(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, servers(stage.lab):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.pod_attach(stage.api_socket)
        await stage.on_host("ip", "address", "add", "192.168.0.77/24", "dev", NIC)
        for route in ROUTES:
            await stage.on_host("ip", "route", "add", *route.split())
        await settled(stage)
        await _route_of_another(stage)
        before, node, interfaces = await in_vpp(stage), await picture(stage), await _interfaces(stage)
        await _by_turns(stage)
        after = await in_vpp(stage)
        assert after["number"] != before["number"], "what pointed to the old one by number is not revived"
        assert (after["addresses"], _by(after)) == (before["addresses"], _by(before))
        assert await picture(stage) == node
        assert await _interfaces(stage) == interfaces, "nothing else is there or gone"
        assert "Recovering" not in stage.log
        assert await stage.stop_daemon() == 0, stage.log
        assert (await picture(stage))["addresses"] == node["addresses"]
        assert await _own_tables(stage) == {}


async def _by_turns(stage: Stage) -> None:
    """Either port, and the host's link is never touched: who listens on it does not notice."""
    for delete, told in (
        (delete_nic_port, f"took {NIC} again"),
        (delete_host_port, f"attached to {NIC}"),
        (delete_nic_port, f"took {NIC} again"),
    ):
        ports = (await stage.state())["indexes"]
        await delete(stage)
        await _put_back(stage, told)
        await _works(stage)
        if delete is delete_nic_port:
            assert (await stage.state())["indexes"]["uplink_sw_if_index"] != ports["uplink_sw_if_index"]


async def delete_nic_port(stage: Stage) -> None:
    async with open_session(stage.api_socket) as session:
        await session.request("af_packet_delete", host_if_name=NIC)


async def delete_host_port(stage: Stage) -> None:
    port = (await stage.state())["indexes"]["host_sw_if_index"]
    async with open_session(stage.api_socket) as session:
        devices = await opened_devices(session)
        if port in devices:
            await session.request("af_packet_delete", host_if_name=devices[port])
        else:
            await session.request("tap_delete_v2", sw_if_index=port)


async def _put_back(stage: Stage, told: str) -> None:
    async def so() -> bool:
        last = (await stage.state())["last_reconvergence"]
        return last is not None and any(told in change for change in last["changes"])

    await eventually(f"it is put back and told: {told}", so, 15.0)
    await settled(stage)


async def _works(stage: Stage) -> None:
    for address in (HOST4.ip, HOST6.ip):
        await tcp_roundtrip(stage.lab.wire, address)
    await wait_reachable(stage.lab.wire, "192.168.0.77")
    for address in (ROUTER4.ip, ROUTER6.ip):
        await tcp_roundtrip(stage.lab.host, address)
    for address in (ROUTER4.ip, ROUTER6.ip, BEYOND4):
        async with pinging(stage.lab.pod, address) as pod:
            await eventually(f"the pod reaches {address}", lambda pod=pod: _answered(pod), 10.0)  # type: ignore[misc]


async def _answered(pinger: object) -> bool:
    return bool(pinger.answered)  # type: ignore[attr-defined]


async def _route_of_another(stage: Stage) -> None:
    """It stays, dead, when the port goes, and must not take the host's along."""
    sw = (await stage.state())["indexes"]["uplink_sw_if_index"]
    async with open_session(stage.api_socket) as session:
        source = next(int(one.src.id) for one in await session.dump("fib_source_dump") if one.src.name == "API")
        route = VppRoute(0, ip_network(OTHERS), (VppPath(sw, ROUTER4.ip),))
        assert not await apply_routes(session, source, add=[route], delete=[])


async def _own_tables(stage: Stage) -> Names:
    async with client(stage) as other:
        return await tables(other)


async def _interfaces(stage: Stage) -> set[str]:
    async with open_session(stage.api_socket) as session:
        return {str(one.interface_name) for one in await session.dump("sw_interface_dump")}


def _by(there: dict[str, object]) -> set[tuple[object, ...]]:
    """The routes without the number of the port that they leave by."""
    routes: frozenset[VppRoute] = there["routes"]  # type: ignore[assignment]
    return {(one.table_id, one.prefix, *((path.type, path.next_hop) for path in one.paths)) for one in routes}


async def test_a_route_that_goes_with_the_port_is_gone_from_every_table(dataplane: Dataplane) -> None:
    """The host takes it off while its port is away: nothing replaces what is dead in VPP, and its table is empty."""
    async with open_stage(dataplane) as stage:
        daemon = stage.start_daemon()
        await stage.wait_state("Steady")
        there = [f"{prefix} table {ONE}" for prefix in ROUTES[:3]]
        for route in there:
            await stage.on_host("ip", "route", "add", *route.split())
        await settled(stage)
        assert (await _own_tables(stage)).keys() == made((ONE, 4)).keys()
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            await delete_nic_port(stage)
            for route in there:
                await stage.on_host("ip", "route", "del", *route.split())
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        await _put_back(stage, f"took {NIC} again")
        assert await _own_tables(stage) == {}


async def test_one_that_deletes_it_again_and_again_has_its_way(dataplane: Dataplane) -> None:
    """Five times in a minute, and the NIC is the host's until an operator resumes; nothing of ours stays in VPP."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for route in (ROUTES[0], f"{ROUTES[0]} table {ONE}"):
            await stage.on_host("ip", "route", "add", *route.split())
        await settled(stage)
        assert (await _own_tables(stage)).keys() == made((ONE, 4)).keys()
        for _ in range(6):
            await _deleted_and_seen(stage, delete_nic_port)
            if "HL-411" in stage.log:
                break
        state = await until(stage, lambda uplink: uplink["state"] == "Detecting" and "HL-411" in codes(uplink))
        assert "5 times" in detail(state, "HL-411")
        address = json.loads(await stage.on_host("ip", "-json", "address", "show", "dev", NIC))
        assert str(HOST4.ip) in json.dumps(address)
        assert "203.0.113.0/24" not in await stage.vppctl("show ip fib")
        assert await _own_tables(stage) == {}
        assert (await stage.hostlink("resume")).returncode == 0
        await stage.wait_state("Steady")
        async with servers(stage.lab):
            await tcp_roundtrip(stage.lab.wire, HOST4.ip)


async def _deleted_and_seen(stage: Stage, delete: Callable[[Stage], Awaitable[None]]) -> None:
    before = (await stage.state())["indexes"]["uplink_sw_if_index"]
    await delete(stage)

    async def either() -> bool:
        state = await stage.state()
        there = state["indexes"]["uplink_sw_if_index"]
        return "HL-411" in stage.log or (state["state"] == "Steady" and there not in (None, before))

    await eventually("put back, or given up", either, 15.0)
