"""`hostlink preflight` where there is neither the NIC nor a VPP, a daemon or the rights: all of it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostlink import cli, held
from hostlink.config import Match
from hostlink.core.model import Capture, HostView, Link
from hostlink.journal import Parking, Takeover, journal_for
from tests.nodes import write_config

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="it looks at nothing without root's capabilities")


@pytest.fixture
def node(tmp_path: Path) -> list[str]:
    """The options of a node whose files are all in the test's folder."""
    return ["--config", str(write_config(tmp_path, "hl-no-such")), "--root", str(tmp_path)]


@ROOT
def test_without_the_nic_and_without_vpp(node: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold = held.held("hl-none", held.operators_hold(), match=Match(name="hl-none"))
    held.keep(tmp_path, hold)
    files = sorted(tmp_path.rglob("*"))
    assert cli.main(["preflight", "--json", *node]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["fit"] is False
    assert [(check["subject"], check["result"], check["code"]) for check in document["checks"]] == [
        ("rights", "ok", None),
        ("VPP", "error", "HL-201"),
        ("VPP", "error", "HL-203"),
        ("uplink", "error", "HL-102"),
        ("host link", "ok", None),
        ("driver", "ok", None),
        ("hold", "error", "HL-123"),
    ]
    assert document["checks"][1]["detail"].count(f"{tmp_path}/api.sock") == 1
    checks = {check["subject"]: check for check in document["checks"]}
    assert checks["driver"]["detail"] == "af_packet needs no hugepages, no IOMMU, no vfio"
    assert "hostlink resume" in checks["hold"]["to_do"]
    assert sorted(tmp_path.rglob("*")) == files


@ROOT
def test_as_lines(node: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preflight", *node]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "error", "error", "error", "ok", "ok", "ok"]
    told = next(line for line in lines if "HL-102" in line)
    assert told.startswith("error   hl-none: uplink")
    assert "uplink absent: no interface of this host matches name hl-none" in told
    assert ". To do: compare `ip -details link`" in told


@ROOT
def test_a_tap_needs_what_vpp_opens(node: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    config = Path(node[1])
    config.write_text(config.read_text().replace('"veth"', '"tap"'))
    cli.main(["preflight", "--json", *node])
    checks = [check for check in json.loads(capsys.readouterr().out)["checks"] if check["subject"] == "host link"]
    absent = [path for path in ("/dev/net/tun", "/dev/vhost-net") if not Path(path).exists()]
    assert [check["code"] for check in checks] == (["HL-111"] * len(absent) or [None])
    assert all(path in check["detail"] for path, check in zip(absent, checks, strict=False))


@ROOT
def test_a_damaged_journal_is_an_obstacle(node: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hl-none.json").write_text("{")
    assert cli.main(["preflight", *node]) == 1
    shown = capsys.readouterr().out
    assert "error   node: journal" in shown
    assert "HL-102" in shown, "what else stands against it is told beside it"


@ROOT
def test_a_takeover_that_no_uplink_means(node: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = Link("hl-other", 3, "52:54:00:40:46:8e", 1500)
    view = HostView(link, (), ())
    takeover = Takeover(Capture("hl-other", view), view, "af_packet", "tap", Parking("vpp", "hl-other"))
    journal_for(tmp_path, "hl-other").write(takeover)
    assert cli.main(["preflight", *node]) == 1
    shown = capsys.readouterr().out
    assert "HL-124 takeover of an uplink that is not in the configuration: hl-other is taken over" in shown
    assert "HL-102" in shown


@ROOT
def test_without_the_rights(node: list[str]) -> None:
    argv = ["setpriv", "--bounding-set=-net_admin", sys.executable, "-m", "hostlink", "preflight", *node]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("error   node: rights  HL-101 not enough rights: CAP_NET_ADMIN missing")


def test_a_faulty_configuration_is_65(tmp_path: Path) -> None:
    assert cli.main(["preflight", "--config", str(tmp_path / "none.toml")]) == 65
