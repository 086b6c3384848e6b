"""What the control socket's methods do: show what is, or hand an event to the machines. Nothing is decided here.

The interface is described in hostlink/interface.py, from the schemas of what these answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from hostlink.confirming import confirm_all
from hostlink.control import Handler, Request
from hostlink.core.events import AuditRequested, ReleaseRequested, ResumeRequested
from hostlink.core.machine import AUDITED
from hostlink.history import VERSION as HISTORY_VERSION
from hostlink.history import History
from hostlink.interface import introspection
from hostlink.notices import Notices
from hostlink.planning import plan_report
from hostlink.report import state_report
from hostlink.runner import OperatorEvent, Runner
from hostlink.steps.context import Node
from hostlink.varlink import INVALID_PARAMETER, REFUSED, CallError
from hostlink.version import installed_version


def control_handlers(node: Node, runners: list[Runner], notices: Notices, history: History) -> Mapping[str, Handler]:
    async def get_state(_: Request) -> Mapping[str, object]:
        return state_report(node, runners)

    async def subscribe(request: Request) -> Mapping[str, object]:
        request.require_more()
        with notices.watch() as watch:
            while True:
                await request.send(state_report(node, runners))
                await watch.wait_changed()

    async def get_history(_: Request) -> Mapping[str, object]:
        return {"version": HISTORY_VERSION, "moves": list(history.moves)}

    planning = trio.Lock()

    async def get_plan(request: Request) -> Mapping[str, object]:
        """One at a time: with a full table it is work for seconds."""
        limit = _limit(request)
        async with planning:
            return await plan_report(node, runners, limit)

    async def release(request: Request) -> Mapping[str, object]:
        request.require_root()
        return await _ask_all(runners, ReleaseRequested())

    async def resume(request: Request) -> Mapping[str, object]:
        request.require_root()
        return await _ask_all(runners, ResumeRequested())

    async def audit(request: Request) -> Mapping[str, object]:
        """Answered when both sides were compared. Whoever asks meanwhile is answered by the same look, or the next."""
        request.require_root()
        with notices.watch() as watch:
            await _ask_all(runners, AuditRequested())
            while any(runner.machine.state in AUDITED for runner in runners):
                await watch.wait_changed()
        return state_report(node, runners)

    async def confirm(request: Request) -> Mapping[str, object]:
        request.require_root()
        await confirm_all(runners, notices)
        return {}

    handlers: dict[str, Handler] = {
        "io.hostlink.Audit": audit,
        "io.hostlink.Confirm": confirm,
        "io.hostlink.GetState": get_state,
        "io.hostlink.Subscribe": subscribe,
        "io.hostlink.GetHistory": get_history,
        "io.hostlink.GetPlan": get_plan,
        "io.hostlink.Release": release,
        "io.hostlink.Resume": resume,
    }
    return {**handlers, **introspection(handlers, installed_version())}


async def _ask_all(runners: list[Runner], event: OperatorEvent) -> Mapping[str, object]:
    """Ask every uplink's machine; refused only when all refuse."""
    refusals = [await runner.request(event) for runner in runners]
    if all(refusal is not None for refusal in refusals):
        raise CallError(REFUSED, {"message": "; ".join(str(refusal) for refusal in refusals)})
    return {}


def _limit(request: Request) -> int | None:
    limit = request.parameters.get("limit")
    if limit is None or (type(limit) is int and limit >= 0):
        return limit
    raise CallError(INVALID_PARAMETER, {"parameter": "limit"})
