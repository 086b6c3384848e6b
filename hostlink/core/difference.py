"""A plan as a difference that a person reads: what comes (`+`), goes (`-`) and changes (`~`), by what it concerns.

Operations become lines with the object as `ip` writes it, and lines of one kind become a group: the addresses of VPP,
its IPv4 routes of one table, its neighbours. Of a large group only the first lines are made, and the rest is counted:
a full table has 100,000 of them, and nobody reads those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from hostlink.core import operations as op
from hostlink.core.describe import Names, describe, route_words
from hostlink.core.model import Address, NextHop, Prefix, Route, VppRoute
from hostlink.core.vpp_tables import host_table_of

ADD, DELETE, CHANGE = "+", "-", "~"
VPP, LINUX = "VPP", "Linux"
ADDRESSES, ROUTES, NEIGHBOURS, INTERFACES = "addresses", "routes", "neighbours", "interfaces"
TABLES, PUNT_PATH, REST = "tables", "punt path", "sysctls, rules and queueing"

Operation = op.VppOperation | op.HostOperation
Before = Callable[[int, Prefix], VppRoute | None]
"""(table, prefix) → the route that VPP has there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a line is about, and on which side."""

    side: str
    """`VPP`, `Linux`, or whatever else a takeover touches."""
    about: str
    family: int | None = None
    """Of routes: the IP version, with the table of the host's."""
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that would be done."""

    kind: Kind
    change: str
    """ADD, DELETE or CHANGE."""
    text: str
    was: str | None = None
    """What is there now and makes way, where that is known."""


@dataclass(slots=True)
class Group:
    """Lines of one kind, in their order; `count` of them, of which the first are kept."""

    kind: Kind
    lines: list[Line]
    count: int = 0


def grouped(lines: Iterable[Line], *, apart: bool = False) -> list[Group]:
    """The lines by kind, in the order in which the kinds are met first.

    apart: a kind that is met again after another makes another group, so that the order of all lines is kept.
    """
    groups: list[Group] = []
    there: dict[Kind, Group] = {}
    for line in lines:
        group = there.get(line.kind)
        if group is None or (apart and group is not groups[-1]):
            group = there[line.kind] = Group(line.kind, [])
            groups.append(group)
        group.lines.append(line)
        group.count += 1
    return groups


@dataclass(frozen=True, slots=True)
class Named:
    """How an operation's numbers read: `vpp` for sw_if_index, `links` for ifindex; `side`: where host operations are
    carried out; `before`: the route that VPP has in a table at a prefix."""

    vpp: Names
    links: Names
    side: str = LINUX
    before: Before | None = None
    limit: int | None = None


def lines(operations: Iterable[Operation], named: Named) -> Iterator[Line]:
    """One line for each operation, in their order, and for each of many routes at once.

    Of more than `limit` of one kind in a row the rest has no text.
    """
    last, many = None, 0
    for operation in _each(operations):
        kind = _kind(operation, named)
        many = many + 1 if kind == last else 1
        last = kind
        yield _line(operation, kind, named, is_told=named.limit is None or many <= named.limit)


def _each(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, op.ChangeVppRoutes):
            yield from operation.each()
        else:
            yield operation


def line(operation: Operation, named: Named) -> Line:
    """The line of one operation."""
    return _line(operation, _kind(operation, named), named, is_told=True)


def _line(operation: Operation, kind: Kind, named: Named, *, is_told: bool) -> Line:
    text, was = _text(operation, named) if is_told else "", None
    change = ADD if _adds(operation) else DELETE if _deletes(operation) else CHANGE
    if isinstance(operation, op.AddVppRoute) and named.before:
        old = named.before(operation.route.table_id, operation.route.prefix)
        if old is not None:
            change, was = CHANGE, vpp_route_words(old, named.vpp) if is_told else None
    return Line(kind, change, text, was)


def _adds(operation: Operation) -> bool:
    return type(operation).__name__.startswith("Add") or (isinstance(operation, op.PuntL4) and operation.enable)


def _deletes(operation: Operation) -> bool:
    return type(operation).__name__.startswith("Delete") or (isinstance(operation, op.PuntL4) and not operation.enable)


def _kind(operation: Operation, named: Named) -> Kind:
    match operation:
        case op.AddVppRoute(route) | op.DeleteVppRoute(route):
            return Kind(VPP, ROUTES, route.prefix.version, host_table_of(route.table_id))
        case op.AddHostRoute(route=host_route) | op.DeleteHostRoute(route=host_route):
            return Kind(named.side, ROUTES, int(host_route.family), host_route.table)
    side = VPP if isinstance(operation, op.VppOperation) else named.side
    return Kind(side, next((about for about, kinds in _ABOUT.items() if isinstance(operation, kinds)), REST))


_ABOUT: dict[str, tuple[type, ...]] = {
    ADDRESSES: (
        op.AddVppAddress,
        op.DeleteVppAddress,
        op.AddHostAddress,
        op.ChangeHostAddress,
        op.DeleteHostAddress,
    ),
    NEIGHBOURS: (op.AddVppNeighbour, op.DeleteVppNeighbour, op.LearnVppNeighbour, op.AddHostNeighbour),
    TABLES: (op.AddVppTable, op.DeleteVppTable),
    PUNT_PATH: (
        op.AddProxyRange,
        op.DeleteProxyRange,
        op.AddRedirect,
        op.DeleteRedirect,
        op.PuntL4,
        op.SetReassembly,
        op.SetLocalReassembly,
    ),
    INTERFACES: (
        op.SetMtu,
        op.SetUp,
        op.EnableIp6,
        op.SuppressAdvertisements,
        op.SetLinkLocal,
        op.SetUnnumbered,
        op.EnableProxyArp,
        op.EnableNdProxy,
        op.SetHostLink,
        op.SetToken,
        op.AddAltname,
        op.AddMulticast,
    ),
}


def _text(operation: Operation, named: Named) -> str:
    match operation:
        case op.AddVppAddress(sw, interface) | op.DeleteVppAddress(sw, interface):
            return f"{interface} dev {_port(sw, named)}"
        case op.AddVppNeighbour(one) | op.DeleteVppNeighbour(one) | op.LearnVppNeighbour(one):
            return f"{one.address} dev {_port(one.sw_if_index, named)} lladdr {one.mac}"
        case op.AddVppRoute(route) | op.DeleteVppRoute(route):
            return vpp_route_words(route, named.vpp)
        case op.AddHostRoute(index, before, host_route):
            return host_route_words(host_route, {**named.links, before: _link(index, named)})
        case op.DeleteHostRoute(_, host_route):
            return host_route_words(host_route, named.links)
        case op.AddHostAddress(index, address) | op.DeleteHostAddress(index, address):
            return f"{host_address_words(address)} dev {_link(index, named)}"
        case op.ChangeHostAddress(index, address):
            return f"{host_address_words(address)} dev {_link(index, named)} (its flags as they were given)"
        case _:
            return _in_words(operation, named)


def _in_words(operation: Operation, named: Named) -> str:
    """As the log says it, without the side, and without the verb that the sign says."""
    words = describe(operation, named.vpp, named.links).partition(": ")[2]
    for verb in ("add ", "delete "):
        if (_adds(operation) or _deletes(operation)) and verb in words:
            return words.replace(verb, "", 1)
    return words


_TYPES = {6: "blackhole ", 7: "unreachable ", 8: "prohibit ", 9: "throw "}
"""RTN_* (include/uapi/linux/rtnetlink.h)."""


def host_route_words(route: Route, links: Names) -> str:
    """A route of the host as `ip route` writes it, but for its table. links: names by ifindex."""
    parts = [f"{_TYPES.get(route.type, '')}{'default' if route.prefix.prefixlen == 0 else route.prefix}"]
    if route.source_prefix is not None and route.source_prefix.prefixlen:
        parts.append(f"from {route.source_prefix}")
    parts += [f"tos {route.tos:#04x}"] if route.tos else []
    many = len(route.next_hops) > 1
    parts += [_hop(hop, links, many=many) for hop in route.next_hops if not route.leads_nowhere]
    said = {"src": route.preferred_source, "metric": route.metric, "mtu": route.mtu_bytes}
    parts += [f"{word} {value}" for word, value in said.items() if value]
    return " ".join(parts) + (f" expires {route.expires_s}sec" if route.expires_s is not None else "")


def _hop(hop: NextHop, links: Names, *, many: bool) -> str:
    via = f"via {hop.gateway} " if hop.gateway is not None else ""
    words = f"{via}dev {links.get(hop.link_index or 0, f'link {hop.link_index}')}"
    words = f"nexthop {words} weight {hop.weight}" if many else words
    return f"{words} onlink" if hop.onlink else words


def host_address_words(address: Address) -> str:
    """An address of the host as `ip address` writes it, in short."""
    peer = f"{address.interface.ip} peer {address.peer}/{address.interface.network.prefixlen}"
    words = str(address.interface) if address.peer is None else peer
    if address.valid_lifetime_s is None and address.preferred_lifetime_s is None:
        return words
    valid, preferred = (_lifetime(one) for one in (address.valid_lifetime_s, address.preferred_lifetime_s))
    return f"{words} valid_lft {valid} preferred_lft {preferred}"


def _lifetime(seconds: int | None) -> str:
    return "forever" if seconds is None else f"{seconds}sec"


def vpp_route_words(route: VppRoute, names: Names) -> str:
    """A route of VPP's as `ip route` would write it, but for its table."""
    words = route_words(replace(route, table_id=0), names)
    return words.replace(str(route.prefix), "default", 1) if route.prefix.prefixlen == 0 else words


def _port(sw_if_index: int, named: Named) -> str:
    return named.vpp.get(sw_if_index, f"interface {sw_if_index}")


def _link(index: int, named: Named) -> str:
    return named.links.get(index, f"link {index}")
