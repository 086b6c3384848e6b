"""`hostlink plan`: the document as text, on standard output the plan and on standard error what else is to be known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import hostlink
from hostlink import cli
from hostlink.cli.plan import TERMINAL_LINES
from hostlink.cli.plan_text import plan_text
from hostlink.steps.rehearsal import OUTAGE_MS

from .conftest import PLANNED, FakeDaemon, plan_document, planned, run_verb, takeover

PROBLEM = {"severity": "note", "code": "HL-209", "title": "VPP keeps a protocol", "detail": "47\x1b[2J", "to_do": "see"}
ERROR = {**PROBLEM, "severity": "error", "code": "HL-110", "title": "name clash"}
LIMITS = ["HL-212", "HL-213", "HL-214"]


async def shown(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    status = await run_verb("plan", "--runtime-dir", str(daemon.runtime_dir), *options)
    out, err = capsys.readouterr()
    return status, out, err


async def test_a_difference_has_signs_groups_and_a_count_of_the_rest(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shown(daemon, capsys) == (
        0,
        "enp216s0f1  8 to add, 1 to change, to make VPP what Linux says\n"
        "  VPP: routes, IPv4, table main\n"
        "    + 10.0.0.0/8 via 10.0.0.1 dev host-eth1\n"
        "    ~ default via 10.0.0.1 dev host-eth1  (was default via 10.0.0.2 dev host-eth1)\n"
        "    … and 7 more (--limit 0 shows all)\n",
        "",
    )
    assert daemon.limits == [None], "not on a terminal: all of it"


async def test_nothing_to_do_is_an_empty_plan(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.plan = plan_document(planned())
    assert await shown(daemon, capsys) == (0, "", "enp216s0f1: nothing to do\n")


@pytest.mark.parametrize(("options", "asked"), [(("--limit", "5"), 5), (("--limit", "0"), None)])
async def test_a_limit_is_the_daemons_to_keep(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], asked: int | None
) -> None:
    assert (await shown(daemon, capsys, *options))[0] == 0
    assert daemon.limits == [asked]


@pytest.mark.parametrize(("json_too", "asked"), [(False, TERMINAL_LINES), (True, None)])
async def test_on_a_terminal_large_groups_are_cut(
    daemon: FakeDaemon,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    json_too: bool,
    asked: int | None,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    status, out, _ = await shown(daemon, capsys, *(["--json"] if json_too else []))
    assert (status, daemon.limits) == (0, [asked])
    assert "\x1b" not in out


def test_colour_only_says_again_what_the_signs_say() -> None:
    error = {**takeover(), "problems": [ERROR], "held": "why"}
    document = plan_document(planned(groups=[PLANNED]), error)
    plain, coloured = plan_text(document), plan_text(document, colour=True)
    assert plain != coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


async def test_problems_are_told_beside_the_plan(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.plan = plan_document(planned(groups=[PLANNED], problems=[PROBLEM, ERROR]))
    status, out, err = await shown(daemon, capsys)
    assert (status, "HL-" in out) == (0, False)
    assert err.splitlines() == [
        "enp216s0f1: error HL-110 name clash: 47\N{REPLACEMENT CHARACTER}[2J",
        "enp216s0f1: note HL-209 VPP keeps a protocol: 47\N{REPLACEMENT CHARACTER}[2J",
    ]


async def test_a_takeover_says_what_stands_against_it_and_what_no_vpp_can(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.plan = plan_document({**takeover(), "problems": [PROBLEM, ERROR]})
    status, out, err = await shown(daemon, capsys)
    assert status == 0
    assert "  error HL-110  name clash: 47" in out
    assert "    to do   see" in out
    assert [line.split()[2] for line in err.splitlines()] == ["HL-209", *LIMITS]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "what of these answers before must answer again within 30 s after Capturing, or the NIC goes back:"),
        ({}, "       192.0.2.1 (echo)"),
        ({}, "hostlink-guard gives the NIC back from the journal"),
        ({"guard_runs": False}, "hostlink-guard does not run"),
        ({"probes": []}, "there is nothing to ask"),
        ({"trial_s": 120.0}, "a person must say `hostlink confirm` within 120 s"),
        ({"vpp_was_asked": False}, "VPP cannot be asked"),
        ({}, "for some 23 ms"),
        ({}, "nothing that is known stands against it"),
        ({}, "  1. Mirroring: to VPP"),
    ],
)
def test_what_a_takeover_hangs_on_is_said(fields: dict[str, Any], words: str) -> None:
    assert words in plan_text(plan_document(takeover(**fields)))


async def test_what_cannot_be_told_is_1(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.plan = plan_document(planned("untold", why="Handover is under way"), planned(groups=[PLANNED]))
    status, out, err = await shown(daemon, capsys)
    assert status == 1
    assert "+ 10.0.0.0/8" in out, "of the others it is told all the same"
    assert err == "enp216s0f1: cannot be told now: Handover is under way\n"


async def test_json_is_the_daemons_document(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads((await shown(daemon, capsys, "--json"))[1]) == daemon.plan


async def test_a_newer_daemons_plan_is_refused(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.plan = {**daemon.plan, "version": 2}
    status, out, err = await shown(daemon, capsys)
    assert (status, out) == (69, "")
    assert "this command understands 1" in err


def test_without_a_daemon_and_a_configuration_is_69_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["plan", "--runtime-dir", str(tmp_path), "--config", str(tmp_path / "absent.toml")]
    assert cli.main(argv) == 69
    out, err = capsys.readouterr()
    assert (out, "`hostlink preflight`" in err) == ("", True)
    (tmp_path / "absent.toml").write_text("nonsense")
    assert cli.main(argv) == 65


def test_the_outage_is_the_one_that_the_readme_has() -> None:
    readme = Path(hostlink.__file__).parent.parent / "README.md"
    assert f"| takeover | {OUTAGE_MS} |" in readme.read_text()
