"""Ahead of what a look finds: VPP is compared with what it had while the host is read, and gets back what it has lost.

With a full table both the kernel's dump and VPP's take a second or more, so they are read beside each other. What VPP
then lacks by the thousand (it was started anew, or somebody has emptied it) is put back while the kernel is still being
read: each destination once the kernel has just said that its route is there as it was. So nothing goes to VPP that the
host does not have, and the round that follows reads all of it back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import trio

from hostlink.core.describe import DESCRIBED, describe_all
from hostlink.core.desired import vpp_interfaces
from hostlink.core.desired_packed import Known
from hostlink.core.model import HostView, VppTable
from hostlink.core.operations import (
    ChangeVppRoutes,
    DeleteVppAddress,
    DeleteVppNeighbour,
    EachOperation,
    SetMtu,
)
from hostlink.core.packed_plan import added_alike
from hostlink.core.plan import plan_before_routes
from hostlink.core.route_set import Alike, cut
from hostlink.kernel.known_routes import Before
from hostlink.kernel.snapshot import LARGE
from hostlink.steps.bypass import ensure_bypass
from hostlink.steps.context import Uplink, one_failure
from hostlink.steps.difference import BothPorts, find_ports, listed, translator_of, wish
from hostlink.steps.drift import is_only_told
from hostlink.steps.keep_link import as_kept
from hostlink.steps.mtu import grow
from hostlink.steps.offload import in_thread
from hostlink.steps.view import is_lost_source, view_but_for
from hostlink.vpp.compared import Compared

LEAST = LARGE
"""Destinations: of fewer that VPP lacks the round itself thinks."""
_FEWEST, _TOGETHER = 8, 40
"""Parts of a dump, of some 500 routes each, that go out together: at most a seventh of a second's work of VPP."""
_AT_ONCE = 2
"""So many of those are under way, so that VPP does not wait for the next ones while the last answers come."""
_LEFT_ALONE = (SetMtu, DeleteVppAddress, DeleteVppNeighbour)
"""What takes more than one operation, or takes something away: the round does it, and then the routes too."""


_Confirmed = tuple[int, bytes, Sequence[Alike]]
"""As `Confirm` has them."""


@dataclass(slots=True, eq=False)
class Ahead:
    """What is done ahead of one look. known: what VPP had, by the last one."""

    uplink: Uplink
    known: Known
    changes: list[str] = field(default_factory=list)
    """What was done, in words; of many routes the first few."""
    compared: Compared | None = None
    """How VPP differs from `known` now, what was put back taken for there. None: read all back.

    (In a new VPP more is to be done before it is worth that.)
    """
    count: int = 0
    """Routes that were put back, and are not read back."""
    _ports: BothPorts = field(init=False)
    _is_new: bool = False
    """This life of VPP never had what is known."""
    _is_ready: bool = False
    """VPP's ports are such that `known.sent` goes by them."""
    _refused: bool = False
    _waiting: deque[_Confirmed] = field(default_factory=deque)
    """Confirmed, and not put back yet."""
    _needless: bool = False
    """Nobody waits for them."""
    _news: trio.Event = field(default_factory=trio.Event)
    _over: bool = False
    """The host was looked at: nothing more will be confirmed."""

    def confirm(self, version: int, places: bytes, kinds: Sequence[Alike]) -> None:
        """The host has these as it had them. places: joined, of that IP version."""
        if not self._needless:
            self._waiting.append((version, places, kinds))
            self._news.set()

    def end(self) -> None:
        """The host was looked at."""
        self._over = True
        self._news.set()

    async def make_ready(self) -> None:
        """Before the look: VPP's ports can carry routes. Raises StepError, KernelError, VppError."""
        uplink = self.uplink
        self._ports = await find_ports(uplink)
        if len(self.known.sent) < LEAST or is_only_told(uplink.node):
            return
        view = await view_but_for(uplink, self.known.routes)
        taken = await uplink.node.dataplane().taken_tables()
        if is_lost_source(uplink, view) or not self._is_translated_so(view, taken):
            return
        self._is_new = uplink.wished is None
        self._is_ready = not self._is_new or await self._set_up(view, taken)

    def _is_translated_so(self, view: HostView, taken: Collection[VppTable]) -> bool:
        """Whether the routes would be in VPP what `known` says."""
        interfaces = vpp_interfaces(view.addresses, view.routes)
        return self.known.translator == translator_of(
            self.uplink, view, interfaces, self._ports.uplink.sw_if_index, taken
        )

    async def _set_up(self, view: HostView, taken: Collection[VppTable]) -> bool:
        """The ports and neighbours of a new VPP. False: that is more than to add something, and nothing was done."""
        uplink, dataplane = self.uplink, self.uplink.node.dataplane()
        view, _ = await grow(uplink, as_kept(uplink, view))
        desired, _ = wish(uplink, view, self._ports, taken, self.known)()
        plan = plan_before_routes(desired, await dataplane.read_ports(*self._ports))
        if any(isinstance(one, _LEFT_ALONE) for one in plan):
            return False
        await ensure_bypass(uplink, view.addresses)  # before VPP answers for what the host has by now
        await dataplane.apply(plan, uplink.advanced)
        self.changes += describe_all(plan)
        return True

    async def run(self) -> None:
        """While the host is looked at. Raises VppError."""
        try:
            dataplane = self.uplink.node.dataplane()
            self.compared = await dataplane.compare(
                self._ports.numbers, self.known.sent, self.uplink.advanced, listed(self.uplink, self.known)
            )
            if self._is_ready and len(self.compared.missing) >= LEAST:
                await self._put_back(self.compared)
        finally:
            self._needless = True
            self._waiting.clear()

    async def _put_back(self, compared: Compared) -> None:
        self.uplink.work.begin("giving back to VPP what it had", len(compared.missing))
        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(self._put_back_some, compared)
        self.changes += [f"VPP: {self.count - DESCRIBED} more routes"] if self.count > DESCRIBED else []
        all_of_it = self._is_new and self.count == len(compared.missing) and not self._refused
        self.compared = replace(compared, missing=frozenset()) if all_of_it else None
        await in_thread(len(compared.missing), compared.forget_missing)

    async def _put_back_some(self, compared: Compared) -> None:
        is_all = len(compared.missing) == len(self.known.sent)
        while confirmed := await self._confirmed():
            pairs = chain.from_iterable(
                zip(cut(version, some), kinds, strict=True) for version, some, kinds in confirmed
            )
            missing = pairs if is_all else (pair for pair in pairs if pair[0] in compared.missing)
            await trio.lowlevel.checkpoint()
            packed = added_alike(missing, self.known.sent)
            if self.count < DESCRIBED:
                few = islice(EachOperation([ChangeVppRoutes(packed)]), DESCRIBED - self.count)
                self.changes += describe_all(few)
            self.count += len(packed)
            refusals = await self.uplink.node.dataplane().change_routes((), (), packed)
            self._refused |= bool(refusals)
            self.uplink.advanced(len(packed))

    async def _confirmed(self) -> list[_Confirmed]:
        """Some that wait. None: no more will come."""
        while not self._over and len(self._waiting) < _FEWEST:
            if self._news.is_set():
                self._news = trio.Event()
            await self._news.wait()
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]


@asynccontextmanager
async def ahead_of_look(uplink: Uplink, known: Known | None) -> AsyncIterator[tuple[Ahead | None, Before | None]]:
    """Within the block the host is looked at, beside what is given. What was begun ahead has ended after it.

    Raises StepError, KernelError, VppError.
    """
    if known is None:
        yield None, None
        return
    ahead = Ahead(uplink, known)
    await ahead.make_ready()
    with one_failure():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ahead.run)
            yield ahead, Before(known.routes, ahead.confirm, known.changed)
            ahead.end()
