"""The script of a rehearsed takeover: its lines, phase by phase, from the very values that the steps work with.

What does not exist yet has made-up numbers, and the names that it will have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from hostlink.core.difference import ADD, CHANGE, DELETE, INTERFACES, LINUX, VPP, Kind, Line, Named, lines
from hostlink.core.model import (
    SETTABLE_FLAGS,
    Address,
    HostView,
    Link,
    Problem,
)
from hostlink.core.operations import HostOperation, SetHostLink, SetSysctl, VppOperation
from hostlink.journal import Takeover
from hostlink.kernel.sysctl import read_sysctls
from hostlink.kernel.tc import Placed
from hostlink.steps.bypass import behind_pair, on_host, on_nic
from hostlink.steps.context import Uplink
from hostlink.steps.made import (
    Tap,
    VethPair,
    bypass_alias,
    bypass_pair,
    host_end,
    host_link,
    port_mtu,
    quiet_and_raised,
    silent_and_marked,
)
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.drivers.af_packet import port_name
from hostlink.vpp.host_link import tap_name, vpp_side_mac
from hostlink.vpp.tags import uplink_tag

HOST_LINK, INNER, PAIR_HERE, PAIR_THERE = -1, -2, -3, -4
"""ifindex of what is not there yet."""
NIC_PORT, HOST_PORT = 0xFFFFFFF0, 0xFFFFFFF1
"""sw_if_index of the same. VPP counts from 0."""
_MULTICAST = 0x1000
"""IFF_MULTICAST: what a tap and a veth are made with, of SETTABLE_FLAGS."""


@dataclass(slots=True)
class Stage:
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


def stage_of(uplink: Uplink, takeover: Takeover, limit: int | None) -> Stage:
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
    return Stage(uplink, number, takeover, made, blank, Named(ports, links, limit=limit), usable)


def _blank(uplink: Uplink, made: Tap | VethPair) -> HostView:
    """The host link, just made: with the sysctls that the namespace gives to whatever is new in it."""
    takeover = uplink.taken()
    link = Link(made.name, HOST_LINK, made.mac, made.mtu_bytes, flags=_MULTICAST & SETTABLE_FLAGS, group=0)
    first = [one for one in silent_and_marked(takeover, link) if isinstance(one, SetSysctl)]
    own = {"ipv6/conf/{link}/mtu": str(made.mtu_bytes)}
    own |= {one.path.replace(made.name, "{link}"): one.value for one in first}
    sysctls = read_sysctls(uplink.node.host.namespace_fd, "default")
    return HostView(link, sysctls=tuple((path, own.get(path, value)) for path, value in sysctls))


def written_down(stage: Stage) -> Line:
    view = stage.takeover.capture.view
    counts = {"addresses": view.addresses, "routes": view.routes, "rules": view.rules, "sysctls": view.sysctls}
    words = ", ".join(f"{what}: {len(some)}" for what, some in counts.items())
    text = f"{stage.uplink.journal.path}: {view.link.name} as it is, all that give-back needs ({words})"
    return Line(Kind("journal", "takeover"), ADD, text)


def beside(stage: Stage, first: Iterable[VppOperation], early: Iterable[HostOperation]) -> Iterator[Line]:
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


def outage(stage: Stage, late: Iterable[HostOperation]) -> Iterator[Line]:
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


def opened(stage: Stage) -> Iterator[Line]:
    nic, parking = stage.takeover.capture.view.link, stage.takeover.parking
    tag, port = uplink_tag(stage.uplink.name), stage.named.vpp[NIC_PORT]
    yield _thing(VPP, f"{port} on {parking.name}, MAC {nic.mac}, tag {tag}")
    yield from lines([port_mtu(stage.takeover, NIC_PORT)], stage.named)


def mirrored(
    stage: Stage,
    after: HostView,
    host: Iterable[HostOperation],
    mirror: Iterable[VppOperation],
    shared: Iterable[VppOperation],
) -> Iterator[Line]:
    named = replace(stage.named, links={**stage.named.links, HOST_LINK: stage.uplink.name})
    yield from lines(chain(host, mirror, shared), named)
    nic, own = stage.takeover.capture.view.link.index, after.addresses
    yield from _closed(stage, named, nic, own)


def _closed(stage: Stage, named: Named, nic: int, own: Collection[Address]) -> Iterator[Line]:
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
