"""What somebody else has changed in VPP, and whether it is put right or only told.

Drift is what VPP lacks, or has too much, of what the host's *last* view asked for, once VPP was brought to it. With
`[vpp] drift = "report"` it is told (HL-306) and left; what the host asks for since is carried over all the same. So
what was left is healed only when the host changes that very thing. (Of what the uplinks share, redirects and punting,
one part leans on the other: a change of the host's that concerns it brings all of it to what it should be.)

A takeover's first round, an adoption and a new VPP know no last view: there is no drift then, only what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from hostlink.core.alike import prefix_at
from hostlink.core.describe import describe_all
from hostlink.core.events import some
from hostlink.core.model import Prefix, Problem, VppPaths, VppUplink
from hostlink.core.operations import AddVppRoute, AddVppTable, ChangeVppRoutes, DeleteVppRoute, VppOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.vpp_tables import tables_of
from hostlink.problems import problem
from hostlink.steps.context import Node, Uplink

REPORT = "report"


def is_only_told(node: Node) -> bool:
    """Whether drift is left alone."""
    return node.config.vpp.drift == REPORT


def drifted(uplink: Uplink, plan: Iterable[VppOperation], actual: VppUplink) -> tuple[VppOperation, ...]:
    """The operations of the plan that would heal drift, where that is only to be told."""
    return parted(uplink, plan, actual)[0]


def parted(
    uplink: Uplink, plan: Iterable[VppOperation], actual: VppUplink
) -> tuple[tuple[VppOperation, ...], tuple[VppOperation, ...]]:
    """(what would heal drift and is only to be told, what is to be done), each in the plan's order."""
    before, plan = uplink.wished, tuple(plan)
    if before is None or not plan or not is_only_told(uplink.node):
        return (), plan
    is_sure = _wanted_before(uplink, before)
    # Of one that was emptied since, and is to go, the book says nothing any more.
    tables = before.tables if uplink.truth is None else uplink.tables
    before, actual = (replace(one, routes=frozenset(), packed={}) for one in (replace(before, tables=tables), actual))
    healing = set(plan_uplink(before, actual))
    parts = [part for one in plan for part in _of_routes(one, is_sure) or [(one, one in healing)]]
    added = (one.route for one, drift in parts if not drift and isinstance(one, AddVppRoute))
    asked = {AddVppTable(table) for table in tables_of(added)}  # which what the host asks for now stands on
    left = tuple(one for one, drift in parts if drift and one not in asked)
    return left, tuple(one for one, drift in parts if not drift or one in asked)


_IsSure = Callable[[int, Prefix, VppPaths | None], bool]
"""Whether VPP should have had, and has had, just these paths (None: nothing) for a prefix of one of its tables."""


def _wanted_before(uplink: Uplink, before: VppUplink) -> _IsSure:
    if (truth := uplink.truth) is not None:
        return lambda table, prefix, paths: truth.is_sure_of((table, prefix), paths)
    there = {(route.table_id, route.prefix): route for route in before.routes}
    return lambda table, prefix, paths: before.paths_at(table, prefix, there) == paths


def _of_routes(one: VppOperation, is_sure: _IsSure) -> list[tuple[VppOperation, bool]]:
    """Of an operation on routes its parts, and whether each is drift: what VPP differs in was so wanted before too."""
    match one:
        case AddVppRoute(route):
            return [(one, is_sure(route.table_id, route.prefix, route.paths))]
        case DeleteVppRoute(route):
            return [(one, is_sure(route.table_id, route.prefix, None))]
        case ChangeVppRoutes(packed):
            parts = packed.parted(lambda place, paths: is_sure(0, prefix_at(place), paths))
            return [(ChangeVppRoutes(part), drift) for part, drift in zip(parts, (True, False), strict=True) if part]
        case _:
            return []


def told(name: str, left: Sequence[VppOperation]) -> tuple[Problem, ...]:
    """The problem that names what was left."""
    if not left:
        return ()
    words = some(describe_all(left))
    return (problem("HL-306", f"{name}: to put it right hostlink would: {words}"),)
