"""States of the link: carrier, down and up, what needs nothing in VPP; and VPP's own admin state."""

from __future__ import annotations

import json
import socket

import trio

from hostlink.kernel.namespace import inside
from hostlink.lab.flows import FlowError, ping, tcp_roundtrip
from hostlink.lab.layout import (
    BEYOND4,
    BEYOND6,
    HOST4,
    HOST6,
    LAN,
    NIC,
    NODE2_4,
    ROUTER4,
    ROUTER6,
    ROUTER_LINK_LOCAL,
)
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.session import open_session
from tests.system.addressing import shown
from tests.system.links import in_vpp, link_of, settled
from tests.system.neighbouring import scoped
from tests.system.picture import picture
from tests.system.rounds import before_and_after, eventually, in_turn

PORT = "to-host"
"""The router's end of the NIC's cable."""


async def test_the_carrier_follows_the_nic(dataplane: Dataplane) -> None:
    """F29: lost and back, twice: the host sees what it would see of the NIC, and works as soon as it is back."""
    await before_and_after(dataplane, carrier_lost_and_back)


async def carrier_lost_and_back(stage: Stage, digit: str) -> None:
    async with servers(stage.lab):
        taken_over = digit != "a"
        if taken_over:
            await stage.lab.pod_attach(stage.api_socket)
        before = await picture(stage)
        for _ in range(2):
            await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", PORT, "down"])
            await eventually("the host link has no carrier", lambda: _carrier(stage, False))
            assert "linkdown" in await stage.on_host("ip", "route", "show", "default")
            if taken_over:  # what is sent meanwhile is lost, and must not stop VPP's ring, which has 1,024 frames
                await settled(stage)
                await _flood(stage)
            await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", PORT, "up"])
            await eventually("the host link has its carrier back", lambda: _carrier(stage, True))
            await _works(stage)
        after = await picture(stage)
        assert {**after, "sysctls": ""} == {**before, "sysctls": ""}


async def _carrier(stage: Stage, wanted: bool) -> bool:
    link = await link_of(stage)
    return link is not None and ("NO-CARRIER" not in link["flags"]) is wanted and "UP" in link["flags"]


async def _flood(stage: Stage) -> None:
    """4,000 datagrams from a pod to the host, a few at a time so that the pod's own queue loses none of them."""
    with inside(stage.lab.pod):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with sock:
        for number in range(4000):
            sock.sendto(b"x" * 100, (str(HOST4.ip), 9))
            if number % 50 == 0:
                await trio.sleep(0.002)


async def _works(stage: Stage) -> None:
    """At once, but for what the router has to resolve."""

    async def answered() -> bool:
        return await ping(stage.lab.wire, HOST4.ip, reply_s=0.3) == 1 and await ping(stage.lab.host, ROUTER6.ip) == 1

    await eventually("both ways", answered, 10.0)
    for address in (HOST4.ip, HOST6.ip):
        await tcp_roundtrip(stage.lab.wire, address)
    for address in (ROUTER4.ip, ROUTER6.ip, BEYOND4):
        await tcp_roundtrip(stage.lab.host, address)


async def test_down_and_up_at_once_loses_nothing(dataplane: Dataplane) -> None:
    """F35: too quick to be seen down, but the kernel has taken routes and IPv6 addresses: nobody's wish."""
    async with open_stage(dataplane) as stage, servers(stage.lab):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.on_host("ip", "route", "add", "203.0.113.0/24", "via", str(NODE2_4.ip))
        await stage.on_host("ip", "address", "add", "fd00::77/64", "dev", NIC)
        await eventually("VPP has the new address", lambda: _in_vpp(stage, "fd00::77"))
        await settled(stage)
        before, vpp = await picture(stage), await in_vpp(stage)
        for _ in range(3):
            at_once = f"link set {NIC} down\\nlink set {NIC} up\\n"
            await stage.on_host("sh", "-c", f"printf '{at_once}' | ip -batch -")
            await eventually("all is back", lambda: _same(stage, before))
        await settled(stage)
        assert await in_vpp(stage) == vpp
        await _works(stage)
        await vpp_and_nic_set_down(stage, vpp)
        assert "Recovering" not in stage.log


async def _in_vpp(stage: Stage, address: str) -> bool:
    return any(str(one.ip) == address for one in (await in_vpp(stage))["addresses"])


async def _same(stage: Stage, before: dict[str, object]) -> bool:
    return {**await picture(stage), "sysctls": ""} == {**before, "sysctls": ""}


async def vpp_and_nic_set_down(stage: Stage, vpp: dict[str, object]) -> None:
    """Either port in VPP, and the NIC and what else is hostlink's in VPP's namespace: up again without an audit."""
    ports = (await stage.state())["indexes"]
    for port in (ports["uplink_sw_if_index"], ports["host_sw_if_index"]):
        async with open_session(stage.api_socket) as session:
            await session.request("sw_interface_set_flags", sw_if_index=port, flags=0)
        await eventually(f"interface {port} is up again", lambda port=port: _port_up(stage, port))  # type: ignore[misc]
        await settled(stage)
        await _works(stage)
    links = json.loads(await stage.lab.exec(stage.lab.vpp, ["ip", "-json", "link", "show", "up"]))
    ours = [link["ifname"] for link in links if link["ifname"] == NIC or link["ifname"].startswith("hl")]
    assert len(ours) >= 2
    for name in ours:
        await stage.lab.exec(stage.lab.vpp, ["ip", "link", "set", name, "down"])
        await eventually(f"{name} is up again", lambda name=name: _device_up(stage, name))  # type: ignore[misc]
        await settled(stage)
        await _works(stage)
    assert await in_vpp(stage) == vpp


async def _port_up(stage: Stage, port: int) -> bool:
    async with open_session(stage.api_socket) as session:
        found = await (await open_dataplane(session)).interface(port)
    return found is not None and found.up


async def _device_up(stage: Stage, name: str) -> bool:
    link = await link_of(stage, name, stage.lab.vpp)
    return link is not None and "UP" in link["flags"]


async def test_what_needs_nothing_in_vpp_works_and_is_kept(dataplane: Dataplane) -> None:
    """F08: promiscuous, alias, queue length, altnames, link-local addresses: as on the NIC, and given back."""
    await before_and_after(dataplane, in_turn(another_link_local, edits))


async def another_link_local(stage: Stage, digit: str) -> None:
    """The host's own goes and another one is in its place: that one is spoken with, and it speaks with the router."""
    (own,) = [info for info in await shown(stage) if info["scope"] == "link" and info["family"] == "inet6"]
    other, old = f"fe80::88{digit}", f"{own['local']}/64"
    await stage.on_host("ip", "address", "del", old, "dev", NIC)
    await stage.on_host("ip", "address", "add", f"{other}/64", "dev", NIC, "nodad")
    there, gone = [await scoped(stage.lab, stage.lab.wire, LAN, one) for one in (other, own["local"])]

    async def answers() -> bool:
        return await ping(stage.lab.wire, there, reply_s=0.3) == 1

    await eventually("the other link-local answers", answers)
    await eventually("the old one does not", lambda: _silent(stage, gone))
    for namespace, address in ((stage.lab.wire, HOST6.ip), (stage.lab.host, ROUTER6.ip), (stage.lab.host, BEYOND6)):
        assert await ping(namespace, address, count=3) >= 2, (namespace, address)
    router = await scoped(stage.lab, stage.lab.host, NIC, str(ROUTER_LINK_LOCAL))
    assert await ping(stage.lab.host, router, count=3) >= 2
    if digit == "a":
        await stage.on_host("ip", "address", "add", old, "dev", NIC, "nodad")
        await stage.on_host("ip", "address", "del", f"{other}/64", "dev", NIC)


async def edits(stage: Stage, digit: str) -> None:
    taken_over = digit != "a"
    before = await picture(stage)
    link_local = f"fe80::77{digit}"
    await stage.on_host("ip", "link", "property", "del" if taken_over else "add", "dev", NIC, "altname", "passing")
    for edit in (f"promisc on alias edit-{digit} txqueuelen 77", "promisc off"):
        await stage.on_host("ip", "link", "set", NIC, *edit.split())
    await stage.on_host("ip", "link", "property", "add", "dev", NIC, "altname", f"edit{digit}")
    await stage.on_host("ip", "address", "add", f"{link_local}/64", "dev", NIC)
    there = await scoped(stage.lab, stage.lab.wire, LAN, link_local)

    async def answers() -> bool:
        return await ping(stage.lab.wire, there, reply_s=0.3) == 1

    await eventually("the new link-local answers", answers)
    await stage.on_host("ip", "address", "del", f"{link_local}/64", "dev", NIC)
    await eventually("and no longer", lambda: _silent(stage, there))
    if not taken_over:
        return
    await settled(stage)
    await stage.on_host("ip", "link", "set", NIC, "promisc", "on")
    await settled(stage)
    assert await stage.stop_daemon() == 0, stage.log
    link = json.loads(await stage.on_host("ip", "-json", "-details", "link", "show", "dev", NIC))[0]
    assert (link["ifalias"], link["txqlen"]) == ("edit-b", 77)
    assert "PROMISC" in link["flags"]
    assert {"edita", "editb"} <= set(link["altnames"])
    assert "passing" not in link["altnames"]
    assert (await picture(stage))["addresses"] == before["addresses"]


async def _silent(stage: Stage, address: str) -> bool:
    try:
        return await ping(stage.lab.wire, address, reply_s=0.3) == 0
    except FlowError:
        return True
