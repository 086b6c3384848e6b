"""The tap that stands in for the NIC: made by hostlink, kept alive by a queue of its own, attached to by VPP.

The tap is multi-queue, and hostlink holds one queue of it, detached: it takes no packets, and as long as it is open the
kernel keeps the interface *and its carrier* when VPP, the user of another queue, dies (drivers/net/tun.c: carrier goes
off only when neither attached nor disabled queues are left). Persistence (TUNSETPERSIST) keeps the interface itself
when hostlink dies too; then its carrier is gone until somebody attaches, and addresses and routes stay.

A tun file belongs to the network namespace in which it was opened, so everything here is opened inside it and
used from anywhere. Nothing waits: these are plain functions.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from types import TracebackType

from hostlink.kernel.attributes import mac_bytes
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import inside
from hostlink.kernel.seam import NO_FAULTS, Faults

# include/uapi/linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_TUNGETIFF = 0x800454D2
_TUNSETQUEUE = 0x400454D9
_IFF_TAP = 0x0002
_IFF_MULTI_QUEUE = 0x0100
_IFF_DETACH_QUEUE = 0x0400
_IFF_PERSIST = 0x0800
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_IFF_TUN_EXCL = 0x8000
_VPP_FLAGS = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_MULTI_QUEUE
"""What VPP's tap asks for: a queue with other flags than the tap's own is refused."""

# include/uapi/linux/sockios.h
_SIOCGIFINDEX = 0x8933
_SIOCSIFHWADDR = 0x8924
_SIOCSIFMTU = 0x8922
_ARPHRD_ETHER = 1

_NAME_BYTES = 15


def can_make_taps() -> bool:
    """Whether the kernel has tun devices (module `tun`)."""
    return os.path.exists("/dev/net/tun")


class Keeper:
    """A detached queue of a tap: while it is open the tap keeps its carrier. `close` leaves a persistent tap there."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        """The name that the tap had when this was opened; a rename does not matter to the queue."""
        self._fd: int | None = fd

    def close(self) -> None:
        """Lets go of the tap. May be called again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def descriptor(self) -> int:
        """Raises ValueError when it was closed."""
        if self._fd is None:
            raise ValueError(f"the queue of {self.name} is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        return self._fd is None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make_tap(
    name: str, mac: str, mtu_bytes: int, namespace: str | int | None = None, *, faults: Faults = NO_FAULTS
) -> Keeper:
    """Makes a persistent tap, down, of that MAC and MTU, and keeps a detached queue of it.

    Raises KernelRefused (EEXIST: the name is taken; ENOENT: no /dev/net/tun), NoSuchNamespace. If a step fails, the
    tap is gone again.
    """
    with inside(namespace):
        if _exists(name):
            raise KernelRefused(f"make the tap {name}", errno.EEXIST, "an interface of that name is there")
        fd = _open(name)
        try:
            _step(
                faults, "tap.create", f"make the tap {name}", fd, _TUNSETIFF, _ifreq(name, _VPP_FLAGS | _IFF_TUN_EXCL)
            )
            address = struct.pack("=H6s", _ARPHRD_ETHER, mac_bytes(mac))
            _step(faults, "tap.mac", f"set the MAC of {name} to {mac}", fd, _SIOCSIFHWADDR, _ifreq(name, address))
            _set_mtu(faults, name, mtu_bytes)
            _step(faults, "tap.persist", f"make the tap {name} persistent", fd, _TUNSETPERSIST, 1)
            _detach(faults, name, fd)
        except BaseException:
            _undo(fd)
            raise
    return Keeper(name, fd)


def adopt_tap(name: str, namespace: str | int | None = None, *, faults: Faults = NO_FAULTS) -> Keeper:
    """Opens a detached queue of a tap that an earlier run made. It stays as it is.

    Raises KernelRefused: ENODEV if there is no such interface, EINVAL if it is no tap of hostlink's kind.
    """
    operation = f"open a queue of the tap {name}"
    with inside(namespace):
        if not _exists(name):
            raise KernelRefused(operation, errno.ENODEV, f"there is no interface {name}")
        fd = _open(name)
        try:
            _step(faults, "tap.adopt", operation, fd, _TUNSETIFF, _ifreq(name, _VPP_FLAGS))
            if not _flags(fd, name) & _IFF_PERSIST:
                raise KernelRefused(operation, errno.EINVAL, f"{name} is no persistent tap, so not one of hostlink's")
            _detach(faults, name, fd)
        except BaseException:
            os.close(fd)
            raise
    return Keeper(name, fd)


def remove_tap(name: str, namespace: str | int | None = None, *, faults: Faults = NO_FAULTS) -> None:
    """Takes a tap's persistence away: it is gone when the last queue of it is closed, so close the keeper first.

    A tap that VPP still has open stays until VPP lets go of it; `link.delete_link` removes it whatever holds it.
    Raises KernelRefused: ENODEV if there is none.
    """
    operation = f"remove the tap {name}"
    with inside(namespace):
        if not _exists(name):
            raise KernelRefused(operation, errno.ENODEV, f"there is no interface {name}")
        fd = _open(name)
        try:
            _step(faults, "tap.remove", operation, fd, _TUNSETIFF, _ifreq(name, _VPP_FLAGS))
            _ioctl(operation, fd, _TUNSETPERSIST, 0)
        finally:
            os.close(fd)


def _open(name: str) -> int:
    if not 0 < len(name.encode()) <= _NAME_BYTES:
        raise ValueError(f"{name!r} is no interface name: 1 to {_NAME_BYTES} bytes")
    try:
        return os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KernelRefused(f"open /dev/net/tun for {name}", error.errno or errno.EIO) from error


def _ifreq(name: str, rest: int | bytes = b"") -> bytes:
    """struct ifreq: the name, and the member of the union that a call wants (a short of flags, or bytes)."""
    tail = struct.pack("=H", rest) if isinstance(rest, int) else rest
    return struct.pack("=16s24s", name.encode(), tail)


def _step(faults: Faults, seam: str, operation: str, fd: int, call: int, argument: bytes | int) -> None:
    faults.check(seam, operation)
    _ioctl(operation, fd, call, argument)


def _ioctl(operation: str, fd: int, call: int, argument: bytes | int) -> None:
    try:
        fcntl.ioctl(fd, call, argument)
    except OSError as error:
        raise KernelRefused.of(operation, error) from error


def _detach(faults: Faults, name: str, fd: int) -> None:
    request = _ifreq("", _IFF_DETACH_QUEUE)
    _step(faults, "tap.detach", f"detach hostlink's queue of {name}", fd, _TUNSETQUEUE, request)


def _set_mtu(faults: Faults, name: str, mtu_bytes: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        operation = f"set the MTU of {name} to {mtu_bytes} bytes"
        _step(faults, "tap.mtu", operation, sock.fileno(), _SIOCSIFMTU, _ifreq(name, struct.pack("=i", mtu_bytes)))


def _undo(fd: int) -> None:
    """Closes the only queue of a half-made tap, which ends it unless it is persistent; so that goes first.

    EBADFD: it was never made. (A detached queue answers so too, but detaching is the last step.)
    """
    try:
        fcntl.ioctl(fd, _TUNSETPERSIST, 0)
    except OSError as error:
        if error.errno != errno.EBADFD:
            raise
    finally:
        os.close(fd)


def _flags(fd: int, name: str) -> int:
    answer = fcntl.ioctl(fd, _TUNGETIFF, _ifreq(name))
    flags: int = struct.unpack_from("=H", answer, 16)[0]
    return flags


def _exists(name: str) -> bool:
    """Whether there is an interface of that name (or altname) in the thread's namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            fcntl.ioctl(sock.fileno(), _SIOCGIFINDEX, _ifreq(name))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
    return True
