"""What sits behind a link: its driver and its PCI address, asked by ethtool's ioctl (linux/ethtool.h).

Not by /sys/class/net, which shows the namespace that mounted /sys. The ioctl's socket belongs to the link's namespace.
A virtio NIC answers with the name of its virtio device, whose place in /sys/bus tells the PCI device beneath it; those
files are the same from every namespace.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import socket
import struct
from pathlib import Path
from typing import NamedTuple

import trio

from hostlink.kernel.namespace import inside

_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 3
_DRVINFO_BYTES = 196
_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


class Driver(NamedTuple):
    """The kernel driver, and the PCI address (`0000:d8:0a.0`) if it drives a PCI device."""

    name: str | None
    pci_address: str | None


def read_driver(namespace: str | int | None, link_name: str, *, sys_root: Path = Path("/sys")) -> Driver:
    """Both None where the link is gone or its driver does not say."""
    with _socket_in(namespace) as sock:
        return _driver(sock, link_name, sys_root)


async def driver_of(namespace: str | int | None, link_name: str, *, sys_root: Path = Path("/sys")) -> Driver:
    """The same, waited for in a thread: the kernel answers when nobody holds RTNL."""
    with _socket_in(namespace) as sock:
        return await trio.to_thread.run_sync(_driver, sock, link_name, sys_root)


def _socket_in(namespace: str | int | None) -> socket.socket:
    with inside(namespace):
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


def _driver(sock: socket.socket, link_name: str, sys_root: Path) -> Driver:
    answer = _drvinfo(sock, link_name)
    if answer is None:
        return Driver(None, None)
    name, bus = (_text(answer, offset) for offset in (4, 100))
    return Driver(name or None, _pci_address(bus, sys_root))


def _drvinfo(sock: socket.socket, link_name: str) -> bytes | None:
    answer = ctypes.create_string_buffer(struct.pack("=I", _ETHTOOL_GDRVINFO), _DRVINFO_BYTES)
    request = struct.pack("=16sQ16x", link_name.encode(), ctypes.addressof(answer))
    try:
        fcntl.ioctl(sock.fileno(), _SIOCETHTOOL, request)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):
            return None
        raise
    return answer.raw


def _text(answer: bytes, offset: int) -> str:
    return answer[offset : offset + 32].split(b"\0", 1)[0].decode(errors="replace")


def _pci_address(bus: str, sys_root: Path) -> str | None:
    if _PCI.fullmatch(bus):
        return bus
    if not bus.startswith("virtio"):
        return None
    place = os.path.realpath(sys_root / "bus/virtio/devices" / bus)
    devices = [part for part in place.split("/") if _PCI.fullmatch(part)]
    return devices[-1] if devices else None
