"""Addresses of the host on links that have no wire: named for as long as they are there, and reached as HL-311 says."""

from __future__ import annotations

import trio

from hostlink.lab.flows import wait_reachable
from hostlink.lab.layout import HOST4, HOST6, NIC
from hostlink.lab.network import LabError
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.problems import explain
from tests.system.addressing import dead
from tests.system.links import settled
from tests.system.rounds import eventually
from tests.system.routing import problems

SETTINGS = '[cluster]\nservice_cidrs = ["10.96.0.0/12"]\n\n[timing]\naudit_s = 3600\n'
"""No audit: what is told is told at once."""
VIP4, VIP6, ONE, SERVICE = "203.0.113.77", "2001:db8:77::77", "203.0.113.78", "10.96.0.10"


async def test_addresses_on_links_without_a_wire_are_named(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=SETTINGS) as stage:
        link = await _link(stage)
        for address in (f"{VIP4}/32", f"{VIP6}/128", f"{SERVICE}/32"):
            await stage.on_host("ip", "address", "add", address, "dev", link)
        for address, gateway in ((VIP4, HOST4.ip), (VIP6, HOST6.ip)):
            await stage.lab.exec(stage.lab.wire, ["ip", "route", "add", address, "via", str(gateway)])
            await wait_reachable(stage.lab.wire, address)  # as on any host
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _named(stage, {link: {VIP4, VIP6}})
        await dead(stage, VIP4, VIP6)
        await stage.on_host("ip", "address", "add", f"{VIP4}/32", "dev", NIC)
        await wait_reachable(stage.lab.wire, VIP4)
        await _named(stage, {link: {VIP6}})
        await settled(stage)
        await _come_and_go(stage, link)


async def _link(stage: Stage) -> str:
    """A dummy, as kube-proxy makes one. Not every kernel has them; then lo, which is up from the start."""
    try:
        await stage.on_host("ip", "link", "add", "ipvs0", "type", "dummy")
    except LabError as error:
        if "Unknown device type" not in str(error):
            raise
        return "lo"
    await stage.on_host("ip", "link", "set", "ipvs0", "up")
    return "ipvs0"


async def _told(stage: Stage, words: str, began: float) -> None:
    """A person hears of it when it has lasted its delay, and not before; `hostlink state` and the log alike."""

    async def heard() -> bool:
        return words in stage.log

    await eventually("it is told", heard, explain("HL-311").delay_s + 5)
    assert trio.current_time() >= began + explain("HL-311").delay_s
    assert [one["shown_in_s"] for one in (await stage.state())["problems"] if words in one["detail"]] == [0.0]


async def _come_and_go(stage: Stage, link: str) -> None:
    """Without any change of the uplink, and no more than a few are named of many."""
    moves = len((await stage.state())["history"])
    await stage.on_host("ip", "address", "del", f"{VIP6}/128", "dev", link)
    await _named(stage, {})
    began = trio.current_time()
    await stage.on_host("ip", "address", "add", f"{ONE}/32", "dev", "lo")
    await _named(stage, {"lo": {ONE}})
    await _told(stage, f"{ONE} on lo", began)
    for number in range(5):
        await stage.on_host("ip", "address", "add", f"203.0.113.{200 + number}/32", "dev", link)
    if link == "lo":
        await _named(stage, {"lo": {ONE, "203.0.113.200", "203.0.113.201", "and 3 more"}})
    else:
        await _named(stage, {"lo": {ONE}, link: {"203.0.113.200", "203.0.113.201", "203.0.113.202", "and 2 more"}})
    for number in range(5):
        await stage.on_host("ip", "address", "del", f"203.0.113.{200 + number}/32", "dev", link)
    await _named(stage, {"lo": {ONE}})
    await stage.on_host("ip", "address", "del", f"{ONE}/32", "dev", "lo")
    await _named(stage, {})
    assert len((await stage.state())["history"]) == moves, "nothing of it is a change of the uplink"


async def _named(stage: Stage, wanted: dict[str, set[str]]) -> None:
    async def so() -> bool:
        told = {one.rsplit(" on ", 1)[1]: one for one in await problems(stage, "HL-311")}
        right = all(all(word in told.get(link, "") for word in words) for link, words in wanted.items())
        return right and set(told) == set(wanted) and SERVICE not in str(told)

    await eventually(f"named are {wanted}", so)
