"""Mirroring: what Linux says should be, in VPP. And once, at the start, what the NIC carried, on the host link.

Look, compare, plan, apply, look again; done when a look finds no difference. While the takeover is not yet `taken`, and
again when the host link was set down, the host link is filled from the journal first: a down interface is a lost source
and not an empty wish (architecture.md). From then on the host's own view is what should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hostlink.core.advertised import superseded
from hostlink.core.cluster import cluster_gaps, desired_cluster, plan_cluster
from hostlink.core.describe import describe
from hostlink.core.desired import vpp_desired
from hostlink.core.events import Mirrored
from hostlink.core.leased import put_back, still_there, superseded_copies
from hostlink.core.model import Family, HostView, Problem, VppUplink, family_of
from hostlink.core.operations import DeleteHostRoute, VppOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.plan_host import plan_host
from hostlink.journal import Phase
from hostlink.kernel.apply import HostFailure, apply_host
from hostlink.kernel.tap import adopt_tap
from hostlink.problems import problem
from hostlink.steps.bypass import ensure_bypass
from hostlink.steps.context import Uplink, fail
from hostlink.steps.mtu import grow, shrink
from hostlink.steps.view import host_view, is_lost_source

ROUNDS = 6
"""The kernel finishes some things a moment later (an address made by an up); more rounds than these is a fight."""


async def mirror(uplink: Uplink, step: int) -> Mirrored:
    """Bring the difference to nothing. Raises StepError, KernelError, VppError, JournalError."""
    uplink.ports = await uplink.node.dataplane().find(uplink.name)
    if uplink.taken().host_link == "tap" and uplink.keeper is None:
        # Adopted from an earlier life: without a queue of ours the tap would lose its carrier with VPP.
        uplink.keeper = adopt_tap(uplink.name, faults=uplink.node.faults)
    changes = await fill_host(uplink)
    changes += await _drop_superseded(uplink)
    changes += await _cluster_routes(uplink)
    view = await host_view(uplink)
    uplink.link_index = view.link.index
    uplink.told["link"] = remarks(view)
    if is_lost_source(uplink, view):
        # Set down again since it was filled: VPP keeps what it has, and the notification of it brings us back here.
        uplink.told["link"] = (problem("HL-304", f"{uplink.name} is set down again and again"),)
        return Mirrored(step, tuple(changes))
    changes += await ensure_bypass(uplink, view.addresses)
    changes += await _vpp(uplink, view)
    uplink.mirrored_view = view
    return Mirrored(step, tuple(changes))


def remarks(view: HostView) -> tuple[Problem, ...]:
    """What an operator should know of a link that is taken as it is."""
    found = []
    if not view.link.up:
        found.append(problem("HL-108", f"{view.link.name} is down, and is taken over as it is"))
    if all(address.interface.is_link_local for address in view.addresses):
        found.append(problem("HL-109", f"{view.link.name} has no address, and is taken over as it is"))
    return tuple(found)


async def fill_host(uplink: Uplink) -> list[str]:
    """Make the host link carry `last_good`, where it does not carry the host's own state yet or was set down."""
    takeover, view = uplink.taken(), await host_view(uplink)
    if takeover.phase is not Phase.CAPTURED and not is_lost_source(uplink, view):
        return []
    done: list[str] = []
    failures: Sequence[HostFailure] = ()
    for _ in range(ROUNDS):
        plan = plan_host(takeover.last_good, view)
        if not plan:
            break
        failures = await apply_host(uplink.node.host, plan)
        uplink.copies |= put_back(plan)
        done += [describe(operation) for operation in plan]
        view = await host_view(uplink)
    else:
        # Where the kernel took all of it and it differs again, somebody is changing it: the host's own edits, from now.
        if failures:
            whys = "; ".join(str(failure) for failure in failures)
            raise fail("HL-410", f"{uplink.name}: the host link does not take what the NIC had: {whys}")
    if takeover.phase is Phase.CAPTURED:
        uplink.remember(replace(uplink.taken(), phase=Phase.TAKEN))
    return done


async def _drop_superseded(uplink: Uplink) -> list[str]:
    """Routes that were put back, beside which the kernel (advertised defaults) or a DHCP client has its own by now."""
    view = await host_view(uplink)
    uplink.copies = still_there(view, uplink.copies)
    gone = (*superseded(view), *superseded_copies(view, uplink.copies))
    plan = [DeleteHostRoute(view.link.index, route) for route in gone]
    for failure in await apply_host(uplink.node.host, plan):
        if failure.word != "ESRCH":  # expired meanwhile
            raise fail("HL-401", f"{uplink.name}: {failure}")
    return [describe(operation) for operation in plan]


async def _cluster_routes(uplink: Uplink) -> list[str]:
    cluster = uplink.node.config.cluster
    if not (cluster.service_cidrs or cluster.pod_cidrs):
        return []
    view, owned = await host_view(uplink), uplink.taken().owned
    wanted = desired_cluster(view, cluster.service_cidrs, cluster.pod_cidrs, cluster.encap_overhead)
    plan, problems = plan_cluster(wanted, view, owned)
    uplink.told["cluster"] = problems + cluster_gaps(view, cluster.service_cidrs, cluster.pod_cidrs)
    if plan:
        # In the journal before it is on the host: what is there and not in the journal would be taken for the host's.
        journaled = tuple(dict.fromkeys((*owned, *wanted)))
        if journaled != owned:
            uplink.remember(replace(uplink.taken(), owned=journaled))
        for failure in await apply_host(uplink.node.host, plan):
            raise fail("HL-401", f"{uplink.name}: {failure}")
    if uplink.taken().owned != tuple(wanted):
        uplink.remember(replace(uplink.taken(), owned=tuple(wanted)))
    return [describe(operation) for operation in plan]


async def _vpp(uplink: Uplink, view: HostView) -> list[str]:
    """One view is brought over and read back. What the host does meanwhile is the machine's next round, no failure."""
    dataplane = uplink.node.dataplane()
    view, uplink.told["mtu"] = await grow(uplink, view)
    done: list[str] = []
    for _ in range(ROUNDS):
        plan, desired, uplink.told["routes"] = await difference(uplink, view)
        if not plan:
            await shrink(uplink, view.link.mtu_bytes)
            uplink.mirrored = _counts(desired)
            return done
        await dataplane.apply(plan)
        done += [describe(operation) for operation in plan]
    left = "; ".join(describe(operation) for operation in plan)
    raise fail("HL-410", f"{uplink.name}: VPP still differs after {ROUNDS} rounds: {left}")


async def difference(uplink: Uplink, view: HostView) -> tuple[tuple[VppOperation, ...], VppUplink, tuple[Problem, ...]]:
    """What would be done to VPP for that view, what VPP should have, and what it cannot have. Changes nothing."""
    ports = await uplink.node.dataplane().find(uplink.name)
    if ports.uplink is None or ports.host is None:
        lost = "the NIC" if ports.uplink is None else "the interface towards the host"
        raise fail("HL-411", f"{uplink.name}: VPP has no interface with hostlink's tag any more for {lost}")
    desired, problems = vpp_desired(
        view,
        uplink_sw=ports.uplink.sw_if_index,
        host_sw=ports.host.sw_if_index,
        cluster=frozenset(uplink.taken().owned),
    )
    actual = await uplink.node.dataplane().read_uplink(ports.uplink, ports.host)
    return plan_uplink(desired, actual), desired, problems


def _counts(desired: VppUplink) -> dict[str, int]:
    families = Counter(family_of(route.prefix) for route in desired.routes)
    return {
        "addresses": len(desired.uplink.addresses),
        "routes_ipv4": families[Family.IPV4],
        "routes_ipv6": families[Family.IPV6],
    }
