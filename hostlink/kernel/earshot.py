"""What a watcher of one link is told: a filter in the kernel, before anything takes room in the socket's buffer.

A socket holds some thousand notifications. Where another link gets addresses as fast as the kernel takes them, that is
a fraction of a second, and what overflows says nothing of whose change was lost. So the kernel leaves out those of
other links: an `SO_ATTACH_FILTER` program (classic BPF, Documentation/networking/filter.rst), which netlink asks for
each socket and each message (af_netlink.c, do_one_broadcast), a notification being one message.

Where a link's index is in them: `ifi_index` and `ifa_index` are 4 bytes into struct ifinfomsg and ifaddrmsg
(linux/rtnetlink.h, linux/if_addr.h); a route's is the attribute RTA_OIF, which the kernel looks up for the program
(SKF_AD_NLATTR), and a multipath route has none. Loads are big-endian and netlink is the host's order, so what is
compared is swapped here.
"""

from __future__ import annotations

import ctypes
import socket
import struct

import trio

from hostlink.kernel import uapi

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, jump if true, jump if false, k."""

_LOAD_WORD, _LOAD_HALF, _LOAD_CONSTANT = 0x20, 0x28, 0x00
_LOAD_WORD_AT_X = 0x40
_X_CONSTANT, _X_FROM_A = 0x01, 0x07
_JUMP_IF_EQUAL, _RETURN = 0x15, 0x06
_LOOK_UP_ATTRIBUTE = 0xFFFFF000 + 12
"""SKF_AD_OFF + SKF_AD_NLATTR: the attribute X from offset A on; its offset, or 0 where it is not there."""
_TYPE_AT, _INDEX_AT = 4, 20
_ROUTE_ATTRIBUTES_AT, _ATTRIBUTE_HEADER = 28, 4
_WHOLE, _NOTHING = 0xFFFFFFFF, 0

_OF_A_LINK = (uapi.RTM_NEWLINK, uapi.RTM_DELLINK, uapi.RTM_NEWADDR, uapi.RTM_DELADDR)
_ROUTES = (uapi.RTM_NEWROUTE, uapi.RTM_DELROUTE)


def hear_only(sock: trio.socket.SocketType, link_index: int, *, link_alone: bool = False) -> None:
    """Leave out what is said of other links from here on; what waits in the socket already stays.

    link_alone: leave out all else too (routes, rules, nexthop objects): only the link and its addresses are heard of.
    """
    program = _program(link_index, link_alone=link_alone)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    # struct sock_fprog: how many instructions, and where they are.
    sock.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def _program(link_index: int, *, link_alone: bool) -> list[Instruction]:
    """Jumps are counted from the next instruction."""
    is_this_link = [
        (_JUMP_IF_EQUAL, 0, 1, _swapped("=I", link_index)),
        (_RETURN, 0, 0, _WHOLE),
        (_RETURN, 0, 0, _NOTHING),
    ]
    of_a_link = [(_LOAD_WORD, 0, 0, _INDEX_AT), *is_this_link]
    of_a_route = [
        (_LOAD_CONSTANT, 0, 0, _ROUTE_ATTRIBUTES_AT),
        (_X_CONSTANT, 0, 0, uapi.RTA_OIF),
        (_LOAD_WORD, 0, 0, _LOOK_UP_ATTRIBUTE),
        (_JUMP_IF_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _WHOLE),
        (_X_FROM_A, 0, 0, 0),
        (_LOAD_WORD_AT_X, 0, 0, _ATTRIBUTE_HEADER),
        *is_this_link,
    ]
    start = [(_LOAD_HALF, 0, 0, _TYPE_AT)]
    if link_alone:
        return [*start, *_where(_OF_A_LINK, of_a_link), (_RETURN, 0, 0, _NOTHING)]
    return [*start, *_where(_OF_A_LINK, of_a_link), *_where(_ROUTES, of_a_route), (_RETURN, 0, 0, _WHOLE)]


def _where(types: tuple[int, ...], then: list[Instruction]) -> list[Instruction]:
    """`then`, which returns, for messages of these types; others go on behind it."""
    tests = [
        (_JUMP_IF_EQUAL, left, len(then) if left == 0 else 0, _swapped("=H", kind))
        for left, kind in zip(range(len(types) - 1, -1, -1), types, strict=True)
    ]
    return [*tests, *then]


def _swapped(form: str, number: int) -> int:
    """What a big-endian load makes of that number in the host's order."""
    return int.from_bytes(struct.pack(form, number), "big")
