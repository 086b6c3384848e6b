"""The rows of the whole daemon, in one life of it for each size: VPP, the lab, and `hostlink run` with an instrument.

The daemon takes the NIC over with few routes, then the kernel gets all of them, and each row starts from there:
- end to end: another client of VPP has deleted all of hostlink's routes, at full speed, and the daemon is asked to
  compare: it finds the kernel with all routes and VPP with none, brings all over, reads them back, and answers. In its
  first round the kernel's table is new to it. The median of three rounds counts, here and in the two rows that follow.
- resync: the same question, when nothing is to be done.
- restart: VPP is killed; from the moment that the next one takes connections until the daemon has brought all back.
- live: `ip -batch` adds many while the daemon is Steady; from its end until VPP has the last one.
- change: one route is added or deleted, until VPP's reply (latency.py); for this the daemon is killed, and adopts what
  it left, because its API socket is a proxy's from then on.
All the while the control socket is asked (asker.py), and turns of the loop that take long are noted (instrumented.py).
"""

from __future__ import annotations

import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import trio

from hostlink import varlink
from hostlink.core.guards import PATIENT_LOSSES
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import read_link
from hostlink.lab.children import child
from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.real_vpp import heap_mib_for
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.vpp.routes import own_source, routes_at
from hostlink.vpp.session import open_session
from tools.benches import instrumented, seen, spans
from tools.benches.goals import Goal, Line
from tools.benches.kernel_routes import add_routes, delete_routes, prefix
from tools.benches.latency import one_by_one, proxied
from tools.benches.measuring import RowFailed, Run, Sizes
from tools.benches.raw import Dumped, raw_client
from tools.benches.reading import read_once
from tools.benches.writing import grouped, in_thread

END_TO_END = Goal(least=100_000)
RESYNC = Goal(most=2.0, of_ratio=True)
LIVE = Goal(most=0.5)
CHANGE = Goal(most=1.5, of_ratio=True)
MEMORY = Goal(most=400)
RESTART = Goal(most=1.2, of_ratio=True)
ANSWER = Goal(most=100)
TURN = Goal(most=20)
_FULL_TABLE = 1_000_000
"""Routes of a restart that is judged: of fewer, much of it is what VPP takes to make its two interfaces."""
_POLL_S = 0.02
_RESYNC = "full resync, nothing to do"
_CHANGE = "one change until VPP's reply, median"


@dataclass(slots=True)
class Life:
    """One daemon with one size. base: routes that it mirrors besides the `count`."""

    stage: Stage
    run: Run
    sizes: Sizes
    count: int
    base: int
    idle_bytes: int
    end_to_end_s: float | None = None
    all_of_it: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def routes(self) -> int:
        return self.base + self.count

    def line(
        self, row: str, measured: float, unit: str, goal: Goal | None, with_: str = "", other: float | None = None
    ) -> Line:
        return Line(row, self.count, measured, unit, with_, other, goal, self.sizes.vpp_judged)

    def cpu_line(self, row: str, used_s: float) -> Line:
        """What the daemon has used of CPUs for it: that is its own cost, however busy the machine is with others."""
        return Line(f"{row}: the daemon's CPU", self.count, used_s, "s")

    @contextmanager
    def spending(self) -> Iterator[Spent]:
        """Known when the block has ended."""
        spent, start, before_s = Spent(), time.monotonic(), seen.daemon(self.stage).cpu_s()
        yield spent
        spent.seconds, spent.cpu_s = time.monotonic() - start, seen.daemon(self.stage).cpu_s() - before_s


@dataclass(slots=True)
class Spent:
    """What one round took."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of the daemon."""

    @classmethod
    def median(cls, rounds: Sequence[Spent]) -> Spent:
        """Of each by itself."""
        return cls(statistics.median(one.seconds for one in rounds), statistics.median(one.cpu_s for one in rounds))


Rows = Sequence[tuple[str, int, Callable[[Life], Awaitable[list[Line]]]]]
"""Name, of how many routes it says something, and what measures it."""


async def whole_rows(run: Run, count: int, sizes: Sizes, dataplane: Dataplane) -> None:
    """All rows that stand on `count` routes being there."""
    rows = (
        ("end-to-end", count, _end_to_end),
        ("resync", count, _resync),
        ("memory", count, _memory),
        ("restart", count, _restart),
        ("change", count, _change),
    )
    await _one_after_another(run, count, sizes, dataplane, rows)


async def small_rows(run: Run, sizes: Sizes, dataplane: Dataplane) -> None:
    """Those that stand on few routes."""
    rows = (("live", sizes.live, _live), ("change", sizes.few, _change))
    await _one_after_another(run, sizes.few, sizes, dataplane, rows)


async def _one_after_another(run: Run, present: int, sizes: Sizes, dataplane: Dataplane, rows: Rows) -> None:
    """Each stands on what the one before has left: the first that fails is the last."""
    async with _living(run, present, sizes, dataplane) as life:
        sound = await run.step("filling", present, partial(_fill, life))
        for name, count, measure in rows:
            if sound:
                sound = await run.row(name, count, partial(measure, life))
            else:
                run.leave_out(name, count, "a row before it failed")


# ---------------------------------------------------------------------------------------------------------- the daemon


@asynccontextmanager
async def _living(run: Run, count: int, sizes: Sizes, dataplane: Dataplane) -> AsyncIterator[Life]:
    """A daemon that is Steady with few routes, asked and watched all the while; afterwards the lines about that."""
    since_ns = time.monotonic_ns()
    most = count + sizes.live if count == sizes.few else count
    async with open_stage(dataplane, vpp_heap_mib=heap_mib_for(most)) as stage, AsyncExitStack() as stack:
        turns, answers = instrument(stage), stage.directory / "answers"
        stage.start_daemon()
        await stage.wait_state("steady")
        argv = [sys.executable, "-m", "tools.benches.asker", str(stage.runtime / varlink.SOCKET_NAME), str(answers)]
        stack.enter_context(child(stage.lab.wire, argv))
        base, idle_bytes = await seen.mirrored(stage), seen.daemon(stage).resident_bytes()
        life = Life(stage, run, sizes, count, base, idle_bytes, all_of_it=stack)
        yield life
        if "control" in run.chosen:
            run.lines.append(_longest(life, "control socket, slowest answer", spans.read(answers), ANSWER, since_ns))
        if "loop" in run.chosen:
            starts, others = parted(spans.read(turns))
            run.lines += [
                _longest(life, "loop, longest turn but for waits for a CPU", others, TURN, since_ns, own=True),
                _longest(life, "loop, longest turn with those", others, None, since_ns),
                _longest(life, "loop, longest turn of a start", starts, None, since_ns),
            ]


def instrument(stage: Stage, **environment: str) -> Path:
    """The daemon of this stage runs with an instrument from now on. Returns where it writes."""
    file = stage.directory / "turns"
    stage.daemon_module = instrumented.__name__
    stage.environment |= {instrumented.FILE: str(file), **environment}
    return file


def parted(turns: Sequence[spans.Span]) -> tuple[list[spans.Span], list[spans.Span]]:
    """Those of a daemon's start, when nobody waits for its loop yet (it reads the journal), and the others."""
    starts = [turn for turn in turns if turn.what.startswith("daemon._serve ")]
    return starts, [turn for turn in turns if not turn.what.startswith("daemon._serve ")]


def _longest(
    life: Life, title: str, found: Sequence[spans.Span], goal: Goal | None, since_ns: int, *, own: bool = False
) -> Line:
    """In milliseconds. Turns shorter than are noted are 0; without any answer there is nothing to say."""
    run, count, judged = life.run, life.count, life.sizes.vpp_judged
    span = spans.longest(found, since_ns, time.monotonic_ns(), own=own)
    if span is None:
        return Line(title, count, None if goal is ANSWER else 0.0, "ms", goal=goal, judged=judged)
    run.notes.append(f"{title}, {count:,} routes: in “{run.what_at(span.began_ns)}”{_cpu(span)}.")
    return Line(title, count, span.own_ns / 1e6 if own else span.took_ms, "ms", goal=goal, judged=judged)


def _cpu(span: spans.Span) -> str:
    waited = f" and {span.queued_ns / 1e6:.0f} ms waiting for one" if span.queued_ns else ""
    return f", {span.cpu_ns / 1e6:.0f} ms of it on a CPU{waited}, by {span.what}" if span.what else ""


async def _fill(life: Life) -> list[Line]:
    """The kernel gets all routes at once; until the daemon is Steady with them."""
    start = time.monotonic()
    await add_routes(life.stage.lab.host, await _index(life), _gateways(life), range(life.count))
    await seen.until(life.stage, seen.is_steady_with(life.routes))
    await _check(life)
    line = Line(
        "filling: the kernel gets them all at once", life.count, life.count / (time.monotonic() - start), "routes/s"
    )
    return [line]


def _gateways(life: Life) -> list[IPv4Address]:
    return life.sizes.gateways(ROUTER4.network)


async def _index(life: Life) -> int:
    async with open_netlink(life.stage.lab.host) as host:
        link = await read_link(host, NIC)
    assert link is not None, f"there is no {NIC}"
    return link.index


async def _check(life: Life) -> Dumped:
    """Read VPP's routes of hostlink's, by a client that is not hostlink. Raises RowFailed."""
    async with open_session(life.stage.api_socket) as session:
        source_id = await own_source(session)
        with raw_client(life.stage.api_socket) as raw:
            found = await trio.to_thread.run_sync(raw.dump, session, source_id, abandon_on_cancel=True)
    if found.count < life.count:
        raise RowFailed(f"VPP has {found.count:,} routes of hostlink's, not {life.count:,}")
    return found


# ------------------------------------------------------------------------------------------------------------ the rows


async def _end_to_end(life: Life) -> list[Line]:
    async with open_session(life.stage.api_socket) as session:
        source_id = await own_source(session)
        sw_if_index = (await seen.uplink(life.stage))["indexes"]["uplink_sw_if_index"]
        groups = grouped(sw_if_index, _gateways(life), range(life.count))
        with raw_client(life.stage.api_socket) as raw:
            packed = await in_thread(partial(raw.changes, session, source_id, groups, is_add=False))
            empty = partial(raw.pump, packed, life.count)
            spent = Spent.median([await _brought_over(life, empty) for _ in range(life.sizes.rounds)])
    life.end_to_end_s = spent.seconds
    return [
        life.line("end to end", life.count / spent.seconds, "routes/s", END_TO_END),
        life.cpu_line("end to end", spent.cpu_s),
    ]


async def _brought_over(life: Life, empty: Callable[[], float]) -> Spent:
    """All routes, into a VPP that `empty` has emptied."""
    await in_thread(empty)
    with life.spending() as spent:
        await seen.call(life.stage, varlink.AUDIT)
    await _check(life)
    return spent


async def _resync(life: Life) -> list[Line]:
    stage, rounds = life.stage, range(life.sizes.rounds)
    kernel_s = statistics.median([await read_once("hostlink", stage.lab.host, NIC, life.count) for _ in rounds])
    vpp_s = statistics.median([(await _check(life)).seconds for _ in rounds])
    spent = Spent.median([await _compared(life) for _ in rounds])
    return [
        life.line(_RESYNC, spent.seconds, "s", RESYNC, "reading the kernel's dump alone", kernel_s),
        Line(_RESYNC, life.count, spent.seconds, "s", "VPP's dump, raw socket", vpp_s),
        life.cpu_line(_RESYNC, spent.cpu_s),
    ]


async def _compared(life: Life) -> Spent:
    """When nothing is to be done. Raises RowFailed where something was."""
    with life.spending() as spent:
        after = await seen.call(life.stage, varlink.AUDIT)
    if after["uplinks"][0]["last_audit"]["change_count"]:
        raise RowFailed(f"there was something to do: {after['uplinks'][0]['last_audit']['changes']}")
    return spent


async def _memory(life: Life) -> list[Line]:
    process = seen.daemon(life.stage)
    idle, peak = life.idle_bytes / 1e6, process.peak_bytes() / 1e6
    return [
        life.line("memory of the daemon", process.resident_bytes() / 1e6, "MB", MEMORY, "idle", idle),
        Line("memory of the daemon, its highest", life.count, peak, "MB", "idle", idle),
    ]


async def _restart(life: Life) -> list[Line]:
    rounds = min(life.sizes.rounds, PATIENT_LOSSES)  # after more of them hostlink would wait before it goes on
    spent = Spent.median([await _brought_back(life) for _ in range(rounds)])
    goal = RESTART if life.count >= _FULL_TABLE else None
    return [
        life.line("VPP's restart → all back", spent.seconds, "s", goal, "end to end", life.end_to_end_s),
        life.cpu_line("VPP's restart", spent.cpu_s),
    ]


async def _brought_back(life: Life) -> Spent:
    """All routes, into a VPP that was started for it. It lives as long as the daemon, or until the next one."""
    life.stage.kill_vpp()
    await life.all_of_it.enter_async_context(running(life.stage, {}))
    with life.spending() as spent:
        await seen.until(life.stage, seen.is_back)
        await seen.until(life.stage, seen.is_steady_with(life.routes))
    await _check(life)
    return spent


async def _live(life: Life) -> list[Line]:
    """The routes behind those that are there; they are deleted again, so that few are there afterwards."""
    stage, gateways = life.stage, _gateways(life)
    numbers = range(life.count, life.count + life.sizes.live)
    batch = stage.directory / "batch"
    batch.write_text("".join(f"route add {prefix(n)} via {gateways[n % len(gateways)]} dev {NIC}\n" for n in numbers))
    async with open_session(stage.api_socket) as session:
        last = (0, prefix(numbers[-1]))
        start = time.monotonic()
        await stage.on_host("ip", "-batch", str(batch))
        ended = time.monotonic()
        while not await routes_at(session, range(1, 256), [last]):  # noqa: ASYNC110 — VPP tells nobody of its routes
            await trio.sleep(_POLL_S)
        after_s = time.monotonic() - ended
    await seen.until(stage, seen.is_steady_with(life.routes + len(numbers)))
    await delete_routes(stage.lab.host, await _index(life), gateways, numbers)
    await seen.until(stage, seen.is_steady_with(life.routes))
    return [
        Line(
            "live: from the end of `ip -batch` to the last one in VPP",
            len(numbers),
            after_s,
            "s",
            "ip -batch itself",
            ended - start,
            LIVE,
            life.sizes.vpp_judged,
        )
    ]


async def _change(life: Life) -> list[Line]:
    stage = life.stage
    await stage.stop_daemon(signal.SIGKILL)
    async with proxied(stage) as replies:
        stage.start_daemon()
        await stage.wait_state("steady", life.run.limit_s)
        await seen.until(stage, seen.is_steady_with(life.routes))
        async with open_netlink(stage.lab.host) as host:
            p50 = statistics.median(await one_by_one(host, replies, life.sizes.changes))
    few = next((line for line in life.run.lines if line.row == _CHANGE), None)
    if few is None:
        return [Line(_CHANGE, life.count, p50, "ms", judged=life.sizes.vpp_judged)]
    return [life.line(_CHANGE, p50, "ms", CHANGE, f"with {few.routes:,} routes", few.measured)]
