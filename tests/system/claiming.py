"""Asking a node by packets what VPP keeps of its traffic, and VPPs with more plugins: for the scenarios about claims.

A packet that VPP keeps is not waited for: behind it go two datagrams that nobody claims, and when they have arrived, it
would have.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import wait_reachable
from hostlink.lab.layout import HOST4, HOST6, NIC
from hostlink.lab.real_vpp import find_vpp
from hostlink.lab.stage import Dataplane, Stage, StageError
from tests.system.sockets import receiver, sender

UDP = 17
_WITHIN_S = 5.0
_POLL_S = 0.05
_FENCE_PORT = 19
_marks = itertools.count(int.from_bytes(os.urandom(4)))


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """A kind of unicast packet to the node. port: of UDP, else 0."""

    version: int
    protocol: int
    port: int = 0

    def __str__(self) -> str:
        what = f"UDP port {self.port}" if self.protocol == UDP else f"protocol {self.protocol}"
        return f"IPv{self.version} {what}"


def kinds(protocols: Iterable[int], ports: Iterable[int]) -> frozenset[Kind]:
    """Each of them in both families."""
    both = [Kind(version, protocol) for version in (4, 6) for protocol in protocols]
    return frozenset([*both, *(Kind(version, UDP, port) for version in (4, 6) for port in ports)])


def need_plugins(dataplane: Dataplane, *plugins: str) -> None:
    """Skip on the stand-in, and where the VPP was built without one of them.

    VPP looks for them beside its binary, in lib/<architecture>/vpp_plugins (vpp/vnet/main.c).
    """
    if not dataplane.real:
        pytest.skip(f"{dataplane}: the stand-in has no plugins, tunnels or session layer; a real VPP has")
    binary = find_vpp()
    assert binary is not None, "the dataplane was chosen although there is no VPP"
    prefix = Path(binary).resolve().parent.parent
    folders = [*prefix.glob("lib/vpp_plugins"), *prefix.glob("lib/*/vpp_plugins")]
    missing = [name for name in plugins if not any((folder / f"{name}_plugin.so").exists() for folder in folders)]
    if missing:
        pytest.skip(f"{dataplane}: this VPP was built without the plugins {', '.join(missing)}")


async def undelivered(stage: Stage, asked: Iterable[Kind]) -> set[Kind]:
    """Those of which a packet from node2 does not reach a socket of the host. Raises FlowError."""
    for address in (HOST4.ip, HOST6.ip):
        await wait_reachable(stage.lab.node2, address, _WITHIN_S * deadline_factor())
    return {kind for kind in sorted(asked) if not await _delivered(stage, kind)}


async def _delivered(stage: Stage, kind: Kind) -> bool:
    tag = f"claim {next(_marks)}".encode()
    host = HOST4.ip if kind.version == 4 else HOST6.ip
    fence_tag = b"fence of " + tag
    with ExitStack() as held:
        arriving = held.enter_context(
            receiver(stage.lab.host, kind.version, kind.protocol, address=host, port=kind.port)
        )
        fence = held.enter_context(receiver(stage.lab.host, kind.version, address=host, port=_FENCE_PORT))
        sending = held.enter_context(sender(stage.lab.node2, kind.version, kind.protocol)).socket
        fencing = held.enter_context(sender(stage.lab.node2, kind.version)).socket
        sending.sendto(tag, (str(host), kind.port))
        for number in (b"1 ", b"2 "):
            fencing.sendto(number + fence_tag, (str(host), _FENCE_PORT))
            await fence.wait(number + fence_tag, _WITHIN_S * deadline_factor())
        return arriving.count(tag) > 0


def kinds_told(state: dict[str, list[dict[str, str]]]) -> set[Kind]:
    """What `hostlink state` says that VPP keeps (HL-209, HL-210)."""
    found = set()
    for problem in state["problems"]:
        if problem["code"] in ("HL-209", "HL-210"):
            what, _, who = problem["detail"].partition(" of ")
            number = int(re.findall(r"\d+", what)[0])
            protocol, port = (UDP, number) if problem["code"] == "HL-210" else (number, 0)
            found |= {Kind(int(version), protocol, port) for version in re.findall(r"IPv(\d)", who)}
    return found


async def look_again(stage: Stage) -> None:
    """Make the daemon look at everything anew, by a change on the host."""
    await stage.on_host("ip", "address", "replace", "192.168.77.9/32", "dev", NIC)

    async def mirrored() -> bool:
        return "192.168.77.9/32" in await stage.vppctl("show interface address")

    await _until(stage, mirrored, "a new address is in VPP")
    await stage.wait_state("Steady", 30 * deadline_factor())


async def told(stage: Stage, code: str, detail: str = "") -> None:
    """Wait until `hostlink state` has that problem."""

    async def shown() -> bool:
        return any(one["code"] == code and detail in one["detail"] for one in (await stage.state())["problems"])

    await _until(stage, shown, f"{code} {detail} is told")


async def _until(stage: Stage, true: Callable[[], Awaitable[bool]], what: str) -> None:
    with trio.move_on_after(30 * deadline_factor()):
        while True:
            if await true():
                return
            await trio.sleep(_POLL_S)
    raise StageError(f"not so in time: {what}; {await stage.state()}\n{stage.log}")
