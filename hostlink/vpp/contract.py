"""What hostlink needs of a VPP: the messages that it uses, by name and CRC, checked before a NIC is touched.

The CRC stands for a message's whole definition, nested types included, so name and CRC together are the contract. These
are the same in VPP 24.10, 25.02, 25.06, 25.10, 26.02 and 26.06 (only the API file that holds show_version and
control_ping moved). VPP's message table is keyed `name_crc`; a message of another definition is simply absent under the
expected key, which is why it is searched for by name to be able to say what was found instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hostlink.vpp.errors import Missing

CONTRACT: Mapping[str, str] = MappingProxyType(
    {
        "add_del_ip_punt_redirect_v2": "9e804227",
        "add_del_ip_punt_redirect_v2_reply": "e8d4e804",
        "af_packet_create_v3": "b3a809d4",
        "af_packet_create_v3_reply": "5383d31f",
        "af_packet_delete": "863fa648",
        "af_packet_delete_reply": "e8d4e804",
        "af_packet_details": "58c7c042",
        "af_packet_dump": "51077d14",
        "classify_add_del_session": "f20879f0",
        "classify_add_del_session_reply": "e8d4e804",
        "classify_add_del_table": "6849e39e",
        "classify_add_del_table_reply": "05486349",
        "classify_table_by_interface": "f9e6675e",
        "classify_table_by_interface_reply": "ed4197db",
        "classify_table_ids": "51077d14",
        "classify_table_ids_reply": "d1d20e1d",
        "classify_table_info": "0cca2cd9",
        "classify_table_info_reply": "4a573c0e",
        "cli_inband": "f8377302",
        "cli_inband_reply": "05879051",
        "control_ping": "51077d14",
        "control_ping_reply": "f6b0b8ca",
        "create_loopback": "42bb5d22",
        "create_loopback_reply": "5383d31f",
        "delete_loopback": "f9e6675e",
        "delete_loopback_reply": "e8d4e804",
        "fib_source_add": "b3ac2aec",
        "fib_source_add_reply": "604fd6f1",
        "fib_source_details": "8668acdb",
        "fib_source_dump": "51077d14",
        "get_api_json": "51077d14",
        "get_api_json_reply": "ea715b59",
        "input_acl_set_interface": "de7ad708",
        "input_acl_set_interface_reply": "e8d4e804",
        "ip6nd_proxy_enable_disable": "7daa1e3a",
        "ip6nd_proxy_enable_disable_reply": "e8d4e804",
        "ip_address_details": "ee29b797",
        "ip_address_dump": "2d033de4",
        "ip_local_reass_enable_disable": "34e2ccc4",
        "ip_local_reass_enable_disable_reply": "e8d4e804",
        "ip_local_reass_get": "51077d14",
        "ip_local_reass_get_reply": "3e93a702",
        "ip_neighbor_add_del": "0607c257",
        "ip_neighbor_add_del_reply": "1992deab",
        "ip_neighbor_details": "e29d79f0",
        "ip_neighbor_dump": "d817a484",
        "ip_punt_redirect_v2_details": "7ba42e1d",
        "ip_punt_redirect_v2_dump": "d817a484",
        "ip_reassembly_get": "ea13ff63",
        "ip_reassembly_get_reply": "d5eb8d34",
        "ip_reassembly_set": "16467d25",
        "ip_reassembly_set_reply": "e8d4e804",
        "ip_route_add_del_v2": "521ef330",
        "ip_route_add_del_v2_reply": "1992deab",
        "ip_route_lookup_v2": "710d6471",
        "ip_route_lookup_v2_reply": "84cc9e03",
        "ip_route_v2_details": "b09aa6c0",
        "ip_route_v2_dump": "d16f72e6",
        "ip_table_add_del_v2": "14e5081f",
        "ip_table_add_del_v2_reply": "e8d4e804",
        "ip_table_details": "c79fca0f",
        "ip_table_dump": "51077d14",
        "ip_unnumbered_details": "cc59bd42",
        "ip_unnumbered_dump": "f9e6675e",
        "output_acl_set_interface": "de7ad708",
        "output_acl_set_interface_reply": "e8d4e804",
        "proxy_arp_add_del": "1823c3e7",
        "proxy_arp_add_del_reply": "e8d4e804",
        "proxy_arp_details": "5b948673",
        "proxy_arp_dump": "51077d14",
        "proxy_arp_intfc_details": "f6458e5f",
        "proxy_arp_intfc_dump": "51077d14",
        "proxy_arp_intfc_enable_disable": "ae6cfcfb",
        "proxy_arp_intfc_enable_disable_reply": "e8d4e804",
        "set_punt": "47d0e347",
        "set_punt_reply": "e8d4e804",
        "show_version": "51077d14",
        "show_version_reply": "c919bde1",
        "sockclnt_create": "455fb9c4",
        "sockclnt_create_reply": "35166268",
        "sockclnt_delete": "8ac76db6",
        "sockclnt_delete_reply": "8f38b1ee",
        "sw_interface_add_del_address": "5463d73b",
        "sw_interface_add_del_address_reply": "e8d4e804",
        "sw_interface_details": "6c221fc7",
        "sw_interface_dump": "aa610c27",
        "sw_interface_event": "2d3d95a7",
        "sw_interface_get_mac_address": "f9e6675e",
        "sw_interface_get_mac_address_reply": "40ef2c08",
        "sw_interface_get_table": "2d033de4",
        "sw_interface_get_table_reply": "a6eb0109",
        "sw_interface_ip6_enable_disable": "ae6cfcfb",
        "sw_interface_ip6_enable_disable_reply": "e8d4e804",
        "sw_interface_ip6_get_link_local_address": "f9e6675e",
        "sw_interface_ip6_get_link_local_address_reply": "d16b7130",
        "sw_interface_ip6_set_link_local_address": "1c10f15f",
        "sw_interface_ip6_set_link_local_address_reply": "e8d4e804",
        "sw_interface_ip6nd_ra_config": "3eb00b1c",
        "sw_interface_ip6nd_ra_config_reply": "e8d4e804",
        "sw_interface_ip6nd_ra_details": "d3198de5",
        "sw_interface_ip6nd_ra_dump": "f9e6675e",
        "sw_interface_set_flags": "f5aec1b8",
        "sw_interface_set_flags_reply": "e8d4e804",
        "sw_interface_set_mac_address": "c536e7eb",
        "sw_interface_set_mac_address_reply": "e8d4e804",
        "sw_interface_set_mtu": "5cbe85e5",
        "sw_interface_set_mtu_reply": "e8d4e804",
        "sw_interface_set_table": "df42a577",
        "sw_interface_set_table_reply": "e8d4e804",
        "sw_interface_set_unnumbered": "154a6439",
        "sw_interface_set_unnumbered_reply": "e8d4e804",
        "sw_interface_tag_add_del": "426f8bc1",
        "sw_interface_tag_add_del_reply": "e8d4e804",
        "sw_interface_tap_v2_details": "1e2b2a47",
        "sw_interface_tap_v2_dump": "f9e6675e",
        "tap_create_v3": "3f3fd1df",
        "tap_create_v3_reply": "5383d31f",
        "tap_delete_v2": "f9e6675e",
        "tap_delete_v2_reply": "e8d4e804",
        "want_interface_events": "476f5a08",
        "want_interface_events_reply": "e8d4e804",
    }
)
"""Message name → CRC, eight hexadecimal digits."""


def split_key(name_crc: str) -> tuple[str, str]:
    """A key of the message table in its two parts: `("control_ping", "51077d14")`."""
    name, _, crc = name_crc.rpartition("_")
    return name, crc


def check_contract(message_table: Mapping[str, int], contract: Mapping[str, str] = CONTRACT) -> tuple[Missing, ...]:
    """Everything of `contract` that a VPP lacks, all at once; empty: this VPP is fit.

    message_table: `name_crc` → message id, as the answer to sockclnt_create gives it.
    """
    lacking = sorted(name for name, crc in contract.items() if f"{name}_{crc}" not in message_table)
    if not lacking:
        return ()
    found = dict(split_key(key) for key in message_table)
    return tuple(Missing(name, contract[name], found.get(name)) for name in lacking)
