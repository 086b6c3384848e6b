"""What the scenarios of DHCPv4 and DHCPv6 share: where they run, the captures at both ends, and a flow by the lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
import trio

from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import echo_server, tcp_roundtrip, udp_roundtrip, wait_reachable
from hostlink.lab.frames import Capture, Frame, capture
from hostlink.lab.layout import BEYOND4, BEYOND6, NIC, NIC_MAC, ROUTER4, ROUTER6
from hostlink.lab.stage import ALL, Dataplane, Stage, open_stage, why_missing
from hostlink.vpp.host_link import vpp_side_mac
from tests.system.dhcp.messages import Message4, Message6, is_dhcp

WIRE_PORT = "to-host"
"""The router's end of the NIC's cable, where the servers' side is seen."""
VPP_MAC = vpp_side_mac(0)
"""The source of what VPP sends to the host, of its one uplink here."""
_POLL_S = 0.02
_UNDER_WAY_S = 1.0


def _place(dataplane: Dataplane) -> object:
    missing = why_missing(dataplane)
    return pytest.param(dataplane, id=str(dataplane), marks=pytest.mark.skipif(bool(missing), reason=str(missing)))


everywhere = pytest.mark.parametrize("place", [pytest.param(None, id="bare NIC"), *map(_place, ALL)])
"""None: the same scenario on the NIC that nobody took over, which proves the scenario."""


@asynccontextmanager
async def open_place(place: Dataplane | None) -> AsyncIterator[Stage]:
    """A stage that is not taken over yet; on the bare NIC its VPP stands by."""
    async with open_stage(place or Dataplane(real=False, host_link="veth")) as stage:
        yield stage


async def take_over(stage: Stage, place: Dataplane | None) -> None:
    """Steady when this returns. Nothing happens on the bare NIC."""
    if place is not None:
        stage.start_daemon()
        await stage.wait_state("Steady")


@dataclass(frozen=True, slots=True)
class Watch:
    """All DHCP of one step, at the host's link and at the other end of the wire."""

    host: Capture
    wire: Capture


@asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Watch]:
    """Captures from now on. The host's link is the one that has the NIC's name at this moment."""
    async with (
        capture(stage.lab.host, NIC, is_dhcp) as host,
        capture(stage.lab.wire, WIRE_PORT, is_dhcp) as wire,
    ):
        yield Watch(host, wire)


Message = TypeVar("Message", Message4, Message6)


async def passed_whole(watch: Watch, read: Callable[[Iterable[Frame]], list[Message]]) -> list[Message]:
    """All messages on the wire: each came to the other end once, as it was sent, and those of the client from the NIC.

    What is under way between the two captures is waited for; what came twice stays twice. Only the copy that VPP punts
    is left out (it has VPP's MAC as its source): hostlink's tc program drops it on the host link, so no socket of an
    IP protocol gets it, but packet sockets, this capture's and raw clients', read each frame before tc does.
    """
    with trio.move_on_after(_UNDER_WAY_S * deadline_factor()):
        while True:
            # Of one moment: a client renews every few seconds, and the next answer may come while these are read.
            at_wire, at_host = list(watch.wire.frames), list(watch.host.frames)
            messages = read(at_wire)
            came, went = _ways(read(at_host), outgoing=False), _ways(messages, outgoing=True)
            if came == went:
                break
            await trio.sleep(_POLL_S)
    assert came == went, f"what came to the host: {came}\nwhat the wire sent: {went}"
    asked = [message for message in messages if not message.outgoing]
    assert {message.mac_source for message in asked} == {NIC_MAC}
    assert len({message.payload for message in asked}) == len(asked)
    return messages


def _ways(messages: Iterable[Message], *, outgoing: bool) -> list[tuple[object, ...]]:
    return [
        (m.kind, m.xid, m.mac_source, m.source, m.destination, m.hops)
        for m in messages
        if m.outgoing == outgoing and m.mac_source != VPP_MAC
    ]


async def until(is_so: Callable[[], bool], what: str, within_s: float = 5.0) -> None:
    """Polls; fails the test when it does not come true in time."""
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            if is_so():
                return
            await trio.sleep(_POLL_S)
    pytest.fail(f"not within {within_s:g} s: {what}")


async def wait_vpp_address(stage: Stage, address: IPAddress, *, there: bool, within_s: float = 5.0) -> None:
    """Until VPP has the address on the NIC, or has it no more."""
    shown = ""
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            shown = await stage.vppctl("show interface address")
            if (f"L3 {address}/" in shown) == there:
                return
            await trio.sleep(_POLL_S)
    pytest.fail(f"VPP and {address}, wanted {there}:\n{shown}\n{stage.log}")


async def carries(stage: Stage, address: IPAddress) -> None:
    """The host's address works: ping to the router, and UDP and TCP both ways, from beyond it and to beyond it."""
    router, beyond = (ROUTER4.ip, BEYOND4) if address.version == 4 else (ROUTER6.ip, BEYOND6)
    await wait_reachable(stage.lab.host, router)
    await wait_reachable(stage.lab.wire, address)
    async with echo_server(stage.lab.host, [address]), echo_server(stage.lab.wire, [beyond]):
        for namespace, there, source in ((stage.lab.wire, address, None), (stage.lab.host, beyond, address)):
            await udp_roundtrip(namespace, there, source=source)
            await tcp_roundtrip(namespace, there, source=source)


async def fence(stage: Stage, version: int = 4) -> None:
    """Through VPP and back: what VPP might send to the host a second time is there by then, since it keeps order."""
    await wait_reachable(stage.lab.host, ROUTER4.ip if version == 4 else ROUTER6.ip)
