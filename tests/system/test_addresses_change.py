"""Addresses that change under others (F12, F14, F18, F20): lengths, primaries, whole families, many at once."""

from __future__ import annotations

from hostlink.lab.flows import echo_server, ping, wait_reachable
from hostlink.lab.frames import capture
from hostlink.lab.layout import BEYOND4, HOST4, HOST6, NIC, ROUTER4, ROUTER_LINK_LOCAL
from hostlink.lab.stage import Dataplane, Stage
from tests.system.addressing import Mirror, dead, mirror_of, reached, shown, undisturbed
from tests.system.neighbouring import set_sysctls
from tests.system.rounds import before_and_after

MANY = 100
"""Of each family, in one burst."""
DEFAULT4 = ["default", "via", str(ROUTER4.ip), "dev", NIC, "proto", "dhcp", "metric", "100"]
DEFAULT6 = ["::/0", "via", str(ROUTER_LINK_LOCAL), "dev", NIC, "proto", "ra", "metric", "100"]
HOST_GAP = 1
"""The kernel takes the network's route away with its primary address and puts it back with the next: a datagram may
fall into that moment, on the bare NIC too."""


async def ip(stage: Stage, verb: str, address: str, *more: str, link: str = NIC) -> None:
    await stage.on_host("ip", "address", verb, address, "dev", link, *more)


async def test_lengths_flags_and_metrics_change_beside_addresses_that_stay(dataplane: Dataplane) -> None:
    """/24 to /16 and back: VPP refuses overlapping lengths, so the old goes right before the new comes (F17)."""
    await before_and_after(dataplane, lengths)


async def lengths(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    other4, other6, alone = f"192.168.7.{number}", f"fd00:0:0:7::{digit}", f"192.168.9.{number}"
    async with (
        mirror_of(stage) as mirror,
        echo_server(stage.lab.host, [other4, other6, alone]),
        undisturbed(stage, str(HOST4.ip), str(HOST6.ip)) as steady,
    ):

        async def step(*argv: str) -> None:
            steady.step = " ".join(argv)
            await stage.on_host("ip", *argv, "dev", NIC)
            await mirror.settled(steady.step)

        for _ in range(2):  # a wide one beside narrow ones: in VPP all of them change their length
            await step("address", "add", f"{other4}/16")
            await step("address", "add", f"{other6}/48")
            await step("address", "del", f"{other4}/16")
            await step("address", "del", f"{other6}/48")
        await step("address", "add", f"{HOST4.ip}/16")  # the same one in two lengths
        await step("address", "del", str(HOST4))
        await step("address", "add", str(HOST4), "broadcast", "+")
        await step("address", "del", f"{HOST4.ip}/16")
        await step("address", "add", f"{other4}/24", "metric", "500")
        await step("address", "change", f"{other4}/24", "metric", "600")
        await step("address", "replace", f"{other4}/24", "valid_lft", "1000", "preferred_lft", "0")
        await step("address", "replace", f"{other4}/24")
        await step("address", "del", f"{other4}/24")
        await not_on_link(stage, mirror, alone)


async def not_on_link(stage: Stage, mirror: Mirror, alone: str) -> None:
    """With noprefixroute the others of the prefix are reached by the router, unless a route says otherwise."""
    network = f"{alone.rsplit('.', 1)[0]}.0/24"
    beyond = f"{alone.rsplit('.', 1)[0]}.200"
    await stage.lab.exec(stage.lab.wire, ["ip", "address", "add", f"{beyond}/32", "dev", "lo"])
    await stage.lab.exec(stage.lab.wire, ["sysctl", "-qw", "net.ipv4.conf.lan.arp_ignore=1"])
    await ip(stage, "add", f"{alone}/24", "noprefixroute")
    await stage.on_host("ip", "route", "replace", *DEFAULT4, "src", str(HOST4.ip))
    await mirror.settled("noprefixroute")
    await wait_reachable(stage.lab.host, beyond)
    await stage.on_host("ip", "route", "add", network, "dev", NIC, "proto", "static", "src", alone)
    await mirror.settled("noprefixroute, and a route for the prefix")
    await ip(stage, "del", f"{alone}/24")
    await mirror.settled("noprefixroute gone")
    await stage.lab.exec(stage.lab.wire, ["ip", "address", "del", f"{beyond}/32", "dev", "lo"])
    await stage.lab.exec(stage.lab.wire, ["sysctl", "-qw", "net.ipv4.conf.lan.arp_ignore=0"])


async def test_the_primary_goes_with_and_without_promotion(dataplane: Dataplane) -> None:
    """F14: with promote_secondaries=0 the kernel takes the others of the network along; with 1 they stay.

    The address that packets are punted to is the one that goes: the redirect must be another's before (F18).
    """
    await before_and_after(dataplane, primaries)


async def primaries(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    second, third = f"192.168.0.{140 + number}", f"192.168.0.{160 + number}"
    async with mirror_of(stage) as mirror, echo_server(stage.lab.host, [str(HOST4.ip), second, third]):
        promote(stage, True)
        for address in (second, third):
            await ip(stage, "add", f"{address}/24", "broadcast", "+")
        await mirror.settled("two secondaries")
        async with undisturbed(stage, second, str(HOST6.ip), may_lose=HOST_GAP) as steady:
            steady.step = "the primary deleted, promotion on"
            await ip(stage, "del", str(HOST4))
            await mirror.settled(steady.step)
            await reached(stage, second, third)
            await dead(stage, str(HOST4.ip))
            await not_spoken_with(stage, str(HOST4.ip))
        promote(stage, False)
        async with undisturbed(stage, str(HOST6.ip)) as steady:
            steady.step = "the primary deleted, promotion off"
            await ip(stage, "del", f"{second}/24")
            assert [info for info in await shown(stage) if info["family"] == "inet"] == []
            await mirror.settled(steady.step)
            await dead(stage, second, third)
            steady.step = "put back"
            await put_back4(stage)
            await mirror.settled(steady.step)
            await reached(stage, str(HOST4.ip))
            assert await ping(stage.lab.host, BEYOND4, count=3) >= 2
        promote(stage, True)


def promote(stage: Stage, on: bool) -> None:
    for scope in ("all", NIC):
        set_sysctls(stage.lab.host, **{f"ipv4__conf__{scope}__promote_secondaries": str(int(on))})


async def not_spoken_with(stage: Stage, address: str) -> None:
    """VPP asks on the wire with an address that the host has: it may be another machine's by now."""
    async with capture(stage.lab.wire, "to-host", lambda got: not got.outgoing) as seen:
        await stage.lab.exec(stage.lab.wire, ["ip", "neigh", "flush", "dev", "lan"])
        for asked in ("192.168.0.253", "192.168.0.252"):  # nobody is there, so VPP must ask
            await ping(stage.lab.host, asked, reply_s=0.3)
        asking = seen.matching(lambda got: got.data[12:14] == b"\x08\x06" and got.data[20:22] == b"\0\1")
        assert asking, "nobody asked"
        packed = bytes(map(int, address.split(".")))
        assert [frame.data.hex() for frame in asking if frame.data[28:32] == packed] == []


async def put_back4(stage: Stage) -> None:
    await ip(stage, "add", str(HOST4), "broadcast", "+")
    await stage.on_host("ip", "route", "replace", *DEFAULT4, "src", str(HOST4.ip))


async def test_all_addresses_of_a_family_go_and_come_back(dataplane: Dataplane) -> None:
    """The last IPv4 address takes the gateway routes along without a message; `disable_ipv6` takes all of IPv6."""
    await before_and_after(dataplane, families)


async def families(stage: Stage, digit: str) -> None:
    spare = f"fd00::27{digit}"
    async with mirror_of(stage) as mirror, echo_server(stage.lab.host, [str(HOST4.ip), str(HOST6.ip), spare]):
        for _ in range(2):
            async with undisturbed(stage, str(HOST6.ip)) as steady:
                steady.step = "all of IPv4 deleted"
                await ip(stage, "del", str(HOST4))
                await mirror.settled(steady.step)
                await dead(stage, str(HOST4.ip))
                steady.step = "IPv4 put back"
                await put_back4(stage)
                await mirror.settled(steady.step)
                await reached(stage, str(HOST4.ip))
                await wait_reachable(stage.lab.host, BEYOND4)
        await ip(stage, "add", f"{spare}/64")
        for how in ("flush", "disable_ipv6"):
            async with undisturbed(stage, str(HOST4.ip)) as steady:
                steady.step = f"all of IPv6 gone: {how}"
                if how == "flush":
                    await stage.on_host("ip", "-6", "address", "flush", "dev", NIC, "scope", "global")
                else:
                    set_sysctls(stage.lab.host, **{f"ipv6__conf__{NIC}__disable_ipv6": "1"})
                await mirror.settled(steady.step)
                await dead(stage, str(HOST6.ip), spare)
                steady.step = f"IPv6 put back: {how}"
                set_sysctls(stage.lab.host, **{f"ipv6__conf__{NIC}__disable_ipv6": "0"})
                await ip(stage, "add", str(HOST6))
                await stage.on_host("ip", "-6", "route", "replace", *DEFAULT6)
                await mirror.settled(steady.step)
                await reached(stage, str(HOST6.ip))


async def test_many_addresses_in_one_burst(dataplane: Dataplane) -> None:
    """200 VIPs at once, and gone at once."""
    await before_and_after(dataplane, many)


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
