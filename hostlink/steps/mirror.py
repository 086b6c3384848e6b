"""Mirroring: what Linux says should be, in VPP. And once, at the start, what the NIC carried, on the host link.

Look, compare, plan, apply, look again; done when a look finds no difference. While the takeover is not yet `taken`, and
again when the host link was set down, the host link is filled from the journal first: a down interface is a lost source
and not an empty wish (architecture.md). From then on the host's own view is what should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from itertools import chain

import trio

from hostlink import collector
from hostlink.config import Cluster
from hostlink.core.advertised import superseded
from hostlink.core.attached import Leaning, leaning_on
from hostlink.core.cluster import cluster_gaps, desired_cluster, plan_cluster
from hostlink.core.describe import describe, describe_all
from hostlink.core.desired import networks_by_route
from hostlink.core.desired_packed import Known
from hostlink.core.events import Mirrored
from hostlink.core.leased import put_back, still_there, superseded_copies
from hostlink.core.model import HostView, Problem, Route, VppUplink
from hostlink.core.operations import ChangeVppRoutes, DeleteHostRoute, EachOperation, VppOperation
from hostlink.core.packed_look import Packed
from hostlink.core.places import PlaceMap
from hostlink.core.route_book import RouteBook
from hostlink.core.route_set import KeptRoutes, RouteSet
from hostlink.fights import WITHIN_S
from hostlink.journal import Phase
from hostlink.kernel.alike import Alikes
from hostlink.kernel.apply import HostFailure, apply_host
from hostlink.kernel.errors import KernelError
from hostlink.kernel.snapshot import LARGE
from hostlink.kernel.tap import adopt_tap
from hostlink.problems import problem
from hostlink.steps.ahead import Ahead, ahead_of_look
from hostlink.steps.bypass import close_bypass, ensure_bypass
from hostlink.steps.changes import carry_out_in_vpp
from hostlink.steps.context import CannotPutBack, StepError, Uplink, fail
from hostlink.steps.difference import Difference, difference, let_go
from hostlink.steps.drift import parted, told
from hostlink.steps.elsewhere import tell_elsewhere
from hostlink.steps.follow import BURST, follow
from hostlink.steps.hidden import note_hidden
from hostlink.steps.host_link import our_host_link
from hostlink.steps.keep_link import (
    DELETED,
    DOWN,
    as_kept,
    keep_host_link,
    keep_mac,
    renew_host_port,
)
from hostlink.steps.keep_ports import keep_nic_port, port_is_gone
from hostlink.steps.keep_tags import keep_tags
from hostlink.steps.made import filling
from hostlink.steps.mtu import grow, shrink
from hostlink.steps.offload import in_thread
from hostlink.steps.parked_nic import drop_carrier, look_at_nic, nic_is_parked
from hostlink.steps.punt import lead_to_host, leads_to_host
from hostlink.steps.tables import look_at_rules, look_at_tables
from hostlink.steps.view import host_view, is_lost_source, look, without
from hostlink.vpp.errors import VppRefused

STORM = 5
"""Times `audit_s`: so long no look is made because of a storm."""
ROUNDS = 6
"""The kernel finishes some things a moment later (an address made by an up); more rounds than these is a fight."""


async def mirror(uplink: Uplink, step: int) -> Mirrored:
    """Bring the difference to nothing. Raises StepError, KernelError, VppError, JournalError."""
    followed = await follow(uplink, step)
    if followed is not None and not _is_due(uplink):
        return followed
    done = () if followed is None else followed.changes
    while True:
        try:
            with collector.paused():
                return Mirrored(step, (*done, *await _round(uplink)))
        except CannotPutBack:
            raise
        except (StepError, KernelError, VppRefused):
            if not await _was_deleted(uplink):
                raise


def _is_due(uplink: Uplink) -> bool:
    """Steady looks at everything when nothing was said for `audit_s`; on a host that never rests somebody else must.

    A storm is waited out for a while: a look in the middle of it is made in vain.
    """
    storm = len(uplink.inbox) > BURST or uplink.unread_places
    return trio.current_time() - uplink.whole_look_at >= uplink.node.config.timing.audit_s * (STORM if storm else 1)


async def _was_deleted(uplink: Uplink) -> bool:
    """In the middle of a round: then that is why it failed, and it is put back, as often as fights.py allows."""
    if not await nic_is_parked(uplink):
        return False
    return await our_host_link(uplink) is None or await port_is_gone(uplink)


async def _round(uplink: Uplink) -> list[str]:
    known = uplink.as_known()
    uplink.book, uplink.unproved = None, True
    uplink.work.begin("reading what the host has")
    uplink.inbox.begin_look()
    uplink.forget_unread()  # with all else it is read back now
    await uplink.catch_up()
    uplink.forget_followed()
    if known is None:
        await uplink.forget_books()
        collector.sweep()
    changes = await look_at_nic(uplink)
    changes += await keep_tags(uplink)
    changes += await keep_nic_port(uplink)
    changes += await keep_host_link(uplink)
    if uplink.taken().host_link == "tap" and uplink.keeper is None:
        # Adopted from an earlier life: without a queue of ours the tap would lose its carrier with VPP.
        uplink.hold_on(adopt_tap((await host_view(uplink)).link.name, faults=uplink.node.faults))
    async with ahead_of_look(uplink, known) as (ahead, before):
        view = await look(uplink, before)
        for settle in (fill_host, _drop_superseded, _cluster_routes):
            settled = await settle(uplink, view)
            if settled:  # else the view is as good as new, and with 100,000 routes another one takes a second
                changes += settled
                view = await look(uplink, before)
        uplink.advanced()
        uplink.link_index = uplink.host_link_index = view.link.index
        uplink.told["link"] = (*remarks(view), *_disturbed(uplink))
        await tell_elsewhere(uplink)
        lost = is_lost_source(uplink, view)
        changes += [] if lost else await ensure_bypass(uplink, view.addresses)
    changes += [] if ahead is None else ahead.changes
    if lost:
        # Set down again since it was filled: VPP keeps what it has, and the notification of it brings us back here.
        return changes
    view = as_kept(uplink, view)
    renewed = await renew_host_port(uplink, view)
    await look_at_rules(uplink, view)
    if known is not None and not known.is_of(view.routes):
        known = None
        await uplink.forget_books()
    changes += renewed + await _vpp(uplink, view, known, None if renewed else ahead)
    if known is None and len(view.routes) >= LARGE:
        collector.pass_over()
    return changes + await drop_carrier(uplink) + await keep_mac(uplink, view)


def _disturbed(uplink: Uplink) -> tuple[Problem, ...]:
    """What was done to the host link lately, and made good."""
    now = trio.current_time()
    counts = {what: uplink.fights.count(what, now) for what in (DELETED, DOWN)}
    text = " and ".join(f"{what} ({count} times)" for what, count in counts.items() if count)
    return (problem("HL-304", f"{uplink.name} was {text} within the last {WITHIN_S:g} s"),) if text else ()


def remarks(view: HostView) -> tuple[Problem, ...]:
    """What an operator should know of a link that is taken as it is."""
    found = []
    if not view.link.up:
        found.append(problem("HL-108", f"{view.link.name} is down, and is taken over as it is"))
    if all(address.interface.is_link_local for address in view.addresses):
        found.append(problem("HL-109", f"{view.link.name} has no address, and is taken over as it is"))
    return tuple(found)


async def fill_host(uplink: Uplink, view: HostView) -> list[str]:
    """Make the host link carry `last_good`, where it does not carry the host's own state yet or was set down."""
    takeover = uplink.taken()
    if takeover.phase is not Phase.CAPTURED and not is_lost_source(uplink, view):
        return []
    if takeover.phase is not Phase.CAPTURED and uplink.fights.count(DELETED, trio.current_time()) == 0:
        uplink.fights.move(DOWN, trio.current_time())
    uplink.unfilled = False  # from here on: a new notification counts again
    try:
        return await _fill(uplink, view)
    except BaseException:
        uplink.unfilled = True  # half of it must not be taken for the host's own state
        raise


async def _fill(uplink: Uplink, view: HostView) -> list[str]:
    takeover = uplink.taken()
    done: list[str] = []
    failures: Sequence[HostFailure] = ()
    for _ in range(ROUNDS):
        plan = filling(uplink.left_of_last_good(), view)
        if not plan:
            break
        uplink.work.begin("putting on the host's interface what it had", len(plan))
        failures = await apply_host(uplink.node.host, plan, uplink.work.advance)
        uplink.copies |= put_back(plan)
        done += [describe(operation) for operation in plan]
        view = await look(uplink)
    else:
        # Where the kernel took all of it and it differs again, somebody is changing it: the host's own edits, from now.
        if failures and takeover.phase is not Phase.CAPTURED:
            # A link that goes down and up all the while (seen: forty times in a row on a busy machine) is no reason to
            # end a takeover: VPP keeps what it has, and the link's next notification, or an audit, fills it.
            uplink.unfilled = True
            return done
        if failures:
            whys = "; ".join(str(failure) for failure in failures)
            raise fail("HL-410", f"{uplink.name}: the host link does not take what the NIC had: {whys}")
    if takeover.phase is Phase.CAPTURED:
        await uplink.remember_all(replace(uplink.taken(), phase=Phase.TAKEN))
    return done


async def _drop_superseded(uplink: Uplink, view: HostView) -> list[str]:
    """Routes that were put back, beside which the kernel (advertised defaults) or a DHCP client has its own by now."""
    uplink.copies = still_there(view, uplink.copies)
    plan = superseded_plan(uplink, view)
    for failure in await apply_host(uplink.node.host, plan):
        if failure.word != "ESRCH":  # expired meanwhile
            raise fail("HL-401", f"{uplink.name}: {failure}")
    return [describe(operation) for operation in plan]


def superseded_plan(uplink: Uplink, view: HostView) -> list[DeleteHostRoute]:
    """What goes of the routes that were put back."""
    gone = (*superseded(view), *superseded_copies(view, still_there(view, uplink.copies)))
    return [DeleteHostRoute(view.link.index, route) for route in gone]


def cluster_wish(config: Cluster, view: HostView) -> tuple[Route, ...]:
    """The routes that hostlink itself gives the host."""
    return desired_cluster(view, config.service_cidrs, config.pod_cidrs, config.encap_overhead)


async def _cluster_routes(uplink: Uplink, view: HostView) -> list[str]:
    cluster, owned = uplink.node.config.cluster, uplink.taken().owned
    if not (cluster.service_cidrs or cluster.pod_cidrs or owned):
        return []
    wanted = cluster_wish(cluster, view)
    plan, problems = plan_cluster(wanted, view, owned)
    uplink.told["cluster"] = problems + cluster_gaps(view, cluster.service_cidrs, cluster.pod_cidrs)
    if plan:
        # In the journal before it is on the host: what is there and not in the journal would be taken for the host's.
        journaled = tuple(dict.fromkeys((*owned, *wanted)))
        if journaled != owned:
            await uplink.remember_all(replace(uplink.taken(), owned=journaled))
        for failure in await apply_host(uplink.node.host, plan):
            raise fail("HL-401", f"{uplink.name}: {failure}")
    if uplink.taken().owned != tuple(wanted):
        await uplink.remember_all(replace(uplink.taken(), owned=tuple(wanted)))
    return [describe(operation) for operation in plan]


async def _vpp(uplink: Uplink, view: HostView, known: Known | None, ahead: Ahead | None) -> list[str]:
    """One view is brought over and read back. What the host does meanwhile is the machine's next round, no failure.

    known: the last look's translation, of routes that are still the same. ahead: what was done while that was found.
    """
    seen = view
    view, uplink.told["mtu"] = await grow(uplink, view)
    done: list[str] = []
    compared, same = None if ahead is None else ahead.compared, known
    is_read_back = ahead is None or not ahead.count
    for number in range(ROUNDS):
        uplink.work.begin("comparing VPP with the host")
        if compared is None:
            uplink.inbox.begin_comparing()
        found = await difference(uplink, view, same, compared)
        is_read_back |= compared is None
        compared, uplink.compared = None, found.compared
        uplink.advanced()
        desired, uplink.told["routes"] = found.desired, found.problems
        look_at_tables(uplink, view, desired.tables, found.taken, found.kept)
        left, plan = await in_thread(len(found.plan), parted, uplink, found.steps, found.actual)
        uplink.told["drift"] = told(uplink.name, left)
        if not plan and is_read_back:
            if uplink.around and not leads_to_host(uplink):
                done += [describe(operation) for operation in (await lead_to_host(uplink, view)).done]
            await close_bypass(uplink, view.addresses)
            await shrink(uplink, view.link.mtu_bytes)
            owned, alikes = uplink.taken().owned, uplink.node.alikes
            async with uplink.saving:  # nobody says what the old book has while the new one takes its dictionaries over
                book, routes = await in_thread(len(view.routes), _book, view, found, owned, alikes)
                if known is not None and uplink.followed is not None and uplink.followed is uplink.truth:
                    uplink.followed = book
            uplink.book, uplink.truth, uplink.wished, uplink.tables = book, book, desired, desired.tables
            uplink.mirrored_view, uplink.whole_look_at = replace(seen, routes=routes), trio.current_time()
            counts = {f"routes_ipv{version}": book.counts[version] for version in (4, 6)}
            uplink.mirrored = {"addresses": len(desired.uplink.addresses), **counts}
            await _let_go(found, left, plan)
            return done
        is_read_back, same = True, same or found.as_known(view)
        uplink.work.begin("changing VPP", len(EachOperation(plan)))
        carried_out = await carry_out_in_vpp(uplink, view, plan, desired.uplink.addresses)
        if not leads_to_host(uplink):
            # Until then VPP brings the host nothing: that comes before what is only to be looked at again.
            carried_out += (await lead_to_host(uplink, view)).done
        await close_bypass(uplink, view.addresses)
        if number or uplink.hidden:
            await note_hidden(uplink, plan if number else [one for one in plan if not isinstance(one, ChangeVppRoutes)])
        done += describe_all(carried_out)
        words = "; ".join(describe_all(plan))
        await _let_go(found, left, plan)
    raise fail("HL-410", f"{uplink.name}: VPP still differs after {ROUNDS} rounds: {words}")


async def _let_go(found: Difference, *parts: Sequence[VppOperation]) -> None:
    """When what differed is told, and done. parts: what it was parted in."""
    count = len(found.plan) + len(found.compared.missing)
    await in_thread(count, let_go, found.compared, *found.steps, *chain.from_iterable(parts))


def _book(view: HostView, found: Difference, owned: tuple[Route, ...], alikes: Alikes) -> tuple[RouteBook, KeptRoutes]:
    """By which single changes are followed from here on, and the host's own routes. What `found` has packed is its."""
    desired, told = found.desired, found.problems
    uplink_sw, translator = desired.uplink.sw_if_index, found.translator
    own, packed = _packed(view, desired, owned)
    prefixes = {route.prefix for route in owned} | networks_by_route(view.addresses)
    interfaces = desired.uplink.addresses
    gateways = leaning_on(desired.routes, interfaces, uplink_sw, desired.ways)
    prefixes |= {ip_network(gateway) for gateway in gateways}
    leaning = Leaning(view.link.index, frozenset(interface.network for interface in interfaces), gateways)
    return RouteBook(own.apart, desired.routes, translator, prefixes, told, alikes.of, leaning, packed), own


def _packed(view: HostView, desired: VppUplink, owned: tuple[Route, ...]) -> tuple[KeptRoutes, Packed | None]:
    """The host's own routes, those that VPP does not have packed as values; and those that it has."""
    routes, sent = view.routes, desired.packed
    if not isinstance(routes, RouteSet) or not isinstance(sent, PlaceMap):
        return KeptRoutes(tuple(without(routes, owned)), ()), None
    odd = [place for place in routes.alike if place not in sent] if len(routes.alike) != len(sent) else []
    values = [routes.alike.pop(place).at(place) for place in odd]
    kinds = routes.kinds
    whole = RouteSet(
        (*routes.apart, *values), routes.alike, kinds, None if odd else routes.blocks, None if odd else routes.orders
    )
    own = without(whole, owned)
    return own, Packed(routes.alike, sent, kinds, desired.ways, whole.blocks, whole.orders)
