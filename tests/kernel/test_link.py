"""Links: moving, renaming, swapping, veth pairs; a refusal says why (F36), and a planned fault changes nothing."""

from __future__ import annotations

import pytest

from hostlink.kernel import link
from hostlink.kernel.errors import KernelRefused, NoSuchNamespace
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.seam import Faults
from hostlink.kernel.snapshot import read_link, read_links
from hostlink.kernel.tap import make_tap

MAC = "02:00:00:00:00:01"


async def names(nl) -> list[str]:
    return [each.name for each in await read_links(nl) if not each.loopback]


async def index_of(nl, name: str) -> int:
    return (await read_link(nl, name)).index


async def test_moved_link_keeps_what_it_keeps(wired, away):
    wired.ip("link set eth1 alias uplink mtu 1400 promisc on\n link property add dev eth1 altname enp0s1")
    async with open_netlink(wired) as nl, open_netlink(away) as there:
        before = await read_link(nl, "eth1")
        await link.move_to_namespace(nl, before.index, away)
        assert await read_link(nl, "eth1") is None
        parked = await read_link(there, "enp0s1")
        await link.set_up(there, parked.index)
        await link.move_to_namespace(there, parked.index, f"/run/netns/{wired}")
        after = await read_link(nl, "eth1")
    assert (after.mac, after.mtu_bytes, after.alias) == (before.mac, 1400, "uplink")
    assert (after.promiscuous, after.altnames, after.up) == (True, ("enp0s1",), False)


async def test_move_is_refused_with_its_reason(wired, away):
    away.ip("link add eth1 type bridge")
    async with open_netlink(wired) as nl:
        with pytest.raises(KernelRefused, match=rf"move interface \d+ to namespace {away}: EEXIST"):
            await link.move_to_namespace(nl, await index_of(nl, "eth1"), away)
        with pytest.raises(KernelRefused, match="EINVAL"):
            await link.move_to_namespace(nl, 1, away)
        with pytest.raises(NoSuchNamespace, match="hl-kt-nowhere"):
            await link.move_to_namespace(nl, 1, "hl-kt-nowhere")


async def test_moved_link_comes_back_under_its_number(wired, away):
    """Programs that know it by its ifindex go on (F56); where the number is taken, that is said."""
    async with open_netlink(wired) as nl, open_netlink(away) as there:
        index = await index_of(nl, "eth1")
        await link.move_to_namespace(nl, index, away, 77)
        assert (await read_link(there, "eth1")).index == 77
        with pytest.raises(KernelRefused, match="EBUSY"):
            await link.move_to_namespace(there, 77, f"/run/netns/{wired}", 1)
        await link.move_to_namespace(there, 77, f"/run/netns/{wired}", index)
        assert await index_of(nl, "eth1") == index


async def test_attributes_one_by_one(wired):
    async with open_netlink(wired) as nl:
        index = await index_of(nl, "eth1")
        await link.set_mtu(nl, index, 1300)
        await link.set_mac(nl, index, MAC)
        await link.set_promiscuous(nl, index, True)
        shown = await read_link(nl, index)
        assert (shown.mtu_bytes, shown.mac, shown.promiscuous, shown.up) == (1300, MAC, True, True)
        await link.set_promiscuous(nl, index, False)
        await link.set_down(nl, index)
        shown = await read_link(nl, index)
        assert (shown.promiscuous, shown.up) == (False, False)


async def test_f36_name_that_is_an_altname_elsewhere(wired):
    """F36: the tap cannot take a name that the NIC, still here, has as an altname. Freed, it can."""
    async with open_netlink(wired) as nl:
        nic = await index_of(nl, "eth1")
        await link.add_altname(nl, nic, "enp0s1")
        with make_tap("hl-tmp0", MAC, 1500, wired):
            tap = await index_of(nl, "hl-tmp0")
            with pytest.raises(KernelRefused) as caught:
                await link.rename(nl, tap, "enp0s1")
            assert caught.value.word == "EEXIST"
            assert "`ip link show enp0s1` shows which" in str(caught.value)
            with pytest.raises(KernelRefused, match="EEXIST"):
                make_tap("enp0s1", MAC, 1500, wired)
            await link.delete_altname(nl, nic, "enp0s1")
            await link.rename(nl, tap, "enp0s1")
            assert await index_of(nl, "enp0s1") == tap


async def test_swap_parks_the_one_and_gives_its_name_to_the_other(wired, away):
    async with open_netlink(wired) as nl:
        nic = await index_of(nl, "eth1")
        with make_tap("hl-tmp0", MAC, 1500, wired):
            tap = await index_of(nl, "hl-tmp0")
            await link.swap(nl, nic, away, tap, "eth1")
            assert await index_of(nl, "eth1") == tap
    async with open_netlink(away) as there:
        assert await names(there) == ["eth1"]


async def test_swap_whose_move_is_refused_changes_nothing(wired, away):
    away.ip("link add eth1 type bridge")
    async with open_netlink(wired) as nl:
        nic = await index_of(nl, "eth1")
        with make_tap("hl-tmp0", MAC, 1500, wired):
            with pytest.raises(KernelRefused, match="move interface"):
                await link.swap(nl, nic, away, await index_of(nl, "hl-tmp0"), "eth1")
            assert await index_of(nl, "eth1") == nic
            assert await index_of(nl, "hl-tmp0")


async def test_veth_with_its_peer_made_over_there(wired, away):
    async with open_netlink(wired) as nl, open_netlink(away) as there:
        await link.make_veth(nl, "hl-tmp0", MAC, 1400, "inner0", away, peer_mac_address="02:00:00:00:00:02")
        outer, inner = await read_link(nl, "hl-tmp0"), await read_link(there, "inner0")
        assert (outer.kind, outer.mac, outer.mtu_bytes, outer.up) == ("veth", MAC, 1400, False)
        assert (inner.kind, inner.mac, inner.mtu_bytes, inner.up) == ("veth", "02:00:00:00:00:02", 1400, False)
        with pytest.raises(KernelRefused, match="EEXIST"):
            await link.make_veth(nl, "other", MAC, 1400, "inner0", away)
        assert "other" not in await names(nl)
        await link.set_up(nl, outer.index)
        await link.set_up(there, inner.index)
        assert (await read_link(nl, "hl-tmp0")).carrier
        await link.delete_link(nl, outer.index)
        assert await names(there) == []
        with pytest.raises(KernelRefused, match="ENODEV"):
            await link.delete_link(nl, outer.index)


FAULTY = {
    "link.move": lambda nl, index, away: link.move_to_namespace(nl, index, away),
    "link.rename": lambda nl, index, _away: link.rename(nl, index, "other"),
    "link.set": lambda nl, index, _away: link.set_mtu(nl, index, 1234),
    "link.altname": lambda nl, index, _away: link.add_altname(nl, index, "other"),
    "link.delete": lambda nl, index, _away: link.delete_link(nl, index),
    "veth.create": lambda nl, _index, away: link.make_veth(nl, "other", MAC, 1500, "inner0", away),
}


@pytest.mark.parametrize("name", FAULTY)
async def test_planned_fault_changes_nothing(wired, away, name):
    async with open_netlink(wired, faults=Faults.from_text(f"{name}=EIO")) as nl:
        before = await read_links(nl)
        with pytest.raises(KernelRefused, match=f"EIO.*planned by the lab: {name}:1"):
            await FAULTY[name](nl, await index_of(nl, "eth1"), away)
        assert await read_links(nl) == before
        await FAULTY[name](nl, await index_of(nl, "eth1"), away)
        assert await read_links(nl) != before, "only the first was to fail"


@pytest.mark.parametrize("name", ["link.move", "link.rename"])
async def test_swap_with_either_half_faulted_sends_neither(wired, away, name):
    async with open_netlink(wired, faults=Faults.from_text(f"{name}=EIO")) as nl:
        with make_tap("hl-tmp0", MAC, 1500, wired):
            before = await read_links(nl)
            with pytest.raises(KernelRefused, match=name):
                await link.swap(nl, before[-2].index, away, before[-1].index, "eth1")
            assert await read_links(nl) == before
