"""One operation of a plan becomes one VPP message: name and fields, nothing sent yet.

Routes are not here: they are many and go by their own packed path (vpp/routes.py). The fields and their traps were
measured on VPP 26.06; the definitions are vnet/interface.api, vnet/ip/ip.api, vnet/arp/arp.api, vnet/ip6-nd/ip6_nd.api,
vnet/ip-neighbor/ip_neighbor.api and vnet/ip/punt.api.
"""

from __future__ import annotations

from typing import Any

from hostlink.core import operations as op
from hostlink.core.model import NO_INDEX, Family, ProxyRange, Reassembly, Redirect, VppNeighbour, VppPath, VppTable
from hostlink.core.vpp_tables import name_of
from hostlink.vpp.session import Request

NEIGHBOUR_LEARNT = 0
"""IP_API_NEIGHBOR_FLAG_NONE: as one that VPP learnt by itself."""
NEIGHBOUR_STATIC_NO_FIB_ENTRY = 3
"""IP_API_NEIGHBOR_FLAG_STATIC | _NO_FIB_ENTRY. With STATIC alone the /32 becomes an adjacency on the host's interface,
VPP stops answering ARP for its own address on the uplink, and the node is gone from the network."""

ALL_PORTS = 65535
FULL_REASSEMBLY = 0
"""IP_REASS_TYPE_FULL: one set of limits for all of VPP's nodes that put whole datagrams together, the one for what is
for VPP itself among them (ip4_full_reass.c, ip6_full_reass.c; the same in 25.10 and 26.06)."""


def messages_for(operation: op.VppOperation) -> tuple[Request, ...]:
    """The messages that carry out `operation`."""
    if isinstance(operation, op.EnableProxyArp):
        # Enabling is a silent no-op where VPP remembers it from a deleted interface of the same number, on whose
        # successor nothing is switched on (26.06, arp_proxy.c): so it is made to forget first.
        return tuple(proxy_arp(operation.sw_if_index, enable=enable) for enable in (False, True))
    return (_message(operation),)


def proxy_arp(sw_if_index: int, *, enable: bool) -> Request:
    """Switch proxy ARP of an interface."""
    return Request("proxy_arp_intfc_enable_disable", {"sw_if_index": sw_if_index, "enable": enable})


def _message(operation: op.VppOperation) -> Request:
    match operation:
        case op.SetMtu(sw, mtu_bytes):
            return Request("sw_interface_set_mtu", {"sw_if_index": sw, "mtu": [mtu_bytes, 0, 0, 0]})
        case op.SetUp(sw, up):
            return Request("sw_interface_set_flags", {"sw_if_index": sw, "flags": int(up)})
        case op.EnableIp6(sw):
            return Request("sw_interface_ip6_enable_disable", {"sw_if_index": sw, "enable": True})
        case op.SuppressAdvertisements(sw):
            return Request("sw_interface_ip6nd_ra_config", {"sw_if_index": sw, "suppress": 1})
        case op.SetLinkLocal(sw, address):
            return Request("sw_interface_ip6_set_link_local_address", {"sw_if_index": sw, "ip": str(address)})
        case op.AddVppAddress(sw, interface) | op.DeleteVppAddress(sw, interface):
            is_add = isinstance(operation, op.AddVppAddress)
            fields = {"sw_if_index": sw, "is_add": is_add, "del_all": False, "prefix": str(interface)}
            return Request("sw_interface_add_del_address", fields)
        case op.SetUnnumbered(sw, lender):
            fields = {"sw_if_index": lender, "unnumbered_sw_if_index": sw, "is_add": True}
            return Request("sw_interface_set_unnumbered", fields)
        case op.EnableNdProxy(sw):
            return Request("ip6nd_proxy_enable_disable", {"sw_if_index": sw, "is_enable": True})
        case op.AddVppNeighbour(neighbour) | op.DeleteVppNeighbour(neighbour):
            return _neighbour(neighbour, is_add=isinstance(operation, op.AddVppNeighbour))
        case op.LearnVppNeighbour(neighbour):
            return _neighbour(neighbour, is_add=True, flags=NEIGHBOUR_LEARNT)
        case op.AddVppTable(table):
            return vpp_table(table, is_add=True)
        case op.AddProxyRange(proxy) | op.DeleteProxyRange(proxy):
            return _proxy_range(proxy, is_add=isinstance(operation, op.AddProxyRange))
        case op.AddRedirect(redirect) | op.DeleteRedirect(redirect):
            return _redirect(redirect, is_add=isinstance(operation, op.AddRedirect))
        case op.PuntL4(family, protocol, enable):
            return _punt_l4(family, protocol, enable)
        case op.SetReassembly(new):
            return _reassembly(new)
        case op.SetLocalReassembly(local):
            fields = {"enable_ip4": local.ip4, "enable_ip6": local.ip6}
            return Request("ip_local_reass_enable_disable", fields)
        case _:
            raise TypeError(f"{type(operation).__name__} is no single message: see vpp/routes.py, vpp/tables.py")


def vpp_table(table: VppTable, *, is_add: bool) -> Request:
    """Make it, with one for multicast, without which no interface can be bound to it; or delete both."""
    entry = {"table_id": table.table_id, "is_ip6": table.family is Family.IPV6, "name": name_of(table)}
    return Request("ip_table_add_del_v2", {"is_add": is_add, "create_mfib": True, "table": entry})


def fib_path(path: VppPath, family: Family) -> dict[str, Any]:
    """A fib_path of vnet/fib/fib_types.api; `family` is the one of the prefix or punted packets."""
    hop = path.next_hop
    proto = hop.version if hop is not None else family
    nowhere = "::" if proto == Family.IPV6 else "0.0.0.0"
    return {
        "sw_if_index": path.sw_if_index,
        "table_id": 0,
        "rpf_id": NO_INDEX,
        "weight": path.weight,
        "preference": path.preference,
        "type": path.type.value,
        "flags": 0,
        "proto": int(proto == Family.IPV6),
        "nh": {"address": {"ip6" if proto == Family.IPV6 else "ip4": str(hop) if hop is not None else nowhere}},
        "n_labels": 0,
        "label_stack": [{}] * 16,
    }


def _neighbour(neighbour: VppNeighbour, *, is_add: bool, flags: int = NEIGHBOUR_STATIC_NO_FIB_ENTRY) -> Request:
    entry = {
        "sw_if_index": neighbour.sw_if_index,
        "flags": flags,
        "mac_address": neighbour.mac,
        "ip_address": str(neighbour.address),
    }
    return Request("ip_neighbor_add_del", {"is_add": is_add, "neighbor": entry})


def _proxy_range(proxy: ProxyRange, *, is_add: bool) -> Request:
    entry = {"table_id": proxy.table_id, "low": str(proxy.low), "hi": str(proxy.high)}
    return Request("proxy_arp_add_del", {"is_add": is_add, "proxy": entry})


def _redirect(redirect: Redirect, *, is_add: bool) -> Request:
    entry = {
        "rx_sw_if_index": redirect.rx_sw_if_index,
        "af": int(redirect.family == Family.IPV6),
        "n_paths": 1,
        "paths": [fib_path(redirect.path, redirect.family)],
    }
    return Request("add_del_ip_punt_redirect_v2", {"is_add": is_add, "punt": entry})


def _punt_l4(family: Family, protocol: int, enable: bool) -> Request:
    l4 = {"af": int(family == Family.IPV6), "protocol": protocol, "port": ALL_PORTS}
    return Request("set_punt", {"is_add": enable, "punt": {"type": 0, "punt": {"l4": l4}}})


def _reassembly(new: Reassembly) -> Request:
    fields = {
        "timeout_ms": new.timeout_ms,
        "max_reassemblies": new.max_datagrams,
        "max_reassembly_length": new.max_fragments,
        "expire_walk_interval_ms": new.expire_walk_ms,
        "is_ip6": new.family == Family.IPV6,
        "type": FULL_REASSEMBLY,
    }
    return Request("ip_reassembly_set", fields)
