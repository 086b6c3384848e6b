"""Addresses that are another's: on another machine of the wire, or on another interface of the host (F12, F18)."""

from __future__ import annotations

from scapy.layers.inet6 import ICMPv6ND_NA

from hostlink.lab.flows import echo_server, wait_reachable
from hostlink.lab.frames import capture
from hostlink.lab.layout import HOST4, HOST6, LAN, NIC
from hostlink.lab.stage import Dataplane, Stage
from hostlink.lab.station import STATION_LINK, station
from tests.system.addressing import dead, mirror_of, reached, undisturbed
from tests.system.neighbouring import neighbour, set_sysctls
from tests.system.rounds import before_and_after, in_turn, nothing_comes
from tests.system.test_duplicate_addresses import detect_duplicates, verdict
from tests.system.wire import has

STAYING = (str(HOST4.ip), str(HOST6.ip))
ELSEWHERE = "elsewhere0"


async def test_addresses_that_are_anothers(dataplane: Dataplane) -> None:
    """Nobody answers for one that the host could not have; VPP lets go of one that moves, and takes it up again."""
    await before_and_after(dataplane, in_turn(failed, moved))


async def failed(stage: Stage, digit: str) -> None:
    """Neither while it is probed nor after the probe failed; what is only deprecated is answered for as before."""
    taken, free, mac = f"fd00::18{digit}", f"fd00::19{digit}", f"02:00:00:00:dd:0{digit}"
    detect_duplicates(stage.lab.host, NIC)
    async with (
        station(stage.lab, f"f{digit}", mac, [f"{taken}/64"]) as other,
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, [taken, free]),
        capture(stage.lab.wire, "to-host", has(ICMPv6ND_NA, outgoing=False)) as said,
        undisturbed(stage, *STAYING) as steady,
    ):
        steady.step = "two addresses, one of them another's"
        for address in (taken, free):
            await stage.on_host("ip", "address", "add", f"{address}/64", "dev", NIC)
        verdicts = [await verdict(stage, stage.lab.host, NIC, address) for address in (taken, free)]
        assert verdicts == ["duplicate", "unique"]
        await mirror.settled(steady.step)
        await stage.lab.exec(stage.lab.wire, ["ip", "-6", "neigh", "flush", "to", taken, "dev", LAN])
        await wait_reachable(stage.lab.wire, taken)
        await nothing_comes()
        assert await neighbour(stage.lab, stage.lab.wire, LAN, taken) == mac
        assert said.matching(has(ICMPv6ND_NA, tgt=taken)) == []
        await reached(stage, free)
        steady.step = "deprecated"
        await stage.on_host("ip", "address", "change", f"{free}/64", "preferred_lft", "0", "dev", NIC)
        await mirror.settled(steady.step)
        await reached(stage, free)
        steady.step = "the other one is gone, and the address is tried again"
        await stage.lab.exec(other, ["ip", "address", "del", f"{taken}/64", "dev", STATION_LINK])
        await stage.on_host("ip", "address", "del", f"{taken}/64", "dev", NIC)
        await stage.on_host("ip", "address", "add", f"{taken}/64", "dev", NIC)
        assert await verdict(stage, stage.lab.host, NIC, taken) == "unique"
        await mirror.settled(steady.step)
        await stage.lab.exec(stage.lab.wire, ["ip", "-6", "neigh", "flush", "to", taken, "dev", LAN])
        await reached(stage, taken)
        steady.step = "both deleted"
        for address in (taken, free):
            await stage.on_host("ip", "address", "del", f"{address}/64", "dev", NIC)
        await mirror.settled(steady.step)
    set_sysctls(stage.lab.host, **{f"ipv6__conf__{NIC}__accept_dad": "0"})


async def moved(stage: Stage, digit: str) -> None:
    """Another daemon moves it to a bridge, and back.

    Who reaches it meanwhile is not looked at: a bare NIC answers for all addresses of its host, and VPP knows only
    those of the link.
    """
    number = int(digit, 16)
    vips = [f"192.168.0.{180 + number}/24", f"10.98.0.{number}/32", f"fd00::1a{digit}/64"]
    plain = [vip.split("/")[0] for vip in vips]
    for vip in plain:
        if not vip.startswith(("192.168.0.", "fd00:")):
            await stage.lab.exec(stage.lab.wire, ["ip", "route", "replace", vip, "dev", LAN])
    await stage.on_host("ip", "link", "add", ELSEWHERE, "type", "bridge")
    await stage.on_host("ip", "link", "set", ELSEWHERE, "up")
    async with (
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, plain),
        undisturbed(stage, *STAYING) as steady,
    ):
        steady.step = "added"
        for vip in vips:
            await stage.on_host("ip", "address", "add", vip, "dev", NIC, *_at_once(vip))
        for frm, to in ((NIC, ELSEWHERE), (ELSEWHERE, NIC)):
            await mirror.settled(steady.step)
            if frm == NIC:
                await reached(stage, *plain)
            steady.step = f"moved to {to}"
            for vip in vips:
                old, new = (vip if link == NIC else _alone(vip) for link in (frm, to))
                await stage.on_host("ip", "address", "del", old, "dev", frm)
                await stage.on_host("ip", "address", "add", new, "dev", to, *_at_once(vip))
        await mirror.settled(steady.step)
        await reached(stage, *plain)
        steady.step = "removed"
        for vip in vips:
            await stage.on_host("ip", "address", "del", vip, "dev", NIC)
        await mirror.settled(steady.step)
        await dead(stage, *plain)
    await stage.on_host("ip", "link", "del", ELSEWHERE)


def _alone(vip: str) -> str:
    address = vip.split("/")[0]
    return f"{address}/{128 if ':' in address else 32}"


def _at_once(vip: str) -> list[str]:
    """Without a probe, in which the address would be nobody's."""
    return ["nodad"] if ":" in vip else []
