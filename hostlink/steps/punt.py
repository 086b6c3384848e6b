"""Punting: the node's shared punt path, and the proof that packets pass."""

from __future__ import annotations

from dataclasses import replace

from hostlink.core.describe import describe
from hostlink.core.desired import PUNTED_L4, shared_desired
from hostlink.core.events import PathProved
from hostlink.core.model import HostView, VppShared
from hostlink.journal import Phase
from hostlink.steps.claims import claimed
from hostlink.steps.confirm import await_person, must_pass, on_trial, unguarded
from hostlink.steps.context import Uplink, fail
from hostlink.steps.drift import told
from hostlink.steps.prove import prove
from hostlink.steps.shared import Settled, settle_shared
from hostlink.steps.view import is_lost_source, keep_last_good, look


async def punt(uplink: Uplink, step: int) -> PathProved:
    """Set what the node shares, then prove the path; neither where only routes have changed.

    Raises StepError, VppError, KernelError, JournalError.
    """
    if not uplink.unproved:
        return PathProved(step)
    uplink.work.begin("setting the punt path, and proving the path")
    # The view that is true in VPP; what the host has changed since is another round's.
    view = _mirrored(uplink) or await look(uplink)
    shared = await lead_to_host(uplink, view)
    uplink.told["punt path"] = told(uplink.name, shared.left)
    uplink.told["claims"] = await claimed(uplink.node)
    uplink.told["path"] = await prove(uplink, view)
    proved, trial = not (uplink.told["path"] and must_pass(uplink)), on_trial(uplink)
    await keep_last_good(uplink, view, proved=proved and not trial)
    uplink.told["trial"] = await await_person(uplink) if proved and trial else ()
    uplink.told["guard"] = () if uplink.taken().confirm is None else unguarded(uplink)
    uplink.unproved = False
    return PathProved(step, tuple(describe(operation) for operation in shared.done))


async def lead_to_host(uplink: Uplink, view: HostView) -> Settled:
    """What brings packets for the host to it, of the node's shared objects. Raises StepError, VppError."""
    if not is_lost_source(uplink, view):
        uplink.node.contributions[uplink.name] = contribution(uplink, view)
    dataplane = uplink.node.dataplane()
    if not dataplane.punted_l4_known and uplink.taken().phase is Phase.PROVED:
        dataplane.punted_l4 |= PUNTED_L4  # adopted: an earlier life of ours switched it on
    dataplane.punted_l4_known = True
    return await settle_shared(uplink.node)


def leads_to_host(uplink: Uplink) -> bool:
    """Whether `lead_to_host` was done in this life of VPP."""
    ours = uplink.node.contributions.get(uplink.name)
    return ours is not None and bool(ours.redirects)


def _mirrored(uplink: Uplink) -> HostView | None:
    """The host's view that is true in VPP: as it was looked at, and with what was followed since."""
    view, book = uplink.mirrored_view, uplink.book
    if view is None or book is None or uplink.followed is not book:
        return view
    return replace(view, routes=book.as_set())


def contribution(uplink: Uplink, view: HostView) -> VppShared:
    """What this uplink needs of the shared objects. The first uplink of the configuration is the primary one."""
    ports = uplink.ports
    if ports.uplink is None or ports.host is None:
        raise fail("HL-411", f"{uplink.name}: VPP has lost one of its interfaces")
    return shared_desired(
        view,
        uplink_sw=ports.uplink.sw_if_index,
        host_sw=ports.host.sw_if_index,
        primary=uplink.number == 0,
    )
