"""Routes from dumped RTM_NEWROUTE bodies, by `struct`: a node that speaks BGP has hundreds of thousands of them.

The reader below knows the attributes that nearly all routes are made of and reads them by hand; a route with any other
(source prefix, gateway of another family, encapsulation …) goes through pyroute2's parser, which is complete and many
times slower. Both must make the same value of the same bytes: tests compare them.

What the model has no word for (locked metrics, router preference, encapsulation) is in the body, which is kept whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from hostlink.core.model import IPAddress, NextHop, Prefix, Route
from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, pieces, walk
from hostlink.kernel.errors import reading
from hostlink.kernel.parse import decode, said
from hostlink.kernel.sockets import Message

_RTMSG = struct.Struct("=8BI")
"""struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (linux/rtnetlink.h)."""
_ATTRIBUTE = struct.Struct("=HH")
_RTNEXTHOP = struct.Struct("=HBBi")
_TICKS_PER_S = 100
"""USER_HZ: rta_cacheinfo counts in clock ticks, 100 to the second on every architecture of today."""

_u32 = struct.Struct("=I").unpack_from
_s32 = struct.Struct("=i").unpack_from

HopCache = dict[tuple[int, bytes, bool, int], tuple[NextHop]]
AlikeCache = dict[bytes, Route]
"""Of bodies without their destination: a route that has the rest of them."""
_TABLE_THEN_DST4 = (_ATTRIBUTE.pack(8, uapi.RTA_TABLE), _ATTRIBUTE.pack(8, uapi.RTA_DST))
_DST_AT, _AFTER_DST4 = 20, 28
"""Where IPv4's destination is when the kernel says it second, as it does (fib_dump_info, net/ipv4/fib_semantics.c)."""
_AF_INET6 = 10


@reading("the routes")
def read_routes(messages: Iterable[Message]) -> tuple[Route, ...]:
    """All routes of a dump, in its order, but not cache entries (RTM_F_CLONED). Raises Unreadable."""
    hops: HopCache = {}
    alike: AlikeCache = {}
    found = []
    for message in messages:
        if message.type == uapi.RTM_NEWROUTE and not _u32(message.body, 8)[0] & uapi.RTM_F_CLONED:
            found.append(read_body(message.body, hops, alike))
    return tuple(found)


def read_body(body: bytes, hops: HopCache, alike: AlikeCache) -> Route:
    """A route by the quickest reader that knows it.

    A full table differs by its destinations: where that is in its usual place, all else is read once for equal bytes.
    """
    if (body[12:16], body[_DST_AT : _DST_AT + 4]) != _TABLE_THEN_DST4 or body[0] == _AF_INET6:
        return by_hand(body, hops) or by_pyroute2(body)
    rest = body[:1] + body[2:_DST_AT] + body[_AFTER_DST4:]
    one = alike.get(rest)
    if one is None:
        route = by_hand(body, hops) or by_pyroute2(body)
        if route.expires_s is None and route.prefix == _dst4(body):
            alike[rest] = route
        return route
    return one.elsewhere(_dst4(body), body)


class _Network(IPv4Network):
    """A prefix like any other that computes its hash once: a followed one is looked up a dozen times."""

    _hash: int | None = None

    def __hash__(self) -> int:
        known = self._hash
        if known is None:
            known = self._hash = super().__hash__()
        return known


def _dst4(body: bytes) -> IPv4Network:
    return _Network((body[_DST_AT + 4 : _AFTER_DST4], body[1]))


def by_hand(body: bytes, cache: HopCache) -> Route | None:
    """The route, or None if it has an attribute that this does not know. `cache` shares equal next hops.

    One long function on purpose: it runs once for each of 100,000 routes, and each call it made would cost a tenth.
    """
    family, prefix_length, _, tos, table, protocol, scope, kind, flags = _RTMSG.unpack_from(body)
    six = family == _AF_INET6
    destination: bytes | int = 0
    link_index = metric = 0
    gateway = b""
    source = mtu_bytes = expires_s = nexthop_id = None
    hops: tuple[NextHop, ...] | None = None
    offset, end = 12, len(body)
    while offset < end:
        length, attribute = _ATTRIBUTE.unpack_from(body, offset)
        start, stop = offset + 4, offset + length
        offset = (stop + 3) & ~3
        if length < 4 or offset > end:
            raise ValueError(f"a route's attribute {attribute} of {length} bytes does not fit in it")
        if attribute == uapi.RTA_DST:
            destination = body[start:stop]
        elif attribute == uapi.RTA_OIF:
            link_index = _s32(body, start)[0]
        elif attribute == uapi.RTA_GATEWAY:
            gateway = body[start:stop]
        elif attribute == uapi.RTA_TABLE:
            table = _u32(body, start)[0]
        elif attribute == uapi.RTA_PRIORITY:
            metric = _u32(body, start)[0]
        elif attribute == uapi.RTA_PREFSRC:
            source = (IPv6Address if six else IPv4Address)(body[start:stop])
        elif attribute == uapi.RTA_METRICS:
            mtu_bytes = _mtu(body, start, stop)
        elif attribute == uapi.RTA_CACHEINFO:
            expires_s = _expires(_s32(body, start + 8)[0])
        elif attribute == uapi.RTA_MULTIPATH:
            hops = _multipath(body, start, stop, cache)
            if hops is None:
                return None
        elif attribute == uapi.RTA_NH_ID:
            nexthop_id = _u32(body, start)[0]
        elif attribute != uapi.RTA_PREF:
            return None
    if hops is None:
        hops = _hop(cache, link_index, gateway, bool(flags & uapi.RTNH_F_ONLINK), 1) if link_index else ()
    prefix: Prefix = (IPv6Network if six else IPv4Network)((destination, prefix_length))
    return Route(
        prefix, table, hops, kind, protocol, scope, metric, tos, source, mtu_bytes, expires_s, None, nexthop_id, body
    )


def _hop(cache: HopCache, link_index: int, gateway: bytes, onlink: bool, weight: int) -> tuple[NextHop]:
    key = (link_index, gateway, onlink, weight)
    hop = cache.get(key)
    if hop is None:
        address = _packed(gateway) if gateway else None
        hop = cache[key] = (NextHop(link_index or None, address, weight, onlink),)
    return hop


def _packed(address: bytes) -> IPAddress:
    return IPv4Address(address) if len(address) == 4 else IPv6Address(address)


def _mtu(body: bytes, offset: int, end: int) -> int | None:
    """RTAX_MTU among the nested metrics."""
    while offset < end:
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < 4:
            raise ValueError(f"a route's metric {kind} is {length} bytes long")
        if kind == uapi.RTAX_MTU:
            mtu_bytes: int = _u32(body, offset + 4)[0]
            return mtu_bytes
        offset += (length + 3) & ~3
    return None


def _expires(ticks: int) -> int | None:
    """Seconds left, rounded up: a route that is still there has not expired."""
    return -(-ticks // _TICKS_PER_S) if ticks > 0 else None


def _multipath(body: bytes, offset: int, end: int, cache: HopCache) -> tuple[NextHop, ...] | None:
    """struct rtnexthop, each with attributes of its own. None if a hop has more than a gateway."""
    hops: list[NextHop] = []
    while offset < end:
        length, flags, weight, link_index = _RTNEXTHOP.unpack_from(body, offset)
        if length < _RTNEXTHOP.size or offset + length > end:
            raise ValueError(f"a route's next hop of {length} bytes does not fit in it")
        gateway = b""
        if length > 8:
            size, attribute = _ATTRIBUTE.unpack_from(body, offset + 8)
            if attribute != uapi.RTA_GATEWAY or 8 + ((size + 3) & ~3) < length:
                return None
            gateway = body[offset + 12 : offset + 8 + size]
        hops += _hop(cache, link_index, gateway, bool(flags & uapi.RTNH_F_ONLINK), weight + 1)
        offset += (length + 3) & ~3
    return tuple(hops)


# ------------------------------------------------------------------------------------------------- the complete reader


def by_pyroute2(body: bytes) -> Route:
    """The same value from any RTM_NEWROUTE body."""
    (message,) = decode([Message(uapi.RTM_NEWROUTE, 0, 0, _without_encapsulation(body))])
    any_address = "::" if message["family"] == _AF_INET6 else "0.0.0.0"
    metrics, life = message.get_attr("RTA_METRICS"), message.get_attr("RTA_CACHEINFO")
    source_length = message["src_len"]
    return Route(
        prefix=ip_network(f"{said(message, 'RTA_DST', str) or any_address}/{message['dst_len']}"),
        table=said(message, "RTA_TABLE", int) or message["table"],
        next_hops=_next_hops(message),
        type=message["type"],
        protocol=message["proto"],
        scope=message["scope"],
        metric=said(message, "RTA_PRIORITY", int) or 0,
        tos=message["tos"],
        preferred_source=_optional(said(message, "RTA_PREFSRC", str)),
        mtu_bytes=said(metrics, "RTAX_MTU", int) if metrics else None,
        expires_s=_expires(_signed(life["rta_expires"])) if life else None,
        source_prefix=_source(message, any_address) if source_length else None,
        nexthop_id=_nexthop_id(body),
        body=body,
    )


def _source(message: Any, any_address: str) -> Prefix:
    return ip_network(f"{said(message, 'RTA_SRC', str) or any_address}/{message['src_len']}")


_ENCAPSULATION = (uapi.RTA_ENCAP, uapi.RTA_ENCAP_TYPE)


def _without_encapsulation(body: bytes) -> bytes:
    """No model has it, and pyroute2's search for its type (rtmsg.py, encap_info) never ends where a length is 0."""
    parts = [body[: _RTMSG.size]]
    for kind, piece in pieces(body, _RTMSG.size):
        if kind not in _ENCAPSULATION:
            parts.append(_hops_without(piece) if kind == uapi.RTA_MULTIPATH else piece)
    return b"".join(parts)


def _hops_without(piece: bytes) -> bytes:
    (end,) = struct.unpack_from("=H", piece)
    offset, hops = 4, b""
    while offset < end:
        length, *rest = _RTNEXTHOP.unpack_from(piece, offset)
        if length < _RTNEXTHOP.size or offset + length > end:
            raise ValueError(f"a next hop of {length} bytes does not fit in {end}")
        kept = pieces(piece[offset : offset + ((length + 3) & ~3)], _RTNEXTHOP.size)
        attributes = b"".join(one for kind, one in kept if kind not in _ENCAPSULATION)
        hops += _RTNEXTHOP.pack(_RTNEXTHOP.size + len(attributes), *rest) + attributes
        offset += (length + 3) & ~3
    return attribute(uapi.RTA_MULTIPATH, hops)


def _nexthop_id(body: bytes) -> int | None:
    """RTA_NH_ID, which pyroute2 0.9.7 does not know."""
    for kind, payload in walk(body, _RTMSG.size):
        if kind == uapi.RTA_NH_ID:
            number: int = _u32(payload)[0]
            return number
    return None


def _next_hops(message: Any) -> tuple[NextHop, ...]:
    multipath = message.get_attr("RTA_MULTIPATH")
    if multipath:
        return tuple(_pyroute2_hop(hop, hop["oif"], hop["flags"], hop["hops"] + 1) for hop in multipath)
    link_index = said(message, "RTA_OIF", int)
    return (_pyroute2_hop(message, link_index, message["flags"], 1),) if link_index else ()


def _pyroute2_hop(message: Any, link_index: int, flags: int, weight: int) -> NextHop:
    via = said(message, "RTA_VIA", dict)
    gateway = _optional(via["addr"] if via else said(message, "RTA_GATEWAY", str))
    return NextHop(link_index or None, gateway, weight, bool(flags & uapi.RTNH_F_ONLINK))


def _optional(text: str | None) -> IPAddress | None:
    return ip_address(text) if text else None


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
