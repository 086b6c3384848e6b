"""VPP's tables: which are there, who uses one, and how one is made and taken away (vnet/ip/ip.api, ip_table).

VPP counts what holds a table by source: one lock for all clients of the API together, one for each interface that is
bound to it, one for each neighbour (vnet/fib/fib_table.c). Deleting it gives back the API's lock, whoever took it, and
when no other is left the table goes, whatever routes are in it. So hostlink asks first who else is there, and leaves a
table that is not empty to those who use it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hostlink.core.model import Family, VppRoute, VppTable
from hostlink.vpp.errors import VppRefused, understood
from hostlink.vpp.messages import vpp_table
from hostlink.vpp.route_layout import route_layout
from hostlink.vpp.route_packer import DETAILS, place_bytes
from hostlink.vpp.session import Request, Session, raise_first

VPPS_OWN_SOURCES = frozenset(
    ("special", "default-route", "adjacency", "recursive-resolution", "attached_export", "urpf-exempt", "interpose")
)
"""FIB sources (vnet/fib/fib_source.h) of what VPP puts into a table by itself: with the table, or for a route."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """Who else is in a table of hostlink's."""

    routes: int = 0
    """Routes of other clients."""
    interfaces: tuple[str, ...] = ()
    """Interfaces that are bound to it."""
    siblings: bool = False
    """Routes of another uplink of hostlink's."""

    def __bool__(self) -> bool:
        return bool(self.routes or self.interfaces or self.siblings)

    def __str__(self) -> str:
        words = [f"{self.routes} route{'s' * (self.routes != 1)}"] if self.routes else []
        return ", ".join([*(f"interface {name}" for name in self.interfaces), *words])


@understood
async def read_tables(session: Session) -> dict[VppTable, str]:
    """The name of each table of VPP."""
    details = await session.dump("ip_table_dump")
    return {
        VppTable(int(one.table.table_id), Family.IPV6 if one.table.is_ip6 else Family.IPV4): str(one.table.name)
        for one in details
    }


@understood
async def tables_in_use(
    session: Session, tables: Collection[VppTable], source_id: int, ours: Iterable[VppRoute] = ()
) -> dict[VppTable, TableUse]:
    """Of these tables those that others use, and how. Raises VppError.

    source_id: hostlink's FIB source. ours: routes that are not counted.
    """
    if not tables:
        return {}
    own = {int(one.src.id) for one in await session.dump("fib_source_dump") if one.src.name in VPPS_OWN_SOURCES}
    own_places = {place_bytes((route.table_id, route.prefix)) for route in ours}
    bound = await _bound(session, {table.family for table in tables})
    head = route_layout(session.codec, DETAILS).head
    found = {}
    for table in tables:
        place = {"table_id": table.table_id, "is_ip6": table.family is Family.IPV6}
        (dump,) = await session.dump_frames([Request("ip_route_v2_dump", {"src": 0, "table": place})])
        sources = []
        for details in dump:
            table_id, family, address, length, source = head.unpack_from(details)
            known = (table_id, family, address if family else address[:4], length)
            if source not in own and known not in own_places:
                sources.append(source)
        others = sum(source != source_id for source in sources)
        use = TableUse(others, tuple(bound.get(table, ())), len(sources) > others)
        if use:
            found[table] = use
    return found


async def _bound(session: Session, families: Collection[Family]) -> dict[VppTable, list[str]]:
    """The names of the interfaces that are bound to each table."""
    interfaces = await session.dump("sw_interface_dump")
    found: dict[VppTable, list[str]] = {}
    for family in families:
        fields = [{"sw_if_index": one.sw_if_index, "is_ipv6": family is Family.IPV6} for one in interfaces]
        replies = await session.batch([Request("sw_interface_get_table", one) for one in fields])
        for interface, reply in zip(interfaces, replies, strict=True):
            if isinstance(reply, VppRefused):  # gone meanwhile
                continue
            if isinstance(reply, Exception):
                raise reply
            found.setdefault(VppTable(int(reply.vrf_id), family), []).append(str(interface.interface_name))
    return found


async def drop_tables(session: Session, tables: Sequence[VppTable], source_id: int) -> None:
    """Delete those of them that nobody uses. Raises VppError."""
    used = await tables_in_use(session, tables, source_id)
    raise_first(await session.batch([vpp_table(one, is_add=False) for one in tables if one not in used]))
