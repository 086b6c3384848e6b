"""Reads what VPP has, as core's values: one uplink with everything hung on it, and what the node shares.

There are no events for addresses, neighbours or FIB entries, so the only truth is a dump; all dumps of one look go
out together. What is switched on for an interface is read from the text of `show interface features`: the ND proxy
and the output ACL have no dump, and the dump of proxy ARP interfaces goes on listing an interface that was deleted,
and with it the next one of that number, on which nothing is switched on (measured, 26.06; the slot of `show outacl`
likewise). `set_punt` is read from the text of `show tcp punt` and `show udp punt`: it has no dump.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any

import trio

from hostlink.core.model import (
    NO_INDEX,
    Family,
    IPAddress,
    IPInterface,
    LocalReassembly,
    ProxyRange,
    Reassembly,
    Redirect,
    VppInterface,
    VppNeighbour,
    VppPath,
    VppPort,
    VppRoute,
    VppShared,
    VppUplink,
)
from hostlink.core.vpp_tables import ours
from hostlink.vpp.compared import Compared, read_compared
from hostlink.vpp.compared import concerns as _concerns
from hostlink.vpp.errors import VppError, VppRefused, understood
from hostlink.vpp.messages import FULL_REASSEMBLY, NEIGHBOUR_STATIC_NO_FIB_ENTRY
from hostlink.vpp.on_link import Sources, read_on_link
from hostlink.vpp.routes import read_routes
from hostlink.vpp.session import Request, Session
from hostlink.vpp.tables import read_tables

ARP_PROXY_FEATURE = "arp-proxy"
ND_PROXY_FEATURE = "ip6-unicast-nd-proxy"
_ADMIN_UP, _LINK_UP = 1, 2
_SLICE = 2000
"""Routes looked at in one go before other tasks get their turn: some 5 ms."""
FAMILIES = (Family.IPV4, Family.IPV6)
PROTOCOLS = {"tcp": 6, "udp": 17}


@understood
async def read_interfaces(session: Session) -> tuple[VppInterface, ...]:
    """Every interface of VPP."""
    return tuple(_interface(details) for details in await session.dump("sw_interface_dump"))


def _interface(details: Any) -> VppInterface:
    return VppInterface(
        sw_if_index=int(details.sw_if_index),
        name=str(details.interface_name),
        tag=str(details.tag),
        mac=str(details.l2_address),
        up=bool(details.flags & _ADMIN_UP),
        link_up=bool(details.flags & _LINK_UP),
        mtu_bytes=int(details.mtu[0]),
    )


@understood
async def read_uplink(
    session: Session,
    sources: Sources,
    uplink: VppInterface,
    host: VppInterface,
    wanted: VppUplink | None = None,
    advanced: Callable[[], None] = lambda: None,
    compared: Compared | None = None,
) -> VppUplink:
    """Everything that hostlink sets for one uplink, as VPP has it now. Raises VppError.

    wanted: what table 0 should have, with which it is compared as it comes (vpp/compared.py). compared: it was already.
    """
    tables = ours(await read_tables(session))
    mine = frozenset((uplink.sw_if_index, host.sw_if_index))
    if compared is None:
        compared = await read_compared(session, sources, mine, {} if wanted is None else wanted.packed, advanced)
    routes, packed = await compared.parted(wanted)
    routes += compared.on_link
    for table in sorted(tables):
        routes += await read_routes(session, sources.own, table.table_id, table.family)
        routes += await read_on_link(session, sources.on_link, table.table_id, table.family)
        advanced()
    ports = await read_ports(session, uplink, host)
    return replace(ports, routes=await _concerning(routes, mine), tables=tables, packed=packed)


async def read_ports(session: Session, uplink: VppInterface, host: VppInterface) -> VppUplink:
    """The same without routes and tables."""
    return VppUplink(
        uplink=await read_port(session, uplink),
        host=await read_port(session, host),
        neighbours=await _static_neighbours(session, host.sw_if_index),
    )


async def _concerning(routes: list[VppRoute], ports: frozenset[int]) -> frozenset[VppRoute]:
    """Those of this uplink."""
    found: set[VppRoute] = set()
    for start in range(0, len(routes), _SLICE):
        found.update(route for route in routes[start : start + _SLICE] if _concerns(route.paths, ports))
        await trio.lowlevel.checkpoint()
    return frozenset(found)


@understood
async def read_port(session: Session, interface: VppInterface) -> VppPort:
    """Everything that hostlink sets on one interface, as VPP has it now. Raises VppError."""
    sw = interface.sw_if_index
    details4, details6, unnumbered, adverts = await session.dumps(
        [
            Request("ip_address_dump", {"sw_if_index": sw, "is_ipv6": False}),
            Request("ip_address_dump", {"sw_if_index": sw, "is_ipv6": True}),
            Request("ip_unnumbered_dump", {"sw_if_index": sw}),
            Request("sw_interface_ip6nd_ra_dump", {"sw_if_index": sw}),
        ]
    )
    lender = next((int(item.ip_sw_if_index) for item in unnumbered if item.sw_if_index == sw), None)
    own = [ra for ra in adverts if ra.sw_if_index == sw]
    link_local = await _link_local(session, sw)
    features = await _features(session, interface.name)
    return VppPort(
        sw_if_index=sw,
        up=interface.up,
        mtu_bytes=interface.mtu_bytes,
        ip6_enabled=link_local is not None,
        ra_suppressed=bool(own) and not any(ra.send_radv for ra in own),
        link_local=link_local,
        # An unnumbered interface answers the dump with the addresses it borrows: these are not its own.
        addresses=frozenset() if lender is not None else _addresses([*details4, *details6]),
        unnumbered_to=lender,
        proxy_arp=ARP_PROXY_FEATURE in features,
        nd_proxy=ND_PROXY_FEATURE in features,
    )


def _addresses(details: Iterable[Any]) -> frozenset[IPInterface]:
    interfaces = (ip_interface(str(item.prefix)) for item in details)
    return frozenset(interface for interface in interfaces if not interface.ip.is_link_local)


async def _link_local(session: Session, sw_if_index: int) -> IPv6Address | None:
    """The port's link-local; None where IPv6 is not enabled, which VPP says by refusing the question."""
    (reply,) = await session.batch([Request("sw_interface_ip6_get_link_local_address", {"sw_if_index": sw_if_index})])
    if isinstance(reply, VppRefused):
        return None
    if isinstance(reply, VppError):
        raise reply
    address = IPv6Address(str(reply.ip))
    return None if address == IPv6Address(0) else address


@understood
async def has_feature(session: Session, name: str, feature: str) -> bool:
    """Whether a feature is on for the interface of that name."""
    return feature in await _features(session, name)


async def _features(session: Session, name: str) -> set[str]:
    reply = await session.request("cli_inband", cmd=f"show interface features {name}")
    return set(str(reply.reply).split())


async def _static_neighbours(session: Session, sw_if_index: int) -> frozenset[VppNeighbour]:
    return await read_neighbours(session, sw_if_index, NEIGHBOUR_STATIC_NO_FIB_ENTRY)


@understood
async def read_neighbours(session: Session, sw_if_index: int, flags: int) -> frozenset[VppNeighbour]:
    """The neighbours on that interface that have exactly these of the two flags."""
    found = await session.dumps(
        [Request("ip_neighbor_dump", {"sw_if_index": sw_if_index, "af": af}) for af in range(len(FAMILIES))]
    )
    entries = [details.neighbor for details in (*found[0], *found[1])]
    return frozenset(
        VppNeighbour(sw_if_index, ip_address(str(entry.ip_address)), str(entry.mac_address))
        for entry in entries
        if entry.flags & NEIGHBOUR_STATIC_NO_FIB_ENTRY == flags
    )


@understood
async def neighbour_known(session: Session, sw_if_index: int, address: IPAddress) -> bool:
    """Whether VPP has resolved that neighbour on that interface: a router on the wire answered it."""
    details = await session.dump("ip_neighbor_dump", sw_if_index=sw_if_index, af=int(address.version == 6))
    return any(ip_address(str(item.neighbor.ip_address)) == address for item in details)


@understood
async def read_shared(session: Session) -> VppShared:
    """What the node shares."""
    redirects: set[Redirect] = set()
    for af, family in enumerate(FAMILIES):
        details = await session.dump("ip_punt_redirect_v2_dump", sw_if_index=NO_INDEX, af=af)
        redirects |= {_redirect(item.punt, family) for item in details if item.punt.n_paths}
    ranges = {_proxy_range(item.proxy) for item in await session.dump("proxy_arp_dump")}
    reassembly = frozenset([await _reassembly(session, family) for family in FAMILIES])
    local = await session.request("ip_local_reass_get")
    enabled = LocalReassembly(bool(local.ip4_is_enabled), bool(local.ip6_is_enabled))
    punted = await _punted_l4(session)
    return VppShared(frozenset(redirects), frozenset(ranges), punted, reassembly, enabled)


async def _punted_l4(session: Session) -> frozenset[tuple[Family, int]]:
    replies = [await session.request("cli_inband", cmd=f"show {name} punt") for name in PROTOCOLS]
    return parse_punted_l4("".join(str(reply.reply) for reply in replies))


def parse_punted_l4(text: str) -> frozenset[tuple[Family, int]]:
    """Read `show tcp punt` and `show udp punt`: a line `IPv4 TCP punt: enabled` for each that is punted wholly."""
    lines = re.findall(r"^IPv([46]) (TCP|UDP) punt: enabled", text, re.MULTILINE)
    return frozenset((Family(int(version)), PROTOCOLS[name.lower()]) for version, name in lines)


async def _reassembly(session: Session, family: Family) -> Reassembly:
    limits = await session.request("ip_reassembly_get", is_ip6=family is Family.IPV6, type=FULL_REASSEMBLY)
    return Reassembly(
        family=family,
        max_fragments=int(limits.max_reassembly_length),
        max_datagrams=int(limits.max_reassemblies),
        timeout_ms=int(limits.timeout_ms),
        expire_walk_ms=int(limits.expire_walk_interval_ms),
    )


def _redirect(punt: Any, family: Family) -> Redirect:
    path = punt.paths[0]
    raw = path.nh.address
    hop = ip_address(str(raw.ip6 if family is Family.IPV6 else raw.ip4))
    rx = int(punt.rx_sw_if_index)
    # VPP keeps the redirect for every interface at index 0 (local0) and shows it so.
    return Redirect(family, NO_INDEX if rx == 0 else rx, VppPath(int(path.sw_if_index), hop))


def _proxy_range(proxy: Any) -> ProxyRange:
    return ProxyRange(int(proxy.table_id), IPv4Address(str(proxy.low)), IPv4Address(str(proxy.hi)))
