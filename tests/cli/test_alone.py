"""`hostlink state` and `--history` where no daemon answers: told so, and what the journal and the kernel tell."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from hostlink import cli, held
from hostlink.clock import boot_id
from hostlink.core.model import Address, Capture, HostView, Link
from hostlink.history import FILE_NAME
from hostlink.journal import Confirm, Parking, Phase, Takeover, journal_for
from tests.nodes import write_config

LINK = Link("hl-none", 3, "52:54:00:40:46:8e", 1500)
VIEW = HostView(LINK, (Address(IPv4Interface("192.168.0.1/24")),), ())
TAKEOVER = Takeover(
    Capture("hl-none", VIEW), VIEW, "af_packet", "tap", Parking("vpp", "hl-none"), phase=Phase.PROVED, boot_id=boot_id()
)
MOVE = {
    "at": "2026-01-02T03:04:05.678+00:00",
    "uplink": "eth0",
    "from": "Steady",
    "to": "Mirroring",
    "trigger": "host_changed",
    "why": "the host changed: route",
}


@pytest.fixture
def node(tmp_path: Path) -> list[str]:
    """The options of a node whose files are all in the test's folder, and that has no daemon."""
    return ["--config", str(write_config(tmp_path)), "--runtime-dir", str(tmp_path)]


def test_nothing_was_taken_over(node: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["state", *node]) == 69
    shown = capsys.readouterr()
    assert "no takeover is in the journal: the NIC is the host's" in shown.out
    assert "no daemon answers on" in shown.err


@pytest.mark.parametrize(
    ("takeover", "said"),
    [
        (TAKEOVER, "hl-none  taken over\n"),
        (replace(TAKEOVER, phase=Phase.CAPTURED), "hl-none  a takeover was begun, and where it stood is not known\n"),
        (replace(TAKEOVER, confirm=Confirm(1.0)), "hl-none  taken over, and not confirmed\n"),
        (replace(TAKEOVER, boot_id="another"), "hl-none  taken over before this boot: what is left is put away\n"),
    ],
)
def test_a_takeover_is_told_from_its_journal(
    node: list[str], tmp_path: Path, takeover: Takeover, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    journal_for(tmp_path, "hl-none").write(takeover)
    assert cli.main(["state", *node]) == 69
    shown = capsys.readouterr().out
    assert said in shown
    assert "the host has no interface hl-none" in shown
    assert "`hostlink release` gives the NIC back" in shown


def test_a_hold_and_a_journal_that_is_refused(
    node: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hl-none.json").write_text("{}")
    held.keep(tmp_path, held.held("hl-none", held.operators_hold()))
    assert cli.main(["state", "--json", *node]) == 69
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["daemon"]) == (1, None)
    assert document["takeovers"][0]["refused"].startswith("HL-50")
    assert document["holds"][0]["kind"] == "operator"
    assert cli.main(["state", *node]) == 69
    assert "`hostlink resume` clears it" in capsys.readouterr().out


def test_the_history_that_a_daemon_has_left(
    node: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(MOVE) + "\n")
    assert cli.main(["state", "--history", *node]) == 0
    shown = capsys.readouterr()
    assert shown.out == "2026-01-02 03:04:05  eth0  Steady → Mirroring  the host changed: route\n"
    assert "this is what it has left on disk" in shown.err
    assert cli.main(["state", "--history", "--json", *node]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "moves": [MOVE]}


@pytest.mark.parametrize("what", [[], ["--history"]], ids=["state", "history"])
def test_who_may_not_look_is_not_told_that_nothing_is_there(
    node: list[str], what: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    assert cli.main(["state", *what, *node]) == 69
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cannot be read: try as root" in shown.err
