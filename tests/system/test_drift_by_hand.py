"""Somebody changes by hand what hostlink has set in VPP: found by the audit, and put back (F10, F52).

Every change here is one that VPP's command line can make; but routes by a gateway are changed by the API, because VPP's
`ip route del` deletes nothing that another than the command line has set. A port that is set down is said by an event
of VPP, and is up again without an audit: test_link_state.py.

What no audit sees, because hostlink does not look at it, or VPP does not show it:

- the count behind the punt redirects: a redirect that is deleted twice in a row leaves punting off, while everything
  that VPP shows is right again. What it does to packets shows as HL-412 at most.
- the MAC of a port in VPP, its receive mode, its promiscuity, its table (VPP refuses another one while it has
  addresses): hostlink sets them when it makes the port, and never looks again.
- neighbours without the static flag, and routes of other sources: they are other clients'.
- the classifiers that somebody binds to one of hostlink's ports: HL-206 and its like look at them before a takeover.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any

from hostlink.core.model import VppPath, VppRoute
from hostlink.core.proxy_ranges import PROXIED
from hostlink.lab.flows import FlowError, tcp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC, NIC_MAC, NODE2_4, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.routes import apply_routes
from hostlink.vpp.session import Session, open_session
from tests.system.links import settled
from tests.system.rounds import eventually

AUDITED = "[timing]\naudit_s = 1\n"
ON_LINK = "203.0.113.0/24"
BY_GATEWAY = "192.0.2.0/24"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Node:
    """The stage, with the names and numbers of hostlink's two ports in VPP."""

    stage: Stage
    uplink: str
    host: str
    uplink_sw: int
    host_sw: int


Change = Callable[[Node, Session], Awaitable[None]]


def command(text: str) -> Change:
    """By VPP's command line; {uplink} and {host} are the names of hostlink's two ports in VPP."""

    async def run(node: Node, session: Session) -> None:
        reply = await session.request("cli_inband", cmd=text.format(uplink=node.uplink, host=node.host))
        assert "unknown" not in reply.reply, reply.reply

    return run


async def _route(node: Node, session: Session, *, is_add: bool) -> None:
    """By hostlink's own source: what of it is deleted, or leads to another neighbour than the host's."""
    paths = (VppPath(node.uplink_sw, ROUTER4.ip),)
    route = VppRoute(0, ip_network(BY_GATEWAY), paths)
    source = (await open_dataplane(session)).source_id
    failures = await apply_routes(session, source, add=[route] if is_add else [], delete=[] if is_add else [route])
    assert not failures


@dataclass(frozen=True, slots=True)
class Round:
    """Changes that one audit finds together. told: what hostlink says that it did about them."""

    changes: dict[str, Change]
    told: tuple[str, ...] = ()


ROUNDS = (
    Round(
        {
            "IPv4 address deleted": command(f"set interface ip address del {{uplink}} {HOST4}"),
            "IPv6 address deleted": command(f"set interface ip address del {{uplink}} {HOST6}"),
        },
        (f"add address {HOST4}", f"add address {HOST6}"),
    ),
    Round(
        {
            "address added": command("set interface ip address {uplink} 10.66.0.1/24"),
            "on-link route deleted": command(f"ip route del {ON_LINK}"),
        },
        ("delete address 10.66.0.1/24", f"add route {ON_LINK}"),
    ),
    Round(
        {
            "neighbour deleted": command(f"set ip neighbor del {{host}} {HOST4.ip} {NIC_MAC}"),
            "IPv6 neighbour deleted": command(f"set ip neighbor del {{host}} {HOST6.ip} {NIC_MAC}"),
            "route deleted": partial(_route, is_add=False),
        },
        (f"add neighbour {HOST4.ip} at", f"add neighbour {HOST6.ip} at", f"add route {BY_GATEWAY}"),
    ),
    Round(
        {
            "unnumbered removed": command("set interface unnumbered del {host}"),
            "route changed": partial(_route, is_add=True),
        },
        ("unnumbered, use the addresses of", f"add route {BY_GATEWAY}"),
    ),
    Round(
        {
            "uplink's MTU": command("set interface mtu packet 1400 {uplink}"),
            "host port's MTU": command("set interface mtu packet 1400 {host}"),
            "IPv6 off": command("disable ip6 interface {host}"),
        },
        ("set MTU 1500", "enable IPv6"),
    ),
    Round(
        {
            "uplink's tag": command("clear interface tag {uplink}"),
            "host port's tag": command("clear interface tag {host}"),
        },
        ("{uplink}: set tag", "{host}: set tag"),
    ),
    Round(
        {
            "advertisements on": command("ip6 nd {uplink} no ra-suppress"),
            "proxy ARP off": command("set interface proxy-arp {host} disable"),
            "ND proxy off": command("set interface ip6-nd proxy {host} disable"),
        },
        ("send no router advertisements", "answer ARP for others", "answer neighbour solicitations for others"),
    ),
    Round(  # which Punting puts back
        {
            "redirect deleted": command("ip punt redirect del rx all"),
            "IPv6 redirect deleted": command("ip6 punt redirect del rx all"),
            "proxy ARP range deleted": command(f"set arp proxy del start {PROXIED.low} end {PROXIED.high}"),
        },
        (
            f"add punt redirect IPv4 from any interface via {HOST4.ip}",
            f"add punt redirect IPv6 from any interface via {HOST6.ip}",
            f"add proxy ARP range {PROXIED.low} - {PROXIED.high}",
        ),
    ),
    *(
        Round(
            {
                f"IPv{version} {protocol} not punted": command(f"set punt ipv{version} {protocol.lower()} del all")
                for protocol in ("UDP", "TCP")
            },
            tuple(f"VPP: punt IPv{version} {protocol} to unclaimed ports" for protocol in ("UDP", "TCP")),
        )
        for version in (4, 6)
    ),
)


async def test_what_is_changed_by_hand_is_put_back(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=AUDITED) as stage, servers(stage.lab):
        for route in (f"{ON_LINK} dev {NIC}", f"{BY_GATEWAY} via {NODE2_4.ip}"):
            await stage.on_host("ip", "route", "add", *route.split())
        stage.start_daemon()
        await stage.wait_state("Steady")
        await settled(stage)
        node = await _node(stage)
        async with open_session(stage.api_socket, client_name="by hand") as session:
            right = await _shown(session)
            for one in ROUNDS:
                told_before = await _told(stage)
                for name, change in one.changes.items():
                    await _changed(node, session, name, change)
                what = ", ".join(one.changes)
                await eventually(f"{what}: put back", lambda: _is(session, right), 10.0)
                for words in (text.format(uplink=node.uplink, host=node.host) for text in one.told):
                    await eventually(f"{what}: {words}", lambda w=words, b=told_before: _says(stage, w, b))  # type: ignore[misc]
            await _works(stage)
            assert "Recovering" not in stage.log
            await _given_back_without_tags(node, session)


async def _given_back_without_tags(node: Node, session: Session) -> None:
    """Before an audit has seen it: nothing stays in VPP that a later takeover would take for another client's."""
    for port in ("{uplink}", "{host}"):
        await command(f"clear interface tag {port}")(node, session)
    released = await node.stage.hostlink("release")
    assert released.returncode == 0, released.stderr
    left = await (await open_dataplane(session)).read_shared()
    assert (left.redirects, left.proxy_ranges, left.punted_l4) == (frozenset(), frozenset(), frozenset())
    assert (await node.stage.state())["problems"] == []


async def _node(stage: Stage) -> Node:
    indexes = (await stage.state())["indexes"]
    uplink, host = indexes["uplink_sw_if_index"], indexes["host_sw_if_index"]
    async with open_session(stage.api_socket) as session:
        names = {int(one.sw_if_index): str(one.interface_name) for one in await session.dump("sw_interface_dump")}
    return Node(stage, names[uplink], names[host], uplink, host)


async def _shown(session: Session) -> tuple[Any, ...]:
    """All of hostlink's, as hostlink reads it: by tag, so nothing without it."""
    dataplane = await open_dataplane(session)
    ports = await dataplane.find(NIC)
    if ports.uplink is None or ports.host is None:
        return (ports,)
    return (ports, await dataplane.read_uplink(ports.uplink, ports.host), await dataplane.read_shared())


async def _is(session: Session, right: tuple[Any, ...]) -> bool:
    return await _shown(session) == right


async def _changed(node: Node, session: Session, name: str, change: Change) -> None:
    """An audit may be in the middle of its round, and put it back before it was seen: then once more."""
    for _ in range(_TRIES):
        before = await _shown(session)
        await change(node, session)
        if await _shown(session) != before:
            return
    raise AssertionError(f"{name}: nothing has changed by it in {_TRIES} tries")


async def _told(stage: Stage) -> set[tuple[str, str]]:
    """(when, what) of the moves that the daemon tells of."""
    return {(move["at"], move["why"]) for move in (await stage.state())["history"]}


async def _says(stage: Stage, words: str, before: set[tuple[str, str]]) -> bool:
    return any(words in why for _, why in await _told(stage) - before)


async def _works(stage: Stage) -> None:
    for address in (HOST4.ip, HOST6.ip):
        await _tcp(stage.lab.wire, address)
    for address in (ROUTER4.ip, ROUTER6.ip):
        await _tcp(stage.lab.host, address)


async def _tcp(namespace: str, address: Any) -> None:
    """The first may fall into what was broken a moment ago."""
    try:
        await tcp_roundtrip(namespace, address)
    except FlowError:
        await tcp_roundtrip(namespace, address)
