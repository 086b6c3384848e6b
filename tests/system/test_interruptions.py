"""hostlink or VPP interrupted at any moment: stopped, killed, hung, or robbed of what it works with.

The rule is the same everywhere: a stop gives the NIC back as it was, a death is made good by the next start or by
`hostlink release`, and a lost VPP brings the NIC home by itself. The moments are laid over a takeover at even
distances, because nobody knows where the gaps between two steps are (F42).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any

import pytest
import trio

from hostlink.history import FILE_NAME as HISTORY
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import ping
from hostlink.lab.layout import HOST4, LAN, NIC, NIC_MAC, ROUTER4
from hostlink.lab.stage import ALL, Dataplane, Stage, StageError, open_stage, running, why_missing
from tests.system.picture import picture
from tests.system.test_bad_input import codes, detail, until
from tests.system.test_failure_matrix import difference

STANDINS = tuple(dataplane for dataplane in ALL if not dataplane.real)
AT_ONCE = 3
"""Stages at the same time: two cores, and a stage mostly waits."""
EVERY_S = 0.04
MOMENTS = 6
"""From the moment when the daemon has begun: a takeover in the lab takes about half a second where three run at once.
The dataplanes that there are take turns. `test_killed_anywhere.py` goes through all of them, by what is done."""
QUICK = "[timing]\ndeadline_factor = 0.2\n"
"""A hang is a hang sooner: no step of these scenarios needs its whole deadline."""
NO_GRACE = "grace_s = 0"
"""A VPP that is lost is not waited for: what comes after the wait is what these scenarios are about."""


def begun(stage: Stage) -> bool:
    """The daemon is past its imports and listens to signals: from here on every moment counts."""
    return (stage.runtime / "control.sock").exists() and "started" in stage.log


async def wait_begun(stage: Stage) -> None:
    with trio.fail_after(20 * deadline_factor()):
        while True:
            if begun(stage):
                return
            await trio.sleep(0.005)


Scenario = Callable[[Dataplane, float], Awaitable[str | None]]
"""What happens that many seconds after the beginning; it returns what is wrong, or None."""


async def at_each_moment(scenario: Scenario, count: int = MOMENTS) -> None:
    """Run the scenario for each moment, a few at a time."""
    wrong: list[str] = []
    slots = trio.CapacityLimiter(AT_ONCE)

    async def one(dataplane: Dataplane, after_s: float) -> None:
        async with slots:
            try:
                verdict = await scenario(dataplane, after_s)
            except (StageError, trio.TooSlowError, AssertionError) as error:
                verdict = repr(error)
        if verdict:
            wrong.append(f"{dataplane} at {after_s * 1000:.0f} ms: {verdict}")

    async with trio.open_nursery() as nursery:
        for number, dataplane in zip(range(count), cycle(available()), strict=False):
            nursery.start_soon(one, dataplane, number * EVERY_S)
    assert not wrong, "\n\n".join(wrong)


async def on_each(dataplanes: Sequence[Dataplane], scenario: Callable[[Dataplane], Awaitable[None]]) -> None:
    """Run what mostly waits (for a ping's deadline, for the next try) on all of them at the same time."""

    async def one(dataplane: Dataplane) -> None:
        try:
            await scenario(dataplane)
        except Exception as error:
            error.add_note(f"on {dataplane}")
            raise

    async with trio.open_nursery() as nursery:
        for dataplane in dataplanes:
            nursery.start_soon(one, dataplane)


def available() -> list[Dataplane]:
    """All dataplanes that this machine can have; of the others the reason is printed."""
    missing = {dataplane: why_missing(dataplane) for dataplane in ALL}
    for dataplane, why in missing.items():
        if why is not None:
            print(f"without {dataplane}: {why}")
    return [dataplane for dataplane, why in missing.items() if why is None]


async def unlike(stage: Stage, before: dict[str, Any]) -> str | None:
    """How the node differs from what it was, in words, or None."""
    after = await picture(stage)
    return None if after == before else f"not as before: {difference(before, after)}\n{stage.log}"


async def leftovers(stage: Stage) -> str | None:
    """What hostlink left on the node besides the NIC."""
    links = await stage.on_host("ip", "-brief", "link")
    inner = await stage.lab.exec(stage.lab.vpp, ["ip", "-brief", "link"])
    journal = stage.directory / "journal"
    kept = [path.name for path in journal.iterdir()] if journal.exists() else []
    # A release stays one: its hold is there until a resume (test_confirm.py). And what happened stays told.
    kept = [name for name in kept if not name.endswith(".held") and name != HISTORY]
    if "Handover" not in stage.log:
        kept = [name for name in kept if not name.endswith(".new")]  # of a first write: no journal yet, and never read
    foreign = [line for line in (links + inner).splitlines() if line.startswith("hl")]
    return f"left behind: {kept} {foreign}\n{stage.log}" if kept or foreign else None


# ------------------------------------------------------------------------------------------------- stopped and killed


async def test_sigterm_at_any_moment_gives_everything_back() -> None:
    """F42, F47: whatever step is under way is ended, and what it had done is taken back."""

    async def scenario(standin: Dataplane, after_s: float) -> str | None:
        async with open_stage(standin) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await wait_begun(stage)
            await trio.sleep(after_s)
            if (status := await stage.stop_daemon()) != 0:
                return f"exit {status}\n{stage.log}"
            return await unlike(stage, before) or await leftovers(stage)

    await at_each_moment(scenario)


async def test_sigkill_at_any_moment_is_made_good_by_the_next_daemon() -> None:
    """F42, F45: neither taken nor free is a state that lasts."""

    async def scenario(standin: Dataplane, after_s: float) -> str | None:
        async with open_stage(standin) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await wait_begun(stage)
            await trio.sleep(after_s)
            await stage.stop_daemon(signal.SIGKILL)
            stage.start_daemon()
            await stage.wait_state("Steady")
            if (status := await stage.stop_daemon()) != 0:
                return f"exit {status}\n{stage.log}"
            return await unlike(stage, before) or await leftovers(stage)

    await at_each_moment(scenario)


@pytest.mark.parametrize("vpp_too", [False, True], ids=["daemon", "daemon and vpp"])
async def test_sigkill_at_any_moment_is_made_good_by_release(vpp_too: bool) -> None:
    """F42, F43, F45: without another daemon, and without VPP as well."""

    async def scenario(standin: Dataplane, after_s: float) -> str | None:
        async with open_stage(standin) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await wait_begun(stage)
            await trio.sleep(after_s)
            if vpp_too:
                stage.kill_vpp()
            await stage.stop_daemon(signal.SIGKILL)
            done = await stage.hostlink("release", "--config", str(stage.config))
            if done.returncode != 0:
                return f"release: exit {done.returncode}: {done.stderr.decode()}\n{stage.log}"
            return await unlike(stage, before) or await leftovers(stage)

    await at_each_moment(scenario, MOMENTS // 2 if vpp_too else MOMENTS)


async def test_sigkill_during_the_give_back_is_made_good_too() -> None:
    """F42, F50: a systemd that loses patience in the middle of a stop."""

    async def scenario(standin: Dataplane, after_s: float) -> str | None:
        async with open_stage(standin) as stage:
            before = await picture(stage)
            daemon = stage.start_daemon()
            await stage.wait_state("Steady")
            daemon.send_signal(signal.SIGTERM)
            await trio.sleep(after_s / 4)
            await stage.stop_daemon(signal.SIGKILL)
            done = await stage.hostlink("release", "--config", str(stage.config))
            if done.returncode != 0:
                return f"release: exit {done.returncode}: {done.stderr.decode()}\n{stage.log}"
            return await unlike(stage, before) or await leftovers(stage)

    await at_each_moment(scenario, 8)


async def test_a_stop_before_vpp_was_ever_seen_is_clean(standin: Dataplane) -> None:
    async with open_stage(standin) as stage:
        stage.kill_vpp()
        before = await picture(stage)
        stage.start_daemon()
        await wait_begun(stage)
        assert await stage.stop_daemon() == 0
        assert await unlike(stage, before) is None


# ------------------------------------------------------------------------------------------------------- VPP goes away


def homed(uplink: dict[str, Any]) -> bool:
    """The NIC is the host's, and hostlink waits for VPP."""
    return uplink["state"] == "Detecting" and "HL-201" in codes(uplink)


async def test_a_vpp_that_dies_gives_the_nic_back_and_a_new_one_gets_it(dataplane: Dataplane) -> None:
    """F51: all of it is done again: events, filter, redirects, routes."""
    async with open_stage(dataplane, vpp_settings=NO_GRACE) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, homed)
        assert await unlike(stage, before) is None
        assert await ping(stage.lab.wire, HOST4.ip, count=2) >= 1
        async with running(stage, {}):
            await stage.wait_state("Steady")
            assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
            assert await stage.stop_daemon() == 0, stage.log
            assert await unlike(stage, before) is None


async def test_a_vpp_that_stays_away_costs_it_the_nic_with_what_the_host_has_by_then(dataplane: Dataplane) -> None:
    """F44: what changed while VPP was waited for goes with the NIC too."""
    async with open_stage(dataplane, vpp_settings="grace_s = 3") as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        await stage.on_host("ip", "address", "add", "192.168.0.50/24", "dev", NIC)
        await stage.on_host("ip", "route", "add", "203.0.113.0/24", "via", str(ROUTER4.ip))
        uplink = await until(stage, homed)
        assert any("has not come back in time" in move["why"] for move in uplink["history"])
        after = await picture(stage)
        assert after["link"] == before["link"]
        assert {one["local"] for one in after["addresses"]} - {one["local"] for one in before["addresses"]} == {
            "192.168.0.50"
        }
        assert [line for line in after["routes"] if "203.0.113.0/24" in line]
        assert await ping(stage.lab.wire, HOST4.ip, count=2) >= 1


async def test_a_vpp_that_dies_again_and_again_is_not_waited_for_in_the_end(dataplane: Dataplane) -> None:
    """F51 too often: the host is not cut off for each of its deaths; it must answer for a while first (HL-208)."""
    async with open_stage(dataplane, vpp_settings="grace_s = 60") as stage, AsyncExitStack() as lives:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for _ in range(3):
            stage.kill_vpp()
            await until(stage, lambda uplink: uplink["state"] == "Recovering")
            await lives.enter_async_context(running(stage, {}))
            await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, homed)
        async with running(stage, {}):
            uplink = await until(stage, lambda uplink: "HL-208" in codes(uplink))
            assert "4 times" in detail(uplink, "HL-208")


async def test_a_vpp_that_hangs_loses_the_nic_until_it_answers() -> None:
    """F57: it accepts and never answers. What it still has of us when it wakes is taken out before a new takeover."""

    async def scenario(dataplane: Dataplane) -> None:
        async with open_stage(dataplane, settings=QUICK, vpp_settings=NO_GRACE) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await stage.wait_state("Steady")
            assert stage.vpp is not None
            os.killpg(stage.vpp.pid, signal.SIGSTOP)
            await until(stage, homed)
            assert await unlike(stage, before) is None
            os.killpg(stage.vpp.pid, signal.SIGCONT)
            state = await stage.wait_state("Steady")
            assert state["problems"] == []
            assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
            shown = await stage.vppctl("show interface")
            assert len([line for line in shown.splitlines() if line.startswith(("host-", "tap"))]) == 2, shown
            assert await stage.stop_daemon() == 0, stage.log
            assert await unlike(stage, before) is None
            assert "host-" not in await stage.vppctl("show interface")

    await on_each(available(), scenario)


async def test_a_vpp_that_is_killed_while_it_hangs_is_lost_like_any_other() -> None:
    """F57, then F51: it dies while a ping to it is under way."""

    async def scenario(dataplane: Dataplane) -> None:
        async with open_stage(dataplane, vpp_settings=NO_GRACE) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await stage.wait_state("Steady")
            assert stage.vpp is not None
            os.killpg(stage.vpp.pid, signal.SIGSTOP)
            await trio.sleep(2.2)  # a ping goes out every 2 s: the condition is that one waits, which nobody can see
            stage.kill_vpp()
            await until(stage, homed)
            assert await unlike(stage, before) is None

    await on_each(available(), scenario)


async def test_release_does_not_wait_for_a_vpp_that_hangs(dataplane: Dataplane) -> None:
    """F57 with F42: no daemon, and a VPP that accepts and never answers."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert stage.vpp is not None
        os.killpg(stage.vpp.pid, signal.SIGSTOP)
        await stage.stop_daemon(signal.SIGKILL)
        with trio.fail_after(15 * deadline_factor()):
            done = await stage.hostlink("release", "--config", str(stage.config))
        assert done.returncode == 0, done.stderr
        assert await unlike(stage, before) is None


async def test_vpp_killed_at_any_moment_of_a_takeover() -> None:
    """F37, F38, F51: also while the path is being proved, where several questions to VPP are under way at once."""

    async def scenario(standin: Dataplane, after_s: float) -> str | None:
        async with open_stage(standin, vpp_settings=NO_GRACE) as stage:
            before = await picture(stage)
            stage.start_daemon()
            await wait_begun(stage)
            await trio.sleep(after_s)
            stage.kill_vpp()
            await until(stage, homed)
            if wrong := await unlike(stage, before):
                return wrong
            status = await stage.stop_daemon()
            return f"exit {status}\n{stage.log}" if status else await leftovers(stage)

    await at_each_moment(scenario)


# ------------------------------------------------------------------------------------------------ somebody on the node


def passed(uplink: dict[str, Any], title: str) -> bool:
    return any(move["to"] == title for move in uplink["history"])


async def test_a_host_interface_that_is_set_down_is_up_again_with_all_it_carried(dataplane: Dataplane) -> None:
    """F35: the kernel takes the routes of a link that goes down, IPv4 ones without a word; VPP keeps what it has."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        routes = await stage.on_host("ip", "route")
        await stage.on_host("ip", "link", "set", NIC, "down")
        await wait_routes(stage, routes)
        await stage.on_host("ip", "link", "set", NIC, "up")
        state = await stage.wait_state("Steady")
        assert state["mirrored"] == {"addresses": 2, "routes_ipv4": 1, "routes_ipv6": 1}
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert await stage.stop_daemon() == 0, stage.log
        assert await unlike(stage, before) is None


async def wait_routes(stage: Stage, routes: str, within_s: float = 15.0) -> None:
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            if await stage.on_host("ip", "route") == routes:
                return
            await trio.sleep(0.1)
    raise StageError(f"the routes did not come back: {await stage.on_host('ip', 'route')}\n{stage.log}")


async def test_a_namespace_that_loses_its_name_still_gives_the_nic_back(dataplane: Dataplane) -> None:
    """F33: `ip netns del` takes the name; the namespace, and the NIC in it, live as long as VPP does."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await trio.run_process(["ip", "netns", "del", stage.lab.vpp])
        assert await stage.stop_daemon() == 0, stage.log
        assert await unlike(stage, before) is None


async def test_a_nic_that_dies_with_its_namespace_is_said_to_be_gone(dataplane: Dataplane) -> None:
    """F34: a veth, VLAN or bond in a dying namespace is deleted. hostlink says so, waits, and takes its successor."""
    async with open_stage(dataplane, vpp_settings=NO_GRACE) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await trio.run_process(["ip", "netns", "del", stage.lab.vpp])
        stage.kill_vpp()
        lost = await until(stage, lambda uplink: "HL-408" in codes(uplink))
        assert NIC in detail(lost, "HL-408")
        assert lost["state"] == "Recovering"
        assert (stage.directory / "journal" / f"{NIC}.json").exists()
        await plug_in_again(stage)
        await until(stage, homed)
        assert str(HOST4) in await stage.on_host("ip", "address", "show", "dev", NIC)
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert await stage.stop_daemon() == 0, stage.log


async def plug_in_again(stage: Stage) -> None:
    """A NIC of the same name and MAC, as a hypervisor would plug it in."""
    command = f"link add {NIC} address {NIC_MAC} type veth peer name again netns {stage.lab.wire}"
    await stage.on_host("ip", *command.split())
    for setting in (f"link set again master {LAN}", "link set again up"):
        await stage.lab.exec(stage.lab.wire, ["ip", *setting.split()])


async def test_a_stop_when_the_nic_is_gone_ends_and_keeps_the_journal() -> None:
    """F34, F47: a stop does not wait for ever for what will not come; it exits 1 and says why."""

    async def scenario(dataplane: Dataplane) -> None:
        async with open_stage(dataplane, settings=QUICK) as stage:
            stage.start_daemon()
            await stage.wait_state("Steady")
            await trio.run_process(["ip", "netns", "del", stage.lab.vpp])
            stage.kill_vpp()
            await until(stage, lambda uplink: "HL-408" in codes(uplink))
            assert await stage.stop_daemon() == 1
            assert "HL-408" in stage.log
            assert (stage.directory / "journal" / f"{NIC}.json").exists()

    await on_each(available(), scenario)


async def test_a_nic_that_is_unplugged_while_it_is_captured_is_waited_for(dataplane: Dataplane) -> None:
    """F38: its probes are under way, to a gateway that takes its time."""
    async with open_stage(dataplane) as stage:
        await stage.on_host("ip", "route", "replace", "default", "via", "192.168.0.99", "dev", NIC)
        stage.start_daemon()
        await until(stage, lambda uplink: uplink["state"] == "Capturing")
        await stage.on_host("ip", "link", "delete", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Detecting" and "HL-102" in codes(uplink))
        await plug_in_again(stage)
        await stage.wait_state("Steady")
        assert await stage.stop_daemon() == 0, stage.log


async def test_a_host_interface_deleted_while_the_path_is_proved(dataplane: Dataplane) -> None:
    """The router fell silent after the capture, so the proof waits; then its interface goes, and is put back."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "down"])
        await stage.on_host("ip", "address", "add", "192.168.0.50/24", "dev", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Punting")
        await stage.on_host("ip", "link", "delete", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Steady" and "HL-304" in codes(uplink))
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "up"])
        assert not passed(await stage.state(), "Recovering"), stage.log
        assert await stage.stop_daemon() == 0, stage.log
        assert difference(before, await picture(stage)).keys() <= {"addresses", "routes", "routes6"}


async def test_vpp_dies_while_the_path_is_proved(standin: Dataplane) -> None:
    """F51: several probes ask VPP at the same time, and all of them fail at once."""
    forgetful = {"HOSTLINK_STANDIN_NEIGHBOUR_AGE_S": "0.3"}
    async with open_stage(standin, vpp_environment=forgetful, vpp_settings=NO_GRACE) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "down"])
        await wait_forgotten(stage)
        await stage.on_host("ip", "address", "add", "192.168.0.50/24", "dev", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Punting")
        assert stage.vpp is not None
        os.killpg(stage.vpp.pid, signal.SIGSTOP)
        await trio.sleep(1.0)  # the probes' next questions are waiting by now
        stage.kill_vpp()
        await until(stage, homed)
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "up"])
        assert await stage.stop_daemon() == 0, stage.log
        assert difference(before, await picture(stage)).keys() <= {"addresses", "routes", "routes6"}


async def wait_forgotten(stage: Stage, within_s: float = 10.0) -> None:
    """Until VPP knows no router any more."""
    with trio.fail_after(within_s * deadline_factor()):
        while True:
            if str(ROUTER4.ip) not in await stage.vppctl("show ip neighbors"):
                return
            await trio.sleep(0.1)
