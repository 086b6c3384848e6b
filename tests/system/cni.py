"""A CNI-like client of the same VPP, in a session of its own: it plugs pods in and out, and knows what it left there.

A pod is a loopback with a tag and an address, in table 0 or in a table of the client, with a route and a static
neighbour, under the API's FIB source or under one of the client's own; some have a classifier at their input.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, ip_network
from typing import Any

from hostlink.core.model import NO_INDEX, Family, VppNeighbour, VppPath, VppRoute
from hostlink.lab.factor import deadline_factor
from hostlink.lab.stage import Stage
from hostlink.vpp.read import read_neighbours
from hostlink.vpp.routes import apply_routes, own_source, read_routes
from hostlink.vpp.session import Request, Session, open_session, raise_first
from tests.system.foreign import bind, drop_table

TABLE = 100
"""The client's own, beside table 0."""
PROTOCOL_OFFSET, UNUSED_PROTOCOL = 9, 103
_PRIORITY = 0x90
_STATIC = 1
_REQUEST_S = 5.0


@dataclass(frozen=True, slots=True)
class PluggedPod:
    """What the client made for one pod. classifier: the table at its input, or None."""

    number: int
    sw_if_index: int
    table: int
    own_source: bool
    classifier: int | None
    up: bool = True

    @property
    def gateway(self) -> IPv4Interface:
        return IPv4Interface(f"10.245.{self.number}.1/32")

    @property
    def address(self) -> IPv4Address:
        return IPv4Address(f"10.245.{self.number}.2")

    @property
    def mac(self) -> str:
        return f"02:00:00:0b:00:{self.number:02x}"

    @property
    def tag(self) -> str:
        return f"cni-pod-{self.number}"

    @property
    def routes(self) -> list[VppRoute]:
        """To the pod, and to some network behind it."""
        path = (VppPath(self.sw_if_index, self.address),)
        behind = ip_network(f"10.246.{self.number}.0/24")
        return [VppRoute(self.table, ip_network(f"{self.address}/32"), path), VppRoute(self.table, behind, path)]


@dataclass(slots=True)
class Cni:
    """The client. sources: the ids of the API's FIB source and of its own."""

    session: Session
    sources: tuple[int, int]
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    pods: dict[int, PluggedPod] = field(default_factory=dict)
    made: int = 0

    async def step(self, most: int) -> None:
        """Plug one pod in or out."""
        if self.pods and (len(self.pods) >= most or self.chance.random() < 0.4):
            await self.unplug(self.pods[self.chance.choice(sorted(self.pods))])
        else:
            await self.plug()

    async def plug(self) -> None:
        number = next(n for n in range(250) if n not in self.pods)
        self.made += 1
        sw = int((await self.session.request("create_loopback")).sw_if_index)
        table = TABLE if self.made % 2 else 0
        classifier = await self._classifier() if self.made % 3 == 0 else None
        pod = PluggedPod(number, sw, table, self.made % 4 < 2, classifier)
        raise_first(
            await self.session.batch(
                [
                    Request("sw_interface_tag_add_del", {"is_add": True, "sw_if_index": sw, "tag": pod.tag}),
                    Request("sw_interface_set_table", {"sw_if_index": sw, "is_ipv6": False, "vrf_id": table}),
                    Request("sw_interface_set_flags", {"sw_if_index": sw, "flags": 1}),
                    _address(pod, is_add=True),
                    _neighbour(pod, is_add=True),
                ]
            )
        )
        if classifier is not None:
            await bind(self.session, "input_acl_set_interface", sw, classifier)
        await self._routes(pod, is_add=True)
        self.pods[number] = pod

    async def unplug(self, pod: PluggedPod) -> None:
        await self._routes(pod, is_add=False)
        requests = [_neighbour(pod, is_add=False)]
        if pod.classifier is not None:
            none = {"ip6_table_index": NO_INDEX, "l2_table_index": NO_INDEX}
            gone = {"sw_if_index": pod.sw_if_index, "is_add": False, "ip4_table_index": pod.classifier, **none}
            requests += [
                Request("input_acl_set_interface", gone),
                Request(
                    "classify_add_del_table",
                    {
                        "is_add": False,
                        "table_index": pod.classifier,
                        "match_n_vectors": 1,
                        "mask_len": 16,
                        "mask": bytes(16),
                    },
                ),
            ]
        requests.append(_address(pod, is_add=False))
        requests.append(Request("delete_loopback", {"sw_if_index": pod.sw_if_index}))
        raise_first(await self.session.batch(requests))
        del self.pods[pod.number]

    async def flap(self, times: int) -> None:
        """All its interfaces down and up, so many times, in one go: an event of VPP for each."""
        ports = [pod.sw_if_index for pod in self.pods.values()]
        requests = [
            Request("sw_interface_set_flags", {"sw_if_index": port, "flags": flags})
            for _ in range(times)
            for flags in (0, 1)
            for port in ports
        ]
        raise_first(await self.session.batch(requests))

    async def _routes(self, pod: PluggedPod, *, is_add: bool) -> None:
        add, delete = (pod.routes, []) if is_add else ([], pod.routes)
        failures = await apply_routes(self.session, self.sources[pod.own_source], add=add, delete=delete)
        assert not failures, failures

    async def _classifier(self) -> int:
        return await drop_table(self.session, {PROTOCOL_OFFSET: UNUSED_PROTOCOL}, vectors=1)

    # --------------------------------------------------------------------------------------------- what should be there

    def left(self) -> dict[str, object]:
        """What it left there, in the words of `found`."""
        pods = self.pods.values()
        return {
            "interfaces": {pod.sw_if_index: (pod.tag, pod.up) for pod in pods},
            "addresses": {pod.sw_if_index: [str(pod.gateway)] for pod in pods},
            "tables": {(TABLE, False), (0, False), (0, True)},
            "routes": {
                (own, table): {
                    route for pod in pods if pod.own_source == own and pod.table == table for route in pod.routes
                }
                for own in (False, True)
                for table in (0, TABLE)
            },
            "neighbours": {pod.sw_if_index: {VppNeighbour(pod.sw_if_index, pod.address, pod.mac)} for pod in pods},
            "classifiers": {pod.sw_if_index: pod.classifier for pod in pods},
            "sessions": {pod.classifier: 1 for pod in pods if pod.classifier is not None},
        }

    async def found(self) -> dict[str, object]:
        """All that a client could have there, by VPP's dumps."""
        session = self.session
        dumped = await session.dump("sw_interface_dump")
        loops = {int(one.sw_if_index): one for one in dumped if str(one.interface_name).startswith("loop")}
        slots = {sw: await session.request("classify_table_by_interface", sw_if_index=sw) for sw in loops}
        bound = {sw: int(slot.ip4_table_id) for sw, slot in slots.items()}
        tables = [one.table for one in await session.dump("ip_table_dump")]
        return {
            "interfaces": {sw: (str(one.tag), bool(one.flags & 1)) for sw, one in loops.items()},
            "addresses": {
                sw: [str(one.prefix) for one in await session.dump("ip_address_dump", sw_if_index=sw)] for sw in loops
            },
            "tables": {(int(table.table_id), bool(table.is_ip6)) for table in tables},
            "routes": {
                (own, table): set(await read_routes(session, self.sources[own], table, Family.IPV4))
                for own in (False, True)
                for table in (0, TABLE)
            },
            "neighbours": {sw: set(await read_neighbours(session, sw, _STATIC)) for sw in loops},
            "classifiers": {sw: None if table == NO_INDEX else table for sw, table in bound.items()},
            "sessions": {
                table: int((await session.request("classify_table_info", table_id=table)).active_sessions)
                for table in bound.values()
                if table != NO_INDEX
            },
        }


@asynccontextmanager
async def cni(stage: Stage) -> AsyncIterator[Cni]:
    """The client, with its table and its FIB source made."""
    async with open_session(stage.api_socket, client_name="cni", deadline_s=_REQUEST_S * deadline_factor()) as session:
        table = {"table_id": TABLE, "is_ip6": False, "name": "pods"}
        await session.request("ip_table_add_del_v2", is_add=True, create_mfib=True, table=table)
        api = next(one.src.id for one in await session.dump("fib_source_dump") if one.src.name == "API")
        yield Cni(session, (int(api), await own_source(session, "cni", _PRIORITY)))


def _address(pod: PluggedPod, *, is_add: bool) -> Request:
    fields: dict[str, Any] = {"sw_if_index": pod.sw_if_index, "is_add": is_add, "prefix": str(pod.gateway)}
    return Request("sw_interface_add_del_address", fields)


def _neighbour(pod: PluggedPod, *, is_add: bool) -> Request:
    entry = {
        "sw_if_index": pod.sw_if_index,
        "flags": _STATIC,
        "mac_address": pod.mac,
        "ip_address": str(pod.address),
    }
    return Request("ip_neighbor_add_del", {"is_add": is_add, "neighbor": entry})
