"""Reads all routes of a link once: `python -m tools.benches.kernel_reader WAY NAMESPACE LINK`, in a fresh process.

WAY: `hostlink`, the whole view of the link, as the daemon's look reads it; `pyroute2`, its dump of IPv4 routes alone.
Writes one line of JSON: how many routes, seconds, seconds of CPU.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import trio

_AF_INET = 2


def by_hostlink(namespace: str, link: str) -> int:
    """How many routes the look found. This is the one place that knows how the daemon looks."""
    from hostlink import collector
    from hostlink.kernel.netlink import open_netlink
    from hostlink.kernel.snapshot import read_view

    async def look() -> int:
        async with open_netlink(namespace) as netlink:
            start()
            view = await read_view(netlink, link)
            assert view is not None, f"there is no {link}"
            return len(view.routes)

    collector.tame()
    return trio.run(look)


def by_pyroute2(namespace: str, link: str) -> int:
    """How many messages its dump gave."""
    from pyroute2 import IPRoute

    with IPRoute(netns=namespace) as routes:
        (index,) = routes.link_lookup(ifname=link)
        start()
        return sum(1 for _ in routes.get_routes(family=_AF_INET, oif=index))


WAYS: dict[str, Callable[[str, str], int]] = {"hostlink": by_hostlink, "pyroute2": by_pyroute2}
_began = {"s": 0.0, "cpu_s": 0.0}


def start() -> None:
    """The clock starts when all is imported and the socket is open."""
    _began.update(s=time.perf_counter(), cpu_s=time.process_time())


def main(way: str, namespace: str, link: str) -> None:
    """Read, and say what it took."""
    routes = WAYS[way](namespace, link)
    seconds, cpu_s = time.perf_counter() - _began["s"], time.process_time() - _began["cpu_s"]
    print(json.dumps({"routes": routes, "seconds": seconds, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
