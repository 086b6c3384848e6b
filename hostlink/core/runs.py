"""Messages of one length that follow one another and differ by a destination: handled byte by byte, for all at once.

A slice with a stride takes the same byte of each message, without a line of Python for any of them. So the destinations
of hundreds are gathered, or written, by as many slices as a destination has bytes, and the messages without them are
compared with what they should be as one piece of memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hostlink.core.route_set import place_bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one message has what differs; all in bytes from its start."""

    size: int
    """Of the whole message: where the next one begins."""
    version: int
    """IP version of the destination."""
    length_at: int
    """The prefix length, one byte."""
    address_at: int
    """The address, 4 or 16 bytes."""
    ignored: tuple[int, ...] = ()
    """Bytes that say nothing, whatever they are."""

    def places(self, run: bytes | memoryview) -> bytes:
        """The destinations, joined (core/route_set.py). run: whole messages."""
        step = place_bytes(self.version)
        joined = bytearray(len(run) // self.size * step)
        joined[::step] = run[self.length_at :: self.size]
        for byte in range(step - 1):
            joined[1 + byte :: step] = run[self.address_at + byte :: self.size]
        return bytes(joined)

    def blank(self, run: bytes | memoryview) -> bytearray:
        """The messages with zeros for what differs."""
        blanked = bytearray(run)
        zeros = bytes(len(blanked) // self.size)
        for at in self._differing():
            blanked[at :: self.size] = zeros
        return blanked

    def fill(self, run: bytearray, places: bytes) -> None:
        """Write joined destinations, one into each message."""
        step = place_bytes(self.version)
        run[self.length_at :: self.size] = places[::step]
        for byte in range(step - 1):
            run[self.address_at + byte :: self.size] = places[1 + byte :: step]

    def _differing(self) -> Iterable[int]:
        address = range(self.address_at, self.address_at + place_bytes(self.version) - 1)
        return (self.length_at, *address, *self.ignored)
