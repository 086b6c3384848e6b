"""Following routes: what the kernel said of single routes goes to VPP without anything else being read.

A whole look costs as much as there are routes; this costs as much as has changed. It is done only after a whole look
has ended well, and only with messages that tell all (core/route_book.py); in any other case, and whenever VPP does not
show what it should, everything is looked at instead.

The first change goes out at once. While a routing daemon pours in more, they are gathered for a moment, so that they go
to VPP together, and are read back when it pauses.
"""

from __future__ import annotations

import trio

from hostlink.core.alike import prefix_at
from hostlink.core.events import Mirrored
from hostlink.core.model import Prefix
from hostlink.core.route_book import RouteBook
from hostlink.steps.carry_over import PLENTY, SLICE, CarryOver, Some
from hostlink.steps.context import Uplink
from hostlink.steps.tables import end_followed

BURST = 16
"""Messages at once: more are somebody's table, and not somebody's change."""
GATHER_S = 0.005
"""So long more are waited for, where they are not plenty."""
LOOKED_UP = 1000
"""Places read back one by one; of more the whole table is read."""
_AS_DEAR = 100
"""To look up one takes as long as to read so many of a table."""
PAUSE_S = 0.2
"""Nothing came for so long: the storm pauses. `ip -batch` on a busy machine stops for less."""
LATEST_S = 10.0
"""What was changed is read back after so long at the latest, however the storm goes on."""

_WORK = "bringing route changes of the host to VPP"
_Place = tuple[int, Prefix]


async def follow(uplink: Uplink, step: int) -> Mirrored | None:
    """Bring over what the inbox has. None: everything must be looked at. Raises VppError."""
    book, inbox = uplink.book, uplink.inbox
    if book is None or inbox.everything:
        return None
    if len(inbox) > BURST:
        if len(inbox) < PLENTY:
            await trio.sleep(GATHER_S)
        uplink.work.goes_on(_WORK, len(inbox))
    uplink.book, done = None, None  # until all that follows has ended well
    try:
        done = await _follow(uplink, book)
    finally:
        # The journal in memory may be told by what the book says, which then is on no disk.
        uplink.unsaved |= done is None
    if done is None:
        inbox.look_at_everything()
        return None
    return Mirrored(step, done)


async def _follow(uplink: Uplink, book: RouteBook) -> Some | None:
    """What was done. None: everything must be looked at."""
    tables, work = book.tables(), CarryOver(uplink, book)
    if not await work.run():
        return None
    if await _is_time_to_read_back(uplink) and not await _read_back(uplink, book):
        return None
    await end_followed(uplink, book, tables, [key for one in work.portions for key in one.keys])
    uplink.book = book
    uplink.told["routes"] = book.problems
    uplink.mirrored |= {"routes_ipv4": book.counts[4], "routes_ipv6": book.counts[6]}
    return work.described()


async def _is_time_to_read_back(uplink: Uplink) -> bool:
    """When nothing more is to be done at once. The whole table is read when the storm pauses, and not in between."""
    if len(uplink.inbox) > BURST:
        return False
    if len(uplink.unread) + len(uplink.unread_places) <= LOOKED_UP:
        return True
    if trio.current_time() - uplink.unread_since >= LATEST_S:
        return True
    with trio.move_on_after(PAUSE_S):
        await uplink.inbox.wait_more()
        return False
    return True


async def _read_back(uplink: Uplink, book: RouteBook) -> bool:
    """Whether VPP has what it should where it was changed since this was asked last."""
    unread, places = uplink.unread, uplink.unread_places
    uplink.forget_unread()
    dataplane = uplink.node.dataplane()
    if len(unread) + len(places) <= min(LOOKED_UP, max(BURST, len(book) // _AS_DEAR)):
        unread |= {(0, prefix_at(place)) for place in places}
        places = set()
    if places and not await dataplane.has_paths(places, book.paths_at):
        return False
    if not unread:
        return True
    return await _as_wanted(uplink, book, list(unread))


async def _as_wanted(uplink: Uplink, book: RouteBook, places: list[_Place]) -> bool:
    dataplane = uplink.node.dataplane()
    if len(places) <= LOOKED_UP:
        there = await dataplane.routes_at(places)
        return all(there.get(place) == book.wanted(place) for place in places)
    found = await dataplane.paths_by_dump(places)
    for start in range(0, len(places), SLICE):
        for place, paths in zip(places[start : start + SLICE], found[start : start + SLICE], strict=True):
            wanted = book.wanted(place)
            if paths != (None if wanted is None else wanted.paths):
                return False
        await trio.lowlevel.checkpoint()
    return True
