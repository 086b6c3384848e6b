"""A route of the host and what it is made of (the rest of the host: core/model.py)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPInterface = IPv4Interface | IPv6Interface
Prefix = IPv4Network | IPv6Network


class Family(enum.IntEnum):
    """An address family by its IP version, which is also what `ipaddress` objects call it."""

    IPV4 = 4
    IPV6 = 6


def family_of(value: IPAddress | IPInterface | Prefix) -> Family:
    """The family of any `ipaddress` object."""
    return Family(value.version)


RT_TABLE_MAIN = 254
"""include/uapi/linux/rtnetlink.h"""
IP6_DEFAULT_METRIC = 1024
"""What a metric of 0 means in IPv6 (IP6_RT_PRIO_USER)."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """One way out of a route. `link_index` is the host's ifindex."""

    link_index: int | None = None
    gateway: IPAddress | None = None
    """May be of the other family (RTA_VIA: an IPv4 route through an IPv6 neighbour)."""
    weight: int = 1
    onlink: bool = False


RTN_NOWHERE = (6, 7, 8)
"""RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT (include/uapi/linux/rtnetlink.h)."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the host (kernel: include/uapi/linux/rtnetlink.h).

    `body` is the dumped RTM_NEWROUTE body (struct rtmsg and attributes, no netlink header), which is the most faithful
    way to put it back; it takes no part in comparisons.
    """

    prefix: Prefix
    table: int
    next_hops: tuple[NextHop, ...] = ()
    type: int = 1
    """RTN_*: 1 unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable, 8 prohibit."""
    protocol: int = 0
    scope: int = 0
    metric: int = 0
    tos: int = 0
    preferred_source: IPAddress | None = None
    mtu_bytes: int | None = None
    expires_s: int | None = field(default=None, compare=False)
    source_prefix: Prefix | None = None
    nexthop_id: int | None = None
    body: bytes = field(default=b"", compare=False, repr=False)

    @property
    def family(self) -> Family:
        return family_of(self.prefix)

    @property
    def leads_nowhere(self) -> bool:
        """A blackhole and its like. No link is its own (IPv6 shows `lo`): it holds for all that is forwarded."""
        return self.type in RTN_NOWHERE

    def elsewhere(self, prefix: Prefix, body: bytes) -> Route:
        """The same to another destination, without a lifetime. (`replace` would cost five times as much.)"""
        return Route(
            prefix,
            self.table,
            self.next_hops,
            self.type,
            self.protocol,
            self.scope,
            self.metric,
            self.tos,
            self.preferred_source,
            self.mtu_bytes,
            None,
            self.source_prefix,
            self.nexthop_id,
            body,
        )

    def uses(self, link_index: int) -> bool:
        """Whether any next hop leaves by that link."""
        hops = self.next_hops
        if len(hops) == 1:  # as nearly all have: a generator costs five times as much, and 100,000 routes are asked
            return hops[0].link_index == link_index
        return any(hop.link_index == link_index for hop in hops)


def metric(route: Route) -> int:
    """The metric that the kernel goes by."""
    return IP6_DEFAULT_METRIC if route.family is Family.IPV6 and route.metric == 0 else route.metric
