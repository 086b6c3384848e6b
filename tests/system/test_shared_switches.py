"""What all clients of a VPP share: hostlink leaves alone what is another's, and counts its own exactly.

Redirects share a count behind them that VPP does not check, so that it is right is shown by packets: another client's
redirect works as long as it is there, and no longer.
"""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from hostlink.core.model import NO_INDEX
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, tcp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.session import open_session
from tests.system.claiming import UDP, Kind, need_plugins, told, undelivered
from tests.system.foreign import (
    COMES_BACK,
    DROPPED_BY_LIST,
    Foreign,
    bind,
    drop_table,
    settle_in,
)

ROUNDS = 5 if deadline_factor() == 1 else 2
"""Of two takeovers and a restart each, which take an emulated CPU two minutes."""
CLASSIFIED = {COMES_BACK, DROPPED_BY_LIST}
"""What comes back where the classifiers drop two of four protocols."""


async def node_works(stage: Stage) -> None:
    """TCP from the wire to the host, which needs VPP's punting where the NIC is VPP's. Raises FlowError."""
    for address in (HOST4.ip, HOST6.ip):
        try:
            await tcp_roundtrip(stage.lab.wire, address)
        except FlowError:  # the first may fall into the handover
            await tcp_roundtrip(stage.lab.wire, address)


async def stays_through_a_takeover(stage: Stage, foreign: Foreign, expected: set[int]) -> None:
    """The other client's things by dump and by packets: before, taken, adopted, given back, taken again, the end."""
    before = await foreign.dumps()
    assert before["range"] == 1
    assert before["redirect"] != []

    async def same(when: str) -> None:
        assert await foreign.dumps() == before, when
        assert await foreign.come_back() == expected, when
        assert await foreign.proxied(), when

    await same("before")
    async with servers(stage.lab):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await same("taken over")
        await node_works(stage)
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        await stage.wait_state("Steady")
        await same("adopted")
        await node_works(stage)
        assert (await stage.hostlink("release")).returncode == 0
        await same("given back")
        assert (await stage.hostlink("resume")).returncode == 0
        await stage.wait_state("Steady")
        await same("taken again")
        assert await stage.stop_daemon() == 0
        await same("the end")


async def test_another_clients_things_stay_and_work(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        foreign = await settle_in(stage)
        await stays_through_a_takeover(stage, foreign, CLASSIFIED)


@pytest.fixture
def with_acl(dataplane: Dataplane) -> Dataplane:
    """A real VPP with the acl plugin."""
    need_plugins(dataplane, "acl")
    return dataplane


async def test_another_clients_access_lists_stay_and_work(with_acl: Dataplane) -> None:
    async with open_stage(with_acl, vpp_plugins=("acl",)) as stage:
        foreign = await settle_in(stage, with_lists=True)
        await stays_through_a_takeover(stage, foreign, CLASSIFIED - {DROPPED_BY_LIST})


async def test_a_taken_redirect_is_refused_before_the_nic_moves(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        foreign = await settle_in(stage)
        await foreign.redirect(NO_INDEX, is_add=True)
        index = await stage.on_host("cat", f"/sys/class/net/{NIC}/ifindex")
        stage.start_daemon()
        await stage.wait_state("Detecting")
        await told(stage, "HL-206")
        assert await stage.on_host("cat", f"/sys/class/net/{NIC}/ifindex") == index
        assert await foreign.redirects() == {NO_INDEX, foreign.pod}
        assert COMES_BACK in await foreign.come_back()
        await foreign.redirect(NO_INDEX, is_add=False)
        await stage.wait_state("Steady")
        assert COMES_BACK in await foreign.come_back()


async def test_a_redirect_that_comes_while_taken_stays_at_the_end(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        foreign = await settle_in(stage)
        await foreign.redirect(foreign.pod, is_add=False)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert COMES_BACK not in await foreign.come_back()
        await foreign.redirect(foreign.pod, is_add=True)
        await foreign.redirect(foreign.service, is_add=True)
        assert COMES_BACK in await foreign.come_back()
        assert await stage.stop_daemon() == 0
        assert await foreign.redirects() == {foreign.pod, foreign.service}
        assert COMES_BACK in await foreign.come_back()


async def test_the_count_behind_redirects_is_right_after_many_takeovers(dataplane: Dataplane, tmp_path: Path) -> None:
    """One add too many and the last delete would leave punting on; one delete too many and an add would not punt."""
    trace = tmp_path / "requests"
    trace.touch()
    async with open_stage(dataplane, vpp_environment={"HOSTLINK_STANDIN_TRACE": str(trace)}) as stage:
        foreign = await settle_in(stage)
        await foreign.redirect(foreign.pod, is_add=False)
        trace.write_text("")
        stage.start_daemon()
        await stage.wait_state("Steady")
        async with servers(stage.lab):
            for _ in range(ROUNDS):
                await stage.stop_daemon(signal.SIGKILL)
                stage.start_daemon()
                await stage.wait_state("Steady")
                await node_works(stage)
                assert (await stage.hostlink("release")).returncode == 0
                assert (await stage.hostlink("resume")).returncode == 0
                await stage.wait_state("Steady")
                await node_works(stage)
        assert await stage.stop_daemon() == 0
        asked = Counter(trace.read_text().split())
        assert await foreign.redirects() == set()
        for _ in range(2):
            await foreign.redirect(foreign.pod, is_add=True)
            assert COMES_BACK in await foreign.come_back(), "the first redirect punts"
            await foreign.redirect(foreign.pod, is_add=False)
            assert COMES_BACK not in await foreign.come_back(), "without one nothing does"
    if not dataplane.real:
        takeovers = ROUNDS + 1
        assert asked["add_del_ip_punt_redirect_v2"] == 2 * 2 * takeovers, "one add and one delete for each family"
        assert asked["proxy_arp_add_del"] == 2 * 4 * takeovers, (
            "two pieces around the range of the other, each with its mark"
        )


async def test_tables_of_another_client_on_hostlinks_own_interface_do_no_harm(dataplane: Dataplane) -> None:
    """hostlink uses no ACL slot, so that of its own interfaces is free for others."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        uplink = state["indexes"]["uplink_sw_if_index"]
        async with open_session(stage.api_socket) as session:
            table = await drop_table(session, {9: UDP, 22: 0, 23: 9}, vectors=2)
            await bind(session, "input_acl_set_interface", uplink, table)
            slots = await session.request("classify_table_by_interface", sw_if_index=uplink)
            assert int(slots.ip4_table_id) == table
        dropped, other = Kind(4, UDP, 9), Kind(4, UDP, 11)
        assert await undelivered(stage, {dropped, other}) == {dropped}
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert await undelivered(stage, {dropped, other}) == {dropped}
        assert await stage.stop_daemon() == 0
        assert await undelivered(stage, {dropped, other}) == set(), "given back: VPP has no part in it"


async def test_punting_that_another_client_switched_on_stays_on_at_release(dataplane: Dataplane) -> None:
    """set_punt has no dump; `show udp punt` and `show tcp punt` tell, and are looked at before it is set."""
    async with open_stage(dataplane) as stage:
        async with open_session(stage.api_socket) as session:
            l4 = {"af": 0, "protocol": 17, "port": 65535}
            await session.request("set_punt", is_add=True, punt={"type": 0, "punt": {"l4": l4}})
        before = [await stage.vppctl(f"show {name} punt") for name in ("udp", "tcp")]
        assert [word in before[0] for word in ("IPv4 UDP punt: enabled", "IPv6 UDP punt: enabled")] == [True, False]
        stage.start_daemon()
        await stage.wait_state("Steady")
        held = [await stage.vppctl(f"show {name} punt") for name in ("udp", "tcp")]
        assert [text.count("enabled") for text in held] == [2, 2]
        assert await stage.stop_daemon() == 0
        assert [await stage.vppctl(f"show {name} punt") for name in ("udp", "tcp")] == before


async def test_punting_that_an_earlier_life_switched_on_ends_with_the_takeover(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert await stage.stop_daemon() == 0
        after = [await stage.vppctl(f"show {name} punt") for name in ("udp", "tcp")]
        assert [text.count("enabled") for text in after] == [0, 0]
