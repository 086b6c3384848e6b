"""What tools/demo shows, once the machine is ready (tools/setup.sh)."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import partial

import trio

from hostlink.kernel.errors import KernelError
from hostlink.lab import layout
from hostlink.lab.flows import FlowError
from hostlink.lab.layout import Names
from hostlink.lab.network import Lab, LabError, down, remove_stale_labs
from hostlink.lab.pod import attach_pod
from hostlink.lab.proofs import every_proof, servers
from hostlink.lab.real_vpp import VppDidNotStart
from hostlink.lab.stage import Dataplane, Stage, StageError, best, open_stage, why_missing
from hostlink.vpp.errors import VppError
from tools.demo_view import SEEN_S, is_watched, live_view, something_happens

KEPT = "demo"
CLUSTER = """
[cluster]
service_cidrs = ["10.96.0.0/12"]
pod_cidrs = ["10.244.0.0/16", "fd00:244::/48"]
encap_overhead = 60
"""
STEADY_WITHIN_S = 30.0


class DemoFailed(Exception):
    """Something that the demo shows did not happen."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab up and say how to look around")
    arguments = parser.parse_args(argv)
    if os.geteuid() != 0:
        print("demo: run it as root: it makes network namespaces", file=sys.stderr)
        return 1
    remove_stale_labs()
    return keep() if arguments.keep else show(None)


def show(lab: Lab | None, hold: bool = False) -> int:
    """Run the demo. Returns the exit status."""
    started_s = time.monotonic()
    failures: list[str] = []
    try:
        trio.run(partial(watched, lab, hold))
    except* (DemoFailed, FlowError, LabError, StageError, VppDidNotStart, VppError, KernelError) as failed:
        failures = [str(error) for error in leaves(failed)]
    except* trio.TooSlowError:
        failures = ["something took too long"]
    except* KeyboardInterrupt:
        failures = ["interrupted; the lab was removed"]
    for text in failures:
        print(f"\ndemo: FAILED: {text}", flush=True)
    if failures:
        return 1
    if not hold:
        print(f"\nIt took {time.monotonic() - started_s:.0f} s.\ndemo: OK", flush=True)
    return 0


async def watched(lab: Lab | None, hold: bool) -> None:
    """The demo, and an end of it by SIGTERM or SIGHUP that removes the lab as any other does."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_on_signal)
        await demo(lab, hold)
        nursery.cancel_scope.cancel()


async def end_on_signal() -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        async for number in signals:
            raise DemoFailed(f"ended by {signal.Signals(number).name}; the lab was removed")


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors of a group, however deep."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def keep() -> int:
    """Show it in a child that stays and holds the lab; this process ends when the show does."""
    down(Names(KEPT))
    shown, tell = os.pipe()
    if os.fork() == 0:
        os.close(shown)
        os.setsid()
        os.environ["HOSTLINK_DEMO_TELL"] = str(tell)
        status = show(Lab(KEPT), hold=True)
        os.write(tell, bytes([status]))
        os._exit(status)
    os.close(tell)
    answer = os.read(shown, 1)
    return answer[0] if answer else 1


async def demo(lab: Lab | None, hold: bool) -> None:
    """The whole show. Raises what failed."""
    dataplane = best()
    say(f"hostlink demo on {describe(dataplane)}")
    watched = not hold and is_watched()
    async with open_stage(dataplane, settings=CLUSTER, lab=lab) as stage, AsyncExitStack() as life:
        before = await picture(stage)
        section("The node before: its NIC is Linux's own")
        print(await stage.on_host("ip", "-details", "address", "show", "dev", layout.NIC))
        await take_over(stage, watched)
        async with servers(stage.lab):
            await attach_pod(stage.api_socket)
            await prove(stage)
        await views(stage)
        if hold:
            await stay(stage)
            return
        if watched:
            section("hostlink state --watch: a route comes and goes, VPP dies and another one comes")
            await something_happens(stage, life)
        await give_back(stage, before, watched)


def describe(dataplane: Dataplane) -> str:
    """Which dataplane, and what is missing for a more real one."""
    text = f"the dataplane {dataplane}"
    if not dataplane.real:
        return f"{text}: the lab's stand-in plays VPP ({why_missing(Dataplane(True, 'tap'))})"
    if dataplane.host_link == "veth":
        return f"{text}: a real VPP, a veth pair in place of its tap ({why_missing(Dataplane(True, 'tap'))})"
    return f"{text}: a real VPP with its tap"


async def take_over(stage: Stage, watched: bool) -> None:
    section("hostlink takes it over")
    stage.start_daemon()
    if watched:
        async with live_view(stage):
            await stage.wait_state("Steady", STEADY_WITHIN_S)
        section("What it said meanwhile")
        print(stage.log, end="", flush=True)
        return
    async with trio.open_nursery() as nursery:
        await nursery.start(follow_log, stage)
        await stage.wait_state("Steady", STEADY_WITHIN_S)
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()


async def follow_log(stage: Stage, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Print what the daemon says, as it says it."""
    shown = 0
    task_status.started()
    while True:
        text = stage.log
        print(text[shown:], end="", flush=True)
        shown = len(text)
        await trio.sleep(0.05)


async def prove(stage: Stage) -> None:
    section("Real packets")
    failed = []
    for proof in every_proof():
        started_s = time.monotonic()
        try:
            await proof.run(stage.lab)
        except FlowError as error:
            failed.append(proof.name)
            print(f"  FAILED  {proof.name}: {error}", flush=True)
        else:
            print(f"  ok  {proof.name} ({1000 * (time.monotonic() - started_s):.0f} ms)", flush=True)
    if failed:
        raise DemoFailed(f"{len(failed)} flows did not pass: {'; '.join(failed)}")


async def views(stage: Stage) -> None:
    section("VPP's view")
    for show_what in ("show interface address", "show ip punt redirect", "show ip6 punt redirect"):
        print(f"vpp# {show_what}\n{await stage.vppctl(show_what)}")
    section("Linux's view")
    for command in (("ip", "address", "show", "dev", layout.NIC), ("ip", "route"), ("ip", "-6", "route")):
        print(f"# {' '.join(command)}\n{await stage.on_host(*command)}")
    section("hostlink state")
    print((await stage.hostlink("state")).stdout.decode())


async def picture(stage: Stage) -> dict[str, str]:
    """What must be the same before and after: link, addresses, routes, as `ip` prints them."""
    link = await stage.on_host("ip", "-oneline", "link", "show", "dev", layout.NIC)
    return {
        "link": " ".join(link.split()[:2] + [word for word in link.split() if word.startswith("52:54")]),
        "IPv4 addresses": await stage.on_host("ip", "-4", "address", "show", "dev", layout.NIC),
        "IPv6 addresses": await stage.on_host("ip", "-6", "address", "show", "dev", layout.NIC),
        "IPv4 routes": await stage.on_host("ip", "-4", "route", "show", "table", "all"),
        "IPv6 routes": await stage.on_host("ip", "-6", "route", "show", "table", "all"),
    }


async def give_back(stage: Stage, before: dict[str, str], watched: bool) -> None:
    section("SIGTERM: the NIC is given back")
    shown = len(stage.log)
    async with live_view(stage) if watched else nullcontext():
        await trio.sleep(SEEN_S if watched else 0)
        status = await stage.stop_daemon()
    print(stage.log[shown:], end="")
    if status != 0:
        raise DemoFailed(f"the daemon ended with status {status}")
    after = await picture(stage)
    for what, was in before.items():
        if after[what] != was:
            raise DemoFailed(f"{what} of {layout.NIC} are not as before; before:\n{was}\nafter:\n{after[what]}")
        print(f"  ok  {what} as before")
    async with servers(stage.lab):
        proofs = [proof for proof in every_proof() if proof.name.startswith(("to the shared", "ping"))]
        for proof in proofs:
            await proof.run(stage.lab)
    print("  ok  the host speaks with the wire by its own NIC again")


async def stay(stage: Stage) -> None:
    """Say how to look around, let the starter go, and hold everything until the daemon has ended."""
    host, vpp = stage.lab.host, stage.lab.vpp
    print(f"""
The lab stays up. To look around:
  ip netns exec {host} ip address                     the node (its NIC is {layout.NIC})
  ip netns exec {host} ping {layout.ROUTER4.ip}            through VPP
  ip netns exec {vpp} ip link                          where the NIC is parked
  {sys.executable} -m hostlink state --runtime-dir {stage.runtime}
  {sys.executable} -m hostlink release --runtime-dir {stage.runtime}
VPP's API socket is {stage.api_socket}; the daemon's log is {stage.directory}/daemon.log
To end it and remove everything:
  {sys.executable} -m hostlink lab down --name {KEPT}

demo: OK""")
    sys.stdout.flush()
    os.write(int(os.environ["HOSTLINK_DEMO_TELL"]), b"\0")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    await stage.wait_daemon(float("inf"))


def section(title: str) -> None:
    print(f"\n=== {title}", flush=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
