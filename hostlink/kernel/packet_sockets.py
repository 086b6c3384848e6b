"""Who listens on an interface by a packet socket: DHCP clients, LLDP and VRRP daemons, tcpdump (packet(7)).

Such a socket is bound to an interface by number. When that interface leaves the namespace the socket is dead: reads say
ENETDOWN once, and nothing more comes (net/packet/af_packet.c, packet_notifier; measured with dhclient 4.4.3, Linux
6.18). A program that does not open it again by itself must be restarted by somebody who knows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A process with a packet socket on the interface. `command`: its short name (comm)."""

    pid: int
    command: str


def listeners(link_index: int, *, proc_root: Path = Path("/proc")) -> tuple[Listener, ...]:
    """Those on that interface of the calling thread's namespace; who may not be looked into is left out."""
    inodes = _inodes((proc_root / "thread-self/net/packet").read_text(), link_index)
    return tuple(sorted(_holders(inodes, proc_root))) if inodes else ()


def _inodes(table: str, link_index: int) -> set[str]:
    """`sk RefCnt Type Proto Iface R Rmem User Inode`: the inodes of the sockets that are bound to the interface."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[8] for row in rows if len(row) > 8 and row[4] == str(link_index)}


def _holders(inodes: set[str], proc_root: Path) -> Iterator[Listener]:
    for process in proc_root.iterdir():
        if process.name.isdecimal() and process.name != str(os.getpid()):
            with suppress(OSError):  # it has ended meanwhile, or is not ours to look into
                if any(_inode(file) in inodes for file in (process / "fd").iterdir()):
                    yield Listener(int(process.name), (process / "comm").read_text().strip())


def _inode(file: Path) -> str | None:
    with suppress(OSError):
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(file))
        return found.group(1) if found else None
    return None
