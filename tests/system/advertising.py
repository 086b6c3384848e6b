"""Routers' advertisements as scenarios send them, and what the host made of them."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether

from hostlink.kernel.namespace import inside
from hostlink.lab.layout import LAN, NIC
from hostlink.lab.stage import Stage

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
HOST_LINK_LOCAL = "fe80::5054:ff:fe40:468e"
"""Of the NIC's MAC (RFC 4291, appendix A)."""
INTERFACE_ID = "5054:ff:fe40:468e"
VALID_S, PREFERRED_S, LIFETIME_S, RDNSS_S = 3600, 1800, 1500, 1200
RDNSS = 25
"""The option's type."""
_RTMGRP_ND_USEROPT = 1 << (20 - 1)
_NEWNDUSEROPT = 68
_HEADER, _USER_OPTION = 16, 16
"""struct nlmsghdr and struct nduseroptmsg (include/uapi/linux/rtnetlink.h), in bytes."""


@dataclass(frozen=True, slots=True)
class Router:
    """Who advertises: by the LAN's bridge, with a link-local address and a MAC that need not be anybody's."""

    link_local: str
    mac: str

    def advertisement(
        self,
        *,
        lifetime_s: int = LIFETIME_S,
        prefix: str | None = None,
        valid_s: int = VALID_S,
        preferred_s: int = PREFERRED_S,
        rdnss: str | None = None,
        to: tuple[str, str] = (ALL_NODES, ALL_NODES_MAC),
        hop_limit: int = 255,
    ) -> bytes:
        """One frame (RFC 4861 §4.2, RFC 8106 §5.1). lifetime_s 0: it is no default router. prefix: a /64's address."""
        address, mac = to
        packet = Ether(src=self.mac, dst=mac) / IPv6(src=self.link_local, dst=address, hlim=hop_limit)
        packet /= ICMPv6ND_RA(routerlifetime=lifetime_s, chlim=64, prf=0) / ICMPv6NDOptSrcLLAddr(lladdr=self.mac)
        if prefix is not None:
            packet /= ICMPv6NDOptPrefixInfo(
                prefix=prefix,
                prefixlen=64,
                L=1,
                A=1,
                validlifetime=valid_s,
                preferredlifetime=min(valid_s, preferred_s),
            )
        if rdnss is not None:
            packet /= ICMPv6NDOptRDNSS(dns=[rdnss], lifetime=RDNSS_S)
        return bytes(packet)


@contextmanager
def rdnss_messages(namespace: str) -> Iterator[socket.socket]:
    """A netlink socket on which the kernel tells of ND options that are for userland (RTM_NEWNDUSEROPT)."""
    with inside(namespace):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with sock:
        sock.bind((0, _RTMGRP_ND_USEROPT))
        sock.setblocking(False)
        yield sock


def nd_options(sock: socket.socket) -> list[bytes]:
    """The options that the kernel has told of since the last call, each whole, with its type and length."""
    options = []
    with suppress(BlockingIOError):
        while True:
            data = sock.recv(1 << 16)
            (kind,) = struct.unpack_from("=H", data, 4)
            assert kind == _NEWNDUSEROPT, f"a netlink message of type {kind}"
            (size,) = struct.unpack_from("=H", data, _HEADER + 2)
            options.append(data[_HEADER + _USER_OPTION :][:size])
    return options


async def defaults(stage: Stage) -> dict[str, int | None]:
    """The host's IPv6 default routes: gateway → seconds until it expires, None: never."""
    routes = json.loads(await stage.on_host("ip", "-6", "-json", "route", "show", "default", "dev", NIC))
    return {route["gateway"]: route.get("expires") for route in routes}


async def host_address(stage: Stage, address: str) -> dict[str, Any] | None:
    """What the host's NIC says of one of its addresses: flags and lifetimes, or None when it has none such."""
    (link,) = json.loads(await stage.on_host("ip", "-6", "-json", "address", "show", "dev", NIC))
    found: list[dict[str, Any]] = [info for info in link["addr_info"] if info.get("local") == address]
    return found[0] if found else None


async def vpp_route(stage: Stage, prefix: str) -> str:
    """What VPP's IPv6 table says of exactly that prefix; empty when it has none."""
    shown = f"\n{await stage.vppctl('show ip6 fib')}\n"
    _, found, rest = shown.partition(f"\n{prefix}\n")
    lines = rest.splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith(" ")), len(lines))
    return "\n".join(lines[:length]) if found else ""


async def router_address(stage: Stage, address: str, verb: str = "add") -> None:
    """Add or delete an address of the lab's router on the LAN."""
    await stage.lab.exec(stage.lab.wire, ["ip", "address", verb, address, "dev", LAN])
