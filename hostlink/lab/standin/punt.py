"""Where punted packets go: redirects with VPP's unchecked count, and which unknown ports are punted at all.

VPP switches redirecting on when its count goes from 0 to 1 and off when it comes back to 0, and counts every add and
delete, whether or not there was anything to add or delete (VPP: `ip4_punt_redirect_add_paths`,
`ip4_punt_redirect_del`). So deleting an absent redirect breaks the ones that are there, a repeated add leaks, and the
dump shows nothing of it. This is that count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hostlink.lab.standin.fib import Path, without
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.retvals import UNSPECIFIED, Refused

ALL_PORTS = 0xFFFF
TCP, UDP = 6, 17


@dataclass(slots=True)
class Redirects:
    """The punt redirects of one family."""

    by_interface: dict[int, tuple[Path, ...]] = field(default_factory=dict)
    """By the receiving sw_if_index; 0 stands for any, which the API calls ~0."""
    count: int = 0
    """VPP's, with its 32 bits: below 0 comes 4294967295."""
    enabled: bool = False

    def add(self, rx_sw_if_index: int, paths: tuple[Path, ...]) -> None:
        self.by_interface[_slot(rx_sw_if_index)] = paths
        self.count = (self.count + 1) & 0xFFFFFFFF
        if self.count == 1:
            self.enabled = True

    def delete(self, rx_sw_if_index: int) -> None:
        self.count = (self.count - 1) & 0xFFFFFFFF
        if self.count == 0:
            self.enabled = False
        self.by_interface.pop(_slot(rx_sw_if_index), None)

    def forget_interface(self, sw_if_index: int) -> None:
        """Redirects to an interface that goes stay, and drop."""
        for rx, paths in self.by_interface.items():
            self.by_interface[rx] = without(paths, sw_if_index)

    def find(self, rx_sw_if_index: int) -> tuple[Path, ...] | None:
        """Paths for a punted packet, or None when it is dropped."""
        if not self.enabled:
            return None
        return self.by_interface.get(rx_sw_if_index) or self.by_interface.get(0)


def _slot(rx_sw_if_index: int) -> int:
    return 0 if rx_sw_if_index == NONE else rx_sw_if_index


@dataclass(slots=True)
class PuntedPorts:
    """Which packets to closed ports of VPP are punted (VPP API: set_punt). No dump tells; cli_punt.py does."""

    unknown: set[tuple[int, int]] = field(default_factory=set)
    """(version, protocol) of which every closed port is punted."""
    ports: set[tuple[int, int]] = field(default_factory=set)
    """(version, port) of UDP."""

    def set(self, version: int, protocol: int, port: int, is_add: bool) -> None:
        if protocol not in (TCP, UDP):
            raise Refused(UNSPECIFIED)
        if port == ALL_PORTS:
            _put(self.unknown, (version, protocol), is_add)
        elif protocol == TCP:
            raise Refused(UNSPECIFIED)
        else:
            _put(self.ports, (version, port), is_add)

    def punts_udp(self, version: int, port: int) -> bool:
        return (version, UDP) in self.unknown or (version, port) in self.ports


def _put(into: set[tuple[int, int]], what: tuple[int, int], is_add: bool) -> None:
    if is_add:
        into.add(what)
    else:
        into.discard(what)
