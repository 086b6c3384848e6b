"""A VPP that answers as no VPP does, and a kernel whose messages cannot be read: a takeover, and a Steady daemon.

The daemon ends up Steady, or with the NIC given back exactly as it was and the reason told; the next try gets there. It
never ends, never waits on, and its memory is bounded. (F46, F53, F55, F57)
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trio

from hostlink import varlink
from hostlink.lab.factor import deadline_factor
from hostlink.lab.stage import Dataplane, Stage, StageError, open_stage
from tests.system.picture import picture
from tests.system.test_bad_input import codes, until
from tests.system.test_failure_matrix import (
    AT_ONCE,
    CLUSTER,
    WITHOUT_RETVAL,
    difference,
    names_of_a_takeover,
    plain,
    settled,
)

LIES = ("short", "huge", "twice", "unknown", "late", "endless")
MOST_MEMORY_MIB = 900
"""What an endless dump may take (vpp/waiters.py bounds it to 320 MiB), and Python beside it."""
PLACES = (
    ("short", "sw_interface_dump:2"),
    ("huge", "ip_route_add_del_v2"),
    ("twice", "af_packet_create_v3"),
    ("unknown", "sw_interface_set_flags"),
    ("late", "ip_address_dump"),
    ("endless", "ip_address_dump:2"),
    ("short", "show_version"),
    ("endless", "fib_source_dump"),
    ("huge", "get_api_json"),
    ("unknown", "sockclnt_create"),
)
"""In CI, half of them on each host link: each lie, and where a session begins."""
ON_BOTH = (("huge", "af_packet_create_v3"),)
"""Its interface has no tag yet, and nothing else says whose it is: with a tap it is the NIC's, else the host link's."""


async def check(dataplane: Dataplane, place: str, lie: str) -> str | None:
    """Answer one request so, once. Returns what is wrong with how hostlink took it, or None."""
    environment = {"HOSTLINK_STANDIN_FAIL": f"{place}={lie}"}
    async with open_stage(dataplane, settings=CLUSTER, vpp_environment=environment) as stage:
        before = await picture(stage)
        stage.start_daemon()
        state = await settled(stage)
        if state["state"] != "Steady":
            if (after := await picture(stage)) != before:
                return f"{place} {lie}: the NIC is not as it was: {difference(before, after)}\n{stage.log}"
            if not {"HL-402", "HL-404"} & set(codes(state)):
                return f"{place} {lie}: the reason is not told: {codes(state)}\n{stage.log}"
            resumed = await stage.hostlink("resume")
            if resumed.returncode != 0 or (await settled(stage))["state"] != "Steady":
                return f"{place} {lie}: the next try did not reach Steady\n{stage.log}"
        if (most := peak_mib(stage)) > MOST_MEMORY_MIB:
            return f"{place} {lie}: the daemon took {most} MiB"
        if await stage.stop_daemon() != 0 or "Traceback" in stage.log:
            return f"{place} {lie}: the stop was not clean\n{stage.log}"
        if (after := await picture(stage)) != before:
            return f"{place} {lie}: after the stop the NIC is not as it was: {difference(before, after)}\n{stage.log}"
    return None


def peak_mib(stage: Stage) -> int:
    """VmHWM of proc(5)."""
    assert stage.daemon is not None
    lines = Path(f"/proc/{stage.daemon.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


async def check_all(dataplane: Dataplane, places: Iterable[tuple[str, str]]) -> list[str]:
    """(lie, place) each. Returns what is wrong."""
    wrong: list[str] = []
    slots = trio.CapacityLimiter(AT_ONCE)

    async def one(lie: str, place: str) -> None:
        async with slots:
            try:
                verdict = await check(dataplane, place, lie)
            except (StageError, trio.TooSlowError) as error:
                verdict = f"{place} {lie}: did not settle: {error}"
        if verdict:
            wrong.append(verdict)

    async with trio.open_nursery() as nursery:
        for lie, place in places:
            nursery.start_soon(one, lie, place)
    return wrong


@pytest.mark.timeout(400)
async def test_a_takeover_meets_an_answer_that_no_vpp_gives(standin: Dataplane) -> None:
    wrong = await check_all(standin, (*PLACES[standin.host_link == "veth" :: 2], *ON_BOTH))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.live
@pytest.mark.timeout(1800)
async def test_every_request_of_a_takeover_meets_one(standin: Dataplane, tmp_path: Path) -> None:
    requests, _ = await names_of_a_takeover(standin, tmp_path)
    assert len(requests) > 25
    dumps = [name for name in requests if plain(name).endswith("_dump")]
    others = [name for name in requests if name not in dumps and plain(name) not in WITHOUT_RETVAL]
    places = [*zip(cycle(LIES), dumps), *zip(cycle(LIES[:-1]), others)]
    wrong = await check_all(standin, places)
    assert not wrong, "\n\n".join(wrong)


# --------------------------------------------------------------------------------------------------------------- Steady


@pytest.mark.parametrize("lie", ["short", "huge", "unknown", "twice"])
async def test_a_steady_daemon_takes_another_session_and_keeps_the_takeover(standin: Dataplane, lie: str) -> None:
    """What a followed route is looked up with is answered so: the host's interface stays, and VPP has the route."""
    lying = {"HOSTLINK_STANDIN_FAIL": f"ip_route_lookup_v2={lie}"}
    async with open_stage(standin, vpp_environment=lying) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        index = (await picture(stage))["link"]["ifindex"]
        await stage.on_host("ip", "route", "add", "203.0.113.0/24", "via", "192.168.0.254")
        await until(stage, lambda uplink: uplink["state"] == "Steady" and _has_route(uplink))
        await _shown(stage, "203.0.113.0/24")
        state = await stage.wait_state("Steady")
        assert (await picture(stage))["link"]["ifindex"] == index
        moves = [move["to"] for move in state["history"]]
        assert ("Recovering" in moves) is (lie != "twice"), moves
        await stage.on_host("ip", "route", "delete", "203.0.113.0/24")
        assert await stage.stop_daemon() == 0, stage.log
        assert await picture(stage) == before


async def test_one_that_goes_on_so_loses_the_nic(standin: Dataplane) -> None:
    """As a VPP that dies again and again: the takeover is not tried for ever."""
    lying = ",".join(f"ip_route_lookup_v2:{number}=unknown" for number in range(1, 10))
    async with open_stage(standin, vpp_environment={"HOSTLINK_STANDIN_FAIL": lying}) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for number in range(1, 9):
            await stage.on_host("ip", "route", "add", f"203.0.113.{number}/32", "via", "192.168.0.254")
            uplink = await until(stage, lambda uplink, number=number: _lost(uplink) >= number and _rests(uplink))
            if uplink["state"] == "Detecting":
                break
        assert number == 4, "more than three losses"
        assert "HL-208" in codes(uplink)
        assert "via 192.168.0.254 dev" in await stage.on_host("ip", "route", "show", "203.0.113.4")
        assert await stage.stop_daemon() == 0, stage.log


def _lost(uplink: dict[str, Any]) -> int:
    return [move["to"] for move in uplink["history"] if move["to"] != move["from"]].count("Recovering")


def _rests(uplink: dict[str, Any]) -> bool:
    return uplink["state"] == "Steady" or (uplink["state"] == "Detecting" and "HL-208" in codes(uplink))


def _has_route(uplink: dict[str, object]) -> bool:
    mirrored = uplink["mirrored"]
    assert isinstance(mirrored, dict)
    return bool(mirrored["routes_ipv4"])


async def _shown(stage: Stage, prefix: str) -> None:
    """VPP has it."""
    with trio.fail_after(20 * deadline_factor()):
        while prefix not in await stage.vppctl("show ip fib"):  # noqa: ASYNC110 — VPP tells nobody of routes
            await trio.sleep(0.1)


async def test_dumps_of_the_kernel_that_cannot_be_read_are_read_again(dataplane: Dataplane) -> None:
    """Of each 23 one is cut off in the middle of a message, on the way there and in Steady: no step fails by that."""
    async with open_stage(dataplane, settings=CLUSTER) as stage:
        before = await picture(stage)
        stage.start_daemon(HOSTLINK_LAB_GARBLED_DUMPS="23")
        await stage.wait_state("Steady")
        for _ in range(5):
            assert (await stage.hostlink("state", "--audit")).returncode == 0, stage.log
        state = await stage.wait_state("Steady")
        assert "Recovering" not in [move["to"] for move in state["history"]]
        assert "cannot be" not in stage.log
        assert await stage.stop_daemon() == 0, stage.log
        assert await picture(stage) == before


# -------------------------------------------------------------------------------------------------- the control socket


async def test_clients_that_say_nothing_and_read_nothing_stall_nobody(dataplane: Dataplane) -> None:
    """As many as the daemon takes: some silent, some in the middle of a call, some that never read. It goes on."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        path = os.fspath(stage.runtime / varlink.SOCKET_NAME)
        said = (b"", b'{"method":', varlink.pack_call(varlink.Call(varlink.SUBSCRIBE, more=True)) * 300)
        crowd = [await trio.open_unix_socket(path) for _ in range(30)]
        for stream, words in zip(crowd, cycle(said)):
            with trio.move_on_after(1):  # the daemon may take no more of it
                await stream.send_all(words)
        await stage.on_host("ip", "route", "add", "203.0.113.0/24", "via", "192.168.0.254")
        await _shown(stage, "203.0.113.0/24")
        assert (await stage.hostlink("state")).returncode == 0
        for stream in crowd:
            await stream.aclose()
        assert await stage.stop_daemon() == 0, stage.log
