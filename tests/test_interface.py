"""Introspection, by another Varlink implementation: it reads our description, and calls us by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import varlink as their_varlink

from hostlink.control import Request, serve_control
from hostlink.interface import descriptions, introspection

from .cli.conftest import document, uplink


@pytest.mark.parametrize("name", ["org.varlink.service", "io.hostlink"])
def test_a_description_is_varlink(name: str) -> None:
    assert their_varlink.Interface(descriptions()[name]).name == name


async def test_a_foreign_client_finds_the_interface_and_calls_it(tmp_path: Path) -> None:
    async def get_state(_: Request) -> Mapping[str, object]:
        return document(uplink())

    handlers = {"io.hostlink.GetState": get_state}
    path = tmp_path / "control.sock"

    def call() -> tuple[Any, Any, list[str]]:
        with their_varlink.Client(f"unix:{path}") as client:
            with client.open("org.varlink.service") as service:
                info = service.GetInfo()
            with client.open("io.hostlink") as connection:
                return connection.GetState(), info, client.get_interfaces()

    async with trio.open_nursery() as nursery:
        all_handlers = {**handlers, **introspection(handlers, "1.2.3")}
        await nursery.start(lambda task_status: serve_control(path, all_handlers, task_status=task_status))
        state, info, interfaces = await trio.to_thread.run_sync(call)
        nursery.cancel_scope.cancel()
    assert state["uplinks"][0]["state"] == "Steady"
    assert interfaces == ["io.hostlink", "org.varlink.service"]
    assert info["version"] == "1.2.3"
