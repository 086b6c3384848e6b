"""`hostlink plan`: what it says before a takeover is what the takeover does, and asking touches nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hostlink.cli.plan_text import SIGNS
from hostlink.lab.layout import NIC, NIC_MAC, ROUTER4
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.vpp.routes import own_source
from hostlink.vpp.session import Session
from tests.system.overheard import overhearing, reading, requests
from tests.system.rounds import eventually
from tests.system.spoken import is_read, spoken
from tests.system.test_documents import checked
from tests.system.test_preflight import everything

Line = tuple[str, str, str]
"""(side, what it is about, the line with its sign)"""
CLUSTER = '[cluster]\npod_cidrs = ["10.244.0.0/16"]\n'
GATEWAY = ROUTER4.ip
DRESSED = (
    ("address", "add", "192.168.0.77/32", "dev", NIC, "valid_lft", "3000", "preferred_lft", "2000"),
    ("address", "add", "fd00::77/128", "dev", NIC),
    ("route", "add", "203.0.113.0/24", "via", str(GATEWAY), "dev", NIC, "mtu", "1300"),
    ("route", "add", "203.0.114.0/24", "via", str(GATEWAY), "dev", NIC, "table", "4711"),
    ("route", "add", "default", "via", str(GATEWAY), "dev", NIC, "metric", "700"),
    ("route", "add", "198.51.100.128/25", "dev", NIC),
    ("route", "add", "blackhole", "198.18.0.0/15"),
    ("rule", "add", "iif", NIC, "lookup", "4711", "priority", "900"),
    ("neighbour", "add", "192.168.0.99", "lladdr", "02:00:00:00:00:99", "dev", NIC, "nud", "permanent"),
    ("link", "property", "add", "dev", NIC, "altname", "wan"),
    ("link", "set", NIC, "alias", "to the lab", "txqueuelen", "500"),
)
"""What the NIC is given, so that each kind of thing that a takeover carries is there."""
MADE = {
    "veth ": ["veth.create"],
    "tap ": ["tap.create", "tap.mac", "tap.mtu", "tap.persist", "tap.detach"],
}
"""What the kernel is asked for what is made (hostlink/kernel/seam.py)."""
KINDS = {"tap": "tun", "veth": "veth"}
NEVER = "[timing]\naudit_s = 3000\n"
OPENING = ("sockclnt_create", "sockclnt_delete", "get_api_json", "want_interface_events", "fib_source_add")
"""How a session begins: the daemon's own, which may be opened at any time, and that of a plan without a daemon."""


async def dress(stage: Stage) -> None:
    for words in DRESSED:
        await stage.on_host("ip", *words)
    await stage.on_host("sysctl", "-qw", f"net.ipv4.conf.{NIC}.rp_filter=2")


async def in_the_way(stage: Stage) -> str:
    """An interface that keeps a takeover from beginning until it is deleted: the daemon waits in Detecting."""
    index = json.loads(await stage.on_host("ip", "-json", "link", "show", NIC))[0]["ifindex"]
    await stage.on_host("ip", "link", "add", f"hl{index}", "type", "bridge")
    return f"hl{index}"


PACKED = ("+ 203.0.113.0/24 ", "+ 198.18.0.0/15 ")
"""Of the routes that `dress` makes those of table main that are told from others by their destination alone."""


async def asked(stage: Stage, *options: str) -> dict[str, Any]:
    """The uplink's part of the plan document."""
    done = await stage.hostlink("plan", "--json", *options)
    assert done.stdout, done.stderr.decode()
    (uplink,) = checked("plan", done.stdout)["uplinks"]
    found: dict[str, Any] = uplink
    return found


def told(groups: list[dict[str, Any]]) -> list[Line]:
    """(side, what it is about, line), in their order."""
    return [
        (group["side"], group["about"], f"{SIGNS[line['change']]} {line['text']}")
        for group in groups
        for line in group["lines"]
    ]


def of_takeover(plan: dict[str, Any]) -> list[Line]:
    return [line for phase in plan["takeover"]["phases"] for line in told(phase["groups"])]


async def names_in_vpp(session: Session) -> dict[int, str]:
    return {one.sw_if_index: str(one.interface_name) for one in await session.dump("sw_interface_dump")}


async def test_a_takeover_does_what_was_planned(dataplane: Dataplane) -> None:
    """VPP: each request, by its fields. The kernel: each operation, by its kind; and what is there in the end."""
    async with open_stage(dataplane, settings=CLUSTER) as stage, overhearing(stage) as heard:
        await dress(stage)
        trace = stage.directory / "operations"
        obstacle = await in_the_way(stage)
        stage.start_daemon(HOSTLINK_LAB_TRACE_KERNEL=str(trace))
        await _found(stage)
        plan = await asked(stage)
        assert [one["code"] for one in plan["problems"] if one["severity"] == "error"] == ["HL-110"]
        assert plan["takeover"]["probes"] == [f"{GATEWAY} (neighbour)", f"{GATEWAY} (echo)", "fe80::1 (neighbour)"]
        before, done = _size(heard), len(_operations(trace))
        await stage.on_host("ip", "link", "delete", obstacle)
        await stage.wait_state("Steady")
        lines = of_takeover(plan)
        async with reading(stage) as session:
            sent = spoken(requests(heard, session, before), await names_in_vpp(session))
        assert packed_sorted(sent) == packed_sorted(as_sent(lines))
        assert done_to_the_kernel(_operations(trace)[done:]) == kinds(lines)
        await _is_there(stage, lines)
        assert (await asked(stage))["groups"] == []


def as_sent(lines: list[Line]) -> list[str]:
    """VPP's lines as they go out: on-link routes first, because they go by another FIB source; from hostlink's own they
    are taken away, in case one by a gateway was there (vpp/dataplane.py, change_routes). What is packed comes last."""
    mine = [(about, line) for side, about, line in lines if side == "VPP"]
    routes = [line for about, line in mine if about == "routes"]
    on_link = [line for line in routes if " via " not in line and " dev " in line]
    assert 0 < len(on_link) < len(routes)
    first = mine.index(("routes", routes[0]))
    packed = [line for line in routes if line.startswith(PACKED)]
    assert packed == routes[-len(packed) :]
    others = [line for line in routes if line not in (*on_link, *packed)]
    gone = [f"- {line.split()[1]}" for line in on_link]
    plain = [line for about, line in mine if about != "routes"]
    return [*plain[:first], *on_link, *others, *gone, *packed, *plain[first:]]


def packed_sorted(lines: list[str]) -> list[str]:
    """What is packed is a set: its routes go out together, in any order."""
    packed = sorted(line for line in lines if line.startswith(PACKED))
    first = min(lines.index(line) for line in packed)
    assert sorted(lines[first : first + len(packed)]) == packed, "together"
    return [*lines[:first], *packed, *lines[first + len(packed) :]]


async def _found(stage: Stage) -> None:
    async def is_detecting() -> bool:
        state = await stage.state()
        return any(one["code"] == "HL-110" for one in state["problems"])

    await stage.wait_state("Detecting")
    await eventually("the obstacle was met", is_detecting)


def _operations(trace: Path) -> list[str]:
    return trace.read_text().split() if trace.exists() else []


def kinds(lines: list[Line]) -> list[str]:
    """The kernel's part of the plan, as the seam that every change to the kernel passes calls it."""
    return [kind for side, about, line in lines if side not in ("VPP", "journal") for kind in _kinds(about, line)]


def _kinds(about: str, line: str) -> list[str]:
    change, text = line[0], line[2:]
    if about in ("addresses", "routes"):
        return [f"{'address' if about == 'addresses' else 'route'}.{'add' if change == '+' else 'change'}"]
    if about in ("neighbours", "bypass"):
        return ["neighbour.add" if about == "neighbours" else "tc.filter"]
    if "sysctl net/" in text or " rule " in text:
        return ["sysctl.set" if "sysctl net/" in text else "rule.add"]
    for beginning, made in MADE.items():
        if text.startswith(beginning):
            return made
    if "altname" in text or "namespace" in text or "renamed" in text:
        return ["link.altname" if "altname" in text else "link.move" if "namespace" in text else "link.rename"]
    return ["link.set"]


def done_to_the_kernel(operations: list[str]) -> list[str]:
    """What was done, without what belongs to putting a program in its place (loading it, the hooks that are there or
    not), and without the one look more at the NIC's being quiet and up (handover.py, _park)."""
    plain = [name for name in operations if name not in ("bpf.load", "tc.qdisc")]
    moved = plain.index("link.move")
    first_change = moved + plain[moved:].index("address.change")
    assert plain[first_change - 2 : first_change] == ["sysctl.set", "link.set"]
    return plain[: first_change - 2] + plain[first_change:]


async def _is_there(stage: Stage, lines: list[Line]) -> None:
    """On the host, what was to be made there is, as `ip` shows it."""
    mine = [(about, line[2:].replace(f" dev {NIC}", "")) for side, about, line in lines if side == "Linux"]
    (link,) = json.loads(await stage.on_host("ip", "-json", "-details", "address", "show", "dev", NIC))
    assert (link["linkinfo"]["info_kind"], link["address"]) == (KINDS[stage.dataplane.host_link], NIC_MAC)
    assert (link["ifalias"], link["txqlen"]) == ("to the lab", 500)
    assert set(link["altnames"]) == {text.partition(": altname ")[2] for _, text in mine if ": altname " in text}
    addresses = {f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]}
    assert addresses == {text.split()[0] for about, text in mine if about == "addresses"}
    shown = [await stage.on_host("ip", f"-{n}", "route", "show", "table", "all", "dev", NIC) for n in (4, 6)]
    there = [line.split() for line in "".join(shown).splitlines() if "proto kernel" not in line]
    wanted = [text.split() for about, text in mine if about == "routes"]
    assert len(there) == len(wanted)
    assert all(any(set(words) <= set(line) for line in there) for words in wanted), (wanted, there)
    assert "192.168.0.99 lladdr 02:00:00:00:00:99 PERMANENT" in await stage.on_host(
        "ip", "neighbour", "show", "dev", NIC
    )
    sysctls = dict(text.partition("sysctl net/")[2].split(" = ") for _, text in mine if "sysctl net/" in text)
    for path, value in sysctls.items():
        own = path.replace(re.search(r"/(hl\d+)/", path)[1], NIC) if re.search(r"/hl\d+/", path) else path
        assert (await stage.on_host("cat", f"/proc/sys/net/{own}")).strip() == value, path


# -------------------------------------------------------------------------------------------------- touching nothing


async def test_asking_touches_nothing(dataplane: Dataplane) -> None:
    """Before a takeover, with a daemon and without one, and after it: the host, VPP, the files, the requests."""
    async with open_stage(dataplane, settings=CLUSTER) as stage, overhearing(stage) as heard:
        await dress(stage)
        await _asked_quietly(stage, heard, 69)
        obstacle = await in_the_way(stage)
        stage.start_daemon()
        await _found(stage)
        await _asked_quietly(stage, heard, 0)
        await stage.on_host("ip", "link", "delete", obstacle)
        await stage.wait_state("Steady")
        await _asked_quietly(stage, heard, 0)


async def _asked_quietly(stage: Stage, heard: Path, status: int) -> None:
    before, size = await everything(stage), _size(heard)
    done = await stage.hostlink("plan", "--config", str(stage.config))
    assert done.returncode == status, done.stderr.decode()
    assert _lasting(await everything(stage)) == _lasting(before)
    async with reading(stage) as session:
        asked_of_vpp = requests(heard, session, size)
    assert asked_of_vpp
    assert [one.name for one in asked_of_vpp if not is_read(one) and one.name not in OPENING] == []


def _size(file: Path) -> int:
    return file.stat().st_size


def _lasting(seen: dict[str, Any]) -> dict[str, Any]:
    """But for lifetimes, which run down."""
    return {
        name: re.sub(r"_lft \d+sec", "", value) if isinstance(value, str) else value for name, value in seen.items()
    }


# ---------------------------------------------------------------------------------------------- Linux against VPP


async def test_a_difference_is_told_by_what_it_concerns(dataplane: Dataplane) -> None:
    """Somebody has meddled with VPP and with the host's interface: all of it is told, and then nothing any more."""
    async with open_stage(dataplane, settings=NEVER) as stage:
        await dress(stage)
        stage.start_daemon()
        await stage.wait_state("Steady")
        done = await stage.hostlink("plan")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", f"{NIC}: nothing to do\n".encode())
        async with reading(stage) as session:
            names = {name: index for index, name in (await names_in_vpp(session)).items()}
            await meddle(session, names[f"host-{NIC}"])
        plan = await asked(stage)
        nic = f"host-{NIC}"
        assert {(group["side"], group["about"], group["family"], group["table"]) for group in plan["groups"]} == {
            ("VPP", "interfaces", None, None),
            ("VPP", "addresses", None, None),
            ("VPP", "routes", 4, 254),
            ("VPP", "punt path", None, None),
        }
        assert [line for _, _, line in told(plan["groups"])] == [
            f"~ {nic}: set MTU 1500",
            f"+ fd00::77/64 dev {nic}",
            f"- 192.168.55.1/24 dev {nic}",
            f"+ 203.0.113.0/24 via {GATEWAY} dev {nic}",
            "+ punt IPv6 UDP to unclaimed ports",
        ]
        assert plan["totals"] == {"add": 3, "delete": 1, "change": 1}
        done = await stage.hostlink("plan")
        assert done.stdout.decode().splitlines()[0] == (
            f"{NIC}  3 to add, 1 to delete, 1 to change, to make VPP what Linux says"
        )
        assert (await stage.hostlink("state", "--audit")).returncode == 0
        assert (await asked(stage))["groups"] == []


async def meddle(session: Session, nic: int) -> None:
    """What another client of VPP's may do to what is hostlink's."""
    await session.request("sw_interface_set_mtu", sw_if_index=nic, mtu=[1400, 0, 0, 0])
    for is_add, prefix in ((False, "fd00::77/64"), (True, "192.168.55.1/24")):
        fields = {"sw_if_index": nic, "is_add": is_add, "del_all": False, "prefix": prefix}
        await session.request("sw_interface_add_del_address", **fields)
    route = {"table_id": 0, "prefix": "203.0.113.0/24", "src": await own_source(session), "n_paths": 0}
    await session.request("ip_route_add_del_v2", is_add=False, route=route)
    l4 = {"af": 1, "protocol": 17, "port": 65535}
    await session.request("set_punt", is_add=False, punt={"type": 0, "punt": {"l4": l4}})


async def test_a_large_difference_is_cut_and_counted(standin: Dataplane) -> None:
    async with open_stage(standin) as stage:
        batch = stage.directory / "batch"
        batch.write_text("".join(f"route add 10.9.{n}.0/24 via {GATEWAY} dev {NIC}\n" for n in range(40)))
        await stage.on_host("ip", "-batch", str(batch))
        await in_the_way(stage)
        stage.start_daemon()
        await _found(stage)
        for options, shown in (((), 40), (("--limit", "3"), 3), (("--limit", "0"), 40)):
            plan = await asked(stage, *options)
            groups = [group for phase in plan["takeover"]["phases"] for group in phase["groups"]]
            routes = [one for one in groups if (one["side"], one["about"], one["family"]) == ("VPP", "routes", 4)]
            assert sum(one["count"] for one in routes) == 41
            assert max(len(one["lines"]) for one in routes) == shown
        text = (await stage.hostlink("plan", "--limit", "3")).stdout.decode()
        # The default route stands apart on both sides.
        assert text.count("      … and 37 more (--limit 0 shows all)") == 2, "on the host's interface, and in VPP"


# ------------------------------------------------------------------------------------------------- when it is no time


async def test_what_is_told_while_held_without_vpp_and_without_a_daemon(dataplane: Dataplane) -> None:
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        alone = ("--runtime-dir", "/nonexistent", "--config", str(stage.config))
        done = await stage.hostlink("plan", *alone)
        assert done.returncode == 69
        assert "it is taken over already, by the journal" in done.stderr.decode()
        assert (await stage.hostlink("release")).returncode == 0
        await _held(stage)
        plan = await asked(stage)
        assert plan["kind"] == "takeover"
        assert plan["held"] == "released by an operator; it ends with an operator's resume"
        assert plan["takeover"]["vpp_was_asked"]
        assert len(of_takeover(plan)) > 50
        stage.kill_vpp()
        await _vpp_gone(stage)
        unasked = await asked(stage)
        assert not unasked["takeover"]["vpp_was_asked"]
        assert of_takeover(unasked) == of_takeover(plan), "a VPP that nobody has told anything"
        done = await stage.hostlink("plan", "--json", *alone)
        assert done.returncode == 69
        assert "`hostlink preflight`" in done.stderr.decode()
        document = checked("plan", done.stdout)
        (uplink,) = document["uplinks"]
        assert (document["alone"], uplink["held"] is None) == (True, False)
        assert of_takeover(uplink) == of_takeover(plan)
        assert "HL-201" in {one["code"] for one in uplink["problems"]}


async def _held(stage: Stage) -> None:
    async def is_held() -> bool:
        state = await stage.state()
        return state["state"] == "Detecting" and state["hold"] is not None

    await eventually("it is released", is_held)


async def _vpp_gone(stage: Stage) -> None:
    async def is_gone() -> bool:
        document = json.loads((await stage.hostlink("state", "--json")).stdout)
        return not document["vpp"]["reachable"]

    await eventually("the daemon knows that VPP is gone", is_gone)
