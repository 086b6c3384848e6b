"""Forgetting neighbours: those of one MAC on one link, and no permanent ones."""

from __future__ import annotations

from collections.abc import Callable

from hostlink.kernel.neighbours import forget_neighbours
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import read_link
from tests.kernel.conftest import Namespace

VPP, OTHER = "02:ca:11:c0:fd:10", "52:54:00:00:00:99"


async def test_only_what_was_learnt_of_that_mac_on_that_link_goes(make_namespace: Callable[[], Namespace]) -> None:
    there = make_namespace()
    there.ip(
        f"""
        link add eth0 type veth peer name peer0
        link add eth1 type veth peer name peer1
        link set eth0 up
        link set peer0 up
        link set eth1 up
        link set peer1 up
        neigh add 10.0.0.1 lladdr {VPP} nud reachable dev eth0
        neigh add fd00::1 lladdr {VPP} nud stale dev eth0
        neigh add 10.0.0.2 lladdr {OTHER} nud reachable dev eth0
        neigh add 10.0.0.3 lladdr {VPP} nud permanent dev eth0
        neigh add 10.0.0.1 lladdr {VPP} nud reachable dev eth1
        """
    )
    index = int(there.ip("-oneline link show dev eth0").split(":")[0])
    async with open_netlink(there) as nl:
        await forget_neighbours(nl, index, VPP)
    left = sorted(" ".join(line.split()[:3]) for line in there.ip("neigh show").splitlines() if "lladdr" in line)
    assert left == ["10.0.0.1 dev eth1", "10.0.0.2 dev eth0", "10.0.0.3 dev eth0"]


async def test_neighbours_that_cannot_be_read_are_read_again_before_they_are_forgotten(wired):
    """A message cut off in its middle ended the daemon while it gave the NIC back (found by chance in a scenario)."""
    wired.ip("addr add 192.0.2.1/24 dev eth1\n neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth1 nud reachable")
    async with open_netlink(wired) as nl:
        index = (await read_link(nl, "eth1")).index
        dump, left = nl.dump, [1]

        async def garbled(request, **options):
            messages = await dump(request, **options)
            if messages and left:
                left.pop()
                return [messages[0]._replace(body=messages[0].body[:-6]), *messages[1:]]
            return messages

        nl.dump = garbled
        await forget_neighbours(nl, index, "02:00:00:00:00:09")
    assert not left
    assert "192.0.2.9" not in wired.ip("neigh show dev eth1")
