"""What scenarios about routes say and look at: lines for `ip -batch`, and the paths that VPP has for a prefix."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path as FilePath
from typing import Any

import trio

from hostlink.core.model import PathType
from hostlink.kernel.namespace import inside
from hostlink.lab.children import in_namespace
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.quirks import reaches_neighbours_from_tables
from hostlink.vpp.route_packer import read_paths
from hostlink.vpp.session import Request, Session, open_session

Path = tuple[str, int, int]
"""(next hop, `link`, or what becomes of the packet; weight; preference)."""
Wanted = Mapping[str, set[Path] | None]
"""VPP's paths for each prefix; None: no entry of its own."""

WITHIN_S = 5.0
_POLL_S = 0.03
_NOWHERE = {PathType.DROP: "drop", PathType.ICMP_UNREACH: "unreachable", PathType.ICMP_PROHIBIT: "prohibit"}
_ABSENT = (-6, -3)
"""NO_SUCH_ENTRY, NO_SUCH_FIB."""
_REQUEST_S = 5.0
OTHER = "other0"
"""A link of the host that is nothing to VPP; see `with_other_link`."""


_SESSIONS: dict[FilePath, Session] = {}


def via(hop: str, weight: int = 1, rank: int = 0) -> Path:
    return hop, weight, rank


async def batch(stage: Stage, lines: Sequence[str]) -> None:
    """`ip -batch` on the node. Raises FlowError with the line that failed."""
    text = "\n".join(lines).encode()
    command = in_namespace(stage.lab.host, ["ip", "-batch", "-"])
    done = await trio.run_process(command, stdin=text, capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode:
        raise FlowError(f"ip -batch: {done.stderr.decode()}")


async def with_other_link(stage: Stage) -> None:
    await batch(
        stage,
        [
            f"link add {OTHER} type veth peer name other1",
            "link set other1 up",
            f"link set {OTHER} up",
            f"address add 10.99.0.1/24 dev {OTHER}",
            f"address add fd00:99::1/64 dev {OTHER} nodad",
        ],
    )


def set_compat_mode(stage: Stage, value: int) -> None:
    """net.ipv4.nexthop_compat_mode: 0 is to be told of nexthop objects by their number only."""
    with inside(stage.lab.host), open("/proc/sys/net/ipv4/nexthop_compat_mode", "w") as file:
        file.write(str(value))


async def host_routes(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    """All routes of the node but the kernel's own, by family, as `ip -json` has them, without what passes."""
    found = {}
    for family in ("-4", "-6"):
        shown = json.loads(await stage.on_host("ip", "-details", "-json", family, "route", "show", "table", "all"))
        own = [route for route in shown if route.get("protocol") != "kernel"]
        for route in own:
            route.pop("expires", None)
            route["flags"] = [flag for flag in route["flags"] if flag == "onlink"]
        found[family] = sorted(own, key=str)
    return found


@asynccontextmanager
async def looking(stage: Stage) -> AsyncIterator[None]:
    """One session for all that `has_paths` looks at within the block."""
    async with open_session(stage.api_socket, client_name="routes", deadline_s=_REQUEST_S * deadline_factor()) as one:
        _SESSIONS[stage.api_socket] = one
        try:
            yield
        finally:
            del _SESSIONS[stage.api_socket]


async def has_paths(stage: Stage, what: str, wanted: Wanted, table_id: int = 0, within_s: float = WITHIN_S) -> None:
    """Wait until VPP has them. Raises FlowError with what differs."""
    differs: dict[str, object] = {}
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            there = await paths_of(_SESSIONS[stage.api_socket], list(wanted), table_id)
            differs = {prefix: there[prefix] for prefix in wanted if there[prefix] != wanted[prefix]}
            if not differs:
                return
            await trio.sleep(_POLL_S)
    not_so = {prefix: (is_there, "and not", wanted[prefix]) for prefix, is_there in differs.items()}
    raise FlowError(f"{what}: VPP has {not_so}\n{stage.log}")


async def paths_of(session: Session, prefixes: Sequence[str], table_id: int = 0) -> dict[str, set[Path] | None]:
    """By VPP's own lookup, whoever set them."""
    requests = [Request("ip_route_lookup_v2", {"table_id": table_id, "exact": 1, "prefix": one}) for one in prefixes]
    found: dict[str, set[Path] | None] = {}
    for prefix, reply in zip(prefixes, await session.batch(requests), strict=True):
        if isinstance(reply, VppRefused) and reply.retval in _ABSENT:
            found[prefix] = None
        elif isinstance(reply, Exception):
            raise reply
        else:
            found[prefix] = {_path(path) for path in read_paths(reply.route.paths)}
    return found


def _path(path: Any) -> Path:
    if path.type is PathType.NORMAL:
        return str(path.next_hop or "link"), path.weight, path.preference
    return _NOWHERE[path.type], path.weight, path.preference


async def mirrored(stage: Stage, table_id: int = 0) -> set[str]:
    """The prefixes of hostlink's own routes in a table of VPP."""
    async with open_session(stage.api_socket, deadline_s=_REQUEST_S * deadline_factor()) as session:
        dataplane = await open_dataplane(session)
        ports = await dataplane.find(NIC)
        if ports.uplink is not None and ports.host is not None:
            await dataplane.read_uplink(ports.uplink, ports.host)  # so that it knows which of CLI's are on-link
        routes = await dataplane.routes_of({(table_id, 4), (table_id, 6)})
    return {str(ip_network(route.prefix)) for route in routes}


async def vpp_version(stage: Stage) -> str:
    """As VPP says it."""
    version: str = json.loads((await stage.hostlink("state", "--json")).stdout)["vpp"]["version"]
    return version


async def lacks_in_tables(stage: Stage) -> list[str]:
    """The code of what is told of an old VPP for as long as the link has routes in another table, or none."""
    return [] if reaches_neighbours_from_tables(await vpp_version(stage)) else ["HL-312"]


async def problems(stage: Stage, code: str) -> list[str]:
    """The details of the problems of that code which `hostlink state` tells."""
    return [one["detail"] for one in (await stage.state())["problems"] if one["code"] == code]
