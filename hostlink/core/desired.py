"""What VPP should have, read off what Linux has on the host interface.

The host's view is the wish: its addresses go to the uplink, its routes to VPP's table, and the interface towards the
host borrows the uplink's addresses (unnumbered) and stands in for everybody else there (proxy ARP and ND). What a wish
cannot be in VPP is told as a problem and never left out in silence.

Two rules of VPP shape the addresses. Overlapping networks of different lengths are refused, so an address inside
another one's network (a /32 of a VIP, a /128 by DHCPv6 beside a /64) takes the wider length: that is the same
forwarding, one connected network and one address of its own in it. And with an address comes its network, always. So
one that is point-to-point, or has no prefix route (`noprefixroute`) and no route of somebody's in its place, is its
/32 or /128 alone; the way to its peer is a route of its own.

Routes: desired_routes.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import IPv6Address, ip_interface

from hostlink.core.attached import attaching
from hostlink.core.desired_packed import Known, translated
from hostlink.core.desired_routes import RTN_UNICAST, translator_for
from hostlink.core.host_addresses import IFA_F_NOPREFIXROUTE, usable
from hostlink.core.model import (
    NO_INDEX,
    Address,
    Family,
    HostView,
    IPAddress,
    IPInterface,
    LocalReassembly,
    Prefix,
    Problem,
    Reassembly,
    Redirect,
    Route,
    VppNeighbour,
    VppPath,
    VppPort,
    VppShared,
    VppTable,
    VppUplink,
)
from hostlink.core.proxy_ranges import PROXIED
from hostlink.core.route_set import Routes, of_kind
from hostlink.core.vpp_tables import RT_TABLE_MAIN, tables_of

TCP, UDP = 6, 17
PUNTED_L4 = frozenset((family, protocol) for family in Family for protocol in (TCP, UDP))
"""The ports of both that nothing in VPP claims are the host's."""
REASSEMBLED = frozenset({Reassembly(Family.IPV4, max_fragments=64)})
"""64 kB are 45 fragments at 1500 and 53 at 1280. No more, because each holds one of VPP's buffers (16,384 by default)
until its datagram is whole or 200 ms have passed without a fragment. Fewer datagrams at a time would bound that, but
VPP frees what ran out at leisure (up to a second): a few lost fragments would stop all reassembly."""
LOCAL_REASSEMBLY = LocalReassembly(ip4=True, ip6=False)
"""IPv6's fragments are punted as they came, and the host puts them together. It must be so: VPP cuts a whole datagram
of more than 65,495 bytes of payload not at all on its way to the host (a length that wraps at 16 bits, ip6_mtu_check,
26.06), which stops the host link's transmit ring for good."""


def vpp_desired(
    view: HostView,
    *,
    uplink_sw: int,
    host_sw: int,
    cluster: Collection[Route] = (),
    host_up: bool = True,
    taken: Collection[VppTable] = (),
    answers: bool = True,
    known: Known | None = None,
) -> tuple[VppUplink, tuple[Problem, ...]]:
    """What VPP should have for one uplink, and what of the host's wish it cannot have.

    uplink_sw, host_sw: sw_if_index of the NIC and of the interface towards the host. cluster: the routes that hostlink
    itself added to the host, which are never mirrored. host_up: whether VPP may send to the host. taken: VPP's
    tables that are other clients'. answers: whether tables beside 0 may have routes that answer by ICMP. known: what
    was translated before; what of it is still so is not done again.
    """
    interfaces = vpp_interfaces(view.addresses, view.routes)
    uplink = VppPort(
        sw_if_index=uplink_sw,
        up=True,
        mtu_bytes=view.link.mtu_bytes,
        ip6_enabled=True,
        ra_suppressed=True,
        link_local=vpp_link_local(view.link.mac),
        addresses=interfaces,
    )
    host = replace(
        uplink,
        sw_if_index=host_sw,
        up=host_up,
        link_local=None,
        addresses=frozenset(),
        unnumbered_to=uplink_sw,
        proxy_arp=True,
        nd_proxy=True,
    )
    own = {
        address.interface.ip for address in view.addresses if usable(address) and not _link_local6(address.interface)
    }
    neighbours = frozenset(VppNeighbour(host_sw, address, view.link.mac) for address in own)
    found = translated(translator_for(view, interfaces, uplink_sw, cluster, taken, answers), view.routes, known)
    attached, unheard = attaching(view.link.name, found.routes, interfaces, uplink_sw, found.packed, found.ways)
    tables = tables_of(found.routes)
    wanted = VppUplink(uplink, host, neighbours, found.routes | attached, tables, found.packed, found.ways)
    return wanted, found.problems + unheard


def shared_desired(view: HostView, *, uplink_sw: int, host_sw: int, primary: bool = True) -> VppShared:
    """What one uplink needs of what the node shares. The primary uplink's redirect is for every interface.

    An address family in which the host has no address has no redirect: there is nobody to punt to.
    """
    rx = NO_INDEX if primary else uplink_sw
    targets = [target for family in Family if (target := punt_target(view.addresses, family)) is not None]
    return VppShared(
        redirects=frozenset(Redirect(Family(to.version), rx, VppPath(host_sw, to)) for to in targets),
        proxy_ranges=frozenset({PROXIED}),
        punted_l4=PUNTED_L4,
        reassembly=REASSEMBLED,
        local_reassembly=LOCAL_REASSEMBLY,
    )


def punt_target(addresses: Iterable[Address], family: Family) -> IPAddress | None:
    """The host's address that punted packets are sent to: the oldest global one, else the oldest of any scope.

    The oldest, so that a new one does not move the redirect: the kernel has IPv4's oldest first and IPv6's last.
    An IPv6 link-local address is none: nothing that goes through VPP is for it.
    """
    own = [a for a in addresses if a.family is family and usable(a) and not _link_local6(a.interface)]
    if family is Family.IPV6:
        own.reverse()
    own.sort(key=lambda address: (address.interface.is_link_local, address.scope))
    return own[0].interface.ip if own else None


def vpp_link_local(mac: str) -> IPv6Address:
    """VPP's own link-local on the NIC: made from the NIC's MAC, and never the host's.

    The host's own stays the host's alone: with VPP having it too, both would answer for it. The EUI-64 identifier that
    a host makes of a MAC has `ff:fe` in its middle (RFC 4291, appendix A); this one has `ca:11`.
    """
    raw = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([raw[0] ^ 2]) + raw[1:3] + b"\xca\x11" + raw[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def vpp_interfaces(addresses: Collection[Address], routes: Routes = ()) -> frozenset[IPInterface]:
    """The host's addresses as VPP takes them: no two networks overlap unless they are the same."""
    alone = networks_by_route(addresses)
    if alone:
        alone -= {route.prefix for route in of_kind(routes, _is_on_link)}
    wanted = {
        _alone(address, alone) for address in addresses if usable(address) and not _link_local6(address.interface)
    }
    lengths = {interface.network: interface.network.prefixlen for interface in wanted}
    return frozenset(ip_interface(f"{one.ip}/{min(_wider(one, lengths))}") for one in wanted)


def networks_by_route(addresses: Iterable[Address]) -> set[Prefix]:
    """The networks that are on-link only where somebody routed them so: VPP's addresses change with such a route."""
    return {address.interface.network for address in addresses if address.flags & IFA_F_NOPREFIXROUTE}


def _is_on_link(route: Route) -> bool:
    mine = route.table == RT_TABLE_MAIN and route.type == RTN_UNICAST
    return mine and bool(route.next_hops) and all(hop.gateway is None for hop in route.next_hops)


def _alone(address: Address, alone: Collection[Prefix]) -> IPInterface:
    own = address.interface
    by_route = address.flags & IFA_F_NOPREFIXROUTE and own.network in alone
    return ip_interface(own.ip) if address.peer is not None or by_route else own


def _wider(one: IPInterface, networks: Iterable[object]) -> list[int]:
    """The lengths of all networks that it is in, its own too."""
    return [net.prefixlen for net in networks if one.ip in net]  # type: ignore[attr-defined,operator]


def _link_local6(interface: IPInterface) -> bool:
    return interface.version == 6 and interface.is_link_local
