"""Who lives where in the lab: names, addresses and MACs, in one place for the network, the flows and the tests.

         hl-ID-wire                          hl-ID-host       hl-ID-vpp       hl-ID-pod
    router and everything beyond it            the node       VPP's own      a pod on it
    bridge `lan` 192.168.0.254 fe80::1 ──veth── enp216s0f1
                 │                              192.168.0.1    vpp-pod0 ──veth── eth0 10.244.0.2
                 │                  hl-ID-node2                        hl-ID-pod2
                 └──────────veth── eth0 192.168.0.2 · pod0 ────veth──── eth0 10.244.1.2

The addresses are the seeds' own. 198.51.100.1 and 2001:db8:ffff::1 (documentation prefixes, RFC 5737 and RFC 3849) lie
beyond the router, reached by the default route only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

ROLES = ("wire", "host", "vpp", "pod", "node2", "pod2")

NIC = "enp216s0f1"
NIC_MAC = "52:54:00:40:46:8e"
HOST4, HOST6 = IPv4Interface("192.168.0.1/24"), IPv6Interface("fd00::1/64")

LAN = "lan"
"""The bridge in `wire`, which is the router's own interface too."""
ROUTER_MAC = "02:00:00:00:00:fe"
ROUTER4, ROUTER6 = IPv4Interface("192.168.0.254/24"), IPv6Interface("fd00::254/64")
ROUTER_LINK_LOCAL = IPv6Address("fe80::1")
BEYOND4, BEYOND6 = IPv4Address("198.51.100.1"), IPv6Address("2001:db8:ffff::1")

NODE2_4, NODE2_6 = IPv4Interface("192.168.0.2/24"), IPv6Interface("fd00::2/64")
NODE2_MAC = "02:00:00:00:00:02"

POD_CIDR4, POD_CIDR6 = IPv4Network("10.244.0.0/16"), IPv6Network("fd00:244::/48")
"""All pods of the cluster."""
PODS_HERE4, PODS_HERE6 = IPv4Network("10.244.0.0/24"), IPv6Network("fd00:244::/64")
PODS_THERE4, PODS_THERE6 = IPv4Network("10.244.1.0/24"), IPv6Network("fd00:244:0:1::/64")
SERVICE_CIDR4 = IPv4Network("10.96.0.0/12")
POD4, POD6 = IPv4Address("10.244.0.2"), IPv6Address("fd00:244::2")
POD_MAC = "02:00:00:0a:00:02"
POD2_4, POD2_6 = IPv4Address("10.244.1.2"), IPv6Address("fd00:244:0:1::2")

VPP_POD_LINK = "vpp-pod0"
"""The pod's veth end in VPP's namespace, for VPP to open."""
VPP_POD_MAC = "02:00:00:0a:00:01"
POD_GATEWAY4, POD_GATEWAY6 = IPv4Address("169.254.1.1"), IPv6Address("fe80::1")
"""A pod's way out, the same for every pod: link-local on its own veth."""

ECHO_PORT = 7777


@dataclass(frozen=True, slots=True)
class Names:
    """The namespaces of one lab. `name` is part of each; ValueError for one that could not be."""

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", self.name):
            raise ValueError(f"a lab's name has 1 to 40 of a-z, 0-9 and -, not {self.name!r}")

    def namespace(self, role: str) -> str:
        if role not in ROLES:
            raise ValueError(f"the lab has no {role!r}; it has {', '.join(ROLES)}")
        return f"hl-{self.name}-{role}"

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self.namespace(role) for role in ROLES)

    @property
    def existing(self) -> tuple[str, ...]:
        return tuple(namespace for namespace in self.all if (NAMESPACES / namespace).exists())


NAMESPACES = Path("/run/netns")
"""Where iproute2 keeps named namespaces (ip-netns(8))."""
