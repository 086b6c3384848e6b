"""What is to be done to the things that the node's uplinks share in VPP: redirects, proxy ranges, punted protocols,
reassembly.

VPP keeps an unchecked count behind a punt redirect: a second add for the same (family, interface) leaks, and deleting
an absent one switches punting off while the dump still looks right. So a redirect is added only where a dump showed
none, deleted only as a dump showed it, and one with another path is deleted first.

Ownership is told by what hostlink itself set in this life of VPP (`owned`) and by what it wants now: a redirect for a
(family, interface) of either is hostlink's, all others are somebody else's and stay. The same goes for proxy ranges and
punted protocols.
(That nobody else has taken hostlink's places is checked before a takeover: HL-206.)

Reassembly is a switch of the node's that an operator may have set: its limits are only ever raised, and all of it is
put back to what was found when nobody needs it any more, where it still is what hostlink made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hostlink.core.model import Family, LocalReassembly, ProxyRange, Reassembly, Redirect, VppShared
from hostlink.core.operations import (
    AddProxyRange,
    AddRedirect,
    DeleteProxyRange,
    DeleteRedirect,
    PuntL4,
    SetLocalReassembly,
    SetReassembly,
    VppOperation,
)

RedirectKey = tuple[Family, int]


def plan_shared(desired: VppShared, actual: VppShared, owned: VppShared) -> tuple[VppOperation, ...]:
    """The operations, in order: what is added first, what is taken away last.

    `owned`: what hostlink has set in this life of VPP, as far as it knows; the last `desired` will do.
    """
    plan: list[VppOperation] = []
    plan += [AddProxyRange(new) for new in _ranges(desired.proxy_ranges - actual.proxy_ranges)]
    plan += _reassembly_raised(desired.reassembly, actual.reassembly)
    plan += _local_reassembly(desired.local_reassembly or owned.local_reassembly, actual.local_reassembly)
    plan += _redirects(desired, actual)
    plan += [PuntL4(family, protocol, True) for family, protocol in sorted(desired.punted_l4 - actual.punted_l4)]
    off = (actual.punted_l4 & owned.punted_l4) - desired.punted_l4
    plan += [PuntL4(family, protocol, False) for family, protocol in sorted(off)]
    plan += _redirects_gone(desired, actual, owned)
    gone = (actual.proxy_ranges - desired.proxy_ranges) & owned.proxy_ranges
    plan += [DeleteProxyRange(old) for old in _ranges(gone)]
    plan += _reassembly_put_back(desired.reassembly, actual.reassembly, owned.reassembly)
    return tuple(plan)


def _redirects(desired: VppShared, actual: VppShared) -> Iterator[VppOperation]:
    there = {_key(redirect): redirect for redirect in actual.redirects}
    for new in _in_order(desired.redirects - actual.redirects):
        old = there.get(_key(new))
        if old is not None:
            yield DeleteRedirect(old)
        yield AddRedirect(new)


def _redirects_gone(desired: VppShared, actual: VppShared, owned: VppShared) -> Iterator[VppOperation]:
    ours = {_key(redirect) for redirect in owned.redirects} - {_key(redirect) for redirect in desired.redirects}
    return (DeleteRedirect(old) for old in _in_order(actual.redirects) if _key(old) in ours)


def _key(redirect: Redirect) -> RedirectKey:
    return redirect.family, redirect.rx_sw_if_index


def _in_order(redirects: Iterable[Redirect]) -> list[Redirect]:
    return sorted(redirects, key=_key)


def _ranges(ranges: Iterable[ProxyRange]) -> list[ProxyRange]:
    return sorted(ranges, key=lambda one: (one.table_id, int(one.low), int(one.high)))


def _reassembly_raised(desired: Iterable[Reassembly], actual: Iterable[Reassembly]) -> Iterator[VppOperation]:
    for wish, there in _pairs(desired, actual):
        if there.max_fragments < wish.max_fragments:
            yield SetReassembly(replace(there, max_fragments=wish.max_fragments), there)


def _reassembly_put_back(
    desired: Iterable[Reassembly], actual: Iterable[Reassembly], found: Iterable[Reassembly]
) -> Iterator[VppOperation]:
    wanted = {wish.family for wish in desired}
    for old, there in _pairs(found, actual):
        if old.family not in wanted:
            yield SetReassembly(old, there)


def _pairs(some: Iterable[Reassembly], actual: Iterable[Reassembly]) -> list[tuple[Reassembly, Reassembly]]:
    there = {one.family: one for one in actual}
    return [(one, there[one.family]) for one in sorted(some) if one.family in there]


def _local_reassembly(wanted: LocalReassembly | None, there: LocalReassembly | None) -> Iterator[VppOperation]:
    if wanted is not None and there is not None and wanted != there:
        yield SetLocalReassembly(wanted, there)
