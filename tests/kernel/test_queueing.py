"""Queueing, multicast addresses, flags, group and token of a link: read, taken by a move, and put back as they were."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from hostlink.core import operations as op
from hostlink.core.plan_host import plan_host
from hostlink.kernel.apply import apply_host
from hostlink.kernel.bpf import programs
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.seam import Faults
from hostlink.kernel.snapshot import read_view
from hostlink.kernel.tc import Placed, Program, Side, ensure_program

QDISCS = (
    "tbf rate 90mbit burst 20kb latency 70ms",
    "tbf rate 4gbit burst 2mb limit 7mb peakrate 5gbit mtu 9000",
    "pfifo limit 321",
    "bfifo limit 32100",
    "pfifo_head_drop limit 20",
    "pfifo_fast",
)
"""Those of CARRIED that this kernel has; of the others only the kind is known here."""


@pytest.mark.parametrize("qdisc", QDISCS)
async def test_a_root_qdisc_comes_back_as_it_was(wired, away, qdisc):
    wired.run("tc", "qdisc", "add", "dev", "eth1", "root", "handle", "10:", *qdisc.split())
    shown = wired.run("tc", "qdisc", "show", "dev", "eth1")
    async with open_netlink(wired) as nl:
        before = await read_view(nl, "eth1")
        wired.ip(f"link set eth1 netns {away}")
        away.ip(f"link set eth1 netns {wired}")
        wired.ip("link set eth1 up")
        bare = await read_view(nl, "eth1")
        assert (before.qdisc.kind, bare.qdisc) == (qdisc.split()[0], None)
        assert await apply_host(nl, [op.AddQdisc(bare.link.index, before.qdisc)]) == []
        assert (await read_view(nl, "eth1")).qdisc == before.qdisc
        assert wired.run("tc", "qdisc", "show", "dev", "eth1") == shown
        assert await apply_host(nl, [op.DeleteQdisc(bare.link.index, before.qdisc)]) == []
        assert (await read_view(nl, "eth1")).qdisc is None


async def test_what_cannot_be_carried_is_named_and_the_kernels_own_is_nobodys(wired):
    wired.ip("link add eth2 type veth peer name wire9")
    wired.run("tc", "qdisc", "add", "dev", "eth2", "root", "handle", "7:", "pfifo")
    async with open_netlink(wired) as nl:
        fresh = await read_view(nl, "eth1")
        wired.run("tc", "qdisc", "add", "dev", "eth1", "root", "handle", "10:", "htb")
        wired.run("tc", "class", "add", "dev", "eth1", "parent", "10:", "classid", "10:1", "htb", "rate", "1mbit")
        wired.run("tc", "qdisc", "add", "dev", "eth1", "parent", "10:1", "handle", "20:", "pfifo")
        wired.run("bridge", "fdb", "add", "02:00:00:00:00:77", "dev", "eth1", "self")
        index = fresh.link.index
        await ensure_program(nl, Placed(index, Side.INGRESS, Program("host-ingress", programs.host_ingress())))
        view = await read_view(nl, "eth1")
    assert (fresh.qdisc, fresh.stuck) == (None, ())
    assert view.qdisc is None
    assert view.stuck == (
        "tc qdisc htb 10: root",
        "tc qdisc pfifo 20: parent 10:1",
        "bridge fdb entry 02:00:00:00:00:77 self",
    ), "hostlink's own program is not among them"


async def test_filters_of_others_are_named(wired):
    async with open_netlink(wired) as nl:
        index = (await read_view(nl, "eth1")).link.index
        await ensure_program(nl, Placed(index, Side.EGRESS, Program("host-ingress", programs.host_ingress())))
        rule = "protocol all u32 match u32 0 0"
        for side, number in (("ingress", 20), ("egress", 10), ("egress", 11)):
            wired.run("tc", "filter", "add", "dev", "eth1", side, "pref", str(number), *rule.split())
        assert (await read_view(nl, "eth1")).stuck == (
            "tc filter ingress pref 20 u32",
            "tc filter egress pref 10 u32",
            "tc filter egress pref 11 u32",
        )


async def test_a_links_own_settings_come_back(wired, away):
    wired.sysctl("ipv6/conf/eth1/accept_ra", "2")
    wired.ip(
        """link set eth1 group 7 allmulticast on multicast off
        maddr add 01:00:5e:11:22:33 dev eth1
        token set ::7:8 dev eth1"""
    )
    async with open_netlink(wired) as nl:
        before = await read_view(nl, "eth1")
        assert (before.link.flags, before.link.group, before.link.token) == (0x200, 7, IPv6Address("::7:8"))
        assert before.multicast == ("01:00:5e:11:22:33",)
        wired.ip(f"link set eth1 netns {away}")
        away.ip(f"link set eth1 netns {wired}")
        wired.ip("link set eth1 up group 0 allmulticast off multicast on arp off")
        for _ in range(4):
            bare = await read_view(nl, "eth1")
            await apply_host(nl, plan_host(before, bare))
        after = await read_view(nl, "eth1")
    assert plan_host(before, after) == ()
    assert replace(after.link, index=before.link.index, carrier=before.link.carrier) == before.link
    assert after.multicast == before.multicast


async def test_a_refused_multicast_address_is_told(wired):
    async with open_netlink(wired, faults=Faults.from_text("multicast.add:2=ENOMEM")) as nl:
        index = (await read_view(nl, "eth1")).link.index
        add = op.AddMulticast(index, "eth1", "01:00:5e:11:22:33")
        gone = op.AddMulticast(index, "eth9", "01:00:5e:11:22:33")
        failures = await apply_host(nl, [add, add, gone])
        assert (await read_view(nl, "eth1")).multicast == ("01:00:5e:11:22:33",)
    assert [failure.word for failure in failures] == ["ENOMEM", "ENODEV"]
