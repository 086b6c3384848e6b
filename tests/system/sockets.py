"""Sockets of the lab's hosts for scenarios about single packets: any protocol, any TTL, multicast, ICMP errors.

A socket stays in the namespace that it was opened in, so all are used from the test's own thread. A TTL or hop limit is
what the receiving kernel says of the packet (IP_RECVTTL, IPV6_RECVHOPLIMIT: ip(7), ipv6(7)).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab.flows import FlowError
from hostlink.lab.standin.packet import checksum

_POLL_S = 0.003
_IP_HDRINCL, _IP_RECVERR, _IP_RECVTTL = 3, 11, 12
_IP_MTU_DISCOVER, _PMTUDISC_DONT = 10, 0
_IPV6_RECVERR, _IPV6_HDRINCL, _IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 25, 36, 51, 52
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_MSG_ERRQUEUE = 0x2000
"""include/uapi/linux/in.h, in6.h and socket.h; the socket module of 3.11 has not all of them."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a socket received. data: of a raw IPv4 socket with the IP header (raw(7)). ttl: or hop limit."""

    data: bytes
    ttl: int
    source: str


@dataclass(frozen=True, slots=True)
class IcmpError:
    """One entry of a socket's error queue (struct sock_extended_err, ip(7)). offender: who sent the ICMP message."""

    errno: int
    kind: int
    code: int
    offender: str


class Receiver:
    """A socket, and all that has come to it so far."""

    def __init__(self, sock: socket.socket, where: str) -> None:
        self.socket, self._where = sock, where
        self._datagrams: list[Datagram] = []

    @property
    def datagrams(self) -> list[Datagram]:
        """Everything until now. A pending error of a connected socket is raised (OSError)."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, controls, _, address = self.socket.recvmsg(1 << 17, 256, socket.MSG_DONTWAIT)
                self._datagrams.append(Datagram(data, _ttl(controls), str(address[0]).partition("%")[0]))
        return self._datagrams

    def count(self, tag: bytes) -> int:
        return sum(tag in datagram.data for datagram in self.datagrams)

    async def wait(self, tag: bytes, within_s: float) -> Datagram:
        """The first datagram with that in it. Raises FlowError when none comes in time."""
        with trio.move_on_after(within_s):
            while True:
                for datagram in self.datagrams:
                    if tag in datagram.data:
                        return datagram
                await trio.sleep(_POLL_S)
        raise FlowError(f"{self._where} received nothing within {within_s:g} s")

    async def wait_error(self, within_s: float) -> IcmpError:
        """The first ICMP error that the kernel hands this socket. Raises FlowError when none comes in time."""
        with trio.move_on_after(within_s):
            while True:
                with contextlib.suppress(BlockingIOError):
                    _, controls, _, _ = self.socket.recvmsg(1 << 16, 512, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
                    return _icmp_error(controls)
                await trio.sleep(_POLL_S)
        raise FlowError(f"{self._where} was told of no ICMP error within {within_s:g} s")


def _ttl(controls: list[tuple[int, int, bytes]]) -> int:
    wanted = ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, _IPV6_HOPLIMIT))
    return next((struct.unpack("=i", value[:4])[0] for level, kind, value in controls if (level, kind) in wanted), -1)


def _icmp_error(controls: list[tuple[int, int, bytes]]) -> IcmpError:
    for level, option, value in controls:
        if (level, option) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
            number, _origin, kind, code = struct.unpack_from("=IBBB", value)
            start, size = (16 + 4, 4) if level == socket.IPPROTO_IP else (16 + 8, 16)
            return IcmpError(number, kind, code, str(ip_address(value[start : start + size])))
    raise FlowError("an entry of the error queue without its description")


@contextlib.contextmanager
def receiver(
    namespace: str,
    version: int,
    protocol: int = socket.IPPROTO_UDP,
    *,
    link: str | None = None,
    address: str | IPAddress = "",
    port: int = 0,
    groups: tuple[str, ...] = (),
) -> Iterator[Receiver]:
    """A UDP socket, or a raw one of another protocol, that says the TTL. link: bound to it, and groups joined there."""
    with _opened(namespace, version, protocol) as sock:
        if link is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version == 4:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        sock.bind((str(address), port))
        for group in groups:
            assert link is not None, "a group is joined on a link"
            join(sock, namespace, link, group)
        yield Receiver(sock, f"{namespace}: a socket of protocol {protocol}, IPv{version}, port {port}")


@contextlib.contextmanager
def sender(
    namespace: str,
    version: int,
    protocol: int = socket.IPPROTO_UDP,
    *,
    ttl: int = 64,
    link: str | None = None,
    source: str | IPAddress = "",
    port: int = 0,
    own_header: bool = False,
) -> Iterator[Receiver]:
    """A socket to send from, with that TTL for unicast and multicast; link: that one, for groups and broadcasts.

    own_header: what is sent begins with its IP header (IP_HDRINCL, IPV6_HDRINCL). ICMP errors come to its error queue.
    """
    with _opened(namespace, version, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if link is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        if version == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
            if own_header:
                sock.setsockopt(socket.IPPROTO_IP, _IP_HDRINCL, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            if own_header:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        if source or port:
            sock.bind((str(source), port))
        yield Receiver(sock, f"{namespace}: the sending socket of protocol {protocol}, IPv{version}")


def join(sock: socket.socket, namespace: str, link: str, group: str) -> None:
    """IP_ADD_MEMBERSHIP (struct ip_mreqn) or IPV6_JOIN_GROUP on that link."""
    with inside(namespace):
        index = socket.if_nametoindex(link)
    packed = ip_address(group).packed
    if len(packed) == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed + bytes(4) + struct.pack("=i", index))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("=I", index))


def echo_request(version: int, payload: bytes) -> bytes:
    """ICMP (RFC 792) with its checksum, or ICMPv6 (RFC 4443), whose checksum the kernel fills in."""
    message = struct.pack("!BBHHH", 8 if version == 4 else 128, 0, 0, 1, 1) + payload
    if version == 6:
        return message
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


@contextlib.contextmanager
def _opened(namespace: str, version: int, protocol: int) -> Iterator[socket.socket]:
    kind = socket.SOCK_DGRAM if protocol == socket.IPPROTO_UDP else socket.SOCK_RAW
    with inside(namespace):
        sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind, protocol)
    with sock:
        sock.setblocking(False)
        yield sock
