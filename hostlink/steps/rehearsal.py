"""A takeover that is only told: what Capturing, Handover, Mirroring and Punting would do now, in their order.

Made by what they are made of: the journal's takeover (capture.py), the things that it makes (made.py, bypass.py), the
plans of core for the host link, for VPP and for what the node shares. The order is told here a second time; a scenario
holds it, operation by operation, to what a takeover really does (tests/system/test_plan.py).

Nothing is touched: the host and VPP are read, no probe is sent. The numbers of what does not exist yet are made up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from hostlink.core.cluster import cluster_gaps, plan_cluster
from hostlink.core.desired import PUNTED_L4, shared_desired, vpp_desired
from hostlink.core.desired_routes import taken_tables
from hostlink.core.difference import ADD, CHANGE, DELETE, INTERFACES, LINUX, VPP, Kind, Line, Named, lines
from hostlink.core.foreseen import carried
from hostlink.core.model import (
    SETTABLE_FLAGS,
    Address,
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
from hostlink.core.operations import HostOperation, PuntL4, SetHostLink, SetSysctl, VppOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.plan_shared import plan_shared
from hostlink.core.policy_rules import not_followed
from hostlink.core.table import State
from hostlink.journal import Takeover
from hostlink.kernel.snapshot import read_policy, read_view
from hostlink.kernel.sysctl import read_sysctls
from hostlink.kernel.tc import Placed
from hostlink.steps.bypass import behind_pair, on_host, on_nic
from hostlink.steps.capture import takeover_of, wanted_probes
from hostlink.steps.context import Uplink, fail
from hostlink.steps.made import (
    Tap,
    VethPair,
    bypass_alias,
    bypass_pair,
    filling,
    host_end,
    host_link,
    port_mtu,
    quiet_and_raised,
    silent_and_marked,
)
from hostlink.steps.mirror import cluster_wish
from hostlink.steps.offload import in_thread
from hostlink.steps.outage import parted
from hostlink.steps.shared import shared_plan, union
from hostlink.steps.tables import without_kept
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.drivers.af_packet import port_name
from hostlink.vpp.host_link import tap_name, vpp_side_mac
from hostlink.vpp.tags import uplink_tag

OUTAGE_MS = 24
"""How long a takeover kept the host waiting: measured by `tools/bench outage` (README, VPP 26.06, veth)."""
HOST_LINK, INNER, PAIR_HERE, PAIR_THERE = -1, -2, -3, -4
"""ifindex of what is not there yet."""
NIC_PORT, HOST_PORT = 0xFFFFFFF0, 0xFFFFFFF1
"""sw_if_index of the same. VPP counts from 0."""
FRESH = VppShared(
    reassembly=frozenset(Reassembly(family, max_fragments=3) for family in Family), local_reassembly=LocalReassembly()
)
"""What the node shares in a VPP that nobody has told anything (25.10 and 26.06)."""
_MULTICAST = 0x1000
"""IFF_MULTICAST: what a tap and a veth are made with, of SETTABLE_FLAGS."""


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


@dataclass(slots=True)
class _Stage:
    """What the phases are told from."""

    uplink: Uplink
    """Of the rehearsal alone: nothing of the daemon's is in it but the node."""
    number: int
    takeover: Takeover
    made: Tap | VethPair
    blank: HostView
    """The host link as it is when it is made."""
    named: Named
    dataplane: Dataplane | None
    problems: list[Problem] = field(default_factory=list)

    @property
    def there(self) -> Named:
        """Of what is done in VPP's namespace."""
        return replace(self.named, side=f"namespace {self.takeover.parking.namespace}")

    def host(self, *operations: HostOperation) -> Iterator[Line]:
        return lines(operations, self.named)

    def in_namespace(self, *operations: HostOperation) -> Iterator[Line]:
        return lines(operations, self.there)


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
    stage = _stage(uplink, takeover, limit)
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
        Phase(State.CAPTURING, "nothing is touched: all of it is written down", iter([_journal(stage)])),
        Phase(State.HANDOVER, "beside the NIC, which still works", _beside(stage, first, early)),
        Phase(State.HANDOVER, f"the NIC leaves: the host waits some {OUTAGE_MS} ms", _outage(stage, late)),
        Phase(State.HANDOVER, "VPP opens the NIC; everything goes around VPP still", _opened(stage)),
        Phase(State.MIRRORING, "what Linux says, to VPP", _mirrored(stage, after, (*settle, *cluster), mirror, second)),
        Phase(State.PUNTING, "the path is proved", iter(())),
    ]
    found.count = 2 * len(mirror)
    return found


def _settled(wanted: HostView, after: HostView) -> tuple[Sequence[HostOperation], HostView]:
    """What Mirroring finds left to do on the host link, and the link after it: nothing of its routes."""
    routes, wanted, after = after.routes, replace(wanted, routes=()), replace(after, routes=())
    plan = filling(wanted, after)
    return plan, replace(carried(wanted, after, plan), routes=routes)


def _stage(uplink: Uplink, takeover: Takeover, limit: int | None) -> _Stage:
    made, number, parking = host_link(takeover, uplink.number), uplink.number, takeover.parking
    pair = bypass_pair(takeover, number)
    ports = {NIC_PORT: port_name(parking.name)}
    ports[HOST_PORT] = tap_name(number) if isinstance(made, Tap) else port_name(made.peer)
    links = {
        HOST_LINK: made.name,
        PAIR_HERE: pair.name,
        PAIR_THERE: pair.peer,
        takeover.capture.view.link.index: uplink.name,
    }
    links |= {INNER: made.peer} if isinstance(made, VethPair) else {}
    usable = uplink.node.vpp.dataplane if not uplink.node.vpp.obstacles else None
    blank = _blank(uplink, made)
    return _Stage(uplink, number, takeover, made, blank, Named(ports, links, limit=limit), usable)


def _blank(uplink: Uplink, made: Tap | VethPair) -> HostView:
    """The host link, just made: with the sysctls that the namespace gives to whatever is new in it."""
    takeover = uplink.taken()
    link = Link(made.name, HOST_LINK, made.mac, made.mtu_bytes, flags=_MULTICAST & SETTABLE_FLAGS, group=0)
    first = [one for one in silent_and_marked(takeover, link) if isinstance(one, SetSysctl)]
    own = {"ipv6/conf/{link}/mtu": str(made.mtu_bytes)}
    own |= {one.path.replace(made.name, "{link}"): one.value for one in first}
    sysctls = read_sysctls(uplink.node.host.namespace_fd, "default")
    return HostView(link, sysctls=tuple((path, own.get(path, value)) for path, value in sysctls))


# ----------------------------------------------------------------------------------------------------------- the plans


async def _shared(stage: _Stage, after: HostView) -> tuple[Sequence[VppOperation], Sequence[VppOperation]]:
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


async def _vpp(stage: _Stage, after: HostView) -> Sequence[VppOperation]:
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
    return await in_thread(len(desired.routes), plan_uplink, desired, actual)


# ---------------------------------------------------------------------------------------------------------- the phases


def _journal(stage: _Stage) -> Line:
    view = stage.takeover.capture.view
    counts = {"addresses": view.addresses, "routes": view.routes, "rules": view.rules, "sysctls": view.sysctls}
    words = ", ".join(f"{what}: {len(some)}" for what, some in counts.items())
    text = f"{stage.uplink.journal.path}: {view.link.name} as it is, all that give-back needs ({words})"
    return Line(Kind("journal", "takeover"), ADD, text)


def _beside(stage: _Stage, first: Iterable[VppOperation], early: Iterable[HostOperation]) -> Iterator[Line]:
    takeover, made, uplink = stage.takeover, stage.made, stage.uplink
    pair, nic = bypass_pair(takeover, stage.number), takeover.capture.view.link
    yield _thing(LINUX, _words(made))
    if isinstance(made, VethPair):
        yield from stage.in_namespace(*quiet_and_raised(Link(made.peer, INNER, "", made.mtu_bytes)))
    yield from stage.host(*silent_and_marked(takeover, stage.blank.link))
    yield _thing(LINUX, _words(pair))
    yield from stage.host(bypass_alias(takeover, PAIR_HERE), *quiet_and_raised(_end(pair, PAIR_HERE)))
    yield from stage.in_namespace(*quiet_and_raised(_end(pair, PAIR_THERE)))
    uplink.around = True
    yield from (_program(one, stage.named) for one in on_host(uplink, HOST_LINK, PAIR_HERE))
    end = host_end(takeover, stage.number, made.name, uplink.node.host_namespace)
    opens = made.name if isinstance(made, Tap) else made.peer
    port = stage.named.vpp[HOST_PORT]
    yield _thing(VPP, f"{port} on {opens}, MAC {vpp_side_mac(stage.number)}, tag {end.tag}")
    yield from lines([port_mtu(takeover, HOST_PORT)], stage.named)
    if isinstance(made, Tap):
        yield from stage.host(SetHostLink(HOST_LINK, up=False))  # VPP raises a tap that it attaches to
    yield from lines(first, stage.named)
    yield from stage.host(*early, SetHostLink(nic.index, promiscuous=True))


def _outage(stage: _Stage, late: Iterable[HostOperation]) -> Iterator[Line]:
    uplink, parking = stage.uplink, stage.takeover.parking
    nic = stage.takeover.capture.view.link
    named = replace(stage.named, links={**stage.named.links, HOST_LINK: uplink.name})
    yield Line(Kind(LINUX, INTERFACES), DELETE, f"{nic.name}, MAC {nic.mac}: to the namespace {parking.namespace}")
    yield Line(Kind(LINUX, INTERFACES), CHANGE, f"{stage.made.name}: renamed to {uplink.name}")
    quiet, up = quiet_and_raised(replace(nic, name=parking.name))
    yield from stage.in_namespace(quiet)
    own = stage.takeover.last_good.addresses
    for placed in (behind_pair(PAIR_THERE, nic.index), *on_nic(uplink, nic.index, PAIR_THERE, own)):
        yield _program(placed, stage.there)
    yield from stage.in_namespace(up)
    yield from lines(late, named)


def _opened(stage: _Stage) -> Iterator[Line]:
    nic, parking = stage.takeover.capture.view.link, stage.takeover.parking
    tag, port = uplink_tag(stage.uplink.name), stage.named.vpp[NIC_PORT]
    yield _thing(VPP, f"{port} on {parking.name}, MAC {nic.mac}, tag {tag}")
    yield from lines([port_mtu(stage.takeover, NIC_PORT)], stage.named)


def _cluster(stage: _Stage, after: HostView) -> Sequence[HostOperation]:
    cluster = stage.uplink.node.config.cluster
    routes, told = plan_cluster(cluster_wish(cluster, after), after, ())
    stage.problems += [*told, *cluster_gaps(after, cluster.service_cidrs, cluster.pod_cidrs)]
    return routes


def _mirrored(
    stage: _Stage,
    after: HostView,
    host: Iterable[HostOperation],
    mirror: Iterable[VppOperation],
    shared: Iterable[VppOperation],
) -> Iterator[Line]:
    named = replace(stage.named, links={**stage.named.links, HOST_LINK: stage.uplink.name})
    yield from lines(chain(host, mirror, shared), named)
    nic, own = stage.takeover.capture.view.link.index, after.addresses
    yield from _closed(stage, named, nic, own)


def _closed(stage: _Stage, named: Named, nic: int, own: Collection[Address]) -> Iterator[Line]:
    """The programs that are others once VPP has its part."""
    uplink = stage.uplink
    there, placed = replace(stage.there, links=named.links), dict[bool, list[tuple[Placed, Named]]]()
    for around in (True, False):
        uplink.around = around
        placed[around] = [(one, there) for one in on_nic(uplink, nic, PAIR_THERE, own)]
        placed[around] += [(one, named) for one in on_host(uplink, HOST_LINK, PAIR_HERE)]
    for (new, names), (old, _) in zip(placed[False], placed[True], strict=True):
        if new != old:
            yield replace(_program(new, names), change=CHANGE)


def _end(pair: VethPair, index: int) -> Link:
    return Link(pair.name, index, pair.mac, pair.mtu_bytes)


def _words(made: Tap | VethPair) -> str:
    words = f"{made.kind} {made.name}, MAC {made.mac}, MTU {made.mtu_bytes}"
    if isinstance(made, Tap):
        return words
    mac = f", MAC {made.peer_mac}" if made.peer_mac else ""
    return f"{words}; its other end {made.peer}{mac} in the namespace {made.namespace}"


def _thing(side: str, text: str) -> Line:
    return Line(Kind(side, INTERFACES), ADD, text)


def _program(placed: Placed, named: Named) -> Line:
    name = named.links.get(placed.link_index, f"link {placed.link_index}")
    return Line(Kind(named.side, "bypass"), ADD, f"{placed.program.purpose} at tc {placed.side.name.lower()} of {name}")
