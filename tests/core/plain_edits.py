"""Edits carried out among values: what edits of packed routes are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostlink.core.alike import PLACE4_BYTES, PLACE6_BYTES, Alike, AlikeEdit, prefix_at
from hostlink.core.model import Route
from hostlink.core.route_edits import RouteEdit
from hostlink.core.route_set import by_key


def each_edit(edits: Iterable[AlikeEdit]) -> Iterator[RouteEdit]:
    """One edit for each place. Raises ValueError for one that is no place."""
    for edit in edits:
        one = None if edit.route is None else Alike.of(edit.route, edit.cut)
        size = PLACE4_BYTES if edit.version == 4 else PLACE6_BYTES
        for start in range(0, len(edit.places), size):
            place = edit.places[start : start + size]
            yield RouteEdit(edit.table, prefix_at(place), () if one is None else (one.at(place),))


def edited(routes: Iterable[Route], edits: Iterable[RouteEdit]) -> tuple[Route, ...]:
    """The routes with the edits, the later ones last."""
    found = by_key(routes)
    for edit in edits:
        found.pop((edit.table, edit.prefix), None)
        if edit.routes:
            found[edit.table, edit.prefix] = list(edit.routes)
    return tuple(route for there in found.values() for route in there)
