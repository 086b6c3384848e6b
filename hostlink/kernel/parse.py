"""Links, addresses, neighbours and rules from netlink messages, by pyroute2's parser.

None of them is ever many, so its pace does not matter here (routes are read in routes.py). pyroute2 wants
whole messages, so the header is put before each body again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from hostlink.core.model import (
    SETTABLE_FLAGS,
    Address,
    Family,
    IPAddress,
    IPInterface,
    Link,
    Neighbour,
    PolicyRule,
    Rule,
)
from hostlink.kernel import uapi
from hostlink.kernel.attributes import walk
from hostlink.kernel.errors import KernelError
from hostlink.kernel.sockets import HEADER, Message

_IFADDRMSG = struct.Struct("=BBBBi")
_NDMSG = struct.Struct("=BxxxiHBB")


def decode(messages: Iterable[Message]) -> list[Any]:
    """pyroute2's messages (dicts with `get_attr`)."""
    data = b"".join(HEADER.pack(16 + len(m.body), m.type, 0, 0, 0) + m.body for m in messages)
    decoded = list(MarshalRtnl().parse(data))
    for message in decoded:
        error = message["header"]["error"]
        if error is not None:
            raise KernelError(f"pyroute2 cannot read a netlink message of type {message['header']['type']}") from error
    return decoded


def links(messages: Iterable[Message]) -> tuple[Link, ...]:
    return tuple(_link(message) for message in decode(messages))


def _link(message: Any) -> Link:
    flags = message["flags"]
    info = message.get_attr("IFLA_LINKINFO")
    inet6 = _part(_part(message, "IFLA_AF_SPEC"), "AF_INET6")
    token = IPv6Address((inet6 and inet6.get_attr("IFLA_INET6_TOKEN")) or "::")
    properties = message.get_attr("IFLA_PROP_LIST")
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu_bytes=message.get_attr("IFLA_MTU"),
        up=bool(flags & uapi.IFF_UP),
        carrier=bool(flags & uapi.IFF_LOWER_UP),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        altnames=tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
        alias=message.get_attr("IFLA_IFALIAS"),
        tx_queue_length=message.get_attr("IFLA_TXQLEN"),
        promiscuous=bool(flags & uapi.IFF_PROMISC),
        loopback=bool(flags & uapi.IFF_LOOPBACK),
        master_index=message.get_attr("IFLA_MASTER"),
        permanent_mac=message.get_attr("IFLA_PERM_ADDRESS"),
        flags=flags & SETTABLE_FLAGS,
        group=message.get_attr("IFLA_GROUP"),
        token=token if int(token) else None,
    )


def _part(message: Any, name: str) -> Any:
    """A nested attribute, or None."""
    return message.get_attr(name) if message else None


def addresses(messages: Iterable[Message], link_index: int) -> tuple[Address, ...]:
    """Those of one link, in the kernel's order."""
    return tuple(_address(message) for message in decode(messages) if message["index"] == link_index)


def _address(message: Any) -> Address:
    shown = message.get_attr("IFA_ADDRESS")
    local = message.get_attr("IFA_LOCAL") or shown
    broadcast = message.get_attr("IFA_BROADCAST")
    flags = message.get_attr("IFA_FLAGS")
    life = message.get_attr("IFA_CACHEINFO")
    interface: IPInterface = ip_interface(f"{local}/{message['prefixlen']}")
    return Address(
        interface=interface,
        peer=ip_address(shown) if shown and shown != local else None,
        broadcast=IPv4Address(broadcast) if broadcast else None,
        scope=message["scope"],
        flags=message["flags"] if flags is None else flags,
        label=message.get_attr("IFA_LABEL"),
        protocol=message.get_attr("IFA_PROTO") or 0,
        valid_lifetime_s=_lifetime(life["ifa_valid"]) if life else None,
        preferred_lifetime_s=_lifetime(life["ifa_preferred"]) if life else None,
        route_priority=message.get_attr("IFA_RT_PRIORITY"),
    )


def global_addresses(messages: Iterable[Message], link_index: int) -> Iterator[IPAddress]:
    """Those of one link, of global scope (struct ifaddrmsg of linux/if_addr.h)."""
    for message in messages:
        _family, _length, _flags, scope, index = _IFADDRMSG.unpack_from(message.body)
        if index == link_index and scope == uapi.RT_SCOPE_UNIVERSE:
            said = dict(walk(message.body, _IFADDRMSG.size))
            yield ip_address(said.get(uapi.IFA_LOCAL) or said[uapi.IFA_ADDRESS])


def _lifetime(seconds: int) -> int | None:
    return None if seconds == uapi.FOR_EVER else seconds


def neighbours(messages: Iterable[Message], link_index: int) -> tuple[Neighbour, ...]:
    """The permanent and the proxy entries of one link; the header tells, so the learnt ones need no parsing."""
    return tuple(_neighbour(message) for message in decode(m for m in messages if _kept(m.body, link_index)))


def _kept(body: bytes, link_index: int) -> bool:
    _family, index, state, flags, _type = _NDMSG.unpack_from(body)
    return bool(index == link_index and (state & uapi.NUD_PERMANENT or flags & uapi.NTF_PROXY))


def _neighbour(message: Any) -> Neighbour:
    address: IPAddress = ip_address(message.get_attr("NDA_DST"))
    return Neighbour(address, message.get_attr("NDA_LLADDR"), message["state"], message["flags"])


def unicast_filter(messages: Iterable[Message], link_index: int) -> tuple[str, ...]:
    """In the words of `bridge fdb`, sorted; multicast addresses, which the kernel adds itself, are not among them."""
    found = set()
    for message in messages:
        _family, index, _state, flags, _type = _NDMSG.unpack_from(message.body)
        mac = dict(walk(message.body, _NDMSG.size)).get(uapi.NDA_LLADDR, b"")
        if index == link_index and flags & uapi.NTF_SELF and mac and not mac[0] & 1:
            found.add(f"bridge fdb entry {mac.hex(':')} self")
    return tuple(sorted(found))


def rules(messages: Iterable[Message], names: Iterable[str]) -> tuple[Rule, ...]:
    """The rules that name one of these as incoming or outgoing interface."""
    kept = [m for m in messages if m.type == uapi.RTM_NEWRULE]
    wanted = set(names)
    return tuple(
        _rule(raw, message)
        for raw, message in zip(kept, decode(kept), strict=True)
        if {message.get_attr("FRA_IIFNAME"), message.get_attr("FRA_OIFNAME")} & wanted
    )


def _rule(raw: Message, message: Any) -> Rule:
    family = Family.IPV6 if message["family"] == 10 else Family.IPV4
    name = message.get_attr("FRA_IIFNAME") or message.get_attr("FRA_OIFNAME")
    return Rule(family, message.get_attr("FRA_PRIORITY") or 0, raw.body, name)


def policy_rules(messages: Iterable[Message]) -> tuple[PolicyRule, ...]:
    """All rules that look a table up."""
    kept = [m for m in messages if m.type == uapi.RTM_NEWRULE]
    return tuple(_policy_rule(message) for message in decode(kept) if message["action"] == uapi.FR_ACT_TO_TBL)


def _policy_rule(message: Any) -> PolicyRule:
    get = message.get_attr
    family = Family.IPV6 if message["family"] == 10 else Family.IPV4
    priority, table = get("FRA_PRIORITY") or 0, get("FRA_TABLE") or message["table"]
    return PolicyRule(family, priority, table, f"{priority}: {_asked(message)} lookup {table}")


def _asked(message: Any) -> str:
    """What packets a rule is about, in the words of ip-rule(8), as far as they are the usual ones."""
    get = message.get_attr
    source, destination = get("FRA_SRC"), get("FRA_DST")
    words = ["not"] if message["flags"] & uapi.FIB_RULE_INVERT else []
    words.append(f"from {source}/{message['src_len']}" if source else "from all")
    words += [f"to {destination}/{message['dst_len']}"] if destination else []
    words += [f"tos {message['tos']:#04x}"] if message["tos"] else []
    words += [f"fwmark {get('FRA_FWMARK'):#x}"] if get("FRA_FWMARK") else []
    words += [f"iif {get('FRA_IIFNAME')}"] if get("FRA_IIFNAME") else []
    words += [f"oif {get('FRA_OIFNAME')}"] if get("FRA_OIFNAME") else []
    return " ".join(words)
