"""The operations that a plan is made of: one thing to do, to VPP or to the host, as a value.

A plan is a tuple of these in the order in which they are to be carried out; later ones may lean on earlier ones, so
whoever carries a plan out may send all of it in one go as long as the order holds. Each prints as one line of a
difference that an operator can read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from hostlink.core.alike import PackedRoutes
from hostlink.core.model import (
    Address,
    Family,
    IPInterface,
    LocalReassembly,
    Neighbour,
    ProxyRange,
    Qdisc,
    Reassembly,
    Redirect,
    Route,
    Rule,
    VppNeighbour,
    VppRoute,
    VppTable,
)

# ----------------------------------------------------------------------------------------------------------- in VPP


@dataclass(frozen=True, slots=True)
class SetMtu:
    sw_if_index: int
    mtu_bytes: int


@dataclass(frozen=True, slots=True)
class SetUp:
    sw_if_index: int
    up: bool


@dataclass(frozen=True, slots=True)
class EnableIp6:
    sw_if_index: int


@dataclass(frozen=True, slots=True)
class SuppressAdvertisements:
    """VPP sends no router advertisements there (it does by default on an IPv6 interface)."""

    sw_if_index: int


@dataclass(frozen=True, slots=True)
class SetLinkLocal:
    sw_if_index: int
    address: IPv6Address


@dataclass(frozen=True, slots=True)
class AddVppAddress:
    sw_if_index: int
    interface: IPInterface


@dataclass(frozen=True, slots=True)
class DeleteVppAddress:
    sw_if_index: int
    interface: IPInterface


@dataclass(frozen=True, slots=True)
class SetUnnumbered:
    """The interface borrows the addresses of `lender`."""

    sw_if_index: int
    lender: int


@dataclass(frozen=True, slots=True)
class EnableProxyArp:
    sw_if_index: int


@dataclass(frozen=True, slots=True)
class EnableNdProxy:
    sw_if_index: int


@dataclass(frozen=True, slots=True)
class AddVppNeighbour:
    neighbour: VppNeighbour


@dataclass(frozen=True, slots=True)
class DeleteVppNeighbour:
    neighbour: VppNeighbour


@dataclass(frozen=True, slots=True)
class LearnVppNeighbour:
    """Known again as VPP had learnt it by itself: it ages and changes as those do."""

    neighbour: VppNeighbour


@dataclass(frozen=True, slots=True)
class AddVppRoute:
    """Adds the route, or replaces all paths of the one that hostlink has there."""

    route: VppRoute


@dataclass(frozen=True, slots=True)
class DeleteVppRoute:
    route: VppRoute


@dataclass(frozen=True, slots=True)
class ChangeVppRoutes:
    """Many of the two above in one, of table 0: adds, then deletes."""

    packed: PackedRoutes

    def each(self) -> Iterator[AddVppRoute | DeleteVppRoute]:
        """One by one."""
        yield from map(AddVppRoute, self.packed.added())
        yield from map(DeleteVppRoute, self.packed.deleted())


@dataclass(frozen=True, slots=True)
class AddVppTable:
    """Makes a table of hostlink's own. VPP takes one that is there already without a word, and keeps its name."""

    table: VppTable


@dataclass(frozen=True, slots=True)
class DeleteVppTable:
    """Takes it away where nobody else uses it, after its routes: those left in it would be there again with the next
    one of that number."""

    table: VppTable


@dataclass(frozen=True, slots=True)
class AddProxyRange:
    range: ProxyRange


@dataclass(frozen=True, slots=True)
class DeleteProxyRange:
    range: ProxyRange


@dataclass(frozen=True, slots=True)
class AddRedirect:
    """Only ever for a (family, rx) that has none: VPP counts adds, and a second one leaks."""

    redirect: Redirect


@dataclass(frozen=True, slots=True)
class DeleteRedirect:
    """Only ever for one that a dump showed: deleting an absent one switches punting off for good."""

    redirect: Redirect


@dataclass(frozen=True, slots=True)
class PuntL4:
    """Packets of that IP protocol to ports that nothing in VPP claims are punted (or no longer)."""

    family: Family
    protocol: int
    enable: bool


@dataclass(frozen=True, slots=True)
class SetReassembly:
    """Sets all of it, for the whole node. `found`: what is there now."""

    reassembly: Reassembly
    found: Reassembly


@dataclass(frozen=True, slots=True)
class SetLocalReassembly:
    """Sets both families, for the whole node. `found`: what is there now."""

    local: LocalReassembly
    found: LocalReassembly


VppOperation = (
    SetMtu
    | SetUp
    | EnableIp6
    | SuppressAdvertisements
    | SetLinkLocal
    | AddVppAddress
    | DeleteVppAddress
    | SetUnnumbered
    | EnableProxyArp
    | EnableNdProxy
    | AddVppNeighbour
    | DeleteVppNeighbour
    | LearnVppNeighbour
    | AddVppRoute
    | DeleteVppRoute
    | ChangeVppRoutes
    | AddVppTable
    | DeleteVppTable
    | AddProxyRange
    | DeleteProxyRange
    | AddRedirect
    | DeleteRedirect
    | PuntL4
    | SetReassembly
    | SetLocalReassembly
)


class EachOperation:
    """A plan in which what is done to many routes at once is so many operations, made as they are asked for."""

    def __init__(self, plan: Sequence[VppOperation]) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[VppOperation]:
        for one in self._plan:
            if isinstance(one, ChangeVppRoutes):
                yield from one.each()
            else:
                yield one

    def __len__(self) -> int:
        return sum(len(one.packed) if isinstance(one, ChangeVppRoutes) else 1 for one in self._plan)


# -------------------------------------------------------------------------------------------------------- on the host


@dataclass(frozen=True, slots=True)
class SetHostLink:
    """Link attributes to set; None leaves one alone."""

    link_index: int
    up: bool | None = None
    mac: str | None = None
    mtu_bytes: int | None = None
    alias: str | None = None
    """Empty: none any more."""
    tx_queue_length: int | None = None
    promiscuous: bool | None = None
    flags: int | None = None
    """All of model.SETTABLE_FLAGS."""
    group: int | None = None


@dataclass(frozen=True, slots=True)
class SetToken:
    """`::` takes it away. Needs a link that reads router advertisements."""

    link_index: int
    token: IPv6Address


@dataclass(frozen=True, slots=True)
class AddQdisc:
    """As the link's root, where none but the kernel's default is."""

    link_index: int
    qdisc: Qdisc


@dataclass(frozen=True, slots=True)
class DeleteQdisc:
    """The root; the kernel's default comes in its place."""

    link_index: int
    qdisc: Qdisc


@dataclass(frozen=True, slots=True)
class AddMulticast:
    """A link-layer multicast address. The call goes by the link's name."""

    link_index: int
    link: str
    mac: str


@dataclass(frozen=True, slots=True)
class AddAltname:
    link_index: int
    name: str


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """`path` below /proc/sys/net, the link's name already in it."""

    path: str
    value: str


@dataclass(frozen=True, slots=True)
class AddHostAddress:
    link_index: int
    address: Address


@dataclass(frozen=True, slots=True)
class ChangeHostAddress:
    """Gives an address that is there the flags and lifetimes that `address` says; nothing is probed again."""

    link_index: int
    address: Address


@dataclass(frozen=True, slots=True)
class DeleteHostAddress:
    link_index: int
    address: Address


@dataclass(frozen=True, slots=True)
class AddHostRoute:
    """`from_index` is the ifindex that the route's body names; it becomes `link_index` on the way."""

    link_index: int
    from_index: int
    route: Route


@dataclass(frozen=True, slots=True)
class DeleteHostRoute:
    link_index: int
    route: Route


@dataclass(frozen=True, slots=True)
class AddHostNeighbour:
    link_index: int
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class AddHostRule:
    rule: Rule


HostOperation = (
    SetHostLink
    | SetToken
    | AddQdisc
    | DeleteQdisc
    | AddMulticast
    | AddAltname
    | SetSysctl
    | AddHostAddress
    | ChangeHostAddress
    | DeleteHostAddress
    | AddHostRoute
    | DeleteHostRoute
    | AddHostNeighbour
    | AddHostRule
)
