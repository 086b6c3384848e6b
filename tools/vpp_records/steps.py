"""Steps of a recording: requests and frames to VPP, and helpers to write them down in one line each.

The VPP has three packet sockets: `up` (the uplink, its peer is the wire), `tap` (the host's side; a veth, because a
real VPP has taps only with vhost-net) and `pod`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from hostlink.lab.standin import node_arp, packet
from hostlink.lab.standin.interfaces import NONE

Fields = dict[str, Any]
MAC = {"up": bytes.fromhex("020000000001"), "tap": bytes.fromhex("020000000002"), "pod": bytes.fromhex("020000000003")}
HOST_MAC = MAC["up"]
"""The host's end has the uplink's MAC, as hostlink makes it."""
ROUTER_MAC = bytes.fromhex("0200000000fe")
POD_MAC = bytes.fromhex("020000001005")
UP, TAP, POD = 1, 2, 3
DEVICES = {"up": "up0", "tap": "in0", "pod": "pod0"}


@dataclass(frozen=True, slots=True)
class Request:
    name: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Send:
    port: str
    frame: bytes
    offload: packet.Offload | None = None


Step = Request | Send
Scenario = list[Step]


def ask(name: str, **fields: Any) -> Request:
    return Request(name, fields)


# ------------------------------------------------------------------------------------------------------- request fields


def packed(address: str) -> bytes:
    return ip_address(address).packed


def wire_address(address: str) -> Fields:
    data = packed(address)
    return {"af": int(len(data) == 16), "un": data}


def prefix(text: str) -> Fields:
    """Host bits are kept: `10.1.2.3/24` stays that."""
    interface = ip_interface(text)
    return {"address": wire_address(str(interface.ip)), "len": interface.network.prefixlen}


def path(sw_if_index: int = NONE, next_hop: str | None = None, **fields: Any) -> Fields:
    data = packed(next_hop) if next_hop else b""
    proto = fields.pop("proto", int(len(data) == 16))
    return {"sw_if_index": sw_if_index, "rpf_id": NONE, "weight": 1, "proto": proto, "nh": {"address": data}, **fields}


def route(is_add: bool, text: str, *paths: Fields, table_id: int = 0, is_multipath: bool = False) -> Request:
    what = {"table_id": table_id, "prefix": prefix(text), "n_paths": len(paths), "paths": list(paths)}
    return ask("ip_route_add_del", is_add=is_add, is_multipath=is_multipath, route=what)


def address(is_add: bool, sw_if_index: int, text: str) -> Request:
    return ask("sw_interface_add_del_address", is_add=is_add, sw_if_index=sw_if_index, prefix=prefix(text))


def neighbour(is_add: bool, sw_if_index: int, of: str, mac: bytes, flags: int) -> Request:
    what = {"sw_if_index": sw_if_index, "flags": flags, "mac_address": mac, "ip_address": wire_address(of)}
    return ask("ip_neighbor_add_del", is_add=is_add, neighbor=what)


def redirect(is_add: bool, next_hop: str, rx: int = NONE) -> Request:
    family = int(":" in next_hop)
    what = {"rx_sw_if_index": rx, "af": family, "n_paths": 1, "paths": [path(TAP, next_hop)]}
    return ask("add_del_ip_punt_redirect_v2", is_add=is_add, punt=what)


def punt(is_add: bool, family: int, protocol: int, port: int = 65535) -> Request:
    return ask("set_punt", is_add=is_add, punt={"type": 0, "punt": struct.pack(">BBH", family, protocol, port)})


def routes(version: int = 4) -> Request:
    return ask("ip_route_dump", table={"table_id": 0, "is_ip6": version == 6})


def opened(flags: int = 2) -> Scenario:
    """The three packet sockets."""
    return [
        ask("af_packet_create_v3", mode=1, flags=flags, host_if_name=device, hw_addr=MAC[port])
        for port, device in DEVICES.items()
    ]


def taken_over(flags: int = 2, neighbour_flags: int = 3) -> Scenario:
    """The takeover of the design pages, with a pod."""
    steps = opened(flags)
    for index in (UP, TAP):
        steps += [
            ask("sw_interface_set_mtu", sw_if_index=index, mtu=[1500, 0, 0, 0]),
            ask("sw_interface_ip6_enable_disable", sw_if_index=index, enable=True),
            ask("sw_interface_ip6nd_ra_config", sw_if_index=index, suppress=1),
        ]
    steps += [
        ask("sw_interface_ip6_set_link_local_address", sw_if_index=UP, ip=packed("fe80::aa")),
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=TAP),
        ask("sw_interface_set_unnumbered", is_add=True, sw_if_index=UP, unnumbered_sw_if_index=POD),
        ask("sw_interface_set_mtu", sw_if_index=POD, mtu=[1500, 0, 0, 0]),
        *(ask("sw_interface_set_flags", sw_if_index=index, flags=1) for index in (UP, TAP, POD)),
        address(True, UP, "192.168.0.1/24"),
        address(True, UP, "fd00::1/64"),
        route(True, "0.0.0.0/0", path(UP, "192.168.0.254")),
        route(True, "::/0", path(UP, "fd00::fe")),
        ask("proxy_arp_add_del", is_add=True, proxy={"low": packed("0.0.0.1"), "hi": packed("255.255.255.254")}),
        ask("proxy_arp_intfc_enable_disable", sw_if_index=TAP, enable=True),
        ask("ip6nd_proxy_enable_disable", sw_if_index=TAP, is_enable=True),
        redirect(True, "192.168.0.1"),
        redirect(True, "fd00::1"),
        *(punt(True, family, protocol) for family in (0, 1) for protocol in (6, 17)),
        *(neighbour(True, TAP, of, HOST_MAC, neighbour_flags) for of in ("192.168.0.1", "fd00::1", "fe80::aa")),
        route(True, "10.0.0.5/32", path(POD, "10.0.0.5")),
        neighbour(True, POD, "10.0.0.5", POD_MAC, 1),
        neighbour(True, UP, "192.168.0.254", ROUTER_MAC, 1),
        neighbour(True, UP, "fd00::fe", ROUTER_MAC, 1),
    ]
    return steps


# --------------------------------------------------------------------------------------------------------------- frames


def frame(port: str, ethertype: int, payload: bytes, source: bytes, destination: bytes | None = None) -> Send:
    """To VPP's MAC on that port unless told otherwise."""
    return Send(port, packet.ethernet_header(destination or MAC[port], source, ethertype) + payload)


def ip4(port: str, source: str, destination: str, protocol: int, payload: bytes, mac: bytes, **fields: Any) -> Send:
    data = packet.build_ip4(packed(source), packed(destination), protocol, payload, **{"ttl": 64, **fields})
    return frame(port, packet.IPV4, data, mac)


def ip6(port: str, source: str, destination: str, protocol: int, payload: bytes, mac: bytes, hops: int = 64) -> Send:
    data = packet.build_ip6(packed(source), packed(destination), protocol, payload, hops)
    to = packet.multicast_mac(packed(destination)) if destination.startswith("ff") else None
    return frame(port, packet.IPV6, data, mac, to)


def segment(source: str, destination: str, protocol: int, data: bytes = b"payload", *, bad: bool = False) -> bytes:
    """A UDP datagram or a TCP SYN from port 1234 to 4321, its checksum right unless bad."""
    if protocol == packet.UDP:
        made, field = struct.pack(">HHHH", 1234, 4321, 8 + len(data), 0) + data, 6
    else:
        made, field = struct.pack(">HHIIBBHHH", 1234, 4321, 1, 0, 0x50, 2, 1000, 0, 0) + data, 16
    pseudo = packet.pseudo_header_sum(packed(source), packed(destination), protocol, len(made))
    total = packet.checksum(made, pseudo) ^ (1 if bad else 0)
    return made[:field] + struct.pack(">H", total) + made[field + 2 :]


def udp4(port: str, source: str, destination: str, mac: bytes, data: bytes = b"payload", **fields: Any) -> Send:
    return ip4(port, source, destination, packet.UDP, segment(source, destination, packet.UDP, data), mac, **fields)


def tcp4(port: str, source: str, destination: str, mac: bytes, *, bad: bool = False) -> Send:
    return ip4(port, source, destination, packet.TCP, segment(source, destination, packet.TCP, bad=bad), mac)


def udp6(port: str, source: str, destination: str, mac: bytes, data: bytes = b"payload", hops: int = 64) -> Send:
    return ip6(port, source, destination, packet.UDP, segment(source, destination, packet.UDP, data), mac, hops)


def echo4(port: str, source: str, destination: str, mac: bytes, **fields: Any) -> Send:
    body = struct.pack(">BBHHH", 8, 0, 0, 77, 1) + b"ping"
    body = body[:2] + struct.pack(">H", packet.checksum(body)) + body[4:]
    return ip4(port, source, destination, packet.ICMP, body, mac, **fields)


def icmp6(port: str, source: str, destination: str, message: bytes, mac: bytes, hops: int = 255) -> Send:
    data = packet.build_icmp6(packed(source), packed(destination), message, hops)
    to = packet.multicast_mac(packed(destination)) if destination.startswith("ff") else None
    return frame(port, packet.IPV6, data, mac, to)


def echo6(port: str, source: str, destination: str, mac: bytes) -> Send:
    return icmp6(port, source, destination, struct.pack(">BBHHH", 128, 0, 0, 77, 1) + b"ping", mac, hops=64)


def solicitation(port: str, source: str, target: str, mac: bytes, destination: str | None = None) -> Send:
    group = str(ip_address(bytes.fromhex("ff0200000000000000000001ff") + packed(target)[13:]))
    option = bytes([1, 1]) + mac if source != "::" else b""
    message = struct.pack(">BBHI16s", 135, 0, 0, 0, packed(target)) + option
    return icmp6(port, source, destination or group, message, mac)


def advertisement(port: str, source: str, destination: str, target: str, mac: bytes) -> Send:
    message = struct.pack(">BBHI16s", 136, 0, 0, 0x60000000, packed(target)) + bytes([2, 1]) + mac
    return icmp6(port, source, destination, message, mac)


def arp(port: str, operation: int, sender: str, target: str, mac: bytes, target_mac: bytes = bytes(6)) -> Send:
    body = node_arp.build(node_arp.Arp(operation, mac, packed(sender), target_mac, packed(target)))
    to = packet.BROADCAST if operation == node_arp.REQUEST else MAC[port]
    return frame(port, packet.ARP, body, mac, to)
