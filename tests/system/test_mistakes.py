"""What operators, routers and other clients do to a node that is taken over: nothing of it may cut the node off."""

from __future__ import annotations

import json

import trio

from hostlink.core.model import NO_INDEX
from hostlink.lab import layout
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import ping
from hostlink.lab.layout import HOST4, NIC, ROUTER4
from hostlink.lab.stage import Dataplane, open_stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.session import open_session
from tests.system.picture import picture
from tests.system.test_takeover import wait_mirrored

QUICK = "[timing]\ndeadline_factor = 0.2\naudit_s = 1\n"


async def test_a_link_that_is_set_down_is_no_empty_wish(dataplane: Dataplane) -> None:
    """Down, it has lost its routes and IPv6: it is put back, VPP keeps what it has, and give-back is as before."""
    async with open_stage(dataplane) as stage:
        before = await picture(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        for _ in range(3):
            await stage.on_host("ip", "link", "set", NIC, "down")
            await trio.sleep(0.3)
        await wait_mirrored(stage, {"addresses": 2, "routes_ipv4": 1, "routes_ipv6": 1})
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert await stage.stop_daemon() == 0, stage.log
        assert await picture(stage) == before


async def test_a_router_that_falls_silent_ends_no_takeover(standin: Dataplane) -> None:
    """F49: the path was proved once. Later a router's silence is told, and is nobody's fault here."""
    async with open_stage(standin, settings=QUICK) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", layout.LAN, "down"])
        with trio.fail_after(20 * deadline_factor()):
            while True:
                state = await stage.wait_state("Steady")
                if any(problem["code"] == "HL-412" for problem in state["problems"]):
                    break
        assert str(ROUTER4.ip) in json.dumps(state["problems"])
        await stage.lab.exec(stage.lab.wire, ["ip", "link", "set", layout.LAN, "up"])
        with trio.fail_after(20 * deadline_factor()):
            while True:
                if not (await stage.wait_state("Steady"))["problems"]:
                    break
        assert "Recovering" not in stage.log


async def test_the_mtu_of_the_parked_nic_follows(dataplane: Dataplane) -> None:
    """VPP never has a larger one than the device below it, which one packet would wedge. Cluster routes follow."""
    async with open_stage(dataplane, settings='[cluster]\npod_cidrs = ["10.244.0.0/16", "fd00:244::/48"]\n') as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        for mtu in (1400, 2000, 1300):
            await stage.on_host("ip", "link", "set", NIC, "mtu", str(mtu))
            with trio.fail_after(15 * deadline_factor()):
                while True:
                    await stage.wait_state("Steady")
                    shown = await stage.vppctl("show interface")
                    ports = [line.split()[3] for line in shown.splitlines() if line.startswith(("host-", "tap"))]
                    if {port.split("/")[0] for port in ports} == {str(mtu)}:
                        break
            (parked,) = json.loads(await stage.lab.exec(stage.lab.vpp, ["ip", "-json", "link", "show", "dev", NIC]))
            assert parked["mtu"] == mtu
            for family, prefix in (("-4", "10.244.0.0/16"), ("-6", "fd00:244::/48")):
                assert f"mtu {mtu - 60}" in await stage.on_host("ip", family, "route", "show", prefix)
        assert await ping(stage.lab.host, ROUTER4.ip, size_bytes=1000, count=3) >= 2


async def test_two_entries_for_one_nic(standin: Dataplane) -> None:
    """F39: the second says so and touches nothing of the first's."""
    second = '[[uplink]]\nmatch = { default_route = true }\nhost_link = "veth"\n'
    async with open_stage(standin, settings=second) as stage:
        before = await picture(stage)
        stage.start_daemon()
        with trio.fail_after(20 * deadline_factor()):
            while True:
                done = await stage.hostlink("state", "--json")
                uplinks = json.loads(done.stdout)["uplinks"] if done.returncode == 0 else []
                if uplinks and uplinks[0]["state"] == "Steady":
                    break
        assert uplinks[1]["state"] == "Detecting"
        await trio.sleep(3)  # a round of Detecting
        assert (await stage.state())["state"] == "Steady"
        assert await stage.stop_daemon() == 0, stage.log
        assert await picture(stage) == before


async def test_a_strangers_interface_of_our_names_is_left_alone(standin: Dataplane) -> None:
    async with open_stage(standin) as stage:
        await stage.on_host("ip", "link", "add", "hl2", "type", "bridge")
        stage.start_daemon()
        with trio.fail_after(20 * deadline_factor()):
            while True:
                done = await stage.hostlink("state", "--json")
                problems = json.loads(done.stdout)["uplinks"][0]["problems"] if done.returncode == 0 else []
                if any(problem["code"] == "HL-110" for problem in problems):
                    break
        assert await stage.stop_daemon() == 0
        assert "hl2" in await stage.on_host("ip", "link")


async def test_a_stop_leaves_other_clients_of_vpp_alone(dataplane: Dataplane) -> None:
    """Nothing was taken, so nothing is ours: proxy ranges and redirects that somebody else set stay."""
    async with open_stage(dataplane) as stage:
        async with open_session(stage.api_socket) as session:
            proxy = {"table_id": 0, "low": "0.0.0.1", "hi": "255.255.255.254"}
            await session.request("proxy_arp_add_del", is_add=True, proxy=proxy)
            path = {"sw_if_index": 0, "table_id": 0, "rpf_id": NO_INDEX, "weight": 1, "proto": 0, "n_labels": 0}
            path |= {"nh": {"address": {"ip4": "192.0.2.1"}}, "label_stack": [{}] * 16, "type": 0, "flags": 0}
            punt = {"rx_sw_if_index": NO_INDEX, "af": 0, "n_paths": 1, "paths": [path | {"preference": 0}]}
            await session.request("add_del_ip_punt_redirect_v2", is_add=True, punt=punt)
            shared = await (await open_dataplane(session)).read_shared()
        stage.start_daemon()
        with trio.fail_after(20 * deadline_factor()):
            while True:
                done = await stage.hostlink("state", "--json")
                problems = json.loads(done.stdout)["uplinks"][0]["problems"] if done.returncode == 0 else []
                if any(problem["code"] == "HL-206" for problem in problems):
                    break
        assert await stage.stop_daemon() == 0, stage.log
        async with open_session(stage.api_socket) as session:
            assert await (await open_dataplane(session)).read_shared() == shared
