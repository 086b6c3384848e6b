"""The host works around VPP for as long as VPP does not have its part: before it has, and while it has it no more.

The bypass is open then (hostlink/kernel/bpf/programs.py). F37 (unreachable right after the takeover), F38 (VPP never
opens the uplink), F57.
"""

from __future__ import annotations

from hostlink.lab.flows import echo_server, ping, wait_reachable
from hostlink.lab.layout import BEYOND4, BEYOND6, HOST4, HOST6, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import until

LONG_GRACE = "grace_s = 60"


async def test_a_vpp_that_does_not_open_the_nic_keeps_the_host_from_nothing(standin: Dataplane) -> None:
    """It gets no answer, for as long as a request may take; the NIC has left the host all the while."""
    opening = "af_packet_create_v3" if standin.host_link == "tap" else "af_packet_create_v3:2"
    vpp = {"HOSTLINK_STANDIN_FAIL": f"{opening}=drop"}
    async with open_stage(standin, vpp_environment=vpp) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await eventually("the NIC is in VPP's namespace", lambda: _is_parked(stage), 20.0)
        await wait_reachable(stage.lab.wire, HOST4.ip)
        await wait_reachable(stage.lab.wire, HOST6.ip)
        await _works(stage)
        assert (await stage.state())["state"] == "Handover"
        await stage.wait_state("Steady", 40.0)  # by the next try, which VPP answers
        await _works(stage)
        assert await stage.stop_daemon() == 0
        assert await picture(stage) == before


async def test_the_host_has_its_network_while_vpp_is_away(dataplane: Dataplane) -> None:
    """Also what it reached through VPP, by addresses whose MAC it had learnt to be VPP's."""
    async with open_stage(dataplane, vpp_settings=LONG_GRACE) as stage, echo_server(stage.lab.host, [HOST4.ip]):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _works(stage)
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        await wait_reachable(stage.lab.wire, HOST4.ip)
        await wait_reachable(stage.lab.wire, HOST6.ip)
        await _works(stage)


async def _works(stage: Stage) -> None:
    """Whom it asks, one hop away and beyond the router, in both families."""
    for address in (ROUTER4.ip, BEYOND4, BEYOND6):
        assert await ping(stage.lab.host, address, count=3), f"the host does not reach {address}"


async def _is_parked(stage: Stage) -> bool:
    return f" {NIC}" in await stage.lab.exec(stage.lab.vpp, ["ip", "-oneline", "link"])
