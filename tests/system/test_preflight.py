"""`hostlink preflight`: all that stands against a takeover at once, and nothing touched by asking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hostlink.lab.layout import NIC, NIC_MAC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.session import open_session
from tests.system.picture import picture
from tests.system.test_documents import checked

CLUSTER = '[cluster]\npod_cidrs = ["fd00:244::/48"]\n'


def has_vhost(stage: Stage) -> bool:
    """Whether preflight may find what host_link asks for: a stand-in makes its tap without vhost-net."""
    return stage.dataplane.host_link == "veth" or Path("/dev/vhost-net").exists()


async def asked(stage: Stage, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """(exit status, the checks)."""
    done = await stage.hostlink("preflight", "--json", "--config", str(stage.config), *options)
    assert done.stdout, done.stderr.decode()
    document = checked("preflight", done.stdout)
    assert document["fit"] is (done.returncode == 0)
    return done.returncode, document["checks"]


async def everything(stage: Stage) -> dict[str, Any]:
    """The host, its sysctls, VPP's namespace, VPP and the files that hostlink keeps."""
    async with open_session(stage.api_socket) as session:
        sources = [str(one.src.name) for one in await session.dump("fib_source_dump")]
        interfaces = [str(one.interface_name) for one in await session.dump("sw_interface_dump")]
    links = ("ip", "-details", "address")
    return {
        "nic": await picture(stage),
        "links": await stage.on_host(*links),
        "there": await stage.lab.exec(stage.lab.vpp, links),
        "sysctls": await stage.on_host("sh", "-c", "cd /proc/sys/net; grep -rs . ipv?/conf ipv?/neigh; true"),
        "sources": sources,
        "interfaces": interfaces,
        "files": sorted(str(path) for path in stage.directory.rglob("*")),
    }


async def test_every_obstacle_at_once_and_nothing_touched(dataplane: Dataplane, tmp_path: Path) -> None:
    """F01: the .network file goes by what the host's interface has not. The others are on the host and where VPP is."""
    network = tmp_path / "etc/systemd/network/10-nic.network"
    running = tmp_path / "run/systemd/netif/state"
    for path in (network, running):
        path.parent.mkdir(parents=True)
    running.touch()
    network.write_text("[Match]\nDriver=veth\nProperty=ID_BUS=pci\n")
    async with open_stage(dataplane, settings=CLUSTER) as stage:
        index = json.loads(await stage.on_host("ip", "-json", "link", "show", NIC))[0]["ifindex"]
        await stage.on_host("ip", "link", "add", f"hl{index}", "type", "bridge")
        await stage.lab.exec(stage.lab.vpp, ["ip", "link", "add", f"hlb{index}", "type", "bridge"])
        await stage.on_host("ip", "link", "add", "br0", "type", "bridge")
        await stage.on_host("ip", "link", "set", NIC, "master", "br0", "mtu", "1300")
        before = await everything(stage)
        status, checks = await asked(stage, "--root", str(tmp_path))
        assert await everything(stage) == before
        found = [(check["result"], check["code"]) for check in checks if check["code"]]
        vhost = [] if has_vhost(stage) else [("error", "HL-111")]
        wanted = [("error", "HL-104"), ("error", "HL-110"), ("error", "HL-110"), ("warning", "HL-117")]
        assert sorted(found) == sorted([*wanted, ("warning", "HL-122"), *vhost])
        assert all(check["to_do"] for check in checks if check["code"])
        assert status == 1
        managed = next(check for check in checks if check["subject"] == "managed by")
        assert managed["detail"] == "systemd-networkd (/etc/systemd/network/10-nic.network)"


async def test_a_node_that_is_fit_taken_over_held_and_without_vpp(dataplane: Dataplane, tmp_path: Path) -> None:
    """With a daemon beside it or without one; a hold and a VPP that is away stand against it."""
    async with open_stage(dataplane) as stage:
        before = await everything(stage)
        status, checks = await asked(stage, "--root", str(tmp_path))
        assert await everything(stage) == before
        errors = [check["code"] for check in checks if check["result"] == "error"]
        assert errors == ([] if has_vhost(stage) else ["HL-111"])
        assert status == (1 if errors else 0)
        stage.start_daemon()
        await stage.wait_state("Steady")
        _, checks = await asked(stage, "--root", str(tmp_path))
        assert any("is taken over already (proved)" in check["detail"] for check in checks)
        assert {check["code"] for check in checks if check["result"] == "error"} <= {"HL-111"}
        assert (await stage.hostlink("release")).returncode == 0
        assert await stage.stop_daemon() == 0, stage.log
        stage.kill_vpp()
        status, checks = await asked(stage, "--root", str(tmp_path))
        codes = [check["code"] for check in checks if check["result"] == "error"]
        assert sorted(codes) == sorted([*errors, "HL-123", "HL-201"])
        assert status == 1
        done = await stage.hostlink("preflight", "--config", str(stage.config), "--root", str(tmp_path))
        (line,) = [line for line in done.stdout.decode().splitlines() if "HL-201" in line]
        assert line.startswith("error   node: VPP")
        assert ". To do: see `systemctl status vpp`" in line
        assert NIC_MAC in await stage.on_host("ip", "link", "show", NIC)
