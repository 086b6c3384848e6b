"""Who has this address? True answers both ways: a duplicate on the wire is found, and none is invented (F04).

VPP's proxies answer the host for every address. So duplicate address detection (RFC 4862 §5.4) and address conflict
probes (RFC 5227) go around VPP, and so do their answers.
"""

from __future__ import annotations

import json

from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP

from hostlink.lab.frames import capture, send_frame
from hostlink.lab.layout import HOST4, HOST6, NIC, NIC_MAC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.lab.station import STATION_LINK, station
from tests.system.neighbouring import REPLY, REQUEST, arp_request, set_sysctls
from tests.system.rounds import before_and_after, eventually, nothing_comes
from tests.system.wire import has

PROBE = "0.0.0.0"
QUICK_MS = "300"
"""Between a kernel's solicitation and its verdict; by default 1 s."""


def detect_duplicates(namespace: str, link: str) -> None:
    set_sysctls(
        namespace,
        **{
            f"ipv6__conf__{link}__accept_dad": "1",
            f"ipv6__conf__{link}__router_solicitation_delay": "0",
            f"ipv6__neigh__{link}__retrans_time_ms": QUICK_MS,
        },
    )


async def verdict(stage: Stage, namespace: str, link: str, address: str) -> str:
    """What duplicate address detection finds: "duplicate" or "unique". The address must be there."""
    found: dict[str, object] = {}

    async def decided() -> bool:
        shown = await stage.lab.exec(namespace, ["ip", "-6", "-json", "address", "show", "dev", link])
        (found_one,) = [info for info in json.loads(shown)[0]["addr_info"] if info.get("local") == address]
        found.update(found_one)
        return "dadfailed" in found_one or not found_one.get("tentative", False)

    await eventually(f"a verdict on {address}", decided)
    return "duplicate" if "dadfailed" in found else "unique"


async def test_the_host_finds_a_real_duplicate_and_invents_none(dataplane: Dataplane) -> None:
    await before_and_after(dataplane, host_detects)


async def host_detects(stage: Stage, digit: str) -> None:
    taken, free = f"fd00::6{digit}", f"fd00::7{digit}"
    detect_duplicates(stage.lab.host, NIC)
    async with station(stage.lab, f"d{digit}", f"02:00:00:00:d0:0{digit}", [f"{taken}/64"]):
        for address in (taken, free):
            await stage.on_host("ip", "address", "add", f"{address}/64", "dev", NIC)
        verdicts = [await verdict(stage, stage.lab.host, NIC, address) for address in (taken, free)]
        for address in (taken, free):
            await stage.on_host("ip", "address", "del", f"{address}/64", "dev", NIC)
        assert verdicts == ["duplicate", "unique"]


async def test_the_hosts_probe_is_answered_by_who_has_the_address_only(dataplane: Dataplane) -> None:
    """F04: a DHCP client that probes its offer, NetworkManager's ACD, `arping -D`."""
    await before_and_after(dataplane, host_probes)


async def host_probes(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    mac, taken, free = f"02:00:00:00:d1:0{digit}", f"192.168.0.{60 + number}", f"192.168.0.{80 + number}"
    async with (
        station(stage.lab, f"p{digit}", mac, [f"{taken}/24"]) as other,
        capture(stage.lab.host, NIC, has(ARP, outgoing=False)) as seen,
        capture(other, STATION_LINK, has(ARP, outgoing=False)) as asked,
    ):
        for address in (taken, free):
            probe = arp_request(NIC_MAC, address, PROBE)
            send_frame(stage.lab.host, NIC, probe)
            await asked.wait(lambda frame, sent=probe: frame.data[:42] == sent)  # type: ignore[misc]
        await seen.wait(has(ARP, op=REPLY, psrc=taken, hwsrc=mac))
        await nothing_comes()
        assert len(seen.matching(has(ARP, op=REPLY, psrc=taken))) == 1
        assert seen.matching(has(ARP, op=REPLY, psrc=free)) == []
        assert len(asked.matching(has(ARP, op=REQUEST, psrc=PROBE))) == 2


async def test_others_find_that_the_hosts_addresses_are_taken(dataplane: Dataplane) -> None:
    """And that those of nobody are free: no proxy answers on the wire."""
    await before_and_after(dataplane, others_detect)


async def others_detect(stage: Stage, digit: str) -> None:
    number = int(digit, 16)
    free4, free6 = f"192.168.0.{160 + number}", f"fd00::16{digit}"
    async with (
        station(stage.lab, f"o{digit}", f"02:00:00:00:d2:0{digit}") as other,
        capture(other, STATION_LINK, lambda frame: not frame.outgoing) as seen,
    ):
        detect_duplicates(other, STATION_LINK)
        for address in (str(HOST6.ip), free6):
            await stage.lab.exec(other, ["ip", "address", "add", f"{address}/64", "dev", STATION_LINK])
        verdicts = [await verdict(stage, other, STATION_LINK, address) for address in (str(HOST6.ip), free6)]
        assert verdicts == ["duplicate", "unique"]
        assert {frame.data[6:12].hex(":") for frame in seen.matching(has(ICMPv6ND_NA))} == {NIC_MAC}
        for source in (PROBE, f"192.168.0.{190 + number}"):
            for address in (str(HOST4.ip), free4):
                send_frame(other, STATION_LINK, arp_request(f"02:00:00:00:d2:0{digit}", address, source))
        await seen.wait(has(ARP, op=REPLY, psrc=str(HOST4.ip), pdst=PROBE, hwsrc=NIC_MAC))
        await seen.wait(has(ARP, op=REPLY, psrc=str(HOST4.ip), pdst=f"192.168.0.{190 + number}", hwsrc=NIC_MAC))
        await nothing_comes()
        assert seen.matching(has(ARP, op=REPLY, psrc=free4)) == []


async def test_the_hosts_own_addresses_are_no_duplicates_of_themselves(dataplane: Dataplane) -> None:
    """Where the host looks for duplicates, VPP, which has the same addresses on the same wire, is none."""
    async with open_stage(dataplane) as stage:
        detect_duplicates(stage.lab.host, NIC)
        before = await addresses(stage)
        async with capture(stage.lab.wire, "to-host", has(ICMPv6ND_NA, outgoing=False)):
            stage.start_daemon()
            await stage.wait_state("Steady")
        for address in before:
            assert await verdict(stage, stage.lab.host, NIC, address) == "unique"
        assert await addresses(stage) == before
        await stage.on_host("ip", "address", "add", "fd00::5/64", "dev", NIC)
        assert await verdict(stage, stage.lab.host, NIC, "fd00::5") == "unique"

        async def mirrored() -> bool:
            return "fd00::5/64" in await stage.vppctl("show interface address")

        await eventually("fd00::5 in VPP", mirrored)
        # Once more, now that VPP has the address and would answer for it.
        await stage.on_host("ip", "address", "del", "fd00::5/64", "dev", NIC)
        await stage.on_host("ip", "address", "add", "fd00::5/64", "dev", NIC)
        assert await verdict(stage, stage.lab.host, NIC, "fd00::5") == "unique"
        assert await stage.stop_daemon() == 0, stage.log
        for address in before:
            assert await verdict(stage, stage.lab.host, NIC, address) == "unique"


async def addresses(stage: Stage) -> set[str]:
    """The IPv6 addresses of the host's NIC, link-local ones too."""
    shown = json.loads(await stage.on_host("ip", "-6", "-json", "address", "show", "dev", NIC))
    return {info["local"] for info in shown[0]["addr_info"]}
