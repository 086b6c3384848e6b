"""The host's other tables in VPP's tables of hostlink's own, and policy rules, which VPP does not follow (F25, F26)."""

from __future__ import annotations

import signal
from ipaddress import IPv4Network, ip_network

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from hostlink.core.model import Family, VppRoute
from hostlink.lab.flows import ping
from hostlink.lab.frames import Frame, capture
from hostlink.lab.layout import BEYOND4, BEYOND6, LAN, NIC, NODE2_4, NODE2_6, NODE2_MAC, ROUTER4, ROUTER6
from hostlink.lab.limits import limited
from hostlink.lab.pod import attach_pod, detach_pod
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.vpp.quirks import may_answer_in_tables
from hostlink.vpp.routes import own_source, read_routes
from hostlink.vpp.session import Session
from tests.system.links import settled
from tests.system.rounds import eventually
from tests.system.routing import (
    OTHER,
    Wanted,
    batch,
    has_paths,
    host_routes,
    lacks_in_tables,
    looking,
    mirrored,
    problems,
    via,
    vpp_version,
    with_other_link,
)
from tests.system.tabling import client, has_tables, made, number, set_table, tables

R4, R6, N4, N6 = str(ROUTER4.ip), str(ROUTER6.ip), str(NODE2_4.ip), str(NODE2_6.ip)
ONE, TWO, LARGEST = 100, 4711, 0xFFFFFFFF
V4, V6 = "203.0.113.0/24", "2001:db8:1::/48"
LAN4, LAN6 = "192.168.0.0/24", "fd00::/64"
AUDITED = "[timing]\naudit_s = 1\n"
NEVER = "[timing]\naudit_s = 3600\n"
"""No audit but the one that is asked for."""
SIXTH = "198.18.6.0/24"
BURST, FIRST = 300, IPv4Network("20.0.0.0/24")


async def test_other_tables_are_mirrored_and_followed(dataplane: Dataplane) -> None:
    """F25, F26: before the takeover and after it, changed, deleted, a burst; and at the end nothing is left."""
    async with open_stage(dataplane) as stage, looking(stage), client(stage) as other:
        await with_other_link(stage)
        await batch(stage, _policy_table(ONE))
        bare = await host_routes(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _has(stage, "before the takeover", ONE, _wanted())
        await has_tables(other, "two tables", made((ONE, 4), (ONE, 6)))
        await _changes(stage, other)
        await _what_leads_nowhere(stage, other, answers=may_answer_in_tables(await vpp_version(stage)))
        await _what_is_nothing_to_the_uplink(stage, other)
        await _a_burst(stage, other)
        await nothing_to_do(stage)
        assert await problems(stage, "HL-301") == []
        assert await host_routes(stage) == bare
        assert await stage.stop_daemon() == 0, stage.log
        assert await host_routes(stage) == bare, stage.log
        assert await tables(other) == {}


def _policy_table(table: int, verb: str = "add") -> list[str]:
    """As policy routing has it: a default by another router, the LAN itself, and some prefix."""
    routes = (f"default via {N4}", f"::/0 via {N6}", f"{LAN4} dev {NIC}", f"{LAN6} dev {NIC}", f"{V4} via {R4}")
    return [f"route {verb} {route} table {table}" for route in (*routes, f"{V6} via {R6}")]


async def _flush(stage: Stage, table: int, *versions: int) -> None:
    for version in versions:
        await stage.on_host("ip", f"-{version}", "route", "flush", "table", str(table))


def _wanted() -> Wanted:
    gateways = {"0.0.0.0/0": {via(N4)}, "::/0": {via(N6)}, V4: {via(R4)}, V6: {via(R6)}}
    return {**gateways, LAN4: {via("link")}, LAN6: {via("link")}}


async def _has(stage: Stage, what: str, table: int, wanted: Wanted) -> None:
    await has_paths(stage, what, wanted, number(table))


async def _changes(stage: Stage, other: Session) -> None:
    """One after the other. The same prefix in three tables is three routes."""
    for table in (TWO, LARGEST):
        await batch(stage, [f"route add {V4} via {N4} table {table}", f"route add {V6} via {N6} table {table}"])
        await _has(stage, "a new table", table, {V4: {via(N4)}, V6: {via(N6)}})
    every = made(*((table, version) for table in (ONE, TWO, LARGEST) for version in (4, 6)))
    await has_tables(other, "six tables", every)
    await batch(stage, [f"route change {V4} via {R4} table {TWO}", f"route add {V4} via {N4} metric 7 table {TWO}"])
    await _has(stage, "changed", TWO, {V4: {via(R4), via(N4, 1, 1)}})
    await batch(stage, [f"route add default via {R4} table {TWO}", f"route change default via {N4} table {ONE}"])
    await _has(stage, "a default", TWO, {"0.0.0.0/0": {via(R4)}})
    await _has(stage, "elsewhere as before", LARGEST, {V4: {via(N4)}, V6: {via(N6)}})
    await has_paths(stage, "not in VPP's own table", {V4: None, V6: None})
    await _flush(stage, LARGEST, 4)
    await _flush(stage, TWO, 6)
    await has_tables(other, "two are empty", made((ONE, 4), (ONE, 6), (TWO, 4), (LARGEST, 6)))
    shown = {(one["table"], one["family"]): one["vpp_table_id"] for one in (await settled(stage))["tables"]}
    assert shown == {(table, version): number(table) for table, version in ((ONE, 4), (ONE, 6), (TWO, 4), (LARGEST, 6))}
    assert f"  tables    {ONE} (IPv4) as {number(ONE)}" in (await stage.hostlink("state")).stdout.decode()
    await _flush(stage, LARGEST, 6)
    await _flush(stage, TWO, 4)
    await has_tables(other, "as before", made((ONE, 4), (ONE, 6)))


async def _is_told_of(stage: Stage, code: str) -> bool:
    return len(await problems(stage, code)) == 1


async def test_a_vpp_that_would_die_of_an_answer_drops_instead(standin: Dataplane) -> None:
    """Those before 26.02, of unreachable and prohibit in a table of hostlink's: found on 25.10, which took it down."""
    old = {"HOSTLINK_STANDIN_RELEASE": "25.10"}
    async with open_stage(standin, vpp_environment=old) as stage, looking(stage), client(stage) as other:
        await batch(stage, [*_policy_table(ONE), f"route add prohibit {SIXTH} table {ONE}"])
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert not may_answer_in_tables(await vpp_version(stage))
        await _has(stage, "before the takeover", ONE, {SIXTH: {via("drop")}})
        await batch(stage, [f"route del prohibit {SIXTH} table {ONE}"])
        await _what_leads_nowhere(stage, other, answers=False)
        await nothing_to_do(stage)
        assert stage.vpp is not None
        assert stage.vpp.poll() is None


async def _what_leads_nowhere(stage: Stage, other: Session, *, answers: bool) -> None:
    """It goes along where its table has a way by the uplink, and not where it has none.

    answers: whether this VPP can say so by ICMP in another table than its own; else it drops, and that is told.
    """
    prohibit, unreachable = ("prohibit", "unreachable") if answers else ("drop", "drop")
    nowhere, six = "198.18.5.0/24", "2001:db8:5::/48"
    await batch(stage, [f"route add blackhole {nowhere} table {ONE}", f"route add unreachable {nowhere} table {TWO}"])
    await batch(stage, [f"route add prohibit {six} table {ONE}"])
    await _has(stage, "blackhole", ONE, {nowhere: {via("drop")}, six: {via(prohibit)}})
    await has_tables(other, "nothing leads out", made((ONE, 4), (ONE, 6)))
    await batch(stage, [f"route add {V4} via {N4} table {TWO}"])
    await _has(stage, "now something does", TWO, {nowhere: {via(unreachable)}, V4: {via(N4)}})
    if not answers:
        await eventually("it is told", lambda: _is_told(stage, nowhere, six))
    await batch(stage, [f"route del {V4} table {TWO}"])
    await has_tables(other, "and no longer", made((ONE, 4), (ONE, 6)))
    await batch(stage, [f"route del unreachable {nowhere} table {TWO}", f"route del prohibit {six} table {ONE}"])
    await batch(stage, [f"route del blackhole {nowhere} table {ONE}"])
    await _has(stage, "blackhole gone", ONE, {nowhere: None, six: None, **_wanted()})


async def _is_told(stage: Stage, *prefixes: str) -> bool:
    told = await problems(stage, "HL-301")
    return len(told) == len(prefixes) and all(any(prefix in detail for detail in told) for prefix in prefixes)


async def _what_is_nothing_to_the_uplink(stage: Stage, other: Session) -> None:
    foreign = [f"route add {V4} via 10.99.0.2 dev {OTHER} table 77", f"route add {V6} dev {OTHER} table 77"]
    await batch(stage, [*foreign, "route add blackhole 198.18.5.0/24 table 78"])
    await settled(stage)
    assert await tables(other) == made((ONE, 4), (ONE, 6))
    await batch(stage, [line.replace(" add ", " del ") for line in foreign])
    await batch(stage, ["route del blackhole 198.18.5.0/24 table 78"])


async def _a_burst(stage: Stage, other: Session) -> None:
    """F26: into a table that is not there yet, and out of it again."""
    prefixes = [IPv4Network((int(FIRST[0]) + (one << 8), 24)) for one in range(BURST)]
    for verb, wanted in (("add", set(prefixes)), ("del", set())):
        await batch(stage, [f"route {verb} {prefix} via {R4} table {TWO}" for prefix in prefixes])

        async def arrived(wanted: set[IPv4Network] = wanted) -> bool:
            source = await own_source(other)
            return {one.prefix for one in await read_routes(other, source, number(TWO), Family.IPV4)} == wanted

        await eventually(f"{verb}: {len(wanted)} routes", arrived, 30.0)
    await has_tables(other, "after the burst", made((ONE, 4), (ONE, 6)))


async def nothing_to_do(stage: Stage) -> None:
    """VPP has what the host has, and a whole look finds no difference."""
    await settled(stage)
    plan = await stage.hostlink("plan")
    assert (plan.returncode, plan.stdout) == (0, b""), plan
    audit = await stage.hostlink("state", "--audit", "--json")
    assert (audit.returncode, (await stage.state())["last_audit"]["change_count"]) == (0, 0)


# ----------------------------------------------------------------------------------------------- a pod in such a table


async def test_a_pod_in_that_table_is_forwarded_by_it(dataplane: Dataplane) -> None:
    """By the table's own next hop, on the wire; and the table stays for the pod as long as that is in it."""
    async with open_stage(dataplane, settings=AUDITED) as stage, looking(stage), client(stage) as other:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await batch(stage, _policy_table(ONE))
        await _has(stage, "the table", ONE, _wanted())
        pod = await attach_pod(stage.api_socket, number(ONE))
        assert await _by_node2(stage) == {4, 6}
        await batch(stage, [f"route change default via {R4} table {ONE}", f"route change ::/0 via {R6} table {ONE}"])
        await _has(stage, "by the router", ONE, {"0.0.0.0/0": {via(R4)}, "::/0": {via(R6)}})
        assert await _by_node2(stage) == set()
        await batch(stage, [f"route add {BEYOND4}/32 via {N4} table {ONE}", f"route add {BEYOND6}/128 via {N6}"])
        await _has(stage, "one of two tables", ONE, {f"{BEYOND4}/32": {via(N4)}, f"{BEYOND6}/128": None})
        assert await _by_node2(stage) == {4}
        await _kept_for_the_pod(stage, other, pod)


async def test_neighbours_are_reached_from_that_table(dataplane: Dataplane) -> None:
    """The LAN is on-link in that table too, though the uplink's addresses are in VPP's table 0. Not in an old VPP's."""
    async with open_stage(dataplane) as stage, looking(stage):
        await batch(stage, _policy_table(ONE))
        stage.start_daemon()
        await stage.wait_state("Steady")
        if lacking := await lacks_in_tables(stage):
            await eventually("it is told", lambda: _is_told_of(stage, *lacking), 20)
            pytest.skip(limited("neighbours-from-tables"))
        assert await problems(stage, "HL-312") == []
        await attach_pod(stage.api_socket, number(ONE))
        for address in (NODE2_4.ip, NODE2_6.ip, ROUTER4.ip, ROUTER6.ip):
            assert await ping(stage.lab.pod, address, count=3) >= 2, address


async def test_a_gateway_in_no_network_of_the_links_answers_in_that_table_too(dataplane: Dataplane) -> None:
    """VPP takes its answer by the uplink's own table, where the gateway is attached as long as a route is by it."""
    async with open_stage(dataplane) as stage, looking(stage):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await batch(stage, _policy_table(ONE))
        await _has(stage, "the table", ONE, _wanted())
        await attach_pod(stage.api_socket, number(ONE))
        for gateway, beyond in (("10.56.0.1", BEYOND4), ("fd00:56::1", BEYOND6)):
            bits = beyond.max_prefixlen
            host_route, one = f"{gateway}/{bits}", f"{beyond}/{bits}"
            add = ["ip", "address", "add", host_route, "dev", LAN, *(["nodad"] if bits == 128 else [])]
            await stage.lab.exec(stage.lab.wire, add)
            await batch(stage, [f"route add {one} via {gateway} dev {NIC} onlink table {ONE}"])
            await _has(stage, "by that gateway", ONE, {one: {via(gateway)}})
            await has_paths(stage, "it is attached", {host_route: {via(gateway)}, one: None})
            assert await ping(stage.lab.pod, beyond, count=3) >= 2, gateway
            await batch(stage, [f"route del {one} table {ONE}"])
            await settled(stage)
            assert host_route not in await mirrored(stage)
        await nothing_to_do(stage)


async def _by_node2(stage: Stage) -> set[int]:
    """For which IP versions the pod's packets to beyond go to the other node's MAC. They are answered in any case."""
    found = set()
    for version, address in ((4, BEYOND4), (6, BEYOND6)):
        async with capture(stage.lab.wire, "to-node2", lambda frame: frame.outgoing) as seen:
            assert await ping(stage.lab.pod, address, count=3) >= 2, f"IPv{version}"
            if seen.matching(lambda frame, to=str(address): _goes(frame, to)):  # type: ignore[misc]
                found.add(version)
    return found


def _goes(frame: Frame, to: str) -> bool:
    layer, at = (IPv6, 14) if ":" in to else (IP, 14)
    is_ip = frame.data[12:14] == (b"\x86\xdd" if layer is IPv6 else b"\x08\x00")
    return is_ip and frame.data[:6] == bytes.fromhex(NODE2_MAC.replace(":", "")) and layer(frame.data[at:]).dst == to


async def _kept_for_the_pod(stage: Stage, other: Session, pod: int) -> None:
    await _flush(stage, ONE, 4, 6)
    await batch(stage, [f"route del {BEYOND6}/128 via {N6}"])

    async def told() -> bool:
        return len(await problems(stage, "HL-310")) == 2

    await eventually("both tables are kept", told)
    assert await tables(other) == made((ONE, 4), (ONE, 6))
    bound = await other.request("sw_interface_get_table", sw_if_index=pod, is_ipv6=False)
    assert bound.vrf_id == number(ONE)
    assert await read_routes(other, await own_source(other), number(ONE), Family.IPV4) == []
    await settled(stage)
    await detach_pod(stage.api_socket, pod, number(ONE))
    await has_tables(other, "the pod is gone", {})
    await eventually("nothing is told", lambda: _quiet(stage))


async def _quiet(stage: Stage) -> bool:
    return not (await stage.state())["problems"]


async def test_a_table_that_others_use_outlives_the_give_back(dataplane: Dataplane) -> None:
    """Their routes and interfaces are as they were, and the next takeover finds the table again."""
    async with open_stage(dataplane) as stage, looking(stage), client(stage) as other:
        await batch(stage, _policy_table(ONE))
        stage.start_daemon()
        await stage.wait_state("Steady")
        loop, theirs = await _theirs(other, number(ONE))
        await nothing_to_do(stage)
        assert (await stage.hostlink("release")).returncode == 0
        assert await tables(other) == made((ONE, 4))
        assert await _routes_of(other, number(ONE), Family.IPV4) == {theirs}
        assert ["loop0" in one for one in await problems(stage, "HL-310")] == [True]
        assert (await stage.hostlink("resume")).returncode == 0
        await stage.wait_state("Steady")
        await _has(stage, "taken again", ONE, {**_wanted(), str(theirs): {via("drop")}})
        await batch(stage, _policy_table(ONE, "del"))
        await other.request("delete_loopback", sw_if_index=loop)
        await _their_route(other, number(ONE), is_add=False)
        assert (await stage.hostlink("state", "--audit")).returncode == 0
        assert await tables(other) == {}


async def _theirs(other: Session, table_id: int) -> tuple[int, IPv4Network]:
    """A loopback that is bound to that table, with an address, and a route; of another client."""
    loop = int((await other.request("create_loopback")).sw_if_index)
    await other.request("sw_interface_set_table", sw_if_index=loop, is_ipv6=False, vrf_id=table_id)
    return loop, await _their_route(other, table_id, is_add=True)


async def _their_route(other: Session, table_id: int, *, is_add: bool) -> IPv4Network:
    prefix = IPv4Network("10.246.0.0/24")
    path = {"sw_if_index": 0xFFFFFFFF, "weight": 1, "type": 2, "nh": {"address": {"ip4": "0.0.0.0"}}}
    route = {"table_id": table_id, "prefix": str(prefix), "n_paths": 1, "paths": [{**path, "label_stack": [{}] * 16}]}
    await other.request("ip_route_add_del", is_add=is_add, is_multipath=False, route=route)
    return prefix


async def _routes_of(other: Session, table_id: int, family: Family) -> set[object]:
    """All but those that VPP has in every table, or in every one with such an interface."""
    found = await read_routes(other, 0, table_id, family)
    return {one.prefix for one in found if 8 <= one.prefix.prefixlen < 32 and not one.prefix.is_multicast}


# --------------------------------------------------------------------------------------------------- by hand, by others


async def test_a_table_deleted_by_hand_is_put_back(dataplane: Dataplane) -> None:
    """F10, F52: with its routes; so is a route of it. And what the host changes meanwhile is not stopped by it."""
    async with open_stage(dataplane, settings=NEVER) as stage, looking(stage), client(stage) as other:
        await batch(stage, _policy_table(ONE))
        stage.start_daemon()
        await stage.wait_state("Steady")
        for is_ip6 in (False, True):
            await set_table(other, number(ONE), is_add=False, is_ip6=is_ip6)
        assert await tables(other) == {}
        plan = (await stage.hostlink("plan")).stdout.decode()
        assert f"+ IPv4 table {number(ONE)} for the host's table {ONE}" in plan
        assert (await stage.hostlink("state", "--audit")).returncode == 0
        await _has(stage, "put back", ONE, _wanted())
        await nothing_to_do(stage)
        await set_table(other, number(ONE), is_add=False)
        await batch(stage, [f"route del {V4} table {ONE}", f"route add 203.0.114.0/24 via {N4} table {ONE}"])
        await _has(stage, "put back by a change", ONE, {**_wanted(), V4: None, "203.0.114.0/24": {via(N4)}})
        await _delete_ours(other, VppRoute(number(ONE), ip_network("203.0.114.0/24"), ()))
        assert (await stage.hostlink("state", "--audit")).returncode == 0
        await _has(stage, "a route", ONE, {"203.0.114.0/24": {via(N4)}})
        await nothing_to_do(stage)
        assert "Recovering" not in stage.log


async def _delete_ours(other: Session, route: VppRoute) -> None:
    fields = {"table_id": route.table_id, "prefix": str(route.prefix), "src": await own_source(other), "n_paths": 0}
    await other.request("ip_route_add_del_v2", is_add=False, route=fields)


async def test_a_table_deleted_by_hand_is_only_told(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=NEVER) as stage, looking(stage), client(stage) as other:
        stage.config.write_text(stage.config.read_text().replace("[vpp]\n", '[vpp]\ndrift = "report"\n', 1))
        await batch(stage, _policy_table(ONE))
        stage.start_daemon()
        await stage.wait_state("Steady")
        await set_table(other, number(ONE), is_add=False)
        assert (await stage.hostlink("state", "--audit")).returncode == 1
        (detail,) = await problems(stage, "HL-306")
        assert f"add IPv4 table {number(ONE)}" in detail
        assert await tables(other) == made((ONE, 6))
        await batch(stage, [f"route add {V6} via {N6} table {TWO}"])
        await _has(stage, "the host's changes go on", TWO, {V6: {via(N6)}})
        assert (await tables(other)).keys() == made((ONE, 6), (TWO, 6)).keys()
        await batch(stage, [f"route add 203.0.114.0/24 via {N4} table {ONE}"])
        await _has(stage, "this very table", ONE, {"203.0.114.0/24": {via(N4)}})
        assert "Recovering" not in stage.log


async def test_another_clients_table_of_that_number_is_left_alone(dataplane: Dataplane) -> None:
    """Told, and mirrored as soon as it is gone; whatever the host does meanwhile, nothing in it is touched."""
    async with open_stage(dataplane, settings=NEVER) as stage, looking(stage), client(stage) as other:
        await set_table(other, number(ONE), is_add=True, name="theirs")
        loop, theirs = await _theirs(other, number(ONE))
        await batch(stage, _policy_table(ONE))
        stage.start_daemon()
        await stage.wait_state("Steady")
        (detail,) = await problems(stage, "HL-309")
        assert "'theirs'" in detail
        assert f"table {ONE} " in detail
        await _has(
            stage, "the other family", ONE, {prefix: paths for prefix, paths in _wanted().items() if ":" in prefix}
        )
        await batch(stage, [f"route change {V4} via {N4} table {ONE}", f"route add {V4} via {N4} metric 7 table {ONE}"])
        await nothing_to_do(stage)
        assert await _routes_of(other, number(ONE), Family.IPV4) == {theirs}
        assert (await tables(other))[number(ONE), 4] == "theirs"
        await _flush(stage, ONE, 4)
        await eventually("the host asks for nothing", lambda: _told(stage, "HL-309", 0))
        await batch(stage, [line for line in _policy_table(ONE) if "." in line])
        await eventually("and asks again", lambda: _told(stage, "HL-309", 1))
        await other.request("delete_loopback", sw_if_index=loop)
        await _their_route(other, number(ONE), is_add=False)
        await set_table(other, number(ONE), is_add=False)
        assert (await stage.hostlink("state", "--audit")).returncode == 0
        await _has(stage, "theirs is gone", ONE, _wanted())
        assert await problems(stage, "HL-309") == []


async def _told(stage: Stage, code: str, count: int) -> bool:
    return len(await problems(stage, code)) == count


async def test_a_vpp_that_returns_has_no_tables_of_its_last_life(dataplane: Dataplane) -> None:
    """F51: hostlink's are made anew, also where another client's had been in the way, and that is told no more."""
    async with open_stage(dataplane, vpp_settings="grace_s = 60") as stage:
        async with client(stage) as other:
            await set_table(other, number(ONE), is_add=True, name="theirs")
        await batch(stage, [*_policy_table(ONE), f"route add {V4} via {R4} table {TWO}"])
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert len(await problems(stage, "HL-309")) == 1
        stage.kill_vpp()
        await stage.wait_state("Recovering")
        await batch(stage, [f"route del {V4} table {TWO}", f"route add {V6} via {N6} table {TWO}"])
        async with running(stage, {}), looking(stage), client(stage) as other:
            await stage.wait_state("Steady")
            await _has(stage, "made anew", ONE, _wanted())
            assert await tables(other) == made((ONE, 4), (ONE, 6), (TWO, 6))
            assert await problems(stage, "HL-309") == []
            await batch(stage, [f"route add {V4} via {R4} table {TWO}"])
            await _has(stage, "followed", TWO, {V4: {via(R4)}, V6: {via(N6)}})
            await nothing_to_do(stage)
            assert "Detecting" not in [move["to"] for move in (await stage.state())["history"]][1:]


async def test_a_killed_daemon_adopts_its_tables(dataplane: Dataplane) -> None:
    """F42, F52: what the host has changed meanwhile is carried over; at the end nothing is left."""
    async with open_stage(dataplane) as stage, looking(stage), client(stage) as other:
        await batch(stage, [*_policy_table(ONE), f"route add {V4} via {R4} table {TWO}"])
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _has(stage, "two tables", TWO, {V4: {via(R4)}})
        await stage.stop_daemon(signal.SIGKILL)
        await batch(stage, [f"route del {V4} table {TWO}", f"route add {V6} via {N6} table {TWO}"])
        await batch(stage, [f"route change {V4} via {N4} table {ONE}"])
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _has(stage, "adopted", ONE, {**_wanted(), V4: {via(N4)}})
        await _has(stage, "adopted", TWO, {V6: {via(N6)}})
        await has_tables(other, "of the host's", made((ONE, 4), (ONE, 6), (TWO, 6)))
        await nothing_to_do(stage)
        await stage.stop_daemon(signal.SIGKILL)
        released = await stage.hostlink("release", "--config", str(stage.config))
        assert released.returncode == 0, released.stderr
        assert await tables(other) == {}


# -------------------------------------------------------------------------------------------------------------- rules


async def test_a_rule_that_vpp_does_not_follow_is_told(dataplane: Dataplane) -> None:
    """While it is there, and while its table has a way by the uplink. The rules of every host are none."""
    async with open_stage(dataplane) as stage:
        await with_other_link(stage)
        await batch(stage, [f"rule add from 10.0.0.0/8 table {ONE} priority 500", *_policy_table(ONE)])
        stage.start_daemon()
        await stage.wait_state("Steady")
        (detail,) = await problems(stage, "HL-308")
        assert f"IPv4 rule 500: from 10.0.0.0/8 lookup {ONE}" in detail
        await batch(stage, ["rule del priority 500"])
        await eventually("it is gone", lambda: _told(stage, "HL-308", 0))
        await _rule6(stage, f"add fwmark 0x7 iif {OTHER} table {ONE} priority 501")
        await eventually("another is told", lambda: _told(stage, "HL-308", 1))
        assert f"IPv6 rule 501: from all fwmark 0x7 iif {OTHER} lookup {ONE}" in (await problems(stage, "HL-308"))[0]
        await _flush(stage, ONE, 6)
        await eventually("its table is empty", lambda: _told(stage, "HL-308", 0))
        await batch(stage, [f"route add {V6} via {N6} table {ONE}"])
        await eventually("and has a way again", lambda: _told(stage, "HL-308", 1))
        await _rule6(stage, "del priority 501")
        await batch(stage, ["rule add from 10.0.0.0/8 table main priority 502"])
        await batch(stage, [f"route add {V4} via 10.99.0.2 dev {OTHER} table 77", "rule add table 77 priority 503"])
        await eventually("none of these", lambda: _told(stage, "HL-308", 0))
        await settled(stage)
        assert [one["code"] for one in (await stage.state())["problems"]] == await lacks_in_tables(stage)


async def _rule6(stage: Stage, words: str) -> None:
    await stage.on_host("ip", "-6", "rule", *words.split())
