"""The bypass is kept true: what somebody takes away of it is put back, and at the end nothing of it stays."""

from __future__ import annotations

import json

import pytest
import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage


async def hooks(stage: Stage) -> dict[str, list[str]]:
    """Every tc program of hostlink's on the node and in VPP's namespace, by device and side."""
    found = {}
    for namespace in (stage.lab.host, stage.lab.vpp):
        for link in json.loads(await stage.lab.exec(namespace, ["ip", "-json", "link"])):
            for side in ("ingress", "egress"):
                text = await stage.lab.exec(namespace, ["tc", "filter", "show", "dev", link["ifname"], side])
                names = [word for word in text.split() if word.startswith("hostlink-")]
                if names:
                    place = "host" if namespace == stage.lab.host else "vpp"
                    found[f"{place} {link['ifname'].rstrip('0123456789')} {side}"] = names
    return found


async def until_whole(stage: Stage, whole: dict[str, list[str]], within_s: float = 5.0) -> None:
    found: dict[str, list[str]] = {}
    with trio.move_on_after(within_s * deadline_factor()):
        while True:
            found = await hooks(stage)
            if found.keys() == whole.keys():
                return
            await trio.sleep(0.05)
    raise AssertionError(f"the bypass was not put back: {sorted(whole.keys() - found.keys())} missing\n{stage.log}")


async def test_six_programs_and_nothing_left_at_the_end(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        before = await stage.on_host("ip", "-oneline", "link")
        stage.start_daemon()
        await stage.wait_state("Steady")
        nic = NIC.rstrip("0123456789")
        assert set(await hooks(stage)) == {
            f"host {nic} egress",
            f"host {nic} ingress",
            "host hlb ingress",
            "vpp hlb ingress",
            f"vpp {nic} egress",
            f"vpp {nic} ingress",
        }
        assert await stage.stop_daemon() == 0
        assert await hooks(stage) == {}
        assert await stage.on_host("ip", "-oneline", "link") == before


@pytest.mark.parametrize("what", ["pair", "filter", "qdisc"])
async def test_what_somebody_takes_away_is_put_back(dataplane: Dataplane, what: str) -> None:
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        whole = await hooks(stage)
        pair = (await stage.on_host("sh", "-c", "ls /sys/class/net | grep ^hlb")).strip()
        command = {
            "pair": ["ip", "link", "delete", pair],
            "filter": ["tc", "filter", "delete", "dev", NIC, "egress"],
            "qdisc": ["tc", "qdisc", "delete", "dev", NIC, "clsact"],
        }[what]
        await stage.on_host(*command)
        await until_whole(stage, whole)
        state = await stage.wait_state("Steady")
        assert "Recovering" not in {move["to"] for move in state["history"]}


async def test_an_undisturbed_bypass_is_set_once(dataplane: Dataplane) -> None:
    """Each look finds nothing to do: the programs' ids stay (a program that is set again has another one)."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        before = await stage.on_host("tc", "filter", "show", "dev", NIC, "egress")
        await stage.on_host("ip", "route", "add", "198.51.100.0/24", "dev", NIC)
        await stage.on_host("ip", "route", "del", "198.51.100.0/24", "dev", NIC)
        await stage.wait_state("Steady")
        assert await stage.on_host("tc", "filter", "show", "dev", NIC, "egress") == before
