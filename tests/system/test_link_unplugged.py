"""The NIC is unplugged while VPP has it, and plugged in again (F34, F38, F56)."""

from __future__ import annotations

import json

from hostlink.lab.flows import ping, tcp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC, NODE2_4, ROUTER4
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import link_of, plug_in_again, settled
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import codes, detail, until


async def test_a_nic_that_is_unplugged_is_taken_again_with_what_the_host_had(dataplane: Dataplane) -> None:
    """F34, F38, F56: said at once, nothing of the host's state lost, and no orphan holds its name meanwhile."""
    async with open_stage(dataplane) as stage, servers(stage.lab):
        stage.start_daemon()
        await stage.wait_state("Steady")
        for edit in (f"address add 192.168.0.77/24 dev {NIC}", f"route add 203.0.113.0/24 via {NODE2_4.ip}"):
            await stage.on_host("ip", *edit.split())
        await settled(stage)
        node = await picture(stage)
        for _ in range(2):
            await stage.lab.exec(stage.lab.vpp, ["ip", "link", "delete", NIC])
            await _said_and_gone(stage)
            await plug_in_again(stage)
            await stage.wait_state("Steady")
            await settled(stage)
            now = await picture(stage)
            assert (now["addresses"], now["routes"], now["routes6"]) == (
                node["addresses"],
                node["routes"],
                node["routes6"],
            )
            await _works(stage)
        assert await stage.stop_daemon() == 0, stage.log
        given_back = await picture(stage)
        assert (given_back["addresses"], given_back["routes"]) == (node["addresses"], node["routes"])


async def _said_and_gone(stage: Stage) -> None:
    """Not after an audit, which is a minute away."""
    state = await until(stage, lambda uplink: uplink["state"] == "Recovering" and "HL-405" in codes(uplink), 5.0)
    assert "unplugged" in detail(state, "HL-405")

    async def no_orphan() -> bool:
        links = json.loads(await stage.on_host("ip", "-json", "link"))
        return await link_of(stage) is None and not [one for one in links if one["ifname"].startswith("hl")]

    await eventually("nothing has the NIC's name", no_orphan, 10.0)
    assert (stage.directory / "journal" / f"{NIC}.json").exists()


async def _works(stage: Stage) -> None:
    assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
    assert await ping(stage.lab.node2, "192.168.0.77", count=3) >= 2
    for address in (HOST4.ip, HOST6.ip):
        await tcp_roundtrip(stage.lab.wire, address)
    await tcp_roundtrip(stage.lab.host, ROUTER4.ip)
