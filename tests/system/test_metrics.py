"""Metrics of a daemon at work, by its Unix socket and in node-exporter's file; each that the rules name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import settled
from tests.system.rounds import eventually
from tests.test_exposition import get

pytestmark = pytest.mark.once

MONITORING = Path(__file__).parents[2] / "contrib" / "monitoring"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


async def test_what_a_takeover_and_a_change_leave_in_the_metrics(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        socket, file = stage.directory / "metrics.sock", stage.directory / "hostlink.prom"
        with stage.config.open("a") as config:
            config.write(f'\n[metrics]\nlisten = "{socket}"\ntextfile = "{file}"\n')
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.on_host("ip", "route", "add", "203.0.113.0/24", "dev", NIC)
        await settled(stage)
        text = await scraped(stage, socket)
        found = samples(text)
        assert value(found, "hostlink_state", uplink=NIC, state="Steady") == 1
        assert value(found, "hostlink_state", uplink=NIC, state="Detecting") == 0
        assert value(found, "hostlink_vpp_reachable") == 1
        assert value(found, "hostlink_vpp_losses_total") == 0
        moves = {"from": "Handover", "to": "Mirroring"}
        assert value(found, "hostlink_transitions_total", uplink=NIC, **moves) == 1
        rounds = value(found, "hostlink_reconvergence_seconds_count", uplink=NIC)
        assert rounds
        assert rounds >= 2
        assert (value(found, "hostlink_operations_total", uplink=NIC) or 0) > 10
        assert value(found, "hostlink_pending_operations", uplink=NIC) == 0
        state = await stage.state()
        routes = value(found, "hostlink_mirrored", uplink=NIC, kind="routes_ipv4")
        assert routes == state["mirrored"]["routes_ipv4"] > 0
        for problem in state["problems"]:
            labels = {"code": problem["code"], "severity": problem["severity"]}
            assert value(found, "hostlink_problems", uplink=NIC, **labels)

        async def is_in_the_file() -> bool:
            return value(samples(file.read_text()), "hostlink_reconvergence_seconds_count", uplink=NIC) == rounds

        await eventually("the file has it too", is_in_the_file, 15)
        known = {name for name, _ in found} | set(re.findall(r"(?m)^# TYPE (\S+)", text))
        assert named_in_monitoring() <= known


async def scraped(stage: Stage, socket: Path) -> str:
    status, _, text = await trio.to_thread.run_sync(get, socket)
    assert status == 200, stage.log
    return text.decode()


def named_in_monitoring() -> set[str]:
    text = "".join(path.read_text() for path in MONITORING.iterdir())
    return set(re.findall(r"\bhostlink_[a-z0-9_]+", text))


def test_the_alert_rules_are_rules() -> None:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert set(rule["annotations"]) == {"summary", "description"}, rule
