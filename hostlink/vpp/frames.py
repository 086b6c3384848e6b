"""VPP's socket framing: a 16-byte big-endian header (u64 unused, u32 length, u32 unused), then the message.

Each message starts with its id (u16); requests go on with client_index and context (u32 each), replies with the
context. (Source: vlibmemory/socket_api.c, msgbuf_t.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hostlink.vpp.errors import VppProtocolError

HEADER = struct.Struct(">8xI4x")
"""Unpacks to the length alone; packs the unused parts as zeros."""

LENGTH_AT, LENGTH_BYTES = 8, 4
"""Where the header has the length."""

MESSAGE_ID = struct.Struct(">H")

LONGEST_FRAME_BYTES = 32 << 20
"""The longest frame a VPP sends is its API definitions, 1 to 4 MiB with every plugin; anything far above is no VPP."""


def frame(message: bytes) -> bytes:
    """Put the header before a packed message."""
    return HEADER.pack(len(message)) + message


class FrameSplitter:
    """Cuts a byte stream into messages. Holds at most one unfinished frame, so memory is bounded by `longest_bytes`."""

    def __init__(self, longest_bytes: int = LONGEST_FRAME_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._held = bytearray()
        self._needed_bytes = HEADER.size

    @property
    def unfinished_bytes(self) -> int:
        """How much of an unfinished frame is held; 0 at a frame boundary."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each message completed by `data`, header removed. VppProtocolError: the stream is not VPP's framing."""
        whole = self.joined(data)
        return iter(()) if whole is None else self.cut(whole)

    def joined(self, data: bytes) -> bytes | None:
        """`data` behind what is held, which is given out: cut it, or what is left of it. None: no frame is complete."""
        if not self._held:
            return data
        self._held += data
        if len(self._held) < self._needed_bytes:
            return None
        data = bytes(self._held)
        self._held.clear()
        return data

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield each message that is complete, and hold the rest."""
        at, end = 0, len(data)
        self._needed_bytes = HEADER.size
        while end - at >= HEADER.size:
            (length,) = HEADER.unpack_from(data, at)
            if not MESSAGE_ID.size <= length <= self._longest_bytes:
                raise VppProtocolError(
                    f"a frame of {length} bytes came; VPP's are {MESSAGE_ID.size} to {self._longest_bytes} bytes long"
                )
            start, after = at + HEADER.size, at + HEADER.size + length
            if after > end:
                self._needed_bytes = after - at
                break
            yield data[start:after]
            at = after
        self._held += data[at:]
