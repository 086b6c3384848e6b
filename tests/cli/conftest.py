"""A daemon for the verbs to talk to: the real control socket, and a state that the test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from hostlink import cli, varlink
from hostlink.control import Request, serve_control
from hostlink.varlink import CallError


def uplink(state: str = "Steady", **fields: Any) -> dict[str, Any]:
    return {
        "name": "enp216s0f1",
        "state": state,
        "since": "2026-01-02T03:04:05.000+00:00",
        "why": "the path is proved",
        "next": "a change, or the audit",
        "deadline_s": 43.0,
        "hold": None,
        "problems": [],
        "mirrored": {"addresses": 2, "routes_ipv4": 3, "routes_ipv6": 4},
        "indexes": {"uplink_sw_if_index": 1, "host_sw_if_index": 2},
        "history": [],
        **fields,
    }


def document(*uplinks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    vpp = {"reachable": True, "version": "26.06-release", "api_socket": "/run/vpp/api.sock"}
    return {"version": 1, "vpp": vpp, "uplinks": list(uplinks), **fields}


def hold(kind: str, reason: str = "VPP refused it") -> dict[str, Any]:
    return {"hold": {"kind": kind, "title": f"{kind} hold", "reason": reason, "clears": "an operator's resume"}}


PLANNED: dict[str, Any] = {
    "side": "VPP",
    "about": "routes",
    "family": 4,
    "table": 254,
    "count": 9,
    "lines": [
        {"change": "add", "text": "10.0.0.0/8 via 10.0.0.1 dev host-eth1", "was": None},
        {"change": "change", "text": "default via 10.0.0.1 dev host-eth1", "was": "default via 10.0.0.2 dev host-eth1"},
    ],
}


def planned(kind: str = "difference", **fields: Any) -> dict[str, Any]:
    return {
        "name": "enp216s0f1",
        "state": "Steady",
        "held": None,
        "kind": kind,
        "why": None,
        "totals": {"add": 8, "delete": 0, "change": 1},
        "groups": [],
        "takeover": None,
        "problems": [],
        **fields,
    }


def plan_document(*uplinks: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "alone": False, "vpp_reachable": True, "uplinks": list(uplinks)}


def takeover(**fields: Any) -> dict[str, Any]:
    """A planned takeover with one line."""
    phases = [{"state": "Mirroring", "title": "to VPP", "groups": [{**PLANNED, "count": 2}]}]
    plan = {
        "journal": "/var/lib/hostlink/enp216s0f1.json",
        "driver": "af_packet",
        "host_link": "veth",
        "mac": "52:54:00:40:46:8e",
        "parking": "vpp",
        "vpp_was_asked": True,
        "probes": ["192.0.2.1 (echo)"],
        "confirm_within_s": 30.0,
        "trial_s": None,
        "guard_runs": True,
        "outage_ms": 23,
        "phases": phases,
        **fields,
    }
    return planned("takeover", state="Detecting", takeover=plan)


class FakeDaemon:
    """Shows `document`; `show` changes it and tells subscribers. `calls` are the methods that it was asked for."""

    def __init__(self, runtime_dir: Path) -> None:
        self.runtime_dir = runtime_dir
        self.document = document(uplink())
        self.calls: list[str] = []
        self.plan = plan_document(planned(groups=[PLANNED]))
        self.limits: list[object] = []
        self.on_release: Callable[[], None] = lambda: None
        self.refusal: str | None = None
        self._changed = trio.Event()
        self.subscribed = trio.Event()

    def show(self, shown: dict[str, Any]) -> None:
        self.document = shown
        self._changed.set()
        self._changed = trio.Event()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        handlers = {
            varlink.GET_STATE: self._get_state,
            varlink.SUBSCRIBE: self._subscribe,
            varlink.RELEASE: self._release,
            varlink.RESUME: self._resume,
            varlink.CONFIRM: self._resume,
            varlink.GET_PLAN: self._get_plan,
        }
        await serve_control(self.runtime_dir / varlink.SOCKET_NAME, handlers, task_status=task_status)

    async def _get_state(self, request: Request) -> Mapping[str, object]:
        self.calls.append(request.call.method)
        return self.document

    async def _subscribe(self, request: Request) -> Mapping[str, object]:
        request.require_more()
        while True:
            changed = self._changed
            await request.send(self.document)
            self.subscribed.set()
            await changed.wait()

    async def _release(self, request: Request) -> Mapping[str, object]:
        self.calls.append(request.call.method)
        self.on_release()
        return {}

    async def _resume(self, request: Request) -> Mapping[str, object]:
        self.calls.append(request.call.method)
        if self.refusal:
            raise CallError(varlink.REFUSED, {"message": self.refusal})
        return {}

    async def _get_plan(self, request: Request) -> Mapping[str, object]:
        self.limits.append(request.parameters.get("limit"))
        return self.plan


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    daemon = FakeDaemon(tmp_path / "run")
    async with trio.open_nursery() as nursery:
        await nursery.start(daemon.serve)
        yield daemon
        nursery.cancel_scope.cancel()


async def run_verb(*argv: str) -> int:
    """The verb in a thread of its own, as it blocks; the daemon goes on."""
    return await trio.to_thread.run_sync(cli.main, argv)
