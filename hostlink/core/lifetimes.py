"""How long what a link has still lasts: what is left of addresses and routes, and whether somebody has said more since.

Lifetimes run down by themselves, and routers and DHCP servers refresh them again and again. The journal is not written
for each of that; but what it says must not end an address long before its time (F13), and what is put back by it must
not outlive its lease: it is aged by the time that has passed since it was read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hostlink.core.model import Address, HostView, IPAddress, IPInterface, Route
from hostlink.core.route_set import KeptRoutes, RouteSet, apart, with_apart

MARGIN_S = 5
"""Whole seconds, read at different moments: what differs by less is the same."""

R = TypeVar("R", tuple[Route, ...], RouteSet, KeptRoutes, "tuple[Route, ...] | RouteSet | KeptRoutes")
_Key = tuple[IPInterface, IPAddress | None] | Route


def lifetimes(view: HostView) -> dict[_Key, tuple[int, int]]:
    """Of addresses the seconds that are left, valid and preferred; of routes twice until they expire."""
    left: dict[_Key, tuple[int, int]] = {(a.interface, a.peer): _of_address(a) for a in view.addresses if _ends(a)}
    left |= {route: (route.expires_s, route.expires_s) for route in apart(view.routes) if route.expires_s is not None}
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


def aged(view: HostView, by_s: int) -> HostView:
    """What would be left of the view after that many seconds. What has run out by then is not in it."""
    if by_s <= 0:
        return view
    addresses = tuple(_older(address, by_s) for address in view.addresses if _lasts(address.valid_lifetime_s, by_s))
    routes = with_apart(view.routes, (route for route in apart(view.routes) if _lasts(route.expires_s, by_s)))
    return replace(view, addresses=addresses, routes=lengthened(routes, -by_s))


def lengthened(routes: R, by_s: int) -> R:
    """The routes with so much more time for those that expire: said of so many seconds earlier."""
    return with_apart(
        routes,
        (
            route if route.expires_s is None else replace(route, expires_s=route.expires_s + by_s)
            for route in apart(routes)
        ),
    )


def _lasts(left_s: int | None, by_s: int) -> bool:
    return left_s is None or left_s > by_s


def _older(address: Address, by_s: int) -> Address:
    valid_s, preferred_s = address.valid_lifetime_s, address.preferred_lifetime_s
    return replace(
        address,
        valid_lifetime_s=None if valid_s is None else valid_s - by_s,
        preferred_lifetime_s=None if preferred_s is None else max(0, preferred_s - by_s),
    )
