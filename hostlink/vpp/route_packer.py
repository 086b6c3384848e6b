"""Routes to bytes and back at bulk speed.

Out: a template for each shape is packed by the codec, once: a whole framed ip_route_add_del_v2 for one table, family
and tuple of paths. Nearly all routes of a node share a few of those; for each route only context, address and prefix
length are written into it. In: all by struct, the paths once for each distinct run of bytes; what hostlink does not
know the codec reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from hostlink.core.alike import Place
from hostlink.core.model import Family, PathType, Prefix, VppPath, VppPaths, VppRoute, path_order
from hostlink.core.route_set import version_of
from hostlink.core.runs import Layout
from hostlink.vpp.codec import Codec
from hostlink.vpp.errors import VppProtocolError
from hostlink.vpp.frames import HEADER, frame
from hostlink.vpp.messages import fib_path
from hostlink.vpp.route_layout import path_layout, route_layout

ADD_DEL = "ip_route_add_del_v2"
DETAILS = "ip_route_v2_details"

_CONTEXT = struct.Struct(">I")
_IP6 = 1
"""vl_api_address_family_t of IPv6, and fib_path_nh_proto too; 0 is IPv4."""
_PROTOCOLS = (0, _IP6)
_MOST_TEMPLATES = 10_000
_PATH_TYPES = {kind.value: kind for kind in PathType}

PlaceBytes = tuple[int, int, bytes, int]
"""(table, address family, address, prefix length), as on the wire; an IPv4 address has 4 bytes."""


def place_bytes(place: tuple[int, Prefix]) -> PlaceBytes:
    """A (table, prefix) as ip_route_v2_details would say it."""
    table_id, prefix = place
    return table_id, int(prefix.version == 6), prefix.network_address.packed, prefix.prefixlen


@dataclass(frozen=True, slots=True)
class Template:
    """A framed message that lacks context, address and prefix length; the offsets count from the frame's start."""

    message: bytearray
    context_at: int
    address_at: int
    length_at: int

    def fill(self, context: int, prefix: Prefix) -> bytes:
        """The message for one prefix of the template's family."""
        message, packed = self.message, prefix.network_address.packed
        _CONTEXT.pack_into(message, self.context_at, context)
        message[self.address_at : self.address_at + len(packed)] = packed
        message[self.length_at] = prefix.prefixlen
        return bytes(message)

    def fill_all(self, contexts: range, places: Sequence[Place]) -> bytearray:
        """The messages for many, joined, each byte that differs written into all of them at once (core/runs.py).

        places: of the template's family.
        """
        size, filled = len(self.message), bytearray(bytes(self.message) * len(places))
        numbers = struct.pack(f">{len(places)}I", *contexts)
        for byte in range(_CONTEXT.size):
            filled[self.context_at + byte :: size] = numbers[byte :: _CONTEXT.size]
        version = version_of(places[0])
        Layout(size, version, self.length_at, self.address_at).fill(filled, b"".join(places))
        return filled


class RoutePacker:
    """Packs adds and deletes under one FIB source, for one session: its message id and its client_index."""

    def __init__(self, codec: Codec, message_id: int, client_index: int, source_id: int) -> None:
        self._codec = codec
        self._message_id = message_id
        self._client_index = client_index
        self._source_id = source_id
        self._layout = route_layout(codec, ADD_DEL)
        self._templates: dict[tuple[int, int, tuple[VppPath, ...] | None], Template] = {}

    def templates(self, routes: Iterable[VppRoute], *, is_add: bool) -> list[Template]:
        """The template of each route. VppBadRequest: a value that VPP's fields cannot hold; nothing was sent."""
        known = self._templates
        if len(known) > _MOST_TEMPLATES:
            known.clear()
        found = []
        for route in routes:
            key = (route.table_id, route.prefix.version, route.paths if is_add else None)
            template = known.get(key)
            if template is None:
                template = known[key] = self._template(route, is_add)
            found.append(template)
        return found

    def _template(self, route: VppRoute, is_add: bool) -> Template:
        message = self._codec.pack(
            ADD_DEL,
            route_fields(route, self._source_id, is_add),
            message_id=self._message_id,
            client_index=self._client_index,
            context=0,
        )
        offsets = (self._layout.context, self._layout.address, self._layout.length)
        return Template(bytearray(frame(message)), *(HEADER.size + offset for offset in offsets))


def route_fields(route: VppRoute, source_id: int, is_add: bool) -> dict[str, Any]:
    """The fields of ip_route_add_del_v2. An add replaces all paths; a delete takes the whole entry of that source."""
    family = Family(route.prefix.version)
    paths = [fib_path(path, family) for path in route.paths] if is_add else []
    entry = {
        "table_id": route.table_id,
        "prefix": str(route.prefix),
        "src": source_id,
        "n_paths": len(paths),
        "paths": paths,
    }
    return {"is_add": is_add, "is_multipath": False, "route": entry}


class RouteReader:
    """Decodes ip_route_v2_details."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._head = route_layout(codec, DETAILS).head
        self._layout = path_layout(codec, DETAILS)
        self._paths: dict[bytes, tuple[VppPath, ...]] = {}

    def read(self, details: bytes) -> VppRoute:
        """One route, its paths in `path_order`. VppProtocolError: the message does not fit its definition."""
        table_id, family, address, length = self.place(details)
        prefix = _prefix(family, address, length)
        return VppRoute(table_id, prefix, self.paths(details))

    def read_at(self, dump: Iterable[bytes], wanted: dict[PlaceBytes, int], found: list[VppPaths | None]) -> None:
        """Put the paths of the routes at those places into `found`, at the position that `wanted` names.

        All others are passed over. Makes no value for a route: a third of what `read` costs. VppProtocolError, as it.
        """
        for details in dump:
            table_id, family, address, length = self.place(details)
            at = wanted.get((table_id, family, address if family == _IP6 else address[:4], length))
            if at is None:  # another's, or one with host bits, or what is no prefix at all
                at = wanted.get(place_bytes((table_id, _prefix(family, address, length))))
            if at is not None:
                found[at] = self.paths(details)

    def place(self, details: bytes) -> tuple[int, int, bytes, int]:
        """(table, address family, address of 16 bytes, prefix length). VppProtocolError: too short."""
        if len(details) < self._head.size:
            self._codec.unpack(DETAILS, details)  # says what is wrong
        table_id, family, address, length, _source = self._head.unpack_from(details)
        return table_id, family, address, length

    def paths(self, details: bytes) -> VppPaths:
        """Its paths, in `path_order`."""
        packed_paths = details[self._head.size :]
        paths = self._paths.get(packed_paths)
        if paths is None:
            paths = self._paths[packed_paths] = self._read_paths(details)
        return paths

    def _read_paths(self, details: bytes) -> VppPaths:
        layout, packed = self._layout, details[self._head.size :]
        if layout is not None and details[layout.count] * layout.fields.size == len(packed):
            paths = [*layout.fields.iter_unpack(packed)]
            if all(kind in _PATH_TYPES and proto in _PROTOCOLS for _, _, _, kind, proto, _ in paths):
                return tuple(sorted(map(_path_of, paths), key=path_order))
        return read_paths(self._codec.unpack(DETAILS, details).route.paths)


def _prefix(family: int, address: bytes, length: int) -> Prefix:
    try:
        # Not strict: a connected entry keeps the host bits of the address that made it, and goes on being dumped
        # so when only hostlink's route is left of it (ip4_forward.c, 26.06).
        if family == _IP6:
            return IPv6Network((address, length), strict=False)
        return IPv4Network((address[:4], length), strict=False)
    except ValueError as fault:
        raise VppProtocolError(f"{DETAILS} has what is no prefix: {fault}") from fault


def read_paths(paths: Iterable[Any]) -> tuple[VppPath, ...]:
    """A path of a kind that hostlink never makes is left out, so that the route differs from any that it wants."""
    known = [path for path in paths if int(path.type) in _PATH_TYPES]
    return tuple(sorted(map(_path, known), key=path_order))


def _path_of(fields: tuple[int, int, int, int, int, bytes]) -> VppPath:
    sw_if_index, weight, preference, kind, proto, address = fields
    hop = IPv6Address(address) if proto == _IP6 else IPv4Address(address[:4])
    return VppPath(sw_if_index, None if hop.is_unspecified else hop, weight, preference, _PATH_TYPES[kind])


def _path(path: Any) -> VppPath:
    hop = path.nh.address.ip6 if int(path.proto) == _IP6 else path.nh.address.ip4
    return VppPath(
        sw_if_index=path.sw_if_index,
        next_hop=None if hop.is_unspecified else hop,
        weight=path.weight,
        preference=path.preference,
        type=_PATH_TYPES[int(path.type)],
    )
