"""Many small scenarios on one stage: first on the bare NIC, then on the node that was taken over.

A cell sends one packet and says what must arrive. All cells run at the same time. That something came *exactly once* is
looked at when all have ended, behind a fence: datagrams that were sent both ways through VPP after everything else, and
have arrived; VPP keeps the order, so what it might still have sent twice is there by then.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, wait_reachable
from hostlink.lab.frames import Capture, Frame, Match, capture
from hostlink.lab.layout import HOST4, HOST6, NIC, NODE2_4, NODE2_6, ROUTER4, ROUTER6
from hostlink.lab.network import Lab
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.sockets import receiver, sender

WIRE_PORT = "to-host"
"""The router's end of the NIC's cable: behind it is a bridge, which forwards not every group."""
_WITHIN_S = 2.0
_POLL_S = 0.003
_AT_ONCE = 40
_TRIES = 4
_ports = itertools.count(20000)

Count = Callable[[], int]


@dataclass(slots=True)
class Round:
    """One run of the cells. host, wire: captures of both ends of the cable."""

    lab: Lab
    host: Capture
    wire: Capture
    taken_over: bool
    held: ExitStack
    """What must stay open until everything is counted: receivers."""
    within_s: float

    async def seen(self, at: Capture, match: Match, what: str = "the frame") -> Frame:
        """The first such frame. Raises FlowError when none comes in time."""
        done = 0
        with trio.move_on_after(self.within_s):
            while True:
                frames = at.frames
                for frame in frames[done:]:
                    if match(frame):
                        return frame
                done = len(frames)
                await trio.sleep(_POLL_S)
        place = "host" if at is self.host else "wire"
        raise FlowError(f"{what} did not come to the {place} within {self.within_s:g} s")


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario. run raises FlowError, or OSError from a socket; what it returns must be 1 behind the fence."""

    name: str
    run: Callable[[Round], Awaitable[Count | None]]


def came(tag: bytes) -> Match:
    """A frame that came in over the link with that in it."""
    return lambda frame: not frame.outgoing and tag in frame.data


def new_tag() -> bytes:
    return os.urandom(12)


def new_port() -> int:
    """A UDP or TCP port that no other cell uses; below the range that the kernel takes its own from."""
    return next(_ports)


def must(value: object, wanted: object, what: str) -> None:
    """FlowError unless they are the same."""
    if value != wanted:
        raise FlowError(f"{what}: {value}, not {wanted}")


async def failures(stage: Stage, cells: Sequence[Cell], *, taken_over: bool) -> dict[str, str]:
    """Runs all cells. Returns what failed, by name."""
    lab, within_s = stage.lab, _WITHIN_S * deadline_factor()
    async with capture(lab.host, NIC) as host, capture(lab.wire, WIRE_PORT) as wire:
        with ExitStack() as held:
            at = Round(lab, host, wire, taken_over, held, within_s)
            failed, counts = await _run_all(at, cells)
            await fence(at)
            return failed | {name: f"came {count()} times" for name, count in counts.items() if count() != 1}


async def _run_all(at: Round, cells: Sequence[Cell]) -> tuple[dict[str, str], dict[str, Count]]:
    failed: dict[str, str] = {}
    counts: dict[str, Count] = {}
    limiter = trio.CapacityLimiter(_AT_ONCE)

    async def run(cell: Cell) -> None:
        async with limiter:
            try:
                count = await cell.run(at)
            except (FlowError, OSError) as error:
                failed[cell.name] = str(error)
            else:
                if count is not None:
                    counts[cell.name] = count

    async with trio.open_nursery() as nursery:
        for cell in cells:
            nursery.start_soon(run, cell)
    return failed, counts


async def fence(at: Round) -> None:
    """Behind it all that was sent before has arrived. Twice: what VPP handles in one go may leave in another order."""
    for _ in range(2):
        for there, here in ((ROUTER4.ip, HOST4.ip), (ROUTER6.ip, HOST6.ip)):
            await _fence(at, at.lab.host, at.lab.wire, there)
            await _fence(at, at.lab.wire, at.lab.host, here)


async def _fence(at: Round, source: str, target: str, address: IPAddress) -> None:
    """More than one try: a router drops a packet while it resolves a neighbour, which may be due at any time."""
    port, tag = new_port(), new_tag()
    with receiver(target, address.version, port=port) as there, sender(source, address.version) as here:
        for _ in range(_TRIES):
            here.socket.sendto(tag, (str(address), port))
            with contextlib.suppress(FlowError):
                await there.wait(tag, at.within_s / 2)
                return
    raise FlowError(f"the fence: nothing came from {source} to {address} in {_TRIES} tries")


@asynccontextmanager
async def prepared(dataplane: Dataplane, settings: str = "") -> AsyncIterator[Stage]:
    """A stage whose hosts send every ICMP error that is due, and know each other."""
    async with open_stage(dataplane, settings=settings) as stage:
        for namespace in (stage.lab.host, stage.lab.wire, stage.lab.node2):
            _unlimited_errors(namespace)
        yield stage


def _unlimited_errors(namespace: str) -> None:
    with inside(namespace):
        Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")
        Path("/proc/sys/net/ipv6/icmp/ratelimit").write_text("0")
        for name in ("icmp_msgs_per_sec", "icmp_msgs_burst"):
            Path(f"/proc/sys/net/ipv4/{name}").write_text("10000")


async def acquainted(lab: Lab) -> None:
    """Neighbours are resolved both ways: a router drops the first packet to one that it must ask for."""
    for address in (ROUTER4.ip, ROUTER6.ip, NODE2_4.ip, NODE2_6.ip):
        await wait_reachable(lab.host, address, 10.0 * deadline_factor())
    for namespace in (lab.wire, lab.node2):
        for address in (HOST4.ip, HOST6.ip):
            await wait_reachable(namespace, address, 10.0 * deadline_factor())


async def before_and_after(dataplane: Dataplane, cells: Iterable[Cell]) -> None:
    """Asserts that all cells pass on the bare NIC, and pass in the same way after the takeover."""
    cells = list(cells)
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names), "two cells of one name"
    async with prepared(dataplane) as stage:
        await acquainted(stage.lab)
        bare = await failures(stage, cells, taken_over=False)
        assert not bare, told(bare, "on the bare NIC")
        stage.start_daemon()
        await stage.wait_state("Steady")
        await acquainted(stage.lab)
        failed = await failures(stage, cells, taken_over=True)
        errors = await stage.vppctl("show errors") if failed else ""
    assert not failed, told(failed, f"of {len(cells)} on {dataplane}") + "\n" + errors


def told(failed: dict[str, str], where: str) -> str:
    """For a person: a line each."""
    lines = [f"  {name}: {reason}" for name, reason in sorted(failed.items())]
    return "\n".join([f"{len(failed)} cells fail {where}:", *lines])
