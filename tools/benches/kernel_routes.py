"""Routes for a bench's namespace, made and removed as fast as the kernel takes them: packed messages, few answers.

`ip -batch` makes 60,000 a second, this some 200,000: what a bench only prepares should not be what it waits for.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

import trio

from hostlink.core.alike import Place
from hostlink.kernel import uapi
from hostlink.kernel.namespace import inside

FIRST4 = int(IPv4Address("20.0.0.0"))
"""A million /24s from here end below 36.0.0.0: nothing else in a lab is there."""
_MESSAGE = struct.Struct("=IHHII 8BI HH4s HHi HH4s")
"""nlmsghdr, rtmsg, RTA_DST, RTA_OIF, RTA_GATEWAY (linux/netlink.h, linux/rtnetlink.h)."""
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_AF_INET, _MAIN, _RTPROT_BOOT, _UNIVERSE, _UNICAST = 2, 254, 3, 0, 1
_TOGETHER = 500
"""Messages of one datagram; the last is answered, and so that they are done."""
_SLICE = 20_000


def prefix(number: int) -> IPv4Network:
    """The /24 of that number."""
    return IPv4Network((FIRST4 + (number << 8), 24))


def place(number: int) -> Place:
    """The same, packed (core/alike.py)."""
    return b"\x18" + (FIRST4 + (number << 8)).to_bytes(4, "big")


async def add_routes(namespace: str, link_index: int, gateways: Sequence[IPv4Address], numbers: range) -> None:
    """In table main, through the gateways in turn. Raises OSError: the kernel refused one."""
    flags = uapi.NLM_F_REQUEST | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
    await _change(namespace, uapi.RTM_NEWROUTE, flags, link_index, gateways, numbers)


async def delete_routes(namespace: str, link_index: int, gateways: Sequence[IPv4Address], numbers: range) -> None:
    """Those that `add_routes` or `ip route add` made, through the same gateways."""
    await _change(namespace, uapi.RTM_DELROUTE, uapi.NLM_F_REQUEST, link_index, gateways, numbers)


async def _change(
    namespace: str, kind: int, flags: int, link_index: int, gateways: Sequence[IPv4Address], numbers: range
) -> None:
    with inside(namespace):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    with sock:
        for start in range(0, len(numbers), _SLICE):
            some = numbers[start : start + _SLICE]
            await trio.to_thread.run_sync(_send, sock, kind, flags, link_index, [one.packed for one in gateways], some)


def _send(sock: socket.socket, kind: int, flags: int, link_index: int, gateways: list[bytes], numbers: range) -> None:
    for start in range(0, len(numbers), _TOGETHER):
        sock.send(b"".join(messages(kind, flags, link_index, gateways, numbers[start : start + _TOGETHER])))
        _check(sock.recv(1 << 17))


def messages(kind: int, flags: int, link_index: int, gateways: list[bytes], numbers: range) -> Iterator[bytes]:
    """RTM_NEWROUTE or RTM_DELROUTE for each number; the last one asks for an answer."""
    size, pack = _MESSAGE.size, _MESSAGE.pack
    for number in numbers:
        said = flags | (uapi.NLM_F_ACK if number == numbers[-1] else 0)
        head = (size, kind, said, number + 1, 0, _AF_INET, 24, 0, 0, _MAIN, _RTPROT_BOOT, _UNIVERSE, _UNICAST, 0)
        address, gateway = place(number)[1:], gateways[number % len(gateways)]
        yield pack(*head, 8, _RTA_DST, address, 8, _RTA_OIF, link_index, 8, _RTA_GATEWAY, gateway)


def _check(answers: bytes) -> None:
    """NLMSG_ERROR with 0 is the answer that was asked for; any other is a refusal, which comes unasked."""
    at = 0
    while at < len(answers):
        length, kind, _, sequence, _, error = struct.unpack_from("=IHHIIi", answers, at)
        if kind == uapi.NLMSG_ERROR and error:
            raise OSError(-error, f"the kernel refused the route {prefix(sequence - 1)}")
        at += (length + 3) & ~3
