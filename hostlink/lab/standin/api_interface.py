"""Messages about interfaces: dump, flags, MTU, tag, MAC, addresses, unnumbered, tables, events."""

from __future__ import annotations

from hostlink.lab.standin import addressing
from hostlink.lab.standin.api_devices import delete_interface
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.interfaces import NONE, Interface
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.retvals import (
    ADDRESS_FOUND_FOR_INTERFACE,
    INVALID_REGISTRATION,
    INVALID_SW_IF_INDEX,
    INVALID_SW_IF_INDEX_2,
    INVALID_VALUE,
    NO_SUCH_FIB,
    UNEXPECTED_INTF_STATE,
    Refused,
)
from hostlink.lab.standin.state import InterfaceEvent
from hostlink.lab.standin.wire import packed_prefix, wire_prefix

ADMIN_UP, LINK_UP = 1, 2
LOOPBACK = "Loopback"


def status_flags(interface: Interface) -> int:
    return (ADMIN_UP if interface.admin_up else 0) | (LINK_UP if interface.link_up else 0)


def _details(interface: Interface) -> Values:
    return {
        "sw_if_index": interface.sw_if_index,
        "sup_sw_if_index": interface.sw_if_index,
        "l2_address": interface.mac,
        "flags": status_flags(interface),
        "link_mtu": interface.link_mtu,
        "mtu": list(interface.mtu),
        "interface_name": interface.name,
        "interface_dev_type": interface.dev_type,
        "tag": interface.tag,
    }


@handles("sw_interface_dump")
def sw_interface_dump(vpp: Vpp, request: Values) -> Reply:
    wanted = request["sw_if_index"]
    if not request["name_filter_valid"] and wanted not in (NONE, 0):
        interface = vpp.state.interfaces.find(wanted)
        return [_details(interface)] if interface else []
    name = request["name_filter"].lower() if request["name_filter_valid"] else ""
    return [_details(interface) for interface in vpp.state.interfaces if name in interface.name.lower()]


@handles("sw_interface_set_flags")
def sw_interface_set_flags(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    up = bool(request["flags"] & ADMIN_UP)
    if interface.admin_up != up:
        vpp.devices.raised(interface, up)
    addressing.set_admin(vpp.state, interface, up)
    return {}


@handles("sw_interface_set_mtu")
def sw_interface_set_mtu(vpp: Vpp, request: Values) -> Reply:
    vpp.state.interfaces.get(request["sw_if_index"]).mtu = list(request["mtu"])
    return {}


@handles("sw_interface_tag_add_del")
def sw_interface_tag_add_del(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    if request["is_add"] and not request["tag"]:
        raise Refused(INVALID_VALUE)
    interface.tag = request["tag"] if request["is_add"] else ""
    return {}


@handles("sw_interface_set_mac_address")
def sw_interface_set_mac_address(vpp: Vpp, request: Values) -> Reply:
    vpp.state.interfaces.get(request["sw_if_index"]).mac = request["mac_address"]
    return {}


@handles("sw_interface_get_mac_address")
def sw_interface_get_mac_address(vpp: Vpp, request: Values) -> Reply:
    return {"mac_address": vpp.state.interfaces.get(request["sw_if_index"]).mac}


@handles("sw_interface_add_del_address")
def sw_interface_add_del_address(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    if request["del_all"]:
        addressing.remove_all(vpp.state, interface)
        return {}
    address, length = packed_prefix(request["prefix"])
    if request["is_add"]:
        addressing.add(vpp.state, interface, address, length)
    else:
        addressing.remove(vpp.state, interface, address, length)
    return {}


@handles("ip_address_dump")
def ip_address_dump(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.find(request["sw_if_index"])
    if interface is None:
        return []
    version = 6 if request["is_ipv6"] else 4
    own = vpp.state.interfaces.addresses(interface, version, honour_unnumbered=False)
    return [{"sw_if_index": interface.sw_if_index, "prefix": wire_prefix(a.address, a.length)} for a in own]


@handles("sw_interface_set_unnumbered")
def sw_interface_set_unnumbered(vpp: Vpp, request: Values) -> Reply:
    """The fields' names are the other way round in VPP too: `unnumbered_sw_if_index` borrows from `sw_if_index`."""
    borrower = vpp.state.interfaces.get(request["unnumbered_sw_if_index"], INVALID_SW_IF_INDEX)
    if not request["is_add"]:
        borrower.unnumbered = None
        return {}
    lender = vpp.state.interfaces.get(request["sw_if_index"], INVALID_SW_IF_INDEX_2)
    if (borrower.table4, borrower.table6) != (lender.table4, lender.table6):
        raise Refused(UNEXPECTED_INTF_STATE)
    borrower.unnumbered = lender.sw_if_index
    return {}


@handles("ip_unnumbered_dump")
def ip_unnumbered_dump(vpp: Vpp, request: Values) -> Reply:
    wanted = request["sw_if_index"]
    return [
        {"sw_if_index": i.sw_if_index, "ip_sw_if_index": i.unnumbered}
        for i in vpp.state.interfaces
        if i.unnumbered is not None and wanted in (NONE, i.sw_if_index)
    ]


@handles("sw_interface_set_table")
def sw_interface_set_table(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    version = 6 if request["is_ipv6"] else 4
    if vpp.state.fib.find(version, request["vrf_id"]) is None:
        raise Refused(NO_SUCH_FIB)
    if vpp.state.interfaces.addresses(interface, version):
        raise Refused(ADDRESS_FOUND_FOR_INTERFACE)
    before = vpp.state.fib.of_interface(version, interface.sw_if_index)
    if version == 6:
        interface.table6 = request["vrf_id"]
    else:
        interface.table4 = request["vrf_id"]
    vpp.state.fib.drop_unheld(before)
    return {}


@handles("sw_interface_get_table")
def sw_interface_get_table(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.find(request["sw_if_index"])
    if interface is None:
        raise Refused(INVALID_SW_IF_INDEX, vrf_id=NONE)
    return {"vrf_id": interface.table(6 if request["is_ipv6"] else 4)}


@handles("want_interface_events")
def want_interface_events(vpp: Vpp, request: Values) -> Reply:
    client = request["client_index"]
    if request["enable_disable"]:
        if client in vpp.event_clients:
            raise Refused(INVALID_REGISTRATION)
        vpp.event_clients[client] = request["pid"]
    elif vpp.event_clients.pop(client, None) is None:
        raise Refused(INVALID_REGISTRATION)
    return {}


@handles("create_loopback")
def create_loopback(vpp: Vpp, request: Values) -> Reply:
    taken = {interface.name for interface in vpp.state.interfaces}
    number = next(n for n in range(len(taken) + 1) if f"loop{n}" not in taken)
    mac = request["mac_address"]
    if not any(mac):
        mac = b"\xde\xad\0\0" + number.to_bytes(2)
    interface = vpp.state.interfaces.add(f"loop{number}", LOOPBACK, mac)
    vpp.state.happened(interface, InterfaceEvent.ADDED)
    return {"sw_if_index": interface.sw_if_index}


@handles("delete_loopback")
def delete_loopback(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    if interface.dev_type != LOOPBACK:
        raise Refused(INVALID_SW_IF_INDEX)
    delete_interface(vpp, interface)
    return {}
