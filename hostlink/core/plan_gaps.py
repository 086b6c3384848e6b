"""What a plan for VPP would take away for a moment from addresses that stay, and how it is kept.

With an address VPP forgets all that it had learnt of the address's network, also while another address of that network
stays (vnet/ip-neighbor/ip_neighbor.c, ip_neighbor_add_del_interface_address_v4 and _v6): a VIP that goes would cost
everybody on the LAN the packets that wait for the router's MAC. So what was learnt is told to VPP again, right behind.

And the address that punted packets are sent to must have its neighbour until the punt redirect is another's: without it
nothing reaches the host, for whichever address it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from hostlink.core.model import IPAddress, IPInterface, VppNeighbour
from hostlink.core.operations import (
    AddVppAddress,
    AddVppNeighbour,
    DeleteVppAddress,
    DeleteVppNeighbour,
    LearnVppNeighbour,
    VppOperation,
)

GONE_AT_ONCE = 20
"""With as many neighbours that is less than the 4,096 bytes that VPP reads at once (vlibmemory/socket_api.c)."""


def forgets(plan: Iterable[VppOperation]) -> frozenset[int]:
    """sw_if_index of the interfaces on which VPP will forget neighbours."""
    return frozenset(operation.sw_if_index for operation in plan if isinstance(operation, DeleteVppAddress))


def with_learnt(
    plan: Sequence[VppOperation], learnt: Collection[VppNeighbour], wanted: Collection[IPInterface]
) -> list[tuple[VppOperation, ...]]:
    """The plan in parts, and behind each run of addresses that go or come the neighbours that it costs.

    Send one part when the one before has been answered: VPP forwards between what it reads at once, and must know its
    neighbours then. Of many addresses that go, a few are in a part.

    learnt: what VPP knows now of the interfaces of `forgets`. wanted: the addresses that the uplink ends with; who is
    in none of their networks is forgotten on purpose.
    """
    parts: list[tuple[VppOperation, ...]] = []
    part: list[VppOperation] = []
    lost: dict[VppNeighbour, None] = {}
    last_add = max((at for at, one in enumerate(plan) if isinstance(one, AddVppAddress)), default=-1)
    gone = 0
    for at, operation in enumerate(plan):
        in_run = isinstance(operation, AddVppAddress | DeleteVppAddress)
        if lost and (not in_run or (gone >= GONE_AT_ONCE and at > last_add)):
            parts.append((*part, *map(LearnVppNeighbour, lost)))
            part, lost, gone = [], {}, 0
        if isinstance(operation, DeleteVppAddress):
            gone += 1
            lost |= dict.fromkeys(one for one in learnt if _covers(operation, one, wanted))
        part.append(operation)
    return [*parts, (*part, *map(LearnVppNeighbour, lost))]


def _covers(gone: DeleteVppAddress, neighbour: VppNeighbour, wanted: Collection[IPInterface]) -> bool:
    if gone.sw_if_index != neighbour.sw_if_index or neighbour.address not in gone.interface.network:
        return False
    return any(neighbour.address in interface.network for interface in wanted)


def before_losing(
    plan: Sequence[VppOperation], punted_to: Collection[IPAddress]
) -> tuple[tuple[VppOperation, ...], tuple[VppOperation, ...]]:
    """The plan in two: what may be done before the punt redirects leave these addresses, and the rest.

    (One that only has another MAC goes and comes in one go, and is no loss.)
    """
    added = {operation.neighbour.address for operation in plan if isinstance(operation, AddVppNeighbour)}
    leaving = set(punted_to) - added
    for number, operation in enumerate(plan):
        if isinstance(operation, DeleteVppNeighbour) and operation.neighbour.address in leaving:
            return tuple(plan[:number]), tuple(plan[number:])
    return tuple(plan), ()
