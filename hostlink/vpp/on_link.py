"""On-link routes (no gateway: a peer, a network that a route alone makes on-link), which need VPP's own FIB source.

Only under the sources API and CLI does VPP mark such a route as *attached* (fib_entry_flags_update in
vnet/fib/fib_entry_src.c; 25.10 and 26.06). Under any other, hostlink's too, it asks for the neighbours and never takes
an answer: ARP drops it ("source not local to subnet", vnet/arp/arp.c), and a neighbour is not put into forwarding where
its cover is not attached (fib_entry_src_adj.c). So these go in as CLI: the API's are those of other clients. What an
operator himself routes on-link over the uplink by VPP's CLI is taken for hostlink's, and is put right with the rest.

A host route is attached only when it is said without a next hop; VPP then shows the host itself as one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hostlink.core.model import NO_INDEX, Family, PathType, VppRoute
from hostlink.vpp.errors import VppProtocolError, understood
from hostlink.vpp.routes import read_routes
from hostlink.vpp.session import Session

SOURCE_NAME = "CLI"


class Sources(NamedTuple):
    """The FIB sources of hostlink's routes."""

    own: int
    """Of those by gateways."""
    on_link: int
    """Of those without: `on_link_source`."""


@understood
async def on_link_source(session: Session) -> int:
    """The id of VPP's source CLI, another one in each release. Raises VppError."""
    for details in await session.dump("fib_source_dump"):
        if details.src.name == SOURCE_NAME:
            return int(details.src.id)
    raise VppProtocolError(f"VPP has no FIB source {SOURCE_NAME}, which routes without a gateway need")


def is_on_link(route: VppRoute) -> bool:
    """Whether all its paths lead to the link itself."""
    prefix, paths = route.prefix, route.paths
    if len(paths) == 1 and paths[0].next_hop is not None and prefix.prefixlen != prefix.max_prefixlen:
        return False  # the short way of nearly all of a full table
    itself = prefix.network_address if prefix.prefixlen == prefix.max_prefixlen else None
    return bool(paths) and all(
        path.type is PathType.NORMAL and path.sw_if_index != NO_INDEX and path.next_hop in (None, itself)
        for path in paths
    )


def as_said(route: VppRoute) -> VppRoute:
    """An on-link route in the words that make it attached."""
    return replace(route, paths=tuple(replace(path, next_hop=None) for path in route.paths))


async def read_on_link(session: Session, source_id: int, table_id: int, family: Family) -> list[VppRoute]:
    """The on-link routes of that source, `on_link_source`'s, in one table."""
    return [route for route in await read_routes(session, source_id, table_id, family) if is_on_link(route)]
