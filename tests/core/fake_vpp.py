"""A VPP in memory that holds one uplink and what the node shares, and refuses what a real one refuses or suffers from.

Each refusal names its source: design/vpp-facts.md, or VPP's own file.
"""

from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from hostlink.core import operations as op
from hostlink.core.model import (
    Family,
    IPInterface,
    LocalReassembly,
    PathType,
    Prefix,
    ProxyRange,
    Reassembly,
    Redirect,
    VppNeighbour,
    VppPort,
    VppRoute,
    VppShared,
    VppTable,
    VppUplink,
)
from hostlink.core.vpp_tables import tables_of


class RefusedError(Exception):
    """VPP's word for no."""


@dataclass
class FakeVpp:
    """Ports by sw_if_index; `wedged_above`: the MTU above which a port that is up wedges its ring."""

    ports: dict[int, VppPort]
    wedged_above: int = 9000
    neighbours: dict[tuple[int, object], VppNeighbour] = field(default_factory=dict)
    routes: dict[tuple[int, Prefix], VppRoute] = field(default_factory=dict)
    tables: set[VppTable] = field(default_factory=set)

    @classmethod
    def holding(cls, uplink: VppUplink) -> "FakeVpp":
        vpp = cls({port.sw_if_index: port for port in (uplink.uplink, uplink.host)})
        vpp.neighbours = {(one.sw_if_index, one.address): one for one in uplink.neighbours}
        vpp.routes = {(route.table_id, route.prefix): route for route in uplink.routes}
        vpp.tables = set(uplink.tables)
        return vpp

    def read(self, uplink_sw: int, host_sw: int) -> VppUplink:
        own = frozenset(one for one in self.neighbours.values() if one.sw_if_index == host_sw)
        routes, tables = frozenset(self.routes.values()), frozenset(self.tables)
        return VppUplink(self.ports[uplink_sw], self.ports[host_sw], own, routes, tables)

    def apply(self, operation: op.VppOperation) -> None:
        match operation:
            case op.AddVppNeighbour(neighbour) | op.DeleteVppNeighbour(neighbour):
                self._neighbour(neighbour, isinstance(operation, op.AddVppNeighbour))
            case op.AddVppTable(table):
                self._needs(table not in self.tables, f"{table} is there: whose name would it have?")
                self.tables.add(table)
            case op.DeleteVppTable(table):
                self._needs(not tables_of(self.routes.values()) & {table}, "its routes come back with the next one")
                self.tables.remove(table)
            case op.AddVppRoute(route):
                self._add_route(route)
            case op.ChangeVppRoutes():
                for one in operation.each():
                    self.apply(one)
            case op.DeleteVppRoute(route):
                if self.routes.pop((route.table_id, route.prefix), None) is None:
                    raise RefusedError(f"{route.prefix} is not there")
            case _:
                port = self.ports[operation.sw_if_index]
                self.ports[operation.sw_if_index] = self._port(port, operation)

    def _port(self, port: VppPort, operation: op.VppOperation) -> VppPort:
        match operation:
            case op.SetMtu(_, mtu_bytes):
                return replace(port, mtu_bytes=mtu_bytes)
            case op.SetUp(_, up):
                if up and port.mtu_bytes > self.wedged_above:
                    raise RefusedError("up before its MTU: the ring wedges (vpp-facts 2.1)")
                return replace(port, up=up)
            case op.EnableIp6():
                return replace(port, ip6_enabled=True)
            case op.SuppressAdvertisements():
                self._needs(port.ip6_enabled, "IPv6 is not enabled (vnet/ip6-nd/ip6_ra.c)")
                return replace(port, ra_suppressed=True)
            case op.SetLinkLocal(_, address):
                self._needs(port.ip6_enabled, "IPv6 is not enabled (vnet/ip/ip6_link.c)")
                assert isinstance(address, IPv6Address)
                return replace(port, link_local=address)
            case op.AddVppAddress(_, interface):
                return self._add_address(port, interface)
            case op.DeleteVppAddress(_, interface):
                self._needs(interface in port.addresses, f"{interface} is not there")
                return replace(port, addresses=port.addresses - {interface})
            case op.SetUnnumbered(_, lender):
                self._needs(lender in self.ports and lender != port.sw_if_index, "no such lender")
                return replace(port, unnumbered_to=lender)
            case op.EnableProxyArp():
                return replace(port, proxy_arp=True)
            case op.EnableNdProxy():
                self._needs(port.ip6_enabled, "IPv6 is not enabled")
                return replace(port, nd_proxy=True)
            case _:
                raise AssertionError(f"not an operation on a port: {operation}")

    def _add_address(self, port: VppPort, new: IPInterface) -> VppPort:
        """vnet/ip/ip4_forward.c, ip6_forward.c: no overlap in the table but with the same length on the same port."""
        self._needs(port.up, "an address on a port that is down gets no glean (vpp-facts 2.2)")
        for other in self.ports.values():
            for old in other.addresses:
                if old.version != new.version or not (new.ip in old.network or old.ip in new.network):
                    continue
                same = other.sw_if_index == port.sw_if_index and old.network == new.network and old.ip != new.ip
                self._needs(same, f"{new} conflicts with {old}")
        return replace(port, addresses=port.addresses | {new})

    def _neighbour(self, neighbour: VppNeighbour, is_add: bool) -> None:
        key = (neighbour.sw_if_index, neighbour.address)
        self._needs(neighbour.sw_if_index in self.ports, "no such interface")
        if is_add:
            self._needs(key not in self.neighbours, f"{neighbour.address} is there already")
            self.neighbours[key] = neighbour
        else:
            self._needs(self.neighbours.pop(key, None) == neighbour, f"{neighbour.address} is not there")

    def _add_route(self, route: VppRoute) -> None:
        self._needs(bool(route.paths), "a route without paths")
        self._needs(tables_of([route]) <= self.tables, "NO_SUCH_FIB")
        for path in route.paths:
            if path.type is not PathType.NORMAL:
                continue
            port = self.ports[path.sw_if_index]
            self._needs(port.up, f"{route.prefix} by a port that is down")
            if path.next_hop is not None and not path.next_hop.is_link_local:
                known = any(address.version == path.next_hop.version for address in port.addresses)
                self._needs(known, f"{route.prefix} by a gateway before the port has an address to ask from")
        self.routes[route.table_id, route.prefix] = route

    @staticmethod
    def _needs(condition: bool, word: str) -> None:
        if not condition:
            raise RefusedError(word)


@dataclass
class FakeShared:
    """What the node shares. A redirect's count is what VPP keeps unseen: other than 1 it misbehaves (vpp-facts 3)."""

    redirects: dict[tuple[Family, int], Redirect]
    proxy_ranges: set[ProxyRange]
    punted_l4: set[tuple[Family, int]]
    reassembly: dict[Family, Reassembly] = field(default_factory=dict)
    local: LocalReassembly | None = None

    @classmethod
    def holding(cls, shared: VppShared) -> "FakeShared":
        redirects = {(one.family, one.rx_sw_if_index): one for one in shared.redirects}
        return cls(
            redirects,
            set(shared.proxy_ranges),
            set(shared.punted_l4),
            {r.family: r for r in shared.reassembly},
            shared.local_reassembly,
        )

    def read(self) -> VppShared:
        return VppShared(
            frozenset(self.redirects.values()),
            frozenset(self.proxy_ranges),
            frozenset(self.punted_l4),
            frozenset(self.reassembly.values()),
            self.local,
        )

    def apply(self, operation: op.VppOperation) -> None:
        match operation:
            case op.AddRedirect(redirect):
                key = (redirect.family, redirect.rx_sw_if_index)
                if key in self.redirects:
                    raise RefusedError(f"a second redirect for {key} leaks")
                self.redirects[key] = redirect
            case op.DeleteRedirect(redirect):
                key = (redirect.family, redirect.rx_sw_if_index)
                if self.redirects.pop(key, None) != redirect:
                    raise RefusedError(f"no such redirect for {key}: punting is off for good now")
            case op.AddProxyRange(proxy):
                if proxy in self.proxy_ranges:
                    raise RefusedError(f"{proxy} is there twice now")
                self.proxy_ranges.add(proxy)
            case op.DeleteProxyRange(proxy):
                self.proxy_ranges.remove(proxy)
            case op.PuntL4(family, protocol, enable):
                (self.punted_l4.add if enable else self.punted_l4.discard)((family, protocol))
            case op.SetReassembly(new, found):
                if self.reassembly[new.family] != found:
                    raise RefusedError(f"{found} is not what was there: an operator's choice is lost")
                self.reassembly[new.family] = new
            case op.SetLocalReassembly(local, found):
                if self.local != found:
                    raise RefusedError(f"{found} is not what was there: an operator's choice is lost")
                self.local = local
            case _:
                raise AssertionError(f"not an operation on what is shared: {operation}")
