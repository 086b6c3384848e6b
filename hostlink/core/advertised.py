"""Default routes by router advertisement: whose they are, and when a copy that hostlink put back has done its work.

The kernel takes away, at a router's word (lifetime 0, RFC 4861 §6.3.4), only the default that it made itself. A copy
that was put back on the host link, at a worse metric (core/plan_host.py), would stay until it expires. So it goes as
soon as the kernel's own default of the same router is beside it, which comes with the next advertisement: the kernel
solicits one when the link comes up.
"""

from __future__ import annotations

from hostlink.core.model import HostView, Route
from hostlink.core.route_set import apart

RTPROT_RA = 9


def advertised_default(route: Route) -> bool:
    """The kernel's own has a lifetime; one that somebody added by hand, as `proto ra` or not, is no rival to it."""
    is_default = route.prefix.prefixlen == 0 and route.prefix.version == 6
    return is_default and route.protocol == RTPROT_RA and route.expires_s is not None


def superseded(view: HostView) -> tuple[Route, ...]:
    """The advertised defaults of which a better one, of the same router in the same table, is there."""
    found = sorted(filter(advertised_default, apart(view.routes)), key=lambda route: route.metric)
    return tuple(
        route
        for number, route in enumerate(found)
        if any(
            (better.table, better.next_hops) == (route.table, route.next_hops) and better.metric < route.metric
            for better in found[:number]
        )
    )
