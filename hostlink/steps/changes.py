"""Carrying a plan out so that what stays is not disturbed by what goes (core/plan_gaps.py says what would be)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hostlink.core.model import HostView, IPAddress, IPInterface
from hostlink.core.operations import VppOperation
from hostlink.core.plan_gaps import before_losing, forgets, with_learnt
from hostlink.steps.context import Uplink
from hostlink.steps.punt import contribution
from hostlink.steps.shared import settle_shared


async def carry_out_in_vpp(
    uplink: Uplink, view: HostView, plan: Sequence[VppOperation], wanted: Collection[IPInterface]
) -> tuple[VppOperation, ...]:
    """Apply the plan for that view. Returns what was done, in its order. Raises StepError, VppError.

    wanted: the addresses that the uplink in VPP ends with. Where an address goes that packets are punted to, the punt
    redirect leaves it in between: after its successor is there, and before its neighbour goes.
    """
    before, after = before_losing(plan, _punted_to(uplink))
    await _apply(uplink, before, wanted)
    if not after:
        return before
    uplink.node.contributions[uplink.name] = contribution(uplink, view)
    shared = await settle_shared(uplink.node)
    await _apply(uplink, after, wanted)
    return (*before, *shared.done, *after)


def _punted_to(uplink: Uplink) -> set[IPAddress]:
    """The host's addresses that the punt redirects of this uplink are for now. None before there are any."""
    ours = uplink.node.contributions.get(uplink.name)
    return {redirect.path.next_hop for redirect in ours.redirects if redirect.path.next_hop} if ours else set()


async def _apply(uplink: Uplink, plan: Sequence[VppOperation], wanted: Collection[IPInterface]) -> None:
    dataplane = uplink.node.dataplane()
    forgotten = forgets(plan)
    learnt = await dataplane.learnt_neighbours(forgotten) if forgotten else ()
    for part in with_learnt(plan, learnt, wanted):
        await dataplane.apply(part, uplink.advanced)
