"""Addresses that come and go while an uplink is taken over (F12, F14, F17, F20): VPP has what the host has.

Through each change goes a steady exchange with addresses that stay: no datagram of it may be lost.
"""

from __future__ import annotations

from hostlink.lab.flows import echo_server, udp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC
from hostlink.lab.stage import Dataplane, Stage
from hostlink.lab.station import station
from tests.system.addressing import dead, mirror_of, reached, undisturbed, wire_route
from tests.system.rounds import before_and_after, in_turn

MANY = 100
"""Of each family, in one burst."""
STAYING = (str(HOST4.ip), str(HOST6.ip))


async def test_addresses_come_and_go_and_those_that_stay_are_not_disturbed(dataplane: Dataplane) -> None:
    """VIPs in the LAN's network and outside of it, secondary ones, another network, a peer, and 200 VIPs in one burst.

    F17: /32 and /128, with which nothing on-link comes; VPP takes answers there only where its own source routes it.
    """
    await before_and_after(dataplane, in_turn(come_and_go, another_network, many))


async def come_and_go(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    far = f"10.99.0.{number}", f"fd99::{digit}"
    vips = {
        "VIPs in the LAN's network": [f"192.168.0.{100 + number}/32", f"fd00::10{digit}/128"],
        "VIPs outside of it": [f"{far[0]}/32", f"{far[1]}/128"],
        "secondaries": [f"192.168.0.{120 + number}/24", f"fd00::12{digit}/64"],
    }
    every = [text.split("/")[0] for texts in vips.values() for text in texts]
    for address in far:
        await wire_route(stage, address, add=True)
    async with (
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, every),
        undisturbed(stage, *STAYING) as steady,
    ):
        for _ in range(2):
            for what, addresses in vips.items():
                plain = [text.split("/")[0] for text in addresses]
                steady.step = f"{what} added"
                for address in addresses:
                    await stage.on_host("ip", "address", "add", address, "dev", NIC)
                await mirror.settled(steady.step)
                await reached(stage, *plain)
                steady.step = f"{what} removed"
                for address in addresses:
                    await stage.on_host("ip", "address", "del", address, "dev", NIC)
                await mirror.settled(steady.step)
                await dead(stage, *plain)
    for address in far:
        await wire_route(stage, address, add=False)


async def another_network(stage: Stage, digit: str) -> None:
    """Each with a machine there: a connected network, a point-to-point address, networks that routes alone give."""
    number = int(digit, 16)
    net4, net6 = f"10.55.{number}", f"fd55:{digit}:"
    own = {"another network": [f"{net4}.1/24", f"{net6}:1/64"], "a peer": [f"10.66.0.{number}", f"fd66::{digit}"]}
    theirs = {"another network": [f"{net4}.2", f"{net6}:2"], "a peer": [f"10.66.1.{number}", f"fd66:1::{digit}"]}
    at_station = [f"{net4}.2/24", f"{net6}:2/64", f"10.66.1.{number}/32", f"fd66:1::{digit}/128"]
    at_station += [f"10.77.{number}.2/24", f"fd77:{digit}::2/64"]
    every = [text.split("/")[0] for texts in own.values() for text in texts]
    async with (
        station(stage.lab, f"n{digit}", f"02:00:00:00:55:0{digit}", at_station) as other,
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, every),
        echo_server(other, [text.split("/")[0] for text in at_station]),
        undisturbed(stage, *STAYING) as steady,
    ):
        for address in (*own["a peer"], *STAYING):
            await stage.lab.exec(other, ["ip", "route", "add", address, "dev", "eth0"])
        for what, addresses in own.items():
            peers = theirs[what]
            steady.step = f"{what} added"
            for address, peer in zip(addresses, peers, strict=True):
                more = ["peer", peer] if what == "a peer" else []
                await stage.on_host("ip", "address", "add", address, *more, "dev", NIC)
            await mirror.settled(steady.step)
            for address, peer in zip(addresses, peers, strict=True):
                plain = address.split("/")[0]
                await udp_roundtrip(stage.lab.host, peer)
                await udp_roundtrip(stage.lab.host, peer, source=plain)
                await udp_roundtrip(other, plain, source=peer)
            steady.step = f"{what} removed"
            for address, peer in zip(addresses, peers, strict=True):
                more = ["peer", peer] if what == "a peer" else []
                await stage.on_host("ip", "address", "del", address, *more, "dev", NIC)
            await mirror.settled(steady.step)
        routed = [f"10.77.{number}.2", f"fd77:{digit}::2"]
        for peer, network in zip(routed, (f"10.77.{number}.0/24", f"fd77:{digit}::/64"), strict=True):
            await stage.on_host("ip", "route", "add", network, "dev", NIC)
            await udp_roundtrip(stage.lab.host, peer, tries=8)
            await stage.on_host("ip", "route", "del", network, "dev", NIC)


async def many(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    vips4 = [f"10.{number}.{one // 50}.{one % 50 + 1}/32" for one in range(MANY // 2)]
    vips4 += [f"192.168.0.{100 + one}/32" for one in range(MANY // 2)]
    vips = [*vips4, *(f"fd00::{number:x}:{one:x}/128" for one in range(1, MANY + 1))]
    some = [vips[-1].split("/")[0], vips4[-1].split("/")[0]]
    async with (
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, some),
        undisturbed(stage, str(HOST4.ip), str(HOST6.ip)) as steady,
    ):
        for verb in ("add", "del"):
            steady.step = f"many: {verb}"
            lines = "".join(f"address {verb} {vip} dev {NIC}\n" for vip in vips)
            await stage.on_host("sh", "-c", f"printf '%s' '{lines}' | ip -batch -")
            await mirror.settled(steady.step, within_s=10.0)
            await (reached if verb == "add" else dead)(stage, *some)
