"""Following routes: what the kernel said of single routes goes to VPP without anything else being read.

A whole look costs as much as there are routes; this costs as much as has changed. It is done only after a whole look
has ended well, and only with messages that tell all (core/route_book.py); in any other case, and whenever VPP does not
show what it should, everything is looked at instead.

The first change goes out at once. While a routing daemon pours in more, they are gathered for a moment, so that they go
to VPP together, and are read back when it pauses.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TypeVar

import trio

from hostlink.core.alike import PackedRoutes, Place, prefix_at
from hostlink.core.describe import describe
from hostlink.core.events import Mirrored
from hostlink.core.model import Prefix, VppRoute
from hostlink.core.operations import AddVppRoute, DeleteVppRoute
from hostlink.core.plan import route_order
from hostlink.core.route_book import Key, RouteBook
from hostlink.core.route_changes import Change
from hostlink.steps.context import Uplink
from hostlink.steps.tables import end_followed, make_followed

BURST = 16
"""Messages at once: more are somebody's table, and not somebody's change."""
GATHER_S, PLENTY = 0.005, 1000
"""Of fewer, more are waited for."""
AT_ONCE = 5000
"""Messages of one step: within any deadline, and what is done to all of them at once is short. The rest waits."""
SLICE = 500
"""Messages or prefixes handled in one go before other tasks get their turn: some 10 ms."""
LOOKED_UP = 1000
"""Places read back one by one; of more the whole table is read."""
_AS_DEAR = 100
"""To look up one takes as long as to read so many of a table."""
PAUSE_S = 0.2
"""Nothing came for so long: the storm pauses. `ip -batch` on a busy machine stops for less."""
LATEST_S = 10.0
"""What was changed is read back after so long at the latest, however the storm goes on."""
DESCRIBED = 20

_WORK = "bringing route changes of the host to VPP"
_Place = tuple[int, Prefix]
Some = tuple[str, ...]
"""What was done, in words; of much the first few."""
T = TypeVar("T")


async def follow(uplink: Uplink, step: int) -> Mirrored | None:
    """Bring over what the inbox has. None: everything must be looked at. Raises VppError."""
    book, inbox = uplink.book, uplink.inbox
    if book is None or inbox.everything:
        return None
    if len(inbox) > BURST:
        if len(inbox) < PLENTY:
            await trio.sleep(GATHER_S)
        uplink.work.goes_on(_WORK, len(inbox))
    messages = inbox.take(AT_ONCE)
    uplink.book, done = None, None  # until all that follows has ended well
    try:
        done = await _follow(uplink, book, messages)
    finally:
        # The journal in memory may be told by what the book says, which then is on no disk.
        uplink.unsaved |= done is None
    if done is None:
        inbox.look_at_everything()
        return None
    uplink.work.advance(len(messages))
    return Mirrored(step, done)


async def _follow(uplink: Uplink, book: RouteBook, messages: list[Change]) -> Some | None:
    if not await _fold(book, messages) or uplink.inbox.everything:
        return None
    tables, keys, places = book.tables(), book.touched(), book.touched_places()
    done = await _carry_over(uplink, book, keys, places)
    if done is None:
        return None
    await end_followed(uplink, book, tables, keys)
    uplink.book = book
    uplink.told["routes"] = book.problems
    uplink.mirrored |= {"routes_ipv4": book.counts[4], "routes_ipv6": book.counts[6]}
    uplink.note_edits(book, (*keys, *places))
    return done


async def _fold(book: RouteBook, messages: list[Change]) -> bool:
    for part in _slices(messages):
        if not book.fold_all(part):
            return False
        await trio.lowlevel.checkpoint()
    return True


async def _carry_over(uplink: Uplink, book: RouteBook, keys: list[Key], places: list[Place]) -> Some | None:
    """Change VPP as the book has changed, and read it back. Returns what was done; None: VPP differs, or refuses."""
    add: list[VppRoute] = []
    delete: list[VppRoute] = []
    for part in _slices(keys):
        new, gone = book.settle(part)
        add += new
        delete += gone
        await trio.lowlevel.checkpoint()
    add.sort(key=route_order)
    delete.sort(key=route_order, reverse=True)
    if not await make_followed(uplink, book):
        book.unsettle(add, delete, PackedRoutes())
        return None
    packed = PackedRoutes()
    for some in _slices(places):
        packed.extend(*book.settle_places(some))
        await trio.lowlevel.checkpoint()
    if await uplink.node.dataplane().change_routes(add, delete, packed):
        book.unsettle(add, delete, packed)
        return None
    uplink.note_unread(add, delete, packed)
    if await _is_time_to_read_back(uplink) and not await _read_back(uplink, book):
        return None
    return _described(add, delete, packed)


def _described(add: list[VppRoute], delete: list[VppRoute], packed: PackedRoutes) -> Some:
    added = [*islice(chain(add, packed.added()), DESCRIBED)]
    deleted = [*islice(chain(delete, packed.deleted()), DESCRIBED)]
    done = [describe(AddVppRoute(route)) for route in added] + [describe(DeleteVppRoute(route)) for route in deleted]
    more = len(add) + len(delete) + len(packed) - len(done)
    return (*done, f"{more} more routes") if more else tuple(done)


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


def _slices(items: list[T]) -> Iterator[list[T]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))
