"""Who listens on an interface by a packet socket, from a /proc of our own."""

from __future__ import annotations

import os
from pathlib import Path

from hostlink.kernel.packet_sockets import Listener, listeners

TABLE = """\
sk               RefCnt Type Proto  Iface R Rmem   User   Inode
00000000aaaaaaaa 3      3    0003   7     1 0      0      4001
00000000bbbbbbbb 3      2    0800   8     1 0      0      4002
00000000cccccccc 3      3    0003   0     1 0      0      4003
"""


def process(root: Path, pid: int, command: str, *inodes: int) -> None:
    (root / str(pid) / "fd").mkdir(parents=True)
    (root / str(pid) / "comm").write_text(f"{command}\n")
    for number, inode in enumerate(inodes):
        (root / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


def test_only_sockets_that_are_bound_to_that_interface_count(tmp_path: Path) -> None:
    (tmp_path / "thread-self/net").mkdir(parents=True)
    (tmp_path / "thread-self/net/packet").write_text(TABLE)
    process(tmp_path, 12, "dhclient", 1, 4001)
    process(tmp_path, 13, "lldpd", 4002)
    process(tmp_path, 14, "tcpdump", 4003)
    process(tmp_path, os.getpid(), "pytest", 4001)
    (tmp_path / "15").mkdir()  # ended while it was looked at
    assert listeners(7, proc_root=tmp_path) == (Listener(12, "dhclient"),)
    assert listeners(8, proc_root=tmp_path) == (Listener(13, "lldpd"),)
    assert listeners(9, proc_root=tmp_path) == ()
