"""VPP changed by somebody else, found by an audit that an operator asks for: put right, or only told, as configured."""

from __future__ import annotations

import itertools
import json
from typing import Any

import trio

from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.session import Request, open_session
from tests.system.rounds import eventually

ROUTE, OTHER = "198.51.100.0/24", "203.0.113.0/24"
NEVER = "[timing]\naudit_s = 3600\n"
"""No audit but the one that is asked for."""


async def test_what_an_audit_finds_is_put_right_and_told(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=NEVER) as stage:
        await _steady_with_route(stage)
        assert (await _audit(stage, exits=0))["last_audit"]["change_count"] == 0
        await _take_away(stage)
        found = (await _audit(stage, exits=0))["last_audit"]
        assert (found["change_count"], found["why"]) == (2, "an audit that an operator asked for")
        assert any(ROUTE in change for change in found["changes"])
        assert any("192.168.0.1/24" in change for change in found["changes"])
        await _has(stage, ROUTE, there=True)
        text = (await stage.hostlink("state")).stdout.decode()
        assert "an audit that an operator asked for" in text
        assert "converged in" in stage.log
        await _in_the_punt_path_alone(stage)
        await _many_at_once(stage)


async def _in_the_punt_path_alone(stage: Stage) -> None:
    """What Punting puts right is told like what Mirroring does."""
    await stage.vppctl("ip punt redirect del rx all")
    uplink = await _audit(stage, exits=0)
    found = uplink["last_audit"]
    assert found["change_count"] == 1
    assert "add punt redirect IPv4" in found["changes"][0]
    assert uplink["last_reconvergence"] == found
    assert "add punt redirect IPv4" in uplink["why"]

    async def is_logged() -> bool:
        return "add punt redirect IPv4" in stage.log

    await eventually("the log has it, after what it has told within the same second", is_logged)
    after = await _audit(stage, exits=0)
    assert (after["last_audit"]["change_count"], after["why"]) == (0, "audit: nothing differed")
    assert after["last_reconvergence"] == found


async def _many_at_once(stage: Stage) -> None:
    """All are answered, by two looks at most: the one that runs and the one after it."""
    moves = len([move for move in (await stage.state())["history"] if move["to"] == "Mirroring"])
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(stage.hostlink, "state", "--audit")
    history = (await stage.state())["history"]
    assert len([move for move in history if move["to"] == "Mirroring"]) - moves <= 8


async def test_a_host_that_never_rests_is_audited_all_the_same(dataplane: Dataplane) -> None:
    """Each change begins Steady anew, and its wait for the next audit (found by a review)."""
    async with open_stage(dataplane, settings="[timing]\naudit_s = 3\n") as stage, trio.open_nursery() as nursery:
        await _steady_with_route(stage)
        nursery.start_soon(_never_rests, stage)
        await _take_away(stage)
        await _has(stage, ROUTE, there=True)
        await eventually("the address is back", lambda: _in_vpp(stage, "192.168.0.1"))
        nursery.cancel_scope.cancel()


async def _never_rests(stage: Stage) -> None:
    for number in itertools.count():
        await stage.on_host("ip", "route", "replace", OTHER, "via", f"192.168.0.{101 + number % 50}", "dev", NIC)
        await trio.sleep(0.2)


async def test_what_changes_in_one_moment_with_an_address_is_looked_at(dataplane: Dataplane) -> None:
    """An address goes, with which all is looked at, and with it one of several routes by several gateways (F30).

    Found by a review: the routes that were as before were known by kinds that nobody had heard of.
    """
    async with open_stage(dataplane, settings=NEVER) as stage:
        await _steady_with_route(stage)
        routes = [f"203.0.{number}.0/24" for number in range(6)]
        for number, route in enumerate(routes):
            await stage.on_host("ip", "route", "add", route, "via", f"192.168.0.{101 + number % 3}", "dev", NIC)
        await stage.on_host("ip", "address", "add", "10.77.0.1/24", "dev", NIC)
        await eventually("the address is in VPP", lambda: _in_vpp(stage, "10.77.0.1"))
        await _has(stage, routes[5], there=True)
        batch = stage.directory / "batch"
        batch.write_text(f"address del 10.77.0.1/24 dev {NIC}\nroute del {routes[5]}\n")
        await stage.on_host("ip", "-batch", str(batch))
        await _has(stage, routes[5], there=False)
        await _has(stage, routes[4], there=True)
        assert (await _audit(stage, exits=0))["last_audit"]["change_count"] == 0


async def test_what_is_only_to_be_told_is_left_and_the_hosts_changes_go_on(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=NEVER) as stage:
        stage.config.write_text(stage.config.read_text().replace("[vpp]\n", '[vpp]\ndrift = "report"\n', 1))
        await _steady_with_route(stage)
        await _take_away(stage)
        (problem,) = _drift(await _audit(stage, exits=1))
        assert ROUTE in problem["detail"]
        await stage.on_host("ip", "route", "add", OTHER, "via", str(ROUTER4.ip), "dev", NIC)
        await _has(stage, OTHER, there=True)
        await stage.on_host("ip", "address", "add", "192.168.0.77/32", "dev", NIC)
        await eventually("the new address is in VPP", lambda: _in_vpp(stage, "192.168.0.77"))
        assert len(_drift(await _audit(stage, exits=1))) == 1
        await _has(stage, ROUTE, there=False)
        await stage.on_host("ip", "route", "replace", ROUTE, "via", "192.168.0.253", "dev", NIC)  # this very thing
        await _has(stage, ROUTE, there=True)
        (problem,) = _drift(await _audit(stage, exits=1))
        assert ROUTE not in problem["detail"]
        sw = (await stage.state())["indexes"]["uplink_sw_if_index"]
        await _ask(stage, "sw_interface_add_del_address", sw_if_index=sw, is_add=True, prefix="192.168.0.1/24")
        assert _drift(await _audit(stage, exits=0)) == []


async def test_an_audit_is_refused_where_there_is_nothing_to_compare(standin: Dataplane) -> None:
    async with open_stage(standin) as stage:
        stage.start_daemon()
        await stage.wait_state("steady")
        assert (await stage.hostlink("release")).returncode == 0
        await stage.wait_state("detecting")
        done = await stage.hostlink("state", "--audit")
        assert done.returncode == 1
        assert b"Nothing is taken over yet" in done.stderr


async def _steady_with_route(stage: Stage) -> None:
    stage.start_daemon()
    await stage.wait_state("steady")
    await stage.on_host("ip", "route", "add", ROUTE, "via", str(ROUTER4.ip), "dev", NIC)
    await _has(stage, ROUTE, there=True)
    await stage.wait_state("steady")


async def _take_away(stage: Stage) -> None:
    """hostlink's route and the uplink's IPv4 address, as somebody with VPP's API does it."""
    async with open_session(stage.api_socket) as session:
        reply = await session.request("ip_route_lookup_v2", exact=1, prefix=ROUTE)
        await session.request(
            "ip_route_add_del_v2", is_add=False, route={"prefix": ROUTE, "src": reply.route.src, "n_paths": 0}
        )
    sw = (await stage.state())["indexes"]["uplink_sw_if_index"]
    await _ask(stage, "sw_interface_add_del_address", sw_if_index=sw, is_add=False, prefix="192.168.0.1/24")
    await _has(stage, ROUTE, there=False)


async def _ask(stage: Stage, name: str, **fields: Any) -> None:
    async with open_session(stage.api_socket) as session:
        await session.request(name, **fields)


async def _audit(stage: Stage, *, exits: int) -> dict[str, Any]:
    done = await stage.hostlink("state", "--audit", "--json")
    assert done.returncode == exits, (done, stage.log)
    uplink: dict[str, Any] = json.loads(done.stdout)["uplinks"][0]
    return uplink


def _drift(uplink: dict[str, Any]) -> list[dict[str, Any]]:
    return [problem for problem in uplink["problems"] if problem["code"] == "HL-306"]


async def _in_vpp(stage: Stage, text: str) -> bool:
    return text in await stage.vppctl("show interface address")


async def _has(stage: Stage, prefix: str, *, there: bool) -> None:
    async with open_session(stage.api_socket) as session:  # one for all: a VPP says its whole API to each

        async def so() -> bool:
            (reply,) = await session.batch([Request("ip_route_lookup_v2", {"exact": 1, "prefix": prefix})])
            return (not isinstance(reply, VppRefused)) is there

        await eventually(f"{prefix} in VPP: {there}", so)
