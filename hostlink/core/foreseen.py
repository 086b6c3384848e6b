"""A link as it will be when a plan for it has been carried out, for whoever wants to know what would come after.

What the kernel does by itself is foreseen as far as hostlink's own plans count on it (plan_host.py): with an address
come its routes, and what leads nowhere was never the link's. Its numbers for what it decides stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hostlink.core.model import HostView, NextHop, Route
from hostlink.core.operations import AddHostAddress, AddHostRoute, ChangeHostAddress, HostOperation
from hostlink.core.places import PlaceMap
from hostlink.core.plan_host import KernelMakes
from hostlink.core.route import RT_TABLE_MAIN
from hostlink.core.route_set import Alike, Routes, RouteSet, items, place_of


def carried(wanted: HostView, there: HostView, plan: Iterable[HostOperation]) -> HostView:
    """`there` after `plan`, which makes it carry `wanted` but for the name and the MAC (plan_host, not exact)."""
    operations = tuple(plan)
    flags = {one.address.interface: one.address.flags for one in operations if isinstance(one, AddHostAddress)}
    flags |= {one.address.interface: one.address.flags for one in operations if isinstance(one, ChangeHostAddress)}
    addresses = tuple(replace(one, flags=flags.get(one.interface, one.flags)) for one in wanted.addresses)
    added = [one.route for one in operations if isinstance(one, AddHostRoute)]
    kernel = KernelMakes(wanted.addresses)
    by_itself = [one for one in wanted.routes if kernel.made(one) or one.leads_nowhere]
    hops = _Hops(wanted.link.index, there.link.index)
    new = (replace(one, next_hops=hops.of(one)) for one in (*by_itself, *added))
    routes = _kept_as(wanted.routes, dict.fromkeys((*there.routes, *new)), hops)
    link = replace(wanted.link, index=there.link.index, name=there.link.name, mac=there.link.mac)
    return replace(wanted, link=link, addresses=addresses, routes=routes)


def _kept_as(wanted: Routes, routes: Iterable[Route], hops: _Hops) -> Routes:
    """As a look would find them: packed is what was packed in `wanted`."""
    if isinstance(wanted, tuple):
        return tuple(routes)
    were, moved = PlaceMap(items(wanted)), dict[Alike, Alike]()
    apart: list[Route] = []
    alike = PlaceMap[Alike]()
    for route in routes:
        place = place_of(route.prefix)
        kind = were.get(place) if route.table == RT_TABLE_MAIN else None
        if kind is None:
            apart.append(route)
            continue
        if kind not in moved:
            moved[kind] = Alike.of(replace(kind.route, next_hops=hops.of(kind.route)), kind.cut)
        alike[place] = moved[kind]
    in_order = ((place, alike[place]) for place in were if place in alike)  # the kernel's
    return RouteSet(apart, PlaceMap(in_order))


class _Hops:
    """Next hops said of the other link. A full table has a handful, 100,000 times."""

    def __init__(self, before: int, after: int) -> None:
        self._before, self._after = before, after
        self._known: dict[tuple[NextHop, ...], tuple[NextHop, ...]] = {}

    def of(self, route: Route) -> tuple[NextHop, ...]:
        found = self._known.get(route.next_hops)
        if found is None:
            found = tuple(
                replace(hop, link_index=self._after) if hop.link_index == self._before else hop
                for hop in route.next_hops
            )
            self._known[route.next_hops] = found
        return found
