"""What is put back on a host link or a NIC ends when it would have ended where it was (F13, F16, F44)."""

from __future__ import annotations

import json
import signal

import pytest

from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import NIC, ROUTER_LINK_LOCAL
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.leases import converged, host_addresses
from tests.system.links import index_of, settled, wait_successor
from tests.system.rounds import eventually

pytestmark = pytest.mark.once

LEASED4, LEASED6 = "192.168.0.77", "fd00::77"
ENDS4, ENDS6, ENDS_ROUTE = "192.168.0.78", "fd00::78", "2001:db8:99::/64"
LEASE_S = 600
LATER_S = 4
"""So many seconds after it was journalled a lifetime is told from one that was not aged."""
ROUNDED_S = 1
"""The kernel says whole seconds."""
SHORT_S = int(5 * deadline_factor())


async def test_what_is_put_back_does_not_outlive_its_lease(dataplane: Dataplane) -> None:
    """Set down and up, deleted, and given back by the journal alone after a crash: nothing lasts longer than it did.

    And what ran out while nobody was there to see it does not come back at all, neither for a time nor for ever.
    """
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for address in (f"{LEASED4}/24", f"{LEASED6}/64"):
            await lent(stage, address, LEASE_S)
        await converged(stage)
        before = await later(stage)
        number = await index_of(stage)
        for state in ("down", "up"):
            await stage.on_host("ip", "link", "set", NIC, state)
        await settled(stage)
        await not_longer(stage, before)
        await stage.on_host("ip", "link", "delete", NIC)
        await wait_successor(stage, number)
        await not_longer(stage, before)

        for address in (f"{ENDS4}/24", f"{ENDS6}/64"):
            await lent(stage, address, SHORT_S)
        await stage.on_host(
            "ip", "route", "add", ENDS_ROUTE, "via", str(ROUTER_LINK_LOCAL), "dev", NIC, "expires", str(SHORT_S)
        )
        await converged(stage)
        await settled(stage)
        await stage.stop_daemon(signal.SIGKILL)
        await eventually("they have run out", lambda: ended(stage), within_s=20)
        await stage.on_host("ip", "link", "delete", NIC)
        done = await stage.hostlink("release", "--config", str(stage.config))
        assert done.returncode == 0, done.stderr
        assert await ended(stage), await stage.on_host("ip", "address")
        assert ENDS_ROUTE not in await stage.on_host("ip", "-6", "route")
        await not_longer(stage, before)


async def lent(stage: Stage, address: str, lease_s: int) -> None:
    """As a client adds it. Its lifetime is journalled with it."""
    lifetimes = ("valid_lft", str(lease_s), "preferred_lft", str(lease_s - 1))
    await stage.on_host("ip", "address", "add", address, "dev", NIC, *lifetimes)


async def left_s(stage: Stage) -> dict[str, int]:
    """Of each dynamic address the seconds until it ends."""
    return {
        entry["local"]: int(entry["valid_life_time"]) for entry in await host_addresses(stage) if entry.get("dynamic")
    }


async def later(stage: Stage) -> dict[str, int]:
    """What is left of both after some seconds."""

    async def probe() -> bool:
        return all(left <= LEASE_S - LATER_S for left in (await left_s(stage)).values())

    await eventually("some seconds have passed", probe)
    return await left_s(stage)


async def not_longer(stage: Stage, before: dict[str, int]) -> None:
    """Both are there, as dynamic as they were, and with no more time than before."""
    now = await left_s(stage)
    assert set(now) == set(before) == {LEASED4, LEASED6}, json.dumps(now)
    for address, left in now.items():
        assert 0 < left <= before[address] + ROUNDED_S, (
            f"{address}: {left} s now, {before[address]} s before\n{stage.log}"
        )


async def ended(stage: Stage) -> bool:
    return not {ENDS4, ENDS6} & {entry["local"] for entry in await host_addresses(stage)}
