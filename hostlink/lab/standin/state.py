"""Everything that the stand-in knows, in one place: what the API's handlers change and the graph reads.

Nothing here opens a socket; the clock is given, so that a test can be at any time it likes.
"""

from __future__ import annotations

import enum
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hostlink.lab.standin.classify import Classifier
from hostlink.lab.standin.fib import Fib
from hostlink.lab.standin.interfaces import Interface, Interfaces
from hostlink.lab.standin.neighbours import Neighbours
from hostlink.lab.standin.packet import Packet
from hostlink.lab.standin.punt import PuntedPorts, Redirects


@dataclass(frozen=True, slots=True)
class ProxyArpRange:
    table_id: int
    low: bytes
    high: bytes


@dataclass(frozen=True, slots=True)
class ReassemblyLimits:
    """As VPP starts with them (ip4_full_reass.c, ip4_sv_reass.c, and the same for IPv6)."""

    timeout_ms: int
    max_reassemblies: int = 1024
    max_reassembly_length: int = 3
    expire_walk_interval_ms: int = 50


@dataclass(slots=True)
class Datagram:
    """A datagram that is being put together: pieces by their offset in bytes, none over another, and the whole length
    once the last one is there.
    """

    last_heard_s: float
    fragments: int = 0
    pieces: dict[int, bytes] = field(default_factory=dict)
    length: int | None = None
    first: Packet | None = None

    def whole(self) -> bytes | None:
        if self.length is None:
            return None
        data = bytearray()
        while len(data) < self.length:
            piece = self.pieces.get(len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)


class InterfaceEvent(enum.Flag):
    ADMIN_UP = enum.auto()
    ADMIN_DOWN = enum.auto()
    LINK_UP = enum.auto()
    LINK_DOWN = enum.auto()
    ADDED = enum.auto()
    DELETED = enum.auto()


class State:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.interfaces = Interfaces()
        self.fib = Fib(self.interfaces)
        self.neighbours = Neighbours(self.fib, clock)
        self.redirects = {4: Redirects(), 6: Redirects()}
        self.punted_ports = PuntedPorts()
        self.classifier = Classifier()
        self.proxy_arp: list[ProxyArpRange] = []
        self.fragments: dict[bytes, Datagram] = {}
        self.reassembly = {
            (version, kind): ReassemblyLimits(timeout_ms)
            for version in (4, 6)
            for kind, timeout_ms in ((0, 200), (1, 100))
        }
        """Limits by IP version and kind (0: whole datagrams)."""
        self.local_reassembly = {4: True, 6: True}
        self.adjacencies: set[tuple[int, bytes]] = set()
        """Next hops that a route has used, by (sw_if_index, address)."""
        self.unresolved: list[tuple[int, bytes]] = []
        """Those of them that VPP asks for once, without a packet, because a route was added."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """Packets by (node, reason), as `show errors` prints them."""
        self.proxy_arp_enabled: set[int] = set()
        """Interfaces by number for which the proxy was asked for. VPP forgets none when the interface goes."""
        self.acl_slots: dict[str, dict[tuple[int, str], int]] = {"input": {}, "output": {}}
        """Classifier tables by (sw_if_index, slot). VPP forgets none when the interface goes."""
        self.interface_events: dict[int, InterfaceEvent] = {}
        """What happened to interfaces and was not yet told; several changes at once become one."""

    def happened(self, interface: Interface, event: InterfaceEvent) -> None:
        """To be told to those who want interface events, when the requests at hand are done."""
        index = interface.sw_if_index
        self.interface_events[index] = self.interface_events.get(index, InterfaceEvent(0)) | event

    def uses_next_hop(self, sw_if_index: int, address: bytes) -> None:
        """A route goes by that next hop. When it is the first, and nobody knows the MAC, VPP asks at once."""
        if (sw_if_index, address) in self.adjacencies:
            return
        self.adjacencies.add((sw_if_index, address))
        if self.neighbours.find(sw_if_index, address) is None:
            self.unresolved.append((sw_if_index, address))

    def forget_next_hops(self, sw_if_index: int) -> None:
        """The interface goes, its adjacencies with it: the next one of that number asks anew."""
        self.adjacencies = {one for one in self.adjacencies if one[0] != sw_if_index}
        self.unresolved = [one for one in self.unresolved if one[0] != sw_if_index]

    def error(self, node: str, reason: str) -> None:
        self.errors[(node, reason)] += 1
