"""Links: moving, renaming, setting, making veth pairs. Everything happens in the namespace of the given `Netlink`.

What a move between namespaces takes from a NIC (admin state, addresses, routes, neighbours, sysctls) is in the snapshot
that was made before; it keeps its MAC, MTU, alias, promiscuous flag and altnames. Its ifindex it keeps only if that
number is free over there: who comes back must look the link up by name.
"""

from __future__ import annotations

import errno
import os
import struct

from hostlink.core.model import SETTABLE_FLAGS
from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, mac, text, u8, u32
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import open_file
from hostlink.kernel.netlink import Netlink, Request

_IFINFOMSG = struct.Struct("=BBHiII")


def link_body(index: int = 0, flags: int = 0, change: int = 0, attributes: bytes = b"") -> bytes:
    """struct ifinfomsg and attributes: `change` says which of the `flags` (IFF_*) are meant."""
    return _IFINFOMSG.pack(0, 0, 0, index, flags, change) + attributes


def set_request(
    link_index: int,
    *,
    operation: str = "",
    up: bool | None = None,
    promiscuous: bool | None = None,
    mtu_bytes: int | None = None,
    mac_address: str | None = None,
    alias: str | None = None,
    tx_queue_length: int | None = None,
    settable: int | None = None,
    group: int | None = None,
) -> Request:
    """What RTM_SETLINK is to set, None leaving a thing alone. The kernel sets the attributes first, then the flags.

    An empty alias takes the alias away. settable: what SETTABLE_FLAGS are to be, all of them.
    """
    flags = change = 0
    for bit, wanted in ((uapi.IFF_UP, up), (uapi.IFF_PROMISC, promiscuous)):
        if wanted is not None:
            change |= bit
            flags |= bit if wanted else 0
    if settable is not None:
        change, flags = change | SETTABLE_FLAGS, flags | settable
    attributes = b"".join(
        (
            mac(uapi.IFLA_ADDRESS, mac_address) if mac_address is not None else b"",
            u32(uapi.IFLA_MTU, mtu_bytes) if mtu_bytes is not None else b"",
            attribute(uapi.IFLA_IFALIAS, alias.encode()) if alias is not None else b"",
            u32(uapi.IFLA_TXQLEN, tx_queue_length) if tx_queue_length is not None else b"",
            u32(uapi.IFLA_GROUP, group) if group is not None else b"",
        )
    )
    body = link_body(link_index, flags, change, attributes)
    return Request(operation or f"set interface {link_index}", uapi.RTM_SETLINK, body)


async def set_up(nl: Netlink, index: int) -> None:
    await _set(nl, set_request(index, operation=f"set interface {index} up", up=True))


async def set_down(nl: Netlink, index: int) -> None:
    await _set(nl, set_request(index, operation=f"set interface {index} down", up=False))


async def set_mtu(nl: Netlink, index: int, mtu_bytes: int) -> None:
    operation = f"set the MTU of interface {index} to {mtu_bytes} bytes"
    await _set(nl, set_request(index, operation=operation, mtu_bytes=mtu_bytes))


async def set_mac(nl: Netlink, index: int, mac_address: str) -> None:
    operation = f"set the MAC of interface {index} to {mac_address}"
    await _set(nl, set_request(index, operation=operation, mac_address=mac_address))


async def set_promiscuous(nl: Netlink, index: int, on: bool) -> None:
    operation = f"set interface {index} promiscuous {'on' if on else 'off'}"
    await _set(nl, set_request(index, operation=operation, promiscuous=on))


async def set_carrier(nl: Netlink, index: int, on: bool) -> None:
    """Whether a tap shows a carrier (drivers/net/tun.c, tun_net_change_carrier). Raises KernelRefused.

    ENOTSUP for a veth, whose carrier is that its other end is up; EPERM where nobody has a queue attached.
    """
    body = link_body(index, attributes=u8(uapi.IFLA_CARRIER, int(on)))
    await _set(nl, Request(f"set the carrier of interface {index} {'on' if on else 'off'}", uapi.RTM_SETLINK, body))


async def _set(nl: Netlink, request: Request) -> None:
    nl.faults.check("link.set", request.operation)
    await nl.request(request)


async def rename(nl: Netlink, index: int, name: str) -> None:
    """Raises KernelRefused; EEXIST where the name is taken, be it as an altname of another link (F36)."""
    request = _rename_request(index, name)
    nl.faults.check("link.rename", request.operation)
    try:
        await nl.request(request)
    except KernelRefused as refusal:
        raise _explained(refusal, name) from refusal


def _rename_request(index: int, name: str) -> Request:
    body = link_body(index, attributes=text(uapi.IFLA_IFNAME, name))
    return Request(f"rename interface {index} to {name}", uapi.RTM_SETLINK, body)


def _explained(refusal: KernelRefused, name: str) -> KernelRefused:
    if refusal.errno not in (errno.EEXIST, errno.EBUSY) or refusal.detail:
        return refusal
    detail = f"another interface has {name} as its name or as an altname; `ip link show {name}` shows which"
    return KernelRefused(refusal.operation, refusal.errno, detail)


def altname_request(index: int, name: str, *, add: bool = True) -> Request:
    body = link_body(index, attributes=attribute(uapi.IFLA_PROP_LIST | 0x8000, text(uapi.IFLA_ALT_IFNAME, name)))
    if add:
        flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND
        return Request(f"give interface {index} the altname {name}", uapi.RTM_NEWLINKPROP, body, flags)
    return Request(f"take the altname {name} from interface {index}", uapi.RTM_DELLINKPROP, body)


async def add_altname(nl: Netlink, index: int, name: str) -> None:
    await _altname(nl, altname_request(index, name))


async def delete_altname(nl: Netlink, index: int, name: str) -> None:
    await _altname(nl, altname_request(index, name, add=False))


async def _altname(nl: Netlink, request: Request) -> None:
    nl.faults.check("link.altname", request.operation)
    await nl.request(request)


async def delete_link(nl: Netlink, index: int) -> None:
    """Deletes a virtual link (a veth: both ends; a tap: also while others have it open). KernelRefused: ENODEV …"""
    request = Request(f"delete interface {index}", uapi.RTM_DELLINK, link_body(index))
    nl.faults.check("link.delete", request.operation)
    await nl.request(request)


async def move_to_namespace(nl: Netlink, index: int, target: str | None, new_index: int | None = None) -> None:
    """Moves a link to the namespace `target` (name, path, None: the process's own). It arrives down.

    `new_index`: the ifindex that it shall have there (IFLA_NEW_IFINDEX, Linux 5.12); otherwise it keeps its own unless
    that is taken. Raises NoSuchNamespace, KernelRefused: EEXIST where the name is taken there, EBUSY where `new_index`
    is, EINVAL for a link that is bound to its namespace (loopback, some tunnels).
    """
    fd = open_file(target)
    try:
        request = _move_request(index, fd, target, new_index)
        nl.faults.check("link.move", request.operation)
        await nl.request(request)
    finally:
        os.close(fd)


def _move_request(index: int, namespace_fd: int, target: str | None, new_index: int | None = None) -> Request:
    wanted_index = u32(uapi.IFLA_NEW_IFINDEX, new_index) if new_index is not None else b""
    body = link_body(index, attributes=u32(uapi.IFLA_NET_NS_FD, namespace_fd) + wanted_index)
    where = f"namespace {target}" if target else "this process's namespace"
    return Request(f"move interface {index} to {where}", uapi.RTM_SETLINK, body)


async def swap(nl: Netlink, leaving: int, target: str, entering: int, name: str) -> None:
    """`leaving` goes to the namespace `target`, and `entering` takes the name that it had, in one go.

    Both requests are in one datagram, so no other process's request and no scheduling of ours comes between them: the
    name is missing only while the kernel finishes the move. If the move is refused, so is the rename (the name is still
    taken) and nothing has changed. If only the rename is refused, the link has left: the caller must bring it back.
    Raises NoSuchNamespace, KernelRefused (of the first that was refused).
    """
    fd = open_file(target)
    try:
        requests = [_move_request(leaving, fd, target), _rename_request(entering, name)]
        nl.faults.check("link.move", requests[0].operation)
        nl.faults.check("link.rename", requests[1].operation)
        for refusal in await nl.requests(requests):
            if refusal is not None:
                raise _explained(refusal, name)
    finally:
        os.close(fd)


async def make_veth(
    nl: Netlink,
    name: str,
    mac_address: str,
    mtu_bytes: int,
    peer_name: str,
    peer_namespace: str,
    *,
    peer_mac_address: str | None = None,
) -> None:
    """A veth pair: `name` here, `peer_name` made directly in `peer_namespace`, both down, both of that MTU.

    A veth hands packets on with checksums left partial (the kernel trusts itself). Whoever opens the peer must know:
    VPP's af_packet reads the vnet header and completes them with flags=2, and without it drops every TCP packet while
    ping works. So transmit checksum offload is left on here, for speed; a reader without vnet header needs it off
    (`ethtool -K <name> tx off`).

    Raises NoSuchNamespace, KernelRefused (EEXIST: either name is taken).
    """
    fd = open_file(peer_namespace)
    try:
        request = Request(
            f"make the veth pair {name} - {peer_name} (in {peer_namespace})",
            uapi.RTM_NEWLINK,
            link_body(attributes=_veth(name, mac_address, mtu_bytes, peer_name, fd, peer_mac_address)),
            uapi.NLM_F_CREATE | uapi.NLM_F_EXCL,
        )
        nl.faults.check("veth.create", request.operation)
        await nl.request(request)
    finally:
        os.close(fd)


def _veth(name: str, mac_address: str, mtu_bytes: int, peer_name: str, fd: int, peer_mac: str | None) -> bytes:
    peer = link_body() + text(uapi.IFLA_IFNAME, peer_name) + u32(uapi.IFLA_MTU, mtu_bytes)
    peer += u32(uapi.IFLA_NET_NS_FD, fd) + (mac(uapi.IFLA_ADDRESS, peer_mac) if peer_mac else b"")
    data = attribute(uapi.IFLA_INFO_DATA, attribute(uapi.VETH_INFO_PEER, peer))
    own = text(uapi.IFLA_IFNAME, name) + mac(uapi.IFLA_ADDRESS, mac_address) + u32(uapi.IFLA_MTU, mtu_bytes)
    return own + attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, "veth") + data)
