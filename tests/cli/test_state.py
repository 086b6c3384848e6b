"""`hostlink state`: shown, watched, waited for, and what it says when it cannot."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from hostlink import cli
from hostlink.cli.documents import SEVERITIES
from hostlink.cli.state_text import state_text
from hostlink.problems import Severity

from .conftest import FakeDaemon, document, hold, run_verb, uplink

NOW = datetime(2026, 1, 2, 3, 8, 17, tzinfo=UTC)
PROBLEM = {
    "code": "HL-109",
    "title": "uplink has no address",
    "severity": "note",
    "detail": "enp216s0f1 has none",
    "to_do": "see the DHCP client",
}


def test_the_text_of_a_steady_uplink() -> None:
    history = [
        {"at": "2026-01-02T03:04:04+00:00", "from": "Mirroring", "to": "Punting", "why": "nothing differs"},
        {"at": "2026-01-02T03:04:04+00:00", "from": "Steady", "to": "Mirroring", "why": "audit", "quiet": True},
        {"at": "2026-01-02T03:04:05+00:00", "from": "Punting", "to": "Steady", "why": "the path is proved"},
    ]
    assert state_text(document(uplink(history=history, problems=[PROBLEM])), NOW) == (
        "enp216s0f1  Steady  since 03:04:05 UTC (4 min 12 s)\n"
        "  why       the path is proved\n"
        "  next      a change, or the audit, at the latest in 43 s\n"
        "  mirrored  2 addresses, 3 IPv4 routes, 4 IPv6 routes\n"
        "  in VPP    uplink 1, host interface 2\n"
        "  note HL-109  uplink has no address: enp216s0f1 has none\n"
        "    to do   see the DHCP client\n"
        "  history   03:04:04  Mirroring → Punting  nothing differs\n"
        "            03:04:05  Punting → Steady     the path is proved\n"
        "\n"
        "VPP  26.06-release at /run/vpp/api.sock\n"
    )


def test_only_problems_that_are_shown_are_in_the_text_and_the_gravest_first() -> None:
    severities = {"HL-1": "note", "HL-2": "error", "HL-3": "warning"}
    shown = [{**PROBLEM, "code": code, "severity": severity} for code, severity in severities.items()]
    shown[0] |= {"shown_in_s": 0.0, "hidden_by": None}
    not_yet = {**PROBLEM, "code": "HL-4", "shown_in_s": 2.5, "hidden_by": None}
    explained = {**PROBLEM, "code": "HL-5", "shown_in_s": 0.0, "hidden_by": "HL-2"}
    text = state_text(document(uplink(problems=[not_yet, explained, *shown])), NOW)
    assert [line.split()[:2] for line in text.splitlines() if "HL-" in line] == [
        ["error", "HL-2"],
        ["warning", "HL-3"],
        ["note", "HL-1"],
    ]


def test_the_severities_are_those_of_the_register() -> None:
    assert tuple(severity.value for severity in Severity) == SEVERITIES


def test_the_text_of_a_hold_says_what_ends_it() -> None:
    text = state_text(document(uplink("Detecting", **hold("failed"))), NOW)
    assert "  held      failed hold: VPP refused it\n  until     an operator's resume\n" in text


def test_a_hold_for_an_operator_has_no_deadline_and_says_nothing_twice() -> None:
    shown = uplink("Detecting", next="an operator's resume", **hold("operator", "operator hold"))
    text = state_text(document(shown), NOW)
    assert "  held      operator hold\n" in text
    assert "  next      an operator's resume\n" in text


def test_one_of_a_kind() -> None:
    counts = {"addresses": 1, "routes_ipv4": 1, "routes_ipv6": 0}
    assert "1 address, 1 IPv4 route, 0 IPv6 routes\n" in state_text(document(uplink(mirrored=counts)), NOW)
    tables = [{"table": 100, "family": version, "vpp_table_id": 1751908452} for version in (4, 6)]
    shown = "  tables    100 (IPv4) as 1751908452, 100 (IPv6) as 1751908452\n"
    assert shown in state_text(document(uplink(tables=tables)), NOW)


def test_a_vpp_that_is_not_there() -> None:
    vpp = {"reachable": False, "version": None, "api_socket": "/run/vpp/api.sock", "error": "connection refused"}
    assert "VPP  does not answer at /run/vpp/api.sock (connection refused)\n" in state_text(document(vpp=vpp), NOW)


def test_colour_only_says_again_what_the_words_say() -> None:
    shown = document(uplink(), uplink("Recovering"), uplink("Detecting", **hold("failed")))
    coloured = state_text(shown, NOW, colour=True)
    assert "\x1b[32mSteady\x1b[0m" in coloured
    assert "\x1b[33mRecovering\x1b[0m" in coloured
    assert "\x1b[31mDetecting\x1b[0m" in coloured
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == state_text(shown, NOW)


def test_a_terminal_obeys_nothing_that_came_from_elsewhere() -> None:
    evil = "\x1b]0;owned\x07\n\x1b[2J\u202e"
    text = state_text(
        document(uplink(name=evil, why=evil, problems=[{**PROBLEM, "detail": evil}], **hold("failed", evil))), NOW
    )
    assert not [character for character in text if character != "\n" and not character.isprintable()]


@pytest.mark.parametrize(
    "fields",
    [
        {"since": None, "deadline_s": None, "next": None, "mirrored": None, "indexes": None, "history": None},
        {"since": "yesterday", "indexes": {"uplink_sw_if_index": None, "host_sw_if_index": None}, "why": ""},
        {"since": "2026-01-02T03:04:05"},
    ],
)
def test_a_document_with_gaps_is_shown_all_the_same(fields: dict[str, Any]) -> None:
    assert state_text(document(uplink(**fields)), NOW).startswith("enp216s0f1  Steady")


@pytest.mark.parametrize(
    ("since", "shown"),
    [("03:08:16", "(1 s)"), ("02:08:00", "(1 h 0 min)"), ("03:09:00", "(0 s)")],
)
def test_durations(since: str, shown: str) -> None:
    assert shown in state_text(document(uplink(since=f"2026-01-02T{since}+00:00")), NOW)


async def test_json_is_the_document(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_verb("state", "--json", "--runtime-dir", str(daemon.runtime_dir)) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == daemon.document
    assert err == ""


async def test_the_environment_names_the_daemon_too(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTLINK_RUNTIME_DIR", str(daemon.runtime_dir))
    assert await run_verb("state") == 0
    assert capsys.readouterr().out.startswith("enp216s0f1  Steady  since")


@pytest.mark.parametrize(
    "shown", [{"version": 2, "uplinks": []}, {"version": 1, "uplinks": "x"}, {"version": 1, "uplinks": [{"name": 1}]}]
)
@pytest.mark.parametrize("argv", [(), ("--json",), ("--wait", "Steady")])
async def test_a_state_that_this_command_does_not_understand_is_69(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], shown: dict[str, Any], argv: tuple[str, ...]
) -> None:
    daemon.document = shown
    assert await run_verb("state", *argv, "--runtime-dir", str(daemon.runtime_dir)) == 69
    out, err = capsys.readouterr()
    assert out == ""
    assert "the daemon's state" in err


def test_no_daemon_is_69_and_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["state", "--runtime-dir", str(tmp_path)]) == 69
    err = capsys.readouterr().err
    assert f"no daemon answers on {tmp_path}/control.sock: there is no such socket" in err


def test_a_socket_left_behind_is_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    assert cli.main(["state", "--runtime-dir", str(tmp_path)]) == 69
    assert "nobody listens there" in capsys.readouterr().err


async def test_something_else_that_answers_is_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(str(tmp_path / "control.sock"))
    listener.listen(1)

    async def answer() -> None:
        connection, _ = await listener.accept()
        await connection.recv(1000)
        await connection.send(b"220 mail.example.org ESMTP\0")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert await run_verb("state", "--runtime-dir", str(tmp_path)) == 69
    assert "is no hostlink daemon" in capsys.readouterr().err
    listener.close()


# ---------------------------------------------------------------------------------------------------- --wait, --watch


async def wait_for(daemon: FakeDaemon, state: str, *argv: str, timeout_s: float = 10) -> int:
    return await run_verb(
        "state", "--wait", state, "--timeout", str(timeout_s), "--runtime-dir", str(daemon.runtime_dir), *argv
    )


async def test_wait_returns_when_the_state_is_there(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.show(document(uplink("Detecting")))

    async def move() -> None:
        await daemon.subscribed.wait()
        daemon.show(document(uplink("Mirroring")))
        await trio.sleep(0.05)
        daemon.show(document(uplink("Steady")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(move)
        assert await wait_for(daemon, "steady") == 0
    assert capsys.readouterr().out.startswith("enp216s0f1  Steady")


async def test_wait_in_time_or_75_with_what_was_seen(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.show(document(uplink("Handover", why="it takes its time")))
    assert await wait_for(daemon, "Steady", timeout_s=0.1) == 75
    assert "Steady was not reached in 0.1 s: enp216s0f1 is in Handover (it takes its time)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["failed", "operator"])
async def test_wait_fails_at_once_when_only_an_operator_can_move_it(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    daemon.show(document(uplink("Detecting", **hold(kind))))
    assert await wait_for(daemon, "Steady") == 1
    assert "will not reach Steady by itself: VPP refused it; see" in capsys.readouterr().err
    assert await wait_for(daemon, "Detecting") == 0


async def test_wait_goes_on_while_a_hold_clears_by_itself(daemon: FakeDaemon) -> None:
    daemon.show(document(uplink("Detecting", **hold("vpp_lost"))))
    assert await wait_for(daemon, "Steady", timeout_s=0.1) == 75


async def test_wait_means_all_uplinks_or_the_one_that_is_named(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.show(document(uplink("Steady"), uplink("Capturing", name="eth1")))
    assert await wait_for(daemon, "Steady", timeout_s=0.1) == 75
    assert await wait_for(daemon, "Steady", "--uplink", "enp216s0f1") == 0
    assert await wait_for(daemon, "Steady", "--uplink", "eth9") == 1
    assert "no uplink 'eth9'; there are enp216s0f1, eth1" in capsys.readouterr().err


async def test_wait_for_a_daemon_that_is_still_starting(tmp_path: Path) -> None:
    daemon = FakeDaemon(tmp_path / "run")

    async with trio.open_nursery() as nursery:

        async def start_late() -> None:
            await trio.sleep(0.15)
            await nursery.start(daemon.serve)

        nursery.start_soon(start_late)
        assert await wait_for(daemon, "Steady") == 0
        nursery.cancel_scope.cancel()


async def test_wait_for_a_daemon_that_ends_meanwhile_is_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = FakeDaemon(tmp_path / "run")
    daemon.document = document(uplink("Detecting"))
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            async with trio.open_nursery() as serving:
                await serving.start(daemon.serve)
                await daemon.subscribed.wait()
                serving.cancel_scope.cancel()

        nursery.start_soon(end)
        assert await wait_for(daemon, "Steady") == 69
    assert "it ended the connection" in capsys.readouterr().err


def test_wait_with_no_daemon_in_time_is_69(tmp_path: Path) -> None:
    assert cli.main(["state", "--wait", "Steady", "--timeout", "0.1", "--runtime-dir", str(tmp_path)]) == 69


def test_a_state_that_the_machine_does_not_have_is_64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["state", "--wait", "Broken", "--runtime-dir", str(tmp_path)]) == 64
    assert "no state 'Broken': the machine has Detecting, Capturing" in capsys.readouterr().err


async def test_watch_shows_each_change_until_the_daemon_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = FakeDaemon(tmp_path / "run")
    async with trio.open_nursery() as nursery:

        async def live() -> None:
            async with trio.open_nursery() as serving:
                await serving.start(daemon.serve)
                await daemon.subscribed.wait()
                daemon.show(document(uplink("Mirroring")))
                await trio.sleep(0.1)
                serving.cancel_scope.cancel()

        nursery.start_soon(live)
        while not (daemon.runtime_dir / "control.sock").exists():  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert await run_verb("state", "--watch", "--json", "--runtime-dir", str(daemon.runtime_dir)) == 69
    shown = [json.loads(line)["uplinks"][0]["state"] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["Steady", "Mirroring"]
