"""The big table's own logic: goals, sizes, rows that fail, and what its instruments write."""

import os
import re
import subprocess
import sys
import threading
import time
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest
import trio

from hostlink.lab.stage import StageError
from tools.benches.goals import Goal, Line, Met, all_met
from tools.benches.idle import unexplained
from tools.benches.instrumented import Turns
from tools.benches.machine import cpu_model, machine, words
from tools.benches.measuring import QUICK, RowFailed, Run, Sizes
from tools.benches.report import Report
from tools.benches.seen import Thread, is_back, number, since
from tools.benches.spans import Span, longest, parse, read
from tools.benches.table import ROWS, chosen_rows, sizes_for
from tools.benches.whole import parted

# --------------------------------------------------------------------------------------------------------------- goals


@pytest.mark.parametrize(
    ("goal", "measured", "compared", "met"),
    [
        (Goal(least=200), 200.0, None, Met.YES),
        (Goal(least=200), 199.9, None, Met.NO),
        (Goal(most=20), 20.0, None, Met.YES),
        (Goal(most=20), 20.1, None, Met.NO),
        (Goal(most=0), 0.0, None, Met.YES),
        (Goal(least=0.7, of_ratio=True), 70.0, 100.0, Met.YES),
        (Goal(least=0.7, of_ratio=True), 69.0, 100.0, Met.NO),
        (Goal(most=1.2, of_ratio=True), 13.0, 10.0, Met.NO),
        (Goal(most=1.2, of_ratio=True), 13.0, None, Met.NOT_MEASURED),
        (Goal(most=1.2, of_ratio=True), 13.0, 0.0, Met.NOT_MEASURED),
        (Goal(most=20), None, None, Met.NOT_MEASURED),
        (None, 1.0, 2.0, Met.NO_GOAL),
    ],
)
def test_a_goal_is_met_by_what_was_measured_or_by_its_ratio(goal, measured, compared, met):
    assert Line("row", 1, measured, "s", "other", compared, goal).met is met


def test_what_is_not_judged_is_neither_met_nor_missed():
    line = Line("row", 1, 5.0, "s", goal=Goal(most=1), judged=False)
    assert line.met is Met.NOT_JUDGED
    assert all_met([line])


@pytest.mark.parametrize(
    "line",
    [
        Line("row", 1, 5.0, "s", goal=Goal(most=1)),
        Line("row", 1, None, "s", goal=Goal(most=1)),
        Line("row", 1, None, "s", failure="it fell over", judged=False),
    ],
)
def test_one_line_keeps_the_whole_from_being_met(line):
    assert not all_met([Line("row", 1, 0.5, "s", goal=Goal(most=1)), line])


def test_a_line_is_shown_with_its_goal_in_words():
    line = Line("end to end", 100_000, 150_000.0, "routes/s", "ip", 50_000.0, Goal(least=100_000))
    assert line.cells() == {
        "row": "end to end",
        "routes": 100_000,
        "measured": 150_000.0,
        "unit": "routes/s",
        "compared_with": "ip",
        "compared": 50_000.0,
        "ratio": 3.0,
        "goal": "≥ 100,000 routes/s",
        "met": "yes",
    }
    assert Goal(most=1.5, of_ratio=True).text("ms") == "≤ 1.5 ×"


# --------------------------------------------------------------------------------------------------------------- sizes


def test_the_stand_in_gets_small_sizes_and_its_rows_are_not_judged():
    sizes, with_vpp = sizes_for(False, None, real=False)
    assert (sizes.routes, sizes.judged) == ((100_000, 1_000_000), True)
    assert (with_vpp, with_vpp.vpp_judged) == (QUICK, False)


def test_a_real_vpp_gets_them_all():
    assert sizes_for(False, [5000, 1000], real=True) == (Sizes((1000, 5000)), Sizes((1000, 5000)))
    assert sizes_for(True, None, real=True) == (QUICK, QUICK)


def test_what_a_row_is_compared_with_is_measured_too():
    assert chosen_rows(["restart"]) == {"restart", "end-to-end"}
    assert chosen_rows(["read", "loop"]) == {"read", "loop"}
    assert chosen_rows(ROWS) == set(ROWS)


def test_gateways_are_fifty_of_the_network():
    gateways = Sizes().gateways(ip_network("10.0.0.0/24"))
    assert (len(set(gateways)), gateways[0], gateways[-1]) == (50, IPv4Address("10.0.0.100"), IPv4Address("10.0.0.149"))


# ---------------------------------------------------------------------------------------------------------------- rows


async def test_a_row_that_fails_says_why_and_the_rest_goes_on(capsys):
    async def fails():
        raise RowFailed("VPP has 3 routes, not 4")

    async def fails_in_a_task():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)

    async def works():
        return [Line("b", 1, 1.0, "s")]

    run = Run(frozenset({"a", "b"}), limit_s=60)
    assert not await run.row("a", 1000, fails)
    assert not await run.row("a", 1000, fails_in_a_task)
    assert await run.row("b", 1000, works)
    assert [(line.row, line.met, line.failure) for line in run.lines] == [
        ("a", Met.FAILED, "VPP has 3 routes, not 4"),
        ("a", Met.FAILED, "VPP has 3 routes, not 4"),
        ("b", Met.NO_GOAL, ""),
    ]
    assert "bench: a, 1,000 routes: VPP has 3 routes, not 4" in capsys.readouterr().err


async def test_a_row_that_does_not_end_says_so(autojump_clock):  # noqa: ARG001 — time passes by itself
    run = Run(frozenset({"a"}), limit_s=300)
    began = trio.current_time()
    assert not await run.row("a", 5, trio.sleep_forever)
    assert trio.current_time() - began == 300
    assert [line.failure for line in run.lines] == ["did not end in 300 s"]


async def test_a_row_that_nobody_chose_is_not_measured():
    async def never():
        raise AssertionError("it was measured")

    run = Run(frozenset({"b"}), limit_s=1)
    assert await run.row("a", 1, never)
    assert run.lines == []


def test_a_row_that_cannot_be_measured_any_more_is_told_if_somebody_chose_it():
    run = Run(frozenset({"a"}), limit_s=1)
    run.leave_out("a", 3, "a row before it failed")
    run.leave_out("b", 3, "a row before it failed")
    assert [(line.row, line.failure) for line in run.lines] == [("a", "not measured: a row before it failed")]
    assert not all_met(run.lines)


async def test_a_bug_of_the_bench_is_none_of_a_rows_failures():
    async def buggy():
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Run(frozenset({"a"}), limit_s=1).row("a", 1, buggy)


async def test_what_fails_between_rows_fails_the_daemons_life():
    async def dies():
        raise StageError("steady was not reached")

    run = Run(frozenset(), limit_s=1)
    await run.life(7, dies)
    assert [(line.row, line.routes, line.failure) for line in run.lines] == [
        ("a daemon's life", 7, "steady was not reached")
    ]


# --------------------------------------------------------------------------------------------------------------- spans


def test_spans_are_read_as_they_were_written():
    written = [Span(100, 5, 2, 1, "runner.run parse.py:7"), Span(200, 7)]
    assert parse("".join(span.line() for span in written)) == written
    assert parse(written[0].line() + "200 7 0 0 half of a li") == written[:1]


def test_no_file_is_no_spans(tmp_path):
    assert read(tmp_path / "absent") == []


def test_the_longest_of_a_time_is_one_that_was_under_way_in_it():
    before, across, inside, after = Span(0, 90), Span(50, 60), Span(120, 30), Span(200, 999)
    assert longest([before, across, inside, after], 100, 200) == across
    assert longest([before, after], 100, 200) is None


def test_on_a_busy_machine_the_longest_may_be_asked_for_without_its_wait_for_a_cpu():
    preempted, busy, kept_by_a_thread = Span(0, 500, 3, 497), Span(600, 20, 19, 1), Span(700, 18, 0, 0)
    assert longest([preempted, busy], 0, 999) == preempted
    assert longest([preempted, busy, kept_by_a_thread], 0, 999, own=True) == busy
    assert longest([preempted, kept_by_a_thread], 0, 999, own=True) == kept_by_a_thread


def test_turns_of_a_start_are_told_from_the_others():
    start, other = Span(1, 9, 9, 0, "daemon._serve _traps.py:216"), Span(2, 8, 8, 0, "daemon._watch_host x.py:1")
    assert parted([start, other]) == ([start], [other])


def test_a_long_turn_is_noted_with_its_task_and_a_short_one_is_not(tmp_path):
    file = tmp_path / "turns"

    async def work():
        blocked_until = trio.current_time() + 0.02
        while trio.current_time() < blocked_until:
            pass
        await trio.lowlevel.checkpoint()

    async def main():
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, name="hostlink.worker.<locals>.work")

    with file.open("w", buffering=1) as out:
        trio.run(main, instruments=[Turns(out, 19_000_000)])
    (span,) = read(file)
    assert span.took_ms >= 19
    assert 0 < span.cpu_ns <= span.took_ns + 1_000_000
    assert re.fullmatch(r"worker\.work from test_bench_table\.py:\d+ to test_bench_table\.py:\d+", span.what)


def test_what_a_turn_waits_for_a_cpu_is_told_apart(tmp_path):
    if not Path("/proc/thread-self/schedstat").exists():
        pytest.skip("this kernel does not count how long a thread waits for a CPU")
    file, allowed = tmp_path / "turns", os.sched_getaffinity(0)

    def compute():
        while not done.is_set():
            sum(range(1000))

    async def work():
        for _ in range(20):
            since_s = time.thread_time()
            while time.thread_time() < since_s + 0.003:
                pass
            await trio.sleep(0.001)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, compute)
            try:
                await work()
            finally:
                done.set()

    done = threading.Event()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for process in (0, busy.pid):
            os.sched_setaffinity(process, {min(allowed)})
        with file.open("w", buffering=1) as out:
            trio.run(main, instruments=[Turns(out, 2_500_000)])
    finally:
        os.sched_setaffinity(0, allowed)
        busy.kill()
        busy.wait()
    turns = read(file)
    assert sum(turn.queued_ns for turn in turns) > 0
    assert [turn for turn in turns if turn.own_ns < turn.cpu_ns - 100_000] == []


# -------------------------------------------------------------------------------------------------------------- /proc


def test_what_threads_did_since_leaves_out_those_that_ended():
    before = {1: Thread(10, 100), 2: Thread(99, 999)}
    after = {1: Thread(13, 150), 3: Thread(2, 20)}
    assert since(before, after) == Thread(5, 70)


def test_numbers_of_a_status_file():
    status = "Name:\tpython\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nvoluntary_ctxt_switches:\t7\n"
    assert (number(status, "VmRSS"), number(status, "voluntary_ctxt_switches")) == (1024, 7)


def test_what_wakes_an_idle_daemon_without_a_reason_is_counted():
    tasks = ["woken", "vpp_watch._until_lost.ping x.py:1", "vpp.session._Opening._run x.py:2", "poller.poll y.py:3"]
    found = unexplained([Span(number, 1, 1, 0, what) for number, what in enumerate([*tasks, "poller.poll y.py:9"])])
    assert found == {"poller.poll": 2}


@pytest.mark.parametrize(
    ("moves", "back"),
    [
        (["Capturing", "Handover", "Steady"], False),
        (["Handover", "Steady", "Recovering", "Handover", "Mirroring", "Punting"], False),
        (["Handover", "Steady", "Recovering", "Mirroring", "Steady"], False),
        (["Handover", "Steady", "Recovering", "Handover", "Mirroring", "Punting", "Steady"], True),
    ],
)
def test_back_is_steady_after_a_handover_since_vpp_was_lost(moves, back):
    assert is_back({"history": [{"to": move} for move in moves]}) is back


def test_the_machine_is_named():
    assert cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\nflags: x\nmodel name\t: other\n") == "AMD EPYC"
    assert cpu_model("processor: 0\nBogoMIPS: 50\n") != ""
    assert words({**machine(), "cpu": "AMD EPYC", "cores": 2}).startswith("Machine: AMD EPYC, 2 cores, ")


def test_a_report_takes_the_machine_as_it_was_when_measuring_began():
    assert Report("x", "T", ["a"], [], machine={"load": 0.5}).numbers()["machine"] == {"load": 0.5}
    assert Report("x", "T", ["a"], []).numbers()["machine"]["kernel"]
