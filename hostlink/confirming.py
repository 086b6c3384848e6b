"""A person's `hostlink confirm`: by the machine's own way, an audit, so that what is confirmed was just looked at."""

from __future__ import annotations

from collections.abc import Sequence

from hostlink.core.events import AuditRequested
from hostlink.notices import Notices
from hostlink.runner import Runner
from hostlink.steps.confirm import on_trial
from hostlink.varlink import REFUSED, CallError


async def confirm_all(runners: Sequence[Runner], notices: Notices) -> None:
    """Confirm every takeover that is on trial. Returns when that is durable. Raises CallError."""
    tried = [runner for runner in runners if _waits(runner)]
    if not tried:
        raise CallError(REFUSED, {"message": "no takeover waits for a confirmation"})
    with notices.watch() as watch:
        for runner in tried:
            runner.uplink.agreed = True
            if (refusal := await runner.request(AuditRequested())) is not None:
                raise CallError(REFUSED, {"message": refusal})
        while any(_is_unconfirmed(runner) for runner in tried):
            await watch.wait_changed()
    lost = [runner.uplink.name for runner in tried if runner.uplink.takeover is None]
    if lost:
        raise CallError(REFUSED, {"message": f"{', '.join(lost)} was given back meanwhile: see `hostlink state`"})


def _waits(runner: Runner) -> bool:
    return runner.uplink.takeover is not None and on_trial(runner.uplink)


def _is_unconfirmed(runner: Runner) -> bool:
    takeover = runner.uplink.takeover
    return takeover is not None and takeover.confirm is not None
