"""What a dump of routes says as a whole, in 32 bytes: a table that reads as it did when it was right is right.

To look up each of a million routes takes a second and a half of Python; to find that every byte which means something
is as it was takes a third of that. What means nothing is blanked: contexts, the index of statistics, what stands behind
an IPv4 address. (Definition: ip_route_v2_details in vnet/ip/ip.api.)
"""

from __future__ import annotations

import hashlib

from hostlink.core.model import Family
from hostlink.core.route_set import PLACE4_BYTES
from hostlink.vpp.codec import Codec
from hostlink.vpp.frames import HEADER, LENGTH_AT, LENGTH_BYTES
from hostlink.vpp.route_details import ADDRESS_BYTES, LEAST, MOST, meaningless
from hostlink.vpp.route_layout import route_layout
from hostlink.vpp.route_packer import DETAILS

_CONTEXT_BYTES = 4
_LENGTH = slice(LENGTH_AT, LENGTH_AT + LENGTH_BYTES)


class TableDigest:
    """Of the details of one dump, in their order, however many are taken at once."""

    def __init__(self, codec: Codec, family: Family) -> None:
        layout = route_layout(codec, DETAILS)
        unsaid = meaningless(layout)
        unsaid.update(HEADER.size + layout.context + byte for byte in range(_CONTEXT_BYTES))
        if family is Family.IPV4:
            address = HEADER.size + layout.address
            unsaid.update(range(address + PLACE4_BYTES - 1, address + ADDRESS_BYTES))
        self._unsaid = sorted(unsaid)
        self._least_bytes = HEADER.size + layout.head.size
        self._hash = hashlib.sha256()
        self._reach = LEAST

    def take(self, data: bytes, begin: bytes) -> int:
        """The whole frames at its start whose messages begin so (message id and context). Returns their size."""
        view, at = memoryview(data), 0
        while size := self._take_some(view[at:], begin):
            at += size
        return at

    def _take_some(self, view: memoryview, begin: bytes) -> int:
        if len(view) < HEADER.size + len(begin) or view[HEADER.size : HEADER.size + len(begin)] != begin:
            return 0
        size = HEADER.size + HEADER.unpack_from(view)[0]
        run = bytearray(view[: min(len(view) // size, self._reach) * size])
        if not run:
            return 0
        if _are_in_step(run, size, begin):
            self._reach = min(2 * self._reach, MOST)
        else:
            self._reach = LEAST
            del run[size:]
        if size >= self._least_bytes:  # else it fits no definition: whoever reads it says so
            zeros = bytes(len(run) // size)
            for at in self._unsaid:
                run[at::size] = zeros
        self._hash.update(run)
        return len(run)

    def value(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


def _are_in_step(run: bytearray, size: int, begin: bytes) -> bool:
    """Whether all frames of the run have the length of the first, and begin as it."""
    count = len(run) // size
    fixed = [*enumerate(run[_LENGTH], LENGTH_AT), *enumerate(begin, HEADER.size)]
    return all(run[at::size].count(one) == count for at, one in fixed)
