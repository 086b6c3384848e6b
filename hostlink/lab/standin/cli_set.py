"""The commands of VPP's command line that an operator changes things by, each as the API message that does the same.

Spelled as VPP 26.06 takes them (vnet/interface_cli.c, vnet/ip/punt.c, vnet/ip/ip4_punt_drop.c, vnet/arp/arp_proxy.c,
vnet/ip6-nd, vnet/ip-neighbor/ip_neighbor.c).
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable
from ipaddress import ip_address

from hostlink.lab.standin.api_punt import PUNT_L4
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.fib import CLI
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.punt import ALL_PORTS, TCP, UDP
from hostlink.lab.standin.registry import HANDLERS, Vpp
from hostlink.lab.standin.retvals import Refused
from hostlink.lab.standin.wire import wire_address, wire_prefix

_Run = Callable[[Vpp, re.Match[str]], None]


def change_by_command(vpp: Vpp, command: str) -> tuple[int, str] | None:
    """The retval and what VPP prints; None when it is none of these commands."""
    for pattern, run in COMMANDS.items():
        found = re.fullmatch(pattern, " ".join(command.split()))
        if found is None:
            continue
        if "port" in found.groupdict() and vpp.state.interfaces.named(found["port"]) is None:
            return -1, f"unknown interface `{found['port']}'\n"
        try:
            run(vpp, found)
        except Refused as refusal:
            return -1, f"refused: {refusal.retval}\n"
        return 0, ""
    return None


def _do(vpp: Vpp, name: str, **fields: object) -> None:
    values: Values = defaultdict(int, fields)
    HANDLERS[name](vpp, values)


def _port(vpp: Vpp, found: re.Match[str]) -> int:
    interface = vpp.state.interfaces.named(found["port"])
    assert interface is not None
    return interface.sw_if_index


def _address(vpp: Vpp, found: re.Match[str]) -> None:
    one = ipaddress.ip_interface(found["prefix"])
    prefix = wire_prefix(one.ip.packed, one.network.prefixlen)
    _do(vpp, "sw_interface_add_del_address", sw_if_index=_port(vpp, found), is_add=not found["gone"], prefix=prefix)


def _state(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_set_flags", sw_if_index=_port(vpp, found), flags=int(found["to"] == "up"))


def _mtu(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_set_mtu", sw_if_index=_port(vpp, found), mtu=[int(found["mtu"]), 0, 0, 0])


def _not_unnumbered(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_set_unnumbered", unnumbered_sw_if_index=_port(vpp, found))


def _neighbour(vpp: Vpp, found: re.Match[str]) -> None:
    address = ipaddress.ip_address(found["address"])
    entry = {
        "sw_if_index": _port(vpp, found),
        "flags": 0,
        "mac_address": bytes.fromhex(found["mac"].replace(":", "")),
        "ip_address": wire_address(address.packed),
    }
    _do(vpp, "ip_neighbor_add_del", is_add=False, neighbor=entry)


def _proxy_arp(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "proxy_arp_intfc_enable_disable", sw_if_index=_port(vpp, found), enable=found["to"] == "enable")


def _no_proxy_range(vpp: Vpp, found: re.Match[str]) -> None:
    proxy = {"table_id": 0, "low": ip_address(found["low"]).packed, "hi": ip_address(found["high"]).packed}
    _do(vpp, "proxy_arp_add_del", is_add=False, proxy=proxy)


def _nd_proxy(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "ip6nd_proxy_enable_disable", sw_if_index=_port(vpp, found), is_enable=found["to"] == "enable")


def _advertise(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_ip6nd_ra_config", sw_if_index=_port(vpp, found), suppress=1, is_no=1)


def _no_ip6(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_ip6_enable_disable", sw_if_index=_port(vpp, found), enable=False)


def _no_route(vpp: Vpp, found: re.Match[str]) -> None:
    """Of the command line's own source alone, whoever else has one there (VPP: vnet_ip_route_cmd)."""
    one = ipaddress.ip_network(found["prefix"])
    table = vpp.state.fib.find(one.version, 0)
    assert table is not None
    vpp.state.fib.delete(table, one.network_address.packed, one.prefixlen, CLI)


def _no_redirect(vpp: Vpp, found: re.Match[str]) -> None:
    punt = {"rx_sw_if_index": NONE, "af": int(found["six"] == "6"), "n_paths": 0, "paths": []}
    _do(vpp, "add_del_ip_punt_redirect_v2", is_add=False, punt=punt)


def _no_punt(vpp: Vpp, found: re.Match[str]) -> None:
    protocol = {"udp": UDP, "tcp": TCP}[found["protocol"]]
    l4 = bytes([int(found["version"] == "6"), protocol]) + ALL_PORTS.to_bytes(2)
    _do(vpp, "set_punt", is_add=False, punt={"type": PUNT_L4, "punt": l4})


def _no_tag(vpp: Vpp, found: re.Match[str]) -> None:
    _do(vpp, "sw_interface_tag_add_del", sw_if_index=_port(vpp, found), is_add=False)


_ON = r"(?P<port>\S+)"
COMMANDS: dict[str, _Run] = {
    rf"set interface ip address (?P<gone>del )?{_ON} (?P<prefix>\S+)": _address,
    rf"set interface state {_ON} (?P<to>up|down)": _state,
    rf"set interface mtu packet (?P<mtu>\d+) {_ON}": _mtu,
    rf"set interface unnumbered del {_ON}": _not_unnumbered,
    rf"set ip neighbor del {_ON} (?P<address>\S+) (?P<mac>\S+)": _neighbour,
    rf"set interface proxy-arp {_ON} (?P<to>enable|disable)": _proxy_arp,
    r"set arp proxy del start (?P<low>\S+) end (?P<high>\S+)": _no_proxy_range,
    rf"set interface ip6-nd proxy {_ON} (?P<to>enable|disable)": _nd_proxy,
    rf"ip6 nd {_ON} no ra-suppress": _advertise,
    rf"disable ip6 interface {_ON}": _no_ip6,
    r"ip route del (?P<prefix>\S+)": _no_route,
    r"ip(?P<six>6?) punt redirect del rx all": _no_redirect,
    r"set punt ipv(?P<version>[46]) (?P<protocol>udp|tcp) del all": _no_punt,
    rf"clear interface tag {_ON}": _no_tag,
}
