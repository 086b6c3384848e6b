"""hostlink's routes that lie behind another client's in VPP: told as a problem, and no reason to end a takeover.

VPP goes by the FIB source of the best priority, and shows only that one. An interface address comes before all routes,
and the API's routes (those of other clients) before on-link ones, which go in as CLI's (vpp/on_link.py). Ours then
waits behind it, and comes out when the other's goes; until then no look shows whether it is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from hostlink.core.alike import place_of
from hostlink.core.events import DETAILS_SHOWN
from hostlink.core.model import Prefix, VppRoute, VppUplink
from hostlink.core.operations import AddVppRoute, ChangeVppRoutes, DeleteVppRoute, EachOperation, VppOperation
from hostlink.core.plan import route_order
from hostlink.problems import problem
from hostlink.steps.context import Uplink


async def past_hidden(uplink: Uplink, desired: VppUplink, plan: Sequence[VppOperation]) -> tuple[VppOperation, ...]:
    """The plan without what is behind another's route already, and with what is to go from there. Raises VppError."""
    if not uplink.hidden:
        return tuple(plan)
    wanted = {(route.table_id, route.prefix): route for route in desired.routes}
    gone = [route for place, route in uplink.hidden.items() if desired.paths_at(*place, wanted) is None]
    waiting = [route for route in _adds(plan, uplink.hidden) if uplink.hidden[route.table_id, route.prefix] == route]
    await _keep(uplink, [*waiting, *gone])
    left = set(uplink.hidden.values())
    rest = [one for operation in plan for one in _without(operation, left)]
    return (*rest, *(DeleteVppRoute(route) for route in gone if route in left))


def _adds(plan: Iterable[VppOperation], places: Collection[tuple[int, Prefix]]) -> Iterator[VppRoute]:
    """What the plan adds at these (table, prefix)."""
    packed = {place_of(prefix) for table_id, prefix in places if table_id == 0}
    for one in plan:
        if isinstance(one, AddVppRoute) and (one.route.table_id, one.route.prefix) in places:
            yield one.route
        elif isinstance(one, ChangeVppRoutes):
            yield from one.packed.parted(lambda place, _: place in packed)[0].added()


def _without(operation: VppOperation, routes: Collection[VppRoute]) -> list[VppOperation]:
    """The operation without the adds of these."""
    if isinstance(operation, AddVppRoute):
        return [] if operation.route in routes else [operation]
    if not isinstance(operation, ChangeVppRoutes):
        return [operation]
    paths_at = {place_of(route.prefix): route.paths for route in routes if route.table_id == 0}
    _, rest = operation.packed.parted(lambda place, paths: paths is not None and paths_at.get(place) == paths)
    return [ChangeVppRoutes(rest)] if rest else []


async def note_hidden(uplink: Uplink, plan: Sequence[VppOperation]) -> None:
    """After a plan that was carried out twice: what still does not show is behind another's. Raises VppError."""
    each = list(EachOperation(plan))
    deleted = {operation.route for operation in each if isinstance(operation, DeleteVppRoute)}
    adds = [operation.route for operation in each if isinstance(operation, AddVppRoute)]
    before = [route for route in uplink.hidden.values() if route not in deleted]
    await _keep(uplink, list(dict.fromkeys((*before, *adds))))


async def _keep(uplink: Uplink, routes: list[VppRoute]) -> None:
    """Of these, what is hidden now; and say so."""
    others = await uplink.node.dataplane().others_at([(route.table_id, route.prefix) for route in routes])
    hidden = sorted((route for route in routes if (route.table_id, route.prefix) in others), key=route_order)
    uplink.hidden = {(route.table_id, route.prefix): route for route in hidden}
    uplink.told["hidden"] = ()
    if hidden:
        names = ", ".join(str(route.prefix) for route in hidden[:DETAILS_SHOWN])
        more = f" and {len(hidden) - DETAILS_SHOWN} more" if len(hidden) > DETAILS_SHOWN else ""
        uplink.told["hidden"] = (problem("HL-307", f"{uplink.name}: {names}{more}"),)
