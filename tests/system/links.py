"""What scenarios about the host link look at: the link itself, its successor, and who noticed that it was gone."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from hostlink import varlink
from hostlink.cli.client import Client
from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import ping
from hostlink.lab.layout import LAN, NIC, NIC_MAC
from hostlink.lab.stage import Stage, StageError
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.session import open_session
from tests.system.rounds import POLL_S, eventually

_REPLY_S = 0.5
_EVERY_S = 0.01
_LOOKS = 4


def renames_while_up() -> bool:
    """Linux before 6.2 renames no link that is up (EBUSY)."""
    release = tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])
    return release >= (6, 2)


async def link_of(stage: Stage, name: str = NIC, namespace: str | None = None) -> dict[str, Any] | None:
    """`ip link show` of an interface of the host (or of another namespace), None where there is none."""
    shown = await stage.lab.exec(namespace or stage.lab.host, ["ip", "-json", "-details", "link", "show"])
    return next((one for one in json.loads(shown) if one["ifname"] == name), None)


async def index_of(stage: Stage) -> int:
    """The ifindex of what has the NIC's name on the host; 0 where nothing has."""
    link = await link_of(stage)
    return int(link["ifindex"]) if link is not None else 0


async def settled(stage: Stage, within_s: float = 20.0) -> dict[str, Any]:
    """Steady, and nothing more comes: for some looks in a row there was no further move."""
    moves, same = -1, 0
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            state = await trio.to_thread.run_sync(_state, stage)
            quiet = state["state"] == "Steady" and len(state["history"]) == moves
            same, moves = same + 1 if quiet else 0, len(state["history"])
            if same == _LOOKS:
                return state
            await trio.sleep(POLL_S)
    raise StageError(f"it does not settle\n{stage.log}")


def _state(stage: Stage) -> dict[str, Any]:
    with Client(stage.runtime / varlink.SOCKET_NAME) as client:
        uplink: dict[str, Any] = json.loads(json.dumps(client.call(varlink.GET_STATE)["uplinks"]))[0]
    return uplink


async def wait_successor(stage: Stage, before: int) -> int:
    """Another interface has the name and works. Returns its ifindex."""

    async def replaced() -> bool:
        return await index_of(stage) not in (0, before)

    await eventually("another host link has the name", replaced, 10.0)
    await settled(stage)
    return await index_of(stage)


@dataclass(slots=True)
class Pinger:
    """How many echo requests were answered, and not."""

    answered: int = 0
    lost: int = 0


@asynccontextmanager
async def pinging(namespace: str, address: IPAddress) -> AsyncIterator[Pinger]:
    """Ping without a pause for the length of the block."""
    pinger = Pinger()

    async def run() -> None:
        while True:
            if await ping(namespace, address, reply_s=_REPLY_S):
                pinger.answered += 1
            else:
                pinger.lost += 1
            await trio.sleep(_EVERY_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield pinger
        nursery.cancel_scope.cancel()


async def in_vpp(stage: Stage) -> dict[str, Any]:
    """What VPP has of the uplink itself: its number, addresses and routes."""
    async with open_session(stage.api_socket) as session:
        dataplane = await open_dataplane(session)
        ports = await dataplane.find(NIC)
        if ports.uplink is None or ports.host is None:
            raise StageError(f"VPP has not both interfaces: {ports}\n{stage.log}")
        there = await dataplane.read_uplink(ports.uplink, ports.host)
    return {"number": there.uplink.sw_if_index, "addresses": there.uplink.addresses, "routes": there.routes}


async def plug_in_again(stage: Stage) -> None:
    """A NIC of the same name and MAC, as a hypervisor would plug it in."""
    command = f"link add {NIC} address {NIC_MAC} type veth peer name again netns {stage.lab.wire}"
    await stage.on_host("ip", *command.split())
    for setting in (f"link set again master {LAN}", "link set again up"):
        await stage.lab.exec(stage.lab.wire, ["ip", *setting.split()])
