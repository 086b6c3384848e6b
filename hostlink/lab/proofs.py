"""The flows that a takeover must carry, each a name and a proof with real packets: for `tools/demo` and the tests.

A proof raises FlowError with what did not come back. They run in the lab of hostlink/lab/layout.py with an echo server
on the node (its shared addresses) and one in each other namespace, and with the node's pod plugged into VPP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab import layout
from hostlink.lab.flows import FlowError, echo_server, ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.network import Lab

BULK_BYTES = 200_000
"""Enough to fill windows and to make the sender offload segments (GSO), which small exchanges never do."""
_AGED_MS = "400"


@dataclass(frozen=True, slots=True)
class Proof:
    """One flow. `run` raises FlowError when it does not pass."""

    name: str
    run: Callable[[Lab], Awaitable[None]]


@asynccontextmanager
async def servers(lab: Lab) -> AsyncIterator[None]:
    """Echo servers on the node's shared addresses, on the router and beyond, and in both pods."""
    places = (
        (lab.host, (layout.HOST4.ip, layout.HOST6.ip)),
        (lab.wire, (layout.ROUTER4.ip, layout.ROUTER6.ip, layout.BEYOND4, layout.BEYOND6)),
        (lab.pod, (layout.POD4, layout.POD6)),
        (lab.pod2, (layout.POD2_4, layout.POD2_6)),
    )
    async with AsyncExitStack() as stack:
        for namespace, addresses in places:
            await stack.enter_async_context(echo_server(namespace, addresses))
        yield


async def _both_ways(namespace: str, address: IPAddress) -> None:
    await udp_roundtrip(namespace, address)
    await tcp_roundtrip(namespace, address, size_bytes=BULK_BYTES)


async def _ping(namespace: str, address: IPAddress, size_bytes: int = 56) -> None:
    answered = await ping(namespace, address, size_bytes, count=3)
    if answered < 2:  # the first may be lost to a neighbour being resolved
        raise FlowError(f"ping from {namespace} to {address}, {size_bytes} bytes: {answered} of 3 came back")


def _flow(name: str, role: str, address: IPAddress) -> Proof:
    async def run(lab: Lab) -> None:
        await _both_ways(lab.names.namespace(role), address)

    return Proof(f"{name} IPv{address.version}: {role} -> {address}, UDP and TCP", run)


def _echo(role: str, address: IPAddress) -> Proof:
    async def run(lab: Lab) -> None:
        await _ping(lab.names.namespace(role), address)

    return Proof(f"ping IPv{address.version}: {role} -> {address}", run)


def _reduced(address: IPAddress) -> Proof:
    async def run(lab: Lab) -> None:
        # 1460 bytes and headers are more than the 1440 of a cluster route, and fit the uplink: the host must fragment.
        await udp_roundtrip(lab.host, address, size_bytes=1450)
        await tcp_roundtrip(lab.host, address, size_bytes=BULK_BYTES)

    return Proof(f"larger than the cluster route's MTU, IPv{address.version}: host -> {address}", run)


def _too_large(address: IPAddress) -> Proof:
    async def run(lab: Lab) -> None:
        await ping(lab.host, address, size_bytes=3000)
        await ping(lab.wire, layout.HOST4.ip if address.version == 4 else layout.HOST6.ip, size_bytes=3000)
        await _both_ways(lab.host, address)

    return Proof(f"a packet above the MTU does no harm, IPv{address.version}", run)


def _aged(version: int) -> Proof:
    there = layout.ROUTER4.ip if version == 4 else layout.ROUTER6.ip
    here = layout.HOST4.ip if version == 4 else layout.HOST6.ip

    async def run(lab: Lab) -> None:
        await age_neighbours(lab)
        await _ping(lab.host, there)
        await _ping(lab.wire, here)
        await _both_ways(lab.wire, here)

    return Proof(f"the same after neighbours aged, IPv{version}", run)


async def age_neighbours(lab: Lab) -> None:
    """Make Linux's neighbour entries on both sides old: short timers, and long enough for them to pass."""
    for namespace, link in ((lab.host, layout.NIC), (lab.wire, layout.LAN)):
        _shorten_timers(namespace, link)
        for family in ("-4", "-6"):
            await lab.exec(namespace, ["ip", family, "neigh", "flush", "dev", link])
    await trio.sleep(float(_AGED_MS) / 1000)


def _shorten_timers(namespace: str, link: str) -> None:
    with inside(namespace):
        for family in ("ipv4", "ipv6"):
            base = Path(f"/proc/sys/net/{family}/neigh/{link}")
            (base / "base_reachable_time_ms").write_text(_AGED_MS)
            (base / "delay_first_probe_time").write_text("1")


def _per_family(make: Callable[[IPAddress], Proof], *addresses: IPAddress) -> list[Proof]:
    return [make(address) for address in addresses]


def every_proof() -> tuple[Proof, ...]:
    """All flows of the first takeover, IPv4 and IPv6."""
    proofs: list[Proof] = []
    for address in (layout.HOST4.ip, layout.HOST6.ip):
        proofs.append(_flow("to the shared address", "wire", address))
        proofs.append(_echo("wire", address))
        proofs.append(_flow("pod on this node to the host's server", "pod", address))
        proofs.append(_flow("pod on the other node to the host's server", "pod2", address))
    for address in (layout.ROUTER4.ip, layout.BEYOND4, layout.ROUTER6.ip, layout.BEYOND6):
        proofs.append(_flow("from the host", "host", address))
        proofs.append(_echo("host", address))
    for address in (layout.POD4, layout.POD6):
        proofs.append(_flow("host to its pod", "host", address))
    proofs += _per_family(_reduced, layout.POD4, layout.POD6)
    proofs += _per_family(_too_large, layout.ROUTER4.ip, layout.ROUTER6.ip)
    proofs += [_aged(4), _aged(6)]
    return tuple(proofs)
