"""The units of contrib/systemd run by a real systemd, with all that they forbid the daemon, and VPP by a unit too.

What only a service manager can show: readiness and who waits for it, restarts that adopt (F42), the watchdog, the
descriptor store (F51), reload, and a stop that gives everything back (F33).
"""

from __future__ import annotations

import json

import pytest

from hostlink.lab.flows import ping
from hostlink.lab.layout import NIC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.booted import Systemd, booted, why_none
from tests.system.links import index_of, settled
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_carrier_kept import fence, link_monitored

CLUSTER = '\n[cluster]\nservice_cidrs = ["203.0.113.0/24"]\n'
pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def real_systemd() -> None:
    missing = why_none()
    if missing is not None:
        pytest.skip(f"systemd cannot be process 1 here: {missing}")


async def reaches_the_router(stage: Stage) -> None:
    await ping(stage.lab.host, ROUTER4.ip)


async def steady_again(stage: Stage, systemd: Systemd, restarts: int) -> None:
    """After that many restarts of the daemon."""

    async def is_back() -> bool:
        return await systemd.show("hostlink", "NRestarts") == str(restarts) and await is_ready(systemd)

    await eventually("the next daemon is ready", is_back, 30)
    await settled(stage)


async def is_ready(systemd: Systemd) -> bool:
    return await systemd.show("hostlink", "ActiveState") == "active"


async def test_who_waits_for_the_network_gets_it_and_a_stop_gives_all_back(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        async with booted(stage) as systemd:
            await systemd.ctl("start hostlink-online.target")  # returns when its unit is ready
            state = await stage.state()
            assert (state["state"], state["problems"]) == ("Steady", []), "ready is Steady, and a guard is there"
            assert await systemd.show("hostlink", "StatusText") == f"{NIC}: Steady"
            assert await systemd.show("hostlink-guard", "ActiveState") == "active"
            await reaches_the_router(stage)

            await systemd.ctl("stop hostlink vpp")
            assert await systemd.show("hostlink", "Result") == "success", stage.log
            assert await systemd.show("hostlink-online.target", "ActiveState") == "inactive"
            assert await picture(stage) == before
            await reaches_the_router(stage)


async def test_a_daemon_that_dies_is_started_again_and_adopts(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, booted(stage) as systemd:
        await systemd.ctl("start hostlink")
        index = await index_of(stage)
        await systemd.ctl("kill --signal=KILL hostlink")
        await steady_again(stage, systemd, restarts=1)
        assert [move["to"] for move in (await stage.state())["history"] if move["to"] == "Capturing"] == []
        assert await index_of(stage) == index

        await systemd.ctl("start hostlink-boot")  # of this boot there is nothing to put away, and a daemon runs
        assert await systemd.show("hostlink-boot", "Result") == "success", stage.log
        assert (await settled(stage))["state"] == "Steady"
        await reaches_the_router(stage)


async def test_a_daemon_that_hangs_is_ended_by_the_watchdog(dataplane: Dataplane) -> None:
    quick = "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n"
    async with open_stage(dataplane) as stage, booted(stage, {"hostlink.service": quick}) as systemd:
        await systemd.ctl("start hostlink")
        index = await index_of(stage)
        await systemd.ctl("kill --signal=STOP hostlink")
        await steady_again(stage, systemd, restarts=1)
        assert await index_of(stage) == index
        await reaches_the_router(stage)


async def test_daemon_and_vpp_die_and_nobody_sees_the_carrier_go(dataplane: Dataplane) -> None:
    """By the tap's queue in systemd's descriptor store; a veth pair's other end is the kernel's own."""
    async with open_stage(dataplane) as stage, booted(stage) as systemd:
        await systemd.ctl("start hostlink")
        kept = "1" if dataplane.host_link == "tap" else "0"
        assert await systemd.show("hostlink", "NFileDescriptorStore") == kept
        index = await index_of(stage)
        async with link_monitored(stage) as monitor:
            await systemd.ctl("kill --signal=KILL hostlink vpp")
            await steady_again(stage, systemd, restarts=1)
            await reaches_the_router(stage)
            await fence(stage, monitor)
            said = [line for line in monitor.read_text().splitlines() if f"{NIC}:" in line or f"{NIC}@" in line]
            assert not [line for line in said if "NO-CARRIER" in line or "Deleted" in line], said
        assert await index_of(stage) == index
        assert await systemd.show("hostlink", "NFileDescriptorStore") == kept


async def test_reload_takes_what_is_right_and_refuses_what_is_not(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, booted(stage) as systemd:
        await systemd.ctl("start hostlink")
        whole = systemd.settings.read_text()
        systemd.settings.write_text(whole + "\n[clutser]\n")
        assert "failed" in await systemd.ctl("reload hostlink", check=False)
        assert await is_ready(systemd)
        assert "clutser: unknown key; did you mean cluster?" in stage.log

        systemd.settings.write_text(whole + CLUSTER)
        await systemd.ctl("reload hostlink")

        async def is_there() -> bool:
            return "203.0.113.0/24" in await stage.on_host("ip", "route")

        await eventually("the new cluster route", is_there)
        assert await systemd.show("hostlink", "NRestarts") == "0"


async def test_vpp_is_restarted_by_its_unit(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, booted(stage) as systemd:
        await systemd.ctl("start hostlink")
        index = await index_of(stage)
        await systemd.ctl("restart vpp")

        async def is_heard_of() -> bool:
            return any(move["to"] == "Recovering" for move in (await stage.state())["history"])

        await eventually("the loss of VPP", is_heard_of)
        await settled(stage)
        assert await index_of(stage) == index
        assert await systemd.show("hostlink", "NRestarts") == "0"
        await reaches_the_router(stage)


async def test_the_log_is_in_the_journal_with_its_fields(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, booted(stage, journald=True) as systemd:
        await systemd.ctl("start hostlink")
        await stage.on_host("ip", "link", "set", NIC, "down")
        found: list[dict[str, str]] = []

        async def is_told() -> bool:
            said = await systemd.run("journalctl -t hostlink HOSTLINK_CODE=HL-304 -o json")
            found[:] = [json.loads(line) for line in said.stdout.splitlines()]
            return bool(found)

        await eventually("a problem in the journal", is_told, 20)
        assert found[0]["MESSAGE"].startswith(f"{NIC}: HL-304: "), found
        assert (found[0]["PRIORITY"], found[0]["HOSTLINK_UPLINK"], found[0]["_SYSTEMD_UNIT"]) == (
            "4",
            NIC,
            "hostlink.service",
        )
        rounds = await systemd.run("journalctl -u hostlink HOSTLINK_EVENT=converged -o cat")
        assert f"{NIC}: converged in" in rounds.stdout
