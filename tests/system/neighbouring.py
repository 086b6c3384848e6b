"""ARP and neighbour discovery as scenarios send them, and what the kernels' neighbour tables say."""

from __future__ import annotations

import json
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from hostlink.kernel.namespace import inside
from hostlink.lab.network import Lab

BROADCAST, ZERO_MAC = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"
REQUEST, REPLY = 1, 2
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


def arp_request(mac: str, target: str, source: str) -> bytes:
    """Who has `target`? `source` 0.0.0.0: an address conflict probe (RFC 5227 §2.1.1); the target: gratuitous."""
    arp = ARP(op=REQUEST, hwsrc=mac, psrc=source, hwdst=ZERO_MAC, pdst=target)
    return bytes(Ether(src=mac, dst=BROADCAST) / arp)


def gratuitous_reply(mac: str, address: str) -> bytes:
    """As `arping -A` sends it. Linux takes it for one only with the sender's MAC as target's too (arp_is_garp)."""
    arp = ARP(op=REPLY, hwsrc=mac, psrc=address, hwdst=mac, pdst=address)
    return bytes(Ether(src=mac, dst=BROADCAST) / arp)


def unsolicited_advertisement(mac: str, address: str) -> bytes:
    """The address is at this MAC from now on (RFC 4861 §7.2.6): override, not solicited, to all nodes."""
    packet = Ether(src=mac, dst=ALL_NODES_MAC) / IPv6(src=address, dst=ALL_NODES, hlim=255)
    return bytes(packet / ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac))


async def neighbour(lab: Lab, namespace: str, link: str, address: str) -> str | None:
    """The MAC that a kernel has for an address; None when it has no entry, or one without a MAC."""
    argv = ["ip", "-json", "neigh", "show", address, "dev", link]
    entries = json.loads(await lab.exec(namespace, argv) or "[]")
    return next((str(entry["lladdr"]) for entry in entries if "lladdr" in entry), None)


def set_sysctls(namespace: str, **values: str) -> None:
    """Below /proc/sys/net, with `__` for `/`: ipv6__conf__eth0__accept_dad="1"."""
    with inside(namespace):
        for name, value in values.items():
            Path("/proc/sys/net", name.replace("__", "/")).write_text(value)


async def scoped(lab: Lab, namespace: str, link: str, address: str) -> str:
    """A link-local address with its scope as a number, for sockets of that namespace used from outside it."""
    index = await lab.exec(namespace, ["cat", f"/sys/class/net/{link}/ifindex"])
    return f"{address}%{index.strip()}"
