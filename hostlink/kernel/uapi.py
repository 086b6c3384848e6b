"""The kernel's numbers that more than one file here needs, under the kernel's own names.

They are ABI: they never change. The headers are include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour,
fib_rules,if_tun,ethtool}.h; socket options that Python's `socket` module does not know come from linux/netlink.h.
"""

from __future__ import annotations

from typing import Final

# -------------------------------------------------------------------------------------------------- netlink itself
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_CAPPED: Final = 0x100
NLM_F_ACK_TLVS: Final = 0x200
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
NLM_F_APPEND: Final = 0x800
NLMSGERR_ATTR_MSG: Final = 1

SOL_NETLINK: Final = 270
NETLINK_ADD_MEMBERSHIP: Final = 1
NETLINK_CAP_ACK: Final = 10
NETLINK_EXT_ACK: Final = 11
NETLINK_GET_STRICT_CHK: Final = 12
SO_ATTACH_FILTER: Final = 26
SO_RCVBUFFORCE: Final = 33

# --------------------------------------------------------------------------------------------------- message types
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_NEWNEIGH: Final = 28
RTM_DELNEIGH: Final = 29
RTM_GETNEIGH: Final = 30
RTM_NEWRULE: Final = 32
RTM_DELRULE: Final = 33
RTM_GETRULE: Final = 34
RTM_NEWQDISC: Final = 36
RTM_DELQDISC: Final = 37
RTM_GETQDISC: Final = 38
RTM_NEWTFILTER: Final = 44
RTM_DELTFILTER: Final = 45
RTM_GETTFILTER: Final = 46
RTM_NEWNEXTHOP: Final = 104
RTM_DELNEXTHOP: Final = 105
RTM_GETNEXTHOP: Final = 106
RTM_NEWLINKPROP: Final = 108
RTM_DELLINKPROP: Final = 109

# ---------------------------------------------------------------------------------------------------- multicast groups
RTNLGRP_LINK: Final = 1
RTNLGRP_NEIGH: Final = 3
RTNLGRP_TC: Final = 4
RTNLGRP_IPV4_IFADDR: Final = 5
RTNLGRP_IPV4_ROUTE: Final = 7
RTNLGRP_IPV4_RULE: Final = 8
RTNLGRP_IPV6_IFADDR: Final = 9
RTNLGRP_IPV6_ROUTE: Final = 11
RTNLGRP_IPV6_RULE: Final = 19
RTNLGRP_NEXTHOP: Final = 32

# --------------------------------------------------------------------------------------------------------------- links
IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_NOARP: Final = 0x80
IFF_PROMISC: Final = 0x100
IFF_ALLMULTI: Final = 0x200
IFF_MULTICAST: Final = 0x1000
IFF_LOWER_UP: Final = 0x10000

IFLA_ADDRESS: Final = 1
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_TXQLEN: Final = 13
IFLA_LINKINFO: Final = 18
IFLA_IFALIAS: Final = 20
IFLA_AF_SPEC: Final = 26
IFLA_GROUP: Final = 27
IFLA_INET6_TOKEN: Final = 7
IFLA_NET_NS_FD: Final = 28
IFLA_CARRIER: Final = 33
IFLA_NEW_IFINDEX: Final = 49
IFLA_PROP_LIST: Final = 52
IFLA_ALT_IFNAME: Final = 53
IFLA_INFO_KIND: Final = 1
IFLA_INFO_DATA: Final = 2
VETH_INFO_PEER: Final = 1

# ----------------------------------------------------------------------------------------------------------- addresses
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_LABEL: Final = 3
IFA_BROADCAST: Final = 4
IFA_CACHEINFO: Final = 6
IFA_FLAGS: Final = 8
IFA_RT_PRIORITY: Final = 9
IFA_PROTO: Final = 11

IFA_F_NODAD: Final = 0x02
IFA_F_OPTIMISTIC: Final = 0x04
IFA_F_HOMEADDRESS: Final = 0x10
IFA_F_PERMANENT: Final = 0x80
IFA_F_MANAGETEMPADDR: Final = 0x100
IFA_F_NOPREFIXROUTE: Final = 0x200
IFA_F_MCAUTOJOIN: Final = 0x400
RT_SCOPE_UNIVERSE: Final = 0
FOR_EVER: Final = 0xFFFFFFFF
"""INFINITY_LIFE_TIME: a lifetime that does not run."""

# -------------------------------------------------------------------------------------------------------------- routes
RTA_DST: Final = 1
RTA_SRC: Final = 2
RTA_IIF: Final = 3
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_METRICS: Final = 8
RTA_MULTIPATH: Final = 9
RTA_CACHEINFO: Final = 12
RTA_TABLE: Final = 15
RTA_VIA: Final = 18
RTA_PREF: Final = 20
RTA_ENCAP_TYPE: Final = 21
RTA_ENCAP: Final = 22
RTA_EXPIRES: Final = 23
RTA_NH_ID: Final = 30

RTAX_MTU: Final = 2

RTN_UNICAST: Final = 1
RT_TABLE_MAIN: Final = 254
RTM_F_CLONED: Final = 0x200
RTNH_F_PERVASIVE: Final = 0x02
RTNH_F_ONLINK: Final = 0x04

# ---------------------------------------------------------------------------------------------------------- neighbours
NDA_DST: Final = 1
NDA_LLADDR: Final = 2
NDA_IFINDEX: Final = 8
NUD_REACHABLE: Final = 0x02
NUD_PERMANENT: Final = 0x80
NTF_SELF: Final = 0x02
NTF_PROXY: Final = 0x08

# --------------------------------------------------------------------------------------------------------------- rules
FRA_IIFNAME: Final = 3
FRA_PRIORITY: Final = 6
FRA_OIFNAME: Final = 17
FR_ACT_TO_TBL: Final = 1
FIB_RULE_INVERT: Final = 0x2
FIB_RULE_FIND_SADDR: Final = 0x10000

# ----------------------------------------------------------------------------------- nexthop objects (linux/nexthop.h)
NHA_ID: Final = 1
NHA_GROUP: Final = 2
NHA_OIF: Final = 5
NHA_GATEWAY: Final = 6
