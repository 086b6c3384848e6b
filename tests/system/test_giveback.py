"""Give-back is exact: everything that a NIC can carry, as the host had it last, and what cannot come back is named.

F35 (what a move between namespaces takes), F36 (a name that is another's by now), F44 (the host's last values and not
the first), F47 (a lease comes back with nobody there to give it again), F50 (reported as done only if it is). The texts
of `ip`, `tc`, `bridge`, `ethtool` and /proc are compared whole.
"""

from __future__ import annotations

import os
import re
import signal

from hostlink.lab.flows import ping
from hostlink.lab.layout import HOST4, NIC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from tests.system.links import index_of, renames_while_up, settled
from tests.system.test_bad_input import codes, until

DRESSED = f"""
ip link set {NIC} alias uplink-to-rack-7 txqueuelen 500 group 7 allmulticast on promisc on gso_max_size 32000
ip link property add dev {NIC} altname uplink0
ip link property add dev {NIC} altname another-name-of-the-uplink
ip maddr add 01:00:5e:11:22:33 dev {NIC}
ip maddr add 01:00:5e:11:22:44 dev {NIC}
tc qdisc add dev {NIC} root handle 10: tbf rate 900mbit burst 200kb latency 70ms
ethtool -K {NIC} tso off
sysctl -qw net.ipv4.conf.{NIC}.rp_filter=2 net.ipv4.neigh.{NIC}.gc_stale_time=77 net.ipv6.conf.{NIC}.accept_ra=2
sysctl -qw net.ipv4.conf.{NIC}.proxy_arp_pvlan=1 net.ipv6.neigh.{NIC}.ucast_solicit=5 net.ipv4.conf.{NIC}.log_martians=1
ip token set ::7:8 dev {NIC}
ip address add 192.168.0.77/24 dev {NIC} label {NIC}:vip
ip address add 192.168.9.1 peer 192.168.9.2 dev {NIC}
ip address add 192.168.44.1/24 dev {NIC} metric 99 valid_lft 5000 preferred_lft 4000
ip address add fd00:5::5/64 dev {NIC} nodad noprefixroute valid_lft 5000 preferred_lft 0
ip route add 203.0.113.0/24 via 192.168.0.254 dev {NIC} metric 7 mtu lock 1300 initcwnd 20
ip route add 203.0.113.0/24 via 192.168.0.253 dev {NIC} metric 9
ip route add 198.18.0.0/15 dev {NIC} scope link table 77 proto 99 src 192.168.9.1
ip route add default via 192.168.0.254 dev {NIC} table 78 onlink
ip -6 route add 2001:db8:7::/48 via fd00::254 dev {NIC} metric 7 pref high
ip -6 route add 2001:db8:8::/48 dev {NIC} table 77
ip rule add iif {NIC} lookup 77 priority 500
ip -6 rule add oif {NIC} lookup 78 priority 501
ip neighbour add 192.168.0.200 lladdr 02:00:00:00:02:00 nud permanent dev {NIC}
ip -6 neighbour add fd00::200 lladdr 02:00:00:00:02:06 nud permanent dev {NIC} router
ip neighbour add proxy 192.168.0.201 dev {NIC}
ip -6 neighbour add proxy fd00::201 dev {NIC}
"""
SMALLER = f"ip link set {NIC} mtu 1400"
"""First, and by itself: it flaps a veth, so that the kernel forgets neighbours, which are put back a moment later."""
EDITED = f"""
ip link set {NIC} alias '' txqueuelen 700 group 9 allmulticast off promisc off multicast off
ip link property del dev {NIC} altname uplink0
ip link property add dev {NIC} altname a-later-name
ip maddr del 01:00:5e:11:22:33 dev {NIC}
ip maddr add 01:00:5e:11:22:55 dev {NIC}
tc qdisc replace dev {NIC} root handle 20: pfifo limit 321
sysctl -qw net.ipv4.conf.{NIC}.rp_filter=0 net.ipv6.conf.{NIC}.hop_limit=61
ip token set ::9:9 dev {NIC}
ip address del 192.168.0.77/24 dev {NIC}
ip address add 192.168.0.78/24 dev {NIC}
ip address change 192.168.44.1/24 dev {NIC} metric 99 valid_lft forever preferred_lft forever
ip route del 203.0.113.0/24 metric 9
ip route add 198.19.0.0/16 dev {NIC} scope link table 79
ip rule add iif {NIC} lookup 79 priority 502
ip rule del priority 500
ip neighbour del 192.168.0.200 dev {NIC}
ip neighbour add 192.168.0.210 lladdr 02:00:00:00:02:10 nud permanent dev {NIC}
ip neighbour del proxy 192.168.0.201 dev {NIC}
"""
SHOWN = {
    "link": f"ip -details link show dev {NIC} | sed 's/ qdisc [a-z]*//; s/promiscuity [0-9]*//'",
    "addresses": f"ip address show dev {NIC} | sed 's/ qdisc [a-z]*//'",
    "routes": f"ip -details -4 route show table all dev {NIC}",
    "routes6": f"ip -details -6 route show table all dev {NIC}",
    "rules": "ip rule; ip -6 rule",
    "neighbours": f"ip neighbour show nud permanent dev {NIC}",
    "proxies": f"ip neighbour show proxy dev {NIC}; ip -6 neighbour show proxy dev {NIC}",
    "token": f"ip token list dev {NIC}",
    "qdisc": f"tc qdisc show dev {NIC}",
    "multicast": f"awk '$2 == \"{NIC}\" && $4 != 0' /proc/net/dev_mcast",
    "features": f"ethtool -k {NIC}",
    "sysctls": f"cd /proc/sys/net; grep -s . ipv?/conf/{NIC}/* ipv?/neigh/{NIC}/*",
}


async def run_all(stage: Stage, commands: str) -> None:
    await stage.on_host("sh", "-ec", commands)


async def texts(stage: Stage) -> dict[str, list[str]]:
    """Everything that is shown of the NIC's name on the host, but for what runs down and for clsact's empty hooks."""
    shown = {}
    for what, command in SHOWN.items():
        text = await stage.on_host("sh", "-c", f"({command}) || true")
        text = re.sub(r" link-netns \S+", "", text)  # another one in each lab
        text = re.sub(r"(valid_lft|preferred_lft) (\d+)sec", _about, text)
        shown[what] = sorted(line.strip() for line in text.splitlines())
    return shown


def _about(found: re.Match[str]) -> str:
    """Rounded up to a thousand seconds: give-back takes some."""
    return f"{found[1]} {-(-int(found[2]) // 1000)}000"


async def test_everything_comes_back_as_it_was(dataplane: Dataplane) -> None:
    """F35, F50: nothing was changed meanwhile."""
    async with open_stage(dataplane) as stage:
        await run_all(stage, DRESSED)
        before = await texts(stage)
        stage.start_daemon()
        await settled_steady(stage)
        status = await stage.stop_daemon()
        after = await texts(stage)
    assert status == 0, stage.log
    assert after == before


async def settled_steady(stage: Stage) -> None:
    await stage.wait_state("Steady")
    await settled(stage)


async def test_what_the_host_had_last_comes_back(dataplane: Dataplane) -> None:
    """F44, F47: the same edits on a NIC that was never taken, and on the host link of one that was."""
    async with open_stage(dataplane) as stage:
        await run_all(stage, DRESSED)
        await run_all(stage, SMALLER)
        await run_all(stage, EDITED)
        wanted = await texts(stage)
    async with open_stage(dataplane) as stage:
        await run_all(stage, DRESSED)
        stage.start_daemon()
        await settled_steady(stage)
        await run_all(stage, SMALLER)
        await settled(stage)
        await run_all(stage, EDITED)
        await settled(stage)
        status = await stage.stop_daemon()
        after = await texts(stage)
    assert status == 0, stage.log
    assert after == wanted


async def test_an_altname_that_is_another_links_by_now_stays_there(dataplane: Dataplane) -> None:
    """F36: the NIC had it all the while, and with it the kernel would not let it in."""
    async with open_stage(dataplane) as stage:
        before = await texts(stage)
        await run_all(stage, f"ip link property add dev {NIC} altname uplink0")
        stage.start_daemon()
        await settled_steady(stage)
        await run_all(stage, f"ip link property del dev {NIC} altname uplink0")
        await run_all(stage, "ip link add br7 type bridge; ip link property add dev br7 altname uplink0")
        await settled(stage)
        assert await stage.stop_daemon() == 0, stage.log
        assert await texts(stage) == before
        assert "br7" in await stage.on_host("ip", "link", "show", "uplink0")


async def test_a_nic_whose_name_is_another_links_by_now_comes_home_under_another(dataplane: Dataplane) -> None:
    """F36: told, and the host has its network; so does `hostlink release` without a daemon, which is begun again."""
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await settled_steady(stage)
        down, up = ("", "") if renames_while_up() else (f"ip link set {NIC} down;", "ip link set other up;")
        os.kill(stage.daemon.pid, signal.SIGSTOP)  # else it has the name put right before another link can take it
        await run_all(stage, f"{down} ip link set {NIC} name other; {up} ip link add {NIC} type bridge")
        os.kill(stage.daemon.pid, signal.SIGCONT)
        await until(stage, lambda uplink: "HL-322" in codes(uplink))
        await stage.stop_daemon(signal.SIGKILL)
        released = await stage.hostlink("release", "--config", str(stage.config))
        assert f"not restored: its name, which interface {await index_of(stage)}" in released.stderr.decode()
        assert released.returncode == 1
        assert await ping(stage.lab.wire, HOST4.ip, count=3) >= 2
        assert list((stage.directory / "journal").glob("*.json")) == []


STUCK = f"""
tc qdisc add dev {NIC} root handle 10: htb default 1
tc class add dev {NIC} parent 10: classid 10:1 htb rate 900mbit
bridge fdb add 02:00:00:00:00:77 dev {NIC} self
ip nexthop add id 12 via 192.168.0.254 dev {NIC}
ip route add 203.0.113.0/24 nhid 12
"""
LATER = f"""
ip address add 192.168.0.77/24 dev {NIC}
ip route add 198.18.0.0/15 dev {NIC} scope link table 77 src 192.168.0.77
ip address del 192.168.0.77/24 dev {NIC}
"""
"""The kernel keeps such a route in a table that is not main, and takes none whose source is nobody's."""


async def test_what_cannot_come_back_is_named(dataplane: Dataplane) -> None:
    """F50: before it is taken, and at the end, which is then no clean one."""
    names = ("tc qdisc htb 10: root", "bridge fdb entry 02:00:00:00:00:77 self", "ip nexthop object 12")
    async with open_stage(dataplane) as stage:
        await run_all(stage, STUCK)
        bare = await texts(stage)
        stage.start_daemon()
        state = await stage.wait_state("Steady")
        warned = [problem for problem in state["problems"] if problem["code"] == "HL-116"]
        await run_all(stage, LATER)
        await settled(stage)
        released = await stage.hostlink("release")
        told = {problem["code"]: problem["detail"] for problem in (await stage.state())["problems"]}
        after = await texts(stage)
        route = await stage.on_host("ip", "route", "show", "203.0.113.0/24")
    assert len(warned) == 1, stage.log
    assert all(name in warned[0]["detail"] for name in names), warned
    assert all(name in told["HL-418"] for name in names), told
    assert "add route 198.18.0.0/15 table 77" in told["HL-406"], told
    assert "EINVAL" in told["HL-406"], told
    assert "via 192.168.0.254" in route
    assert after == bare | {what: after[what] for what in ("qdisc", "routes")}
    assert released.returncode == 1, released
