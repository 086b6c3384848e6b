"""From a route's change in the kernel to VPP's reply, by the whole daemon in the lab on a real VPP.

The clock starts before the change is sent to the kernel and stops when VPP's reply passes on its way to the daemon,
which a proxy on the API socket says (api_proxy.py; what it costs is counted). One change at a time: a route is added,
then deleted, with a pause after each. The same with few and with many routes present: the ratio of the two says
whether a change costs more where there is more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network

import trio

from hostlink.core.model import NextHop, Route
from hostlink.core.operations import AddHostRoute, DeleteHostRoute
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import Netlink, open_netlink
from hostlink.kernel.snapshot import read_link
from hostlink.lab.children import in_namespace
from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.real_vpp import find_vpp
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.session import open_session
from tools.benches.report import Report, Unavailable

HELP = "from a route's change in the kernel to VPP's reply"
P50_MS, P99_MS = 3.0, 10.0
REPLY = "ip_route_add_del_v2_reply"
_PAUSE_S = 0.01
_WITHIN_S = 60.0
_FIRST = int(IPv4Address("20.0.0.0"))
_CHANGED = int(IPv4Address("100.64.0.0"))


@dataclass(frozen=True, slots=True)
class Row:
    """routes: present all the while. ms: of each change."""

    routes: int
    ms: list[float]

    def quantile(self, share: float) -> float:
        return sorted(self.ms)[min(len(self.ms) - 1, round(share * len(self.ms)))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--changes", type=int, default=1000, help="how many for each row (default: 1,000)")
    parser.add_argument(
        "--routes", type=int, nargs="+", default=[1000, 100_000], help="present (default: 1,000 and 100,000)"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure. Unavailable: there is no VPP."""
    if find_vpp() is None:
        raise Unavailable("no VPP to measure: neither $HOSTLINK_VPP nor vpp on PATH")
    return trio.run(partial(_measure, sorted(options.routes), options.changes))


async def _measure(counts: list[int], changes: int) -> Report:
    rows: list[Row] = []
    async with open_stage(Dataplane(real=True, host_link="veth")) as stage, proxied(stage) as replies:
        stage.start_daemon()
        await stage.wait_state("steady")
        async with open_session(stage.api_socket) as session:
            version = str((await session.request("show_version")).version)
        present = 0
        for count in counts:
            await _preload(stage, present, count)
            present = count
            async with open_netlink(stage.lab.host) as host:
                rows.append(Row(count, await one_by_one(host, replies, changes)))
    return _report(version, rows)


# ------------------------------------------------------------------------------------------------------------ the proxy


@asynccontextmanager
async def proxied(stage: Stage) -> AsyncIterator[trio.MemoryReceiveChannel[int]]:
    """The daemon's API socket is a proxy's from now on. Gives the times (ns) at which replies to changes passed."""
    async with open_session(stage.api_socket) as session:
        message_id = session.id_of(REPLY)
    proxy = stage.directory / "proxy.sock"
    stage.config.write_text(stage.config.read_text().replace(str(stage.api_socket), str(proxy)))
    argv = [sys.executable, "-m", "tools.benches.api_proxy", str(proxy), str(stage.api_socket), str(message_id)]
    send, receive = trio.open_memory_channel[int](1_000_000)
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(trio.run_process, in_namespace(stage.lab.vpp, argv), stdout=-1, check=False, deliver_cancel=_kill)
        )
        nursery.start_soon(_tell, process, send)
        with trio.fail_after(10):
            while not proxy.exists():  # noqa: ASYNC110 — a file has no event
                await trio.sleep(0.02)
        yield receive
        nursery.cancel_scope.cancel()


async def _kill(process: trio.Process) -> None:
    process.kill()


async def _tell(process: trio.Process, send: trio.MemorySendChannel[int]) -> None:
    rest = b""
    assert process.stdout is not None
    async for data in process.stdout:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            send.send_nowait(int(line))


# ---------------------------------------------------------------------------------------------------------- the changes


async def _preload(stage: Stage, present: int, wanted: int) -> None:
    batch = stage.directory / "batch"
    lines = (f"route add {_prefix(_FIRST, n)} via {ROUTER4.ip} dev {NIC}\n" for n in range(present, wanted))
    batch.write_text("".join(lines))
    await stage.on_host("ip", "-batch", str(batch))
    with trio.fail_after(_WITHIN_S):
        while True:
            state = await stage.state()
            if state["mirrored"]["routes_ipv4"] >= wanted and state["state"] == "Steady":
                return
            await trio.sleep(0.2)


async def one_by_one(host: Netlink, replies: trio.MemoryReceiveChannel[int], count: int) -> list[float]:
    """Milliseconds of so many changes: each a route that is added, or deleted again."""
    link = await read_link(host, NIC)
    assert link is not None
    await trio.sleep(1.0)
    found = []
    for number in range(count):
        route = Route(_prefix(_CHANGED, number // 2), 254, (NextHop(link.index, IPv4Address(ROUTER4.ip)),), metric=7)
        change = DeleteHostRoute(link.index, route) if number % 2 else AddHostRoute(link.index, link.index, route)
        _drain(replies)
        start = time.monotonic_ns()
        for failure in await apply_host(host, [change]):
            raise RuntimeError(str(failure))
        with trio.fail_after(_WITHIN_S):
            found.append((await replies.receive() - start) / 1e6)
        await trio.sleep(_PAUSE_S)
    return found


def _drain(replies: trio.MemoryReceiveChannel[int]) -> None:
    try:
        while True:
            replies.receive_nowait()
    except trio.WouldBlock:
        return


def _prefix(first: int, number: int) -> IPv4Network:
    return IPv4Network((first + (number << 8), 24))


def _report(version: str, rows: list[Row]) -> Report:
    cells = [
        {
            "routes_present": row.routes,
            "changes": len(row.ms),
            "p50_ms": statistics.median(row.ms),
            "p99_ms": row.quantile(0.99),
            "max_ms": max(row.ms),
            "p50_of_first": statistics.median(row.ms) / statistics.median(rows[0].ms),
        }
        for row in rows
    ]
    kept = all(statistics.median(row.ms) <= P50_MS and row.quantile(0.99) <= P99_MS for row in rows)
    return Report(
        bench="latency",
        title=f"A route's change in the kernel to the reply of VPP {version}, by the whole daemon",
        columns=list(cells[0]),
        rows=cells,
        notes=[
            "One change at a time, an add or a delete. The proxy that sees the replies is counted.",
            f"Limit p50 {P50_MS:g} ms, p99 {P99_MS:g} ms: {'kept' if kept else 'MISSED'}.",
        ],
        limit_kept=kept,
        facts={"vpp": version},
    )
