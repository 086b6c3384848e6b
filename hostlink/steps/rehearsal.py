"""A takeover that is only told: what Capturing, Handover, Mirroring and Punting would do now, in their order.

Made by what they are made of: the journal's takeover (capture.py), the things that it makes (made.py, bypass.py), the
plans of core for the host link, for VPP and for what the node shares. The order is told here a second time; a scenario
holds it, operation by operation, to what a takeover really does (tests/system/test_plan.py).

Nothing is touched: the host and VPP are read, no probe is sent. The numbers of what does not exist yet are made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from hostlink.core.cluster import cluster_gaps, plan_cluster
from hostlink.core.desired import PUNTED_L4, shared_desired, vpp_desired
from hostlink.core.desired_routes import taken_tables
from hostlink.core.difference import Line
from hostlink.core.foreseen import carried
from hostlink.core.model import (
    Family,
    HostView,
    Link,
    LocalReassembly,
    Probe,
    Problem,
    Reassembly,
    VppPort,
    VppShared,
    VppTable,
    VppUplink,
)
from hostlink.core.operations import HostOperation, PuntL4, VppOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.plan_shared import plan_shared
from hostlink.core.policy_rules import not_followed
from hostlink.core.table import State
from hostlink.journal import Takeover
from hostlink.kernel.snapshot import read_policy, read_view
from hostlink.steps.capture import takeover_of, wanted_probes
from hostlink.steps.context import Uplink, fail
from hostlink.steps.made import Tap, filling, port_mtu
from hostlink.steps.mirror import cluster_wish
from hostlink.steps.offload import in_thread
from hostlink.steps.outage import parted
from hostlink.steps.script import HOST_PORT, NIC_PORT, Stage, beside, mirrored, opened, outage, stage_of, written_down
from hostlink.steps.shared import shared_plan, union
from hostlink.steps.tables import without_kept

OUTAGE_MS = 23
"""How long a takeover kept the host waiting: measured by `tools/bench outage` (README, VPP 26.06, veth)."""
FRESH = VppShared(
    reassembly=frozenset(Reassembly(family, max_fragments=3) for family in Family), local_reassembly=LocalReassembly()
)
"""What the node shares in a VPP that nobody has told anything (25.10 and 26.06)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the takeover: in which state of the machine, what it is, and what is done."""

    state: State
    title: str
    lines: Iterator[Line]
    """Made as they are asked for: a full table has 100,000. The phases in their order, each once."""


@dataclass(slots=True)
class Rehearsal:
    """The whole takeover. `takeover`: what the journal would say of it."""

    takeover: Takeover
    probes: tuple[Probe, ...]
    """What is asked before: those that answer must answer again."""
    vpp_was_asked: bool
    """False: there is no VPP to be asked, and what is told of it is for one that nobody has told anything."""
    phases: list[Phase] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()
    """What of the host's wish VPP could not have."""
    count: int = 0
    """About how many lines there are."""


async def rehearse(real: Uplink, link: Link, limit: int | None = None) -> Rehearsal:
    """What taking `link` over would be now. Raises StepError, KernelError, VppError.

    limit: so many lines of a kind in a row are told, the rest only counted.
    """
    node = real.node
    view = await read_view(node.host, link.index)
    if view is None:
        raise fail("HL-405", f"{link.name} went away while it was looked at")
    uplink = Uplink(node, real.config, real.number, link.name, link.index, deaths=real.deaths)
    probes = wanted_probes(uplink, view)
    uplink.takeover = takeover = takeover_of(uplink, view, probes)
    stage = stage_of(uplink, takeover, limit)
    found = Rehearsal(takeover, probes, stage.dataplane is not None)
    wanted, blank = uplink.left_of_last_good(), stage.blank
    early, late = parted(await in_thread(len(wanted.routes), filling, wanted, blank))
    after = await in_thread(len(wanted.routes), carried, wanted, blank, (*early, *late))
    settle, after = _settled(wanted, after)
    first, second = await _shared(stage, after)
    mirror = await _vpp(stage, after)
    stage.problems += not_followed(uplink.name, await read_policy(node.host), view.routes, view.link.index)
    cluster = _cluster(stage, after)
    found.problems = tuple(stage.problems)
    found.phases += [
        Phase(State.CAPTURING, "nothing is touched: all of it is written down", iter([written_down(stage)])),
        Phase(State.HANDOVER, "beside the NIC, which still works", beside(stage, first, early)),
        Phase(State.HANDOVER, f"the NIC leaves: the host waits some {OUTAGE_MS} ms", outage(stage, late)),
        Phase(State.HANDOVER, "VPP opens the NIC; everything goes around VPP still", opened(stage)),
        Phase(State.MIRRORING, "what Linux says, to VPP", mirrored(stage, after, (*settle, *cluster), mirror, second)),
        Phase(State.PUNTING, "the path is proved", iter(())),
    ]
    found.count = 2 * len(mirror)
    return found


def _settled(wanted: HostView, after: HostView) -> tuple[Sequence[HostOperation], HostView]:
    """What Mirroring finds left to do on the host link, and the link after it: nothing of its routes."""
    routes, wanted, after = after.routes, replace(wanted, routes=()), replace(after, routes=())
    plan = filling(wanted, after)
    return plan, replace(carried(wanted, after, plan), routes=routes)


# ----------------------------------------------------------------------------------------------------------- the plans


async def _shared(stage: Stage, after: HostView) -> tuple[Sequence[VppOperation], Sequence[VppOperation]]:
    """Before VPP has an address of the host's, and when it has all (handover.py, punt.py)."""
    node, dataplane = stage.uplink.node, stage.dataplane
    others = [one for name, one in node.contributions.items() if name != stage.uplink.name]
    mine = shared_desired(after, uplink_sw=NIC_PORT, host_sw=HOST_PORT, primary=stage.number == 0)
    there = FRESH if dataplane is None else await dataplane.read_shared()
    plans = []
    for part in (VppShared(punted_l4=PUNTED_L4), mine):
        desired = union([*others, part])
        if dataplane is None:
            plan = plan_shared(desired, there, VppShared())
        else:
            plan = await shared_plan(node, desired, there)
        on = {(one.family, one.protocol) for one in plan if isinstance(one, PuntL4) and one.enable}
        there = replace(there, punted_l4=there.punted_l4 | on)
        plans.append(plan)
    return plans[0], plans[1]


async def _vpp(stage: Stage, after: HostView) -> Sequence[VppOperation]:
    """What Mirroring tells VPP of the two ports, which have nothing but their MTU."""
    uplink, dataplane, name = stage.uplink, stage.dataplane, stage.uplink.name
    cluster = cluster_wish(uplink.node.config.cluster, after)
    taken: dict[VppTable, str] = {} if dataplane is None else await dataplane.taken_tables()
    nic = stage.takeover.capture.view.link
    wish = partial(
        vpp_desired,
        after,
        uplink_sw=NIC_PORT,
        host_sw=HOST_PORT,
        cluster=frozenset(cluster),
        host_up=isinstance(stage.made, Tap) or nic.carrier or not nic.up,
        taken=taken.keys(),
    )
    desired, problems = await in_thread(len(after.routes), wish)
    mtu_bytes = port_mtu(stage.takeover, NIC_PORT).mtu_bytes
    actual = VppUplink(VppPort(NIC_PORT, mtu_bytes=mtu_bytes), VppPort(HOST_PORT, mtu_bytes=mtu_bytes))
    if dataplane is not None:
        actual, _ = await without_kept(uplink, desired, replace(actual, tables=await dataplane.own_tables()))
    stage.problems += [*problems, *taken_tables(name, taken, after.routes, after.link.index)]
    return await in_thread(len(desired.routes) + len(desired.packed), plan_uplink, desired, actual)


def _cluster(stage: Stage, after: HostView) -> Sequence[HostOperation]:
    cluster = stage.uplink.node.config.cluster
    routes, told = plan_cluster(cluster_wish(cluster, after), after, ())
    stage.problems += [*told, *cluster_gaps(after, cluster.service_cidrs, cluster.pod_cidrs)]
    return routes
