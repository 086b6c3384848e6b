"""The values that hostlink decides on: what is on the host, what is in VPP, what was there before.

All are frozen and compare by value, so that a difference is a set difference and a snapshot can be kept for ever.
Nothing here knows how a value was read or how it is written: kernel/ and vpp/ do that. Numbers that are the kernel's or
VPP's own (scope, protocol, flags, sw_if_index) stay numbers: hostlink hands them on and never invents them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from hostlink.core.route import RTN_NOWHERE as RTN_NOWHERE
from hostlink.core.route import Family as Family
from hostlink.core.route import IPAddress as IPAddress
from hostlink.core.route import IPInterface as IPInterface
from hostlink.core.route import NextHop as NextHop
from hostlink.core.route import Prefix as Prefix
from hostlink.core.route import Route as Route
from hostlink.core.route import family_of as family_of
from hostlink.core.route_set import Place, Routes, place_of

# ---------------------------------------------------------------------------------------------------------- the host


@dataclass(frozen=True, slots=True)
class Link:
    """A network device as rtnetlink shows it (kernel: include/uapi/linux/if_link.h)."""

    name: str
    index: int
    mac: str
    """Lower case, colon-separated: `52:54:00:40:46:8e`."""
    mtu_bytes: int
    up: bool = False
    carrier: bool = False
    kind: str = ""
    """IFLA_INFO_KIND: `veth`, `tun`, `bridge`, `bond`, `vlan` …; empty for a hardware NIC."""
    altnames: tuple[str, ...] = ()
    alias: str | None = None
    tx_queue_length: int = 1000
    promiscuous: bool = False
    """Set by a person (IFLA_PROMISCUITY counts bridges and packet sockets too; this is the IFF_PROMISC flag)."""
    loopback: bool = False
    master_index: int | None = None
    permanent_mac: str | None = None
    flags: int | None = None
    """Those of SETTABLE_FLAGS, as a person set them. None: an older hostlink's journal does not say."""
    group: int | None = None
    """IFLA_GROUP, 0 by default. None: an older hostlink's journal does not say."""
    token: IPv6Address | None = None
    """The interface identifier of addresses by router advertisement (`ip token`); None where none is set."""


SETTABLE_FLAGS = 0x80 | 0x200 | 0x1000
"""IFF_NOARP, IFF_ALLMULTI, IFF_MULTICAST (include/uapi/linux/if.h). IFF_UP and IFF_PROMISC are fields of their own."""


@dataclass(frozen=True, slots=True)
class Qdisc:
    """The root queueing discipline that somebody gave a link (kernel: include/uapi/linux/pkt_sched.h)."""

    kind: str
    handle: int
    """What `tc` calls `10:` is 0x100000. Never 0: that is the kernel's own default."""
    options: bytes = b""
    """TCA_OPTIONS as it was dumped: a kind whose options the kernel takes as it shows them (kernel/queueing.py)."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a link (kernel: include/uapi/linux/if_addr.h)."""

    interface: IPInterface
    """The local address and the prefix length."""
    peer: IPAddress | None = None
    """The other end's address of a point-to-point address (IFA_ADDRESS where it differs from IFA_LOCAL)."""
    broadcast: IPv4Address | None = None
    scope: int = 0
    flags: int = 0
    """IFA_F_*, including IFA_F_PERMANENT; kernel-made bits (TENTATIVE, SECONDARY …) as they were read."""
    label: str | None = None
    protocol: int = 0
    """IFA_PROTO; 0 where the kernel gave none."""
    valid_lifetime_s: int | None = None
    """Seconds left when it was read; None is for ever."""
    preferred_lifetime_s: int | None = None
    route_priority: int | None = None
    """IFA_RT_PRIORITY: metric of the prefix route that the kernel makes."""

    @property
    def family(self) -> Family:
        return family_of(self.interface)


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule of the host, kept as its dumped body (struct fib_rule_hdr and attributes)."""

    family: Family
    priority: int
    body: bytes
    interface: str | None = None
    """The iif or oif it names, if any."""


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A policy rule of the host that looks another table up (FR_ACT_TO_TBL), whatever link it is about."""

    family: Family
    priority: int
    table: int
    text: str
    """As `ip rule` says it, in short."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A permanent neighbour entry of the host, or a proxy entry."""

    address: IPAddress
    mac: str | None
    state: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class HostView:
    """Everything that the host says about one link: a whole snapshot, or nothing at all. Never a part."""

    link: Link
    addresses: tuple[Address, ...] = ()
    routes: Routes = ()
    """Routes of every table and type with a next hop on this link (or, for local ones, made for its addresses), and
    those of every table that lead nowhere."""
    neighbours: tuple[Neighbour, ...] = ()
    rules: tuple[Rule, ...] = ()
    """All rules of the host that name this link, by iif or oif."""
    sysctls: tuple[tuple[str, str], ...] = ()
    """(path below /proc/sys/net with `{link}` for the name, value): `("ipv4/conf/{link}/rp_filter", "1")`."""
    driver: str | None = None
    """The kernel driver (ethtool), for instance `virtio_net` or `veth`."""
    pci_address: str | None = None
    """`0000:d8:0a.0`, or None for a NIC that is not on PCI."""
    qdisc: Qdisc | None = None
    """None where the kernel's default is there, or one that is named in `stuck`."""
    multicast: tuple[str, ...] = ()
    """Link-layer multicast addresses that somebody added (`ip maddr add`), sorted."""
    stuck: tuple[str, ...] = ()
    """What hangs on this link and cannot be put on another one, or back: in the words of `tc` and `bridge`."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What was there before a takeover, and how to find it again. Written once, before anything moves."""

    uplink: str
    """The uplink's name on the host: the identity of one takeover."""
    view: HostView
    probes: tuple[Probe, ...] = ()
    """The probes that passed before the takeover, so must pass after it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Something that answered before the takeover. `kind`: `echo` (ICMP echo), `neighbour` (ARP or ND), `tcp`."""

    kind: str
    address: IPAddress
    port: int | None = None
    """TCP's, which must take a connection."""

    def __str__(self) -> str:
        return f"{self.address} ({self.kind})" if self.port is None else f"{self.address} (TCP port {self.port})"


# --------------------------------------------------------------------------------------------------------------- VPP

NO_INDEX = 0xFFFFFFFF
"""VPP's `~0`: no interface, no table, every interface."""


class PathType(enum.Enum):
    """What a path does with a packet (VPP: vnet/fib/fib_types.api, fib_path_type)."""

    NORMAL = 0
    LOCAL = 1
    DROP = 2
    ICMP_UNREACH = 5
    ICMP_PROHIBIT = 6


@dataclass(frozen=True, slots=True, order=True)
class VppPath:
    """One path of a VPP route (VPP: vnet/fib/fib_types.api, fib_path). `next_hop` None: attached to the interface."""

    sw_if_index: int = NO_INDEX
    next_hop: IPAddress | None = None
    weight: int = 1
    preference: int = 0
    """0 is best; only the best preference that resolves forwards. 8 bits."""
    type: PathType = PathType.NORMAL


def path_order(path: VppPath) -> tuple[int, int, int, int, bytes, int]:
    """Sort key of a route's paths: VPP keeps no order that means anything, and equal routes must compare equal."""
    version, packed = (path.next_hop.version, path.next_hop.packed) if path.next_hop is not None else (0, b"")
    return (path.preference, path.sw_if_index, path.type.value, version, packed, path.weight)


VppPaths = tuple[VppPath, ...]
"""All paths of a route, sorted by path_order."""


@dataclass(frozen=True, slots=True)
class VppRoute:
    """A route in VPP: one prefix of one table with all its paths. Paths are a set: sorted by path_order."""

    table_id: int
    prefix: Prefix
    paths: VppPaths


@dataclass(frozen=True, slots=True, order=True)
class VppTable:
    """A table of VPP's: each family has tables of its own, with numbers of its own (VPP: vnet/ip/ip.api, ip_table)."""

    table_id: int
    family: Family


@dataclass(frozen=True, slots=True)
class VppNeighbour:
    """A static neighbour that hostlink made, flags STATIC | NO_FIB_ENTRY (VPP: vnet/ip-neighbor/ip_neighbor.api)."""

    sw_if_index: int
    address: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class VppInterface:
    """An interface of VPP as `sw_interface_details` shows it."""

    sw_if_index: int
    name: str
    tag: str = ""
    mac: str = ""
    up: bool = False
    link_up: bool = False
    mtu_bytes: int = 9000
    """The L3 MTU (`mtu[0]`)."""


@dataclass(frozen=True, slots=True)
class VppPort:
    """What hostlink sets on one interface in VPP. The same value says what is wanted and what is there."""

    sw_if_index: int
    up: bool = False
    mtu_bytes: int = 9000
    ip6_enabled: bool = False
    ra_suppressed: bool = False
    link_local: IPv6Address | None = None
    addresses: frozenset[IPInterface] = frozenset()
    unnumbered_to: int | None = None
    """The sw_if_index that lends its addresses, or None."""
    proxy_arp: bool = False
    nd_proxy: bool = False
    """No dump tells: what hostlink remembers to have set in this VPP's life."""


@dataclass(frozen=True, slots=True)
class VppUplink:
    """One uplink in VPP: the NIC, the interface towards the host, and what hangs on them."""

    uplink: VppPort
    host: VppPort
    neighbours: frozenset[VppNeighbour] = frozenset()
    routes: frozenset[VppRoute] = frozenset()
    tables: frozenset[VppTable] = frozenset()
    """hostlink's own, beside table 0 (core/vpp_tables.py)."""
    packed: Mapping[Place, VppPaths] = field(default_factory=dict)
    """More routes of table 0, of other prefixes than `routes` has there: a full table without a value for each."""
    ways: tuple[VppPaths, ...] = field(default=(), compare=False)
    """The paths of `packed`, each once, where that is known: in what is desired."""

    def paths_at(self, table_id: int, prefix: Prefix, there: Mapping[tuple[int, Prefix], VppRoute]) -> VppPaths | None:
        """The paths of the route of that prefix, if there is one. there: `routes`, by (table, prefix)."""
        route = there.get((table_id, prefix))
        if route is not None:
            return route.paths
        return self.packed.get(place_of(prefix)) if table_id == 0 and self.packed else None


@dataclass(frozen=True, slots=True)
class Redirect:
    """A punt redirect: packets to punt that came in by `rx_sw_if_index` (NO_INDEX: any) leave by `path`."""

    family: Family
    rx_sw_if_index: int
    path: VppPath


@dataclass(frozen=True, slots=True)
class ProxyRange:
    """A proxy ARP range of one table, both ends included."""

    table_id: int
    low: IPv4Address
    high: IPv4Address


@dataclass(frozen=True, slots=True, order=True)
class Reassembly:
    """How VPP puts fragments together that are for itself, or are punted (VPP: vnet/ip/ip.api, ip_reassembly_set)."""

    family: Family
    max_fragments: int
    """To one datagram; one more drops all of it. VPP's default is 3."""
    max_datagrams: int = 1024
    """Under way at a time, for each thread of VPP."""
    timeout_ms: int = 200
    """After the last fragment that came."""
    expire_walk_ms: int = 50


@dataclass(frozen=True, slots=True)
class LocalReassembly:
    """Whether VPP puts fragments for itself together at all (VPP: vnet/ip/ip.api, ip_local_reass_enable_disable).

    Where it does not, it drops those of IPv4, and takes those of IPv6 for an unclaimed protocol, which is punted.
    """

    ip4: bool = True
    ip6: bool = True


@dataclass(frozen=True, slots=True)
class VppShared:
    """What belongs to the node and not to one uplink."""

    redirects: frozenset[Redirect] = frozenset()
    proxy_ranges: frozenset[ProxyRange] = frozenset()
    punted_l4: frozenset[tuple[Family, int]] = frozenset()
    """(family, IP protocol) whose unclaimed ports are all punted."""
    reassembly: frozenset[Reassembly] = frozenset()
    """In a wish: so many fragments at least. In what is hostlink's: what was there before hostlink raised it."""
    local_reassembly: LocalReassembly | None = None
    """None in a wish: as it may be. In what is hostlink's: what was there before hostlink changed it."""


# --------------------------------------------------------------------------------------------------- what is decided on


@dataclass(frozen=True, slots=True)
class Problem:
    """What an operator should know: `code` names the registered record (hostlink/problems/), `detail` the case."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look at the node showed: the ground that the machine decides on in Detecting."""

    uplink_found: bool = False
    vpp_reachable: bool = False
    takeover_alive: bool = False
    """The journal, the tags in VPP and the host's interface agree that a takeover is alive."""
    host_link_alive: bool = False
    """By the journal the takeover was proved, and the host's interface of it is there."""
    leftovers: bool = False
    """Something of an earlier takeover is there, and it is not alive."""
    obstacles: tuple[Problem, ...] = ()
    """What makes a takeover impossible or wrong now. Empty: fit."""
    given_up: Problem | None = None
    """Why the takeover that the journal tells of is to be given back and not to be tried again by itself."""
    notes: tuple[Problem, ...] = ()
    """What an operator should know though it stops nothing (the uplink is down, has no address …)."""
