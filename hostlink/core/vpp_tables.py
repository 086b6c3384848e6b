"""Which table of VPP is which table of the host's.

The host's table main is VPP's table 0. Each other one that has routes by the uplink gets a table of hostlink's own, one
for each family, because VPP keeps the families apart. Its number is the host's with MARK over it: both have 32 bits, so
this is one to one, and it is far from the small numbers that people and other clients choose. Its name says whose it
is, because VPP keeps the name that a table was first made with: one of that number with another name is another
client's, and is left alone (HL-309).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hostlink.core.model import NO_INDEX, Family, PathType, VppRoute, VppTable, VppUplink
from hostlink.core.route import RT_TABLE_MAIN as RT_TABLE_MAIN

RT_TABLE_LOCAL = 255
MARK = 0x686C0000
"""`hl` in the upper half."""


def vpp_table_id(host_table: int) -> int | None:
    """VPP's number for a table of the host's. None for the two that VPP has another use for: its 0 and its `~0`."""
    if host_table == RT_TABLE_MAIN:
        return 0
    table_id = MARK ^ host_table
    return None if table_id in (0, NO_INDEX) else table_id


def host_table_of(table_id: int) -> int:
    """The other way round."""
    return RT_TABLE_MAIN if table_id == 0 else MARK ^ table_id


def name_of(table: VppTable) -> str:
    """What hostlink's table of that number is called in VPP."""
    return f"hostlink {host_table_of(table.table_id)}"


def ours(tables: Mapping[VppTable, str]) -> frozenset[VppTable]:
    """Of VPP's tables, by name, those that hostlink made."""
    return frozenset(table for table, name in tables.items() if table.table_id and name == name_of(table))


def tables_of(routes: Iterable[VppRoute]) -> frozenset[VppTable]:
    """The tables that these routes need, beside table 0, which is always there."""
    places = {(route.table_id, route.prefix.version) for route in routes if route.table_id}
    return frozenset(VppTable(table_id, Family(version)) for table_id, version in places)


def leads_out(route: VppRoute) -> bool:
    """Whether any path of it leads to an interface."""
    return any(path.type is PathType.NORMAL for path in route.paths)


def left_to(siblings: Collection[VppTable], actual: VppUplink) -> VppUplink:
    """Without the routes to nowhere of tables that another uplink stands on too: they are of no uplink alone."""
    if not siblings:
        return actual
    places = {(table.table_id, int(table.family)) for table in siblings}
    kept = [one for one in actual.routes if leads_out(one) or (one.table_id, one.prefix.version) not in places]
    return replace(actual, routes=frozenset(kept))
