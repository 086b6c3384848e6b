"""What the kernel said of single routes goes to VPP in portions, the next one made out while VPP is told of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import cast

import pytest
import trio
import trio.testing

from hostlink.config import Config, Match, UplinkConfig, VppConfig
from hostlink.core.alike import PackedRoutes, place_of
from hostlink.core.model import Prefix, VppPort, VppRoute, VppTable, VppUplink
from hostlink.core.operations import AddVppRoute, ChangeVppRoutes, DeleteVppRoute, DeleteVppTable, EachOperation
from hostlink.core.plan import plan_uplink
from hostlink.core.route_changes import Change, RouteChange
from hostlink.core.vpp_tables import tables_of
from hostlink.kernel.netlink import Netlink
from hostlink.steps import carry_over
from hostlink.steps.carry_over import CarryOver
from hostlink.steps.context import Node, Uplink
from hostlink.steps.drift import parted
from hostlink.steps.follow import follow
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.errors import VppTimeout
from hostlink.vpp.tables import TableUse
from tests.core.test_alike import OTHER4, Reader, book, route

AT_ONCE = 3


@dataclass
class Vpp:
    """A dataplane that notes what it is told, each time when it may go on."""

    told: list[tuple[set[Prefix], set[Prefix]]] = field(default_factory=list)
    """(added, deleted)"""
    under_way: int = 0
    may_go_on: trio.Event = field(default_factory=trio.Event)
    tables: set[VppTable] = field(default_factory=set)
    there: dict[tuple[int, Prefix], VppRoute] = field(default_factory=dict)
    refuses_from: int = 1000
    silent_from: int = 1000

    async def change_routes(
        self, add: Sequence[VppRoute], delete: Sequence[VppRoute], packed: PackedRoutes
    ) -> list[str]:
        assert not self.under_way, "one after the other: the second may take back what the first has done"
        self.under_way += 1
        await self.may_go_on.wait()
        self.under_way -= 1
        if len(self.told) >= self.silent_from:
            raise VppTimeout("no answer")
        added, deleted = [*add, *packed.added()], [*delete, *packed.deleted()]
        assert tables_of(added) <= self.tables, "VPP refuses routes of a table that it does not have"
        self.there |= {(one.table_id, one.prefix): one for one in added}
        for one in deleted:
            self.there.pop((one.table_id, one.prefix), None)
        self.told.append(({one.prefix for one in added}, {one.prefix for one in deleted}))
        return ["refused"] if len(self.told) > self.refuses_from else []

    async def routes_at(self, places: Iterable[tuple[int, Prefix]]) -> dict[tuple[int, Prefix], VppRoute]:
        return {place: self.there[place] for place in places if place in self.there}

    async def make_tables(self, tables: Iterable[VppTable]) -> bool:
        await trio.lowlevel.checkpoint()
        self.tables.update(tables)
        return True

    async def own_tables(self) -> frozenset[VppTable]:
        return frozenset(self.tables)

    async def tables_in_use(self, _: Iterable[VppTable]) -> dict[VppTable, TableUse]:
        return {}

    async def apply(self, plan: Sequence[DeleteVppTable]) -> None:
        self.tables.difference_update(one.table for one in plan)


@pytest.fixture
def vpp() -> Vpp:
    made = Vpp()
    made.may_go_on.set()
    return made


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, vpp: Vpp) -> CarryOver:
    """Nothing is there, and portions are of three messages."""
    monkeypatch.setattr(carry_over, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(carry_over, "PLENTY", 1)
    config = UplinkConfig(Match(name="eth0"))
    node = Node(Config((config,), vpp=VppConfig(drift="report")), cast(Netlink, None))
    node.vpp.dataplane = cast(Dataplane, vpp)
    uplink = Uplink(node, config, 0, "eth0")
    uplink.inbox.begin_look()
    return CarryOver(uplink, book())


READER = Reader()


def prefix(number: int) -> Prefix:
    return ip_network((0x14000000 + (number << 8), 24))


def added(number: int) -> Change:
    return READER.change(RouteChange(route(str(prefix(number)))))


def deleted(number: int) -> Change:
    return READER.change(RouteChange(route(str(prefix(number))), gone=True))


def elsewhere(number: int, *, gone: bool = False) -> Change:
    """In a table of its own."""
    return RouteChange(replace(route(str(prefix(number))), table=100), gone), None


def prefixes(*numbers: int) -> set[Prefix]:
    return {*map(prefix, numbers)}


async def test_each_portion_goes_out_in_its_turn(work: CarryOver, vpp: Vpp) -> None:
    """A route that comes in one and goes in the next one is gone."""
    work.uplink.inbox.routes([*map(added, range(5)), deleted(0), added(5)])
    assert await work.run()
    assert vpp.told == [(prefixes(0, 1, 2), set()), (prefixes(3, 4), prefixes(0)), (prefixes(5), set())]
    assert work.written == 3
    assert [one for portion in work.portions for one in portion.places] == [
        place_of(prefix(number)) for number in (0, 1, 2, 3, 4, 0, 5)
    ]
    assert work.book.is_sure_of((0, prefix(0)), None)
    assert work.uplink.unread_places == {*map(place_of, prefixes(*range(6)))}


async def test_the_next_one_is_made_out_while_vpp_is_told(work: CarryOver, vpp: Vpp) -> None:
    vpp.may_go_on = trio.Event()
    work.uplink.inbox.routes([*map(added, range(7))])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.run)
        await trio.testing.wait_all_tasks_blocked()
        assert (len(work.portions), work.written, vpp.under_way) == (2, 0, 1)
        vpp.may_go_on.set()
    assert [len(come) for come, _ in vpp.told] == [3, 3, 1]


async def test_it_ends_after_so_many_portions(work: CarryOver, vpp: Vpp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_over, "PORTIONS", 2)
    work.uplink.inbox.routes([*map(added, range(10))])
    assert await work.run()
    assert (len(vpp.told), len(work.uplink.inbox)) == (2, 4)


async def test_few_more_are_left_for_the_next_step(work: CarryOver, vpp: Vpp, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be the first of many, which go out sooner together."""
    monkeypatch.setattr(carry_over, "PLENTY", 2)
    work.uplink.inbox.routes([*map(added, range(4))])
    assert await work.run()
    assert (len(vpp.told), len(work.uplink.inbox)) == (1, 1)


@pytest.mark.parametrize("refused", [0, 1, 2])
async def test_where_vpp_refuses_no_more_goes_out(work: CarryOver, vpp: Vpp, refused: int) -> None:
    vpp.refuses_from = refused
    work.uplink.inbox.routes([*map(added, range(9))])
    assert not await work.run()
    assert len(vpp.told) == refused + 1
    paths = work.book.paths_at([place_of(prefix(0))])[0]
    sure = [work.book.is_sure_of((0, prefix(number)), paths) for number in range(9)]
    assert sure == [True] * AT_ONCE * refused + [False] * (9 - AT_ONCE * refused)


async def test_what_was_made_out_before_what_cannot_be_followed_goes_out(work: CarryOver, vpp: Vpp) -> None:
    """The look that comes then finds little to do."""
    default = RouteChange(route("0.0.0.0/0"))
    work.uplink.inbox.routes([*map(added, range(4)), (default, None), added(5)])
    assert not await work.run()
    assert vpp.told == [(prefixes(0, 1, 2), set())]


async def test_where_everything_must_be_looked_at_no_more_goes_out(work: CarryOver, vpp: Vpp) -> None:
    vpp.may_go_on = trio.Event()
    work.uplink.inbox.routes([*map(added, range(12))])
    ended: list[bool] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_note, work, ended)
        await trio.testing.wait_all_tasks_blocked()
        work.uplink.inbox.look_at_everything()
        vpp.may_go_on.set()
    assert (ended, len(vpp.told), len(work.portions)) == ([False], 1, 2)


async def _note(work: CarryOver, ended: list[bool]) -> None:
    ended.append(await work.run())


async def test_what_vpp_did_not_answer_for_is_no_drift(work: CarryOver, vpp: Vpp) -> None:
    """One to be added and one to be deleted: they are not told (HL-306) and left, but done by the next look."""
    uplink, again = work.uplink, CarryOver(work.uplink, work.book)
    uplink.inbox.routes([added(0), added(1)])
    assert await work.run()
    uplink.wished, uplink.truth = NOTHING, work.book
    vpp.silent_from = 1
    (paths,) = {*work.book.paths_at([place_of(prefix(0))])}
    assert paths is not None
    uplink.inbox.routes([deleted(0), added(2)])
    with pytest.raises(VppTimeout):
        await again.run()
    plan = [AddVppRoute(VppRoute(0, prefix(number), paths)) for number in (1, 2)]
    plan_packed = PackedRoutes()
    plan_packed.extend([], [place_of(prefix(0))])
    left, done = parted(uplink, [*plan, ChangeVppRoutes(plan_packed)], NOTHING)
    assert left == (plan[0],)
    assert [*EachOperation(done)] == [plan[1], DeleteVppRoute(VppRoute(0, prefix(0), ()))]


NOTHING = VppUplink(VppPort(1), VppPort(2))


async def test_what_vpp_has_done_is_journalled_whatever_becomes_of_the_rest(work: CarryOver, vpp: Vpp) -> None:
    """VPP dies in the middle of a storm and stays away: what is given back then is what the host had, as journalled."""
    vpp.silent_from = 2
    work.uplink.inbox.routes([*map(added, range(9))])
    with pytest.raises(VppTimeout):
        await work.run()
    assert work.written == 2
    assert {*work.uplink.edits} == {*map(place_of, prefixes(*range(6)))}
    assert work.uplink.behind


async def test_by_a_book_at_its_end_nothing_is_known(work: CarryOver, vpp: Vpp) -> None:
    """What was folded in may not be settled, and as much as before may be there all the same."""
    work.uplink.inbox.routes([added(0)])
    assert await work.run()
    assert work.book.known() is not None
    vpp.silent_from = 1
    work.uplink.inbox.routes([READER.change(RouteChange(route(str(prefix(0)), OTHER4), replaces=True))])
    with pytest.raises(VppTimeout):
        await CarryOver(work.uplink, work.book).run()
    assert work.book.known() is None


@pytest.mark.parametrize("_", range(10))
async def test_a_table_that_is_filled_and_emptied_again_is_made_and_goes(work: CarryOver, vpp: Vpp, _: int) -> None:
    """By then the next portion may be made out, or not: trio's tasks have no order."""
    uplink = work.uplink
    uplink.book = work.book
    uplink.inbox.routes([elsewhere(0), added(1), added(2), elsewhere(0, gone=True), added(3)])
    assert await follow(uplink, 1) is not None
    assert vpp.told == [(prefixes(0, 1, 2), set()), (prefixes(3), prefixes(0))]
    assert vpp.tables == uplink.tables == set()


async def test_a_table_that_was_emptied_before_all_went_wrong_is_no_drift(work: CarryOver, vpp: Vpp) -> None:
    """Nobody has come to drop it; the next look does, and does not only tell it (HL-306)."""
    uplink = work.uplink
    uplink.inbox.routes([elsewhere(0)])
    assert await work.run()
    uplink.wished, uplink.truth = replace(NOTHING, tables=frozenset(vpp.tables)), work.book
    uplink.book, vpp.refuses_from = work.book, 2
    uplink.inbox.routes([elsewhere(0, gone=True), *map(added, range(1, 4))])
    assert await follow(uplink, 2) is None
    there = uplink.wished
    plan = plan_uplink(NOTHING, there)
    assert plan == tuple(map(DeleteVppTable, vpp.tables))
    assert parted(uplink, plan, there) == ((), plan)
