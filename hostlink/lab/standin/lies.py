"""Answers that no VPP gives, on purpose, for tests only: what faults.py plans is done to an answer's frames here."""

from __future__ import annotations

import struct
from collections.abc import Callable

_HEADER = struct.Struct(">QII")
_NO_MESSAGE = 0xFFFF
_HUGE_BYTES = 1 << 30

Frames = list[bytes]


def _short(frames: Frames) -> Frames:
    """The last message lacks its end; its frame says so."""
    *others, last = frames
    return [*others, _framed(last[_HEADER.size : -1])]


def _huge(frames: Frames) -> Frames:
    """The first frame says that it is longer than anything that VPP has to say."""
    first, *others = frames
    return [_HEADER.pack(0, _HUGE_BYTES, 0) + first[_HEADER.size :], *others]


def _twice(frames: Frames) -> Frames:
    return [*frames, *frames]


def _unknown(frames: Frames) -> Frames:
    """The first message has a number that is no message's."""
    first, *others = frames
    return [_framed(_NO_MESSAGE.to_bytes(2) + first[_HEADER.size + 2 :]), *others]


def _framed(message: bytes) -> bytes:
    return _HEADER.pack(0, len(message), 0) + message


LIES: dict[str, Callable[[Frames], Frames]] = {"short": _short, "huge": _huge, "twice": _twice, "unknown": _unknown}
"""Of at least one frame."""
