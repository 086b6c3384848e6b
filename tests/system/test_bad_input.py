"""What hostlink refuses or waits for, each by its code and before the NIC is touched (issue 2, "Bad input").

Every scenario compares the whole picture of the NIC before and after; `state` must name the problem, and where waiting
is the answer, hostlink goes on by itself once what it waits for is there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from hostlink import varlink
from hostlink.cli.client import AnswerTimeoutError, Client, UnreachableError
from hostlink.journal import VERSION
from hostlink.lab.children import in_namespace
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage, running
from hostlink.vpp.errors import VppRefused
from hostlink.vpp.session import Request, Session, open_session, raise_first
from tests.system.picture import picture

WITHIN_S = 20.0 * deadline_factor()
STANDIN = Dataplane(real=False, host_link="tap")
"""For what is decided before the host link matters."""
Uplink = dict[str, Any]


async def until(stage: Stage, wanted: Callable[[Uplink], bool], within_s: float = WITHIN_S) -> Uplink:
    """The uplink's state document as soon as it is as wanted: pushed by the daemon at each change, never polled."""
    seen: list[Uplink] = []

    def follow() -> Uplink | None:
        with Client(stage.runtime / varlink.SOCKET_NAME) as client:
            try:
                for document in client.subscribe(varlink.SUBSCRIBE, within_s=within_s):
                    uplinks: list[Uplink] = json.loads(json.dumps(document["uplinks"]))
                    seen.append(uplinks[0])
                    if wanted(uplinks[0]):
                        return uplinks[0]
            except (AnswerTimeoutError, UnreachableError):
                pass
        return None

    await answering(stage, within_s)
    found = await trio.to_thread.run_sync(follow)
    last = (
        {"state": seen[-1]["state"], "problems": [problem["detail"] for problem in seen[-1]["problems"]]}
        if seen
        else {}
    )
    assert found is not None, f"not seen within {within_s:g} s; last: {last}\n{stage.log}"
    return found


async def answering(stage: Stage, within_s: float) -> None:
    """Wait for the control socket of a daemon that is starting; a file that is not there can wake nobody."""
    with trio.fail_after(within_s):
        while True:
            try:
                Client(stage.runtime / varlink.SOCKET_NAME).__exit__(None, None, None)
            except UnreachableError:
                assert stage.daemon is not None
                assert stage.daemon.poll() is None, f"the daemon ended: {stage.log}"
                await trio.sleep(0.02)
            else:
                return


def codes(uplink: Uplink) -> list[str]:
    return [problem["code"] for problem in uplink["problems"]]


def waits_with(code: str) -> Callable[[Uplink], bool]:
    """Detecting, with that problem shown."""
    return lambda uplink: uplink["state"] == "Detecting" and code in codes(uplink)


def detail(uplink: Uplink, code: str) -> str:
    return str(next(problem["detail"] for problem in uplink["problems"] if problem["code"] == code))


def reconfigure(stage: Stage, old: str, new: str) -> None:
    text = stage.config.read_text()
    assert old in text
    stage.config.write_text(text.replace(old, new))


# ---------------------------------------------------------------------------------------------------------- the uplink


async def test_an_absent_uplink_is_waited_for_and_taken_when_it_appears(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        await stage.on_host("ip", "link", "set", NIC, "down")
        await stage.on_host("ip", "link", "set", NIC, "name", "elsewhere")
        stage.start_daemon()
        waiting = await until(stage, waits_with("HL-102"))
        assert NIC in detail(waiting, "HL-102")
        await stage.on_host("ip", "link", "set", "elsewhere", "name", NIC)
        await stage.wait_state("Steady")


MADE: dict[str, tuple[list[str], str, str]] = {
    "loopback": ([], "lo", "HL-103"),
    "bridge": (["link add br0 type bridge"], "br0", "HL-106"),
    "bridge port": (["link add br0 type bridge", f"link set {NIC} master br0"], NIC, "HL-104"),
    "tap": (["tuntap add tap7 mode tap"], "tap7", "HL-106"),
    "host link without its journal": ([f"link property add dev {NIC} altname hostlink-{NIC}"], NIC, "HL-105"),
}


@pytest.mark.parametrize("case", MADE)
async def test_an_interface_that_cannot_be_an_uplink_is_refused(case: str) -> None:
    """F39: told by its code; the NIC and the interface itself stay as they are."""
    commands, name, code = MADE[case]
    async with open_stage(STANDIN) as stage:
        for command in commands:
            await stage.on_host("ip", *command.split())
        reconfigure(stage, f'name = "{NIC}"', f'name = "{name}"')
        before = await picture(stage)
        links = await stage.on_host("ip", "-details", "address")
        stage.start_daemon()
        refused = await until(stage, waits_with(code))
        assert name in detail(refused, code)
        assert await picture(stage) == before
        assert await stage.on_host("ip", "-details", "address") == links
        assert await stage.stop_daemon() == 0
        assert await picture(stage) == before


async def test_a_nic_that_is_down_is_taken_as_it_is_and_comes_back_down(standin: Dataplane) -> None:
    """HL-108 and HL-109 are told, also while it is taken; a NIC that was down and bare is so again afterwards."""
    async with open_stage(standin) as stage:
        await stage.on_host("ip", "address", "flush", "dev", NIC)
        await stage.on_host("ip", "link", "set", NIC, "down")
        before = await picture(stage)
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        assert {"HL-108", "HL-109"} <= set(codes(state))
        assert await stage.stop_daemon() == 0, stage.log
        after = await picture(stage)
        # A link that comes from another namespace has no queueing discipline until it is up: the kernel makes it then.
        assert (before["link"].pop("qdisc"), after["link"].pop("qdisc")) == ("noqueue", "noop")
        assert after == before


async def test_addresses_that_come_after_the_takeover_of_a_bare_nic_are_mirrored(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        await stage.on_host("ip", "address", "flush", "dev", NIC)
        stage.start_daemon()
        assert "HL-109" in codes(await stage.wait_state("Steady"))
        await stage.on_host("ip", "address", "add", "192.168.0.1/24", "dev", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Steady" and uplink["mirrored"]["addresses"] == 1)
        assert "192.168.0.1/24" in await stage.vppctl("show interface address")


# -------------------------------------------------------------------------------------------------------- VPP, before


async def test_a_vpp_that_is_not_there_is_waited_for(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        stage.kill_vpp()
        before = await picture(stage)
        stage.start_daemon()
        waiting = await until(stage, waits_with("HL-201"))
        assert str(stage.api_socket) in detail(waiting, "HL-201")
        assert await picture(stage) == before
        async with running(stage, {}):
            await stage.wait_state("Steady")
            assert await stage.stop_daemon() == 0
            assert await picture(stage) == before


async def test_a_vpp_in_another_namespace_is_refused(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        reconfigure(stage, f'namespace = "{stage.lab.vpp}"', f'namespace = "{stage.lab.pod2}"')
        before = await picture(stage)
        stage.start_daemon()
        refused = await until(stage, waits_with("HL-202"))
        assert stage.lab.pod2 in detail(refused, "HL-202")
        assert await picture(stage) == before


async def test_an_absent_namespace_is_named() -> None:
    async with open_stage(STANDIN) as stage:
        reconfigure(stage, f'namespace = "{stage.lab.vpp}"', f'namespace = "{stage.lab.vpp}-not"')
        before = await picture(stage)
        stage.start_daemon()
        refused = await until(stage, waits_with("HL-203"))
        assert f"{stage.lab.vpp}-not" in detail(refused, "HL-203")
        assert await picture(stage) == before


async def test_a_message_that_vpp_lacks_is_named() -> None:
    """F58: a VPP without a plugin, or of a release that has the message in another form."""
    lacking = {"HOSTLINK_STANDIN_WITHOUT": "add_del_ip_punt_redirect_v2,proxy_arp_add_del"}
    async with open_stage(STANDIN, vpp_environment=lacking) as stage:
        before = await picture(stage)
        stage.start_daemon()
        refused = await until(stage, waits_with("HL-204"))
        assert "add_del_ip_punt_redirect_v2" in detail(refused, "HL-204")
        assert "proxy_arp_add_del" in detail(refused, "HL-204")
        assert await picture(stage) == before


# ------------------------------------------------------------------------------------------- VPP, with other clients


async def test_another_clients_punt_redirect_is_left_alone(dataplane: Dataplane) -> None:
    """There is one redirect for all interfaces on a node: taking it over would cut its owner off."""
    async with open_stage(dataplane) as stage, AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(os.fspath(stage.api_socket)))
        theirs = await their_interface(session)
        await session.request("add_del_ip_punt_redirect_v2", punt=their_redirect(theirs), is_add=True)
        shown = await stage.vppctl("show ip punt redirect")
        before = await picture(stage)
        stage.start_daemon()
        await until(stage, waits_with("HL-206"))
        assert await picture(stage) == before
        assert await stage.stop_daemon() == 0
        assert await stage.vppctl("show ip punt redirect") == shown
        assert "192.0.2.7" in shown


async def their_interface(session: Session, name: str = "vpp-pod0") -> int:
    """What another client would have in VPP: here an af_packet interface with an address."""
    made = await session.request("af_packet_create_v3", mode=1, flags=2, host_if_name=name, use_random_hw_addr=True)
    index = int(made.sw_if_index)
    up = Request("sw_interface_set_flags", {"sw_if_index": index, "flags": 1})
    address = {"sw_if_index": index, "is_add": True, "prefix": "192.0.2.1/24"}
    six = Request("sw_interface_ip6_enable_disable", {"sw_if_index": index, "enable": True})
    raise_first(await session.batch([up, six, Request("sw_interface_add_del_address", address)]))
    return index


def their_redirect(sw_if_index: int) -> dict[str, Any]:
    path = {
        "sw_if_index": sw_if_index,
        "table_id": 0,
        "rpf_id": 0xFFFFFFFF,
        "weight": 1,
        "nh": {"address": {"ip4": "192.0.2.7"}},
        "label_stack": [{}] * 16,
    }
    return {"rx_sw_if_index": 0xFFFFFFFF, "af": 0, "n_paths": 1, "paths": [path]}


async def test_another_clients_interface_on_the_uplink_is_left_alone() -> None:
    """Somebody's VPP startup configuration has opened the NIC's name already."""
    async with open_stage(STANDIN) as stage:
        await stage.lab.exec(stage.lab.vpp, ["ip", "tuntap", "add", NIC, "mode", "tap"])
        async with open_session(os.fspath(stage.api_socket)) as session:
            await their_interface(session, NIC)
        before = await picture(stage)
        stage.start_daemon()
        refused = await until(stage, waits_with("HL-207"))
        assert f"host-{NIC}" in detail(refused, "HL-207")
        assert await picture(stage) == before
        assert await stage.stop_daemon() == 0
        assert f"host-{NIC}" in await stage.vppctl("show interface")


# A mask of their own, over the IPv6 source address: 48 bytes, as hostlink's, and not equal to it.
_THEIR_MASK = bytes([0] * 8 + [0xFF] * 16 + [0] * 24)


async def their_table(session: Session) -> int:
    fields: dict[str, Any] = {
        "is_add": True,
        "table_index": 0xFFFFFFFF,
        "nbuckets": 2,
        "memory_size": 1 << 20,
        "match_n_vectors": 3,
        "next_table_index": 0xFFFFFFFF,
        "miss_next_index": 0xFFFFFFFF,
        "current_data_flag": 1,
        "mask_len": 48,
        "mask": _THEIR_MASK,
    }
    return int((await session.request("classify_add_del_table", **fields)).new_table_index)


async def bind(session: Session, sw_if_index: int, table: int) -> None:
    none = 0xFFFFFFFF
    fields: dict[str, Any] = {
        "sw_if_index": sw_if_index,
        "ip4_table_index": none,
        "ip6_table_index": table,
        "l2_table_index": none,
    }
    await session.request("output_acl_set_interface", is_add=True, **fields)


async def test_a_classifier_of_another_client_on_every_interface_is_let_alone() -> None:
    """A client that binds its own table to each interface as it appears: hostlink needs no slot, and takes none."""
    async with open_stage(STANDIN) as stage, AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(os.fspath(stage.api_socket)))
        table = await their_table(session)
        await session.request("want_interface_events", enable_disable=1, pid=os.getpid())

        async def bind_each() -> None:
            async for event in session.events:
                if event.name == "sw_interface_event":
                    with suppress(VppRefused):  # the event was of its deletion
                        await bind(session, int(event.message.sw_if_index), table)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bind_each)
            stage.start_daemon()
            await stage.wait_state("Steady")
            nursery.cancel_scope.cancel()
        lines = (await stage.vppctl("show outacl type ip6")).splitlines()
        bound = [line.split()[1] for line in lines if line.strip()[:1].isdigit()]
        assert bound == [str(table)] * 2, lines


# ---------------------------------------------------------------------------------------------- the daemon's own needs


@pytest.mark.parametrize("capability", ["net_admin", "net_raw", "sys_admin"])
async def test_a_missing_capability_is_named_and_nothing_is_touched(capability: str) -> None:
    async with open_stage(STANDIN) as stage:
        before = await picture(stage)
        daemon = [sys.executable, "-m", "hostlink", "run", "--config", str(stage.config)]
        argv = ["setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}", *daemon]
        done = await trio.run_process(in_namespace(stage.lab.host, argv), capture_stderr=True, check=False, stdin=b"")
        assert done.returncode == 1
        assert f"CAP_{capability.upper()}" in done.stderr.decode()
        assert "HL-101" in done.stderr.decode()
        assert not stage.runtime.exists()
        assert await picture(stage) == before


async def test_every_fault_of_the_configuration_is_told_at_once() -> None:
    async with open_stage(STANDIN) as stage:
        before = await picture(stage)
        reconfigure(stage, 'driver = "af_packet"', 'driver = "vdpa"\nmtu = 9000')
        done = await stage.hostlink("run", "--config", str(stage.config))
        assert done.returncode == 65
        assert "vdpa" in done.stderr.decode()
        assert "mtu" in done.stderr.decode()
        assert await picture(stage) == before


async def journal_of(stage: Stage) -> Path:
    """A journal as a killed daemon leaves it, with the NIC back where it was: only the file is of interest."""
    stage.start_daemon()
    await stage.wait_state("Steady")
    path = stage.directory / "journal" / f"{NIC}.json"
    kept = path.read_bytes()
    assert await stage.stop_daemon() == 0
    path.write_bytes(kept)
    return path


FAULTY: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn": (lambda content: content[: len(content) // 2], "HL-501"),
    "altered": (lambda content: content.replace(b"192.168.0.1/24", b"192.168.0.9/24"), "HL-501"),
    "foreign": (lambda _: b'{"format": "netplan"}', "HL-502"),
    "newer": (lambda content: content.replace(b'"version":%d' % VERSION, b'"version":9', 1), "HL-503"),
}


async def test_a_journal_that_is_not_to_be_trusted_is_refused_and_kept() -> None:
    """F11, F43: never acted on, and the file stays as it is for whoever looks into it."""
    async with open_stage(STANDIN) as stage:
        path = await journal_of(stage)
        good, before = path.read_bytes(), await picture(stage)
        for case, (spoil, code) in FAULTY.items():
            bad = spoil(good)
            assert bad != good, case
            path.write_bytes(bad)
            for verb in ("run", "release") if case == "altered" else ("run",):
                done = await stage.hostlink(verb, "--config", str(stage.config))
                said = done.stderr.decode()
                assert (done.returncode, code in said) == (1, True), f"{case}: {verb}: {said}"
                assert str(path) in said
                assert path.read_bytes() == bad
            assert await picture(stage) == before, case


async def test_a_journal_folder_that_is_none_is_waited_for() -> None:
    """What cannot be read may hold a takeover: nothing is begun until somebody has looked."""
    async with open_stage(STANDIN) as stage:
        folder = stage.directory / "journal"
        folder.write_text("somebody else's\n")
        before = await picture(stage)
        stage.start_daemon()
        waiting = await until(stage, waits_with("HL-504"))
        assert str(folder) in detail(waiting, "HL-504")
        assert await picture(stage) == before
        assert folder.read_text() == "somebody else's\n"
        folder.unlink()
        await stage.wait_state("Steady")


async def test_without_a_durable_journal_nothing_is_taken() -> None:
    """No way back, no way in: the folder cannot be made. Held, because a disk that is full fills again."""
    async with open_stage(STANDIN) as stage:
        folder = stage.directory / "journal"
        folder.symlink_to("/proc/hostlink-cannot-be-made-here")
        before = await picture(stage)
        stage.start_daemon()
        held = await until(stage, lambda uplink: uplink["state"] == "Detecting" and "HL-505" in codes(uplink))
        assert held["hold"]["kind"] == "failed"
        assert str(folder) in detail(held, "HL-505")
        assert await picture(stage) == before
        folder.unlink()
        resumed = await stage.hostlink("resume")
        assert resumed.returncode == 0, resumed.stderr
        await stage.wait_state("Steady")
        assert await stage.stop_daemon() == 0
        assert await picture(stage) == before
