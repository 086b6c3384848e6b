"""Does the path answer? Questions that leave nothing behind in the kernel's tables.

`echo` asks by ICMP, as ping does, out of one device. `neighbour_answers` asks by ARP or neighbour solicitation, and
makes the request itself instead of having the kernel resolve: an answer already in the neighbour table proves nothing,
and an entry made by asking would stay there (FAILED where nobody answers). The kernel takes no unasked answer into its
table, so the table stays as it was.

`tcp_connects` opens a connection and resets it at once.

Raw sockets (CAP_NET_RAW): unprivileged ping sockets are refused by default (net.ipv4.ping_group_range is empty).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address, IPv6Address

import trio

from hostlink.core.model import Address, IPAddress, Link
from hostlink.kernel.attributes import mac_bytes
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import inside
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.off_loop import off_loop
from hostlink.kernel.snapshot import read_addresses, read_link

_AGAIN_S = 0.25
"""A request is sent again that often, until there is an answer or the time is over: one may be lost to resolving."""
_NO_WAY = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EPERM,
        errno.ENODEV,
        errno.ENXIO,
    }
)
"""What sending says when there is no path now: no route, link down, no address, a packet filter, and a device that has
gone since the socket was opened (ENODEV by name, ENXIO by index: packet(7)). No answer."""
_NO_CONNECTION = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT})
_ETH_P_ARP = 0x0806
_ARP = struct.Struct("!HHBBH6s4s6s4s")
"""RFC 826: hardware, protocol, their address lengths, operation, sender's and target's addresses."""
_ICMP6_FILTER = 1
_ECHO_REQUEST, _ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
_HOPS = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
_SOLICITATION, _ADVERTISEMENT = 135, 136


# ------------------------------------------------------------------------------------------------------- ICMP echo


async def echo(
    address: IPAddress,
    device: str,
    timeout_s: float,
    *,
    hops: int | None = None,
    namespace: str | int | None = None,
) -> bool:
    """Whether `address` answers an ICMP echo (RFC 792, RFC 4443) sent out of `device` within that time.

    hops: the TTL or hop limit to send with; the system's default where it is None.

    Raises KernelRefused if there is no such device or no CAP_NET_RAW, NoSuchNamespace.
    """
    six = address.version == 6
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with closing(_raw_socket(namespace, socket.AF_INET6 if six else socket.AF_INET, protocol, device)) as sock:
        if hops is not None:
            sock.setsockopt(*_HOPS[address.version], hops)
        if not _reached(lambda: sock.connect(_target(address, device, namespace))):
            return False
        token = os.urandom(16)
        request = _echo_request(address.version, token)
        return await _ask(
            sock, lambda: sock.send(request), lambda packet: _is_reply(packet, address.version, token), timeout_s
        )


def _echo_request(version: int, token: bytes) -> bytes:
    """For ICMPv6 the kernel fills the checksum in."""
    packet = struct.pack("!BBHHH", _ECHO_REQUEST[version], 0, 0, os.getpid() & 0xFFFF, 1) + token
    return packet if version == 6 else packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _is_reply(packet: bytes, version: int, token: bytes) -> bool:
    """A raw IPv4 socket hands over the IP header too."""
    start = (packet[0] & 0xF) * 4 if version == 4 else 0
    return packet[start : start + 1] == bytes([_ECHO_REPLY[version]]) and packet[start + 8 :] == token


def _target(
    address: IPAddress, device: str, namespace: str | int | None
) -> tuple[str, int] | tuple[str, int, int, int]:
    if isinstance(address, IPv4Address):
        return str(address), 0
    with inside(namespace):
        scope = socket.if_nametoindex(device) if address.is_link_local else 0
    return str(address), 0, 0, scope


# ------------------------------------------------------------------------------------------------------- ARP and ND


async def neighbour_answers(nl: Netlink, address: IPAddress, device: str, timeout_s: float = 1.0) -> bool:
    """Whether somebody behind `device` answers for `address` by ARP (RFC 826) or neighbour discovery (RFC 4861) now.

    It says that there is an answer, not whose: a proxy's counts. False if the device is missing, or has no address of
    its own to ask from (IPv6).
    """
    link = await read_link(nl, device)
    if link is None:
        return False
    if isinstance(address, IPv4Address):
        return await _arp(nl, address, link, timeout_s)
    return await _solicit(nl, address, link, timeout_s)


async def _arp(nl: Netlink, address: IPv4Address, link: Link, timeout_s: float) -> bool:
    source = _source(address, await read_addresses(nl, link.index))
    mac = mac_bytes(link.mac)
    request = _ARP.pack(1, 0x0800, 6, 4, 1, mac, source.packed, b"\0" * 6, address.packed)
    with inside(nl.namespace_fd):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    async with _closing_beside(sock):
        if not _reached(lambda: sock.bind((link.name, _ETH_P_ARP))):
            return False
        everybody = (link.name, _ETH_P_ARP, 0, 0, b"\xff" * 6)
        return await _ask(
            sock, lambda: sock.sendto(request, everybody), lambda packet: _is_arp_reply(packet, address), timeout_s
        )


@asynccontextmanager
async def _closing_beside(sock: socket.socket) -> AsyncIterator[None]:
    """To close a packet socket waits until no CPU uses it any more (RCU: 10 to 30 ms). A thread does it."""
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await off_loop(sock.close)


def _source(address: IPv4Address, own: tuple[Address, ...]) -> IPv4Address:
    """The device's address in the same subnet, else its first one, else 0.0.0.0 (a probe, RFC 5227)."""
    four = [each.interface for each in own if isinstance(each.interface.ip, IPv4Address)]
    near = [interface.ip for interface in four if address in interface.network]
    chosen = next(iter(near or [interface.ip for interface in four]), IPv4Address(0))
    return IPv4Address(chosen)


def _is_arp_reply(packet: bytes, address: IPv4Address) -> bool:
    if len(packet) < _ARP.size:
        return False
    _, _, _, _, operation, _, sender, _, _ = _ARP.unpack_from(packet)
    return bool(operation == 2 and sender == address.packed)


async def _solicit(nl: Netlink, address: IPv6Address, link: Link, timeout_s: float) -> bool:
    """To the solicited-node group, hop limit 255, with our MAC as option 1 (RFC 4861, 4.3)."""
    body = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address.packed + b"\x01\x01" + mac_bytes(link.mac)
    group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + address.packed[13:])
    with closing(_raw_socket(nl.namespace_fd, socket.AF_INET6, socket.IPPROTO_ICMPV6, link.name)) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only(_ADVERTISEMENT))
        return await _ask(
            sock,
            lambda: sock.sendto(body, (str(group), 0, 0, link.index)),
            lambda packet: packet[:1] == bytes([_ADVERTISEMENT]) and packet[8:24] == address.packed,
            timeout_s,
        )


def _only(icmp_type: int) -> bytes:
    """struct icmp6_filter: a set bit blocks its type (RFC 3542, 3.2)."""
    blocked = [0xFFFFFFFF] * 8
    blocked[icmp_type >> 5] &= ~(1 << (icmp_type & 31))
    return struct.pack("=8I", *blocked)


# -------------------------------------------------------------------------------------------------------------- TCP


async def tcp_connects(
    address: IPAddress, port: int, device: str, timeout_s: float, *, namespace: str | int | None = None
) -> bool:
    """Whether a TCP connection to that port can be opened out of `device` within that time.

    Raises KernelRefused if there is no such device, NoSuchNamespace.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with closing(_bound_socket(namespace, family, socket.SOCK_STREAM, 0, device)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT for each question
        with trio.move_on_after(timeout_s):
            try:
                await trio.socket.from_stdlib_socket(sock).connect((str(address), port))
            except OSError as error:
                if error.errno not in _NO_WAY | _NO_CONNECTION:
                    raise
                return False
            return True
    return False


# --------------------------------------------------------------------------------------------------------- in common


def _raw_socket(namespace: str | int | None, family: int, protocol: int, device: str) -> socket.socket:
    return _bound_socket(namespace, family, socket.SOCK_RAW, protocol, device)


def _bound_socket(namespace: str | int | None, family: int, kind: int, protocol: int, device: str) -> socket.socket:
    try:
        with inside(namespace):
            sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            except OSError:
                sock.close()
                raise
    except OSError as error:
        raise KernelRefused.of(
            f"open a {'raw' if kind == socket.SOCK_RAW else 'TCP'} socket on {device} for a probe", error
        ) from error
    return sock


async def _ask(
    sock: socket.socket, send: Callable[[], object], answers: Callable[[bytes], bool], timeout_s: float
) -> bool:
    """Sends again and again until an answer comes or the time is over."""
    with trio.move_on_after(timeout_s):
        while True:
            if _reached(send):
                with trio.move_on_after(_AGAIN_S):
                    await _hear(sock, answers)
                    return True
            else:
                await trio.sleep(_AGAIN_S)
    return False


async def _hear(sock: socket.socket, answers: Callable[[bytes], bool]) -> None:
    """Returns when the answer is there. What else arrives (others' answers, ICMP errors) is passed over."""
    while True:
        await trio.lowlevel.wait_readable(sock)
        try:
            if answers(sock.recv(2048)):
                return
        except BlockingIOError:
            continue
        except OSError as error:
            if error.errno not in _NO_WAY:
                raise


def _reached(send: Callable[[], object]) -> bool:
    """Whether it could be sent."""
    try:
        send()
    except OSError as error:
        if error.errno not in _NO_WAY:
            raise
        return False
    return True
