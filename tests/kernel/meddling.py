"""Something happens on the host in the middle of what a netlink socket is used for."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager

from hostlink.kernel.namespace import open_file
from hostlink.kernel.netlink import Netlink
from hostlink.kernel.sockets import opened


class MeddledSocket:
    """The real one, but `meddle` is called before the n-th request that goes out by it, or before each answer."""

    def __init__(self, sock, meddle, *, before_request=None):
        self.sock = sock
        self.meddle = meddle
        self.before_request = before_request
        self.requests = 0

    def fileno(self):
        return self.sock.fileno()

    async def send(self, data):
        self.requests += 1
        if self.requests == self.before_request:
            await self.meddle()
        return await self.sock.send(data)

    async def recvmsg(self, size):
        if self.before_request is None:
            await self.meddle()
        return await self.sock.recvmsg(size)


@asynccontextmanager
async def meddled(namespace, meddle, **when):
    """A Netlink by such a socket, and the socket."""
    async with opened(namespace) as sock:
        namespace_fd = open_file(namespace)
        try:
            meddled = MeddledSocket(sock, meddle, **when)
            yield Netlink(meddled, namespace, namespace_fd), meddled
        finally:
            os.close(namespace_fd)
