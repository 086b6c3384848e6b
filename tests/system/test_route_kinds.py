"""Every kind of route that Linux has, in VPP as well as VPP can have it, and named where it cannot (F25, F30-F32)."""

from __future__ import annotations

from hostlink.lab.flows import ping
from hostlink.lab.layout import BEYOND4, BEYOND6, LAN, NIC, NODE2_4, NODE2_6, ROUTER4, ROUTER6
from hostlink.lab.pod import attach_pod
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import settled
from tests.system.rounds import eventually
from tests.system.routing import (
    OTHER,
    Path,
    batch,
    has_paths,
    host_routes,
    looking,
    mirrored,
    problems,
    via,
    with_other_link,
)

R4, R6, N4, N6 = str(ROUTER4.ip), str(ROUTER6.ip), str(NODE2_4.ip), str(NODE2_6.ip)

KINDS: dict[str, tuple[list[str], set[Path]]] = {
    # Prefix: what is added, and what VPP must have then. Metrics that a cut to 8 bits would put in another order (F32).
    "203.0.113.0/24": ([f"via {R4}"], {via(R4)}),
    "203.0.114.0/24": ([f"via {N4} metric 256", f"via {R4} metric 255"], {via(R4), via(N4, 1, 1)}),
    "2001:db8:1::/48": ([f"via {N6} metric 65536", f"via {R6} metric 65535"], {via(R6), via(N6, 1, 1)}),
    "203.0.115.0/24": ([f"nexthop via {R4} weight 3 nexthop via {N4}"], {via(R4, 3), via(N4)}),
    "2001:db8:2::/48": ([f"nexthop via {R6} weight 3 nexthop via {N6}"], {via(R6, 3), via(N6)}),
    "203.0.116.0/24": ([f"via 10.55.0.1 dev {NIC} onlink"], {via("10.55.0.1")}),
    "2001:db8:3::/48": ([f"via fd00:55::1 dev {NIC} onlink"], {via("fd00:55::1")}),
    "203.0.117.0/24": (["@blackhole"], {via("drop")}),
    "203.0.118.0/24": (["@unreachable metric 7"], {via("unreachable")}),
    "203.0.119.0/24": (["@prohibit"], {via("prohibit")}),
    "2001:db8:4::/48": (["@blackhole"], {via("drop")}),
    "2001:db8:5::/48": (["@unreachable"], {via("unreachable")}),
    "2001:db8:6::/48": (["@prohibit metric 9"], {via("prohibit")}),
    # Only while the way is gone: the worse one is the blackhole.
    "203.0.120.0/24": ([f"via {R4}", "@blackhole metric 4000"], {via(R4), via("drop", 1, 1)}),
    "203.0.121.0/24": ([f"via inet6 {R6}"], {via(R6)}),
    "203.0.122.0/24": ([f"via {R4} src 192.168.0.1"], {via(R4)}),
    "203.0.123.0/24": ([f"dev {NIC} scope link"], {via("link")}),
    "203.0.124.7/32": ([f"dev {NIC} scope link"], {via("203.0.124.7")}),
    # A metric of 0 is 1024 in IPv6 (F31): `ip` says neither.
    "2001:db8:7::/48": ([f"via {R6}"], {via(R6)}),
    "2001:db8:8::/48": ([f"via {R6} metric 1023", f"via {N6}"], {via(R6), via(N6, 1, 1)}),
}


def _lines(verb: str, kinds: dict[str, tuple[list[str], set[Path]]] = KINDS) -> list[str]:
    return [_line(verb, prefix, one) for prefix, (ways, _) in kinds.items() for one in ways]


def _line(verb: str, prefix: str, way: str) -> str:
    """`@` before a type of route, which is said before its prefix."""
    if not way.startswith("@"):
        return f"route {verb} {prefix} {way}"
    kind, _, rest = way[1:].partition(" ")
    return f"route {verb} {kind} {prefix} {rest}"


async def test_kinds_of_routes(dataplane: Dataplane) -> None:
    """Added before the takeover and after it, changed, deleted; the host's own table stays as its owner has it."""
    async with open_stage(dataplane) as stage, looking(stage):
        await with_other_link(stage)
        early = {prefix: kind for number, (prefix, kind) in enumerate(KINDS.items()) if number % 2}
        late = {prefix: kind for prefix, kind in KINDS.items() if prefix not in early}
        await batch(stage, _lines("add", early))
        bare = await host_routes(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await attach_pod(stage.api_socket)
        await has_paths(stage, "before the takeover", {prefix: paths for prefix, (_, paths) in early.items()})
        await batch(stage, _lines("add", late))
        await has_paths(stage, "after the takeover", {prefix: paths for prefix, (_, paths) in KINDS.items()})
        await changes(stage)
        await what_vpp_cannot_have(stage)
        await packets_of_a_pod(stage)
        await packets_by_onlink_gateways(stage)
        await nothing_to_do(stage)
        await batch(stage, _lines("del", late))
        await has_paths(stage, "deleted", {prefix: KINDS[prefix][1] if prefix in early else None for prefix in KINDS})
        assert await host_routes(stage) == bare
        assert await stage.stop_daemon() == 0, stage.log
        assert await host_routes(stage) == bare, stage.log
        await has_paths(stage, "given back", dict.fromkeys(KINDS))


async def changes(stage: Stage) -> None:
    """One after the other, each seen in VPP; F30: a route that another link's has replaced."""
    four, six = "198.18.0.0/24", "2001:db8:f::/48"
    steps: list[tuple[str, list[str], set[Path] | None]] = [
        (four, [f"route add {four} via {R4}"], {via(R4)}),
        (four, [f"route change {four} via {N4}"], {via(N4)}),
        (four, [f"route add {four} via {R4} metric 300"], {via(N4), via(R4, 1, 1)}),
        (four, [f"route append {four} via 192.168.0.77"], {via(N4), via(R4, 1, 1)}),
        (four, [f"route del {four} via {N4}"], {via("192.168.0.77"), via(R4, 1, 1)}),
        (four, [f"route del {four} metric 0"], {via(R4)}),
        (four, [f"route replace {four} via 10.99.0.2 dev {OTHER} metric 300"], None),
        (four, [f"route replace {four} via {N4} metric 300"], {via(N4)}),
        (four, [f"route replace unreachable {four} metric 300"], {via("unreachable")}),
        (four, [f"route replace {four} via {R4} metric 300"], {via(R4)}),
        (four, [f"route del {four} metric 300"], None),
        (six, [f"route add {six} via {R6}"], {via(R6)}),
        (six, [f"route append {six} via {N6}"], {via(R6), via(N6)}),
        (six, [f"route del {six} via {R6}"], {via(N6)}),
        (six, [f"route replace {six} via {R6}"], {via(R6)}),
        (six, [f"route replace {six} via fd00:99::2 dev {OTHER}"], None),
        (six, [f"route replace {six} via {R6} dev {NIC}"], {via(R6)}),
        (six, [f"route replace blackhole {six}"], {via("drop")}),
        (six, [f"route del blackhole {six}"], None),
    ]
    for prefix, lines, wanted in steps:
        await batch(stage, lines)
        await has_paths(stage, f"`{'; '.join(lines)}`", {prefix: wanted})


async def what_vpp_cannot_have(stage: Stage) -> None:
    """Named while it is there, and no longer. What does not concern the uplink is neither in VPP nor a problem."""
    named = {
        "198.18.1.0/24": f"nexthop via {R4} nexthop via 10.99.0.2 dev {OTHER}",
        "198.18.2.0/24": f"tos 0x10 via {R4}",
    }
    foreign = [
        f"route add 198.18.4.0/24 via 10.99.0.2 dev {OTHER}",
        "route add blackhole 198.18.5.0/24 table 77",
        f"route add 2001:db8:e::/48 via fd00:99::2 dev {OTHER}",
    ]
    await batch(stage, [*(f"route add {prefix} {way}" for prefix, way in named.items()), *foreign])

    async def told() -> bool:
        details = await problems(stage, "HL-301")
        return len(details) == len(named) and all(any(prefix in one for one in details) for prefix in named)

    await eventually("what VPP cannot have is named", told)
    await has_paths(stage, "by half", {"198.18.1.0/24": {via(R4)}, "198.18.2.0/24": None})
    assert not {"198.18.4.0/24", "198.18.5.0/24", "2001:db8:e::/48"} & await mirrored(stage)
    await batch(stage, [line.replace(" add ", " del ") for line in foreign])
    await batch(stage, [f"route del {prefix} {way}" for prefix, way in named.items()])

    async def forgotten() -> bool:
        return not await problems(stage, "HL-301")

    await eventually("and no longer", forgotten)


async def packets_of_a_pod(stage: Stage) -> None:
    """VPP forwards them by what the host says: to nowhere, and back; and IPv4 by an IPv6 next hop."""
    beyond4, beyond6 = f"{BEYOND4}/32", f"{BEYOND6}/128"
    for address, prefix, nowhere in (
        (BEYOND4, beyond4, "blackhole"),
        (BEYOND4, beyond4, "prohibit"),
        (BEYOND6, beyond6, "unreachable"),
    ):
        assert await ping(stage.lab.pod, address, count=3) >= 2
        await batch(stage, [f"route add {nowhere} {prefix}"])
        await has_paths(stage, nowhere, {prefix: {via(nowhere.replace("blackhole", "drop"))}})
        assert await ping(stage.lab.pod, address, reply_s=0.3) == 0
        await batch(stage, [f"route del {nowhere} {prefix}"])
        await has_paths(stage, f"no longer {nowhere}", {prefix: None})
    await batch(stage, ["route add blackhole 198.51.100.0/31", f"route add {beyond4} via inet6 {R6}"])
    await has_paths(stage, "IPv4 by IPv6", {beyond4: {via(R6)}, "198.51.100.0/31": {via("drop")}})
    assert await ping(stage.lab.pod, BEYOND4, count=3) >= 2
    await batch(stage, [f"route del {beyond4}", "route del blackhole 198.51.100.0/31"])
    await has_paths(stage, "and away", {beyond4: None, "198.51.100.0/31": None})


async def packets_by_onlink_gateways(stage: Stage) -> None:
    """A gateway in no network of the link's: Linux asks for it, and VPP must take its answer (a default route too)."""
    gateways = {"10.56.0.1": (BEYOND4, "0.0.0.0/0"), "fd00:56::1": (BEYOND6, "::/0")}
    for gateway, (beyond, default) in gateways.items():
        bits = beyond.max_prefixlen
        host_route, one = f"{gateway}/{bits}", f"{beyond}/{bits}"
        add = ["ip", "address", "add", host_route, "dev", LAN, *(["nodad"] if bits == 128 else [])]
        await stage.lab.exec(stage.lab.wire, add)
        for prefix in (one, default):
            lines = [f"route add {prefix} via {gateway} dev {NIC} onlink metric 5"]
            await batch(stage, lines)
            await has_paths(stage, lines[0], {host_route: {via(gateway)}})
            for namespace in (stage.lab.host, stage.lab.pod):
                assert await ping(namespace, beyond, count=3) >= 2, (lines, namespace)
            await batch(stage, [f"route del {prefix} via {gateway} dev {NIC} metric 5"])
            await settled(stage)
            assert host_route not in await mirrored(stage)  # VPP itself may still have what it has learnt
            assert await ping(stage.lab.host, beyond, count=3) >= 2


async def nothing_to_do(stage: Stage) -> None:
    """F25, F31: VPP has what the host has, and another look finds no difference."""
    before = (await settled(stage))["last_reconvergence"]
    await stage.on_host("ip", "link", "set", NIC, "alias", "look again")
    after = (await settled(stage))["last_reconvergence"]
    assert after == before or not any("route" in change for change in after["changes"]), after
