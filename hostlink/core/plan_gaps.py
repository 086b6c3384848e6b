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


def forgets(plan: Iterable[VppOperation]) -> frozenset[int]:
    """sw_if_index of the interfaces on which VPP will forget neighbours."""
    return frozenset(operation.sw_if_index for operation in plan if isinstance(operation, DeleteVppAddress))


def with_learnt(
    plan: Sequence[VppOperation], learnt: Collection[VppNeighbour], wanted: Collection[IPInterface]
) -> tuple[VppOperation, ...]:
    """The plan, and behind each run of addresses that go or come the neighbours that it costs.

    learnt: what VPP knows now of the interfaces of `forgets`. wanted: the addresses that the uplink ends with; who is
    in none of their networks is forgotten on purpose.
    """
    kept: list[VppOperation] = []
    lost: dict[VppNeighbour, None] = {}
    for operation in plan:
        if isinstance(operation, DeleteVppAddress):
            lost |= dict.fromkeys(one for one in learnt if _covers(operation, one, wanted))
        elif lost and not isinstance(operation, AddVppAddress):
            kept += [LearnVppNeighbour(one) for one in lost]
            lost = {}
        kept.append(operation)
    return (*kept, *(LearnVppNeighbour(one) for one in lost))


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
