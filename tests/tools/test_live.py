"""The report of tools/check --live: which cell a test belongs to, what fails the check, and what is run on what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostlink.lab.limits import LIMITS, is_registered, limited
from hostlink.lab.real_vpp import find_vpp
from tools.live.main import find_vpps
from tools.live.release import release_of
from tools.live.report import as_json, as_text, read_report
from tools.live.results import NOT_RUN, OTHER, Column, Result, is_fault, placed, read_results, scenario
from tools.live.runs import NO_VPP, Run, plan
from tools.live.snapshot import snapshot

ROOT = Path(__file__).resolve().parents[2]
PASSED, FAILED, SKIPPED = Result("passed"), Result("failed", "assert 1 == 2"), Result("skipped", "no time")
LIVE, STANDIN = Column("vpp/tap", "26.06"), Column("standin/tap")


@pytest.mark.parametrize(
    ("test", "name", "dataplane"),
    [
        ("tests/system/test_x.py::test_y[vpp/tap]", "test_x.py::test_y", "vpp/tap"),
        ("tests/system/test_x.py::test_y[vpp/veth-4]", "test_x.py::test_y[4]", "vpp/veth"),
        ("tests/system/test_x.py::test_y[vpp lives-standin/tap]", "test_x.py::test_y[vpp lives]", "standin/tap"),
        ("tests/system/test_x.py::test_y[udp-standin/tap-4]", "test_x.py::test_y[udp-4]", "standin/tap"),
        ("tests/system/sub/test_x.py::Test::test_y[a]", "test_x.py::Test::test_y[a]", OTHER),
    ],
)
def test_a_scenario_is_a_test_without_its_dataplane(test, name, dataplane):
    assert scenario(test) == (name, dataplane)


def test_the_worst_that_a_test_reported_counts_and_a_line_that_was_cut_off_does_not(tmp_path):
    lines = [
        {"test": "a", "outcome": "passed", "reason": "", "seconds": 1},
        {"test": "a", "outcome": "failed", "reason": "teardown", "seconds": 0},
        {"test": "b", "outcome": "passed", "reason": "", "seconds": 2},
    ]
    path = tmp_path / "results"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"test": "c", "outc')
    assert read_results(path) == {"a": Result("failed", "teardown", 0), "b": Result("passed", "", 2)}
    assert read_results(tmp_path / "absent") == {}


def test_a_test_that_said_nothing_was_not_run():
    cells = placed(["t.py::a[vpp/tap]", "t.py::b[standin/tap]"], {"t.py::b[standin/tap]": PASSED}, "26.06")
    assert cells == {("t.py::a", LIVE): NOT_RUN, ("t.py::b", STANDIN): PASSED}


@pytest.mark.parametrize(
    ("column", "result", "faulty"),
    [
        (LIVE, PASSED, False),
        (LIVE, FAILED, True),
        (LIVE, NOT_RUN, True),
        (LIVE, SKIPPED, True),
        (LIVE, Result("skipped", "limit nonesuch: it cannot be"), True),
        (STANDIN, SKIPPED, False),
        (STANDIN, NOT_RUN, True),
        (Column(OTHER), FAILED, True),
    ],
)
def test_what_fails_the_check(column, result, faulty):
    assert is_fault(column, result) is faulty


def test_a_registered_limitation_fails_nothing(monkeypatch):
    monkeypatch.setitem(LIMITS, "no-colour", "frames have none")
    assert limited("no-colour") == "limit no-colour: frames have none"
    assert is_registered(limited("no-colour"))
    assert not is_fault(LIVE, Result("skipped", limited("no-colour")))


def test_the_report_shows_every_cell_with_its_reason_and_the_release():
    results = {("a", STANDIN): PASSED, ("a", LIVE): FAILED, ("b", LIVE): NOT_RUN, ("c", STANDIN): SKIPPED}
    text = as_text(results, ["26.06"], ["Only a part."])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == ["scenario", "standin/tap", "standin/veth", "vpp/veth 26.06", "vpp/tap 26.06"]
    assert lines[2:] == [
        ["", "1 passed, 1 skipped", "nothing run", "nothing run", "1 failed, 1 not run"],
        ["a", "passed", "-", "-", "FAILED (1)"],
        ["b", "-", "-", "-", "NOT RUN"],
        ["c", "skipped (2)", "-", "-", "-"],
    ]
    assert "1. assert 1 == 2\n2. no time\n" in text
    assert text.endswith("2 of 4 are not as they should be: a on vpp/tap 26.06; b on vpp/tap 26.06\n")
    cells = json.loads(as_json(results, ["26.06"], []))["cells"]
    assert [(one["scenario"], one["dataplane"], one["outcome"], one["fault"]) for one in cells] == [
        ("a", "standin/tap", "passed", False),
        ("a", "vpp/tap", "failed", True),
        ("b", "vpp/tap", "not run", True),
        ("c", "standin/tap", "skipped", False),
    ]


def test_a_report_that_was_written_is_read_as_it_was(tmp_path):
    cells = {
        ("a.py::b", Column("vpp/tap", "26.06-release")): Result("passed", seconds=1.5),
        ("a.py::b", Column("standin/tap")): Result("skipped", "why"),
    }
    path = tmp_path / "report.json"
    assert read_report(path) == ({}, [])
    path.write_text(as_json(cells, ["26.06-release"], []))
    assert read_report(path) == (cells, ["26.06-release"])
    path.write_text('{"version": 2}')
    with pytest.raises(ValueError, match="of version 2, not 1"):
        read_report(path)


def test_each_vpp_has_its_runs_and_its_tap_goes_to_the_guest_where_the_kernel_lacks_vhost():
    runs = plan({"/a/vpp": "26.06", "/b/vpp": "25.10"}, None, has_vhost=False)
    assert [(one.vpp, one.release, one.in_guest) for one in runs] == [
        (NO_VPP, "", False),
        ("/a/vpp", "26.06", False),
        ("/a/vpp", "26.06", True),
        ("/b/vpp", "25.10", False),
        ("/b/vpp", "25.10", True),
    ]
    assert [one.in_guest for one in plan({"/a/vpp": "26.06"}, "x", has_vhost=True)] == [False, False]
    assert all(one.select.startswith("(x or y) and (") for one in plan({"/a/vpp": "26.06"}, "x or y", has_vhost=False))


def test_every_system_scenario_of_a_dataplane_is_in_exactly_one_run():
    chosen = [collected(one) for one in plan({"/a/vpp": "26.06"}, None, has_vhost=False)]
    everything = collected(Run("", ["tests/system"], ""))
    assert sorted(test for run in chosen for test in run if test.startswith("tests/system/")) == everything
    assert any(test.startswith("tests/vpp/test_real_vpp.py") for test in chosen[1])


def collected(one: Run) -> list[str]:
    argv = [sys.executable, "-m", "pytest", "--live", "-q", "--collect-only", *one.tests, "-k", one.select]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return sorted(line for line in done.stdout.splitlines() if line.startswith("tests/"))


def test_the_snapshot_has_what_git_would_not_ignore_and_is_gone_afterwards(tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / ".venv").mkdir(parents=True)
    (checkout / "hostlink").mkdir()
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    for name, text in {".gitignore": "*.o\n.venv/\n", "hostlink/a.py": "A = 1\n", "b.o": "", "deleted": ""}.items():
        (checkout / name).write_text(text)
    subprocess.run(["git", "-C", str(checkout), "add", "deleted"], check=True)
    (checkout / "deleted").unlink()
    with snapshot(checkout) as tree:
        (checkout / "hostlink/a.py").write_text("half an ed")
        names = {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir() and path.suffix != ".pyc"}
        assert names == {".gitignore", "hostlink/a.py"}
        assert (tree / "hostlink/a.py").read_text() == "A = 1\n"
        assert (tree / ".venv").resolve() == checkout / ".venv"
    assert not tree.exists()


def fake_vpp(folder: Path, text: str) -> str:
    folder.mkdir()
    path = folder / "vpp"
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(find_vpp() is None, reason="no VPP found: neither $HOSTLINK_VPP nor vpp on PATH")
def test_a_vpp_without_the_version_option_is_started_and_asked(tmp_path):
    """VPP 25.10 is one."""
    older = tmp_path / "vpp"
    older.write_text(f'#!/bin/sh\n[ "$1" != --version ] || exit 1\nexec {find_vpp()} "$@"\n')
    older.chmod(0o755)
    assert release_of(str(older)) == release_of(str(find_vpp()))


def test_which_vpps_there_are_and_what_is_wrong_with_them(tmp_path, monkeypatch):
    one = fake_vpp(tmp_path / "a", "vpp v26.06-release built by root on vm")
    two = fake_vpp(tmp_path / "b", "vpp v25.10-release built by root on vm")
    twin = fake_vpp(tmp_path / "c", "vpp v25.10-release built by another")
    assert find_vpps(f"{one}:{two}") == ({one: "26.06-release", two: "25.10-release"}, [])
    assert find_vpps(f"{two}:{twin}") == ({two: "25.10-release"}, [f"{twin} is a second VPP 25.10-release"])
    assert find_vpps("/nowhere/vpp") == ({}, ["/nowhere/vpp is no program"])
    assert release_of("/bin/true") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_vpps("") == ({}, ["no VPP here: set $HOSTLINK_VPP to one, or have `vpp` on PATH"])
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{os.environ['PATH']}")
    assert find_vpps("") == ({one: "26.06-release"}, [])


SAMPLE = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2, "words"
@pytest.mark.skip(reason="for a reason")
def test_skipped(): pass
@pytest.fixture
def fails_at_the_end():
    yield
    raise RuntimeError("the end")
def test_end(fails_at_the_end): pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_plugin_writes_what_came_of_each_test(tmp_path, workers):
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    environment = {**os.environ, "HOSTLINK_LIVE_RESULTS": str(tmp_path / "out"), "PYTHONPATH": str(ROOT)}
    del environment["PYTEST_CURRENT_TEST"]
    environment.pop("PYTEST_XDIST_WORKER", None)
    argv = [sys.executable, "-m", "pytest", "-p", "tools.live.plugin", *workers, "--rootdir", str(tmp_path)]
    subprocess.run([*argv, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, check=False)
    seen = read_results(tmp_path / "out")
    assert {test.partition("::")[2]: (one.outcome, one.reason) for test, one in seen.items()} == {
        "test_good": ("passed", ""),
        "test_bad": ("failed", "AssertionError: words"),
        "test_skipped": ("skipped", "for a reason"),
        "test_end": ("failed", "RuntimeError: the end"),
    }
