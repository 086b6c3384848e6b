"""What hostlink does to a VPP, in one object for one life of one VPP: find, read, apply.

`open_dataplane` looks up (or makes) the two things that hostlink owns in every VPP: its FIB source, by which its routes
are told from everybody else's, and the classifier table of the advertisement filter. A plan goes out as one pipeline in
its own order: VPP's main thread takes the messages of one socket one after another, so what leans on an earlier
operation finds it done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from hostlink.core import operations as op
from hostlink.core.model import Family, IPAddress, VppInterface, VppShared, VppUplink
from hostlink.vpp import read
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.filter import bound_tables, delete_filter_table, ensure_filter_table, find_filter_table
from hostlink.vpp.messages import messages_for, output_filter
from hostlink.vpp.routes import apply_routes, own_source
from hostlink.vpp.session import Session, raise_first
from hostlink.vpp.tags import Ports, find_ports, is_host_tag

_ROUTES = (op.AddVppRoute, op.DeleteVppRoute)


@dataclass(slots=True)
class Dataplane:
    """One VPP. Not to be used after its session has closed."""

    session: Session
    source_id: int
    filter_table: int | None = None
    punted_l4: set[tuple[Family, int]] = field(default_factory=set)
    """What was set by `set_punt` in this life: setting it again is harmless, reading it is impossible."""

    async def find(self, uplink: str) -> Ports:
        """The interfaces of a takeover of `uplink`, by tag."""
        return find_ports(await read.read_interfaces(self.session), uplink)

    async def interfaces(self) -> tuple[VppInterface, ...]:
        """Every interface of VPP, whoever made it."""
        return await read.read_interfaces(self.session)

    async def host_ports(self) -> dict[str, int]:
        """Tag → sw_if_index of every interface towards the host, of all uplinks."""
        return {one.tag: one.sw_if_index for one in await read.read_interfaces(self.session) if is_host_tag(one.tag)}

    async def interface(self, sw_if_index: int) -> VppInterface | None:
        """One interface as it is now."""
        every = await read.read_interfaces(self.session)
        return next((one for one in every if one.sw_if_index == sw_if_index), None)

    async def read_uplink(self, uplink: VppInterface, host: VppInterface) -> VppUplink:
        """Everything set for one uplink."""
        return await read.read_uplink(self.session, self.source_id, uplink, host, self.filter_table)

    async def read_shared(self) -> VppShared:
        """What the node shares."""
        return await read.read_shared(self.session, frozenset(self.punted_l4))

    async def neighbour_known(self, sw_if_index: int, address: IPAddress) -> bool:
        """Whether somebody on that interface has answered for `address`."""
        return await read.neighbour_known(self.session, sw_if_index, address)

    async def free_output_slot(self, interface: VppInterface) -> int | None:
        """Make the interface's IPv6 output ACL free for the filter. Returns the table of whoever really uses it.

        A table that is bound while the feature is off was left there by a deleted interface of the same number.
        """
        table = (await bound_tables(self.session)).get(interface.sw_if_index)
        if table is None:
            return None
        if await read.has_feature(self.session, interface.name, read.OUTPUT_ACL_FEATURE):
            return None if table == self.filter_table else table
        raise_first(await self.session.batch([output_filter(interface.sw_if_index, table, is_add=False)]))
        return None

    async def ensure_filter(self) -> None:
        """Make the advertisement filter's table where there is none."""
        if self.filter_table is None:
            self.filter_table = await ensure_filter_table(self.session)

    async def apply(self, plan: Sequence[op.VppOperation]) -> None:
        """Carry the plan out in its order. Raises the first refusal, after all answers have come."""
        for refusal in await self.try_all(plan):
            raise refusal

    async def try_all(self, plan: Sequence[op.VppOperation]) -> list[VppRefused]:
        """Carry out all of it, whatever becomes of each. Returns the refusals. Raises any other VppError."""
        if any(isinstance(operation, op.FilterAdvertisements) for operation in plan):
            await self.ensure_filter()
        refusals: list[VppRefused] = []
        for are_routes, run in groupby(plan, key=lambda operation: isinstance(operation, _ROUTES)):
            part = list(run)
            refusals += await (self._routes(part) if are_routes else self._messages(part))
        return refusals

    async def _messages(self, plan: list[op.VppOperation]) -> list[VppRefused]:
        requests = [one for operation in plan for one in messages_for(operation, filter_table=self.filter_table)]
        replies = await self.session.batch(requests)
        refusals = [reply for reply in replies if isinstance(reply, VppRefused)]
        raise_first([reply for reply in replies if not isinstance(reply, VppRefused)])
        for operation in plan if not refusals else ():
            if isinstance(operation, op.PuntL4):
                key = (operation.family, operation.protocol)
                (self.punted_l4.add if operation.enable else self.punted_l4.discard)(key)
        return refusals

    async def _routes(self, plan: list[op.VppOperation]) -> list[VppRefused]:
        add = [operation.route for operation in plan if isinstance(operation, op.AddVppRoute)]
        delete = [operation.route for operation in plan if isinstance(operation, op.DeleteVppRoute)]
        failures = await apply_routes(self.session, self.source_id, add=add, delete=delete)
        return [failure.error for failure in failures]

    async def unbind_filter(self, sw_if_index: int) -> None:
        """Free the output ACL slot: VPP would keep it for the next interface of that number."""
        if self.filter_table is not None and (await bound_tables(self.session)).get(sw_if_index) == self.filter_table:
            raise_first(await self.session.batch([output_filter(sw_if_index, self.filter_table, is_add=False)]))

    async def drop_filter(self) -> None:
        """Delete the filter's table once nothing is bound to it: the last uplink has gone."""
        if self.filter_table is not None and self.filter_table not in (await bound_tables(self.session)).values():
            await delete_filter_table(self.session, self.filter_table)
            self.filter_table = None


async def open_dataplane(session: Session) -> Dataplane:
    """Find or make what hostlink owns in every VPP. Raises VppError."""
    source_id = await own_source(session)
    return Dataplane(session, source_id, await find_filter_table(session))
