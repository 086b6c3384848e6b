"""The bench command without a VPP, and its table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench import named
from tools.benches.report import Report

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def report():
    return Report


def bench(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tools.bench", *arguments],
        cwd=TOOLS.parent,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the bench stops earlier")
def test_without_a_vpp_it_says_so(tmp_path):
    ran = bench("session", "--json", str(tmp_path / "out.json"), HOSTLINK_VPP=str(tmp_path / "absent"))
    assert (ran.returncode, ran.stdout) == (69, "")
    assert ran.stderr == "bench: no VPP to measure: neither $HOSTLINK_VPP nor vpp on PATH\n"
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["session", "--routes", "many"], ["--rows", "nothing"], ["--routes", "3000000"], ["--quicker"]],
)
def test_what_it_does_not_know_is_a_usage_error(arguments):
    ran = bench(*arguments)
    assert ran.returncode == 64
    assert "usage: tools/bench" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ([], ["table"]),
        (["--quick", "--json", "f"], ["table", "--quick", "--json", "f"]),
        (["idle", "--json", "f"], ["idle", "--json", "f"]),
        (["-h"], ["-h"]),
    ],
)
def test_without_a_name_the_big_table_is_meant(arguments, meant):
    assert named(arguments) == meant


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_is_of_all_benches(arguments):
    ran = bench(*arguments)
    assert ran.returncode == 0
    for name in ("idle", "latency", "outage", "session", "storm", "table"):
        assert name in ran.stdout


def test_a_table_has_what_was_measured_and_a_dash_for_what_was_not(report):
    rows = [{"way": "ours", "routes": 100000, "add_s": 0.8}, {"way": "theirs", "routes": 5, "add_s": None}]
    text = report("x", "Title", ["way", "routes", "add_s"], rows, ["A note."]).text()
    assert text.splitlines() == [
        "Title",
        "",
        "way      routes  add s",
        "------  -------  -----",
        "ours    100,000   0.80",
        "theirs        5      -",
        "",
        "A note.",
    ]


def test_the_numbers_are_versioned(report):
    numbers = report("x", "Title", ["way"], [{"way": "ours"}], facts={"vpp": "26.06"}).numbers()
    assert (numbers["version"], numbers["bench"], numbers["vpp"], numbers["rows"]) == (
        1,
        "x",
        "26.06",
        [{"way": "ours"}],
    )
