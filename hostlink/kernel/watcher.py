"""Notifications of the kernel, made coarse: each only says where to look again.

Netlink tells much, but not everything (no message when a link that goes down takes its IPv4 routes along), and a socket
that overflows has lost messages for ever. So a notification carries no state: its reader takes a new snapshot. An
overflow (ENOBUFS) is itself a notification, "look at everything again", and never the watcher's end.

What has queued up is read in one go and each thing said once: a routing daemon that loads 100,000 routes wakes the
reader a few hundred times and not 100,000 times.

One thing is not handed on: that an address's lifetimes were refreshed and nothing else (F15). Each router advertisement
says so of each address that it made, many times a second where they flood (measured, Linux 6.18: of an advertisement
that repeats another that is the only message). A lifetime is read with the next snapshot.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple

import trio

from hostlink.kernel import uapi
from hostlink.kernel.attributes import walk
from hostlink.kernel.sockets import RECEIVE_BYTES, Message, open_socket, split

Kind = Literal["link", "address", "route", "nexthop", "rule", "neighbour", "tc", "overflow"]

ALL_BUT_NEIGHBOURS = (
    uapi.RTNLGRP_LINK,
    uapi.RTNLGRP_IPV4_IFADDR,
    uapi.RTNLGRP_IPV6_IFADDR,
    uapi.RTNLGRP_IPV4_ROUTE,
    uapi.RTNLGRP_IPV6_ROUTE,
    uapi.RTNLGRP_IPV4_RULE,
    uapi.RTNLGRP_IPV6_RULE,
    uapi.RTNLGRP_NEXTHOP,
)
"""What the host's view is made of. Neighbours change all the time, and only permanent ones belong to it."""
WITH_NEIGHBOURS = (*ALL_BUT_NEIGHBOURS, uapi.RTNLGRP_NEIGH)
WITH_TC = (*ALL_BUT_NEIGHBOURS, uapi.RTNLGRP_TC)
"""And when somebody takes a qdisc or a filter away, which may have been hostlink's (kernel/tc.py)."""

_IFADDRMSG_BYTES = 8
_AT_ONCE = 500
"""Datagrams that are read before what they say is handed on: bounds the delay, and the time other tasks wait."""
_MOST = 20_000
"""More than fit in the receive buffer: who finds that many waiting reads slower than they come."""


class Changed(NamedTuple):
    """Something changed; `link_index` is the ifindex concerned, None if it is not known or there is none."""

    kind: Kind
    link_index: int | None = None


_KIND_OF: dict[int, Kind] = {
    uapi.RTM_NEWLINK: "link",
    uapi.RTM_DELLINK: "link",
    uapi.RTM_NEWADDR: "address",
    uapi.RTM_DELADDR: "address",
    uapi.RTM_NEWROUTE: "route",
    uapi.RTM_DELROUTE: "route",
    uapi.RTM_NEWNEIGH: "neighbour",
    uapi.RTM_DELNEIGH: "neighbour",
    uapi.RTM_NEWNEXTHOP: "nexthop",
    uapi.RTM_DELNEXTHOP: "nexthop",
    uapi.RTM_NEWRULE: "rule",
    uapi.RTM_DELRULE: "rule",
    uapi.RTM_DELQDISC: "tc",
    uapi.RTM_DELTFILTER: "tc",
}


class _Refreshes:
    """Knows addresses by all that was last said of them, but for their lifetimes.

    An address that went and came has another creation stamp, so no message that was missed makes it look the same.
    """

    def __init__(self) -> None:
        self._said: dict[bytes, bytes] = {}

    def only_refreshed(self, message: Message) -> bool:
        if message.type not in (uapi.RTM_NEWADDR, uapi.RTM_DELADDR):
            return False
        attributes = list(walk(message.body, _IFADDRMSG_BYTES))
        names = (uapi.IFA_LOCAL, uapi.IFA_ADDRESS)
        # Family, prefix length and ifindex; flags and scope are between them.
        key = message.body[:2] + message.body[4:8] + b"".join(value for kind, value in attributes if kind in names)
        if message.type == uapi.RTM_DELADDR:
            self._said.pop(key, None)
            return False
        if len(self._said) > _MOST:
            self._said.clear()
        said = message.body[:8] + b"".join(_without_lifetimes(kind, value) for kind, value in attributes)
        before, self._said[key] = self._said.get(key), said
        return before == said


def _without_lifetimes(kind: int, value: bytes) -> bytes:
    """Of struct ifa_cacheinfo: when it was created, and which of its lifetimes are for ever, and which have ended."""
    if kind == uapi.IFA_CACHEINFO:
        preferred_s, valid_s, created, _updated = struct.unpack_from("=IIII", value)
        value = struct.pack("=III", created, *(min(s, 1) if s < uapi.FOR_EVER else s for s in (preferred_s, valid_s)))
    return struct.pack("=H", kind) + value


class Watcher:
    """A subscribed socket; `async for changed in watcher` never ends. Made by `open_watcher`."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock
        self._pending: list[Changed] = []
        self._refreshes = _Refreshes()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Changed:
        while not self._pending:
            self._pending = _distinct(await self._receive(), self._queued())
        return self._pending.pop(0)

    def pending(self) -> list[Changed]:
        """All that is there now, without waiting; it is taken out. Said as an overflow if it does not end."""
        found, self._pending = self._pending, []
        for _ in range(_MOST // _AT_ONCE):
            more = self._queued()
            if not more:
                return found
            found = _distinct(found, more)
        return _distinct(found, [Changed("overflow")])

    async def _receive(self) -> list[Changed]:
        try:
            return self._read(await self._sock.recv(RECEIVE_BYTES))
        except OSError as error:
            return _overflow(error)

    def _queued(self) -> list[Changed]:
        """What up to _AT_ONCE datagrams say that wait already (trio's sockets do not block beneath)."""
        found: dict[Changed, None] = {}
        for _ in range(_AT_ONCE):
            try:
                found.update(dict.fromkeys(self._read(os.read(self._sock.fileno(), RECEIVE_BYTES))))
            except BlockingIOError:
                break
            except OSError as error:
                found.update(dict.fromkeys(_overflow(error)))
        return list(found)

    def _read(self, datagram: bytes) -> list[Changed]:
        told = [m for m in split(datagram) if m.type in _KIND_OF and not self._refreshes.only_refreshed(m)]
        return [Changed(_KIND_OF[m.type], _link_index(m)) for m in told]


def _overflow(error: OSError) -> list[Changed]:
    if error.errno != errno.ENOBUFS:
        raise error
    return [Changed("overflow")]


def _distinct(*lists: list[Changed]) -> list[Changed]:
    return list(dict.fromkeys(changed for each in lists for changed in each))


def _link_index(message: Message) -> int | None:
    """ifindex at offset 4 (ifinfomsg, ifaddrmsg, ndmsg, tcmsg), or a route's RTA_OIF; a multipath route says None."""
    kind = _KIND_OF[message.type]
    if kind in ("rule", "nexthop"):  # a nexthop object may have been moved here from another link
        return None
    if kind != "route":
        index: int = struct.unpack_from("=i", message.body, 4)[0]
        return index
    for attribute, payload in walk(message.body, 12):
        if attribute == uapi.RTA_OIF:
            return int.from_bytes(payload, sys.byteorder)
    return None


@asynccontextmanager
async def open_watcher(
    namespace: str | int | None = None,
    groups: Iterable[int] = ALL_BUT_NEIGHBOURS,
    *,
    receive_buffer_bytes: int = 4 << 20,
) -> AsyncIterator[Watcher]:
    """A watcher in that namespace; subscribed when the block begins, so nothing after that goes unsaid."""
    with open_socket(namespace, groups, receive_buffer_bytes) as sock:
        yield Watcher(sock)
