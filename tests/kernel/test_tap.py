"""The tap and its keeper: what it is made like, that it outlives its users, and that half of one never stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.link import delete_link, set_carrier, set_up
from hostlink.kernel.netlink import open_netlink, open_watcher
from hostlink.kernel.seam import Faults
from hostlink.kernel.snapshot import read_link, read_links
from hostlink.kernel.tap import adopt_tap, make_tap, remove_tap

MAC = "02:00:00:00:00:01"

USER = """
    import fcntl, os, struct, sys, time
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"hl-tap0", 0x0002 | 0x1000 | 0x4000 | 0x0100))
    print("attached", flush=True)
    time.sleep(60)
"""
"""What VPP does with a tap that it attaches to, and nothing else."""


@pytest.fixture
def user(host):
    """A process that has a queue of hl-tap0 attached, as VPP would. Killed at the end, if the test did not."""
    processes = []

    def attach() -> subprocess.Popen[str]:
        command = ["ip", "netns", "exec", host, sys.executable, "-c", textwrap.dedent(USER)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "attached\n"
        return process

    yield attach
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_tap_is_down_complete_and_persistent(host):
    with make_tap("hl-tap0", MAC, 1400, host):
        async with open_netlink(host) as nl:
            tap = await read_link(nl, "hl-tap0")
        assert (tap.kind, tap.mac, tap.mtu_bytes, tap.up) == ("tun", MAC, 1400, False)
        shown = host.ip("-d link show hl-tap0")
        assert "tun type tap pi off vnet_hdr on multi_queue numqueues 0 numdisabled 1 persist on" in shown
    assert "numqueues 0 numdisabled 0 persist on" in host.ip("-d link show hl-tap0")


async def test_name_in_use_is_refused_and_not_attached_to(host):
    with make_tap("hl-tap0", MAC, 1400, host), pytest.raises(KernelRefused, match="EEXIST"):
        make_tap("hl-tap0", "02:00:00:00:00:02", 1500, host)
    assert MAC in host.ip("link show hl-tap0")


@pytest.mark.parametrize("name", ["tap.create", "tap.mac", "tap.mtu", "tap.persist", "tap.detach"])
async def test_half_a_tap_never_stays(host, name):
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KernelRefused, match=f"EIO.*{name}:1"):
        make_tap("hl-tap0", MAC, 1400, host, faults=Faults.from_text(f"{name}=EIO"))
    async with open_netlink(host) as nl:
        assert [link.name for link in await read_links(nl)] == ["lo"]
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_bad_name_and_bad_mtu_are_refused(host):
    with pytest.raises(ValueError, match="no interface name"):
        make_tap("a-name-that-is-too-long", MAC, 1400, host)
    with pytest.raises(KernelRefused, match="set the MTU of hl-tap0 to 70000 bytes: EINVAL"):
        make_tap("hl-tap0", MAC, 70000, host)


async def test_killed_user_leaves_ifindex_addresses_and_carrier(host, user):
    """What lets the host survive a crash of VPP: SIGKILL, and the keeper's detached queue holds the carrier."""
    with make_tap("hl-tap0", MAC, 1400, host):
        async with open_netlink(host) as nl:
            index = (await read_link(nl, "hl-tap0")).index
            process = user()
            await set_up(nl, index)
            host.ip("addr add 192.0.2.1/24 dev hl-tap0\n route add default via 192.0.2.254")
            attached = await read_link(nl, "hl-tap0")
            assert attached.carrier
            async with open_watcher(host) as watcher:
                await watcher.pending()
                process.send_signal(signal.SIGKILL)
                process.wait()
                heard = {changed.kind for changed in await watcher.pending()}
            assert await read_link(nl, "hl-tap0") == attached
            assert heard <= {"link"}, "no address and no route went"
            assert "default via 192.0.2.254" in host.ip("route")


async def test_without_a_keeper_the_carrier_goes(host, user):
    """The same without the detached queue: this is what the keeper is for."""
    make_tap("hl-tap0", MAC, 1400, host).close()
    async with open_netlink(host) as nl:
        index = (await read_link(nl, "hl-tap0")).index
        process = user()
        await set_up(nl, index)
        assert (await read_link(nl, "hl-tap0")).carrier
        process.kill()
        process.wait()
        assert not (await read_link(nl, "hl-tap0")).carrier


async def test_a_detached_queue_is_in_error_for_poll_when_its_tap_is_gone(host):
    """And only then: a service manager that watches a copy of it drops it in time (hostlink/store.py)."""
    with make_tap("hl-tap0", MAC, 1400, host) as keeper:
        poll = select.poll()
        poll.register(keeper.descriptor, 0)
        assert poll.poll(0) == []
        async with open_netlink(host) as nl:
            await delete_link(nl, (await read_link(nl, "hl-tap0")).index)
        assert poll.poll(5000) == [(keeper.descriptor, select.POLLERR)]
    with pytest.raises(ValueError, match="closed"):
        _ = keeper.descriptor


async def test_adopted_tap_is_kept_again_as_it_is(host, user):
    """hostlink died and is back: the tap has kept its name, MAC and addresses, and its carrier is held again."""
    make_tap("hl-tap0", MAC, 1400, host).close()
    async with open_netlink(host) as nl:
        index = (await read_link(nl, "hl-tap0")).index
        process = user()
        await set_up(nl, index)
        before = await read_link(nl, "hl-tap0")
        with adopt_tap("hl-tap0", host) as keeper:
            assert await read_link(nl, "hl-tap0") == before
            process.kill()
            process.wait()
            assert await read_link(nl, "hl-tap0") == before
            assert not keeper.closed
        assert keeper.closed
        keeper.close()


async def test_keeper_survives_a_rename(host):
    with make_tap("hl-tap0", MAC, 1400, host):
        host.ip("link set hl-tap0 name eth1\n link set eth1 up")
        assert "LOWER_UP" in host.ip("link show eth1")


async def test_adopting_what_is_no_tap_of_ours_is_refused(host):
    host.ip("link add eth1 type bridge\n tuntap add dev plain0 mode tap")
    with pytest.raises(KernelRefused, match="ENODEV"):
        adopt_tap("nosuch0", host)
    for other in ("eth1", "plain0"):
        with pytest.raises(KernelRefused, match=f"open a queue of the tap {other}: EINVAL"):
            adopt_tap(other, host)
    async with open_netlink(host) as nl:
        assert [link.name for link in await read_links(nl)] == ["lo", "eth1", "plain0"]


async def test_adopting_a_tap_that_would_go_with_its_user_is_refused(host, user):
    process = user()
    with pytest.raises(KernelRefused, match="no persistent tap"):
        adopt_tap("hl-tap0", host)
    assert "hl-tap0" in host.ip("link")
    process.kill()
    process.wait()
    assert "hl-tap0" not in host.ip("link")


@pytest.mark.parametrize("name", ["tap.adopt", "tap.detach"])
async def test_failed_adoption_leaves_the_tap(host, name):
    make_tap("hl-tap0", MAC, 1400, host).close()
    with pytest.raises(KernelRefused, match=f"EIO.*{name}:1"):
        adopt_tap("hl-tap0", host, faults=Faults.from_text(f"{name}=EIO"))
    assert "numqueues 0 numdisabled 0 persist on" in host.ip("-d link show hl-tap0")


async def test_removed_tap_is_gone(host):
    make_tap("hl-tap0", MAC, 1400, host).close()
    with pytest.raises(KernelRefused, match="EIO"):
        remove_tap("hl-tap0", host, faults=Faults.from_text("tap.remove=EIO"))
    remove_tap("hl-tap0", host)
    async with open_netlink(host) as nl:
        assert [link.name for link in await read_links(nl)] == ["lo"]
    with pytest.raises(KernelRefused, match="ENODEV"):
        remove_tap("hl-tap0", host)


async def test_deleted_while_vpp_still_has_it(host, user):
    with make_tap("hl-tap0", MAC, 1400, host):
        user()
        async with open_netlink(host) as nl:
            await delete_link(nl, (await read_link(nl, "hl-tap0")).index)
            assert [link.name for link in await read_links(nl)] == ["lo"]


async def test_a_tap_in_use_shows_the_carrier_that_it_is_told(host, user):
    """And keeps its routes meanwhile: the kernel marks them as by a dead link. A veth cannot be told."""
    with make_tap("hl-tap0", MAC, 1500, host):
        user()
        async with open_netlink(host) as nl:
            index = (await read_link(nl, "hl-tap0")).index
            await set_up(nl, index)
            host.ip("addr add 192.0.2.1/24 dev hl-tap0\n route add 198.51.100.0/24 via 192.0.2.2")
            await set_carrier(nl, index, False)
            assert not (await read_link(nl, "hl-tap0")).carrier
            assert "198.51.100.0/24 via 192.0.2.2 dev hl-tap0 linkdown" in host.ip("route show")
            await set_carrier(nl, index, True)
            assert (await read_link(nl, "hl-tap0")).carrier
            assert "linkdown" not in host.ip("route show")


async def test_a_veth_has_the_carrier_of_its_other_end(wired):
    async with open_netlink(wired) as nl:
        with pytest.raises(KernelRefused, match="ENOTSUP"):
            await set_carrier(nl, (await read_link(nl, "eth1")).index, False)
