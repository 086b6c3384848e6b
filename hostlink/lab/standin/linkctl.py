"""The few things that the stand-in does to a Linux device, by ioctl (kernel: netdevice(7)).

The stand-in may not use pyroute2, and needs no more than this.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCGIFMTU, SIOCSIFMTU = 0x8921, 0x8922
SIOCSIFHWADDR, SIOCSIFADDR, SIOCSIFNETMASK = 0x8924, 0x8916, 0x891C
IFF_UP, IFF_RUNNING = 0x1, 0x40
ARPHRD_ETHER = 1


def _ioctl(family: int, request: int, argument: bytes) -> bytes:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, request, argument)


def exists(name: str) -> bool:
    return any(known == name for _, known in socket.if_nameindex())


def flags(name: str) -> int:
    return int(
        struct.unpack_from("16xH", _ioctl(socket.AF_INET, SIOCGIFFLAGS, struct.pack("16s24x", name.encode())))[0]
    )


def set_up(name: str) -> None:
    now = flags(name)
    if not now & IFF_UP:
        _ioctl(socket.AF_INET, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), now | IFF_UP))


def set_down(name: str) -> None:
    _ioctl(socket.AF_INET, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags(name) & ~IFF_UP))


def mtu(name: str) -> int:
    answer = _ioctl(socket.AF_INET, SIOCGIFMTU, struct.pack("16s24x", name.encode()))
    return int(struct.unpack_from("16xi", answer)[0])


def set_mtu(name: str, mtu_bytes: int) -> None:
    _ioctl(socket.AF_INET, SIOCSIFMTU, struct.pack("16si20x", name.encode(), mtu_bytes))


def set_mac(name: str, mac: bytes) -> None:
    _ioctl(socket.AF_INET, SIOCSIFHWADDR, struct.pack("16sH6s16x", name.encode(), ARPHRD_ETHER, mac))


def add_address(name: str, address: bytes, length: int) -> None:
    """Only IPv4: SIOCSIFADDR for IPv6 has another form."""
    if len(address) == 16:
        argument = struct.pack("16sIi", address, length, socket.if_nametoindex(name))
        _ioctl(socket.AF_INET6, SIOCSIFADDR, argument)
        return
    mask = (0xFFFFFFFF << (32 - length) & 0xFFFFFFFF).to_bytes(4)
    for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, mask)):
        _ioctl(socket.AF_INET, request, struct.pack("16sHH4s8x8x", name.encode(), socket.AF_INET, 0, value))


def unlink_socket(path: str) -> None:
    """A socket's file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
