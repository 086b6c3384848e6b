"""The rows kernel → model: a link with so many routes is read whole, by hostlink, by `ip route show`, by pyroute2.

A namespace and a link of its own, and a fresh process for each reading: nobody's memory counts for another.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network

import trio

from tools.benches.goals import Goal, Line
from tools.benches.kernel_routes import add_routes
from tools.benches.measuring import RowFailed, Sizes

RATE, TIMES_PYROUTE2 = Goal(least=200_000), Goal(least=15, of_ratio=True)
_LINK, _NETWORK = "bench0", IPv4Network("10.0.0.0/24")
_UNIT = "routes/s"
_OWN = 16
"""A link's own routes at most: its networks, addresses and broadcast addresses, IPv6's multicast, default routes."""


async def read_rows(count: int, sizes: Sizes) -> list[Line]:
    """Rates of reading `count` routes."""
    async with linked_namespace(_LINK, _NETWORK) as (namespace, index):
        await add_routes(namespace, index, sizes.gateways(_NETWORK), range(count))
        ours = [await read_once("hostlink", namespace, _LINK, count) for _ in range(sizes.rounds)]
        shown = [await _show(namespace, count) for _ in range(sizes.rounds)]
        theirs = await read_once("pyroute2", namespace, _LINK, count) if count <= sizes.pyroute2 else None
    rate, ip_rate = count / statistics.median(ours), count / statistics.median(shown)
    lines = [
        Line("kernel → model", count, rate, _UNIT, "ip route show", ip_rate, RATE, sizes.judged),
        Line("kernel → model", count, rate, _UNIT, "pyroute2", theirs and count / theirs, TIMES_PYROUTE2, sizes.judged),
    ]
    return lines if theirs is not None else lines[:1]


@asynccontextmanager
async def linked_namespace(link: str, network: IPv4Network) -> AsyncIterator[tuple[str, int]]:
    """A namespace with one link (a veth's end: not every kernel has dummies) that is up, with the network's first
    address. Gives its name and the ifindex."""
    name = f"hl-bench-{os.getpid()}"
    await _run("ip", "netns", "add", name)
    try:
        address = f"{network[1]}/{network.prefixlen}"
        for words in (
            f"link add {link} type veth peer name {link}p",
            f"link set {link}p up",
            f"link set {link} up",
            f"address add {address} dev {link}",
        ):
            await _run("ip", "-n", name, *words.split())
        shown = json.loads(await _run("ip", "-n", name, "-j", "link", "show", link))
        yield name, shown[0]["ifindex"]
    finally:
        with trio.CancelScope(shield=True):
            await _run("ip", "netns", "delete", name)


async def _run(*argv: str) -> bytes:
    return (await trio.run_process(argv, capture_stdout=True)).stdout


async def read_once(way: str, namespace: str, link: str, count: int) -> float:
    """Seconds of reading all routes of a link that has `count`, and a few of its own. way: as in kernel_reader.py."""
    found = json.loads(await _run(sys.executable, "-m", "tools.benches.kernel_reader", way, namespace, link))
    if not count <= found["routes"] <= count + _OWN:
        raise RowFailed(f"{way} read {found['routes']:,} routes where there are {count:,}")
    return float(found["seconds"])


async def _show(namespace: str, count: int) -> float:
    """Seconds of the whole command, output and all."""
    argv = ["ip", "-n", namespace, "-4", "route", "show", "dev", _LINK]
    lines = (await _run(*argv)).count(b"\n")
    if not count <= lines <= count + _OWN:
        raise RowFailed(f"ip route show: {lines:,} lines where there are {count:,} routes")
    start = time.perf_counter()
    await trio.run_process(argv, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
