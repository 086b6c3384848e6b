"""Hypothesis strategies: uplinks in VPP and host addresses, from pools small enough that things meet and clash."""

from ipaddress import IPv6Address, ip_address, ip_interface, ip_network

from hypothesis import strategies as st

from hostlink.core.desired import vpp_interfaces
from hostlink.core.host_addresses import IFA_F_PERMANENT
from hostlink.core.model import (
    Address,
    Family,
    IPInterface,
    PathType,
    ProxyRange,
    Redirect,
    VppNeighbour,
    VppPath,
    VppPort,
    VppRoute,
    VppShared,
    VppTable,
    VppUplink,
    path_order,
)
from hostlink.core.vpp_tables import tables_of

UPLINK, HOST, POD = 1, 2, 3
MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
INTERFACES = [
    ip_interface(text)
    for text in (
        "10.0.0.1/24", "10.0.0.1/16", "10.0.0.1/32", "10.0.0.2/24", "10.0.0.2/32", "10.0.7.1/24", "10.0.7.1/20",
        "192.0.2.9/31", "fd00::1/64", "fd00::1/128", "fd00::2/64", "fd00::2/48", "fd01::1/64", "fe80::1/64",
    )
]  # fmt: skip
PREFIXES = [ip_network(text) for text in ("0.0.0.0/0", "10.9.0.0/16", "10.9.1.0/24", "::/0", "fd09::/48", "fd09::/64")]
TABLES = [0, 0x686C0064, 0x686C0065]
GATEWAYS = {
    4: [ip_address("10.0.0.254"), ip_address("10.0.0.253"), ip_address("fe80::ff")],
    6: [ip_address("fd00::ff"), ip_address("fe80::ff"), ip_address("fe80::fe")],
}


def address(text: str, flags: int = IFA_F_PERMANENT) -> Address:
    return Address(ip_interface(text), flags=flags)


ADDRESSES = st.lists(st.sampled_from(INTERFACES), unique=True, max_size=6).map(
    lambda chosen: tuple(Address(interface, flags=IFA_F_PERMANENT) for interface in chosen)
)
"""Addresses of a host; any may overlap with any."""

VPP_ADDRESSES: st.SearchStrategy[frozenset[IPInterface]] = ADDRESSES.map(vpp_interfaces)


@st.composite
def routes(draw: st.DrawFn, interfaces: frozenset[IPInterface]) -> frozenset[VppRoute]:
    """Routes by the uplink, by gateways only in families in which it has an address."""
    found = set()
    for prefix in draw(st.lists(st.sampled_from(PREFIXES), unique=True)):
        gateways = [
            gateway
            for gateway in GATEWAYS[prefix.version]
            if gateway.is_link_local or any(one.version == gateway.version for one in interfaces)
        ]
        hops = draw(st.lists(st.sampled_from([None, *gateways]), unique=True, min_size=1, max_size=3))
        paths = [VppPath(UPLINK, hop, draw(st.integers(1, 3)), draw(st.integers(0, 1))) for hop in hops]
        if draw(st.booleans()):
            paths.append(VppPath(preference=9, type=draw(st.sampled_from([PathType.DROP, PathType.ICMP_UNREACH]))))
        for table_id in draw(st.sets(st.sampled_from(TABLES), min_size=1)):
            found.add(VppRoute(table_id, prefix, tuple(sorted(paths, key=path_order))))
    return frozenset(found)


@st.composite
def wanted(draw: st.DrawFn) -> VppUplink:
    """An uplink as it may be desired: both ports up, everything switched on."""
    interfaces = draw(VPP_ADDRESSES)
    mtu_bytes = draw(st.sampled_from([1400, 1500, 9000]))
    link_local = draw(st.sampled_from([None, IPv6Address("fe80::1"), IPv6Address("fe80::2")]))
    uplink = VppPort(UPLINK, True, mtu_bytes, True, True, link_local, interfaces)
    host = VppPort(HOST, True, mtu_bytes, True, True, None, frozenset(), UPLINK, True, True)
    there = draw(routes(interfaces))
    return VppUplink(uplink, host, draw(neighbours()), there, tables_of(there))


@st.composite
def there(draw: st.DrawFn) -> VppUplink:
    """An uplink as it may be found: anything between nothing and everything."""
    full = draw(wanted())
    up = draw(st.booleans())
    some = VppPort(
        UPLINK,
        up,
        draw(st.sampled_from([1400, 1500, 9000])),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from([IPv6Address("fe80::1"), IPv6Address("fe80::aa")])),
        full.uplink.addresses,
    )
    other = VppPort(
        HOST,
        draw(st.booleans()),
        9000,
        draw(st.booleans()),
        draw(st.booleans()),
        None,
        frozenset(),
        draw(st.sampled_from([None, UPLINK])),
        *draw(st.tuples(st.booleans(), st.booleans())),
    )
    bare = draw(st.booleans())
    empty = draw(st.frozensets(st.builds(VppTable, st.sampled_from(TABLES[1:]), st.sampled_from(Family))))
    found = VppUplink(some, other, full.neighbours, full.routes, full.tables | empty)
    return VppUplink(VppPort(UPLINK), VppPort(HOST)) if bare else found


def neighbours() -> st.SearchStrategy[frozenset[VppNeighbour]]:
    addresses = st.sampled_from([interface.ip for interface in INTERFACES])
    macs = st.dictionaries(addresses, st.sampled_from(MACS), max_size=5)
    return macs.map(lambda found: frozenset(VppNeighbour(HOST, ip, mac) for ip, mac in found.items()))


TARGETS = {Family.IPV4: ["10.0.0.1", "10.0.0.2"], Family.IPV6: ["fd00::1", "fe80::1"]}


@st.composite
def shared(draw: st.DrawFn, rx: tuple[int, ...]) -> VppShared:
    redirects = set()
    for family in Family:
        for sw in draw(st.lists(st.sampled_from(rx), unique=True)):
            target = ip_address(draw(st.sampled_from(TARGETS[family])))
            redirects.add(Redirect(family, sw, VppPath(draw(st.sampled_from([HOST, POD])), target)))
    ranges = st.sampled_from(
        [ProxyRange(0, ip_address("0.0.0.1"), ip_address(last)) for last in ("255.255.255.254", "9.9.9.9")]  # type: ignore[arg-type]
    )
    punted = st.frozensets(st.tuples(st.sampled_from(Family), st.sampled_from([6, 17])))
    return VppShared(frozenset(redirects), draw(st.frozensets(ranges)), draw(punted))
