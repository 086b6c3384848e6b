"""What a takeover takes from a link for good: no other link can have it, and give-back cannot put it back."""

from __future__ import annotations

from collections.abc import Sequence

from hostlink.core.model import HostView
from hostlink.core.plan_host import takes_token
from hostlink.core.route_set import apart, kinds


def stuck(views: Sequence[HostView]) -> tuple[str, ...]:
    """In the words of `tc`, `bridge` and `ip`, each once: of a link as it was in each of these views."""
    return tuple(dict.fromkeys(text for view in views for text in (*view.stuck, *_objects(view), *_token(view))))


def _objects(view: HostView) -> list[str]:
    """The kernel deletes nexthop objects with their link; their routes come back with plain next hops."""
    there = (*apart(view.routes), *(one.route for one in kinds(view.routes)))
    numbers = {route.nexthop_id for route in there if route.nexthop_id is not None}
    return [f"ip nexthop object {number}" for number in sorted(numbers)]


def _token(view: HostView) -> list[str]:
    """One that was set while the link read advertisements, and is not taken now."""
    token = view.link.token
    return [f"ip token {token}"] if token is not None and not takes_token(view) else []
