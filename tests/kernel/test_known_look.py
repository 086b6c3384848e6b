"""A whole look beside what was known, on a real kernel: it can be wished for, and is in the kernel's order."""

from __future__ import annotations

import subprocess

import pytest

from hostlink.core.desired import vpp_desired
from hostlink.core.model import HostView
from hostlink.core.route_set import by_key, prefix_at
from hostlink.kernel.alike import Alikes
from hostlink.kernel.known_routes import Before
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import read_view


@pytest.fixture
def full(wired):
    wired.ip("addr add 192.0.2.1/24 dev eth1\n addr add 198.51.100.1/24 dev eth1")
    lines = [f"route add 20.0.{number}.0/24 via 192.0.2.{2 + number % 3} dev eth1" for number in range(200)]
    lines += ["route add 21.0.0.0/24 via 198.51.100.2 dev eth1"]
    subprocess.run(["ip", "-n", str(wired), "-batch", "-"], input="\n".join(lines).encode(), check=True)
    return wired


CHANGES = {
    "nothing": "",
    "a route goes": "route del 20.0.7.0/24",
    "an address goes, and a route without a word": "addr del 198.51.100.1/24 dev eth1",
    "a route is appended, which the kernel does not go by": "route append 20.0.9.0/24 via 192.0.2.99 dev eth1",
    "a route is put before": "route prepend 20.0.9.0/24 via 192.0.2.99 dev eth1",
    "one by several ways is appended": "route append 20.0.9.0/24 nexthop via 192.0.2.98 nexthop via 192.0.2.99",
    "a blackhole is appended": "route append blackhole 20.0.9.0/24",
    "a blackhole is put before": "route prepend blackhole 20.0.9.0/24",
    "another kind comes": "route add 22.0.0.0/24 via 192.0.2.2 dev eth1 mtu 1400",
}
SHARED = ("nothing", "another kind comes")
"""After which all that was known is as it was."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("forgot", [False, True], ids=["known", "kinds forgotten"])
async def test_it_is_as_a_look_alone(full, change, forgot):
    alikes = Alikes()
    async with open_netlink(full) as nl:
        before = await look(nl, alikes)
        if CHANGES[change]:
            full.ip(CHANGES[change])
        if forgot:  # as after ten thousand of them (kernel/alike.py)
            alikes._by_cut.clear()
        beside = await look(nl, alikes, before)
        alone = await look(nl, Alikes())
    assert by_key(beside.routes) == by_key(alone.routes)
    assert (beside.routes.alike is before.routes.alike) is (change in SHARED and not forgot)
    assert wish(beside) == wish(alone)


async def look(nl, alikes, before=None) -> HostView:
    return await read_view(nl, "eth1", alikes=alikes, before=None if before is None else Before(before.routes))


def wish(view):
    wanted, problems = vpp_desired(view, uplink_sw=1, host_sw=2)
    routes = {(route.table_id, route.prefix): route.paths for route in wanted.routes}
    routes |= {(0, prefix_at(place)): paths for place, paths in wanted.packed.items()}
    return routes, sorted(problem.detail for problem in problems)
