"""VPP has lost a whole table: what the host still has of it comes back while the host is being read (steps/ahead.py).

F10 (somebody empties VPP), F51 (it was started anew). For this daemon a few hundred routes are a full table.
"""

from __future__ import annotations

import os
import signal
from ipaddress import IPv4Network

import pytest

from hostlink.core.model import Family, Prefix
from hostlink.lab.layout import NIC, NODE2_4, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.vpp.routes import apply_routes, own_source, read_routes
from hostlink.vpp.session import open_session
from tests.system import noting_mtu, small_tables
from tests.system.rounds import eventually
from tests.system.routing import batch
from tests.system.test_bad_input import until

COUNT, SOME = 400, 60
WITHIN_S = 30.0
ROUTER, OTHER = str(ROUTER4.ip), str(NODE2_4.ip)
Table = dict[Prefix, str]
"""Prefix → gateway."""


def route(number: int) -> IPv4Network:
    return IPv4Network((0x14000000 + (number << 8), 24))


async def with_table(stage: Stage, daemon_module: str = small_tables.__name__) -> Table:
    """The daemon is Steady with this, and maybe more."""
    stage.daemon_module = daemon_module
    stage.start_daemon()
    await stage.wait_state("Steady")
    table: Table = {route(number): (ROUTER, OTHER)[number % 2] for number in range(COUNT)}
    await batch(stage, [f"route add {prefix} via {gateway} dev {NIC}" for prefix, gateway in table.items()])
    await settled(stage, table)
    await stage.wait_state("Steady")
    return table


async def changed(stage: Stage, table: Table) -> Table:
    """Some go, some get the other gateway, some come."""
    after = {prefix: gateway for prefix, gateway in table.items() if prefix not in map(route, range(SOME))}
    moved = {route(number): (OTHER, ROUTER)[number % 2] for number in range(SOME, 2 * SOME)}
    new: Table = {route(COUNT + number): ROUTER for number in range(SOME)}
    lines = [f"route del {route(number)}" for number in range(SOME)]
    lines += [f"route replace {prefix} via {gateway} dev {NIC}" for prefix, gateway in {**moved, **new}.items()]
    await batch(stage, lines)
    return {**after, **moved, **new}


async def there(stage: Stage) -> Table:
    """hostlink's routes of that kind in VPP."""
    async with open_session(stage.api_socket) as session:
        routes = await read_routes(session, await own_source(session), 0, Family.IPV4)
    inside = IPv4Network("20.0.0.0/8")
    return {one.prefix: str(one.paths[0].next_hop) for one in routes if one.prefix.subnet_of(inside)}  # type: ignore[arg-type]  # IPv4


async def settled(stage: Stage, table: Table) -> None:
    async def so() -> bool:
        return await there(stage) == table

    await eventually(f"VPP has {len(table)} routes as the host", so, WITHIN_S)


async def empty(stage: Stage) -> None:
    """Another client deletes all routes of hostlink's in table 0."""
    async with open_session(stage.api_socket) as session:
        source_id = await own_source(session)
        routes = await read_routes(session, source_id, 0, Family.IPV4)
        assert not await apply_routes(session, source_id, add=(), delete=routes)
        assert not await read_routes(session, source_id, 0, Family.IPV4)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["still", "changed meanwhile"])
async def test_what_somebody_empties_is_filled(dataplane: Dataplane, meanwhile: bool) -> None:
    async with open_stage(dataplane) as stage:
        table = await with_table(stage)
        daemon = stage.daemon
        assert daemon is not None
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            await empty(stage)
            if meanwhile:
                table = await changed(stage, table)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert (await stage.hostlink("state", "--audit")).returncode == 0, stage.log
        await settled(stage, table)
        uplink = await stage.wait_state("Steady")
        assert uplink["problems"] == []
        if not meanwhile:  # else what has changed may be a round of its own, in which the audit is done too
            uplink = await until(stage, lambda uplink: uplink["last_audit"] is not None)
            assert uplink["last_audit"]["change_count"] > 0
        assert (await stage.hostlink("plan")).stdout.decode().strip() in ("", f"{NIC}: nothing to do")
        await stage.on_host("ping", "-c", "1", "-W", "5", ROUTER)


@pytest.mark.parametrize("meanwhile", ["nothing", "routes", "an address", "the MTU"])
async def test_a_vpp_that_is_back_has_what_the_host_has_by_then(dataplane: Dataplane, meanwhile: str) -> None:
    async with open_stage(dataplane, vpp_settings="grace_s = 60") as stage:
        table = await with_table(stage)
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        match meanwhile:
            case "routes":
                table = await changed(stage, table)
            case "an address":
                await batch(stage, [f"address add 10.30.0.1/24 dev {NIC}"])
            case "the MTU":
                await batch(stage, [f"link set {NIC} mtu 1400"])
        async with running(stage, {}):
            uplink = await stage.wait_state("Steady")
            assert uplink["problems"] == []
            assert await there(stage) == table
            assert (await stage.hostlink("plan")).stdout.decode().strip() in ("", f"{NIC}: nothing to do")
            await stage.on_host("ping", "-c", "1", "-W", "5", ROUTER)


async def test_a_port_is_not_up_above_its_devices_mtu(dataplane: Dataplane) -> None:
    """The host's MTU was lower, and is as before when VPP comes back: a larger packet would stop its ring for good."""
    async with open_stage(dataplane, vpp_settings="grace_s = 60") as stage:
        noted = stage.directory / "noted"
        stage.environment |= {noting_mtu.NOTED: str(noted), noting_mtu.NAMESPACE: stage.lab.vpp}
        table = await with_table(stage, noting_mtu.__name__)
        await batch(stage, [f"link set {NIC} mtu 1400"])
        await until(stage, lambda uplink: "mtu" in str(uplink["last_reconvergence"]).lower())
        await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        await batch(stage, [f"link set {NIC} mtu 1500"])
        noted.unlink()
        async with running(stage, {}):
            await stage.wait_state("Steady")
            assert await there(stage) == table
        lines = [line.split() for line in noted.read_text().splitlines()]
        assert lines
        assert all(int(port) <= int(device) for _, port, device in lines), lines
