"""What `--json` prints is what its schema in hostlink/schemas says, in every state on the way there and back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

import hostlink
from hostlink.core.table import HOLDS, STATES
from hostlink.lab.children import child
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, open_stage
from tests.system.links import settled
from tests.system.rounds import eventually

pytestmark = pytest.mark.once

SCHEMAS = Path(hostlink.__file__).parent / "schemas"


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def checked(name: str, text: str | bytes) -> Any:
    """The document. Fails with every place where it is unlike its schema."""
    document = json.loads(text)
    faults = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]
    assert not faults, faults
    return document


@pytest.mark.parametrize("name", ["state", "history"])
def test_the_schemas_name_the_machines_states(name: str) -> None:
    definitions = json.loads((SCHEMAS / f"{name}.json").read_text())["$defs"]
    assert definitions["state"]["enum"] == [state.title for state in STATES.values()]
    if name == "state":
        assert definitions["hold"]["properties"]["kind"]["enum"] == [kind.value for kind in HOLDS]


async def test_every_document_of_a_takeover_and_of_the_way_back(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        config = ("--config", str(stage.config))
        checked("alone", (await stage.hostlink("state", "--json", *config)).stdout)
        assert checked("plan", (await stage.hostlink("plan", "--json", *config)).stdout)["uplinks"][0]["takeover"]
        stage.start_daemon()
        await stage.wait_state("Detecting")
        log = stage.directory / "documents"
        watching = [sys.executable, "-m", "hostlink", "state", "--watch", "--json", "--runtime-dir", str(stage.runtime)]
        with log.open("wb") as out, child(stage.lab.host, watching, stdout=out.fileno()):
            await stage.wait_state("Steady")
            await stage.on_host("ip", "route", "add", "203.0.113.0/24", "dev", NIC, "table", "4711")
            checked("plan", (await stage.hostlink("plan", "--json")).stdout)
            await settled(stage)
            assert checked("plan", (await stage.hostlink("plan", "--json")).stdout)["uplinks"][0]["groups"] == []
            assert (await stage.hostlink("state", "--audit")).returncode == 0
            assert (await stage.hostlink("release")).returncode == 0

            async def is_held() -> bool:
                return b'"kind": "operator"' in log.read_bytes()

            await eventually("the hold was told", is_held)
        documents = [checked("state", line) for line in log.read_text().splitlines()]
        seen = [document["uplinks"][0] for document in documents]
        assert {uplink["state"] for uplink in seen} >= {"Steady", "Recovering", "Detecting"}
        assert any(uplink["tables"] for uplink in seen)
        assert any(uplink["last_audit"] for uplink in seen)
        assert len(checked("history", (await stage.hostlink("state", "--history", "--json")).stdout)["moves"]) > 5
        assert checked("plan", (await stage.hostlink("plan", "--json")).stdout)["uplinks"][0]["held"]
        checked("alone", (await stage.hostlink("state", "--json", "--runtime-dir", "/nonexistent", *config)).stdout)
