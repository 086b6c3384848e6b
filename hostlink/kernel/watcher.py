"""Notifications of the kernel, made coarse: each only says where to look again.

Netlink tells much, but not everything (no message when a link that goes down takes its IPv4 routes along), and a socket
that overflows has lost messages for ever. So a notification carries no state: its reader takes a new snapshot. An
overflow (ENOBUFS) is itself a notification, "look at everything again", and never the watcher's end. So is a message
that cannot be read, whatever it was to say.

What has queued up is read in one go and each thing said once: a routing daemon that loads 100,000 routes wakes the
reader a few hundred times and not 100,000 times.

A route is small and its message says all of it, so a watcher may be asked to hand on the route messages as they came,
in their order (`routes`): whoever holds all routes already can follow them one by one, where a new snapshot of 100,000
takes seconds. What is said of it in silence, and what is lost, comes as any other notification.

One thing is not handed on: that an address's lifetimes were refreshed and nothing else (F15). Each router advertisement
says so of each address that it made, many times a second where they flood (measured, Linux 6.18: of an advertisement
that repeats another that is the only message). A lifetime is read with the next snapshot.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Literal, NamedTuple

import trio

from hostlink.kernel import busy, uapi
from hostlink.kernel.attributes import walk
from hostlink.kernel.earshot import hear_only
from hostlink.kernel.errors import Unreadable, reading
from hostlink.kernel.sockets import HEADER, RECEIVE_BYTES, Message, opened, split

Kind = Literal["link", "down", "address", "route", "nexthop", "rule", "neighbour", "tc", "overflow", "unreadable"]

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
_AT_ONCE, _LOOKED_INTO = 500, 10
"""Datagrams that are taken before what they say is handed on, and as how many one counts that is looked into. It bounds
the delay, and how long others wait: while other links' addresses came and went without end, each turn of a takeover
waited for 500 of them, and it passed its deadline."""
_MANY, _GATHER_S = 16, 0.005
"""After more route messages than that more of them are waited for: in a storm each reading costs as much as fifty."""
_MOST = 20_000
"""More than fit in the receive buffer: who finds that many waiting reads slower than they come."""


class Changed(NamedTuple):
    """Something changed; `link_index` is the ifindex concerned, None if it is not known or there is none."""

    kind: Kind
    link_index: int | None = None
    routes: tuple[bytes, ...] = ()
    """For a watcher that was opened with `routes`: RTM_NEWROUTE and RTM_DELROUTE messages that came one after another,
    each whole, with its header (linux/rtnetlink.h). Which links they are about is in them."""


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


_LENGTH_AND_TYPE = struct.Struct("=IH").unpack_from
_LINK_INDEX = struct.Struct("=i").unpack_from
_ADDRESSES = (uapi.RTM_NEWADDR, uapi.RTM_DELADDR)
_ROUTES = (uapi.RTM_NEWROUTE, uapi.RTM_DELROUTE)


class _Refreshes:
    """Knows addresses by all that was last said of them, but for their lifetimes.

    Whoever passes a message over has to say so: what was said before it tells nothing of what comes after it.
    """

    def __init__(self) -> None:
        self._said: dict[int, dict[bytes, bytes]] = {}
        """By ifindex."""

    def forget(self, link_indexes: Iterable[int]) -> None:
        """Some of what was said of these links' addresses was not looked into."""
        for index in link_indexes:
            self._said.pop(index, None)

    def forget_all(self) -> None:
        """Some of what was said was not heard."""
        self._said.clear()

    def only_refreshed(self, message: Message) -> bool:
        """Of an RTM_NEWADDR or RTM_DELADDR."""
        attributes = list(walk(message.body, _IFADDRMSG_BYTES))
        names = (uapi.IFA_LOCAL, uapi.IFA_ADDRESS)
        # Family and prefix length; flags and scope come after them.
        key = message.body[:2] + b"".join(value for kind, value in attributes if kind in names)
        of_link = self._said.setdefault(_LINK_INDEX(message.body, 4)[0], {})
        if message.type == uapi.RTM_DELADDR:
            of_link.pop(key, None)
            return False
        if len(of_link) > _MOST or len(self._said) > _MOST:
            self.forget_all()
            return False
        said = message.body[:8] + b"".join(_without_lifetimes(kind, value) for kind, value in attributes)
        before, of_link[key] = of_link.get(key), said
        return before == said


def _without_lifetimes(kind: int, value: bytes) -> bytes:
    """Of struct ifa_cacheinfo: when it was created, and which of its lifetimes are for ever, and which have ended."""
    if kind == uapi.IFA_CACHEINFO:
        preferred_s, valid_s, created, _updated = struct.unpack_from("=IIII", value)
        value = struct.pack("=III", created, *(min(s, 1) if s < uapi.FOR_EVER else s for s in (preferred_s, valid_s)))
    return struct.pack("=H", kind) + value


class Watcher:
    """A subscribed socket; `async for changed in watcher` never ends. Made by `open_watcher`."""

    def __init__(self, sock: trio.socket.SocketType, *, routes: bool = False) -> None:
        self._sock = sock
        self._routes = routes
        self._pending: deque[Changed] = deque()
        self._refreshes = _Refreshes()
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._emptied = False
        """Nothing was left when it was read last."""
        self._storm = False
        """Then much of it was routes."""

    async def only_about(self, link_index: int, *, link_alone: bool = False) -> None:
        """From here on hear what concerns that link, or may (kernel/earshot.py); what was said before is forgotten.

        link_alone: and of that the link and its addresses alone.
        """
        hear_only(self._sock, link_index, link_alone=link_alone)
        await self.pending()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Changed:
        while not self._pending:
            if self._storm and self._emptied:
                await trio.sleep(_GATHER_S)
            self._pending.extend(_distinct(await self._receive(), self._queued()))
            self._storm = sum(len(changed.routes) for changed in self._pending) > _MANY
            if self._storm:
                busy.note()
        return self._pending.popleft()

    async def pending(self) -> list[Changed]:
        """All that is there now, without waiting for more; it is taken out. Said as an overflow if it does not end."""
        found = list(self._pending)
        self._pending.clear()
        for _ in range(_MOST * _LOOKED_INTO // _AT_ONCE):
            found = _distinct(found, self._queued())
            if self._emptied:
                return found
            await trio.lowlevel.checkpoint()  # 20,000 are a third of a second
        return _distinct(found, [Changed("overflow")])

    async def _receive(self) -> list[Changed]:
        try:
            return self._read(await self._sock.recv(RECEIVE_BYTES))
        except OSError as error:
            return self._overflow(error)

    def _queued(self) -> list[Changed]:
        """What some datagrams say that wait already (trio's sockets do not block beneath)."""
        found: list[Changed] = []
        routes: list[bytes] = []
        told, passed_over = set[int | None](), set[int]()
        descriptor, buffer = self._sock.fileno(), (self._buffer,)
        self._emptied = False
        left = _AT_ONCE
        while left > 0:
            try:
                size = os.readv(descriptor, buffer)
            except BlockingIOError:
                self._emptied = True
                break
            except OSError as error:
                found += [*_said(routes), *self._overflow(error)]
                left -= 1
                continue
            length, kind = _LENGTH_AND_TYPE(buffer[0])
            if self._routes and length == size and kind in _ROUTES:  # as nearly all are: alone
                routes.append(buffer[0][:size].tobytes())
                left -= 1
            elif length == size and kind in _ADDRESSES and (of := _LINK_INDEX(buffer[0], HEADER.size + 4)[0]) in told:
                passed_over.add(of)  # said once is enough
                left -= 1
            else:
                changed = self._read(buffer[0][:size].tobytes())
                found += [*_said(routes), *changed]
                told.update(one.link_index for one in changed if one.kind == "address")
                left -= _LOOKED_INTO
        self._refreshes.forget(passed_over)
        return _distinct([*found, *_said(routes)])

    def _overflow(self, error: OSError) -> list[Changed]:
        if error.errno != errno.ENOBUFS:
            raise error
        self._refreshes.forget_all()
        return [Changed("overflow")]

    def _read(self, datagram: bytes) -> list[Changed]:
        try:
            return self._said_by(datagram)
        except Unreadable:
            return [Changed("unreadable")]

    @reading("a notification")
    def _said_by(self, datagram: bytes) -> list[Changed]:
        return [
            self._changed(message)
            for message in split(datagram)
            if message.type in _KIND_OF and not (message.type in _ADDRESSES and self._refreshes.only_refreshed(message))
        ]

    def _changed(self, message: Message) -> Changed:
        kind = message.type
        if self._routes and kind in _ROUTES:
            whole = HEADER.pack(HEADER.size + len(message.body), kind, message.flags, message.sequence, 0)
            return Changed("route", None, (whole + message.body,))
        return Changed("down" if _is_down(message) else _KIND_OF[kind], _link_index(message))


def _said(routes: list[bytes]) -> list[Changed]:
    """The route messages gathered so far, as one; they are taken out."""
    if not routes:
        return []
    changed = Changed("route", None, tuple(routes))
    routes.clear()
    return [changed]


def _is_down(message: Message) -> bool:
    """A link that is down at that moment (struct ifinfomsg: flags at 8): up again, it still lacks what that took."""
    return message.type == uapi.RTM_NEWLINK and not struct.unpack_from("=I", message.body, 8)[0] & uapi.IFF_UP


def _distinct(*lists: list[Changed]) -> list[Changed]:
    """Each said once, but route messages as often as they came: added, deleted and added again is added."""
    said: set[Changed] = set()
    found = []
    for changed in chain(*lists):
        if changed.routes:
            found.append(changed)
        elif changed not in said:
            found.append(changed)
            said.add(changed)
    return found


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
    routes: bool = False,
) -> AsyncIterator[Watcher]:
    """A watcher in that namespace; subscribed when the block begins, so nothing after that goes unsaid.

    routes: hand on each route message too, which makes many of what would else be said once.
    """
    async with opened(namespace, groups, receive_buffer_bytes) as sock:
        yield Watcher(sock, routes=routes)
