"""Addresses that move between machines (VRRP, keepalived, metallb): what announces them gets out, and gets in."""

from __future__ import annotations

from hostlink.lab.flows import echo_server, ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.frames import capture, send_frame
from hostlink.lab.layout import LAN, NIC, NIC_MAC
from hostlink.lab.stage import Dataplane, Stage
from hostlink.lab.station import STATION_LINK, station
from tests.system.neighbouring import (
    arp_request,
    gratuitous_reply,
    neighbour,
    set_sysctls,
    unsolicited_advertisement,
)
from tests.system.rounds import before_and_after, eventually, nothing_comes

WIRE_PORT = "to-host"


async def test_an_address_that_moves_to_the_host_is_announced(dataplane: Dataplane) -> None:
    """Both kinds of gratuitous ARP and the unsolicited advertisement leave as sent; everybody follows them."""
    await before_and_after(dataplane, moved_in)


async def moved_in(stage: Stage, digit: str) -> None:
    vip4, vip6 = f"192.168.0.{200 + int(digit, 16)}", f"fd00::20{digit}"
    old_mac = f"02:00:00:00:7a:0{digit}"
    announcements = {
        "gratuitous request": arp_request(NIC_MAC, vip4, vip4),
        "gratuitous reply": gratuitous_reply(NIC_MAC, vip4),
        "unsolicited advertisement": unsolicited_advertisement(NIC_MAC, vip6),
    }
    own = [f"192.168.0.{210 + int(digit, 16)}/24", f"fd00::21{digit}/64"]
    async with station(stage.lab, f"m{digit}", old_mac, [*own, f"{vip4}/32", f"{vip6}/128"]) as old:
        for announced, (kind, frame) in enumerate(announcements.items()):
            vip = vip6 if kind.startswith("unsolicited") else vip4
            await _known(stage, vip, old_mac, restore=(old if announced else None))
            await _move(stage, vip, old)
            async with capture(stage.lab.wire, WIRE_PORT, lambda got: not got.outgoing) as on_wire:
                send_frame(stage.lab.host, NIC, frame)
                await on_wire.wait(lambda got, sent=frame: got.data[: len(sent)] == sent)  # type: ignore[misc]
                await _router_follows(stage, vip)
                await nothing_comes()
                assert len(on_wire.matching(lambda got, sent=frame: got.data[: len(sent)] == sent)) == 1, kind  # type: ignore[misc]
            async with echo_server(stage.lab.host, [vip]):
                await udp_roundtrip(stage.lab.wire, vip)
                await tcp_roundtrip(stage.lab.wire, vip, size_bytes=100_000)
            await stage.on_host("ip", "address", "del", _prefixed(vip), "dev", NIC)


def _prefixed(vip: str) -> str:
    return f"{vip}/128" if ":" in vip else f"{vip}/32"


async def _known(stage: Stage, vip: str, mac: str, restore: str | None) -> None:
    """The router has the address at its old place, confirmed a moment ago. restore: give it back to there first."""
    if restore is not None:
        await stage.lab.exec(restore, ["ip", "address", "replace", _prefixed(vip), "dev", STATION_LINK])
    await stage.lab.exec(stage.lab.wire, ["ip", "neigh", "replace", vip, "lladdr", mac, "nud", "reachable", "dev", LAN])
    assert await ping(stage.lab.wire, vip, count=3) >= 2


async def _move(stage: Stage, vip: str, old: str) -> None:
    await stage.lab.exec(old, ["ip", "address", "del", _prefixed(vip), "dev", STATION_LINK])
    await stage.on_host("ip", "address", "add", _prefixed(vip), "dev", NIC)


async def _router_follows(stage: Stage, vip: str) -> None:
    async def followed() -> bool:
        return await neighbour(stage.lab, stage.lab.wire, LAN, vip) == NIC_MAC

    await eventually(f"the router has {vip} at the NIC's MAC", followed)


async def test_the_host_follows_an_address_that_moves_elsewhere(dataplane: Dataplane) -> None:
    """Another machine's announcement reaches the host's table and VPP's: the next packet goes to the new MAC."""
    await before_and_after(dataplane, moved_away)


async def moved_away(stage: Stage, digit: str) -> None:
    vip4, vip6 = f"192.168.0.{220 + int(digit, 16)}", f"fd00::22{digit}"
    macs = (f"02:00:00:00:8a:0{digit}", f"02:00:00:00:8b:0{digit}")
    on_lan = [f"{vip4}/24", f"{vip6}/64"]
    # For 1 s (`locktime`, arp(7)) a kernel keeps what it knows against another's word.
    set_sysctls(stage.lab.host, **{f"ipv4__neigh__{NIC}__locktime": "0"})
    async with (
        station(stage.lab, f"u{digit}", macs[0], on_lan) as first,
        station(stage.lab, f"v{digit}", macs[1]) as second,
    ):
        for vip, prefixed in zip((vip4, vip6), on_lan, strict=True):
            for kind in ("request", "reply") if vip is vip4 else ("advertisement",):
                places = ((first, second, macs[1]), (second, first, macs[0]))
                for old, new, mac in places:
                    assert await ping(stage.lab.host, vip, count=3) >= 2
                    await stage.lab.exec(old, ["ip", "address", "del", prefixed, "dev", STATION_LINK])
                    await stage.lab.exec(new, ["ip", "address", "add", prefixed, "dev", STATION_LINK])
                    await _announced(stage, new, mac, vip, kind)


async def _announced(stage: Stage, new: str, mac: str, vip: str, kind: str) -> None:
    frames = {
        "request": lambda: arp_request(mac, vip, vip),
        "reply": lambda: gratuitous_reply(mac, vip),
        "advertisement": lambda: unsolicited_advertisement(mac, vip),
    }
    send_frame(new, STATION_LINK, frames[kind]())

    async def followed() -> bool:
        return await neighbour(stage.lab, stage.lab.host, NIC, vip) == mac

    await eventually(f"the host has {vip} at {mac} by a {kind}", followed)
    async with capture(new, STATION_LINK, lambda got: not got.outgoing) as seen:
        assert await ping(stage.lab.host, vip, count=3) >= 2, f"{vip} by a {kind}"
        to_vip = seen.matching(lambda got: got.data[:6] == bytes.fromhex(mac.replace(":", "")))
        assert to_vip, f"{vip} by a {kind}"
