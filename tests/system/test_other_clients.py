"""A CNI-like client works in the same VPP all the while, and the host changes, and audits run.

What hostlink did not make is never touched, and what hostlink made is never away: its routes and addresses are told
from another's by interface, tag and FIB source (F52, F10), events of VPP only wake it and are not believed (F54), and
an event that comes while it waits for a reply is taken beside it (F55).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import count

import trio

from hostlink.core.model import VppPath, VppRoute
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import HOST4, HOST6, NIC, NODE2_4
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.routes import apply_routes
from hostlink.vpp.session import open_session
from tests.system.cni import Cni, cni
from tests.system.links import in_vpp, settled
from tests.system.rounds import eventually
from tests.system.test_shared_switches import node_works

AUDITED = "[timing]\naudit_s = 1\n"
FOR_S = 4.0
PODS = 12
LOOKS = 10
FLAPS = 40
"""Of each pod, down and up: some 500 events of VPP at a time."""
BY_GATEWAY, ON_LINK, LATE = "192.0.2.0/24", "203.0.113.0/24", "198.18.0.0/24"
VIP = "192.168.0.150/32"


@dataclass(slots=True)
class Seen:
    """What was missing of hostlink's own at any look, and how often was looked."""

    looks: int = 0
    missing: set[str] = field(default_factory=set)

    async def are_enough(self) -> bool:
        return self.looks > LOOKS or bool(self.missing)


async def test_what_other_clients_have_is_never_touched(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=AUDITED) as stage, servers(stage.lab), cni(stage) as client:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await settled(stage)
        seen = Seen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_look_on, stage, seen)
            async with trio.open_nursery() as busy:
                busy.start_soon(_change_the_host, stage)
                busy.start_soon(_plug_and_flap, client)
                await trio.sleep(FOR_S * deadline_factor())
                await eventually("looks", seen.are_enough, 30)  # as long as it takes on a busy machine
                busy.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
        assert client.made > PODS, "the client has done something"
        assert await client.found() == client.left()
        state = await settled(stage)
        await _audited(stage)
        assert await client.found() == client.left(), "after an audit more"
        assert seen.missing == set(), f"hostlink's own, in {seen.looks} looks"
        assert state["problems"] == []
        await _in_order(stage)
        await node_works(stage)


async def _plug_and_flap(client: Cni) -> None:
    """Each whole, whenever the time is over: what the client left must be known."""
    for number in count(1):
        with trio.CancelScope(shield=True):
            await client.step(PODS)
            if number % 20 == 0:
                await client.flap(FLAPS)
        await trio.sleep(0.005)


async def _change_the_host(stage: Stage) -> None:
    for number in count():
        verb = "del" if number % 2 else "add"
        edits = [f"address {verb} {VIP} dev {NIC}"]
        edits += [f"route {verb} 198.18.{third}.0/24 via {NODE2_4.ip}" for third in range(5)]
        with trio.CancelScope(shield=True):
            for edit in edits:
                await stage.on_host("ip", *edit.split())
        await trio.sleep(0.1)


async def _look_on(stage: Stage, seen: Seen) -> None:
    """What must be there in every moment: never is anything of it taken away and made again."""
    async with open_session(stage.api_socket) as session:
        dataplane = await open_dataplane(session)
        while True:
            ports = await dataplane.find(NIC)
            if ports.uplink is None or ports.host is None:
                seen.missing.add("a port")
                return
            there, shared = await dataplane.read_uplink(ports.uplink, ports.host), await dataplane.read_shared()
            own = {HOST4, HOST6}
            seen.missing |= {str(one) for one in own - there.uplink.addresses}
            seen.missing |= {str(one.ip) for one in own if one.ip not in {n.address for n in there.neighbours}}
            if not any(route.prefix.prefixlen == 0 for route in there.routes):
                seen.missing.add("the default route")
            if len(shared.redirects) != 2:
                seen.missing.add("a punt redirect")
            seen.looks += 1
            await trio.sleep(0.02)


async def _audited(stage: Stage) -> None:
    """One audit more has come and gone. It may be one of which nothing is said, but its moves are in the history."""
    before = (await stage.state())["history"][-1]["at"]
    with trio.fail_after(20.0 * deadline_factor()):
        while True:
            moves = [move for move in (await stage.state())["history"] if move["at"] > before]
            if any(move["why"].startswith("audit: ") for move in moves):
                return
            await trio.sleep(0.1)


async def test_a_route_of_the_host_behind_another_clients_is_told(dataplane: Dataplane) -> None:
    """F10: neither works against the other, and nothing ends for it. Ours comes out when the other's has gone."""
    async with open_stage(dataplane, settings=AUDITED) as stage, servers(stage.lab), cni(stage) as client:
        for route in (f"{BY_GATEWAY} via {NODE2_4.ip}", f"{ON_LINK} dev {NIC}"):
            await stage.on_host("ip", "route", "add", *route.split())
        stage.start_daemon()
        await stage.wait_state("Steady")
        await settled(stage)
        before = (await in_vpp(stage))["routes"]
        await _hide(client, is_add=True)
        await eventually("both are told", lambda: _told(stage, BY_GATEWAY, ON_LINK), 10.0)
        await _in_order(stage)
        await stage.on_host("ip", "route", "del", BY_GATEWAY)
        await eventually("one is told", lambda: _told(stage, ON_LINK), 10.0)
        await stage.on_host("ip", "route", "add", LATE, "via", str(NODE2_4.ip))
        await eventually("another is told", lambda: _told(stage, LATE, ON_LINK), 10.0)
        await _in_order(stage)
        await node_works(stage)
        await _hide(client, is_add=False)
        await eventually("nothing is told any more", lambda: _told(stage), 10.0)
        await _in_order(stage)
        routes = {str(route.prefix) for route in (await in_vpp(stage))["routes"]}
        assert routes == {str(route.prefix) for route in before} - {BY_GATEWAY} | {LATE}


async def _hide(client: Cni, *, is_add: bool) -> None:
    """Addresses of the networks of two routes, and an on-link route to a third; on one loopback."""
    while not any(pod.table == 0 for pod in client.pods.values()):
        await client.plug()
    port = next(pod.sw_if_index for pod in client.pods.values() if pod.table == 0)
    for network in (BY_GATEWAY, LATE):
        prefix = network.replace(".0/", ".1/")
        await client.session.request("sw_interface_add_del_address", sw_if_index=port, is_add=is_add, prefix=prefix)
    route = VppRoute(0, ip_network(ON_LINK), (VppPath(port),))
    add, delete = ([route], []) if is_add else ([], [route])
    assert not await apply_routes(client.session, client.sources[False], add=add, delete=delete)


async def _told(stage: Stage, *networks: str) -> bool:
    problems = (await stage.state())["problems"]
    words = " ".join(problem["detail"] for problem in problems)
    return {problem["code"] for problem in problems} == ({"HL-307"} if networks else set()) and all(
        (network in words) is (network in networks) for network in (BY_GATEWAY, ON_LINK, LATE)
    )


async def _in_order(stage: Stage) -> None:
    await settled(stage)
    plan = await stage.hostlink("plan")
    assert (plan.returncode, plan.stdout) == (0, b"")
    assert "Recovering" not in stage.log
