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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal

from hostlink.core.alike import NO_CUT, Alike, AlikeChange, AlikeEdit, Place, place_of, prefix_at
from hostlink.core.attached import Leaning
from hostlink.core.desired_packed import Known, is_any_special
from hostlink.core.desired_packed import is_special as _is_special
from hostlink.core.desired_routes import Translator, route_key
from hostlink.core.doubts import Doubts
from hostlink.core.dump_order import MOST_CHANGED, DumpOrder
from hostlink.core.kind_paths import KindPaths
from hostlink.core.model import Family, Prefix, Problem, Route, VppPaths, VppRoute, VppTable
from hostlink.core.packed_look import Packed
from hostlink.core.places import PlaceMap
from hostlink.core.route_changes import Change, RouteChange, change_at
from hostlink.core.route_edits import RouteEdit
from hostlink.core.route_set import AlikeRoutes, KeptRoutes, RouteSet, grouped, kept, version_of, versions
from hostlink.core.route_set import by_key as by_key
from hostlink.core.vpp_tables import RT_TABLE_MAIN, vpp_table_id

Key = tuple[int, Prefix]
"""(table of the host, prefix)."""
_MANY = 16
"""Messages: fewer are sooner taken in one by one than all at once."""
_alike_of = attrgetter("alike")


class RouteBook:
    """routes: the host's own that use the link. mirrored: what VPP has for them, as it was read back.

    translator: made of the same view as both. settled: prefixes of which more hangs on a route than itself (of
    hostlink's own routes on the host, of networks that a route puts on-link). problems: what was told of the routes
    when they were translated. alike: what a route has in common with others, where it is so simple. leaning: by which
    more than the route hangs on a gateway. packed: more routes, of table main, which VPP has so; the book keeps these
    very dictionaries and changes them.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        mirrored: Iterable[VppRoute],
        translator: Translator,
        settled: Collection[Prefix] = (),
        problems: Collection[Problem] = (),
        alike: Callable[[Route], Alike | None] = lambda _: None,
        leaning: Leaning | None = None,
        packed: Packed | None = None,
    ) -> None:
        self._host = by_key(routes)
        self._mirrored = {_place(route): route for route in mirrored}
        self.counts: Counter[int] = Counter(route.prefix.version for route in self._mirrored.values())
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
        self._leaning = leaning
        self._touched: dict[Key, None] = {}
        told = {key: translator.of_prefix(there)[1] for key, there in self._host.items()} if problems else {}
        self._problems = {key: lacks for key, lacks in told.items() if lacks}
        self._alike = PlaceMap[Alike]()
        """The host's routes that are kept so: of table main, each the only one of its prefix."""
        self._sent = PlaceMap[VppPaths]()
        """What VPP's table 0 has for such prefixes, as it was read back. Those are not in `_mirrored`."""
        self._moved: dict[Place, None] = {}
        self.doubts = Doubts()
        self._kinds = KindPaths(translator, leaning, () if packed is None else packed.ways)
        """The kinds of `_alike` and the paths of `_sent`, and perhaps more."""
        self._paths_of = self._kinds.at
        self._never = frozenset(map(place_of, {*translator.set_apart, *self._settled}))
        self._apart = {place_of(prefix) for table, prefix in self._host if table == RT_TABLE_MAIN}
        """Prefixes of table main that `_host` or `_mirrored` has."""
        self._held: frozenset[Alike] = frozenset()
        """Kinds of which more than the route hangs on each one's end."""
        self._is_ended = False
        self._orders: Mapping[int, DumpOrder[Alike]] | None = None
        """By IP version that in which `_alike` was dumped, but for those `_changed`."""
        self._changed: set[Place] | None = set()
        """Of both those that were followed since they were dumped. None: more than are worth it."""
        self._blocks: tuple[AlikeRoutes, ...] | None = None
        """`_alike` as it is kept, where nothing was folded in since."""
        self._pack(alike)
        if packed is not None:
            self._adopt(packed)

    def _adopt(self, packed: Packed) -> None:
        apart = self._never & packed.alike.keys()  # the host route of a gateway, which other routes lean on
        self._orders = packed.orders
        self._note_changed((*apart, *self._alike))
        packed.alike.update(self._alike)
        self.counts.update(packed.counts())
        packed.sent.update(self._sent)
        self._blocks = packed.blocks if not self._alike else None
        self._alike, self._sent = packed.alike, packed.sent
        self._kinds.kinds |= dict.fromkeys(packed.kinds)
        self._held = frozenset(one for one in packed.kinds if self._kinds.leans(one.route))
        for place in apart:
            self._set_apart(prefix_at(place))
        self._touched.clear()

    def _pack(self, alike: Callable[[Route], Alike | None]) -> None:
        """Keep what can be as packed destinations."""
        for key, there in list(self._host.items()):
            one = alike(there[0]) if key[0] == RT_TABLE_MAIN and len(there) == 1 and key not in self._problems else None
            place = place_of(key[1]) if one is not None else b""
            if one is None or _is_special(place) or place in self._never:
                continue
            paths, mirrored = self._paths_of(one, place), self._mirrored.get((0, key[1]))
            if paths is not None and mirrored is not None and mirrored.paths == paths:
                del self._host[key], self._mirrored[0, key[1]]
                self._alike[place], self._sent[place] = one, paths
                self._kinds.kinds[one] = None
                self._apart.discard(place)

    # ----------------------------------------------------------------------------------------------------- what it has

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What VPP cannot have, of all routes."""
        return tuple(problem for told in self._problems.values() for problem in told)

    def routes(self) -> Iterator[Route]:
        """The host's routes, those of one key together."""
        for there in self._host.values():
            yield from there
        for place, alike in self._alike.items():
            yield alike.at(place)

    def as_set(self) -> RouteSet:
        """The same, as long as nothing is folded in."""
        values = (route for there in self._host.values() for route in there)
        kinds = None if self._kinds.forgot else self._kinds.kinds  # then who asks for them looks for them
        return RouteSet(values, self._alike, kinds, self._blocks, self._orders)

    def kept(self) -> KeptRoutes:
        """The same to keep."""
        whole = self.as_set()
        found = kept(whole)
        self._blocks = whole.blocks
        return found

    def known(self) -> Known | None:
        """What need not be translated again, as long as nothing is folded in. None: VPP was not told all of it."""
        moving = self._is_ended or self._moved or self._touched
        if moving or len(self._alike) != len(self._sent) or self._kinds.forgot:
            return None
        return Known(self._translator, self.as_set(), self._sent, self._kinds.ways, self._changed)

    def crumble(self) -> None:
        """Let go of what is packed, bit by bit: a large dictionary that goes at once keeps all threads waiting."""
        for packed in (self._alike, self._sent):
            while packed.let_some_go():
                pass

    def routes_elsewhere(self) -> Iterator[Route]:
        """Those of other tables than main."""
        for (table, _), there in self._host.items():
            if table != RT_TABLE_MAIN:
                yield from there

    def __len__(self) -> int:
        """How many prefixes it has."""
        return len(self._host) + len(self._alike)

    def mirrored(self) -> frozenset[VppRoute]:
        """All routes that VPP should have."""
        packed = (VppRoute(0, prefix_at(place), paths) for place, paths in self._sent.items())
        return frozenset((*self._mirrored.values(), *packed))

    def tables(self) -> frozenset[VppTable]:
        """The tables that VPP should have for them, beside table 0."""
        return frozenset(VppTable(table_id, Family(version)) for (table_id, version), n in self._elsewhere.items() if n)

    def wanted(self, key: tuple[int, Prefix]) -> VppRoute | None:
        """What VPP should have for a prefix of one of its tables."""
        route = self._mirrored.get(key)
        if route is None and key[0] == 0 and (paths := self._sent.get(place_of(key[1]))) is not None:
            return VppRoute(*key, paths)
        return route

    def paths_at(self, places: Sequence[Place]) -> list[VppPaths | None]:
        """The paths that VPP's table 0 should have at each, if any."""
        found = self._sent.gets(places)
        if None in found:
            for number, place in enumerate(places):
                if found[number] is None and place in self._apart:
                    route = self._mirrored.get((0, prefix_at(place)))
                    found[number] = None if route is None else route.paths
        return found

    # ------------------------------------------------------------------------------------------------------- following

    def holds(self, route: Route) -> bool:
        """Whether the link has a route of that prefix, in that table."""
        if (route.table, route.prefix) in self._host:
            return True
        return route.table == RT_TABLE_MAIN and place_of(route.prefix) in self._alike

    def holds_place(self, place: Place) -> bool:
        """`holds`, of table main."""
        return place in self._alike or place in self._apart

    def edit(self, key: Key) -> RouteEdit:
        """What the host has at that prefix."""
        there = self._host.get(key)
        if there is None and key[0] == RT_TABLE_MAIN and (one := self._alike.get(place := place_of(key[1]))):
            return RouteEdit(*key, (one.at(place),))
        return RouteEdit(*key, tuple(there or ()))

    def edits(self, keys: Iterable[Key | Place]) -> list[RouteEdit | AlikeEdit]:
        """What the host has at those prefixes: of one key or place one edit, of those that are alike one together."""
        found: list[RouteEdit | AlikeEdit] = []
        together: dict[tuple[Alike | None, int], list[Place]] = {}
        for key in keys:
            if isinstance(key, tuple):
                found.append(self.edit(key))
            elif key in self._apart:
                found.append(self.edit((RT_TABLE_MAIN, prefix_at(key))))
            else:
                together.setdefault((self._alike.get(key), version_of(key)), []).append(key)
        for (one, version), places in together.items():
            route, cut = (None, NO_CUT) if one is None else (one.route, one.cut)
            found.append(AlikeEdit(RT_TABLE_MAIN, route, cut, version, b"".join(places)))
        return found

    def fold_all(self, changes: Sequence[Change]) -> bool:
        """Take messages in, in their order. False: one cannot be followed, everything must be looked at.

        One longer function on purpose: it runs for each of 100,000 messages.
        """
        alike, moved, apart, never = self._alike, self._moved, self._apart, self._never
        self._blocks = None
        if self._fold_at_once(changes):
            return True
        for change in changes:
            said, place = change
            if place is None or not isinstance(said, AlikeChange):
                if not self.fold(change_at(change)):
                    return False
                continue
            there = alike.get(place)
            if there is None:
                simple = not (place in apart or place in never or _is_special(place))
                if not simple or self._paths_of(said.alike, place) is None:
                    if not self.fold(change_at(change)):
                        return False
                elif not said.gone:
                    alike[place], moved[place] = said.alike, None
            elif there is said.alike and not (said.gone and there in self._held):
                if said.gone:
                    del alike[place]
                    moved[place] = None
            elif said.replaces and not said.gone and self._replaced(there, said.alike, place):
                alike[place], moved[place] = said.alike, None
            elif not self.fold(change_at(change)):
                return False
        return True

    def _fold_at_once(self, changes: Sequence[Change]) -> bool:
        """Where all are new routes of simple kinds, as a storm's are. False: they are not, and nothing was taken in."""
        saids, places = zip(*changes, strict=True) if len(changes) >= _MANY else ((), ())
        if not saids or {*map(type, saids)} != {AlikeChange} or len({*places}) < len(places):
            return False
        kinds = dict(zip(saids, places, strict=True))
        if any(said.gone or self._paths_of(said.alike, place) is None for said, place in kinds.items()):
            return False
        there = (self._alike, self._apart, self._never)
        if not all(known.isdisjoint(places) for known in there) or is_any_special(places):
            return False
        self._alike.puts(places, list(map(_alike_of, saids)))
        self._moved.update(dict.fromkeys(places))
        return True

    def _replaced(self, old: Alike, new: Alike, place: Place) -> bool:
        """Whether a route of the one kind stands in the place of one of the other, simple as it is."""
        return old.key == new.key and old not in self._held and self._paths_of(new, place) is not None

    def _set_apart(self, prefix: Prefix) -> Place:
        """From now on that prefix of table main is a list of routes."""
        place = place_of(prefix)
        one, paths = self._alike.pop(place, None), self._sent.pop(place, None)
        self._blocks = None if one is not None else self._blocks
        if one is not None:
            self._host[RT_TABLE_MAIN, prefix] = [one.at(place)]
        if paths is not None:
            self._mirrored[0, prefix] = VppRoute(0, prefix, paths)
        if one is not None or paths is not None:
            self._apart.add(place)
            self._touched[RT_TABLE_MAIN, prefix] = None
        return place

    def fold(self, change: RouteChange) -> bool:
        """Take one message in. False: it cannot be followed, everything must be looked at."""
        route, key = change.route, (change.route.table, change.route.prefix)
        if route.nexthop_id is not None and not route.next_hops:
            return False  # the kernel named the nexthop object alone (kernel/nexthops.py)
        place = None
        if key[0] == RT_TABLE_MAIN:
            place = self._set_apart(route.prefix)
        elif route.leads_nowhere or self._mixed:
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
        if self._leaning is not None and self._leaning.concerns(route, gone=change.gone):
            return False
        if not there:
            if not change.gone:
                self._host[key], self._touched[key] = [route], None
                if place is not None:
                    self._apart.add(place)
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
        if same and self._leaning is not None and self._leaning.concerns(same[0], gone=True):
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
        self._note_changed([place_of(prefix) for table, prefix in keys if table == RT_TABLE_MAIN])
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

    def end(self) -> None:
        """Some of what was folded in is not settled, or VPP may not have done it: nothing is known by it any more."""
        self._is_ended = True

    def is_sure_of(self, key: tuple[int, Prefix], paths: VppPaths | None) -> bool:
        """Whether VPP should have, and has had, just these paths for a prefix of one of its tables. None: no route."""
        if key in self.doubts:
            return False
        route = self.wanted(key)
        return paths == (None if route is None else route.paths)

    def touched_places(self) -> list[Place]:
        """Of the packed destinations those that were folded since this was asked last, for `settle_places`."""
        places, self._moved = list(self._moved), {}
        self._note_changed(places)
        return places

    def _note_changed(self, places: Collection[Place]) -> None:
        if self._changed is not None and len(self._changed) + len(places) <= MOST_CHANGED:
            self._changed.update(places)
        else:
            self._changed, self._orders = None, None

    def settle_places(self, places: Sequence[Place]) -> tuple[list[tuple[VppPaths, list[Place]]], list[Place]]:
        """As `settle`, for table 0: (to add or replace, by their paths, each of one IP version; to delete)."""
        add: dict[Alike, list[Place]] = {}
        delete: list[Place] = []
        alike, sent, counts = self._alike, self._sent, self.counts
        if (new := self._settle_new(places)) is not None:
            return new, []
        for place in places:
            one = alike.get(place)
            if one is None:
                if sent.pop(place, None) is not None:
                    delete.append(place)
                    counts[version_of(place)] -= 1
                continue
            before, after = sent.get(place), self._paths_of(one, place)
            if after is None or after is before:  # equal ones are one object
                continue
            sent[place] = after
            if before is None:
                counts[version_of(place)] += 1
            group = add.get(one)
            if group is None:
                group = add[one] = []
            group.append(place)
        return [(self._sent[places[0]], places) for places in add.values()], delete

    def _settle_new(self, places: Sequence[Place]) -> list[tuple[VppPaths, list[Place]]] | None:
        """The same of places of which VPP has had none and can have all, as a storm's are. None: they are not such."""
        ones = self._alike.gets(places)
        if None in ones or not self._sent.isdisjoint(places):
            return None
        found = self._kinds.known(ones)  # type: ignore[arg-type]  # none of them is None
        if None in found:
            return None
        self._sent.puts(places, found)  # type: ignore[arg-type]  # nor of these
        self.counts.update(versions(places))
        groups = grouped(zip(places, ones, strict=True))
        return [(self._sent[some[0]], some) for some in groups.values()]

    def _translate(self, key: Key) -> VppRoute | None:
        if self._problems:
            self._problems.pop(key, None)
        if key not in self._host and key[0] == RT_TABLE_MAIN:
            self._apart.discard(place_of(key[1]))  # gone: what comes there next may be packed
        route, lacks = self._translator.of_prefix(self._host.get(key, []))
        if lacks:
            self._problems[key] = lacks
        return route


def _place(route: VppRoute) -> tuple[int, Prefix]:
    return route.table_id, route.prefix
