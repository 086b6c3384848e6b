"""How long what a link has still lasts: what is left of addresses and routes, and whether somebody has said more since.

Lifetimes run down by themselves, and routers and DHCP servers refresh them again and again. The journal is not written
for each of that; but what it says must not end an address long before its time (F13).
"""

from __future__ import annotations

from hostlink.core.model import Address, HostView, IPAddress, IPInterface, Route

MARGIN_S = 5
"""Whole seconds, read at different moments: what differs by less is the same."""

_Key = tuple[IPInterface, IPAddress | None] | Route


def lifetimes(view: HostView) -> dict[_Key, tuple[int, int]]:
    """Of addresses the seconds that are left, valid and preferred; of routes twice until they expire."""
    left: dict[_Key, tuple[int, int]] = {(a.interface, a.peer): _of_address(a) for a in view.addresses if _ends(a)}
    left |= {route: (route.expires_s, route.expires_s) for route in view.routes if route.expires_s is not None}
    return left


def _ends(address: Address) -> bool:
    return address.valid_lifetime_s is not None


def _of_address(address: Address) -> tuple[int, int]:
    return address.valid_lifetime_s or 0, address.preferred_lifetime_s or 0


def refreshed(view: HostView, before: HostView) -> bool:
    """Whether something has more time left than `before` says. Once per refresh at most, and never for running down."""
    old = lifetimes(before)
    return any(
        now > then + MARGIN_S
        for key, left in lifetimes(view).items()
        for now, then in zip(left, old.get(key, left), strict=True)
    )
