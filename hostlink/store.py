"""The service manager's descriptor store: what must stay open although the daemon dies.

systemd keeps copies of descriptors for a service (FileDescriptorStoreMax=) and hands them to its next process, as it
does with sockets: sd_notify(3), sd_listen_fds(3). A tap's keeper (kernel/tap.py) lies there, so that the host's
interface has its carrier even while daemon and VPP are both dead. A copy is closed when the unit stops for good, up to
systemd 253 always, so where the daemon is not started again the carrier goes with the last queue.

Without a service manager ($NOTIFY_SOCKET) nothing is kept, and nothing is missed but that.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

_FIRST = 3
"""SD_LISTEN_FDS_START."""


class Store:
    """address: of the service manager, None where there is none. inherited: what it has handed to this process."""

    def __init__(self, address: str | None = None, inherited: dict[str, list[int]] | None = None) -> None:
        self._address = address
        self._inherited = inherited or {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of what an earlier process of this service has put there, as far as it is not replaced or dropped."""
        return tuple(self._inherited)

    def put(self, name: str, descriptor: int) -> None:
        """Keeps a copy under that name, in place of an earlier one.

        systemd watches it, and closes it by itself when the tap is deleted: its queues show POLLERR then, whoever
        deleted it (drivers/net/tun.c, tun_chr_poll).
        """
        self.drop(name)
        self._send(f"FDSTORE=1\nFDNAME={name}", descriptor)

    def drop(self, name: str) -> None:
        """Nothing of that name is kept any more, here or there. None there is no error."""
        for descriptor in self._inherited.pop(name, ()):
            os.close(descriptor)
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def tell(self, text: str) -> bool:
        """Any other message of sd_notify(3): `READY=1`. False: it was not taken, and is to be said again."""
        return self._send(text)

    def _send(self, text: str, descriptor: int | None = None) -> bool:
        """A service manager that does not take it (it is being restarted, its queue is full) keeps nothing: what that
        costs is the carrier of a moment in which daemon and VPP are both dead."""
        if self._address is None:
            return True
        rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        target = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_UNIX, kind) as sock, suppress(OSError):
            sock.sendmsg([text.encode()], rights, 0, target)
            return True
        return False


def open_store(environment: MutableMapping[str, str] = os.environ) -> Store:
    """This process's, once: what tells of it goes from the environment, so that no child takes it for its own."""
    pid, count, names, address = (
        environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET")
    )
    inherited: dict[str, list[int]] = {}
    if pid == str(os.getpid()) and count.isdecimal():
        said = names.split(":") if names else []
        for number in range(int(count)):
            os.set_inheritable(_FIRST + number, False)
            inherited.setdefault(said[number] if number < len(said) else "", []).append(_FIRST + number)
    return Store(address if address.startswith(("/", "@")) else None, inherited)
