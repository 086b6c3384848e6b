"""Dumps of routes that lack none, whatever other links' routes do meanwhile.

IPv4's walks by prefix and goes on behind the last one that it gave, so each route that stands throughout is in it.
IPv6's goes on by their number: when routes were added between two parts it begins at the root and skips as many as it
had given (fib6_dump_table, net/ipv6/ip6_fib.c). Where others before that are fewer now it leaves out as many of those
behind, where they are more it gives some twice, whosever they are, and it does not mark the parts (measured, Linux
6.18: of 3,000 routes beside others that come and go 2,729 to 3,274 are dumped, without NLM_F_DUMP_INTR).

So IPv6's is read again when anything at all was said of IPv6 routes meanwhile, and where that never ends all that was
read counts: a route that stands throughout is in one of them. One that went meanwhile may be there too; of that, as of
all that concerns the caller's link, the caller's own watcher tells.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from hostlink.kernel import uapi
from hostlink.kernel.bulk_routes import BulkRoutes
from hostlink.kernel.netlink import Netlink, Request
from hostlink.kernel.watcher import open_watcher

_AF_INET6 = 10
_FEWEST, _MOST, _PATIENCE_S = 3, 10, 1.0
"""Ten dumps, but of a full table, which takes a second or so each, no more than three."""
_HEARING_BYTES = 1 << 16
"""That anything was said is enough, and an overflow says so too."""


async def dump_routes(nl: Netlink, request: Request, begin: Callable[[], BulkRoutes]) -> BulkRoutes:
    """What answers an RTM_GETROUTE; its body is a struct rtmsg. Raises KernelRefused, Unreadable.

    begin: makes what each dump is read into.
    """

    async def once() -> BulkRoutes:
        return await nl.dump_to(request, begin, watched=True)

    if request.body[0] != _AF_INET6:
        return await once()
    found: BulkRoutes | None = None
    groups = (uapi.RTNLGRP_IPV6_ROUTE,)
    async with open_watcher(nl.namespace_fd, groups, receive_buffer_bytes=_HEARING_BYTES) as watcher:
        began = trio.current_time()
        for number in range(_MOST):
            if number >= _FEWEST and trio.current_time() - began > _PATIENCE_S:
                break
            await watcher.pending()
            more = await once()
            if not await watcher.pending():
                return more
            if found is None:
                found = more
            else:
                await found.merge(more, again=True)
    assert found is not None
    return found
