"""What goes to VPP while the host is still being looked at: what it lacks by the thousand, and the host has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface
from typing import Any, cast

import pytest
import trio

from hostlink.config import VppConfig
from hostlink.core.alike import PackedRoutes
from hostlink.core.desired import vpp_desired
from hostlink.core.desired_packed import Known
from hostlink.core.desired_routes import translator_for
from hostlink.core.model import Address, HostView, VppInterface, VppPath, VppPaths, VppUplink
from hostlink.core.operations import AddVppAddress, SetUp
from hostlink.core.route_set import Alike, Place, RouteSet, prefix_at
from hostlink.steps import ahead as module
from hostlink.steps import mirror
from hostlink.steps.ahead import Ahead, ahead_of_look
from hostlink.steps.context import Uplink
from hostlink.vpp.compared import Compared
from hostlink.vpp.errors import VppGone
from hostlink.vpp.quirks import may_answer_in_tables
from hostlink.vpp.tags import Ports
from tests.test_differing import HERE, uplink

__all__ = ["uplink"]

NIC, HOST = VppInterface(1, "nic", "", "", True, True, 1500), VppInterface(2, "host", "", "", True, True, 1500)
WAYS: list[VppPaths] = [(VppPath(1, ip_address(f"10.0.0.{number}")),) for number in (2, 3)]
PLACES: list[Place] = [bytes((24, 20, 0, number, 0)) for number in range(200)]
ELSEWHERE: Place = bytes((24, 30, 0, 0, 0))
FEW = 50


@dataclass
class Vpp:
    """A dataplane that has nothing but what it is told, or lacks `missing`."""

    there: VppUplink
    missing: Sequence[Place] = tuple(PLACES)
    refuses: Sequence[Place] = ()
    gone: bool = False
    put: dict[Place, VppPaths] = field(default_factory=dict)
    applied: list[Any] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    async def find(self, _: str) -> Ports:
        return Ports(NIC, HOST)

    async def taken_tables(self) -> dict[Any, str]:
        return {}

    async def read_ports(self, *_: VppInterface) -> VppUplink:
        return self.there

    async def compare(self, ports: frozenset[int], wanted: dict[Place, VppPaths], *_: Any) -> Compared:
        await trio.lowlevel.checkpoint()
        if self.gone:
            raise VppGone("it is gone")
        return Compared(wanted, ports, frozenset(self.missing), {}, len(wanted))

    async def apply(self, plan: Sequence[Any], _: Any) -> None:
        assert not self.put, "ports come first"
        self.applied += plan
        self.order.append("ports")

    async def change_routes(self, add: Sequence[Any], delete: Sequence[Any], packed: PackedRoutes) -> list[str]:
        assert (add, delete, packed.delete) == ((), (), [])
        await trio.lowlevel.checkpoint()
        for paths, places in packed.add:
            assert self.put.keys().isdisjoint(places), "each once"
            self.put |= dict.fromkeys(places, paths)
        return ["refused" for place in self.refuses if place in self.put]


@pytest.fixture
def known() -> Known:
    kinds = [Alike.of(HERE.routes[0], (b"", b"", bytes([number]))) for number in range(2)]
    sent = {place: WAYS[number % 2] for number, place in enumerate(PLACES)}
    desired, _ = vpp_desired(HERE, uplink_sw=1, host_sw=2)
    translator = translator_for(HERE, desired.uplink.addresses, 1, (), (), may_answer_in_tables(None))
    return Known(
        translator, RouteSet(HERE.routes, {place: kinds[place[3] % 2] for place in PLACES}, kinds), sent, tuple(WAYS)
    )


@pytest.fixture
def wished() -> VppUplink:
    """Without a route."""
    return replace(vpp_desired(HERE, uplink_sw=1, host_sw=2)[0], routes=frozenset())


@pytest.fixture
def vpp(uplink: Uplink, wished: VppUplink, monkeypatch: pytest.MonkeyPatch) -> Vpp:
    """In a life of VPP that has had it all, as far as nothing else is said."""
    made = Vpp(wished)
    uplink.node.vpp.dataplane = cast(Any, made)
    uplink.wished = wished
    monkeypatch.setattr(module, "LEAST", FEW)
    see(monkeypatch, HERE)

    async def grow(_: Uplink, view: HostView) -> tuple[HostView, tuple[()]]:
        made.order.append("grow")
        return view, ()

    async def ensure_bypass(*_: object) -> list[str]:
        made.order.append("bypass")
        return []

    monkeypatch.setattr(module, "grow", grow)
    monkeypatch.setattr(module, "ensure_bypass", ensure_bypass)
    return made


def see(monkeypatch: pytest.MonkeyPatch, host: HostView) -> None:
    """The host is so, but for its routes."""

    async def view(_: Uplink, routes: RouteSet) -> HostView:
        return replace(host, routes=routes)

    monkeypatch.setattr(module, "view_but_for", view)


async def look(uplink: Uplink, known: Known, confirmed: Sequence[Place] = PLACES) -> Ahead:
    """What was done while the host was looked at, which said that these are there as they were."""
    async with ahead_of_look(uplink, known) as (ahead, before):
        assert ahead is not None
        assert before is not None
        assert before.confirm is not None
        assert before.routes is known.routes
        kinds = known.routes.kinds
        for start in range(0, len(confirmed), 7):
            some = confirmed[start : start + 7]
            before.confirm(4, b"".join(some), [kinds[place[3] % 2] for place in some])
            await trio.lowlevel.checkpoint()
    return ahead


@pytest.mark.parametrize("at_once", [1, 5, 1000])
async def test_what_vpp_lacks_and_the_host_has_is_put_back(
    uplink: Uplink, vpp: Vpp, known: Known, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "_FEWEST", at_once)
    vpp.missing, confirmed = PLACES[20:180], PLACES[:100]
    ahead = await look(uplink, known, confirmed)
    assert vpp.put == {place: known.sent[place] for place in PLACES[20:100]}
    assert (ahead.count, vpp.applied) == (80, [])
    assert ahead.compared is None, "all of it is to be read back"
    told = {
        f"VPP: add route {prefix_at(place)} via 10.0.0.{2 + place[3] % 2} dev interface 1" for place in PLACES[20:100]
    }
    assert len({*ahead.changes[:20]} & told) == 20, "whichever of both was first"
    assert ahead.changes[20:] == ["VPP: 60 more routes"]


async def test_a_vpp_that_lacks_little_is_only_compared(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    vpp.missing = PLACES[: FEW - 1]
    ahead = await look(uplink, known)
    assert (vpp.put, ahead.count, ahead.changes) == ({}, 0, [])
    assert ahead.compared is not None
    assert (ahead.compared.wanted, ahead.compared.missing) == (known.sent, set(vpp.missing))
    assert ahead.compared.wanted is known.sent
    assert ahead.compared.ports == {1, 2}


async def test_what_is_only_told_is_left(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    uplink.node.config = replace(uplink.node.config, vpp=VppConfig(drift="report"))
    ahead = await look(uplink, known)
    assert (vpp.put, ahead.compared is not None) == ({}, True)


async def test_nothing_goes_by_an_interface_of_another_number(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    moved = replace(known, translator=replace(known.translator, uplink_sw=3))
    await look(uplink, moved)
    uplink.wished = None
    await look(uplink, moved)
    assert vpp.put == {}


async def test_a_new_vpp_gets_its_ports_first(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    uplink.wished = None
    bare = replace(vpp.there.uplink, up=False, addresses=frozenset())
    vpp.there = replace(vpp.there, uplink=bare)
    ahead = await look(uplink, known)
    assert vpp.applied == [SetUp(1, True), AddVppAddress(1, ip_interface("10.0.0.1/24"))]
    assert vpp.order == ["grow", "bypass", "ports"], "a port that is up above its device's MTU stops for good"
    assert (vpp.put, ahead.count) == (known.sent, 200)
    assert ahead.compared is not None
    assert (ahead.compared.missing, ahead.compared.wanted is known.sent) == (frozenset(), True)


@pytest.mark.parametrize("why", ["not all is confirmed", "one is refused"])
async def test_what_is_not_there_for_sure_is_not_taken_for_there(
    uplink: Uplink, vpp: Vpp, known: Known, why: str
) -> None:
    uplink.wished = None
    vpp.refuses = PLACES[7:8] if why == "one is refused" else ()
    confirmed = PLACES if vpp.refuses else PLACES[:-1]
    ahead = await look(uplink, known, confirmed)
    assert (ahead.count, ahead.compared) == (len(confirmed), None)


OTHERWISE = {
    "another address": replace(HERE, addresses=(*HERE.addresses, Address(ip_interface("10.1.0.1/24")))),
    "another MTU": replace(HERE, link=replace(HERE.link, mtu_bytes=1400)),
    "set down": replace(HERE, link=replace(HERE.link, up=False)),
}


@pytest.mark.parametrize("what", OTHERWISE)
async def test_a_host_that_is_otherwise_by_now_is_looked_at_first(
    uplink: Uplink, vpp: Vpp, known: Known, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    uplink.wished = None
    see(monkeypatch, OTHERWISE[what])
    ahead = await look(uplink, known)
    assert (vpp.put, vpp.applied, ahead.count) == ({}, [], 0)


async def test_another_translation_waits_for_the_look(
    uplink: Uplink, vpp: Vpp, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a life of VPP that has had it all. It is not made to find that out: of a million it takes a second."""
    see(monkeypatch, OTHERWISE["another address"])
    monkeypatch.setattr(module, "wish", None)
    await look(uplink, known)
    assert vpp.put == {}


@pytest.mark.usefixtures("vpp")
async def test_others_get_their_turn_while_what_vpp_has_is_passed_over(
    uplink: Uplink, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 10)
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    ahead = Ahead(uplink, known)
    for place in PLACES:
        ahead.confirm(4, place, known.routes.kinds[:1])
    ahead.end()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await ahead._put_back_some(Compared(known.sent, frozenset((1, 2)), frozenset([ELSEWHERE]), {}, 200))
        nursery.cancel_scope.cancel()
    assert turns >= len(PLACES) // 10


@pytest.mark.parametrize("why", ["nothing", "port made anew", "set down"])
async def test_what_was_done_ahead_is_told(
    uplink: Uplink, known: Known, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async def nothing(*_: object) -> list[str]:
        return []

    async def view(*_: object) -> HostView:
        return HERE

    async def renew(*_: object) -> list[str]:
        return ["VPP: attached"] if why == "port made anew" else []

    @asynccontextmanager
    async def ahead_of_look(*_: object) -> AsyncIterator[tuple[Ahead, None]]:
        ahead = Ahead(uplink, known)
        ahead.changes, ahead.count = ["VPP: add route"], 1
        yield ahead, None

    for name in (
        "look_at_nic",
        "keep_tags",
        "keep_nic_port",
        "keep_host_link",
        "fill_host",
        "_drop_superseded",
        "_vpp",
    ):
        monkeypatch.setattr(mirror, name, nothing)
    for name in ("_cluster_routes", "tell_elsewhere", "ensure_bypass", "look_at_rules", "drop_carrier", "keep_mac"):
        monkeypatch.setattr(mirror, name, nothing)
    monkeypatch.setattr(mirror, "look", view)
    monkeypatch.setattr(mirror, "renew_host_port", renew)
    monkeypatch.setattr(mirror, "ahead_of_look", ahead_of_look)
    monkeypatch.setattr(mirror, "is_lost_source", lambda *_: why == "set down")
    assert "VPP: add route" in await mirror._round(uplink)


async def test_a_vpp_that_ends_meanwhile_ends_the_look(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    vpp.gone = True
    with pytest.raises(VppGone):
        async with ahead_of_look(uplink, known):
            await trio.sleep_forever()


async def test_a_look_that_fails_ends_what_was_begun(uplink: Uplink, vpp: Vpp, known: Known) -> None:
    with pytest.raises(LookupError):
        async with ahead_of_look(uplink, known):
            raise LookupError
    assert vpp.put == {}


async def test_without_anything_known_nothing_is_begun(uplink: Uplink) -> None:
    async with ahead_of_look(uplink, None) as (ahead, before):
        assert (ahead, before) == (None, None)
