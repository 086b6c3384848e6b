"""Bodies of RTM_NEWROUTE and RTM_DELROUTE: from a dumped body that is sent back, or from a route's fields.

A dumped body is the most faithful way back: it holds what no model has words for (locked metrics, router preference,
encapsulation). Some of it is the kernel's report and not a setting, and is taken out: flags such as LINKDOWN or
OFFLOAD, the cache information (an expiry becomes RTA_EXPIRES), and the nexthop object of a route. Those objects die
with the link, so the route comes back with the next hops that the object stood for: it forwards alike, on its own.

The ifindex in it is changed to that of the new link; metric and expiry are the route's own, so that a plan can change
them. (A default by router advertisement that comes back with the metric of the kernel's own makes the kernel drop the
rest of each later advertisement, prefixes included; one metric worse, both live side by side. Measured, Linux 6.18.)

Next hops of a multipath route on *other* links: an IPv4 route
goes as a whole when one of its links goes, so all of it is sent back; IPv6 keeps the others as a route, so only the
link's own hops are, and join them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hostlink.core.model import NextHop, Route
from hostlink.kernel import uapi
from hostlink.kernel.attributes import FAMILY_NUMBER, address, attribute, pieces, u32

_RTMSG = struct.Struct("=8BI")
_RTNEXTHOP = struct.Struct("=HBBi")
_SETTABLE = uapi.RTNH_F_ONLINK | uapi.RTNH_F_PERVASIVE
_NOT_FOR_ADDING = frozenset({uapi.RTA_CACHEINFO, uapi.RTA_EXPIRES, uapi.RTA_NH_ID, uapi.RTA_PRIORITY})
_FOR_DELETING = frozenset(
    {
        uapi.RTA_DST,
        uapi.RTA_SRC,
        uapi.RTA_OIF,
        uapi.RTA_GATEWAY,
        uapi.RTA_VIA,
        uapi.RTA_PRIORITY,
        uapi.RTA_PREFSRC,
        uapi.RTA_MULTIPATH,
        uapi.RTA_TABLE,
    }
)
_TABLE_IN_HEADER = 256
_SIX = 10


def adding(route: Route, from_index: int, link_index: int) -> bytes:
    """The body that adds `route` on `link_index`; next hops on `from_index` are moved there."""
    if not route.body:
        return _from_fields(route, from_index, link_index)
    head, family = _header(route.body)
    parts = [head]
    for kind, piece in pieces(route.body, 12):
        if kind not in _NOT_FOR_ADDING:
            parts.append(_moved(kind, piece, family, from_index, link_index))
    if route.metric:
        parts.append(u32(uapi.RTA_PRIORITY, route.metric))
    if route.expires_s is not None:
        parts.append(u32(uapi.RTA_EXPIRES, route.expires_s))
    return b"".join(parts)


def deleting(route: Route, link_index: int) -> bytes:
    """The body that deletes `route`, and no other of the same prefix. Of IPv6 multipath, the hops on that link."""
    if not route.body:
        return _from_fields(route, link_index, link_index)
    head, family = _header(route.body)
    kept = [(kind, piece) for kind, piece in pieces(route.body, 12) if kind in _FOR_DELETING]
    if route.nexthop_id is not None:
        kept = [(kind, piece) for kind, piece in kept if kind not in _WAYS_OUT]
        kept.append((uapi.RTA_NH_ID, u32(uapi.RTA_NH_ID, route.nexthop_id)))
    return head + b"".join(_moved(kind, piece, family, link_index, link_index) for kind, piece in kept)


def with_hops(route: Route, hops: tuple[NextHop, ...]) -> bytes:
    """The body of a route that says only its nexthop object, with what that stands for: as the kernel itself says it
    while net.ipv4.nexthop_compat_mode is 1."""
    *fields, flags = _RTMSG.unpack_from(route.body)
    single = hops[0] if len(hops) == 1 else None
    head = _RTMSG.pack(*fields, flags | (uapi.RTNH_F_ONLINK if single and single.onlink else 0))
    return head + route.body[_RTMSG.size :] + b"".join(_ways_out(route, hops))


_WAYS_OUT = frozenset({uapi.RTA_OIF, uapi.RTA_GATEWAY, uapi.RTA_VIA, uapi.RTA_MULTIPATH})


def _header(body: bytes) -> tuple[bytes, int]:
    """struct rtmsg with the flags that can be set, and the family."""
    *fields, flags = _RTMSG.unpack_from(body)
    return _RTMSG.pack(*fields, flags & _SETTABLE), fields[0]


def _moved(kind: int, piece: bytes, family: int, from_index: int, link_index: int) -> bytes:
    if kind == uapi.RTA_OIF and struct.unpack_from("=i", piece, 4)[0] == from_index:
        return attribute(uapi.RTA_OIF, struct.pack("=i", link_index))
    if kind == uapi.RTA_MULTIPATH:
        return _moved_hops(piece, family, from_index, link_index)
    return piece


def _moved_hops(piece: bytes, family: int, from_index: int, link_index: int) -> bytes:
    """RTA_MULTIPATH with the hops moved (IPv6: and only those)."""
    (end,) = struct.unpack_from("=H", piece)
    offset, hops = 4, []
    while offset + 8 <= end:
        length, flags, weight, index = _RTNEXTHOP.unpack_from(piece, offset)
        if length < 8 or offset + length > end:
            raise ValueError(f"next hop of {length} bytes at {offset} does not fit in {end}")
        stop = offset + ((length + 3) & ~3)
        if family != _SIX or index == from_index:
            new_index = link_index if index == from_index else index
            hops.append(_RTNEXTHOP.pack(length, flags & _SETTABLE, weight, new_index) + piece[offset + 8 : stop])
        offset = stop
    return attribute(uapi.RTA_MULTIPATH, b"".join(hops))


# ------------------------------------------------------------------------------------------------------- from fields


def _from_fields(route: Route, from_index: int, link_index: int) -> bytes:
    """For routes that were never dumped: hostlink's own, or one read back from a file without its body."""
    hops = [_on(hop, from_index, link_index) for hop in route.next_hops]
    single = hops[0] if len(hops) == 1 else None
    source = route.source_prefix
    head = _RTMSG.pack(
        FAMILY_NUMBER[route.family],
        route.prefix.prefixlen,
        source.prefixlen if source else 0,
        route.tos,
        route.table if route.table < _TABLE_IN_HEADER else 0,
        route.protocol,
        route.scope,
        route.type,
        uapi.RTNH_F_ONLINK if single and single.onlink else 0,
    )
    parts = [head, u32(uapi.RTA_TABLE, route.table)]
    if route.prefix.prefixlen:
        parts.append(address(uapi.RTA_DST, route.prefix.network_address))
    if source:
        parts.append(address(uapi.RTA_SRC, source.network_address))
    if route.preferred_source is not None:
        parts.append(address(uapi.RTA_PREFSRC, route.preferred_source))
    return b"".join([*parts, *_numbers(route), *_ways_out(route, hops)])


def _ways_out(route: Route, hops: Sequence[NextHop]) -> list[bytes]:
    if len(hops) == 1:
        index = hops[0].link_index
        return [u32(uapi.RTA_OIF, index) if index else b"", _gateway(route, hops[0])]
    return [attribute(uapi.RTA_MULTIPATH, b"".join(_hop(route, hop) for hop in hops))] if hops else []


def _numbers(route: Route) -> list[bytes]:
    parts = [u32(uapi.RTA_PRIORITY, route.metric)] if route.metric else []
    if route.mtu_bytes is not None:
        parts.append(attribute(uapi.RTA_METRICS, u32(uapi.RTAX_MTU, route.mtu_bytes)))
    if route.expires_s is not None:
        parts.append(u32(uapi.RTA_EXPIRES, route.expires_s))
    return parts


def _on(hop: NextHop, from_index: int, link_index: int) -> NextHop:
    if hop.link_index in (None, from_index):
        return NextHop(link_index, hop.gateway, hop.weight, hop.onlink)
    return hop


def _gateway(route: Route, hop: NextHop) -> bytes:
    """RTA_GATEWAY, or RTA_VIA (u16 family, address) where the gateway is of the other family."""
    if hop.gateway is None:
        return b""
    if hop.gateway.version == route.prefix.version:
        return address(uapi.RTA_GATEWAY, hop.gateway)
    return attribute(uapi.RTA_VIA, struct.pack("=H", FAMILY_NUMBER[hop.gateway.version]) + hop.gateway.packed)


def _hop(route: Route, hop: NextHop) -> bytes:
    gateway = _gateway(route, hop)
    flags = uapi.RTNH_F_ONLINK if hop.onlink else 0
    return _RTNEXTHOP.pack(8 + len(gateway), flags, hop.weight - 1, hop.link_index or 0) + gateway
