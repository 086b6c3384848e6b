"""The host link's name and MAC are the NIC's: put right when udev or an operator sets others, and a fight is named."""

from __future__ import annotations

import json
import os
import signal

from hostlink.lab.flows import ping, tcp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC, NIC_MAC, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import in_vpp, index_of, link_of, renames_while_up, settled
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import codes, detail, until

OTHER_MAC = "02:00:00:00:00:77"
KEPT = "192.168.0.99"
"""A permanent neighbour of the host: the kernel forgets it with every change of MAC."""


async def test_name_and_mac_are_put_right(dataplane: Dataplane) -> None:
    """F05, F06: both at once too, and with the link down for it, as udev and NetworkManager do it; all flows go on."""
    async with open_stage(dataplane) as stage, servers(stage.lab):
        await stage.on_host("ip", "neigh", "add", KEPT, "lladdr", "02:00:00:00:00:99", "dev", NIC, "nud", "permanent")
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        vpp, number = await in_vpp(stage), await index_of(stage)
        node = await picture(stage)
        for lines in (
            f"link set {NIC} address {OTHER_MAC}",
            *_renamed_while_up(),
            f"link set {NIC} down\\nlink set {NIC} name other\\nlink set other address {OTHER_MAC}\\nlink set other up",
        ):
            await stage.on_host("sh", "-c", f"printf '{lines}\\n' | ip -batch -")
            await _as_it_was(stage)
            assert await index_of(stage) == number, "it is the same link"
            assert await in_vpp(stage) == vpp
            await _host_works(stage)
        assert await picture(stage) == node
        assert "Recovering" not in stage.log
        await _adopted_with_another_mac_and_name(stage)
        assert await stage.stop_daemon() == 0, stage.log
        assert await picture(stage) == before


def _renamed_while_up() -> list[str]:
    if renames_while_up():
        return [f"link set {NIC} name other"]
    print(f"Linux {os.uname().release} renames no link that is up: only down, renamed and up is tried")
    return []


async def _as_it_was(stage: Stage) -> None:
    async def right() -> bool:
        link = await link_of(stage)
        kept = await stage.on_host("ip", "neigh", "show", KEPT)
        return link is not None and link["address"] == NIC_MAC and "PERMANENT" in kept

    await eventually("name, MAC and permanent neighbour are back", right, 10.0)
    await settled(stage)


async def _host_works(stage: Stage) -> None:
    for address in (HOST4.ip, HOST6.ip):
        await tcp_roundtrip(stage.lab.wire, address)
    for address in (ROUTER4.ip, ROUTER6.ip):
        await tcp_roundtrip(stage.lab.host, address)


async def _adopted_with_another_mac_and_name(stage: Stage) -> None:
    """What changed while no daemon ran is no reason to give the NIC back. Not set down for it: the kernel would forget
    the IPv6 addresses, and nobody was there to see them go."""
    await stage.stop_daemon(signal.SIGKILL)
    await stage.on_host("ip", "link", "set", NIC, "address", OTHER_MAC)
    for line in _renamed_while_up():
        await stage.on_host("ip", *line.split())
    stage.start_daemon()
    await stage.wait_state("Steady")
    await _as_it_was(stage)
    await _host_works(stage)
    assert "Recovering" not in stage.log


async def test_a_fight_over_the_mac_is_noticed_and_told(standin: Dataplane) -> None:
    """F06, F10: after five rounds hostlink says what to look for, and stops; VPP goes by the MAC that is there."""
    async with open_stage(standin) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for round_ in range(5):
            await stage.on_host("ip", "link", "set", NIC, "address", OTHER_MAC)
            await eventually(f"put right in round {round_}", lambda: _has_mac(stage, NIC_MAC))
        await stage.on_host("ip", "link", "set", NIC, "address", OTHER_MAC)
        state = await until(stage, lambda uplink: uplink["state"] == "Steady" and "HL-320" in codes(uplink))
        assert OTHER_MAC in detail(state, "HL-320")
        (told,) = [one for one in state["problems"] if one["code"] == "HL-320"]
        assert "MACAddressPolicy" in json.dumps(told)
        assert await _has_mac(stage, OTHER_MAC)
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert await stage.stop_daemon() == 0, stage.log
        assert await _has_mac(stage, NIC_MAC), "the NIC's own is what give-back restores"


async def _has_mac(stage: Stage, mac: str) -> bool:
    link = await link_of(stage)
    return link is not None and link["address"] == mac
