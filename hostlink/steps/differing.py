"""What a round of Mirroring and Punting would do now to an uplink that is taken over. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import trio

from hostlink.clock import boottime_s
from hostlink.core.cluster import plan_cluster
from hostlink.core.difference import CHANGE, INTERFACES, LINUX, VPP, Before, Kind, Line, Named, lines
from hostlink.core.foreseen import carried
from hostlink.core.lifetimes import aged
from hostlink.core.model import HostView, Prefix, VppRoute, VppUplink
from hostlink.core.operations import AddVppRoute, EachOperation, HostOperation, SetHostLink, VppOperation
from hostlink.journal import Phase, Takeover
from hostlink.steps.context import Uplink
from hostlink.steps.difference import Difference, difference
from hostlink.steps.drift import drifted, is_only_told
from hostlink.steps.keep_link import MAC
from hostlink.steps.made import filling
from hostlink.steps.mirror import cluster_wish, superseded_plan
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
    seen = await host_view(uplink)
    # Here, and not in the thread: steps go on meanwhile, and change the book that it is read from.
    takeover = uplink.caught_up() if _is_filled(uplink, seen) else uplink.held()
    host = await in_thread(len(seen.routes), on_host, uplink, takeover, seen, trio.current_time())
    found = await difference(uplink, host.view)
    shared = await _shared(uplink, host.view)
    named = replace(_named(uplink, host.view, found), limit=limit)
    left = frozenset(drifted(uplink, found.steps, found.actual))
    told = _lines(uplink, host, (found.plan, shared, left), named)
    return Differing(told, len(host.plan) + len(found.plan) + len(shared))


@dataclass(frozen=True, slots=True)
class OnHost:
    """What would be done on the host."""

    plan: tuple[HostOperation, ...]
    view: HostView
    """The host link as VPP would be told of it."""
    was_called: str | None = None
    """The name that it would lose."""


def _is_filled(uplink: Uplink, view: HostView) -> bool:
    """Whether the host link gets what the NIC had."""
    return uplink.held().phase is Phase.CAPTURED or is_lost_source(uplink, view)


def on_host(uplink: Uplink, takeover: Takeover, view: HostView, now_s: float) -> OnHost:
    """What of a round is done on the host (steps/mirror.py, _round), where `view` is the host link as it is.

    now_s: trio.current_time(). What somebody does again and again is left to him (fights.py).
    """
    plan = list[HostOperation]()
    nic = takeover.capture.view.link
    if _is_filled(uplink, view):
        wanted = aged(takeover.last_good, takeover.age_s(boottime_s()))
        plan += filling(wanted, view)
        view = carried(wanted, view, plan)
    plan += superseded_plan(uplink, view)
    cluster, _ = plan_cluster(cluster_wish(uplink.node.config.cluster, view), view, takeover.owned)
    plan += cluster
    if view.link.mac != nic.mac and not uplink.fights.paused(MAC, now_s):
        plan.append(SetHostLink(view.link.index, mac=nic.mac))
        view = replace(view, link=replace(view.link, mac=nic.mac))
    is_other = view.link.name != uplink.name and not uplink.told.get("name")
    return OnHost(tuple(plan), view, view.link.name if is_other else None)


async def _shared(uplink: Uplink, view: HostView) -> tuple[VppOperation, ...]:
    node = uplink.node
    desired = union({**node.contributions, uplink.name: contribution(uplink, view)}.values())
    return await shared_plan(node, desired, await node.dataplane().read_shared())


def _named(uplink: Uplink, view: HostView, found: Difference) -> Named:
    ports = (uplink.ports.uplink, uplink.ports.host)
    vpp = {port.sw_if_index: port.name for port in ports if port is not None}
    replaces = any(isinstance(operation, AddVppRoute) for operation in found.plan)
    return Named(vpp, {view.link.index: view.link.name}, before=_route_there(found.actual) if replaces else None)


def _route_there(actual: VppUplink) -> Before:
    values = {(one.table_id, one.prefix): one for one in actual.routes}

    def there(table_id: int, prefix: Prefix) -> VppRoute | None:
        paths = actual.paths_at(table_id, prefix, values)
        return None if paths is None else VppRoute(table_id, prefix, paths)

    return there


def _lines(
    uplink: Uplink,
    host: OnHost,
    plans: tuple[EachOperation, tuple[VppOperation, ...], frozenset[VppOperation]],
    named: Named,
) -> Iterator[Line]:
    mirror, shared, left = plans
    if host.was_called is not None:
        yield Line(Kind(LINUX, INTERFACES), CHANGE, f"{host.was_called}: renamed to {uplink.name}")
    yield from lines(host.plan, named)
    for operation, line in zip(mirror, lines(mirror, named), strict=True):
        yield Line(Kind(VPP, LEFT), line.change, line.text, line.was) if operation in left else line
    told = is_only_told(uplink.node) and uplink.node.dataplane().settled is not None
    for line in lines(shared, named):
        yield Line(Kind(VPP, LEFT), line.change, line.text, line.was) if told else line
