"""What `hostlink state --json` shows: the daemon's view of itself as plain JSON values, versioned.

Times are UTC, ISO 8601. A field is added within a version; one that changes its meaning makes a new version.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import trio

from hostlink.core.machine import UplinkMachine
from hostlink.core.table import HOLDS, STATES
from hostlink.core.vpp_tables import host_table_of
from hostlink.problems import explain
from hostlink.problems.showing import Seen
from hostlink.progress import Progress
from hostlink.rounds import Round
from hostlink.runner import Recorded, Runner
from hostlink.steps.context import Node

VERSION = 1
HISTORY_SHOWN = 50

Json = dict[str, object]


def state_report(node: Node, runners: Iterable[Runner]) -> Json:
    """The whole answer to GetState."""
    vpp = {
        "reachable": node.vpp.dataplane is not None or bool(node.vpp.obstacles),
        "version": node.vpp.version,
        "pid": node.vpp.pid,
        "api_socket": str(node.config.vpp.api_socket),
        "namespace": node.config.vpp.namespace,
        "error": node.vpp.last_error,
    }
    return {"version": VERSION, "vpp": vpp, "uplinks": [_uplink(runner) for runner in runners]}


def _uplink(runner: Runner) -> Json:
    machine, uplink = runner.machine, runner.uplink
    ports = uplink.ports
    return {
        "name": uplink.name,
        "state": STATES[machine.state].title,
        "since": runner.since.isoformat(timespec="milliseconds"),
        "why": machine.why,
        "next": machine.next,
        "deadline_s": _left(runner),
        "hold": _hold(machine),
        "problems": [_problem(seen) for seen in runner.look_at_problems()],
        "mirrored": {key: uplink.mirrored.get(key, 0) for key in ("addresses", "routes_ipv4", "routes_ipv6")},
        "tables": [
            {"table": host_table_of(one.table_id), "family": int(one.family), "vpp_table_id": one.table_id}
            for one in sorted(uplink.tables)
        ],
        "indexes": {
            "uplink_sw_if_index": ports.uplink.sw_if_index if ports.uplink else None,
            "host_sw_if_index": ports.host.sw_if_index if ports.host else None,
        },
        "progress": _progress(uplink.work.long),
        "last_reconvergence": _round(runner.rounds.last),
        "last_audit": _round(runner.rounds.last_audit),
        "driver": uplink.config.driver,
        "host_link": uplink.config.host_link,
        "history": [_recorded(one) for one in list(runner.history)[-HISTORY_SHOWN:]],
    }


def _round(one: Round | None) -> Json | None:
    if one is None:
        return None
    return {
        "at": one.at.isoformat(timespec="milliseconds"),
        "why": one.why,
        "changes": list(one.changes),
        "change_count": one.count,
        "duration_ms": round(one.duration_s * 1000, 1),
    }


def _progress(one: Progress | None) -> Json | None:
    if one is None:
        return None
    since = one.at.isoformat(timespec="milliseconds")
    return {"what": one.what, "done": one.done, "total": one.total, "since": since}


def _left(runner: Runner) -> float | None:
    if runner.deadline_at is None or runner.machine.deadline_s is None:
        return None
    return round(max(0.0, runner.deadline_at - time.monotonic()), 1)


def _hold(machine: UplinkMachine) -> Json | None:
    hold = machine.hold
    if hold is None:
        return None
    text = HOLDS[hold.kind]
    return {"kind": hold.kind.value, "title": text.title, "reason": hold.reason, "clears": text.clears}


def _problem(seen: Seen) -> Json:
    record = explain(seen.problem.code)
    return {
        "code": record.code,
        "title": record.title,
        "severity": record.severity.value,
        "detail": seen.problem.detail,
        "to_do": record.to_do,
        "shown_in_s": round(max(0.0, seen.shown_at_s - trio.current_time()), 1),
        "hidden_by": seen.hidden_by,
    }


def _recorded(one: Recorded) -> Json:
    move = one.transition
    return {
        "at": one.at.isoformat(timespec="milliseconds"),
        "from": STATES[move.frm].title,
        "to": STATES[move.to].title,
        "trigger": move.trigger.value if move.trigger is not None else None,
        "why": move.why,
        "quiet": move.quiet,
    }
