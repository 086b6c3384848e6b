"""What a round of Mirroring and Punting would do now to an uplink that is taken over. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hostlink.core.cluster import plan_cluster
from hostlink.core.difference import CHANGE, INTERFACES, LINUX, VPP, Kind, Line, Named, lines
from hostlink.core.foreseen import carried
from hostlink.core.model import HostView
from hostlink.core.operations import AddVppRoute, HostOperation, SetHostLink, VppOperation
from hostlink.journal import Phase
from hostlink.steps.context import Uplink
from hostlink.steps.drift import drifted, is_only_told
from hostlink.steps.made import filling
from hostlink.steps.mirror import Difference, cluster_wish, difference, superseded_plan
from hostlink.steps.offload import in_thread
from hostlink.steps.punt import contribution
from hostlink.steps.shared import shared_plan, union
from hostlink.steps.view import host_view, is_lost_source

LEFT = "only told, and left (drift = report)"
"""What stands in the place of a group's name where nothing would be done."""


@dataclass(frozen=True, slots=True)
class Differing:
    """Lines, made as they are asked for, in the order in which they would be carried out; `count`: about how many."""

    lines: Iterator[Line]
    count: int


async def differ(uplink: Uplink, limit: int | None = None) -> Differing:
    """Raises StepError, KernelError, VppError.

    limit: so many lines of a kind in a row are told, the rest only counted.
    """
    view = await host_view(uplink)
    filled = await in_thread(len(view.routes), _filled, uplink, view)
    view, host = (carried(uplink.left_of_last_good(), view, filled), filled) if filled else (view, ())
    host = (*host, *_others(uplink, view))
    found = await difference(uplink, view)
    shared = await _shared(uplink, view)
    named = replace(_named(uplink, view, found), limit=limit)
    left = frozenset(drifted(uplink, found.plan, found.actual))
    told = _lines(uplink, view, host, (found.plan, shared, left), named)
    return Differing(told, len(host) + len(found.plan) + len(shared))


def _filled(uplink: Uplink, view: HostView) -> tuple[HostOperation, ...]:
    """What a host link lacks that is not the host's own word yet, or was set down (steps/mirror.py, fill_host)."""
    if uplink.taken().phase is not Phase.CAPTURED and not is_lost_source(uplink, view):
        return ()
    return tuple(filling(uplink.left_of_last_good(), view))


def _others(uplink: Uplink, view: HostView) -> Iterator[HostOperation]:
    owned, nic = uplink.taken().owned, uplink.taken().capture.view.link
    yield from superseded_plan(uplink, view)
    plan, _ = plan_cluster(cluster_wish(uplink.node.config.cluster, view), view, owned)
    yield from plan
    if view.link.mac != nic.mac:
        yield SetHostLink(view.link.index, mac=nic.mac)


async def _shared(uplink: Uplink, view: HostView) -> tuple[VppOperation, ...]:
    node = uplink.node
    desired = union({**node.contributions, uplink.name: contribution(uplink, view)}.values())
    return await shared_plan(node, desired, await node.dataplane().read_shared())


def _named(uplink: Uplink, view: HostView, found: Difference) -> Named:
    ports = (uplink.ports.uplink, uplink.ports.host)
    vpp = {port.sw_if_index: port.name for port in ports if port is not None}
    replaces = any(isinstance(operation, AddVppRoute) for operation in found.plan)
    before = {(one.table_id, one.prefix): one for one in found.actual.routes} if replaces else None
    return Named(vpp, {view.link.index: view.link.name}, before=before)


def _lines(
    uplink: Uplink,
    view: HostView,
    host: tuple[HostOperation, ...],
    plans: tuple[tuple[VppOperation, ...], tuple[VppOperation, ...], frozenset[VppOperation]],
    named: Named,
) -> Iterator[Line]:
    mirror, shared, left = plans
    if view.link.name != uplink.name:
        yield Line(Kind(LINUX, INTERFACES), CHANGE, f"{view.link.name}: renamed to {uplink.name}")
    yield from lines(host, named)
    for operation, line in zip(mirror, lines(mirror, named), strict=True):
        yield Line(Kind(VPP, LEFT), line.change, line.text, line.was) if operation in left else line
    told = is_only_told(uplink.node) and uplink.node.dataplane().settled is not None
    for line in lines(shared, named):
        yield Line(Kind(VPP, LEFT), line.change, line.text, line.was) if told else line
