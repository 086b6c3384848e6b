"""Messages that make and delete interfaces with a device behind them: af_packet and tap."""

from __future__ import annotations

import os

from hostlink.lab.standin import addressing
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.interfaces import NONE, Interface
from hostlink.lab.standin.registry import Opened, Reply, TapDetails, TapRequest, Vpp, handles
from hostlink.lab.standin.retvals import (
    IF_ALREADY_EXISTS,
    INVALID_INTERFACE,
    INVALID_SW_IF_INDEX,
    INVALID_VALUE,
    SYSCALL_ERROR_1,
    SYSCALL_ERROR_3,
    Refused,
)
from hostlink.lab.standin.state import InterfaceEvent

MODE_ETHERNET = 1
FLAG_CHECKSUM_GSO = 2
TAP_GSO, TAP_CHECKSUM, TAP_PERSIST, TAP_ATTACH = 1, 2, 4, 8


def delete_interface(vpp: Vpp, interface: Interface) -> None:
    """What an interface leaves behind when it goes: no addresses, no neighbours.

    Routes and redirects by it stay, and stay dead: another interface that gets its number does not revive them.
    What VPP keeps by number stays too: ACL slots and proxy ARP look taken, and are not (VPP 26.06, run).
    """
    if interface.admin_up:
        vpp.devices.raised(interface, False)
    vpp.devices.close(interface)
    addressing.set_admin(vpp.state, interface, False)
    addressing.remove_all(vpp.state, interface)
    vpp.state.neighbours.remove_all(interface.sw_if_index)
    vpp.state.forget_next_hops(interface.sw_if_index)
    interface.link_up = False
    vpp.state.fib.forget_interface(interface.sw_if_index)
    for redirects in vpp.state.redirects.values():
        redirects.forget_interface(interface.sw_if_index)
    vpp.state.interfaces.remove(interface)
    for version in (4, 6):
        if (table := vpp.state.fib.find(version, interface.table(version))) is not None:
            vpp.state.fib.drop_unheld(table)
    vpp.state.happened(interface, InterfaceEvent.DELETED)


def _add_interface(vpp: Vpp, name: str, dev_type: str, mac: bytes, opened: Opened) -> Interface:
    interface = vpp.state.interfaces.add(name, dev_type, mac)
    interface.link_up = True
    interface.checksum_offload = opened.checksum_offload
    interface.gso = opened.gso
    interface.device_mtu, interface.read_device_mtu = opened.mtu_bytes, opened.read_mtu
    vpp.devices.attach(opened, interface)
    vpp.state.happened(interface, InterfaceEvent.ADDED | InterfaceEvent.LINK_UP)
    return interface


@handles("af_packet_create_v3")
def af_packet_create_v3(vpp: Vpp, request: Values) -> Reply:
    """Mode 2 (IP) is accepted by VPP; the stand-in has only Ethernet, and says so by the same refusal as for none."""
    if request["mode"] != MODE_ETHERNET:
        raise Refused(INVALID_VALUE, sw_if_index=NONE)
    name = request["host_if_name"]
    if name in vpp.packet_sockets:
        raise Refused(IF_ALREADY_EXISTS, sw_if_index=vpp.packet_sockets[name])
    opened = vpp.devices.open_packet_socket(name, bool(request["flags"] & FLAG_CHECKSUM_GSO))
    mac = b"\x02\xfe" + os.urandom(4) if request["use_random_hw_addr"] else request["hw_addr"]
    interface = _add_interface(vpp, f"host-{name}", "af-packet", mac, opened)
    vpp.packet_sockets[name] = interface.sw_if_index
    return {"sw_if_index": interface.sw_if_index}


@handles("af_packet_delete")
def af_packet_delete(vpp: Vpp, request: Values) -> Reply:
    sw_if_index = vpp.packet_sockets.pop(request["host_if_name"], None)
    if sw_if_index is None:
        raise Refused(SYSCALL_ERROR_1)
    delete_interface(vpp, vpp.state.interfaces.get(sw_if_index))
    return {}


@handles("af_packet_dump")
def af_packet_dump(vpp: Vpp, _request: Values) -> Reply:
    return [{"sw_if_index": index, "host_if_name": name} for name, index in vpp.packet_sockets.items()]


@handles("tap_create_v3")
def tap_create_v3(vpp: Vpp, request: Values) -> Reply:
    taken = {details.id for details in vpp.taps.values()}
    if request["id"] in taken:
        raise Refused(INVALID_INTERFACE, sw_if_index=NONE)
    number = request["id"] if request["id"] != NONE else next(n for n in range(1024) if n not in taken)
    wanted = _tap_request(request)
    if wanted.attach and wanted.name is None:
        raise Refused(SYSCALL_ERROR_3, sw_if_index=NONE)
    opened = vpp.devices.open_tap(wanted)
    mac = b"\x02\xfe" + os.urandom(4) if request["use_random_mac"] else request["mac_address"]
    interface = _add_interface(vpp, f"tap{number}", "virtio", mac, opened)
    interface.tag = request["tag"]
    vpp.taps[interface.sw_if_index] = TapDetails(
        number,
        opened.host_name,
        wanted.namespace or "",
        wanted.mac,
        request["host_mtu_size"],
        request["tap_flags"],
        request["rx_ring_sz"] or 256,
        request["tx_ring_sz"] or 256,
    )
    return {"sw_if_index": interface.sw_if_index}


def _tap_request(request: Values) -> TapRequest:
    """Without a MAC for the host's end VPP makes one up, which is what silences a host after a careless re-attach."""
    mac = request["host_mac_addr"] if request["host_mac_addr_set"] else bytes(6)
    flags = request["tap_flags"]
    prefixes = [request[f"host_{family}_prefix"] for family in ("ip4", "ip6") if request[f"host_{family}_prefix_set"]]
    return TapRequest(
        name=request["host_if_name"] if request["host_if_name_set"] else None,
        namespace=request["host_namespace"] if request["host_namespace_set"] else None,
        mac=mac if any(mac) else b"\x02\xfe" + os.urandom(4),
        mtu_bytes=request["host_mtu_size"] if request["host_mtu_set"] else None,
        attach=bool(flags & TAP_ATTACH),
        persist=bool(flags & TAP_PERSIST),
        gso=bool(flags & TAP_GSO),
        checksum_offload=bool(flags & (TAP_GSO | TAP_CHECKSUM)),
        addresses=tuple((prefix["address"], prefix["len"]) for prefix in prefixes),
    )


@handles("tap_delete_v2")
def tap_delete_v2(vpp: Vpp, request: Values) -> Reply:
    if vpp.taps.pop(request["sw_if_index"], None) is None:
        raise Refused(INVALID_SW_IF_INDEX)
    delete_interface(vpp, vpp.state.interfaces.get(request["sw_if_index"]))
    return {}


@handles("sw_interface_tap_v2_dump")
def sw_interface_tap_v2_dump(vpp: Vpp, request: Values) -> Reply:
    return [
        {
            "sw_if_index": index,
            "id": tap.id,
            "tx_ring_sz": tap.tx_ring,
            "rx_ring_sz": tap.rx_ring,
            "host_mtu_size": tap.host_mtu,
            "host_mac_addr": tap.host_mac,
            "tap_flags": tap.flags,
            "dev_name": f"tap{tap.id}",
            "host_if_name": tap.host_name,
            "host_namespace": tap.namespace,
        }
        for index, tap in vpp.taps.items()
        if request["sw_if_index"] in (NONE, index)
    ]
