"""What hostlink does to a VPP, in one object for one life of one VPP: find, read, apply.

`open_dataplane` looks up (or makes) the two things that hostlink owns in every VPP: its FIB source, by which its routes
are told from everybody else's, and the classifier table of the advertisement filter. A plan goes out as one pipeline in
its own order: VPP's main thread takes the messages of one socket one after another, so what leans on an earlier
operation finds it done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Any

from hostlink.core import operations as op
from hostlink.core.alike import PackedRoutes, Place, place_of, prefix_at
from hostlink.core.model import (
    NO_INDEX,
    Family,
    IPAddress,
    LocalReassembly,
    PathType,
    Prefix,
    Reassembly,
    VppInterface,
    VppNeighbour,
    VppPaths,
    VppPort,
    VppRoute,
    VppShared,
    VppTable,
    VppUplink,
)
from hostlink.core.vpp_tables import name_of, ours
from hostlink.vpp import read
from hostlink.vpp.compared import NOT_LISTED, Compared, Listed, read_compared
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.messages import NEIGHBOUR_LEARNT, messages_for
from hostlink.vpp.on_link import Sources, as_said, is_on_link, on_link_source, read_on_link
from hostlink.vpp.packed_routes import Wanted, apply_packed, has_paths
from hostlink.vpp.routes import RouteFailure, apply_routes, own_source, paths_by_dump, read_routes, routes_at
from hostlink.vpp.session import Session, raise_first
from hostlink.vpp.tables import TableUse, drop_tables, read_tables, tables_in_use
from hostlink.vpp.tags import OURS, Ports, find_ports, is_host_tag

EVERY_SOURCE = range(1, 256)
"""FIB sources are numbered in 8 bits (vnet/fib/fib.api)."""
_PART = 10_000
"""Operations of a plan that go out together: a second's work of a slow VPP."""
_PACKED_PART = 50_000
"""Packed routes that go out together: half a second's work."""
_ROUTES = (op.AddVppRoute, op.DeleteVppRoute)
_NO_SUCH_FIB = -3
_NO_SOURCE = 0
"""FIB_SOURCE_INVALID (vnet/fib/fib_source.h)."""


@dataclass(slots=True)
class Dataplane:
    """One VPP. Not to be used after its session has closed."""

    session: Session
    source_id: int
    """hostlink's FIB source, of its routes by gateways."""
    on_link_id: int
    """The FIB source of its routes without (vpp/on_link.py)."""
    on_link: set[tuple[int, Prefix]] = field(default_factory=set)
    """(table, prefix) of those, as far as made or seen in this life: behind another route they do not show."""
    punted_l4: set[tuple[Family, int]] = field(default_factory=set)
    """What hostlink switched on by `set_punt`, in this life or, as far as can be told, in an earlier one."""
    punted_l4_known: bool = False
    """Whether that is settled: after the first look at Punting. VPP tells what is on, and not who switched it."""
    settled: VppShared | None = None
    """What the uplinks needed together when that was brought about last."""
    lost: set[int] = field(default_factory=set)
    """sw_if_index of NIC ports that somebody has deleted, in this life of hostlink: not to be used again."""
    raised: dict[Reassembly, Reassembly] = field(default_factory=dict)
    """What hostlink made of the node's reassembly in this life → what it had found there."""
    switched: dict[LocalReassembly, LocalReassembly] = field(default_factory=dict)
    """The same for whether there is any."""

    async def find(self, uplink: str) -> Ports:
        """The interfaces of a takeover of `uplink`, by tag."""
        return find_ports(await read.read_interfaces(self.session), uplink)

    async def interfaces(self) -> tuple[VppInterface, ...]:
        """Every interface of VPP, whoever made it."""
        return await read.read_interfaces(self.session)

    async def host_ports(self) -> dict[str, int]:
        """Tag → sw_if_index of every interface towards the host, of all uplinks."""
        return {one.tag: one.sw_if_index for one in await read.read_interfaces(self.session) if is_host_tag(one.tag)}

    async def ports_of_others(self, uplink: str) -> frozenset[int]:
        """The sw_if_index of every interface with a tag of hostlink's for another uplink."""
        every = await read.read_interfaces(self.session)
        mine = find_ports(every, uplink)
        own = {port.sw_if_index for port in (mine.uplink, mine.host) if port is not None}
        return frozenset(one.sw_if_index for one in every if one.tag.startswith(OURS)) - own

    async def interface(self, sw_if_index: int) -> VppInterface | None:
        """One interface as it is now."""
        every = await read.read_interfaces(self.session)
        return next((one for one in every if one.sw_if_index == sw_if_index), None)

    async def read_uplink(
        self,
        uplink: VppInterface,
        host: VppInterface,
        wanted: VppUplink | None = None,
        advanced: Callable[[], None] = lambda: None,
        compared: Compared | None = None,
    ) -> VppUplink:
        """Everything set for one uplink. wanted: by how it differs from this packed routes are said.

        compared: what `compare` has found, of the packed routes of `wanted` and of these interfaces.
        """
        there = await read.read_uplink(self.session, self._sources, uplink, host, wanted, advanced, compared)
        self.on_link |= {(route.table_id, route.prefix) for route in there.routes if is_on_link(route)}
        return there

    async def read_ports(self, uplink: VppInterface, host: VppInterface) -> VppUplink:
        """The same without routes and tables."""
        return await read.read_ports(self.session, uplink, host)

    async def compare(
        self,
        ports: frozenset[int],
        wanted: Mapping[Place, VppPaths],
        advanced: Callable[[], None],
        listed: Listed = NOT_LISTED,
    ) -> Compared:
        """What hostlink has in table 0 beside packed routes, of an uplink with these ports (sw_if_index).

        listed: in which order it was listed earlier.
        """
        return await read_compared(self.session, self._sources, ports, wanted, advanced, listed)

    @property
    def _sources(self) -> Sources:
        return Sources(self.source_id, self.on_link_id)

    async def routes_at(self, places: Sequence[tuple[int, Prefix]]) -> dict[tuple[int, Prefix], VppRoute]:
        """hostlink's routes at these (table, prefix), where it has one."""
        found = await routes_at(self.session, {self.source_id, self.on_link_id}, places)
        return {place: route for place, (source, route) in found.items() if self._is_ours(source, route)}

    async def others_at(self, places: Sequence[tuple[int, Prefix]]) -> set[tuple[int, Prefix]]:
        """Of these (table, prefix) those where VPP goes by another's route."""
        found = await routes_at(self.session, EVERY_SOURCE, places)
        return {place for place, (source, route) in found.items() if not self._is_ours(source, route)}

    def _is_ours(self, source: int, route: VppRoute) -> bool:
        return source == self.source_id or (source == self.on_link_id and is_on_link(route))

    async def routes_of(self, tables: Iterable[tuple[int, int]]) -> list[VppRoute]:
        """hostlink's routes of these tables: (table, IP version)."""
        found: list[VppRoute] = []
        for table_id, version in sorted(tables):
            found += await read_routes(self.session, self.source_id, table_id, Family(version))
            if self.on_link:
                found += await read_on_link(self.session, self.on_link_id, table_id, Family(version))
        return found

    async def dead_routes(self, number: int | None) -> list[VppRoute]:
        """hostlink's routes, in all tables, by an interface that is not there any more; `number`: of which it is known.

        (Somebody else's interface may have that number now.) On-link ones go by the known number alone, while it is
        nobody's: of another's they might be an operator's (vpp/on_link.py).
        """
        there = await self.interfaces()
        taken = {one.sw_if_index for one in there}
        living = {one.sw_if_index for one in there if one.sw_if_index != number or one.tag.startswith(OURS)}
        routes = []
        for table in (*(VppTable(0, family) for family in Family), *sorted(await self.own_tables())):
            own = await read_routes(self.session, self.source_id, table.table_id, table.family)
            routes += [route for route in own if _leaves_by(route) - living - {NO_INDEX}]
            if number is not None and number not in taken:
                on_link = await read_on_link(self.session, self.on_link_id, table.table_id, table.family)
                routes += [route for route in on_link if number in _leaves_by(route)]
        return routes

    async def paths_by_dump(self, places: Sequence[tuple[int, Prefix]]) -> list[VppPaths | None]:
        """The paths of hostlink's routes at these (table, prefix), all different: as `routes_at`, for many."""
        found = await paths_by_dump(self.session, self.source_id, places)
        if self.on_link:
            at = {place: number for number, place in enumerate(places)}
            for table_id, version in sorted({(table_id, prefix.version) for table_id, prefix in places}):
                for route in await read_on_link(self.session, self.on_link_id, table_id, Family(version)):
                    if (number := at.get((route.table_id, route.prefix))) is not None:
                        found[number] = route.paths
        return found

    async def has_paths(self, places: set[Place], wanted: Wanted) -> bool:
        """Whether hostlink's routes in table 0 at these places are as wanted. For many."""
        return await has_paths(self.session, self.source_id, places, wanted)

    async def own_tables(self) -> frozenset[VppTable]:
        """The tables that hostlink made, for any uplink."""
        return ours(await read_tables(self.session))

    async def taken_tables(self) -> dict[VppTable, str]:
        """The names of the tables that are others', of all numbers but 0."""
        tables = await read_tables(self.session)
        return {table: name for table, name in tables.items() if table.table_id and name != name_of(table)}

    async def make_tables(self, tables: Iterable[VppTable]) -> bool:
        """Make those that are not there. False: one is another client's, and nothing was made. Raises VppError."""
        wanted = sorted(tables)
        if not (await self.taken_tables()).keys().isdisjoint(wanted):
            return False
        await self.apply([op.AddVppTable(table) for table in wanted])
        return True

    async def tables_in_use(
        self, tables: Collection[VppTable], besides: Iterable[VppRoute] = ()
    ) -> dict[VppTable, TableUse]:
        """Of these tables of hostlink's those that others use, with how; `besides`: routes that do not count."""
        return await tables_in_use(self.session, tables, self.source_id, besides)

    async def port(self, interface: VppInterface) -> VppPort:
        """What is set on one interface."""
        return await read.read_port(self.session, interface)

    async def read_shared(self) -> VppShared:
        """What the node shares."""
        return await read.read_shared(self.session)

    async def learnt_neighbours(self, ports: Iterable[int]) -> frozenset[VppNeighbour]:
        """What VPP has learnt by itself on these interfaces (sw_if_index)."""
        found = [await read.read_neighbours(self.session, port, NEIGHBOUR_LEARNT) for port in ports]
        return frozenset(chain.from_iterable(found))

    async def neighbour_known(self, sw_if_index: int, address: IPAddress) -> bool:
        """Whether somebody on that interface has answered for `address`."""
        return await read.neighbour_known(self.session, sw_if_index, address)

    async def apply(self, plan: Sequence[op.VppOperation], advanced: Callable[[int], None] = lambda _: None) -> None:
        """Carry the plan out in its order. Raises the first refusal, after all answers have come.

        advanced: called whenever a part of it is done, with how many operations that was.
        """
        for refusal in await self.try_all(plan, advanced):
            raise refusal

    async def try_all(
        self, plan: Sequence[op.VppOperation], advanced: Callable[[int], None] = lambda _: None
    ) -> list[VppRefused]:
        """Carry out all of it, whatever becomes of each. Returns the refusals. Raises any other VppError."""
        refusals: list[VppRefused] = []
        for carry_out, run in groupby(plan, key=self._way):
            for part in _in_parts(run):
                refusals += await carry_out(part)
                advanced(len(op.EachOperation(part)))
        return refusals

    def _way(self, operation: op.VppOperation) -> Callable[[list[Any]], Awaitable[list[VppRefused]]]:
        if isinstance(operation, _ROUTES):
            return self._routes
        if isinstance(operation, op.ChangeVppRoutes):
            return self._change_packed
        return self._drop_tables if isinstance(operation, op.DeleteVppTable) else self._messages

    async def _drop_tables(self, plan: list[op.DeleteVppTable]) -> list[VppRefused]:
        await drop_tables(self.session, [operation.table for operation in plan], self.source_id)
        return []

    async def _messages(self, plan: list[op.VppOperation]) -> list[VppRefused]:
        self._remember(plan)
        requests = [one for operation in plan for one in messages_for(operation)]
        replies = await self.session.batch(requests)
        refusals = [reply for reply in replies if isinstance(reply, VppRefused)]
        raise_first([reply for reply in replies if not isinstance(reply, VppRefused)])
        for operation in plan if not refusals else ():
            if isinstance(operation, op.PuntL4):
                key = (operation.family, operation.protocol)
                (self.punted_l4.add if operation.enable else self.punted_l4.discard)(key)
        return refusals

    def _remember(self, plan: list[op.VppOperation]) -> None:
        """Before it is sent: of a request that failed, what is remembered matches nothing and does no harm."""
        for operation in plan:
            if isinstance(operation, op.SetReassembly) and self.raised.pop(operation.found, None) is None:
                self.raised[operation.reassembly] = operation.found
            if isinstance(operation, op.SetLocalReassembly) and self.switched.pop(operation.found, None) is None:
                self.switched[operation.local] = operation.found

    async def _routes(self, plan: list[op.VppOperation]) -> list[VppRefused]:
        add = [operation.route for operation in plan if isinstance(operation, op.AddVppRoute)]
        delete = [operation.route for operation in plan if isinstance(operation, op.DeleteVppRoute)]
        refusals = await self.change_routes(add, delete)
        # Somebody deleted their table meanwhile: whoever reads it back sees it, and that is no reason to stop.
        return [one for one in refusals if one.retval != _NO_SUCH_FIB]

    async def _change_packed(self, plan: list[op.ChangeVppRoutes]) -> list[VppRefused]:
        refusals = [one for operation in plan for one in await self.change_routes([], [], operation.packed)]
        return [one for one in refusals if one.retval != _NO_SUCH_FIB]

    async def change_routes(
        self, add: Sequence[VppRoute], delete: Sequence[VppRoute], packed: PackedRoutes | None = None
    ) -> list[VppRefused]:
        """Add or replace, then delete; the packed ones are others. Returns the refusals. Raises any other VppError.

        A route that gets another source is never away: what is to be there is added before the other one goes.
        """
        if packed:  # attached routes come before those by gateways, and go after them
            refused = await self.change_routes(add, ())
            refused += await apply_packed(self.session, self.source_id, packed)
            return refused + await self.change_routes(self._hidden_among(packed), delete)
        if not (add or delete):
            return []
        direct, others = _parted(add)
        direct_gone, gone = _parted(delete)
        hidden = [one for one in others if (one.table_id, one.prefix) in self.on_link] if self.on_link else []
        failures: list[RouteFailure] = []
        if direct:
            failures += await apply_routes(self.session, self.on_link_id, add=map(as_said, direct), delete=())
            self.on_link |= {(route.table_id, route.prefix) for route in direct}
        # Deleting an absent one is no error.
        failures += await apply_routes(self.session, self.source_id, add=others, delete=[*gone, *direct])
        if hidden or direct_gone:
            failures += await apply_routes(self.session, self.on_link_id, add=(), delete=(*hidden, *direct_gone))
            self.on_link -= {(route.table_id, route.prefix) for route in (*hidden, *direct_gone)}
        return [failure.error for failure in failures]

    def _hidden_among(self, packed: PackedRoutes) -> list[VppRoute]:
        """Those in whose place an on-link route was made, which waits behind another's or goes by another source."""
        at = {place_of(prefix) for table_id, prefix in self.on_link if table_id == 0}
        if not at:
            return []
        return [VppRoute(0, prefix_at(one), paths) for paths, ones in packed.add for one in ones if one in at]


def _in_parts(run: Iterator[op.VppOperation]) -> Iterator[list[op.VppOperation]]:
    """Operations that are carried out in the same way, so many at a time as go out together."""
    while some := list(islice(run, _PART)):
        if not isinstance(some[0], op.ChangeVppRoutes):
            yield some
            continue
        for operation in some:
            assert isinstance(operation, op.ChangeVppRoutes)
            for packed in operation.packed.parts(_PACKED_PART):
                yield [op.ChangeVppRoutes(packed)]


def _leaves_by(route: VppRoute) -> set[int]:
    return {path.sw_if_index for path in route.paths if path.type is PathType.NORMAL}


def _parted(routes: Iterable[VppRoute]) -> tuple[list[VppRoute], list[VppRoute]]:
    """(on-link ones, all others)."""
    direct: list[VppRoute] = []
    others: list[VppRoute] = []
    for route in routes:
        (direct if is_on_link(route) else others).append(route)
    return direct, others


async def open_dataplane(session: Session) -> Dataplane:
    """Find or make what hostlink owns in every VPP. Raises VppError."""
    return Dataplane(session, await own_source(session), await on_link_source(session))


async def read_only(session: Session) -> Dataplane:
    """One to read what others have made: nothing of hostlink's is made in that VPP, and no route may be written."""
    return Dataplane(session, _NO_SOURCE, _NO_SOURCE)
