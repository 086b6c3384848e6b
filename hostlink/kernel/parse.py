"""Links, addresses, neighbours and rules from netlink messages, by pyroute2's parser.

None of them is ever many, so its pace does not matter here (routes are read in routes.py). pyroute2 wants
whole messages, so the header is put before each body again. All of these raise Unreadable.

pyroute2 0.9.7 says of a message that it cannot read nothing but a traceback in its log, and gives what it has (an error
is overwritten in marshal.py), bytes in place of an attribute's value. So attributes are walked through here first, and
what is taken of them is asked for by its type.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any, TypeVar

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
from hostlink.kernel.errors import Unreadable, reading
from hostlink.kernel.pyroute2_parser import MarshalRtnl
from hostlink.kernel.sockets import HEADER, Message

_IFADDRMSG = struct.Struct("=BBBBi")
_NDMSG = struct.Struct("=BxxxiHBB")
_HEAD_BYTES = {
    uapi.RTM_NEWLINK: 16,
    uapi.RTM_NEWADDR: _IFADDRMSG.size,
    uapi.RTM_NEWROUTE: 12,
    uapi.RTM_NEWNEIGH: _NDMSG.size,
    uapi.RTM_NEWRULE: 12,
}
"""Before the attributes: ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr."""
T = TypeVar("T")

logging.getLogger("pyroute2").setLevel(logging.CRITICAL)  # of what is unreadable it logs a traceback each


def decode(messages: Iterable[Message]) -> list[Any]:
    """pyroute2's messages (dicts with `get_attr`)."""
    messages = list(messages)
    for one in messages:
        if len(one.body) < (head_bytes := _HEAD_BYTES[one.type]):
            raise ValueError(f"a message of type {one.type} has {len(one.body)} bytes")
        for _ in walk(one.body, head_bytes):
            pass
    data = b"".join(HEADER.pack(16 + len(m.body), m.type, 0, 0, 0) + m.body for m in messages)
    decoded = list(MarshalRtnl().parse(data))
    for message in decoded:
        error = message["header"]["error"]
        if error is not None:
            raise Unreadable(f"pyroute2 cannot read a netlink message of type {message['header']['type']}") from error
    return decoded


def said(message: Any, name: str, kind: type[T]) -> T | None:
    """The value of an attribute, of that type; None where it is not there. Raises ValueError for any other."""
    value = message.get_attr(name)
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r}")
    return value


def must_say(message: Any, name: str, kind: type[T]) -> T:
    """The same, of one that is always there."""
    value = said(message, name, kind)
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


@reading("the links")
def links(messages: Iterable[Message]) -> tuple[Link, ...]:
    return tuple(_link(message) for message in decode(messages))


def _link(message: Any) -> Link:
    flags = message["flags"]
    info = message.get_attr("IFLA_LINKINFO")
    inet6 = _part(_part(message, "IFLA_AF_SPEC"), "AF_INET6")
    token = IPv6Address((inet6 and inet6.get_attr("IFLA_INET6_TOKEN")) or "::")
    properties = message.get_attr("IFLA_PROP_LIST")
    return Link(
        name=must_say(message, "IFLA_IFNAME", str),
        index=message["index"],
        mac=said(message, "IFLA_ADDRESS", str) or "",
        mtu_bytes=must_say(message, "IFLA_MTU", int),
        up=bool(flags & uapi.IFF_UP),
        carrier=bool(flags & uapi.IFF_LOWER_UP),
        kind=(said(info, "IFLA_INFO_KIND", str) if info else None) or "",
        altnames=tuple(map(_text, properties.get_attrs("IFLA_ALT_IFNAME"))) if properties else (),
        alias=said(message, "IFLA_IFALIAS", str),
        tx_queue_length=must_say(message, "IFLA_TXQLEN", int),
        promiscuous=bool(flags & uapi.IFF_PROMISC),
        loopback=bool(flags & uapi.IFF_LOOPBACK),
        master_index=said(message, "IFLA_MASTER", int),
        permanent_mac=said(message, "IFLA_PERM_ADDRESS", str),
        flags=flags & SETTABLE_FLAGS,
        group=said(message, "IFLA_GROUP", int),
        token=token if int(token) else None,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no name")
    return value


def _part(message: Any, name: str) -> Any:
    """A nested attribute, or None."""
    return message.get_attr(name) if message else None


@reading("the addresses")
def addresses(messages: Iterable[Message], link_index: int) -> tuple[Address, ...]:
    """Those of one link, in the kernel's order."""
    return tuple(_address(message) for message in decode(messages) if message["index"] == link_index)


def _address(message: Any) -> Address:
    shown = said(message, "IFA_ADDRESS", str)
    local = said(message, "IFA_LOCAL", str) or shown
    broadcast = said(message, "IFA_BROADCAST", str)
    flags = said(message, "IFA_FLAGS", int)
    life = message.get_attr("IFA_CACHEINFO")
    interface: IPInterface = ip_interface(f"{local}/{message['prefixlen']}")
    return Address(
        interface=interface,
        peer=ip_address(shown) if shown and shown != local else None,
        broadcast=IPv4Address(broadcast) if broadcast else None,
        scope=message["scope"],
        flags=message["flags"] if flags is None else flags,
        label=said(message, "IFA_LABEL", str),
        protocol=said(message, "IFA_PROTO", int) or 0,
        valid_lifetime_s=_lifetime(life["ifa_valid"]) if life else None,
        preferred_lifetime_s=_lifetime(life["ifa_preferred"]) if life else None,
        route_priority=said(message, "IFA_RT_PRIORITY", int),
    )


@reading("the addresses")
def global_addresses(messages: Iterable[Message], link_index: int) -> list[IPAddress]:
    """Those of one link, of global scope (struct ifaddrmsg of linux/if_addr.h)."""
    found: list[IPAddress] = []
    for message in messages:
        _family, _length, _flags, scope, index = _IFADDRMSG.unpack_from(message.body)
        if index == link_index and scope == uapi.RT_SCOPE_UNIVERSE:
            told = dict(walk(message.body, _IFADDRMSG.size))
            found.append(ip_address(told.get(uapi.IFA_LOCAL) or told[uapi.IFA_ADDRESS]))
    return found


def _lifetime(seconds: int) -> int | None:
    return None if seconds == uapi.FOR_EVER else seconds


@reading("the neighbours")
def neighbours(messages: Iterable[Message], link_index: int) -> tuple[Neighbour, ...]:
    """The permanent and the proxy entries of one link; the header tells, so the learnt ones need no parsing."""
    return tuple(_neighbour(message) for message in decode(m for m in messages if _kept(m.body, link_index)))


def _kept(body: bytes, link_index: int) -> bool:
    _family, index, state, flags, _type = _NDMSG.unpack_from(body)
    return bool(index == link_index and (state & uapi.NUD_PERMANENT or flags & uapi.NTF_PROXY))


def _neighbour(message: Any) -> Neighbour:
    address: IPAddress = ip_address(must_say(message, "NDA_DST", str))
    return Neighbour(address, said(message, "NDA_LLADDR", str), message["state"], message["flags"])


@reading("the MACs of the device's filter")
def unicast_filter(messages: Iterable[Message], link_index: int) -> tuple[str, ...]:
    """In the words of `bridge fdb`, sorted; multicast addresses, which the kernel adds itself, are not among them."""
    found = set()
    for message in messages:
        _family, index, _state, flags, _type = _NDMSG.unpack_from(message.body)
        mac = dict(walk(message.body, _NDMSG.size)).get(uapi.NDA_LLADDR, b"")
        if index == link_index and flags & uapi.NTF_SELF and mac and not mac[0] & 1:
            found.add(f"bridge fdb entry {mac.hex(':')} self")
    return tuple(sorted(found))


@reading("the rules")
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
    name = said(message, "FRA_IIFNAME", str) or said(message, "FRA_OIFNAME", str)
    return Rule(family, said(message, "FRA_PRIORITY", int) or 0, raw.body, name)


@reading("the rules")
def policy_rules(messages: Iterable[Message]) -> tuple[PolicyRule, ...]:
    """All rules that look a table up."""
    kept = [m for m in messages if m.type == uapi.RTM_NEWRULE]
    return tuple(_policy_rule(message) for message in decode(kept) if message["action"] == uapi.FR_ACT_TO_TBL)


def _policy_rule(message: Any) -> PolicyRule:
    family = Family.IPV6 if message["family"] == 10 else Family.IPV4
    priority, table = said(message, "FRA_PRIORITY", int) or 0, said(message, "FRA_TABLE", int) or message["table"]
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
