"""Commit-confirm: what answered before a takeover must answer again in time, or the NIC goes back and a hold stays."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

import trio

from hostlink.journal import Phase, journal_for
from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import echo_server
from hostlink.lab.layout import BEYOND4, ECHO_PORT, LAN, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import STANDIN, codes, detail, reconfigure, until, waits_with

SOON = "[timing]\nconfirm_s = 3\n"
SSH = 22


def probe(stage: Stage, port: int) -> None:
    """Have the configuration ask a server beyond the router, too."""
    driver = 'driver = "af_packet"'
    reconfigure(stage, driver, f'{driver}\nprobes = ["{BEYOND4}:{port}"]')


@asynccontextmanager
async def server_of_one(namespace: str, address: IPv4Address) -> AsyncIterator[int]:
    """A TCP server that goes away as soon as somebody has connected. Yields its port."""
    with inside(namespace):
        listener = trio.socket.from_stdlib_socket(socket.create_server((str(address), 0)))

    async def serve() -> None:
        connection, _ = await listener.accept()
        listener.close()
        connection.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield int(listener.getsockname()[1])
        nursery.cancel_scope.cancel()


async def test_a_tcp_address_that_answers_again_confirms(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage, echo_server(stage.lab.wire, [BEYOND4]):
        probe(stage, ECHO_PORT)
        stage.start_daemon()
        assert (await stage.wait_state("Steady"))["problems"] == []


async def test_a_tcp_address_that_did_not_answer_before_does_not_count(dataplane: Dataplane) -> None:
    """F49."""
    async with open_stage(dataplane) as stage:
        probe(stage, SSH)
        stage.start_daemon()
        assert (await stage.wait_state("Steady"))["problems"] == []


async def test_a_tcp_address_that_passed_before_and_not_afterwards_costs_the_takeover(dataplane: Dataplane) -> None:
    """F37, F49, F50: gateways answer all the time; the one that does not is named, and the NIC is as it was."""
    async with open_stage(dataplane, settings=SOON) as stage, server_of_one(stage.lab.wire, BEYOND4) as port:
        probe(stage, port)
        before = await picture(stage)
        stage.start_daemon()
        held = await until(stage, waits_with("HL-407"))
        assert detail(held, "HL-407").endswith(f"does not any more: {BEYOND4} (TCP port {port})")
        assert held["hold"]["kind"] == "failed"
        assert await picture(stage) == before


async def test_a_router_that_was_silent_before_vpp_came_back_does_not_cost_the_takeover(dataplane: Dataplane) -> None:
    """F49 at a later handover: only what answered when it was asked last must answer again."""
    async with open_stage(dataplane, settings=SOON, vpp_settings="grace_s = 60") as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "down"])
        await stage.hostlink("state", "--audit")
        assert "HL-412" in codes(await stage.state())
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        async with running(stage, {}):
            await stage.wait_state("Steady")


async def test_a_path_that_is_not_there_when_vpp_came_back_costs_the_takeover(dataplane: Dataplane) -> None:
    """Each handover must be confirmed, those of a VPP that came back too."""
    async with open_stage(dataplane, settings=SOON, vpp_settings="grace_s = 60") as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        stage.kill_vpp()
        await until(stage, lambda uplink: uplink["state"] == "Recovering")
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", LAN, "down"])
        async with running(stage, {}):
            await until(stage, waits_with("HL-407"))
        assert await picture(stage) == before


# ------------------------------------------------------------------------------------------- what outlives the daemon


def holds(stage: Stage) -> list[str]:
    return [path.name for path in (stage.directory / "journal").glob("*.held")]


async def test_a_failed_takeover_is_held_over_a_restart_of_the_daemon(dataplane: Dataplane) -> None:
    """F42: it is not tried again by itself; a resume clears it for good."""
    async with open_stage(dataplane, settings=SOON) as stage, server_of_one(stage.lab.wire, BEYOND4) as port:
        probe(stage, port)
        before = await picture(stage)
        stage.start_daemon()
        await until(stage, waits_with("HL-407"))
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        held = await until(stage, waits_with("HL-407"))
        assert held["hold"]["kind"] == "failed"
        assert held["why"].startswith("held since an earlier run: a takeover failed: ")
        await looked(stage)
        assert await picture(stage) == before
        assert (await stage.hostlink("resume")).returncode == 0
        await stage.wait_state("Steady")
        assert holds(stage) == []


async def looked(stage: Stage) -> None:
    """A look has ended: what Detecting waits for then is the next one, which is sooner than any look's deadline."""

    async def waits() -> bool:
        uplink = await stage.state()
        assert uplink["state"] == "Detecting", uplink
        return bool(uplink["deadline_s"] is not None and uplink["deadline_s"] <= 2 * deadline_factor())

    await eventually("Detecting has looked", waits, 20.0)


async def test_a_failed_takeover_is_tried_again_when_its_back_off_is_over() -> None:
    settings = f"{SOON}retry_s = 2\n"
    async with open_stage(STANDIN, settings=settings) as stage, server_of_one(stage.lab.wire, BEYOND4) as port:
        probe(stage, port)
        stage.start_daemon()
        await until(stage, waits_with("HL-407"))
        await stage.stop_daemon(signal.SIGKILL)  # the back-off outlives it too
        stage.start_daemon()
        uplink = await until(stage, lambda uplink: uplink["state"] == "Steady")
        assert "resumed by the back-off of retry_s, which is over" in [move["why"] for move in uplink["history"]]
        assert holds(stage) == []


async def test_a_release_is_held_over_a_restart_of_the_daemon() -> None:
    async with open_stage(STANDIN) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert (await stage.hostlink("release")).returncode == 0
        assert await stage.stop_daemon() == 0
        stage.start_daemon()
        held = await until(stage, lambda uplink: uplink["state"] == "Detecting" and uplink["hold"] is not None)
        assert held["hold"]["kind"] == "operator"
        await looked(stage)
        assert await picture(stage) == before
        await stage.stop_daemon(signal.SIGKILL)
        resumed = await stage.hostlink("resume", "--config", str(stage.config))
        assert resumed.stdout.decode() == f"the hold of {NIC} is cleared; no daemon runs: the next one takes over\n"
        stage.start_daemon()
        await stage.wait_state("Steady")


async def test_a_release_without_a_daemon_is_held_too() -> None:
    async with open_stage(STANDIN) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.stop_daemon(signal.SIGKILL)
        assert (await stage.hostlink("release", "--config", str(stage.config))).returncode == 0
        stage.start_daemon()
        held = await until(stage, lambda uplink: uplink["state"] == "Detecting" and uplink["hold"] is not None)
        assert held["why"] == "held since an earlier run: released by an operator"
        await looked(stage)
        assert await picture(stage) == before
        assert (await stage.hostlink("resume")).returncode == 0
        await stage.wait_state("Steady")


# ------------------------------------------------------------------------------------------------ a person's confirm


async def test_a_takeover_on_trial_stays_when_a_person_confirms_it(dataplane: Dataplane) -> None:
    """As after any confirm: the next daemon adopts it, on trial or not."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon("--try", "--confirm-within", "60")
        waiting = await stage.wait_state("Steady")
        assert "waiting for a person's confirmation until" in detail(waiting, "HL-416")
        done = await stage.hostlink("confirm")
        assert done.returncode == 0, done.stderr
        assert (await stage.state())["problems"] == []
        takeover = journal_for(stage.directory / "journal", NIC).read()
        assert takeover is not None
        assert (takeover.phase, takeover.confirm) == (Phase.PROVED, None)
        again = await stage.hostlink("confirm")
        assert (again.returncode, again.stderr) == (1, b"hostlink: the daemon: no takeover waits for a confirmation\n")
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        uplink = await stage.wait_state("Steady")
        assert "Capturing" not in [move["to"] for move in uplink["history"]]


async def test_a_takeover_on_trial_that_nobody_confirms_is_given_back_and_held(dataplane: Dataplane) -> None:
    """A daemon that is killed meanwhile changes nothing of that: the next one knows until when."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon("--try", "--confirm-within", "6")
        await stage.wait_state("Steady")
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        await until(stage, lambda uplink: uplink["state"] == "Steady" and "HL-416" in codes(uplink))
        held = await until(stage, waits_with("HL-415"))
        assert held["hold"]["kind"] == "failed"
        assert await picture(stage) == before
        assert holds(stage) == [f"{NIC}.held"]
        await looked(stage)
        refused = await stage.hostlink("confirm")
        assert refused.returncode == 1
        assert await stage.stop_daemon() == 0
        stage.start_daemon("--try")  # whoever tries it again is there, and wants it
        await stage.wait_state("Steady")
        assert holds(stage) == []
