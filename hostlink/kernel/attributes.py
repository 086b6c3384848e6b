"""Netlink attributes to bytes and back: `u16 length, u16 type, payload`, padded to four bytes (linux/netlink.h).

Requests are built with these few functions and not with pyroute2's message classes: the bulk of what is sent are
dumped bodies with a few attributes changed, and one way of building all of them is easier to trust than two.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

_HEADER = struct.Struct("=HH")
_U32 = struct.Struct("=I")
TYPE_MASK = 0x3FFF
"""Without NLA_F_NESTED and NLA_F_NET_BYTEORDER."""

FAMILY_NUMBER = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
"""From an IP version to the kernel's address family."""


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    return _HEADER.pack(4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def u8(kind: int, value: int) -> bytes:
    return attribute(kind, bytes([value]))


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def mac_bytes(mac: str) -> bytes:
    """`52:54:00:40:46:8e` as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def mac(kind: int, value: str) -> bytes:
    return attribute(kind, mac_bytes(value))


def address(kind: int, value: IPv4Address | IPv6Address) -> bytes:
    return attribute(kind, value.packed)


def walk(buffer: bytes, offset: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(type without its flag bits, payload) of each attribute between two offsets."""
    end = len(buffer) if end is None else end
    while offset + 4 <= end:
        length, kind = _HEADER.unpack_from(buffer, offset)
        if length < 4 or offset + length > end:
            raise ValueError(f"netlink attribute {kind} of {length} bytes at {offset} does not fit in {end}")
        yield kind & TYPE_MASK, buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def pieces(buffer: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """(type without its flag bits, the whole attribute as it was, padded): for copying some of them."""
    end = len(buffer)
    while offset + 4 <= end:
        length, kind = _HEADER.unpack_from(buffer, offset)
        stop = offset + ((length + 3) & ~3)
        if length < 4 or stop > end:
            raise ValueError(f"netlink attribute {kind} of {length} bytes at {offset} does not fit in {end}")
        yield kind & TYPE_MASK, buffer[offset:stop]
        offset = stop
