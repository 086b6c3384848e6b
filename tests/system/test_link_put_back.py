"""A host link that somebody deletes is put back in place, and VPP's part of the uplink does not notice (F35, F56)."""

from __future__ import annotations

import json

from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, text
from hostlink.kernel.link import link_body
from hostlink.kernel.netlink import Request, open_netlink
from hostlink.lab.flows import ping, tcp_roundtrip
from hostlink.lab.layout import HOST4, HOST6, NIC, NODE2_4, POD4, ROUTER4, ROUTER6
from hostlink.lab.proofs import servers
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import in_vpp, index_of, link_of, pinging, settled, wait_successor
from tests.system.picture import picture
from tests.system.rounds import eventually
from tests.system.test_bad_input import codes, detail, until

LOST = 1
"""Of the pod's pings: the put-back itself takes VPP's main thread for some milliseconds."""


async def test_a_deleted_host_link_is_put_back_and_nothing_is_withdrawn(dataplane: Dataplane) -> None:
    """F35, F56: with what the host had last, DHCP's address and edits alike; pods never notice, flows go on."""
    async with open_stage(dataplane) as stage, servers(stage.lab):
        stage.start_daemon()
        await stage.wait_state("Steady")
        await stage.lab.pod_attach(stage.api_socket)
        for edit in (f"address add 192.168.0.77/24 dev {NIC}", f"route add 203.0.113.0/24 via {NODE2_4.ip}"):
            await stage.on_host("ip", *edit.split())
        await stage.on_host("ip", "link", "set", NIC, "alias", "the uplink")
        await _has_route(stage, "203.0.113.0/24")
        await settled(stage)
        before, node, number = await in_vpp(stage), await picture(stage), await index_of(stage)
        assert await ping(stage.lab.pod, ROUTER4.ip, count=3) >= 2
        async with pinging(stage.lab.pod, ROUTER4.ip) as pod, pinging(stage.lab.pod, ROUTER6.ip) as pod6:
            for _ in range(2):
                await stage.on_host("ip", "link", "delete", NIC)
                number = await wait_successor(stage, number)
                assert await in_vpp(stage) == before, "VPP's uplink is as it was"
                await _host_works(stage)
        for pinger in (pod, pod6):
            assert pinger.lost <= LOST, f"{pod} {pod6}\n{stage.log}"
            assert pinger.answered > 10
        state = await stage.state()
        assert "Recovering" not in stage.log
        assert "deleted" in detail(state, "HL-304")
        after = await picture(stage)
        assert _without_index(after) == _without_index(node)
        assert await stage.stop_daemon() == 0, stage.log
        assert _without_index(await picture(stage))["addresses"] == node["addresses"]


async def _has_route(stage: Stage, prefix: str) -> None:
    async def there() -> bool:
        return any(str(route.prefix) == prefix for route in (await in_vpp(stage))["routes"])

    await eventually(f"VPP has {prefix}", there)


async def _host_works(stage: Stage) -> None:
    """Both ways and both families, from the wire and from the pod: redirects and neighbours lead to the new port."""
    for address in (HOST4.ip, HOST6.ip):
        await tcp_roundtrip(stage.lab.wire, address)
        await tcp_roundtrip(stage.lab.pod, address)
    for address in (ROUTER4.ip, ROUTER6.ip, POD4):
        await tcp_roundtrip(stage.lab.host, address)
    assert await ping(stage.lab.node2, "192.168.0.77", count=3) >= 2


def _without_index(shown: dict[str, object]) -> dict[str, object]:
    link = dict(shown["link"])  # type: ignore[call-overload]
    link.pop("ifindex")
    link.pop("altnames")
    return {**shown, "link": link}


async def test_a_name_that_a_stranger_took_is_left_to_it(standin: Dataplane) -> None:
    """A link of our name that is not ours is named and left; the host works on, and has its name when that is free."""
    async with open_stage(standin, settings="[timing]\naudit_s = 1\n") as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        before = await in_vpp(stage)
        await _replace_by_bridge(stage)
        state = await until(stage, lambda uplink: uplink["state"] == "Steady" and "HL-322" in codes(uplink))
        assert NIC in detail(state, "HL-322")
        there = await link_of(stage)
        assert there is not None
        assert there["linkinfo"]["info_kind"] == "bridge"
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert await ping(stage.lab.host, ROUTER4.ip, count=3) >= 2
        assert await in_vpp(stage) == before
        await stage.on_host("ip", "link", "delete", NIC)
        await until(stage, lambda uplink: uplink["state"] == "Steady" and "HL-322" not in codes(uplink))
        await _deleted_again_and_again(stage)


async def _replace_by_bridge(stage: Stage) -> None:
    """In one message to the kernel: by two of them hostlink may come first."""
    bridge = attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, "bridge"))
    delete = Request("delete the host link", uapi.RTM_DELLINK, link_body(await index_of(stage)))
    add = link_body(attributes=text(uapi.IFLA_IFNAME, NIC) + bridge)
    async with open_netlink(stage.lab.host) as host:
        flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
        assert await host.requests([delete, Request("add a bridge", uapi.RTM_NEWLINK, add, flags)]) == [None, None]


async def _deleted_again_and_again(stage: Stage) -> None:
    """Whoever does that five times in a minute does it for ever: the NIC is the host's, until an operator resumes."""
    for _ in range(5):
        number = await index_of(stage)
        await stage.on_host("ip", "link", "delete", NIC)
        if await _given_up(stage, number):
            break
    state = await until(stage, lambda uplink: uplink["state"] == "Detecting" and "HL-420" in codes(uplink))
    assert "5 times" in detail(state, "HL-420")
    address = json.loads(await stage.on_host("ip", "-json", "address", "show", "dev", NIC))
    assert str(HOST4.ip) in json.dumps(address)
    assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
    assert (await stage.hostlink("resume")).returncode == 0
    await stage.wait_state("Steady")


async def _given_up(stage: Stage, before: int) -> bool:
    async def either() -> bool:
        return "HL-420" in stage.log or await index_of(stage) not in (0, before)

    await eventually("put back, or given up", either, 10.0)
    return "HL-420" in stage.log
