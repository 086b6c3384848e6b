"""Stands between a client and VPP's API socket, and says when each reply of one kind passed.

Run inside VPP's network namespace, because hostlink looks where the process at the socket runs:
`python -m tools.benches.api_proxy LISTEN CONNECT MESSAGE_ID`. Each reply gives a line on stdout: CLOCK_MONOTONIC in
nanoseconds. One client at a time; ends when that leaves.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

_HEADER = struct.Struct(">QII")
"""VPP's framing: unused, length of the message, unused (vpp-facts.md §1)."""


class _Replies:
    """Finds the frames in VPP's stream and tells of those with the id."""

    def __init__(self, message_id: int) -> None:
        self._id = message_id.to_bytes(2, "big")
        self._rest = b""

    def count(self, data: bytes) -> int:
        buffer, at, found = self._rest + data, 0, 0
        while at + _HEADER.size + 2 <= len(buffer):
            _, length, _ = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + length
            if end > len(buffer):
                break
            found += buffer[at + _HEADER.size : at + _HEADER.size + 2] == self._id
            at = end
        self._rest = buffer[at:]
        return found


def main(listen: str, connect: str, message_id: int) -> None:
    """Serve one client."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(listen)
        server.listen(16)
        while True:
            client, _ = server.accept()
            with client, socket.socket(socket.AF_UNIX) as vpp:
                vpp.connect(connect)
                _forward(client, vpp, _Replies(message_id))


def _forward(client: socket.socket, vpp: socket.socket, replies: _Replies) -> None:
    to = {client: vpp, vpp: client}
    while True:
        for source in select.select([client, vpp], [], [])[0]:
            data = source.recv(1 << 18)
            if not data:
                return
            to[source].sendall(data)
            if source is vpp and (count := replies.count(data)):
                print(f"{time.monotonic_ns()}\n" * count, end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
