"""How forwarding is printed: tables, adjacencies and punt redirects."""

from __future__ import annotations

import ipaddress

from hostlink.lab.standin import node_punt
from hostlink.lab.standin.fib import Entry, Path, Table
from hostlink.lab.standin.forwarding import Forwarding, Kind, resolve
from hostlink.lab.standin.packet import ARP, IPV4, IPV6
from hostlink.lab.standin.registry import Vpp


def show_fib(vpp: Vpp, version: int) -> str:
    lines = []
    for table in vpp.state.fib.tables():
        if table.version != version:
            continue
        lines.append(f"{table.name}, fib_index:{table.table_id}, flow hash:[src dst sport dport proto flowlabel ] ")
        lines[-1] += "epoch:0 flags:none locks:[default-route:1, ]"
        for entry in sorted(table.entries(), key=lambda e: (e.network, -e.length if e.length else -999)):
            lines += _entry(vpp, table, entry)
    return "\n".join(lines) + "\n"


def _entry(vpp: Vpp, table: Table, entry: Entry) -> list[str]:
    version, number = table.version, entry.stats_index
    if not vpp.state.fib.forwards(table, entry):
        return [f"{ipaddress.ip_address(table.packed(entry))}/{entry.length}", "  UNRESOLVED"]
    what = describe(vpp, version, resolve(vpp.state, table, entry), table, entry)
    return [
        f"{ipaddress.ip_address(table.packed(entry))}/{entry.length}",
        f"  unicast-ip{version}-chain",
        f"  [@0]: dpo-load-balance: [proto:ip{version} index:{number} buckets:1 uRPF:{number} to:[0:0]]",
        f"    [0] {what}",
    ]


def describe(vpp: Vpp, version: int, forwarding: Forwarding, table: Table, entry: Entry) -> str:
    """One data-path object, as VPP prints it."""
    if forwarding.kind is Kind.RECEIVE:
        name = _name(vpp, forwarding.sw_if_index)
        return f"[@{11 if version == 4 else 15}]: dpo-receive: {ipaddress.ip_address(table.packed(entry))} on {name}"
    if forwarding.kind is Kind.LINK_LOCAL:
        return "[@14]: ip6-link-local"
    if forwarding.kind is Kind.ADJACENCY:
        return _adjacency(vpp, version, forwarding, ("[@5]", "[@3]"))
    if forwarding.kind is Kind.GLEAN:
        prefix = f"{ipaddress.ip_address(table.packed(entry))}/{entry.length}"
        ethertype = ARP if version == 4 else IPV6
        rest = _link(vpp, version, forwarding.sw_if_index, b"\xff" * 6, ethertype)
        return f"[@4]: ipv{version}-glean: [src:{prefix}] {rest}"
    if forwarding.kind in (Kind.UNREACHABLE, Kind.PROHIBITED):
        return f"[@12]: dpo-icmp: icmp-{forwarding.kind.value}"
    return f"[@0]: dpo-drop ip{version}"


def _adjacency(vpp: Vpp, version: int, forwarding: Forwarding, marks: tuple[str, str]) -> str:
    address = ipaddress.ip_address(forwarding.next_hop)
    neighbour = vpp.state.neighbours.find(forwarding.sw_if_index, forwarding.next_hop)
    if neighbour is None:
        return f"{marks[1]}: arp-ipv{version}: via {address} {_name(vpp, forwarding.sw_if_index)}"
    rest = _link(vpp, version, forwarding.sw_if_index, neighbour.mac, IPV4 if version == 4 else IPV6)
    return f"{marks[0]}: ipv{version} via {address} {rest}"


def _link(vpp: Vpp, version: int, sw_if_index: int, destination: bytes, ethertype: int) -> str:
    interface = vpp.state.interfaces.get(sw_if_index)
    features = "features " if f"ip{version}" in interface.output_acl else ""
    rewrite = destination + interface.mac + ethertype.to_bytes(2)
    mtu = interface.l3_mtu(version)
    return f"{interface.name}: mtu:{mtu} next:{sw_if_index + 2} flags:[{features}] {rewrite.hex()}"


def _name(vpp: Vpp, sw_if_index: int) -> str:
    interface = vpp.state.interfaces.find(sw_if_index)
    return interface.name if interface else "DELETED"


def show_punt_redirect(vpp: Vpp, version: int) -> str:
    lines: list[str] = []
    for rx, paths in sorted(vpp.state.redirects[version].by_interface.items()):
        lines += [f" rx {_name(vpp, rx)} via:", *_path_list(vpp, version, rx, paths)]
    return "".join(f"{line}\n" for line in lines)


def _path_list(vpp: Vpp, version: int, rx: int, paths: tuple[Path, ...]) -> list[str]:
    number = 31 + rx
    interfaces = "".join(f"{path.sw_if_index}, " for path in paths)
    flags = f"flags:no-uRPF, uPRF-list:{number} len:{len(paths)} itfs:[{interfaces}]"
    lines = [f"   path-list:[{number}] locks:1 {flags}"]
    for offset, path in enumerate(paths):
        resolved = vpp.state.interfaces.find(path.sw_if_index)
        state = "drop," if path.dead or not (resolved and resolved.up) else "resolved,"
        weight = f"weight={path.weight} pref={path.preference}"
        lines.append(f"    path:[{number + 10 + offset}] pl-index:{number} ip{version} {weight} attached-nexthop:")
        lines[-1] += f"  oper-flags:{state}"
        if path.dead:
            lines.append(f"      {ipaddress.ip_address(path.next_hop)} if_index:{path.sw_if_index}\n      unresolved")
        else:
            lines.append(f"      {ipaddress.ip_address(path.next_hop)} {_name(vpp, path.sw_if_index)}")
    forwarding = node_punt.redirect_of(vpp.state, version, paths)
    if forwarding.kind is not Kind.ADJACENCY:
        return [*lines, " forwarding", f"  [@0]: dpo-drop ip{version}"]
    via = [_adjacency(vpp, version, forwarding, (mark, mark)) for mark in ("[@0]", "[@1]")]
    return [*lines, f"    {via[0]}", " forwarding", f"  {via[1]}"]
