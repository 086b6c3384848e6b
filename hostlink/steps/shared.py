"""What the uplinks of a node share in VPP: brought to what they need together, one settler at a time.

What was found of the node's reassembly is remembered with the session only: a later life of the daemon does not know
it, and leaves the raised limits there rather than guess an operator's.

Only what is ours and nobody else of us needs is taken away: after a start, the other uplinks of the node may still be
waiting to be adopted, and their redirects, and the range and switches that they stand on, look like leftovers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hostlink.core.model import VppShared
from hostlink.core.operations import VppOperation
from hostlink.core.plan_shared import plan_shared
from hostlink.core.proxy_ranges import PROXIED, around, ours
from hostlink.steps.context import Node, fail
from hostlink.steps.drift import is_only_told
from hostlink.vpp.tags import host_tag

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """done: what was carried out. left: what was only to be told (steps/drift.py), and was left."""

    done: tuple[VppOperation, ...] = ()
    left: tuple[VppOperation, ...] = ()


async def settle_shared(node: Node, leaving: str | None = None) -> Settled:
    """Bring it to what the contributions say. Raises StepError, VppError.

    leaving: an uplink that is being given back.
    """
    async with node.shared_lock:
        dataplane, done = node.dataplane(), Settled()
        desired = union(node.contributions.values())
        for _ in range(ROUNDS):
            actual = await dataplane.read_shared()
            plan = await shared_plan(node, desired, actual, leaving)
            if plan and leaving is None and desired == dataplane.settled and is_only_told(node):
                return replace(done, left=plan)
            if not plan:
                dataplane.settled = desired
                return done
            await dataplane.apply(plan)
            done = replace(done, done=(*done.done, *plan))
        raise fail("HL-410", f"the node's punt path in VPP still differs after {ROUNDS} rounds: {plan}")


async def shared_plan(
    node: Node, desired: VppShared, actual: VppShared, leaving: str | None = None
) -> tuple[VppOperation, ...]:
    """What brings `actual`, which VPP has, to what the uplinks need together. Changes nothing. Raises VppError."""
    owned, kept = await _owned(node, actual, leaving)
    return plan_shared(beside_others(union((desired, kept)), actual), actual, owned)


async def _owned(node: Node, actual: VppShared, leaving: str | None) -> tuple[VppShared, VppShared]:
    """What may be taken away when nobody wants it, and what must stay because another uplink of ours stands on it."""
    names = {*node.contributions, *([leaving] if leaving else [])}
    ports = await node.dataplane().host_ports()
    settled = {ports[tag] for tag in map(host_tag, names) if tag in ports}
    owned = VppShared(frozenset(one for one in actual.redirects if one.path.sw_if_index in settled))
    if settled == set(ports.values()):
        raised, switched = node.dataplane().raised, node.dataplane().switched
        found = frozenset(raised[one] for one in actual.reassembly if one in raised)
        local = switched.get(actual.local_reassembly) if actual.local_reassembly else None
        punted = frozenset(node.dataplane().punted_l4)
        return VppShared(owned.redirects, ours(actual.proxy_ranges), punted, found, local), VppShared()
    proxied = frozenset({PROXIED}) if ours(actual.proxy_ranges) else frozenset()
    return owned, VppShared(frozenset(), proxied, actual.punted_l4)


def beside_others(desired: VppShared, actual: VppShared) -> VppShared:
    """`desired` with proxy ranges that keep clear of what other clients have."""
    others = actual.proxy_ranges - ours(actual.proxy_ranges)
    return replace(desired, proxy_ranges=around(desired.proxy_ranges, others))


def union(parts: Iterable[VppShared]) -> VppShared:
    """All of them in one."""
    total = VppShared()
    for part in parts:
        total = VppShared(
            total.redirects | part.redirects,
            total.proxy_ranges | part.proxy_ranges,
            total.punted_l4 | part.punted_l4,
            total.reassembly | part.reassembly,
            part.local_reassembly or total.local_reassembly,
        )
    return total
