"""The few commands that a person and the demo need, in VPP's layout, by `cli_inband`.

What VPP prints of its insides and the stand-in has not (indices of path lists and load balances) is filled in with a
number that stays the same for the same object.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from hostlink.lab.standin.cli_features import show_features, show_output_acl
from hostlink.lab.standin.cli_fib import show_fib, show_punt_redirect
from hostlink.lab.standin.cli_punt import show_tcp_punt, show_udp_punt
from hostlink.lab.standin.cli_set import change_by_command
from hostlink.lab.standin.registry import Vpp

_Command = Callable[[Vpp], str]
NEIGHBOUR_FLAGS = {0: "D", 1: "S", 2: "DN", 3: "SN"}


def centre(text: str, width: int) -> str:
    """VPP's `%=`: the odd blank goes to the left."""
    blanks = max(width - len(text), 0)
    return " " * ((blanks + 1) // 2) + text + " " * (blanks // 2)


def run_command(vpp: Vpp, command: str) -> tuple[int, str]:
    """The retval and what VPP prints; VPP's own complaint when it is not one of the commands below."""
    words = command.split()
    for spelled, show in WITH_A_NAME.items():
        if words[:-1] == spelled.split():
            return show(vpp, words[-1])
    changed = change_by_command(vpp, command)
    if changed is not None:
        return changed
    found = _find(words)
    if found is None:
        unknown = " ".join(words[1:] or words)
        return -1, f"{words[0] if words else ''}: unknown input `{unknown}'\n"
    return 0, found(vpp)


def _find(words: list[str]) -> _Command | None:
    """VPP takes any beginning of a word that is clear: `sh int addr`."""
    matches = [
        (spelled, run)
        for spelled, run in COMMANDS.items()
        if len(spelled.split()) == len(words) and all(map(str.startswith, spelled.split(), words))
    ]
    return matches[0][1] if matches else None


def show_version(vpp: Vpp) -> str:
    return f"vpp {vpp.release}-standin (hostlink's stand-in, not a VPP)\n"


def show_interface(vpp: Vpp) -> str:
    head = [("Name", 32), ("Idx", 5), ("State", 10), ("MTU (L3/IP4/IP6/MPLS)", 21), ("Counter", 16), ("Count", 16)]
    lines = ["".join(centre(*column) for column in head)]
    for interface in sorted(vpp.state.interfaces, key=lambda i: i.name):
        state = "up" if interface.admin_up else "down"
        mtu = "/".join(map(str, interface.mtu))
        left = f"{interface.name:<32}{centre(str(interface.sw_if_index), 5)}{centre(state, 10)}{centre(mtu, 21)}"
        counters = [f"{name:<16}{count:>16}" for name, count in interface.counters.items()] or [""]
        lines.append(left + counters[0])
        lines += [" " * 68 + counter for counter in counters[1:]]
    return "\n".join(lines) + "\n"


def show_interface_address(vpp: Vpp) -> str:
    lines = []
    for interface in sorted(vpp.state.interfaces, key=lambda i: i.name):
        state = "up" if interface.admin_up else "dn"
        lender = interface.unnumbered and vpp.state.interfaces.find(interface.unnumbered)
        lines.append(f"{interface.name} ({state}):" + (" " if lender else ""))
        if lender:
            lines.append(f"  unnumbered, use {lender.name}")
        for version in (4, 6):
            for held in vpp.state.interfaces.addresses(interface, version):
                suffix = f" ip{version} table-id {interface.table(version)} fib-idx {interface.table(version)}"
                table = suffix if interface.table(version) else ""
                lines.append(f"  L3 {ipaddress.ip_address(held.address)}/{held.length}{table}")
    return "\n".join(lines) + "\n"


def show_neighbours(vpp: Vpp) -> str:
    head = [("Age", 12), ("IP", 40), ("Flags", 6), ("Ethernet", 20), ("Interface", 24)]
    lines = ["".join(centre(*column) for column in head)]
    now = vpp.state.clock()
    for version in (4, 6):
        for neighbour in vpp.state.neighbours.all(version):
            age_s = f"{now - neighbour.updated_at_s:.4f}"
            age = age_s.removeprefix("0") if age_s.startswith("0.") else age_s
            address = str(ipaddress.ip_address(neighbour.address))
            flags, mac = NEIGHBOUR_FLAGS[neighbour.flags & 3], neighbour.mac.hex(":")
            interface = vpp.state.interfaces.find(neighbour.sw_if_index)
            name = interface.name if interface else "DELETED"
            lines.append(f"{age:>12}{centre(address, 40)}{centre(flags, 6)}{centre(mac, 20)}{name}")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def show_errors(vpp: Vpp) -> str:
    head = [("Count", 10), ("Node", 35), ("Reason", 35), ("Severity", 10)]
    lines = ["".join(centre(*column) for column in head)]
    for (node, reason), count in sorted(vpp.state.errors.items()):
        lines.append(f"{count:>10}{centre(node, 35)}{centre(reason, 35)}{centre('error', 10)}")
    return "\n".join(lines) + "\n"


_LOCAL4 = "Protocols handled by ip4_local\nICMP: ip4-icmp-input\nUDP: ip4-udp-lookup\n"
_LOCAL6 = """\
Protocols handled by ip6_local
0: ip6-local-hop-by-hop
17: ip6-udp-lookup
44: ip6-local-full-reassembly
58: ip6-icmp-input
"""
_UDP_PORTS = " ".join(f"\x1b[33m{title}\x1b[0m" for title in ("port", "proto", "node", "desc")) + "\n"
_ICMP_NODE = """\
node ip4-icmp-input, type internal, state active, index 344
  node function variants:
    default only

  next nodes:
    next-index  node-index               Node               Vectors
         0          327                ip4-punt                0
         1           5            ip4-icmp-echo-reply          0
         2           4           ip4-icmp-echo-request         0

  known previous nodes:
    ip4-local-end-of-arc (336)         ip4-receive (337)                  ip4-local (338)
"""
"""What a VPP 26.06 prints in which nothing claims anything, less blanks at the ends of lines: the stand-in has no
plugin, tunnel or session layer.
"""

COMMANDS: dict[str, _Command] = {
    "show ip local": lambda _: _LOCAL4,
    "show ip6 local": lambda _: _LOCAL6,
    "show udp ports": lambda _: _UDP_PORTS,
    "show udp punt": show_udp_punt,
    "show tcp punt": show_tcp_punt,
    "show node ip4-icmp-input": lambda _: _ICMP_NODE,
    "show version": show_version,
    "show interface": show_interface,
    "show interface address": show_interface_address,
    "show ip punt redirect": lambda vpp: show_punt_redirect(vpp, 4),
    "show ip6 punt redirect": lambda vpp: show_punt_redirect(vpp, 6),
    "show ip fib": lambda vpp: show_fib(vpp, 4),
    "show ip6 fib": lambda vpp: show_fib(vpp, 6),
    "show ip neighbors": show_neighbours,
    "show ip6 neighbors": show_neighbours,
    "show errors": show_errors,
}

WITH_A_NAME: dict[str, Callable[[Vpp, str], tuple[int, str]]] = {
    "show interface features": show_features,
    "show outacl type": show_output_acl,
}
