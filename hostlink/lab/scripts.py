"""What the lab's namespaces are filled with: lines for `ip -batch`, and sysctls. Values only; network.py runs them."""

from __future__ import annotations

from hostlink.lab.layout import (
    BEYOND4,
    BEYOND6,
    HOST4,
    HOST6,
    LAN,
    NIC,
    NIC_MAC,
    NODE2_4,
    NODE2_6,
    NODE2_MAC,
    POD2_4,
    POD2_6,
    POD4,
    POD6,
    POD_GATEWAY4,
    POD_GATEWAY6,
    POD_MAC,
    PODS_HERE4,
    PODS_HERE6,
    PODS_THERE4,
    PODS_THERE6,
    ROUTER4,
    ROUTER6,
    ROUTER_LINK_LOCAL,
    ROUTER_MAC,
    VPP_POD_LINK,
    VPP_POD_MAC,
    Names,
)

Sysctls = tuple[tuple[str, str], ...]
"""(path below /proc/sys/net, value)."""

_NO_DAD = (("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"))
"""Duplicate address detection would keep addresses tentative for a second or two."""
_FORWARD = (("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1"))
_NO_REDIRECTS = (("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0"))
"""The router sends packets back to the LAN that they came from, and the flows should stay on the way they are on."""


def namespaces(names: Names) -> list[str]:
    return [f"netns add {namespace}" for namespace in names.all]


def links(names: Names) -> list[str]:
    """Both ends of each pair are made where they belong."""
    at = names.namespace
    return [
        _veth("to-host", at("wire"), NIC, at("host"), mac=NIC_MAC),
        _veth("to-node2", at("wire"), "eth0", at("node2"), mac=NODE2_MAC),
        _veth(VPP_POD_LINK, at("vpp"), "eth0", at("pod"), mac=POD_MAC),
        _veth("pod0", at("node2"), "eth0", at("pod2")),
    ]


def sysctls_before_links() -> dict[str, Sysctls]:
    """For each role. An interface takes the namespace's defaults when it is made. The host keeps the kernel's."""
    router = (*_NO_DAD, *_FORWARD, *_NO_REDIRECTS)
    return {"wire": router, "node2": router, "vpp": _NO_DAD, "pod": _NO_DAD, "pod2": _NO_DAD}


def sysctls_of_links() -> dict[str, Sysctls]:
    return {"host": ((f"ipv6/conf/{NIC}/accept_dad", "0"),)}


def contents() -> dict[str, list[str]]:
    """For each role the lines that fill its namespace."""
    return {
        "wire": ["link set lo up", *_wire()],
        "host": ["link set lo up", *_host()],
        "vpp": ["link set lo up", f"link set {VPP_POD_LINK} address {VPP_POD_MAC} up"],
        "pod": ["link set lo up", *_pod(f"{POD4}/32", f"{POD6}/128")],
        "node2": ["link set lo up", *_node2()],
        "pod2": ["link set lo up", *_pod(f"{POD2_4}/32", f"{POD2_6}/128")],
    }


def _veth(name: str, namespace: str, peer: str, peer_namespace: str, *, mac: str | None = None) -> str:
    """`mac` is the peer's."""
    address = f" address {mac}" if mac else ""
    return f"link add name {name} netns {namespace} type veth peer name {peer}{address} netns {peer_namespace}"


def _wire() -> list[str]:
    return [
        f"link add {LAN} address {ROUTER_MAC} type bridge stp_state 0 mcast_snooping 0",
        *(f"link set {port} master {LAN} up" for port in ("to-host", "to-node2")),
        f"link set {LAN} addrgenmode none",
        f"link set {LAN} up",
        f"address add {ROUTER4} brd + dev {LAN}",
        f"address add {ROUTER6} dev {LAN}",
        f"address add {ROUTER_LINK_LOCAL}/64 dev {LAN}",
        f"address add {BEYOND4}/32 dev lo",
        f"address add {BEYOND6}/128 dev lo",
        f"route add {PODS_HERE4} via {HOST4.ip}",
        f"route add {PODS_HERE6} via {HOST6.ip}",
        f"route add {PODS_THERE4} via {NODE2_4.ip}",
        f"route add {PODS_THERE6} via {NODE2_6.ip}",
    ]


def _host() -> list[str]:
    """As a DHCP client and a router advertisement leave it."""
    return [
        f"link set {NIC} up",
        f"address add {HOST4} brd + dev {NIC}",
        f"address add {HOST6} dev {NIC}",
        f"route add default via {ROUTER4.ip} dev {NIC} proto dhcp src {HOST4.ip} metric 100",
        f"route add ::/0 via {ROUTER_LINK_LOCAL} dev {NIC} proto ra metric 100",
    ]


def _node2() -> list[str]:
    return [
        "link set eth0 up",
        "link set pod0 up",
        f"address add {NODE2_4} brd + dev eth0",
        f"address add {NODE2_6} dev eth0",
        f"address add {POD_GATEWAY4}/32 dev pod0",
        f"address add {POD_GATEWAY6}/64 dev pod0",
        f"route add {POD2_4}/32 dev pod0",
        f"route add {POD2_6}/128 dev pod0",
        f"route add {PODS_HERE4} via {HOST4.ip}",
        f"route add {PODS_HERE6} via {HOST6.ip}",
        f"route add default via {ROUTER4.ip}",
        f"route add ::/0 via {ROUTER_LINK_LOCAL} dev eth0",
    ]


def _pod(address4: str, address6: str) -> list[str]:
    return [
        "link set eth0 up",
        f"address add {address4} dev eth0",
        f"address add {address6} dev eth0",
        f"route add {POD_GATEWAY4} dev eth0 scope link",
        f"route add default via {POD_GATEWAY4} dev eth0",
        f"route add ::/0 via {POD_GATEWAY6} dev eth0",
    ]
