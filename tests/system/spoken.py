"""What VPP was sent, in the words that `hostlink plan` tells it in: the other way round than hostlink goes.

From VPP's own fields (vnet/interface.api, vnet/ip/ip.api ...), so that a plan is held to what is on the socket, and not
to what hostlink thinks of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hostlink.vpp.route_packer import ADD_DEL
from tests.system.overheard import Asked

NOBODY = 0xFFFFFFFF
_SPECIAL = {2: "blackhole", 5: "unreachable", 6: "prohibit"}
READS = ("_dump", "_get", "control_ping", "show_version", "get_link_local_address", "ip_route_lookup_v2", "_get_table")


def is_read(asked: Asked) -> bool:
    """Whether it changes nothing in VPP."""
    return asked.name.endswith(READS) or (asked.name == "cli_inband" and str(asked.fields.cmd).startswith("show "))


def spoken(heard: Iterable[Asked], names: Mapping[int, str]) -> list[str]:
    """A line for each change, in its order. names: VPP's, by sw_if_index."""
    opened = ""
    found: list[str] = []
    for one in heard:
        if one.name == "af_packet_create_v3":
            opened = f"+ host-{one.fields.host_if_name} on {one.fields.host_if_name}, MAC {one.fields.hw_addr}"
        elif one.name == "sw_interface_tag_add_del" and opened:
            found.append(f"{opened}, tag {one.fields.tag}")
            opened = ""
        elif not is_read(one):
            found += _lines(one.name, one.fields, names)
    return found


def _lines(name: str, told: Any, names: Mapping[int, str]) -> Iterator[str]:
    port = names.get(getattr(told, "sw_if_index", NOBODY), "?")
    match name:
        case "tap_create_v3":
            yield f"+ tap{told.id} on {told.host_if_name}, MAC {told.mac_address}, tag {told.tag}"
        case "sw_interface_set_mtu":
            yield f"~ {port}: set MTU {told.mtu[0]}"
        case "sw_interface_set_flags":
            yield f"~ {port}: set {'up' if told.flags & 1 else 'down'}"
        case "sw_interface_ip6_enable_disable" if told.enable:
            yield f"~ {port}: enable IPv6"
        case "sw_interface_ip6nd_ra_config" if told.suppress:
            yield f"~ {port}: send no router advertisements"
        case "sw_interface_ip6_set_link_local_address":
            yield f"~ {port}: set link-local address {told.ip}"
        case "sw_interface_add_del_address":
            yield f"{_sign(told.is_add)} {told.prefix} dev {port}"
        case "sw_interface_set_unnumbered":
            yield f"~ {names[told.unnumbered_sw_if_index]}: unnumbered, use the addresses of {port}"
        case "proxy_arp_intfc_enable_disable":
            if told.enable:  # switched off before it is switched on, whatever it was
                yield f"~ {port}: answer ARP for others"
        case "ip6nd_proxy_enable_disable" if told.is_enable:
            yield f"~ {port}: answer neighbour solicitations for others"
        case "ip_neighbor_add_del":
            one = told.neighbor
            yield f"{_sign(told.is_add)} {one.ip_address} dev {names[one.sw_if_index]} lladdr {one.mac_address}"
        case _:
            yield from _shared(name, told, names)


def _shared(name: str, told: Any, names: Mapping[int, str]) -> Iterator[str]:
    match name:
        case "ip_table_add_del_v2":
            family = 6 if told.table.is_ip6 else 4
            host = str(told.table.name).removeprefix("hostlink ")
            yield f"{_sign(told.is_add)} IPv{family} table {told.table.table_id} for the host's table {host}"
        case "proxy_arp_add_del":
            one = told.proxy
            yield f"{_sign(told.is_add)} proxy ARP range {one.low} - {one.hi} of table {one.table_id}"
        case "add_del_ip_punt_redirect_v2":
            one = told.punt
            rx = "any interface" if one.rx_sw_if_index == NOBODY else names[one.rx_sw_if_index]
            family = 6 if one.af else 4
            yield f"{_sign(told.is_add)} punt redirect IPv{family} from {rx} {_path(one.paths[0], names)}"
        case "set_punt":
            one = told.punt.punt.l4
            assert one.port == 65535
            what = f"IPv{6 if one.af else 4} {({6: 'TCP', 17: 'UDP'})[int(one.protocol)]} to unclaimed ports"
            yield f"{_sign(told.is_add)} punt {what}"
        case "ip_reassembly_set":
            family = 6 if told.is_ip6 else 4
            yield f"~ put together up to {told.max_reassembly_length} fragments of an IPv{family} datagram"
        case "ip_local_reass_enable_disable":
            made = " and ".join(f"IPv{n}" for n, on in ((4, told.enable_ip4), (6, told.enable_ip6)) if on)
            yield f"~ put together fragments for VPP itself of {made or 'neither family'}"
        case _ if name == ADD_DEL:
            one = told.route
            words = ", ".join(_path(path, names) for path in one.paths)
            prefix = "default" if str(one.prefix) in ("0.0.0.0/0", "::/0") else str(one.prefix)
            yield f"{_sign(told.is_add)} {prefix} {words}".rstrip()
        case _:
            yield f"? {name} {told}"


def _path(path: Any, names: Mapping[int, str]) -> str:
    if path.type in _SPECIAL:
        words = _SPECIAL[path.type]
    else:
        hop = str(path.nh.address.ip6 if path.proto == 1 else path.nh.address.ip4)
        via = "" if hop in ("0.0.0.0", "::") else f"via {hop} "
        words = f"{via}dev {names[path.sw_if_index]}"
    words += f" weight {path.weight}" if path.weight != 1 else ""
    return words + (f" preference {path.preference}" if path.preference else "")


def _sign(is_add: bool) -> str:
    return "+" if is_add else "-"
