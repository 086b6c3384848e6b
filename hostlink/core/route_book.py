"""The host's routes of one link and what VPP has for them, kept so that one change costs as much as one route does.

A whole look makes the book; the kernel's route messages are folded into it, in their order. Each message says all of
one route: after it the route is there, or is gone. So folding in messages from before the look does no harm either: the
last one of a route decides, and no look is older than that.

What a message does not say, or what more hangs on than the route itself, is not folded: then `fold` says so, and
everything is looked at (a route beside others of the same key, a part of a multipath route, a default route of table
main). In the host's other tables what leads nowhere hangs on what leads to the link: one that has both is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hostlink.core.desired_routes import Translator, route_key
from hostlink.core.model import Family, Prefix, Problem, Route, VppRoute, VppTable
from hostlink.core.vpp_tables import RT_TABLE_MAIN, vpp_table_id

Key = tuple[int, Prefix]
"""(table of the host, prefix)."""


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One route message of the kernel."""

    route: Route
    gone: bool = False
    replaces: bool = False
    """NLM_F_REPLACE: it stands in the place of the one that had the same key."""


@dataclass(frozen=True, slots=True)
class RouteEdit:
    """All routes that one prefix of one of the host's tables has now: none, when they are gone."""

    table: int
    prefix: Prefix
    routes: tuple[Route, ...] = ()


def edited(routes: Iterable[Route], edits: Iterable[RouteEdit]) -> tuple[Route, ...]:
    """The routes with the edits, the later ones last."""
    found = by_key(routes)
    for edit in edits:
        found.pop((edit.table, edit.prefix), None)
        if edit.routes:
            found[edit.table, edit.prefix] = list(edit.routes)
    return tuple(flat(found))


def by_key(routes: Iterable[Route]) -> dict[Key, list[Route]]:
    """All routes of each prefix, in the order given."""
    found: dict[Key, list[Route]] = {}
    for route in routes:
        found.setdefault((route.table, route.prefix), []).append(route)
    return found


class RouteBook:
    """routes: the host's own that use the link. mirrored: what VPP has for them, as it was read back.

    translator: made of the same view as both. settled: prefixes of which more hangs on a route than itself (of
    hostlink's own routes on the host, of networks that a route puts on-link). problems: what was told of the routes
    when they were translated.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        mirrored: Iterable[VppRoute],
        translator: Translator,
        settled: Collection[Prefix] = (),
        problems: Collection[Problem] = (),
    ) -> None:
        self._host = by_key(routes)
        self._mirrored = {_place(route): route for route in mirrored}
        self.counts = Counter(route.prefix.version for route in self._mirrored.values())
        """Routes that VPP should have, by IP version."""
        self._elsewhere = Counter((table_id, prefix.version) for table_id, prefix in self._mirrored if table_id)
        """Those of them in other tables than 0, by table of VPP's and IP version."""
        self._translator = translator
        self._settled = frozenset(settled)
        others = [key for key in self._host if key[0] != RT_TABLE_MAIN]
        self._mixed = {
            (key[0], key[1].version) for key in others if any(route.leads_nowhere for route in self._host[key])
        }
        """(other table of the host, IP version) in which something leads nowhere, or may."""
        self._touched: dict[Key, None] = {}
        told = {key: translator.of_prefix(there)[1] for key, there in self._host.items()} if problems else {}
        self._problems = {key: lacks for key, lacks in told.items() if lacks}

    # ----------------------------------------------------------------------------------------------------- what it has

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What VPP cannot have, of all routes."""
        return tuple(problem for told in self._problems.values() for problem in told)

    def host_routes(self) -> dict[Key, list[Route]]:
        """The host's routes by key: not a copy."""
        return self._host

    def mirrored(self) -> frozenset[VppRoute]:
        """All routes that VPP should have."""
        return frozenset(self._mirrored.values())

    def tables(self) -> frozenset[VppTable]:
        """The tables that VPP should have for them, beside table 0."""
        return frozenset(VppTable(table_id, Family(version)) for (table_id, version), n in self._elsewhere.items() if n)

    def wanted(self, key: tuple[int, Prefix]) -> VppRoute | None:
        """What VPP should have for a prefix of one of its tables."""
        return self._mirrored.get(key)

    # ------------------------------------------------------------------------------------------------------- following

    def holds(self, route: Route) -> bool:
        """Whether the link has a route of that prefix, in that table."""
        return (route.table, route.prefix) in self._host

    def edit(self, key: Key) -> RouteEdit:
        """What the host has at that prefix."""
        return RouteEdit(*key, tuple(self._host.get(key, ())))

    def fold(self, change: RouteChange) -> bool:
        """Take one message in. False: it cannot be followed, everything must be looked at."""
        route, key = change.route, (change.route.table, change.route.prefix)
        if route.nexthop_id is not None and not route.next_hops:
            return False  # the kernel named the nexthop object alone (kernel/nexthops.py)
        if key[0] != RT_TABLE_MAIN and (route.leads_nowhere or self._mixed):
            told_apart = self._told_apart(route)
            if told_apart is not None:
                return told_apart
        there = self._host.get(key)
        ours = self._concerns(route)
        if not ours and not there:
            return bool(route.next_hops or route.leads_nowhere)  # without any it may be anybody's
        if key[0] == RT_TABLE_MAIN and (
            route.prefix.prefixlen == 0 or (self._settled and route.prefix in self._settled)
        ):
            return False
        if not there:
            if not change.gone:
                self._host[key], self._touched[key] = [route], None
            return True
        if change.gone and there == [route]:  # as nearly all are that go
            del self._host[key]
            self._touched[key] = None
            return True
        same = [old for old in there if route_key(old) == route_key(route)]
        if change.gone:
            return self._fold_gone(key, same, route)
        return self._fold_new(key, same, change, ours=ours)

    def _told_apart(self, route: Route) -> bool | None:
        """Of a route in another table than main: what `fold` answers, or None where that table has nothing special."""
        place = (route.table, route.prefix.version)
        if route.leads_nowhere:
            self._mixed.add(place)
            return not self._is_mirrored(place)
        if place not in self._mixed:
            return None
        return not (self._concerns(route) or self.holds(route))

    def _is_mirrored(self, place: tuple[int, Literal[4, 6]]) -> bool:
        """Whether anything of that table leads to the link, or has come or gone since `settle`."""
        table, version = place
        touched = any(key[0] == table and key[1].version == version for key in self._touched)
        return touched or self._elsewhere[vpp_table_id(table) or 0, version] > 0

    def _concerns(self, route: Route) -> bool:
        if route.leads_nowhere:
            return route.table == RT_TABLE_MAIN
        return route.uses(self._translator.link_index)

    def _fold_gone(self, key: Key, same: list[Route], route: Route) -> bool:
        if same == [route]:
            self._put(key, same, None)
        return same in ([], [route])

    def _fold_new(self, key: Key, same: list[Route], change: RouteChange, *, ours: bool) -> bool:
        if same == [change.route] or not (same or ours):
            return True
        if same and not (change.replaces and len(same) == 1):
            return False
        self._put(key, same, change.route if ours else None)
        return True

    def _put(self, key: Key, old: list[Route], new: Route | None) -> None:
        left = [route for route in self._host.get(key, []) if route not in old]
        left += [new] if new is not None else []
        if left:
            self._host[key] = left
        else:
            self._host.pop(key, None)
        self._touched[key] = None

    def touched(self) -> list[Key]:
        """The prefixes that were folded since this was asked last. Give each to `settle`, in parts as large as fit."""
        keys, self._touched = list(self._touched), {}
        return keys

    def settle(self, keys: Iterable[Key]) -> tuple[list[VppRoute], list[VppRoute]]:
        """(to add or replace, to delete) for those prefixes. From now on VPP is taken to have them so."""
        add: list[VppRoute] = []
        delete: list[VppRoute] = []
        for key in keys:
            place = self._translator.place(key)
            before = self._mirrored.get(place) if place is not None else None
            after = self._translate(key)
            if after == before:
                continue
            if after is None:
                assert before is not None
                delete.append(before)
                del self._mirrored[_place(before)]
                self.counts[before.prefix.version] -= 1
                if key[0] != RT_TABLE_MAIN:
                    self._elsewhere[before.table_id, before.prefix.version] -= 1
            else:
                add.append(after)
                self._mirrored[_place(after)] = after
                self.counts[after.prefix.version] += before is None
                if key[0] != RT_TABLE_MAIN:
                    self._elsewhere[after.table_id, after.prefix.version] += before is None
        return add, delete

    def unsettle(self, refused: Iterable[VppRoute]) -> None:
        """VPP has taken none of these after all. The book is at its end, but for what it says was true."""
        for route in refused:
            self._mirrored.pop(_place(route), None)

    def _translate(self, key: Key) -> VppRoute | None:
        if self._problems:
            self._problems.pop(key, None)
        route, lacks = self._translator.of_prefix(self._host.get(key, []))
        if lacks:
            self._problems[key] = lacks
        return route


def _place(route: VppRoute) -> tuple[int, Prefix]:
    return route.table_id, route.prefix


def flat(routes: dict[Key, list[Route]]) -> Iterator[Route]:
    """All of them, in the book's order."""
    return (route for there in routes.values() for route in there)
