"""A Linux host in memory with one link, that refuses what the kernel refuses and quietly does what the kernel does.

Quietly: an address brings its routes, a link that comes up makes itself a link-local address, a link that goes down
loses its routes and IPv6 addresses, a primary address takes its subnet along when it goes, and a gateway route goes
with the last address that made its gateway reachable (design/kernel-and-library-facts.md).
"""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_interface, ip_network

from hostlink.core import operations as op
from hostlink.core.host_addresses import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, IFA_F_PERMANENT, SETTABLE_FLAGS
from hostlink.core.model import Address, HostView, IPAddress, Link, Neighbour, NextHop, Prefix, Route, Rule

SECONDARY = 0x01
PROMOTE = "ipv4/conf/{link}/promote_secondaries"
AUTOMATIC = ip_interface("fe80::5054:ff:fe00:1/64")


class RefusedError(Exception):
    """The kernel's errno."""


@dataclass
class FakeHost:
    """`view` reads it whole."""

    link: Link
    sysctls: dict[str, str] = field(default_factory=lambda: {PROMOTE: "0", "ipv4/conf/{link}/rp_filter": "0"})
    addresses: list[Address] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    neighbours: list[Neighbour] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    def view(self) -> HostView:
        return HostView(
            self.link,
            tuple(self.addresses),
            tuple(self.routes),
            tuple(self.neighbours),
            tuple(self.rules),
            tuple(sorted(self.sysctls.items())),
        )

    def apply(self, operation: op.HostOperation) -> None:
        match operation:
            case op.SetSysctl(path, value):
                known = path.replace(f"/{self.link.name}/", "/{link}/")
                _needs(known in self.sysctls, "ENOENT")
                self.sysctls[known] = value
                return
            case op.AddHostRule(rule):
                _needs(rule not in self.rules, "EEXIST")
                self.rules.append(rule)
                return
        _needs(operation.link_index == self.link.index, "ENODEV")
        match operation:
            case op.SetHostLink():
                self._set(operation)
            case op.AddAltname(_, name):
                _needs(name not in (self.link.name, *self.link.altnames), "EEXIST")
                self.link = replace(self.link, altnames=(*self.link.altnames, name))
            case op.AddHostAddress(_, address):
                self._add_address(address)
            case op.ChangeHostAddress(_, address):
                self._change_address(address)
            case op.DeleteHostAddress(_, address):
                self._delete_address(address)
            case op.AddHostRoute(_, from_index, route):
                self._add_route(moved(route, from_index, self.link.index))
            case op.DeleteHostRoute(_, route):
                _needs(route in self.routes, "ESRCH")
                self.routes.remove(route)
            case op.AddHostNeighbour(_, neighbour):
                _needs(neighbour.address not in {one.address for one in self.neighbours}, "EEXIST")
                self.neighbours.append(neighbour)

    # --------------------------------------------------------------------------------------------------------- the link

    def _set(self, wanted: op.SetHostLink) -> None:
        values = {
            name: getattr(wanted, name)
            for name in ("mac", "mtu_bytes", "alias", "tx_queue_length", "promiscuous")
            if getattr(wanted, name) is not None
        }
        self.link = replace(self.link, **values)
        if wanted.up is True and not self.link.up:
            self.link = replace(self.link, up=True)
            if not any(one.interface.is_link_local for one in self.addresses if one.family == 6):
                self._put(Address(AUTOMATIC, scope=253, flags=IFA_F_PERMANENT, protocol=3))
            self._add_made()
        if wanted.up is False and self.link.up:
            self.link = replace(self.link, up=False)
            self.addresses = [one for one in self.addresses if one.family == 4]
            self.routes = []
            self.neighbours = []

    # -------------------------------------------------------------------------------------------------------- addresses

    def _same(self, address: Address) -> list[Address]:
        if address.family == 6:
            return [one for one in self.addresses if one.interface.ip == address.interface.ip]
        return [one for one in self.addresses if (one.interface, one.peer) == (address.interface, address.peer)]

    def _add_address(self, address: Address) -> None:
        _needs(not self._same(address), "EEXIST")
        _needs(address.valid_lifetime_s != 0, "EINVAL")
        flags = address.flags & (SETTABLE_FLAGS | IFA_F_NODAD)
        flags |= IFA_F_PERMANENT if address.valid_lifetime_s is None else 0
        if address.family == 4 and any(one.interface.network == address.interface.network for one in self._four()):
            flags |= SECONDARY
        self._put(replace(address, flags=flags))
        self._add_made()

    def _change_address(self, address: Address) -> None:
        """net/ipv6/addrconf.c, inet6_addr_modify: flags in place."""
        (old,) = self._same(address) or (None,)
        _needs(old is not None and address.family == 6, "ENOENT")
        flags = address.flags & (SETTABLE_FLAGS | IFA_F_NODAD) | (old.flags & IFA_F_PERMANENT)
        self.addresses[self.addresses.index(old)] = replace(old, flags=flags)

    def _put(self, address: Address) -> None:
        """net/ipv6/addrconf.c, ipv6_link_dev_addr: before the first of its scope; link-local ones last."""
        at = len(self.addresses)
        if address.family == 6:
            narrow = address.interface.is_link_local
            at = next(
                (
                    n
                    for n, one in enumerate(self.addresses)
                    if one.family == 6 and one.interface.is_link_local >= narrow
                ),
                at,
            )
        self.addresses.insert(at, address)

    def _four(self) -> list[Address]:
        return [one for one in self.addresses if one.family == 4]

    def _delete_address(self, address: Address) -> None:
        found = self._same(address)
        _needs(bool(found), "EADDRNOTAVAIL")
        gone = found[:1]
        mates = [one for one in self._four() if one.interface.network == address.interface.network and one not in gone]
        if address.family == 4 and mates and not gone[0].flags & SECONDARY:
            if self.sysctls[PROMOTE] == "0":
                gone += mates
            else:
                first = self.addresses.index(mates[0])
                self.addresses[first] = replace(mates[0], flags=mates[0].flags & ~SECONDARY)
        self.addresses = [one for one in self.addresses if one not in gone]
        self._drop_orphans()
        self._add_made()

    # ----------------------------------------------------------------------------------------------------------- routes

    def _add_route(self, route: Route) -> None:
        _needs(self.link.up, "ENETDOWN")
        _needs(route not in self.routes, "EEXIST")
        _needs(self._has_way(route, self.routes), "ENETUNREACH")
        _needs(route.preferred_source is None or route.preferred_source in self._own(), "EINVAL")
        self.routes.append(route)

    def _own(self) -> set[IPAddress]:
        return {one.interface.ip for one in self.addresses}

    def _has_way(self, route: Route, among: list[Route]) -> bool:
        on_link = [r.prefix for r in among if r.type == 1 and not any(h.gateway for h in r.next_hops)]
        return all(
            hop.gateway is None
            or hop.onlink
            or hop.gateway.is_link_local
            or any(hop.gateway in prefix for prefix in on_link if prefix.version == hop.gateway.version)
            for hop in route.next_hops
        )

    def _made(self) -> list[Route]:
        hop = (NextHop(self.link.index),)
        made = [Route(IPv6Network("ff00::/8"), 255, hop, 5, 2, 0, 256)]
        for one in self.addresses:
            made += _routes_of(one, hop)
        return list(dict.fromkeys(made)) if self.link.up else []

    def _add_made(self) -> None:
        self.routes += [route for route in self._made() if route not in self.routes]

    def _drop_orphans(self) -> None:
        """What the kernel made for addresses that are gone, then what had its way or its source by them."""
        made = self._made()
        kept = [r for r in self.routes if r.protocol != 2 or r in made]
        own = self._own()
        kept = [r for r in kept if r.preferred_source is None or r.preferred_source in own]
        self.routes = [route for route in kept if self._has_way(route, kept)]


def _routes_of(address: Address, hop: tuple[NextHop, ...]) -> list[Route]:
    ip, network = address.interface.ip, address.interface.network
    if address.family == 6:
        made = [Route(IPv6Network(int(ip)), 255, hop, 2, 2, 0, 0)]
        connected = Route(network, 254, hop, 1, 2, 0, address.route_priority or 256)
        return made if address.flags & IFA_F_NOPREFIXROUTE else [*made, connected]
    made = [Route(IPv4Network(int(ip)), 255, hop, 2, 2, 254, preferred_source=ip)]
    if address.broadcast is not None:
        made.append(Route(IPv4Network(int(address.broadcast)), 255, hop, 3, 2, 253, preferred_source=ip))
    if address.flags & (IFA_F_NOPREFIXROUTE | SECONDARY) or network.prefixlen == 32:
        return made
    return [*made, Route(network, 254, hop, 1, 2, 253, address.route_priority or 0, preferred_source=ip)]


def moved(route: Route, from_index: int, link_index: int) -> Route:
    hops = tuple(replace(h, link_index=link_index) if h.link_index == from_index else h for h in route.next_hops)
    return replace(route, next_hops=hops)


def _needs(condition: bool, errno: str) -> None:
    if not condition:
        raise RefusedError(errno)


def four(text: str, **more: object) -> Address:
    """An IPv4 address as DHCP clients and operators add it: broadcast and label set."""
    interface = ip_interface(text)
    broadcast = interface.network.broadcast_address if interface.network.prefixlen < 31 else None
    assert broadcast is None or isinstance(broadcast, IPv4Address)
    return replace(Address(interface, broadcast=broadcast, label="eth1", flags=IFA_F_PERMANENT), **more)  # type: ignore[arg-type]


def six(text: str, **more: object) -> Address:
    return replace(Address(ip_interface(text), flags=IFA_F_PERMANENT), **more)  # type: ignore[arg-type]


def prefix(text: str) -> Prefix:
    return ip_network(text)
