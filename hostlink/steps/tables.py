"""The uplink's tables in VPP, beside table 0: made before their first route, gone after their last one.

They are told from others by number and name (core/vpp_tables.py). One that somebody else uses is not taken away: it is
told (HL-310), and no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hostlink.core.desired_routes import taken_tables
from hostlink.core.model import HostView, Problem, VppTable, VppUplink
from hostlink.core.operations import DeleteVppRoute, DeleteVppTable, VppOperation
from hostlink.core.policy_rules import not_followed
from hostlink.core.route_book import Key, RouteBook
from hostlink.core.route_set import apart
from hostlink.core.vpp_tables import RT_TABLE_MAIN, host_table_of, leads_out, left_to, tables_of, vpp_table_id
from hostlink.kernel.snapshot import read_policy
from hostlink.problems import problem
from hostlink.steps.context import Uplink
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.quirks import reaches_neighbours_from_tables
from hostlink.vpp.tables import TableUse

Uses = dict[VppTable, TableUse]


async def without_kept(uplink: Uplink, desired: VppUplink, actual: VppUplink) -> tuple[VppUplink, Uses]:
    """`actual` without the tables that nobody wants here and others use, and those. Raises VppError."""
    uses = await uplink.node.dataplane().tables_in_use(actual.tables - desired.tables, besides=actual.routes)
    siblings = [table for table, use in uses.items() if use.siblings]
    left = left_to(siblings, actual)
    return replace(left, tables=left.tables - uses.keys()), uses


def kept(name: str, uses: Uses) -> tuple[Problem, ...]:
    """What an operator should know of tables that are kept for other clients."""
    return tuple(
        problem(
            "HL-310",
            f"{name}: IPv{int(table.family)} table {table.table_id}, of the host's table "
            f"{host_table_of(table.table_id)}: {use}",
        )
        for table, use in sorted(uses.items())
        if not use.siblings
    )


async def make_followed(uplink: Uplink, tables: frozenset[VppTable]) -> bool:
    """Before routes that were followed go out, into these. False: one cannot be made. Raises VppError."""
    missing = tables - uplink.tables
    if not missing:
        return True
    if not await uplink.node.dataplane().make_tables(missing):
        return False
    uplink.tables |= missing
    return True


async def _drop_empty(uplink: Uplink, book: RouteBook) -> None:
    dataplane, empty = uplink.node.dataplane(), uplink.tables - book.tables()
    await dataplane.apply([DeleteVppTable(table) for table in sorted(empty)])
    uplink.tables -= empty
    if empty or uplink.told.get("tables"):
        others = await dataplane.own_tables() - book.tables()
        uplink.told["tables"] = kept(uplink.name, await dataplane.tables_in_use(others))


async def look_at_rules(uplink: Uplink, view: HostView) -> None:
    """Tell which policy rules VPP does not follow. Raises KernelError."""
    uplink.rules = await read_policy(uplink.node.host)
    uplink.told["rules"] = not_followed(uplink.name, uplink.rules, apart(view.routes), view.link.index)


def look_at_tables(
    uplink: Uplink, view: HostView, wanted: Collection[VppTable], taken: Mapping[VppTable, str], uses: Uses
) -> None:
    """Tell which tables are other clients', which are kept for them, and what an old VPP lacks in those `wanted`."""
    uplink.taken_tables = taken
    uplink.told["taken"] = taken_tables(uplink.name, taken, apart(view.routes), view.link.index)
    uplink.told["tables"] = kept(uplink.name, uses)
    version = uplink.node.vpp.version
    if wanted and not reaches_neighbours_from_tables(version):
        uplink.told["old"] = (problem("HL-312", f"{uplink.name}: this is VPP {version}"),)
    else:
        uplink.told.pop("old", None)


async def end_followed(uplink: Uplink, book: RouteBook, before: Collection[VppTable], keys: Iterable[Key]) -> None:
    """After routes that were followed have come and gone; `before`: the tables that were needed then. Raises VppError.

    Nearly all that is followed is in table main, where nothing of this changes.
    """
    if book.tables() != before or uplink.tables - book.tables():
        await _drop_empty(uplink, book)
    elif not _of_taken(uplink, keys):
        return
    routes, index = list(book.routes_elsewhere()), uplink.link_index or 0
    uplink.told["rules"] = not_followed(uplink.name, uplink.rules, routes, index)
    uplink.told["taken"] = taken_tables(uplink.name, uplink.taken_tables, routes, index)


def _of_taken(uplink: Uplink, keys: Iterable[Key]) -> bool:
    numbers = {table.table_id for table in uplink.taken_tables}
    return bool(numbers) and any(key[0] != RT_TABLE_MAIN and vpp_table_id(key[0]) in numbers for key in keys)


async def kept_at_the_end(uplink: Uplink) -> tuple[Problem, ...]:
    """After this uplink was taken out of VPP: the tables that stay for other clients. Raises VppError."""
    dataplane = uplink.node.dataplane()
    return kept(uplink.name, await dataplane.tables_in_use(await dataplane.own_tables()))


async def clear_tables(uplink: Uplink) -> list[VppRefused]:
    """Empty hostlink's tables of all that no other uplink's interface leads from, and take them away. Raises VppError.

    For an uplink that has lost an interface in VPP, so that nothing tells which of the routes were its own.
    """
    dataplane = uplink.node.dataplane()
    tables = await dataplane.own_tables()
    others = await dataplane.ports_of_others(uplink.name)
    routes = await dataplane.routes_of((table.table_id, int(table.family)) for table in tables)
    siblings = {one for one in routes if any(path.sw_if_index in others for path in one.paths)}
    shared = tables_of(siblings)
    gone = [one for one in routes if one not in siblings and (leads_out(one) or tables_of([one]).isdisjoint(shared))]
    plan: list[VppOperation] = [DeleteVppRoute(route) for route in gone]
    plan += [DeleteVppTable(table) for table in sorted(tables)]
    return await dataplane.try_all(plan)
