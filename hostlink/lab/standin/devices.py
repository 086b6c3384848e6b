"""The Linux devices behind interfaces: packet sockets and taps, with their virtio-net headers.

A packet socket sees the NIC or veth as VPP's af_packet does: with the offload flag, checksums that the peer left
partial are marked so; without it they are simply wrong. A tap is made in, or attached to, the host's namespace, which
the calling thread enters for a moment: the stand-in has one thread. It never makes the tap that it is told to attach
to (IFF flags: kernel, include/uapi/linux/if_tun.h).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from functools import partial

from hostlink.lab.standin import linkctl
from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.packet import Offload
from hostlink.lab.standin.registry import Opened, TapRequest
from hostlink.lab.standin.retvals import (
    INVALID_INTERFACE,
    NETLINK_ERROR,
    SYSCALL_ERROR_1,
    SYSCALL_ERROR_2,
    SYSCALL_ERROR_3,
    Refused,
)

IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x0100, 0x1000, 0x4000
TUNSETIFF, TUNSETPERSIST, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454CB, 0x400454D0, 0x400454D8
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_VNET_HDR = 263, 23, 15
ETH_P_ALL = 3
SIOCETHTOOL, ETHTOOL_GTXCSUM, ETHTOOL_GGSO = 0x8946, 0x16, 0x23
CLONE_NEWNET = 0x40000000
VNET_HEADER = struct.Struct("<BBHHHH")
TAP_VNET_BYTES = 12
"""What VPP sets for its taps: the header with the number of merged buffers at its end."""
RING_FRAMES = 1024
"""Of an af_packet's transmit ring. Filled while the device is down, VPP asks the kernel no more to send it, also when
the device is up again: `tx sendto fatal failure`, then `tx frame not ready` for ever (VPP 26.06, run)."""
# The other way: a frame that the device drops at once (a veth, for its receiver's MTU) stays at the head of the ring,
# and is tried again before any other: `tx sendto temporary failure` (VPP 26.06, run; kernel: net/packet/af_packet.c).
NEEDS_CHECKSUM = 1
MAX_FRAME_BYTES = 65536 + 64


def enter_namespace(spec: str) -> None:
    """Puts the process into a network namespace: `pid:N`, a path, or a name under /run/netns. Raises OSError."""
    fd = os.open(_namespace_path(spec), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(fd)
    finally:
        os.close(fd)


def _namespace_path(spec: str) -> str:
    if spec.startswith("pid:"):
        return f"/proc/{spec[4:]}/ns/net"
    return spec if spec.startswith("/") else f"/run/netns/{spec}"


def _setns(fd: int) -> None:
    """os.setns is in Python from 3.12 on; hostlink runs on 3.11."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def inside(spec: str | None) -> Iterator[None]:
    """For a moment in another namespace; None stays. Refused with VPP's numbers when it cannot be entered."""
    if spec is None:
        yield
        return
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            away = os.open(_namespace_path(spec), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Refused(SYSCALL_ERROR_2, sw_if_index=0xFFFFFFFF) from None
        try:
            _setns(away)
        except OSError:
            raise Refused(SYSCALL_ERROR_3, sw_if_index=0xFFFFFFFF) from None
        finally:
            os.close(away)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def parse_vnet_header(data: bytes) -> Offload | None:
    """None when it says nothing special."""
    flags, gso_type, header_bytes, gso_size, start, offset = VNET_HEADER.unpack_from(data)
    gso_type &= 0x7F
    if not flags & NEEDS_CHECKSUM and not gso_type:
        return None
    return Offload(bool(flags & NEEDS_CHECKSUM), start, offset, gso_type, gso_size if gso_type else 0, header_bytes)


def build_vnet_header(offload: Offload | None) -> bytes:
    if offload is None:
        return bytes(VNET_HEADER.size)
    flags = NEEDS_CHECKSUM if offload.partial_checksum else 0
    return VNET_HEADER.pack(
        flags,
        offload.gso_type,
        offload.header_bytes,
        offload.gso_size,
        offload.checksum_start,
        offload.checksum_offset,
    )


class Port:
    """An open device: frames in and out."""

    def __init__(self, fd: int, vnet_bytes: int, ring_frames: int | None = None) -> None:
        """ring_frames: this is an af_packet's ring, of so many frames, which can stop in two ways (RING_FRAMES)."""
        self.fd = fd
        self._vnet_bytes = vnet_bytes
        self._ring_frames = ring_frames
        self._stuck = 0
        self._head: bytes | None = None
        self.sw_if_index = 0

    def read(self) -> tuple[bytes, Offload | None] | None:
        """The next frame, or None when there is none now. Raises OSError when the device is gone or down."""
        try:
            data = os.read(self.fd, MAX_FRAME_BYTES)
        except BlockingIOError:
            return None
        if not self._vnet_bytes:
            return data, None
        return data[self._vnet_bytes :], parse_vnet_header(data)

    def write(self, frame: bytes, offload: Offload | None) -> bool:
        """False when the device did not take it (it is down, or its queue is full): the frame is lost, as on a wire."""
        if self._stuck == self._ring_frames:
            return False
        header = build_vnet_header(offload).ljust(self._vnet_bytes, b"\0") if self._vnet_bytes else b""
        if self._head is not None and not self._send(self._head):
            return False
        self._head = None
        return self._send(header + frame)

    def _send(self, data: bytes) -> bool:
        try:
            os.write(self.fd, data)
        except OSError as error:
            if self._ring_frames is not None:
                self._stuck += error.errno == errno.ENETDOWN
                self._head = data if error.errno in (errno.ENOBUFS, errno.EMSGSIZE) else None
            return False
        self._stuck = 0
        return True

    def close(self) -> None:
        os.close(self.fd)


class LinuxDevices:
    """Devices of the namespace that the process is in, and taps of any other."""

    def __init__(self) -> None:
        self.ports: dict[int, Port] = {}
        """Open ones by sw_if_index."""
        self._opened: dict[str, Port] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when `ports` changed."""

    def open_packet_socket(self, name: str, offload: bool) -> Opened:
        if not linkctl.exists(name):
            raise Refused(INVALID_INTERFACE, sw_if_index=0)
        linkctl.set_up(name)
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        if offload:
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        try:
            sock.bind((name, ETH_P_ALL))
        except OSError:
            sock.close()
            raise Refused(SYSCALL_ERROR_1, sw_if_index=0) from None
        self._opened[name] = Port(sock.detach(), VNET_HEADER.size if offload else 0, RING_FRAMES)
        checksum, gso = (_has(name, ETHTOOL_GTXCSUM), _has(name, ETHTOOL_GGSO)) if offload else (False, False)
        return Opened(name, linkctl.mtu(name), checksum or gso, gso, partial(linkctl.mtu, name))

    def open_tap(self, request: TapRequest) -> Opened:
        with inside(request.namespace):
            if request.attach and request.name is not None and not linkctl.exists(request.name):
                raise Refused(SYSCALL_ERROR_3, sw_if_index=0xFFFFFFFF)
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                name = _set_up_tap(fd, request)
            except OSError:
                os.close(fd)
                raise Refused(NETLINK_ERROR, sw_if_index=0xFFFFFFFF) from None
        self._opened[name] = Port(fd, TAP_VNET_BYTES)
        return Opened(name, 0, request.checksum_offload, request.gso)

    def attach(self, opened: Opened, interface: Interface) -> None:
        port = self._opened.pop(opened.host_name)
        port.sw_if_index = interface.sw_if_index
        self.ports[interface.sw_if_index] = port
        self.changed()

    def raised(self, interface: Interface, up: bool) -> None:
        """An af_packet's device goes up and down with it, a deletion included (VPP 26.06, run); a tap does not."""
        if interface.dev_type == "af-packet" and interface.sw_if_index in self.ports:
            with contextlib.suppress(OSError):  # the device is gone
                (linkctl.set_up if up else linkctl.set_down)(interface.name.removeprefix("host-"))

    def close(self, interface: Interface) -> None:
        port = self.ports.pop(interface.sw_if_index, None)
        if port is None:
            return
        self.changed()
        if interface.dev_type == "virtio":
            # VPP clears persistence when it deletes a tap, whoever asked for it to persist.
            with contextlib.suppress(OSError):
                fcntl.ioctl(port.fd, TUNSETPERSIST, 0)
        port.close()


def _set_up_tap(fd: int, request: TapRequest) -> str:
    """In VPP's order: make or attach, persistence, header, MAC, addresses, up, MTU. Returns the device's name."""
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
    try:
        made = fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", (request.name or "").encode(), flags))
        if request.attach:
            fcntl.ioctl(fd, TUNSETPERSIST, 0)
        if request.persist:
            fcntl.ioctl(fd, TUNSETPERSIST, 1)
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", TAP_VNET_BYTES))
        offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 if request.gso else TUN_F_CSUM * request.checksum_offload
        fcntl.ioctl(fd, TUNSETOFFLOAD, offloads)
    except OSError:
        os.close(fd)
        raise Refused(SYSCALL_ERROR_3, sw_if_index=0xFFFFFFFF) from None
    name = made[:16].split(b"\0", 1)[0].decode()
    linkctl.set_mac(name, request.mac)
    for address, length in request.addresses:
        linkctl.add_address(name, address, length)
    linkctl.set_up(name)
    if request.mtu_bytes is not None:
        linkctl.set_mtu(name, request.mtu_bytes)
    return name


def _has(name: str, command: int) -> bool:
    """Whether an offload is on (kernel: include/uapi/linux/ethtool.h, struct ethtool_value)."""
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, SIOCETHTOOL, request)
        except OSError:
            return False
    return any(value.raw[4:8])
