"""core's host operations as netlink requests: one function for each, and the seam name that it passes.

Nothing is ever replaced: what is there already makes the kernel answer EEXIST, whoever it belongs to. For routes that
is the difference between appending and overwriting: NLM_F_REPLACE of an IPv6 route with the same prefix and metric
takes away another interface's route (F30), and NLM_F_EXCL refuses fe80::/64 because every other interface has one. So
routes are appended: exactly the same one again is EEXIST, another's stays.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from hostlink.core import operations as op
from hostlink.core.model import Address, Neighbour, Rule
from hostlink.kernel import routebody, uapi
from hostlink.kernel.attributes import FAMILY_NUMBER, address, attribute, mac, text, u8, u32
from hostlink.kernel.link import altname_request, link_body, set_request
from hostlink.kernel.netlink import Request
from hostlink.kernel.queueing import adding, deleting

_IFADDRMSG = struct.Struct("=BBBBi")
_NDMSG = struct.Struct("=BxxxiHBB")
_ADDRESS_FLAGS = (
    uapi.IFA_F_NODAD
    | uapi.IFA_F_OPTIMISTIC
    | uapi.IFA_F_HOMEADDRESS
    | uapi.IFA_F_MANAGETEMPADDR
    | uapi.IFA_F_NOPREFIXROUTE
    | uapi.IFA_F_MCAUTOJOIN
)
"""Those that a user sets; the others (PERMANENT, SECONDARY, TENTATIVE …) are the kernel's report."""
_RULE_FLAGS = uapi.FIB_RULE_INVERT | uapi.FIB_RULE_FIND_SADDR
_LABEL_BYTES = 15
_NEW = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
_APPENDED = uapi.NLM_F_CREATE | uapi.NLM_F_APPEND


class Step(NamedTuple):
    """What one operation comes to: the seam it passes, and its requests in order."""

    seam: str
    requests: list[Request]


def step_of(operation: op.HostOperation) -> Step:
    """For every host operation but SetSysctl and AddMulticast, which are no netlink."""
    return _TRANSLATION[type(operation)](operation)


def _set_link(wanted: op.SetHostLink) -> Step:
    """A link that is to go down goes first: some drivers take a new MAC only then. What is to come up comes last."""
    operation = f"set {_said(wanted)} of interface {wanted.link_index}"
    rest = set_request(
        wanted.link_index,
        operation=operation,
        up=wanted.up or None,
        promiscuous=wanted.promiscuous,
        mtu_bytes=wanted.mtu_bytes,
        mac_address=wanted.mac,
        alias=wanted.alias,
        tx_queue_length=wanted.tx_queue_length,
        settable=wanted.flags,
        group=wanted.group,
    )
    if wanted.up is not False:
        return Step("link.set", [rest])
    return Step("link.set", [set_request(wanted.link_index, operation=operation, up=False), rest])


def _said(wanted: op.SetHostLink) -> str:
    values = (
        ("up", wanted.up),
        ("MAC", wanted.mac),
        ("MTU", wanted.mtu_bytes),
        ("alias", wanted.alias),
        ("queue length", wanted.tx_queue_length),
        ("promiscuous", wanted.promiscuous),
        ("flags", wanted.flags),
        ("group", wanted.group),
    )
    return ", ".join(f"{name}={value}" for name, value in values if value is not None) or "nothing"


def _add_altname(wanted: op.AddAltname) -> Step:
    return Step("link.altname", [altname_request(wanted.link_index, wanted.name)])


def _set_token(wanted: op.SetToken) -> Step:
    token = attribute(uapi.IFLA_INET6_TOKEN, wanted.token.packed)
    body = link_body(wanted.link_index, attributes=attribute(uapi.IFLA_AF_SPEC, attribute(int(socket.AF_INET6), token)))
    operation = f"set the IPv6 token of interface {wanted.link_index} to {wanted.token}"
    return Step("link.token", [Request(operation, uapi.RTM_SETLINK, body)])


def _add_qdisc(wanted: op.AddQdisc) -> Step:
    return Step("tc.qdisc", [adding(wanted.link_index, wanted.qdisc)])


def _delete_qdisc(wanted: op.DeleteQdisc) -> Step:
    return Step("tc.qdisc", [deleting(wanted.link_index, wanted.qdisc)])


# ----------------------------------------------------------------------------------------------------------- addresses


def _add_address(wanted: op.AddHostAddress) -> Step:
    operation = f"add the address {wanted.address.interface} to interface {wanted.link_index}"
    body = _address_head(wanted.address, wanted.link_index) + _address_details(wanted.address)
    return Step("address.add", [Request(operation, uapi.RTM_NEWADDR, body, _NEW)])


def _change_address(wanted: op.ChangeHostAddress) -> Step:
    """The one exception to adding only: the same address of the same link, with other flags and lifetimes."""
    operation = f"change the address {wanted.address.interface} on interface {wanted.link_index}"
    body = _address_head(wanted.address, wanted.link_index) + _address_details(wanted.address)
    return Step("address.change", [Request(operation, uapi.RTM_NEWADDR, body, uapi.NLM_F_REPLACE)])


def _delete_address(wanted: op.DeleteHostAddress) -> Step:
    operation = f"delete the address {wanted.address.interface} from interface {wanted.link_index}"
    body = _address_head(wanted.address, wanted.link_index)
    return Step("address.delete", [Request(operation, uapi.RTM_DELADDR, body)])


def _address_head(value: Address, link_index: int) -> bytes:
    """struct ifaddrmsg, IFA_LOCAL and IFA_ADDRESS (the peer, or the same again)."""
    interface = value.interface
    family = FAMILY_NUMBER[interface.version]
    head = _IFADDRMSG.pack(family, interface.network.prefixlen, 0, value.scope, link_index)
    return head + address(uapi.IFA_LOCAL, interface.ip) + address(uapi.IFA_ADDRESS, value.peer or interface.ip)


def _address_details(value: Address) -> bytes:
    parts = [u32(uapi.IFA_FLAGS, value.flags & _ADDRESS_FLAGS)]
    if value.broadcast is not None:
        parts.append(address(uapi.IFA_BROADCAST, value.broadcast))
    if value.label and len(value.label.encode()) <= _LABEL_BYTES:
        parts.append(text(uapi.IFA_LABEL, value.label))
    if value.protocol:
        parts.append(u8(uapi.IFA_PROTO, value.protocol))
    if value.route_priority is not None:
        parts.append(u32(uapi.IFA_RT_PRIORITY, value.route_priority))
    if value.valid_lifetime_s is not None or value.preferred_lifetime_s is not None:
        lifetimes = (_seconds(value.preferred_lifetime_s), _seconds(value.valid_lifetime_s), 0, 0)
        parts.append(attribute(uapi.IFA_CACHEINFO, struct.pack("=IIII", *lifetimes)))
    return b"".join(parts)


def _seconds(lifetime_s: int | None) -> int:
    return uapi.FOR_EVER if lifetime_s is None else lifetime_s


# -------------------------------------------------------------------------------------------------------------- routes


def _add_route(wanted: op.AddHostRoute) -> Step:
    route = wanted.route
    operation = f"add the route {route.prefix} (table {route.table}) on interface {wanted.link_index}"
    body = routebody.adding(route, wanted.from_index, wanted.link_index)
    return Step("route.add", [Request(operation, uapi.RTM_NEWROUTE, body, _APPENDED)])


def _delete_route(wanted: op.DeleteHostRoute) -> Step:
    route = wanted.route
    operation = f"delete the route {route.prefix} (table {route.table}) from interface {wanted.link_index}"
    return Step("route.delete", [Request(operation, uapi.RTM_DELROUTE, routebody.deleting(route, wanted.link_index))])


# ------------------------------------------------------------------------------------------------ neighbours and rules


def _add_neighbour(wanted: op.AddHostNeighbour) -> Step:
    value: Neighbour = wanted.neighbour
    what = "proxy" if value.flags & uapi.NTF_PROXY else "permanent"
    operation = f"add the {what} neighbour {value.address} to interface {wanted.link_index}"
    family = FAMILY_NUMBER[value.address.version]
    body = _NDMSG.pack(family, wanted.link_index, value.state, value.flags, 0) + address(uapi.NDA_DST, value.address)
    body += mac(uapi.NDA_LLADDR, value.mac) if value.mac else b""
    return Step("neighbour.add", [Request(operation, uapi.RTM_NEWNEIGH, body, _NEW)])


def _add_rule(wanted: op.AddHostRule) -> Step:
    rule: Rule = wanted.rule
    *fields, flags = struct.unpack_from("=8BI", rule.body)
    body = struct.pack("=8BI", *fields, flags & _RULE_FLAGS) + rule.body[12:]
    operation = f"add the rule {rule.priority} for {rule.interface or 'no interface'}"
    return Step("rule.add", [Request(operation, uapi.RTM_NEWRULE, body, _NEW)])


_TRANSLATION: dict[type, Callable[[Any], Step]] = {
    op.SetHostLink: _set_link,
    op.SetToken: _set_token,
    op.AddQdisc: _add_qdisc,
    op.DeleteQdisc: _delete_qdisc,
    op.AddAltname: _add_altname,
    op.AddHostAddress: _add_address,
    op.ChangeHostAddress: _change_address,
    op.DeleteHostAddress: _delete_address,
    op.AddHostRoute: _add_route,
    op.DeleteHostRoute: _delete_route,
    op.AddHostNeighbour: _add_neighbour,
    op.AddHostRule: _add_rule,
}
