"""What the kernel said of single routes, from the inbox through the book to VPP, a portion after the other.

While VPP is told of one portion, the next one is made out: what a thousand messages mean takes hostlink about half as
long to find out as it takes VPP to do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeVar

import trio

from hostlink.core.alike import PackedRoutes, Place
from hostlink.core.describe import DESCRIBED, describe
from hostlink.core.model import VppRoute, VppTable
from hostlink.core.operations import AddVppRoute, DeleteVppRoute
from hostlink.core.plan import route_order
from hostlink.core.route_book import Key, RouteBook
from hostlink.steps.context import Uplink, one_failure
from hostlink.steps.tables import make_followed

AT_ONCE = 5000
"""Messages of one portion: what is done to all of them at once is short. The rest waits."""
PORTIONS = 8
"""Of one step: within any deadline."""
PLENTY = 1000
"""Of fewer messages more are waited for, rather than to bring them over by themselves."""
SLICE = 500
"""Messages or prefixes handled in one go before other tasks get their turn: some 10 ms."""

Some = tuple[str, ...]
"""What was done, in words; of much the first few."""
T = TypeVar("T")


@dataclass(slots=True)
class Portion:
    """What some messages have changed. keys, places: where. The rest: what VPP is told of it."""

    messages: int
    keys: list[Key]
    places: list[Place]
    tables: frozenset[VppTable] = frozenset()
    """Those that it stands on: the next portion may need none of them any more."""
    add: list[VppRoute] = field(default_factory=list)
    delete: list[VppRoute] = field(default_factory=list)
    packed: PackedRoutes = field(default_factory=PackedRoutes)


@dataclass(slots=True)
class CarryOver:
    """What one step brings over. portions: as they were made out. written: so many of them, the first, VPP has done."""

    uplink: Uplink
    book: RouteBook
    portions: list[Portion] = field(default_factory=list)
    written: int = 0

    async def run(self) -> bool:
        """Bring over what the inbox has, or much of it. Raises VppError.

        False: everything must be looked at, or VPP refuses. Then, and when it raises, the book is at its end.
        """
        is_done = False
        try:
            portion = await self._made_out()
            while portion is not None and self._is_more():
                portion = await self._write_and_make_out(portion)
            is_done = portion is not None and await self._write(portion)
        finally:
            if not is_done:
                self.book.end()
            for one in self.portions[self.written :]:
                self.book.doubts.update(one.add, one.delete, one.packed)
        return is_done

    def _is_more(self) -> bool:
        return len(self.uplink.inbox) >= PLENTY and len(self.portions) < PORTIONS

    async def _write_and_make_out(self, portion: Portion) -> Portion | None:
        """The next one. None: as `run` has False."""
        written = self.written
        with one_failure():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, portion)
                upcoming = await self._made_out()
        return upcoming if self.written > written else None

    async def _made_out(self) -> Portion | None:
        """What the next messages change. From now on VPP is taken to have it so. None: one cannot be followed."""
        book, messages = self.book, self.uplink.inbox.take(AT_ONCE)
        for some in _slices(messages):
            if not book.fold_all(some):
                return None
            await trio.lowlevel.checkpoint()
        portion = Portion(len(messages), book.touched(), book.touched_places())
        self.portions.append(portion)
        for keys in _slices(portion.keys):
            add, delete = book.settle(keys)
            portion.add += add
            portion.delete += delete
            portion.tables |= book.tables()
            await trio.lowlevel.checkpoint()
        portion.add.sort(key=route_order)
        portion.delete.sort(key=route_order, reverse=True)
        for places in _slices(portion.places):
            portion.packed.extend(*book.settle_places(places))
            await trio.lowlevel.checkpoint()
        return portion

    async def _write(self, portion: Portion) -> bool:
        """Whether VPP has done all of it. Nothing of it goes out where everything must be looked at by now."""
        uplink, dataplane = self.uplink, self.uplink.node.dataplane()
        if uplink.inbox.everything or not await make_followed(uplink, portion.tables):
            return False
        if await dataplane.change_routes(portion.add, portion.delete, portion.packed):
            return False
        uplink.note_unread(portion.add, portion.delete, portion.packed)
        uplink.note_edits(self.book, (*portion.keys, *portion.places))
        uplink.advanced(portion.messages)
        self.written += 1
        return True

    def described(self) -> Some:
        """All of it."""
        add = chain.from_iterable((*one.add, *islice(one.packed.added(), DESCRIBED)) for one in self.portions)
        delete = chain.from_iterable((*one.delete, *islice(one.packed.deleted(), DESCRIBED)) for one in self.portions)
        done = [describe(AddVppRoute(route)) for route in islice(add, DESCRIBED)]
        done += [describe(DeleteVppRoute(route)) for route in islice(delete, DESCRIBED)]
        more = sum(len(one.add) + len(one.delete) + len(one.packed) for one in self.portions) - len(done)
        return (*done, f"{more} more routes") if more else tuple(done)


def _slices(items: list[T]) -> Iterator[list[T]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))
