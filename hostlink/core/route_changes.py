"""What the kernel's route messages say: as a value, or as what many have in common and a destination."""

from __future__ import annotations

from dataclasses import dataclass

from hostlink.core.alike import AlikeChange, Place
from hostlink.core.model import Route


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One route message of the kernel."""

    route: Route
    gone: bool = False
    replaces: bool = False
    """NLM_F_REPLACE: it stands in the place of the one that had the same key."""


Change = tuple[RouteChange, None] | tuple[AlikeChange, Place]
"""One route message: as a value, or as what many have in common with the destination of this one."""


def change_at(change: Change) -> RouteChange:
    """As a value."""
    said, place = change
    if isinstance(said, RouteChange):
        return said
    assert place is not None
    return RouteChange(said.alike.at(place), said.gone, said.replaces)
