"""What a capture shows is what was sent, and a station is a neighbour as any."""

from __future__ import annotations

import pytest
from scapy.layers.l2 import ARP, Ether

from hostlink.lab.flows import FlowError, ping
from hostlink.lab.frames import capture, send_frame
from hostlink.lab.layout import HOST4, NIC, NODE2_MAC
from hostlink.lab.network import Lab
from hostlink.lab.station import STATION_LINK, station
from tests.system.wire import has

OTHER_MAC = "02:00:00:00:00:33"
EXPERIMENTAL = 0x88B5


def odd_frame(payload: bytes, vlan: bytes = b"") -> bytes:
    mac = bytes.fromhex(OTHER_MAC.replace(":", ""))
    return b"\xff" * 6 + mac + vlan + EXPERIMENTAL.to_bytes(2) + payload


@pytest.mark.parametrize("vlan", [b"", bytes.fromhex("81000064"), bytes.fromhex("88a80065")], ids=["-", "q", "ad"])
async def test_a_frame_is_captured_as_it_was_sent(vlan: bytes) -> None:
    frame = odd_frame(b"as it was".ljust(60), vlan)
    async with (
        Lab() as lab,
        station(lab, "other", OTHER_MAC) as other,
        capture(lab.host, NIC) as here,
        capture(other, STATION_LINK) as there,
    ):
        send_frame(other, STATION_LINK, frame)
        got = await here.wait(lambda seen: seen.data == frame)
        sent = await there.wait(lambda seen: seen.data == frame)
    assert (got.outgoing, sent.outgoing) == (False, True)


async def test_what_does_not_come_is_told_with_what_came() -> None:
    async with Lab() as lab, capture(lab.host, NIC, lambda frame: frame.data[12:14] == b"\x88\xb5") as seen:
        send_frame(lab.node2, "eth0", odd_frame(b"hello".ljust(50)))
        await seen.wait()
        with pytest.raises(FlowError, match=r"1 of 2 frames .*\s+in  ffff ffff ffff"):
            await seen.wait(within_s=0.1, count=2)


async def test_a_station_is_a_neighbour_and_goes_with_its_block() -> None:
    async with Lab() as lab:
        async with station(lab, "other", OTHER_MAC, ["192.168.0.33/24", "fd00::33/64"]) as other:
            assert await ping(other, HOST4.ip, count=3) >= 2
            assert OTHER_MAC in await lab.exec(lab.host, ["ip", "neigh", "show", "192.168.0.33"])
        assert "to-other" not in await lab.exec(lab.wire, ["ip", "link"])
        with pytest.raises(ValueError, match="1 to 10"):
            async with station(lab, "not-this", OTHER_MAC):
                pass


async def test_scapy_builds_and_finds_what_the_wire_carries() -> None:
    async with Lab() as lab, capture(lab.host, NIC) as seen:
        request = ARP(hwsrc=NODE2_MAC, psrc="192.168.0.2", pdst=str(HOST4.ip))
        send_frame(lab.node2, "eth0", bytes(Ether(src=NODE2_MAC, dst="ff:ff:ff:ff:ff:ff") / request))
        await seen.wait(has(ARP, op=1, outgoing=False, pdst=str(HOST4.ip)))
        await seen.wait(has(ARP, op=2, outgoing=True, psrc=str(HOST4.ip)))
