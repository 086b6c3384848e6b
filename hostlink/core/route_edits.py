"""What a route that was followed has become, kept beside the routes that were journalled as a whole (journal.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hostlink.core.alike import Alike, AlikeEdit, place_of
from hostlink.core.model import Prefix, Route
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import KeptRoutes, RouteSet, by_key, kept, split
from hostlink.core.vpp_tables import RT_TABLE_MAIN


@dataclass(frozen=True, slots=True)
class RouteEdit:
    """All routes that one prefix of one of the host's tables has now: none, when they are gone."""

    table: int
    prefix: Prefix
    routes: tuple[Route, ...] = ()


def edited_set(routes: KeptRoutes, edits: Iterable[RouteEdit | AlikeEdit]) -> KeptRoutes:
    """The routes with the edits, the later ones last: no value is made of what is alike."""
    values, alike = by_key(routes.apart), PlaceMap(routes.items())
    for edit in edits:
        if isinstance(edit, RouteEdit):
            if edit.table == RT_TABLE_MAIN:
                alike.pop(place_of(edit.prefix), None)
            values.pop((edit.table, edit.prefix), None)
            if edit.routes:
                values[edit.table, edit.prefix] = list(edit.routes)
            continue
        one = None if edit.route is None else Alike.of(edit.route, edit.cut)
        beside = {place_of(prefix): prefix for table, prefix in values if table == RT_TABLE_MAIN}
        for place in split(edit.version, edit.places):
            if place in beside:
                values.pop((RT_TABLE_MAIN, beside[place]), None)
            if one is None:
                alike.pop(place, None)
            else:
                alike[place] = one
    return kept(RouteSet((route for there in values.values() for route in there), alike))
