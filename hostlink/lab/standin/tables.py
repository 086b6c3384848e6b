"""The part of VPP's binary API that the stand-in speaks, as one compact table.

Names, CRCs and fields are facts of the interface, read from VPP 26.06's definitions (`*.api.json`); both the codec and
the JSON that `get_api_json` serves are made from this text, so that the two cannot disagree. The grammar, one item a
line, an indented line continues the one before:

    alias NAME BASE[LENGTH]          enum NAME BASE SYMBOL=VALUE …
    type NAME FIELD …                union NAME FIELD?CASE …
    module NAME VERSION CRC          what follows, up to the next, belongs to it
    call NAME CRC FIELD …            a request; its reply is NAME_reply with just a retval unless a `reply` line follows
    dump NAME CRC FIELD …            a request that streams the details message of the `reply` line that follows
    event NAME CRC FIELD …           sent unasked to those who made the request above
    raw NAME CRC FIELD …             a message without the usual preamble, all its fields given

A FIELD is `type:name`, `type[3]:name` (fixed), `type[count]:name` (as many as the field `count` says), `string[]:name`
(u32 length, then text), with `=default` where the definitions have one (~0 is all ones), `?discriminator` for a union.
Requests begin with u16 _vl_msg_id, u32 client_index, u32 context; replies lack the client_index.
"""

from __future__ import annotations

TYPES = """
type message_table_entry u16:index string[64]:name
alias interface_index u32
alias mac_address u8[6]
enum if_status_flags u32 IF_STATUS_API_FLAG_ADMIN_UP=1 IF_STATUS_API_FLAG_LINK_UP=2
enum if_type u32 IF_API_TYPE_HARDWARE=0 IF_API_TYPE_SUB=1 IF_API_TYPE_P2P=2 IF_API_TYPE_PIPE=3
enum link_duplex u32 LINK_DUPLEX_API_UNKNOWN=0 LINK_DUPLEX_API_HALF=1 LINK_DUPLEX_API_FULL=2
enum sub_if_flags u32 SUB_IF_API_FLAG_NO_TAGS=1 SUB_IF_API_FLAG_ONE_TAG=2 SUB_IF_API_FLAG_TWO_TAGS=4
    SUB_IF_API_FLAG_DOT1AD=8 SUB_IF_API_FLAG_EXACT_MATCH=16 SUB_IF_API_FLAG_DEFAULT=32
    SUB_IF_API_FLAG_OUTER_VLAN_ID_ANY=64 SUB_IF_API_FLAG_INNER_VLAN_ID_ANY=128 SUB_IF_API_FLAG_MASK_VNET=254
    SUB_IF_API_FLAG_DOT1AH=256
enum ip_reass_type u32 IP_REASS_TYPE_FULL=0 IP_REASS_TYPE_SHALLOW_VIRTUAL=1
enum address_family u8 ADDRESS_IP4=0 ADDRESS_IP6=1
alias ip4_address u8[4]
alias ip6_address u8[16]
union address_union ip4_address:ip4?ADDRESS_IP4 ip6_address:ip6?ADDRESS_IP6
type address address_family:af address_union:un?af
type prefix address:address u8:len
alias address_with_prefix prefix
enum fib_path_type u32 FIB_API_PATH_TYPE_NORMAL=0 FIB_API_PATH_TYPE_LOCAL=1 FIB_API_PATH_TYPE_DROP=2
    FIB_API_PATH_TYPE_UDP_ENCAP=3 FIB_API_PATH_TYPE_BIER_IMP=4 FIB_API_PATH_TYPE_ICMP_UNREACH=5
    FIB_API_PATH_TYPE_ICMP_PROHIBIT=6 FIB_API_PATH_TYPE_SOURCE_LOOKUP=7 FIB_API_PATH_TYPE_DVR=8
    FIB_API_PATH_TYPE_INTERFACE_RX=9 FIB_API_PATH_TYPE_CLASSIFY=10
enum fib_path_flags u32 FIB_API_PATH_FLAG_NONE=0 FIB_API_PATH_FLAG_RESOLVE_VIA_ATTACHED=1
    FIB_API_PATH_FLAG_RESOLVE_VIA_HOST=2 FIB_API_PATH_FLAG_POP_PW_CW=4
enum fib_path_nh_proto u32 FIB_API_PATH_NH_PROTO_IP4=0 FIB_API_PATH_NH_PROTO_IP6=1 FIB_API_PATH_NH_PROTO_MPLS=2
    FIB_API_PATH_NH_PROTO_ETHERNET=3 FIB_API_PATH_NH_PROTO_BIER=4
type fib_path_nh address_union:address u32:via_label u32:obj_id u32:classify_table_index
type fib_mpls_label u8:is_uniform u32:label u8:ttl u8:exp
type fib_path u32:sw_if_index u32:table_id u32:rpf_id u8:weight u8:preference fib_path_type:type fib_path_flags:flags
    fib_path_nh_proto:proto fib_path_nh:nh u8:n_labels fib_mpls_label[16]:label_stack
type ip_route_v2 u32:table_id u32:stats_index prefix:prefix u8:n_paths u8:src fib_path[n_paths]:paths
type ip_table u32:table_id bool:is_ip6 string[64]:name
type ip_route u32:table_id u32:stats_index prefix:prefix u8:n_paths fib_path[n_paths]:paths
type punt_redirect_v2 interface_index:rx_sw_if_index=~0 address_family:af u32:n_paths fib_path[n_paths]:paths
enum af_packet_mode u32 AF_PACKET_API_MODE_ETHERNET=1 AF_PACKET_API_MODE_IP=2
enum af_packet_flags u32 AF_PACKET_API_FLAG_QDISC_BYPASS=1 AF_PACKET_API_FLAG_CKSUM_GSO=2
    AF_PACKET_API_FLAG_VERSION_2=8
type ip4_prefix ip4_address:address u8:len
alias ip4_address_with_prefix ip4_prefix
type ip6_prefix ip6_address:address u8:len
alias ip6_address_with_prefix ip6_prefix
enum tap_flags u32 TAP_API_FLAG_GSO=1 TAP_API_FLAG_CSUM_OFFLOAD=2 TAP_API_FLAG_PERSIST=4 TAP_API_FLAG_ATTACH=8
    TAP_API_FLAG_TUN=16 TAP_API_FLAG_GRO_COALESCE=32 TAP_API_FLAG_PACKED=64 TAP_API_FLAG_IN_ORDER=128
    TAP_API_FLAG_CONSISTENT_QP=256
type fib_source u8:priority u8:id string[64]:name
type ip6nd_ra_prefix prefix:prefix bool:onlink_flag bool:autonomous_flag u32:val_lifetime u32:pref_lifetime
    f64:valid_lifetime_expires f64:pref_lifetime_expires bool:decrement_lifetime_flag bool:no_advertise
enum ip_neighbor_flags u8 IP_API_NEIGHBOR_FLAG_NONE=0 IP_API_NEIGHBOR_FLAG_STATIC=1
    IP_API_NEIGHBOR_FLAG_NO_FIB_ENTRY=2
type ip_neighbor interface_index:sw_if_index ip_neighbor_flags:flags mac_address:mac_address address:ip_address
type proxy_arp u32:table_id ip4_address:low ip4_address:hi
enum punt_type u32 PUNT_API_TYPE_L4=0 PUNT_API_TYPE_IP_PROTO=1 PUNT_API_TYPE_EXCEPTION=2
type punt_exception u32:id
enum ip_proto u8 IP_API_PROTO_HOPOPT=0 IP_API_PROTO_ICMP=1 IP_API_PROTO_IGMP=2 IP_API_PROTO_TCP=6 IP_API_PROTO_UDP=17
    IP_API_PROTO_GRE=47 IP_API_PROTO_ESP=50 IP_API_PROTO_AH=51 IP_API_PROTO_ICMP6=58 IP_API_PROTO_EIGRP=88
    IP_API_PROTO_OSPF=89 IP_API_PROTO_SCTP=132 IP_API_PROTO_RESERVED=255
type punt_l4 address_family:af ip_proto:protocol u16:port
type punt_ip_proto address_family:af ip_proto:protocol
union punt_union punt_exception:exception?PUNT_API_TYPE_EXCEPTION punt_l4:l4?PUNT_API_TYPE_L4
    punt_ip_proto:ip_proto?PUNT_API_TYPE_IP_PROTO
type punt punt_type:type punt_union:punt?type
enum classify_action u8 CLASSIFY_API_ACTION_NONE=0 CLASSIFY_API_ACTION_SET_IP4_FIB_INDEX=1
    CLASSIFY_API_ACTION_SET_IP6_FIB_INDEX=2 CLASSIFY_API_ACTION_SET_METADATA=3
"""

MESSAGES = """
module memclnt 2.1.0 0xb197c551
raw sockclnt_create 455fb9c4 u32:context string[64]:name
raw sockclnt_create_reply 35166268 u32:client_index u32:context i32:response u32:index u16:count
    message_table_entry[count]:message_table
call sockclnt_delete 8ac76db6 u32:index
reply sockclnt_delete_reply 8f38b1ee i32:response
call get_api_json 51077d14
reply get_api_json_reply ea715b59 i32:retval string[]:json
call control_ping 51077d14
reply control_ping_reply f6b0b8ca i32:retval u32:client_index u32:vpe_pid
module vpe 1.7.0 0xbbfa7484
call show_version 51077d14
reply show_version_reply c919bde1 i32:retval string[32]:program string[32]:version string[32]:build_date
    string[256]:build_directory
module vlib 1.0.0 0x9a9e84e4
call cli_inband f8377302 string[]:cmd
reply cli_inband_reply 05879051 i32:retval string[]:reply
module interface 3.2.4 0xcf7004cc
dump sw_interface_dump aa610c27 interface_index:sw_if_index=~0 bool:name_filter_valid string[]:name_filter
reply sw_interface_details 6c221fc7 interface_index:sw_if_index u32:sup_sw_if_index mac_address:l2_address
    if_status_flags:flags if_type:type link_duplex:link_duplex u32:link_speed u16:link_mtu u32[4]:mtu u32:sub_id
    u8:sub_number_of_tags u16:sub_outer_vlan_id u16:sub_inner_vlan_id sub_if_flags:sub_if_flags u32:vtr_op
    u32:vtr_push_dot1q u32:vtr_tag1 u32:vtr_tag2 u16:outer_tag mac_address:b_dmac mac_address:b_smac u16:b_vlanid
    u32:i_sid string[64]:interface_name string[64]:interface_dev_type string[64]:tag
call sw_interface_set_flags f5aec1b8 interface_index:sw_if_index if_status_flags:flags
call sw_interface_set_mtu 5cbe85e5 interface_index:sw_if_index u32[4]:mtu
call sw_interface_tag_add_del 426f8bc1 bool:is_add interface_index:sw_if_index string[64]:tag
call sw_interface_add_del_address 5463d73b interface_index:sw_if_index bool:is_add bool:del_all
    address_with_prefix:prefix
call sw_interface_set_unnumbered 154a6439 interface_index:sw_if_index interface_index:unnumbered_sw_if_index
    bool:is_add
call want_interface_events 476f5a08 u32:enable_disable u32:pid
event sw_interface_event 2d3d95a7 u32:client_index u32:pid interface_index:sw_if_index if_status_flags:flags
    bool:deleted
call sw_interface_set_mac_address c536e7eb interface_index:sw_if_index mac_address:mac_address
call sw_interface_get_mac_address f9e6675e interface_index:sw_if_index
reply sw_interface_get_mac_address_reply 40ef2c08 i32:retval mac_address:mac_address
call sw_interface_set_table df42a577 interface_index:sw_if_index bool:is_ipv6 u32:vrf_id
call sw_interface_get_table 2d033de4 interface_index:sw_if_index bool:is_ipv6
reply sw_interface_get_table_reply a6eb0109 i32:retval u32:vrf_id
call create_loopback 42bb5d22 mac_address:mac_address
reply create_loopback_reply 5383d31f i32:retval interface_index:sw_if_index
call delete_loopback f9e6675e interface_index:sw_if_index
module ip 3.2.0 0xc55aec44
dump ip_unnumbered_dump f9e6675e interface_index:sw_if_index=~0
reply ip_unnumbered_details cc59bd42 interface_index:sw_if_index interface_index:ip_sw_if_index
dump ip_address_dump 2d033de4 interface_index:sw_if_index bool:is_ipv6
reply ip_address_details ee29b797 interface_index:sw_if_index address_with_prefix:prefix
call ip_route_add_del_v2 521ef330 bool:is_add=true bool:is_multipath ip_route_v2:route
reply ip_route_add_del_v2_reply 1992deab i32:retval u32:stats_index
call ip_route_lookup_v2 710d6471 u32:table_id u8:exact prefix:prefix
reply ip_route_lookup_v2_reply 84cc9e03 i32:retval ip_route_v2:route
dump ip_route_v2_dump d16f72e6 u8:src ip_table:table
reply ip_route_v2_details b09aa6c0 ip_route_v2:route
call ip_route_add_del b8ecfe0d bool:is_add=true bool:is_multipath ip_route:route
reply ip_route_add_del_reply 1992deab i32:retval u32:stats_index
dump ip_route_dump b9d2e09e ip_table:table
reply ip_route_details bda8f315 ip_route:route
call ip_table_add_del_v2 14e5081f ip_table:table bool:create_mfib=true bool:is_add=true
dump ip_table_dump 51077d14
reply ip_table_details c79fca0f ip_table:table
call ip_local_reass_enable_disable 34e2ccc4 bool:enable_ip4 bool:enable_ip6
call ip_local_reass_get 51077d14
reply ip_local_reass_get_reply 3e93a702 i32:retval bool:ip4_is_enabled bool:ip6_is_enabled
call ip_reassembly_set 16467d25 u32:timeout_ms u32:max_reassemblies u32:max_reassembly_length
    u32:expire_walk_interval_ms bool:is_ip6 ip_reass_type:type
call ip_reassembly_get ea13ff63 bool:is_ip6 ip_reass_type:type
reply ip_reassembly_get_reply d5eb8d34 i32:retval u32:timeout_ms u32:max_reassemblies u32:max_reassembly_length
    u32:expire_walk_interval_ms bool:is_ip6
call sw_interface_ip6_enable_disable ae6cfcfb interface_index:sw_if_index bool:enable
call sw_interface_ip6_set_link_local_address 1c10f15f interface_index:sw_if_index ip6_address:ip
call sw_interface_ip6_get_link_local_address f9e6675e interface_index:sw_if_index
reply sw_interface_ip6_get_link_local_address_reply d16b7130 i32:retval ip6_address:ip
call add_del_ip_punt_redirect_v2 9e804227 bool:is_add=true punt_redirect_v2:punt
dump ip_punt_redirect_v2_dump d817a484 interface_index:sw_if_index address_family:af
reply ip_punt_redirect_v2_details 7ba42e1d punt_redirect_v2:punt
module af_packet 2.0.0 0x5b12de21
call af_packet_create_v3 b3a809d4 af_packet_mode:mode mac_address:hw_addr bool:use_random_hw_addr
    string[64]:host_if_name u32:rx_frame_size u32:tx_frame_size u32:rx_frames_per_block u32:tx_frames_per_block
    af_packet_flags:flags u16:num_rx_queues=1 u16:num_tx_queues=1
reply af_packet_create_v3_reply 5383d31f i32:retval interface_index:sw_if_index
call af_packet_delete 863fa648 string[64]:host_if_name
dump af_packet_dump 51077d14
reply af_packet_details 58c7c042 interface_index:sw_if_index string[64]:host_if_name
module tapv2 4.0.0 0xc2f80dc7
call tap_create_v3 3f3fd1df u32:id=~0 bool:use_random_mac=true mac_address:mac_address u16:num_rx_queues=1
    u16:num_tx_queues=1 u16:tx_ring_sz=256 u16:rx_ring_sz=256 bool:host_mtu_set u32:host_mtu_size
    bool:host_mac_addr_set mac_address:host_mac_addr bool:host_ip4_prefix_set ip4_address_with_prefix:host_ip4_prefix
    bool:host_ip6_prefix_set ip6_address_with_prefix:host_ip6_prefix bool:host_ip4_gw_set ip4_address:host_ip4_gw
    bool:host_ip6_gw_set ip6_address:host_ip6_gw tap_flags:tap_flags bool:host_namespace_set string[64]:host_namespace
    bool:host_if_name_set string[64]:host_if_name bool:host_bridge_set string[64]:host_bridge string[]:tag
reply tap_create_v3_reply 5383d31f i32:retval interface_index:sw_if_index
call tap_delete_v2 f9e6675e interface_index:sw_if_index
dump sw_interface_tap_v2_dump f9e6675e interface_index:sw_if_index=~0
reply sw_interface_tap_v2_details 1e2b2a47 u32:sw_if_index u32:id u16:tx_ring_sz u16:rx_ring_sz u32:host_mtu_size
    mac_address:host_mac_addr ip4_address_with_prefix:host_ip4_prefix ip6_address_with_prefix:host_ip6_prefix
    tap_flags:tap_flags string[64]:dev_name string[64]:host_if_name string[64]:host_namespace string[64]:host_bridge
module fib 1.0.0 0x4ef4abc1
call fib_source_add b3ac2aec fib_source:src
reply fib_source_add_reply 604fd6f1 i32:retval u8:id
dump fib_source_dump 51077d14
reply fib_source_details 8668acdb fib_source:src
module ip6_nd 1.1.0 0x5f19a809
call sw_interface_ip6nd_ra_config 3eb00b1c interface_index:sw_if_index u8:suppress u8:managed u8:other u8:ll_option
    u8:send_unicast u8:cease bool:is_no u8:default_router u32:max_interval u32:min_interval u32:lifetime
    u32:initial_count u32:initial_interval
dump sw_interface_ip6nd_ra_dump f9e6675e interface_index:sw_if_index
reply sw_interface_ip6nd_ra_details d3198de5 interface_index:sw_if_index u8:cur_hop_limit bool:adv_managed_flag
    bool:adv_other_flag u16:adv_router_lifetime u32:adv_neighbor_reachable_time u32:adv_retransmit_interval
    u32:adv_link_mtu bool:send_radv bool:cease_radv bool:send_unicast bool:adv_link_layer_address
    f64:max_radv_interval f64:min_radv_interval f64:last_radv_time f64:last_multicast_time f64:next_multicast_time
    u32:initial_adverts_count f64:initial_adverts_interval bool:initial_adverts_sent u32:n_advertisements_sent
    u32:n_solicitations_rcvd u32:n_solicitations_dropped u32:n_prefixes ip6nd_ra_prefix[n_prefixes]:prefixes
call ip6nd_proxy_enable_disable 7daa1e3a interface_index:sw_if_index bool:is_enable
module ip_neighbor 1.0.1 0x36db39bd
call ip_neighbor_add_del 0607c257 bool:is_add ip_neighbor:neighbor
reply ip_neighbor_add_del_reply 1992deab i32:retval u32:stats_index
dump ip_neighbor_dump d817a484 interface_index:sw_if_index=~0 address_family:af
reply ip_neighbor_details e29d79f0 f64:age ip_neighbor:neighbor
module arp 1.0.0 0xb57796ae
call proxy_arp_add_del 1823c3e7 bool:is_add proxy_arp:proxy
dump proxy_arp_dump 51077d14
reply proxy_arp_details 5b948673 proxy_arp:proxy
call proxy_arp_intfc_enable_disable ae6cfcfb interface_index:sw_if_index bool:enable
dump proxy_arp_intfc_dump 51077d14
reply proxy_arp_intfc_details f6458e5f u32:sw_if_index
module punt 2.2.1 0x24d11934
call set_punt 47d0e347 bool:is_add punt:punt
module classify 3.1.0 0x92a4f2c8
call classify_add_del_table 6849e39e bool:is_add bool:del_chain u32:table_index=~0 u32:nbuckets=2
    u32:memory_size=2097152 u32:skip_n_vectors=0 u32:match_n_vectors=1 u32:next_table_index=~0 u32:miss_next_index=~0
    u8:current_data_flag=0 i16:current_data_offset=0 u32:mask_len u8[mask_len]:mask
reply classify_add_del_table_reply 05486349 i32:retval u32:new_table_index u32:skip_n_vectors u32:match_n_vectors
call classify_add_del_session f20879f0 bool:is_add u32:table_index u32:hit_next_index=~0 u32:opaque_index=~0
    i32:advance=0 classify_action:action=0 u32:metadata=0 u32:match_len u8[match_len]:match
call classify_table_by_interface f9e6675e interface_index:sw_if_index
reply classify_table_by_interface_reply ed4197db i32:retval interface_index:sw_if_index u32:l2_table_id
    u32:ip4_table_id u32:ip6_table_id
call classify_table_ids 51077d14
reply classify_table_ids_reply d1d20e1d i32:retval u32:count u32[count]:ids
call classify_table_info 0cca2cd9 u32:table_id
reply classify_table_info_reply 4a573c0e i32:retval u32:table_id u32:nbuckets u32:match_n_vectors u32:skip_n_vectors
    u32:active_sessions u32:next_table_index u32:miss_next_index u32:mask_length u8[mask_length]:mask
call output_acl_set_interface de7ad708 interface_index:sw_if_index u32:ip4_table_index u32:ip6_table_index
    u32:l2_table_index bool:is_add
call input_acl_set_interface de7ad708 interface_index:sw_if_index u32:ip4_table_index u32:ip6_table_index
    u32:l2_table_index bool:is_add
"""
