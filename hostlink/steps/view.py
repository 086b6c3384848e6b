"""The host link as it is, and what of it give-back will restore.

A host link that is down has lost its IPv4 routes and its IPv6 addresses: it is a lost source and not an empty wish
(architecture.md), so such a view is never written over one that was up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import trio

from hostlink.clock import boottime_s
from hostlink.core.alike import AlikeEdit
from hostlink.core.desired_routes import route_key
from hostlink.core.lifetimes import aged, lengthened, lifetimes, refreshed
from hostlink.core.model import HostView, Route
from hostlink.core.route_edits import RouteEdit
from hostlink.core.route_set import KeptRoutes, Routes, RouteSet, in_order_of, kept, same_routes
from hostlink.journal import JournalError, Takeover
from hostlink.kernel.errors import ReadUnsteady
from hostlink.kernel.known_routes import Before
from hostlink.kernel.netlink import Netlink, beside
from hostlink.kernel.snapshot import read_view
from hostlink.problems import problem
from hostlink.steps.context import Uplink, fail
from hostlink.steps.names import is_mark, mark
from hostlink.steps.offload import in_thread

PAUSE_S = 0.05
LATEST_S = 10.0
"""So long the journal waits for a storm to end: in a shorter one the network is not kept waiting for a disk."""
EDITS_AT_ONCE = 1000
"""Written in one line: some 30 ms of a thread, of which the loop loses the half, where each is of its own kind."""

MANY_EDITS_BYTES = 4 << 20
"""More than these are read in a second or so, when give-back waits for it: the next audit writes the whole anew."""


async def host_view(uplink: Uplink, before: Before | None = None) -> HostView:
    """The host link as it is, without hostlink's own mark. Raises StepError when it is not there.

    before: routes that may still be the same.
    """
    return _ours(uplink, await _steady_view(uplink, uplink.node.host, before=before))


async def view_but_for(uplink: Uplink, routes: RouteSet) -> HostView:
    """The same with these routes, which are not read: soon there, also while a full table is being dumped."""
    async with beside(uplink.node.host) as other:
        return _ours(uplink, await _steady_view(uplink, other, but_for=routes))


def _ours(uplink: Uplink, view: HostView | None) -> HostView:
    if view is None:
        raise fail("HL-405", f"{uplink.name} is gone from the host: its host link was deleted")
    altnames = tuple(name for name in view.link.altnames if not is_mark(name))
    return replace(view, link=replace(view.link, altnames=altnames))


async def look(uplink: Uplink, before: Before | None = None) -> HostView:
    """`host_view` of a step: what is journalled of it was so at `looked_at_s`."""
    at_s = boottime_s()
    view = await host_view(uplink, before)
    uplink.looked_at_s = at_s
    return view


async def _steady_view(
    uplink: Uplink, nl: Netlink, before: Before | None = None, but_for: RouteSet | None = None
) -> HostView | None:
    """A whole view, however long the host link or its addresses change too fast for one.

    No deadline ends the waiting (the running step is said to get on): VPP keeps what it has meanwhile, which is better
    for the host than a give-back, and an operator is told.
    """
    alikes, takeover = uplink.node.alikes, uplink.takeover
    expected = uplink.inbox.heard + (0 if takeover is None else len(takeover.last_good.routes))
    while True:
        try:
            view = await read_view(
                nl, mark(uplink.name), alikes=alikes, before=before, but_for=but_for, expected=expected
            )
        except ReadUnsteady as error:
            uplink.advanced()
            uplink.tell("restless", (problem("HL-323", f"{uplink.name}: {error}"),))
            await trio.lowlevel.checkpoint()
        else:
            uplink.tell("restless", ())
            return view


def is_lost_source(uplink: Uplink, view: HostView) -> bool:
    """Whether the host link was set down under us, and so says nothing of what should be.

    Also where it is up again: the routes that went with it, IPv4's without a word, are nobody's wish (F35).
    """
    return uplink.unfilled or (uplink.held().last_good.link.up and not view.link.up)


async def keep_last_good(uplink: Uplink, view: HostView, *, proved: bool = False, newest: bool = False) -> None:
    """Journal the last view, true in VPP too: what give-back restores from now on. Raises JournalError.

    Lifetimes alone are journalled when they were refreshed, which the audit finds; with `newest` always.
    """
    uplink.work.begin("bringing the journal up to date")
    await uplink.catch_up()
    takeover = uplink.taken()
    if is_lost_source(uplink, view):
        return
    phase = takeover.phase.after_proof() if proved else takeover.phase
    confirm, deaths = (None, 0) if proved else (takeover.confirm, takeover.deaths)
    nic = takeover.last_good
    at_s = uplink.looked_at_s
    compared = await in_thread(len(view.routes), _compared, view, takeover, at_s, newest)
    # Its name and MAC are the NIC's, whatever somebody has made of them for the moment.
    link = replace(view.link, name=nic.link.name, mac=nic.link.mac)
    view = replace(view, link=link, driver=nic.driver, pci_address=nic.pci_address)
    differs = phase is not takeover.phase or confirm != takeover.confirm or lasting(view) != lasting(nic)
    if differs or uplink.unsaved or compared.differ or compared.last_otherwise:
        view = replace(view, routes=await in_thread(len(view.routes), without, view.routes, takeover.owned))
        after = replace(takeover, last_good=view, read_at_s=at_s, phase=phase, confirm=confirm, deaths=deaths)
        await uplink.remember_all(after)
    elif isinstance(view.routes, KeptRoutes) and isinstance(nic.routes, KeptRoutes):
        # The same in the order of a look: the next one is compared at once.
        uplink.takeover = replace(takeover, last_good=replace(nic, routes=in_order_of(nic.routes, view.routes)))
    if proved:
        uplink.deaths = 0


class _Compared(NamedTuple):
    differ: bool
    """The journal has other routes than the host's own."""
    last_otherwise: bool
    """The journal does not know how long all lasts."""


def _compared(view: HostView, takeover: Takeover, at_s: float, newest: bool) -> _Compared:
    routes = without(view.routes, takeover.owned) if takeover.owned else view.routes
    seen, left = replace(view, routes=routes), aged(takeover.last_good, takeover.age_s(at_s))
    last_otherwise = lifetimes(seen) != lifetimes(left) if newest else refreshed(seen, left)
    return _Compared(not same_routes(routes, takeover.last_good.routes), last_otherwise)


def without(routes: Routes, owned: Collection[Route]) -> KeptRoutes:
    """The host's own routes: all but those that hostlink added."""
    ours = {route_key(route) for route in owned}
    return kept(routes, lambda route: route_key(route) in ours, {route.prefix for route in owned})


def lasting(view: HostView) -> HostView:
    """Without what passes by itself: lifetimes are refreshed many a second where router advertisements flood (F15)."""
    addresses = tuple(
        replace(
            address,
            valid_lifetime_s=None if address.valid_lifetime_s is None else 0,
            preferred_lifetime_s=None if address.preferred_lifetime_s is None else min(address.preferred_lifetime_s, 1),
        )
        for address in view.addresses
    )
    return replace(view, addresses=addresses, link=replace(view.link, carrier=False), routes=())


async def save_edits(uplink: Uplink) -> None:
    """Write what was followed to the journal, a moment after it was. Runs for as long as the daemon does.

    Beside the steps, so that no change waits for a disk, and not while a storm of them goes on. What a death meanwhile
    loses of the journal are these edits: the next start reads the host itself.
    """
    while True:
        await uplink.edited.wait()
        uplink.edited = trio.Event()
        while uplink.edits and uplink.followed is not None and uplink.takeover is not None:
            with trio.move_on_after(LATEST_S):
                while len(uplink.inbox) or uplink.unread or uplink.unread_places:  # noqa: ASYNC110 — first the network, then the disk
                    await trio.sleep(PAUSE_S)
            async with uplink.saving:
                await _save(uplink)


async def _save(uplink: Uplink) -> None:
    """The first edits, EDITS_AT_ONCE of them."""
    if uplink.followed is None or uplink.takeover is None:
        return
    keys = list(islice(uplink.edits, EDITS_AT_ONCE))
    for key in keys:
        del uplink.edits[key]
    since_s = uplink.takeover.age_s(boottime_s())  # expiries are said of when the whole was read
    edits = [_said_before(edit, since_s) for edit in uplink.followed.edits(keys)]
    try:
        there_bytes = await trio.to_thread.run_sync(uplink.journal.append, uplink.takeover.generation, edits)
        uplink.unsaved |= there_bytes > MANY_EDITS_BYTES
        uplink.told.pop("journal", None)
    except JournalError as error:
        uplink.unsaved = True
        uplink.told["journal"] = (error.problem,)


def _said_before(edit: RouteEdit | AlikeEdit, by_s: int) -> RouteEdit | AlikeEdit:
    """Those that are alike have no lifetime."""
    return edit if isinstance(edit, AlikeEdit) else replace(edit, routes=lengthened(edit.routes, by_s))
