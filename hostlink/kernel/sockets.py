"""Opening a NETLINK_ROUTE socket inside a network namespace, and cutting what it receives into messages."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import trio

from hostlink.kernel import uapi
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.namespace import inside
from hostlink.kernel.off_loop import off_loop

HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
RECEIVE_BYTES = 1 << 17
"""The kernel fills at most 32 KiB for a dump; a single answer about a link with many virtual functions can be more."""


class Message(NamedTuple):
    """One netlink message without its header."""

    type: int
    flags: int
    sequence: int
    body: bytes


@asynccontextmanager
async def opened(
    namespace: str | int | None, groups: Iterable[int] = (), receive_buffer_bytes: int = 1 << 20
) -> AsyncIterator[trio.socket.SocketType]:
    """A bound NETLINK_ROUTE socket of that namespace, subscribed to those RTNLGRP_* groups.

    To subscribe and to close waits until the kernel is notifying nobody: 400 ms where routes pour in. A thread does it.

    SO_RCVBUFFORCE goes beyond net.core.rmem_max. Strict checking (Linux 4.20) makes the kernel honour the filters of a
    dump and refuse what it does not know, instead of ignoring it. NoSuchNamespace, OSError (no CAP_NET_ADMIN).
    """
    with inside(namespace):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        last = os.dup(sock.fileno())
    except OSError:
        sock.close()
        raise
    try:
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, receive_buffer_bytes)
            for option in (uapi.NETLINK_CAP_ACK, uapi.NETLINK_EXT_ACK, uapi.NETLINK_GET_STRICT_CHK):
                sock.setsockopt(uapi.SOL_NETLINK, option, 1)
            sock.bind((0, 0))
            if wanted := tuple(groups):
                await off_loop(_subscribe, sock, wanted)
            with trio.socket.from_stdlib_socket(sock) as wrapped:
                yield wrapped
    finally:
        with trio.CancelScope(shield=True):
            await off_loop(os.close, last)


def _subscribe(sock: socket.socket, groups: Iterable[int]) -> None:
    for group in groups:
        sock.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, group)


def split(datagram: bytes) -> Iterator[Message]:
    """The messages of one datagram. Raises Unreadable."""
    offset, end = 0, len(datagram)
    while offset + 16 <= end:
        length, kind, flags, sequence, _port = HEADER.unpack_from(datagram, offset)
        if length < 16 or offset + length > end:
            raise Unreadable(f"netlink message of {length} bytes at {offset} does not fit in {end}")
        yield Message(kind, flags, sequence, datagram[offset + 16 : offset + length])
        offset += (length + 3) & ~3
