"""Link-layer multicast addresses that somebody added to a link (`ip maddr add`): read them, add one.

What programs join by sockets is theirs, and goes where they go. An address that was added by ioctl is the link's, and
the kernel forgets it when the link moves to another namespace (net/core/dev_addr_lists.c, dev_mc_flush). Netlink shows
none of them: /proc/net/dev_mcast does, with a column for those that are the link's own (`global_use`).
"""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

from hostlink.kernel.attributes import mac_bytes
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.namespace import inside
from hostlink.kernel.seam import NO_FAULTS, Faults

_SIOCADDMULTI = 0x8931
"""include/uapi/linux/sockios.h."""
_COLUMNS = 5
"""ifindex, name, users, own, address."""


def read_multicast(namespace: str | int | None, link_index: int, *, proc_root: Path = Path("/proc")) -> tuple[str, ...]:
    """The link's own, sorted: ("01:00:5e:11:22:33",). Does not wait."""
    with inside(namespace):
        lines = (proc_root / "thread-self/net/dev_mcast").read_text().splitlines()
    rows = [row for line in lines if len(row := line.split()) == _COLUMNS]
    found = (bytes.fromhex(row[4]).hex(":") for row in rows if row[0] == str(link_index) and row[3] != "0")
    return tuple(sorted(found))


def add_multicast(namespace: str | int | None, link: str, mac: str, *, faults: Faults = NO_FAULTS) -> None:
    """Raises KernelRefused: ENODEV, EINVAL for a device that filters no multicast."""
    operation = f"add the multicast address {mac} to {link}"
    faults.check("multicast.add", operation)
    # struct ifreq with ifr_hwaddr of the family AF_UNSPEC, as dev_ifsioc wants it.
    request = struct.pack("=16sH22s", link.encode(), socket.AF_UNSPEC, mac_bytes(mac))
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            fcntl.ioctl(sock.fileno(), _SIOCADDMULTI, request)
        except OSError as error:
            raise KernelRefused.of(operation, error) from error
