"""Messages about tables, routes, FIB sources and IPv6 on an interface."""

from __future__ import annotations

import os
from dataclasses import replace

from hostlink.lab.standin import fib as fibs
from hostlink.lab.standin import ip6link
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.fib import Entry, Path, Source, Table
from hostlink.lab.standin.forwarding import ALL_ONES6
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.retvals import (
    INVALID_PREFIX_LENGTH,
    IP6_NOT_ENABLED,
    NO_MATCHING_INTERFACE,
    NO_PATHS_IN_ROUTE,
    NO_SUCH_ENTRY,
    NO_SUCH_FIB,
    UNSPECIFIED,
    Refused,
)
from hostlink.lab.standin.wire import packed_prefix, wire_path, wire_prefix

_ANSWERS = (fibs.PATH_ICMP_UNREACH, fibs.PATH_ICMP_PROHIBIT)


def _table(vpp: Vpp, version: int, table_id: int) -> Table:
    table = vpp.state.fib.find(version, table_id)
    if table is None:
        raise Refused(NO_SUCH_FIB)
    return table


# --------------------------------------------------------------------------------------------------------------- routes


@handles("ip_route_add_del", "ip_route_add_del_v2")
def ip_route_add_del(vpp: Vpp, request: Values) -> Reply:
    route = request["route"]
    address, length = packed_prefix(route["prefix"])
    table = vpp.state.fib.find(4 if len(address) == 4 else 6, route["table_id"])
    if table is None:
        raise Refused(NO_SUCH_FIB, stats_index=NONE)
    paths = tuple(decode_path(vpp, path, NONE) for path in route["paths"])
    if length > table.bits:
        raise Refused(INVALID_PREFIX_LENGTH, stats_index=NONE)
    if request["is_add"] and table.table_id and vpp.release < "26.02" and any(path.type in _ANSWERS for path in paths):
        os._exit(139)  # SIGSEGV: hostlink/vpp/quirks.py
    source = route.get("src", 0) or fibs.API
    paths, flags = _fixed_up(table, address, length, paths, source)
    return {"stats_index": _change(vpp, request, table, (address, length), source, Source(paths, flags))}


def _change(vpp: Vpp, request: Values, table: Table, prefix: tuple[bytes, int], source: int, what: Source) -> int:
    """Adds, replaces or removes; returns the entry's stats index, ~0 after a removal."""
    if not what.paths and (request["is_add"] or request["is_multipath"]):
        raise Refused(NO_PATHS_IN_ROUTE, stats_index=NONE)
    address, length = prefix
    fib = vpp.state.fib
    if request["is_add"]:
        _note_next_hops(vpp, what.paths)
        add = fib.add_paths if request["is_multipath"] else fib.update
        return add(table, address, length, source, what).stats_index
    if request["is_multipath"]:
        fib.remove_paths(table, address, length, source, what.paths)
    else:
        fib.delete(table, address, length, source)
    return NONE


def _note_next_hops(vpp: Vpp, paths: tuple[Path, ...]) -> None:
    for path in paths:
        by_interface = path.type == fibs.PATH_NORMAL and path.sw_if_index != NONE
        if by_interface and path.has_next_hop and path.next_hop != ALL_ONES6:
            vpp.state.uses_next_hop(path.sw_if_index, path.next_hop)


def decode_path(vpp: Vpp, path: Values, stats_index: int | None = None) -> Path:
    """A path of the wire, refused as VPP refuses it."""
    fields: dict[str, object] = {} if stats_index is None else {"stats_index": stats_index}
    if path["proto"] > 4:
        raise Refused(UNSPECIFIED, **fields)
    normal = path["type"] == fibs.PATH_NORMAL
    size = 16 if path["proto"] == 1 else 4
    decoded = Path(
        path["type"],
        path["sw_if_index"] if normal or path["type"] == fibs.PATH_LOCAL else NONE,
        path["nh"]["address"][:size] if normal else bytes(size),
        path["table_id"],
        path["weight"] or 1,
        path["preference"],
        path["flags"],
        path["proto"],
    )
    if normal and decoded.sw_if_index == NONE:
        if vpp.state.fib.find(6 if decoded.proto == 1 else 4, decoded.table_id) is None:
            raise Refused(NO_SUCH_FIB, **fields)
    elif normal and vpp.state.interfaces.find(decoded.sw_if_index) is None:
        raise Refused(NO_MATCHING_INTERFACE, **fields)
    return decoded


def _fixed_up(
    table: Table, address: bytes, length: int, paths: tuple[Path, ...], source: int
) -> tuple[tuple[Path, ...], int]:
    """What VPP makes of paths: a host route without a next hop goes to that host; one by an interface is attached.

    Attached only by the API or the CLI, whatever the last path says (fib_entry_flags_update, vnet/fib/fib_entry_src.c).
    """
    flags, out = 0, []
    for path in paths:
        if path.type == fibs.PATH_LOCAL:
            flags |= fibs.LOCAL | fibs.CONNECTED
        elif path.type == fibs.PATH_NORMAL and path.sw_if_index != NONE:
            attached = not path.has_next_hop
            if attached and length == table.bits:
                path = replace(path, next_hop=address)
            path = replace(path, glean=not path.has_next_hop)
            if source in (fibs.API, fibs.CLI):
                flags = flags | fibs.ATTACHED if attached else flags & ~fibs.ATTACHED
        out.append(path)
    return tuple(out), flags


def _route(vpp: Vpp, table: Table, entry: Entry, *, with_source: bool) -> Values:
    source, best = vpp.state.fib.best(table, entry)
    route: Values = {
        "table_id": table.table_id,
        "stats_index": entry.stats_index,
        "prefix": wire_prefix(entry.shown, entry.length),
        "n_paths": len(best.paths),
        "paths": [wire_path(path) for path in best.paths],
    }
    if with_source:
        route["src"] = source
    return {"route": route}


@handles("ip_route_dump")
def ip_route_dump(vpp: Vpp, request: Values) -> Reply:
    table = vpp.state.fib.find(6 if request["table"]["is_ip6"] else 4, request["table"]["table_id"])
    if table is None:
        return []
    return [_route(vpp, table, entry, with_source=False) for entry in table.entries()]


@handles("ip_route_v2_dump")
def ip_route_v2_dump(vpp: Vpp, request: Values) -> Reply:
    table = vpp.state.fib.find(6 if request["table"]["is_ip6"] else 4, request["table"]["table_id"])
    if table is None:
        return []
    wanted = request["src"]
    entries = (e for e in table.entries() if not wanted or vpp.state.fib.best(table, e)[0] == wanted)
    return [_route(vpp, table, entry, with_source=True) for entry in entries]


@handles("ip_route_lookup_v2")
def ip_route_lookup_v2(vpp: Vpp, request: Values) -> Reply:
    address, length = packed_prefix(request["prefix"])
    table = _table(vpp, 4 if len(address) == 4 else 6, request["table_id"])
    if not request["exact"]:
        return _route(vpp, table, table.lookup(address), with_source=True)
    entry = table.exact(address, length)
    if entry is None:
        raise Refused(NO_SUCH_ENTRY)
    return _route(vpp, table, entry, with_source=True)


# --------------------------------------------------------------------------------------------------- tables and sources


@handles("ip_table_add_del_v2")
def ip_table_add_del_v2(vpp: Vpp, request: Values) -> Reply:
    """Table 0 is always there; what is done to it is ignored, and so is the removal of what is absent."""
    wanted = request["table"]
    version = 6 if wanted["is_ip6"] else 4
    if wanted["table_id"] == 0:
        return {}
    if request["is_add"]:
        vpp.state.fib.create_table(version, wanted["table_id"], wanted["name"]).made = True
        return {}
    table = vpp.state.fib.find(version, wanted["table_id"])
    if table is not None:
        vpp.state.fib.delete_table(table)
    return {}


@handles("ip_table_dump")
def ip_table_dump(vpp: Vpp, _request: Values) -> Reply:
    return [
        {"table": {"table_id": table.table_id, "is_ip6": table.version == 6, "name": table.name}}
        for table in vpp.state.fib.tables()
    ]


@handles("fib_source_add")
def fib_source_add(vpp: Vpp, request: Values) -> Reply:
    """Each request makes another one, whatever its name: a client that restarts must look before it adds."""
    source, fib = request["src"], vpp.state.fib
    number = max(fib.priorities) + 1
    fib.priorities[number], fib.names[number] = source["priority"], source["name"]
    return {"id": number}


@handles("fib_source_dump")
def fib_source_dump(vpp: Vpp, _request: Values) -> Reply:
    fib = vpp.state.fib
    return [{"src": {"priority": fib.priorities[i], "id": i, "name": fib.names[i]}} for i in sorted(fib.priorities)]


# ---------------------------------------------------------------------------------------------------- IPv6 on the link


@handles("sw_interface_ip6_enable_disable")
def sw_interface_ip6_enable_disable(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    change = ip6link.enable if request["enable"] else ip6link.disable
    change(vpp.state, interface)
    return {}


@handles("sw_interface_ip6_set_link_local_address")
def sw_interface_ip6_set_link_local_address(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    ip6link.set_link_local(vpp.state, interface, request["ip"])
    return {}


@handles("sw_interface_ip6_get_link_local_address")
def sw_interface_ip6_get_link_local_address(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    if interface.ip6 is None:
        raise Refused(IP6_NOT_ENABLED)
    return {"ip": interface.ip6.link_local}
