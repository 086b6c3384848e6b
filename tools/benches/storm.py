"""A storm of route changes through the whole daemon in the lab, on a real VPP: how soon all is right after it.

`ip -batch` adds so many routes as fast as the kernel takes them, gives them other gateways (50 of them), and deletes
them; then the same number of IPv6. Meanwhile the control socket is asked for the state again and again. Counted are the
seconds that `ip` took, the seconds from its end until VPP had the last one, all was read back and the uplink was
Steady, the CPU seconds of the daemon, the slowest answer, and the daemon's memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import trio

from hostlink.core.model import IPAddress, Prefix
from hostlink.lab.layout import NIC, ROUTER4, ROUTER6
from hostlink.lab.real_vpp import find_vpp
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.routes import routes_at
from hostlink.vpp.session import Session, open_session
from tools.benches import seen
from tools.benches.report import Cell, Report, Unavailable

HELP = "a storm of route changes: how soon all is right after it"
SETTLED_S, ANSWER_MS, MEMORY_GROWTH = 2.0, 100.0, 1.3
_FIRST4, _FIRST6 = int(IPv4Address("20.0.0.0")), int(IPv6Address("2a00::"))
_GATEWAYS = 50
_WITHIN_S = 120.0
_ASK_EVERY_S = 0.02


@dataclass(slots=True)
class Row:
    what: str
    routes: int
    ip_s: float = 0.0
    settled_s: float = 0.0
    cpu_s: float = 0.0
    answers_ms: list[float] = field(default_factory=list)
    memory_mib: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--routes", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=2, help="adding and deleting them, so often (default: 2)")


def run(options: argparse.Namespace) -> Report:
    """Measure. Unavailable: there is no VPP."""
    if find_vpp() is None:
        raise Unavailable("no VPP to measure: neither $HOSTLINK_VPP nor vpp on PATH")
    return trio.run(partial(_measure, options.routes, options.rounds))


@dataclass(frozen=True, slots=True)
class Storm:
    """What `ip` does to all prefixes. gateways: of the first ones in turn; none: they are deleted."""

    name: str
    verb: str
    version: int
    gateways: tuple[IPAddress, ...] = ()

    def prefixes(self, count: int) -> list[Prefix]:
        if self.version == 4:
            return [IPv4Network((_FIRST4 + (n << 8), 24)) for n in range(count)]
        return [IPv6Network((_FIRST6 + (n << 80), 48)) for n in range(count)]

    def lines(self, count: int) -> Iterator[str]:
        for number, prefix in enumerate(self.prefixes(count)):
            via = f" via {self.gateways[number % len(self.gateways)]}" if self.gateways else ""
            yield f"route {self.verb} {prefix}{via} dev {NIC}\n"

    def wanted(self, count: int) -> tuple[Prefix, IPAddress | None]:
        """The last prefix, and its gateway then."""
        gateway = self.gateways[(count - 1) % len(self.gateways)] if self.gateways else None
        return self.prefixes(count)[-1], gateway


def storms(rounds: int) -> list[Storm]:
    """In their order."""
    many = tuple(ROUTER4.network[100 + number] for number in range(_GATEWAYS))
    found = []
    for number in range(1, rounds + 1):
        found += [Storm(f"add, round {number}", "add", 4, (ROUTER4.ip,))]
        found += [Storm(f"other gateways, round {number}", "replace", 4, many)]
        found += [Storm(f"delete, round {number}", "delete", 4)]
    return [*found, Storm("add IPv6", "add", 6, (ROUTER6.ip,)), Storm("delete IPv6", "delete", 6)]


async def _measure(count: int, rounds: int) -> Report:
    rows: list[Row] = []
    async with open_stage(Dataplane(real=True, host_link="veth")) as stage, open_session(stage.api_socket) as session:
        version = str((await session.request("show_version")).version)
        stage.start_daemon()
        await stage.wait_state("steady")
        for storm in storms(rounds):
            row = Row(storm.name, count)
            await _storm(stage, session, storm, row)
            rows.append(row)
    return _report(version, rows)


async def _storm(stage: Stage, session: Session, storm: Storm, row: Row) -> None:
    batch = stage.directory / "batch"
    batch.write_text("".join(storm.lines(row.routes)))
    before = await seen.mirrored(stage, storm.version)
    change = {"add": row.routes, "replace": 0, "delete": -row.routes}[storm.verb]
    last = storm.wanted(row.routes)
    async with _asking(stage, row.answers_ms):
        start, cpu_s = time.monotonic(), seen.daemon(stage).cpu_s()
        await stage.on_host("ip", "-batch", str(batch))
        ended = time.monotonic()
        with trio.fail_after(_WITHIN_S):
            while not await _settled(stage, session, storm.version, before + change, last):  # noqa: ASYNC110
                await trio.sleep(_ASK_EVERY_S)
        row.ip_s, row.settled_s = ended - start, time.monotonic() - ended
    row.cpu_s, row.memory_mib = seen.daemon(stage).cpu_s() - cpu_s, seen.daemon(stage).resident_bytes() / 2**20


async def _settled(
    stage: Stage, session: Session, version: int, count: int, last: tuple[Prefix, IPAddress | None]
) -> bool:
    """VPP is asked first: a Steady after that has read it back."""
    prefix, gateway = last
    there = (await routes_at(session, range(1, 256), [(0, prefix)])).get((0, prefix))
    if (there[1].paths[0].next_hop if there else None) != gateway:
        return False
    uplink = await seen.uplink(stage)
    return bool(uplink["state"] == "Steady" and uplink["mirrored"][f"routes_ipv{version}"] == count)


@asynccontextmanager
async def _asking(stage: Stage, answers_ms: list[float]) -> AsyncIterator[None]:
    async def ask() -> None:
        while True:
            start = time.monotonic()
            await seen.call(stage)
            answers_ms.append((time.monotonic() - start) * 1000)
            await trio.sleep(_ASK_EVERY_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        yield
        nursery.cancel_scope.cancel()


def _report(version: str, rows: list[Row]) -> Report:
    cells: list[dict[str, Cell]] = [
        {
            "storm": row.what,
            "routes": row.routes,
            "ip_s": row.ip_s,
            "settled_after_s": row.settled_s,
            "settled_of_ip": row.settled_s / row.ip_s,
            "daemon_cpu_s": row.cpu_s,
            "slowest_answer_ms": max(row.answers_ms),
            "answers": len(row.answers_ms),
            "memory_mib": row.memory_mib,
        }
        for row in rows
    ]
    slowest, latest = max(max(row.answers_ms) for row in rows), max(row.settled_s for row in rows)
    growth = max(row.memory_mib for row in rows) / rows[0].memory_mib
    limits = (
        ("the slowest storm settled after", latest, SETTLED_S, "s"),
        ("the slowest answer", slowest, ANSWER_MS, "ms"),
        ("memory, by that after the first storm", growth, MEMORY_GROWTH, "times"),
    )
    kept = all(found <= limit for _, found, limit, _ in limits)
    return Report(
        bench="storm",
        title=f"A storm of route changes, with VPP {version}",
        columns=list(cells[0]),
        rows=cells,
        notes=[
            f"Limit: {what} {found:.2f} {unit}, at most {limit:g}: ratio {found / limit:.2f}, {_kept(found <= limit)}."
            for what, found, limit, unit in limits
        ],
        limit_kept=kept,
        facts={"vpp": version},
    )


def _kept(kept: bool) -> str:
    return "kept" if kept else "MISSED"
