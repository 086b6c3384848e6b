"""Routes over a real VPP's API socket: hostlink's session, a raw socket with everything packed before, and vpp_papi.

All three add and delete the same prefixes through one next hop of a loopback, on one VPP, after each other, in
rounds; the median of the rounds counts. hostlink's time holds all its work, from `VppRoute` values to the last reply
looked at. The raw socket's holds nothing but send and receive, so it is what VPP itself can take. vpp_papi can only
go one call at a time: fewer routes, and rates are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import trio
from vpp_papi import VPPApiClient

from hostlink.core.alike import place_of
from hostlink.core.model import Family, VppPath, VppRoute
from hostlink.lab.real_vpp import find_vpp, running_vpp
from hostlink.vpp.route_packer import route_fields
from hostlink.vpp.routes import apply_routes, own_source, read_routes
from hostlink.vpp.session import Request, Session, open_session, raise_first
from tools.benches.raw import raw_client
from tools.benches.report import Report, Unavailable

HELP = "adding and deleting routes over a real VPP's API socket"
LIMIT_S = 2.0
"""For 100,000 adds with all replies."""

_HEAP_MIB = 512


@dataclass
class Row:
    """One way of doing it: seconds of each round."""

    name: str
    routes: int
    add_s: list[float] = field(default_factory=list)
    delete_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)

    def rate(self, seconds: Sequence[float]) -> float:
        """Routes a second, by the median of these."""
        return self.routes / statistics.median(seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--routes", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often, the median counts (default: 3)")


def run(options: argparse.Namespace) -> Report:
    """Measure. Unavailable: there is no VPP."""
    binary = find_vpp()
    if binary is None:
        raise Unavailable("no VPP to measure: neither $HOSTLINK_VPP nor vpp on PATH")
    with _namespace() as namespace, tempfile.TemporaryDirectory(prefix="hl-bench-") as directory:
        return trio.run(partial(_measure, binary, namespace, Path(directory), options.routes, options.rounds))


@contextmanager
def _namespace() -> Iterator[str]:
    name = f"hl-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


async def _measure(binary: str, namespace: str, directory: Path, count: int, rounds: int) -> Report:
    few = max(1, count // 20)
    ours, raw, papi = Row("hostlink", count), Row("raw socket, packed before", count), Row("vpp_papi, one by one", few)
    async with (
        running_vpp(binary, namespace, directory, heap_mib=_HEAP_MIB) as vpp,
        open_session(vpp.api_socket) as session,
    ):
        version = (await session.request("show_version")).version
        routes = _routes(await loopback(session), count)
        source_id = await own_source(session)
        for _ in range(rounds):
            await _hostlink_round(session, source_id, routes, ours)
            await _raw_round(vpp.api_socket, session, source_id, routes, raw)
            await trio.to_thread.run_sync(papi_round, vpp.api_socket, source_id, routes[:few], papi)
    return _report(version, ours, raw, papi, rounds)


async def loopback(session: Session) -> int:
    """A loopback that is up, with 10.0.0.1/24. Returns its sw_if_index."""
    sw_if_index = int((await session.request("create_loopback")).sw_if_index)
    address = {"sw_if_index": sw_if_index, "is_add": True, "prefix": "10.0.0.1/24"}
    up = Request("sw_interface_set_flags", {"sw_if_index": sw_if_index, "flags": 1})
    raise_first(await session.batch([up, Request("sw_interface_add_del_address", address)]))
    return sw_if_index


def _routes(sw_if_index: int, count: int) -> list[VppRoute]:
    """/24s from 20.0.0.0 up, each with a tuple of paths of its own, as they come from a plan."""
    hop, first = IPv4Address("10.0.0.2"), int(IPv4Address("20.0.0.0"))
    return [
        VppRoute(0, IPv4Network((first + (number << 8), 24)), (VppPath(sw_if_index, hop),)) for number in range(count)
    ]


async def _hostlink_round(session: Session, source_id: int, routes: list[VppRoute], row: Row) -> None:
    start = time.perf_counter()
    failures = await apply_routes(session, source_id, routes, [])
    row.add_s.append(time.perf_counter() - start)
    start = time.perf_counter()
    read = await read_routes(session, source_id, 0, Family.IPV4)
    row.read_s.append(time.perf_counter() - start)
    start = time.perf_counter()
    failures += await apply_routes(session, source_id, [], routes)
    row.delete_s.append(time.perf_counter() - start)
    if failures or len(read) != len(routes):
        raise RuntimeError(f"{len(failures)} of {len(routes)} routes refused, {len(read)} read back")


async def _raw_round(api_socket: Path, session: Session, source_id: int, routes: list[VppRoute], row: Row) -> None:
    groups = [(routes[0].paths, [place_of(route.prefix) for route in routes])]
    with raw_client(api_socket) as raw:
        for is_add, seconds in ((True, row.add_s), (False, row.delete_s)):
            packed = raw.changes(session, source_id, groups, is_add=is_add)
            seconds.append(await trio.to_thread.run_sync(raw.pump, packed, len(routes)))


def papi_round(api_socket: Path, source_id: int, routes: Sequence[VppRoute], row: Row) -> None:
    """Add and delete them by vpp_papi, each after the answer to the one before. Blocks: for a thread."""
    client = VPPApiClient(bootstrapapi=True, server_address=str(api_socket))
    client.connect("bench-papi")
    try:
        for is_add, seconds in ((True, row.add_s), (False, row.delete_s)):
            prepared = [route_fields(route, source_id, is_add) for route in routes]
            start = time.perf_counter()
            for fields in prepared:
                if client.api.ip_route_add_del_v2(**fields).retval != 0:
                    raise RuntimeError(f"refused: {fields}")
            seconds.append(time.perf_counter() - start)
    finally:
        client.disconnect()


def _report(version: str, ours: Row, raw: Row, papi: Row, rounds: int) -> Report:
    seconds_for_limit = 100_000 / ours.rate(ours.add_s)
    kept = seconds_for_limit <= LIMIT_S
    verdict = "kept" if kept else "MISSED"
    return Report(
        bench="session",
        title=f"Routes over the API socket of VPP {version}, median of {rounds} rounds",
        columns=list(_cells(ours, raw, papi)),
        rows=[_cells(row, raw, papi) for row in (ours, raw, papi)],
        notes=[
            f"vpp_papi: {papi.routes:,} routes, the others {ours.routes:,}; ratios compare rates.",
            f"100,000 adds by hostlink: {seconds_for_limit:.2f} s, limit {LIMIT_S:g} s: {verdict}.",
        ],
        limit_kept=kept,
        facts={"vpp": version, "rounds": rounds},
    )


def _cells(row: Row, raw: Row, papi: Row) -> dict[str, str | int | float | None]:
    add, delete = row.rate(row.add_s), row.rate(row.delete_s)
    return {
        "way": row.name,
        "routes": row.routes,
        "add_s": statistics.median(row.add_s),
        "adds_per_s": add,
        "delete_s": statistics.median(row.delete_s),
        "deletes_per_s": delete,
        "read_s": statistics.median(row.read_s) if row.read_s else None,
        "adds_x_papi": add / papi.rate(papi.add_s),
        "deletes_x_papi": delete / papi.rate(papi.delete_s),
        "adds_of_raw": add / raw.rate(raw.add_s),
    }
