"""TCP sockets for scenarios that look at single segments: a TTL of one's own, and no data."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from hostlink.kernel.namespace import inside
from hostlink.lab.flows import FlowError

_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


@contextmanager
def listening(namespace: str, version: int, port: int) -> Iterator[socket.socket]:
    with _opened(namespace, version) as sock:
        sock.bind(("", port))
        sock.listen()
        yield sock


@contextmanager
def connecting(namespace: str, version: int, ttl: int, address: str, port: int) -> Iterator[socket.socket]:
    """A socket whose SYN has left, with that TTL."""
    with _opened(namespace, version) as sock:
        if version == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        number = sock.connect_ex((address, port))
        if number not in (0, errno.EINPROGRESS):
            raise OSError(number, os.strerror(number))
        yield sock


async def outcome(sock: socket.socket, within_s: float) -> int:
    """How the connecting ended: 0, or the errno. Raises FlowError when it has not ended in time."""
    with trio.move_on_after(within_s):
        await trio.lowlevel.wait_writable(sock)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    raise FlowError(f"the connection was neither made nor refused within {within_s:g} s")


@contextmanager
def _opened(namespace: str, version: int) -> Iterator[socket.socket]:
    with inside(namespace):
        sock = socket.socket(_FAMILY[version], socket.SOCK_STREAM)
    with sock:
        sock.setblocking(False)
        yield sock
