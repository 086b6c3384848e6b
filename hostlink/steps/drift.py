"""What somebody else has changed in VPP, and whether it is put right or only told.

Drift is what VPP lacks, or has too much, of what the host's *last* view asked for. With `[vpp] drift = "report"` it is
told (HL-306) and left; what the host asks for since is carried over all the same. So what was left is healed only when
the host changes that very thing. (Of what the uplinks share, redirects and punting, one part leans on the other: a
change of the host's that concerns it brings all of it to what it should be.)

A takeover's first round, an adoption and a new VPP know no last view: there is no drift then, only what is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hostlink.core.describe import describe
from hostlink.core.events import some
from hostlink.core.model import Problem, VppUplink
from hostlink.core.operations import AddVppRoute, AddVppTable, VppOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.vpp_tables import tables_of
from hostlink.problems import problem
from hostlink.steps.context import Node, Uplink

REPORT = "report"


def is_only_told(node: Node) -> bool:
    """Whether drift is left alone."""
    return node.config.vpp.drift == REPORT


def drifted(uplink: Uplink, plan: Sequence[VppOperation], actual: VppUplink) -> tuple[VppOperation, ...]:
    """The operations of the plan that would heal drift, where that is only to be told."""
    before = uplink.wished
    if before is None or not plan or not is_only_told(uplink.node):
        return ()
    if uplink.truth is not None:
        before = replace(before, routes=uplink.truth.mirrored(), tables=uplink.truth.tables())
    healing = set(plan_uplink(before, actual))
    asked = tables_of(one.route for one in plan if isinstance(one, AddVppRoute) and one not in healing)
    healing -= {AddVppTable(table) for table in asked}  # which what the host asks for now stands on
    return tuple(operation for operation in plan if operation in healing)


def told(name: str, left: Sequence[VppOperation]) -> tuple[Problem, ...]:
    """The problem that names what was left."""
    if not left:
        return ()
    words = some([describe(operation) for operation in left])
    return (problem("HL-306", f"{name}: to put it right hostlink would: {words}"),)
