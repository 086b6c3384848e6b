"""Operations as an operator reads them: one line each, in the words of `ip` and of VPP's own command line.

`describe` takes any operation of a plan. Interfaces are told by the names given, and by their number where there is
none: `names` for VPP's sw_if_index, `links` for the host's ifindex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import islice

from hostlink.core import operations as op
from hostlink.core.desired_routes import route_text
from hostlink.core.model import NO_INDEX, Address, PathType, Redirect, VppPath, VppRoute
from hostlink.core.vpp_tables import host_table_of

Names = Mapping[int, str]
DESCRIBED = 20
"""Of many routes, so many are told."""

_SPECIAL = {
    PathType.DROP: "blackhole",
    PathType.ICMP_UNREACH: "unreachable",
    PathType.ICMP_PROHIBIT: "prohibit",
    PathType.LOCAL: "local",
}
_PROTOCOLS = {6: "TCP", 17: "UDP"}


def describe_all(plan: Iterable[op.VppOperation], names: Names | None = None) -> list[str]:
    """One line for each operation; of many routes the first few."""
    lines: list[str] = []
    for operation in plan:
        if isinstance(operation, op.ChangeVppRoutes):
            lines += [describe(one, names) for one in islice(operation.each(), DESCRIBED)]
            more = len(operation.packed) - DESCRIBED
            lines += [f"VPP: {more} more routes"] if more > 0 else []
        else:
            lines.append(describe(operation, names))
    return lines


def describe(
    operation: op.VppOperation | op.HostOperation, names: Names | None = None, links: Names | None = None
) -> str:
    """The operation in one line: `VPP: host-eth1: add address 10.0.0.1/24`."""
    if isinstance(operation, op.VppOperation):
        return f"VPP: {_vpp(operation, names or {})}"
    return f"host: {_host(operation, links or {})}"


# ----------------------------------------------------------------------------------------------------------- in VPP


def _vpp(operation: op.VppOperation, names: Names) -> str:
    match operation:
        case op.AddVppNeighbour(neighbour) | op.DeleteVppNeighbour(neighbour):
            verb = _verb(operation)
            return f"{_port(neighbour.sw_if_index, names)}: {verb} neighbour {neighbour.address} at {neighbour.mac}"
        case op.LearnVppNeighbour(neighbour):
            return f"{_port(neighbour.sw_if_index, names)}: go on with neighbour {neighbour.address} at {neighbour.mac}"
        case op.AddVppRoute(route) | op.DeleteVppRoute(route):
            return f"{_verb(operation)} route {route_words(route, names)}"
        case op.ChangeVppRoutes(packed):
            some = ", ".join(_vpp(one, names) for one in islice(operation.each(), DESCRIBED))
            return f"{some} and {len(packed) - DESCRIBED} more routes" if len(packed) > DESCRIBED else some
        case op.AddVppTable(table) | op.DeleteVppTable(table):
            host_table = host_table_of(table.table_id)
            return f"{_verb(operation)} IPv{int(table.family)} table {table.table_id} for the host's table {host_table}"
        case op.AddProxyRange(proxy) | op.DeleteProxyRange(proxy):
            return f"{_verb(operation)} proxy ARP range {proxy.low} - {proxy.high} of table {proxy.table_id}"
        case op.AddRedirect(redirect) | op.DeleteRedirect(redirect):
            return f"{_verb(operation)} punt redirect {_redirect(redirect, names)}"
        case op.PuntL4(family, protocol, enable):
            what = f"IPv{int(family)} {_PROTOCOLS.get(protocol, f'protocol {protocol}')} to unclaimed ports"
            return f"punt {what}" if enable else f"no longer punt {what}"
        case op.SetLocalReassembly(local):
            made = " and ".join(f"IPv{n}" for n, on in ((4, local.ip4), (6, local.ip6)) if on)
            return f"put together fragments for VPP itself of {made or 'neither family'}"
        case op.SetReassembly(new):
            return f"put together up to {new.max_fragments} fragments of an IPv{int(new.family)} datagram"
        case _:
            return f"{_port(operation.sw_if_index, names)}: {_on_port(operation, names)}"


def _on_port(operation: op.VppOperation, names: Names) -> str:
    match operation:
        case op.SetMtu(_, mtu_bytes):
            return f"set MTU {mtu_bytes}"
        case op.SetUp(_, up):
            return f"set {'up' if up else 'down'}"
        case op.EnableIp6():
            return "enable IPv6"
        case op.SuppressAdvertisements():
            return "send no router advertisements"
        case op.SetLinkLocal(_, address):
            return f"set link-local address {address}"
        case op.AddVppAddress(_, interface) | op.DeleteVppAddress(_, interface):
            return f"{_verb(operation)} address {interface}"
        case op.SetUnnumbered(_, lender):
            return f"unnumbered, use the addresses of {_port(lender, names)}"
        case op.EnableProxyArp():
            return "answer ARP for others"
        case op.EnableNdProxy():
            return "answer neighbour solicitations for others"
        case _:
            raise TypeError(f"not an operation on a port: {operation!r}")


def _port(sw_if_index: int, names: Names) -> str:
    if sw_if_index == NO_INDEX:
        return "any interface"
    return names.get(sw_if_index, f"interface {sw_if_index}")


def route_words(route: VppRoute, names: Names) -> str:
    """A route of VPP's as `ip route` would say it."""
    table = f" in table {route.table_id}" if route.table_id else ""
    return f"{route.prefix}{table} {', '.join(_path(path, names) for path in route.paths)}"


def _path(path: VppPath, names: Names) -> str:
    if path.type in _SPECIAL:
        words = _SPECIAL[path.type]
    else:
        words = f"via {path.next_hop} " if path.next_hop is not None else ""
        words += f"dev {_port(path.sw_if_index, names)}"
    words += f" weight {path.weight}" if path.weight != 1 else ""
    return words + (f" preference {path.preference}" if path.preference else "")


def _redirect(redirect: Redirect, names: Names) -> str:
    return f"IPv{int(redirect.family)} from {_port(redirect.rx_sw_if_index, names)} {_path(redirect.path, names)}"


# -------------------------------------------------------------------------------------------------------- on the host


def _host(operation: op.HostOperation, links: Names) -> str:
    match operation:
        case op.SetSysctl(path, value):
            return f"set sysctl net/{path} = {value}"
        case op.AddHostRule(rule):
            return f"add IPv{int(rule.family)} rule {rule.priority} for {rule.interface or 'any interface'}"
        case _:
            return f"{links.get(operation.link_index, f'link {operation.link_index}')}: {_on_link(operation)}"


def _on_link(operation: op.HostOperation) -> str:
    match operation:
        case op.SetHostLink():
            return f"set {', '.join(_attributes(operation)) or 'nothing'}"
        case op.AddAltname(_, name):
            return f"add altname {name}"
        case op.SetToken(_, token):
            return f"set IPv6 token {token}"
        case op.AddQdisc(_, qdisc) | op.DeleteQdisc(_, qdisc):
            return f"{_verb(operation)} qdisc {qdisc.kind} {qdisc.handle >> 16:x}: root"
        case op.AddMulticast(mac=mac):
            return f"add multicast address {mac}"
        case op.ChangeHostAddress(_, address):
            return f"settle address {_address(address)}"
        case op.AddHostAddress(_, address) | op.DeleteHostAddress(_, address):
            return f"{_verb(operation)} address {_address(address)}"
        case op.AddHostRoute(route=route) | op.DeleteHostRoute(route=route):
            return f"{_verb(operation)} route {route_text(route)}"
        case op.AddHostNeighbour(_, neighbour):
            at = f" at {neighbour.mac}" if neighbour.mac else ""
            return f"add {'' if at else 'proxy '}neighbour {neighbour.address}{at}"
        case _:
            raise TypeError(f"not an operation on a link: {operation!r}")


_ATTRIBUTES = {"mac": "MAC", "mtu_bytes": "MTU", "alias": "alias", "tx_queue_length": "transmit queue length"}
_FLAGS = ((0x80, "arp off"), (0x200, "allmulticast on"), (0x1000, "multicast on"))
"""IFF_NOARP, IFF_ALLMULTI, IFF_MULTICAST."""


def _attributes(operation: op.SetHostLink) -> list[str]:
    words = []
    if operation.up is not None:
        words.append("up" if operation.up else "down")
    if operation.promiscuous is not None:
        words.append(f"promiscuous {'on' if operation.promiscuous else 'off'}")
    if operation.flags is not None:
        words.append(" ".join(word for bit, word in _FLAGS if operation.flags & bit) or "multicast off")
    if operation.group is not None:
        words.append(f"group {operation.group}")
    values = {name.name: getattr(operation, name.name) for name in fields(operation)}
    return words + [f"{word} {values[key]}" for key, word in _ATTRIBUTES.items() if values[key] is not None]


def _address(address: Address) -> str:
    peer = f" peer {address.peer}" if address.peer is not None else ""
    until = f" valid for {address.valid_lifetime_s} s" if address.valid_lifetime_s is not None else ""
    return f"{address.interface}{peer}{until}"


def _verb(operation: object) -> str:
    return "delete" if type(operation).__name__.startswith("Delete") else "add"
