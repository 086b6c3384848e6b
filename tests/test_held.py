"""Holds on disk: what is kept is read, what is unclear holds too, and each finds its entry of the configuration."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hostlink.config import Match
from hostlink.core.context import Hold
from hostlink.core.model import Problem
from hostlink.core.table import HoldKind
from hostlink.held import Held, drop, failed_hold, held, keep, of_match, operators_hold, read_all

HOLD = failed_hold(Problem("HL-407", "eth0: the gateway is silent"))
ETH0 = held("eth0", HOLD, match=Match(mac="52:54:00:40:46:8e"))


def test_what_is_kept_is_the_machines_hold_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    keep(folder, ETH0)
    assert read_all(folder) == (ETH0,)
    assert ETH0.hold == HOLD
    assert ETH0.hold.reason == "a takeover failed: eth0: the gateway is silent"
    released = held("eth0", operators_hold())
    keep(folder, released)
    (one,) = read_all(folder)
    assert one.hold == Hold(HoldKind.OPERATOR, "released by an operator", None)
    assert stat.S_IMODE((folder / "eth0.held").stat().st_mode) == 0o600


def test_dropped_it_is_gone_and_that_may_be_repeated(tmp_path: Path) -> None:
    keep(tmp_path, ETH0)
    drop(tmp_path, ETH0)
    drop(tmp_path, ETH0)
    assert read_all(tmp_path) == ()
    assert read_all(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "hostlink-hold", "version": 2}', '{"version": 1}', "null"])
def test_what_cannot_be_understood_holds_and_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "eth0.held").write_text(text)
    (one,) = read_all(tmp_path)
    assert (one.uplink, one.kind, one.code) == ("eth0", HoldKind.FAILED, "HL-510")
    assert str(tmp_path / "eth0.held") in one.detail
    assert one.is_about(Match(name="eth0"))


def test_what_is_told_of_an_unclear_one_is_short(tmp_path: Path) -> None:
    (tmp_path / "eth0.held").write_text(json.dumps({"format": "x" * 10_000, "version": 1}))
    assert len(read_all(tmp_path)[0].detail) < 200 + len(str(tmp_path)) + 20


@pytest.mark.parametrize("other", ["eth9", "a/b", ""])
def test_one_under_another_name_is_unclear_and_can_be_cleared(tmp_path: Path, other: str) -> None:
    """Found by tools/fuzz: it held for ever, because a resume removed the file of the name that it says."""
    keep(tmp_path, ETH0)
    text = (tmp_path / "eth0.held").read_text()
    (tmp_path / "eth0.held").write_text(text.replace('"uplink": "eth0"', f'"uplink": "{other}"'))
    (one,) = read_all(tmp_path)
    assert (one.uplink, one.code) == ("eth0", "HL-510")
    drop(tmp_path, one)
    assert read_all(tmp_path) == ()


def test_a_hold_of_another_shape_is_unclear(tmp_path: Path) -> None:
    keep(tmp_path, ETH0)
    tree = json.loads((tmp_path / "eth0.held").read_text())
    del tree["hold"]["reason"]
    (tmp_path / "eth0.held").write_text(json.dumps(tree))
    assert read_all(tmp_path)[0].code == "HL-510"


def test_it_is_about_whatever_the_configuration_calls_the_interface() -> None:
    one = Held("eth0", HoldKind.FAILED, "x", None, "", 0.0, "52:54:00:40:46:8e", "0000:d8:0a.0")
    assert one.is_about(Match(name="eth0"))
    assert one.is_about(Match(mac="52:54:00:40:46:8e"))
    assert one.is_about(Match(pci="0000:d8:0a.0"))
    assert not one.is_about(Match(name="eth1"))
    assert not one.is_about(Match(mac="52:54:00:40:46:8f"))
    assert not replace(one, mac=None, pci=None).is_about(Match(name="eth1")), "nothing is not the same as nothing"


def test_the_entry_by_default_route_has_what_is_no_others() -> None:
    eth0, eth1 = replace(ETH0, uplink="eth0", mac=None), replace(ETH0, uplink="eth1", mac=None)
    default = Match(default_route=True)
    assert of_match(default, [eth0, eth1], [Match(name="eth0")]) == eth1
    assert of_match(default, [eth0], [Match(name="eth0")]) is None
    assert of_match(Match(name="eth0"), [eth1, eth0], [default]) == eth0
    assert of_match(Match(name="eth2"), [eth1, eth0], [default]) is None


def test_a_back_off_ends_and_no_clock_makes_it_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(ETH0, at_s=1000.0)
    for now_s, left_s in ((1000.0, 60.0), (1030.0, 30.0), (1061.0, 0.0), (5.0, 60.0)):
        monkeypatch.setattr(time, "time", lambda now_s=now_s: now_s)
        assert one.left_s(60.0) == left_s
