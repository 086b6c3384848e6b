"""Neighbours: who has which MAC on which interface, and what that does to the forwarding table.

A neighbour gives its address an entry in the table (source adjacency) unless it was made with NO_FIB_ENTRY; that flag
is taken only when the neighbour is new. Static ones are not overwritten by what is learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hostlink.lab.standin.fib import ADJACENCY, ATTACHED, Fib, Path, Source
from hostlink.lab.standin.retvals import INVALID_SW_IF_INDEX, NO_SUCH_ENTRY, Refused

STATIC, NO_FIB_ENTRY = 1, 2


@dataclass(slots=True)
class Neighbour:
    sw_if_index: int
    address: bytes
    mac: bytes
    flags: int
    updated_at_s: float


def is_link_local(address: bytes) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


class Neighbours:
    def __init__(self, fib: Fib, clock: Callable[[], float]) -> None:
        self._fib = fib
        self._clock = clock
        self._by_key: dict[tuple[int, bytes], Neighbour] = {}

    def find(self, sw_if_index: int, address: bytes) -> Neighbour | None:
        return self._by_key.get((sw_if_index, address))

    def all(self, version: int, sw_if_index: int | None = None) -> Iterator[Neighbour]:
        size = 4 if version == 4 else 16
        found = [n for n in self._by_key.values() if len(n.address) == size]
        for neighbour in sorted(found, key=lambda n: n.sw_if_index):
            if sw_if_index is None or neighbour.sw_if_index == sw_if_index:
                yield neighbour

    def add(self, sw_if_index: int, address: bytes, mac: bytes, flags: int) -> None:
        neighbour = self.find(sw_if_index, address)
        if neighbour is None:
            self._by_key[(sw_if_index, address)] = Neighbour(sw_if_index, address, mac, flags, self._clock())
            if not flags & NO_FIB_ENTRY:
                self._add_route(sw_if_index, address)
            return
        if neighbour.flags & STATIC and not flags & STATIC:
            if neighbour.mac == mac:
                return
            raise Refused(INVALID_SW_IF_INDEX)
        neighbour.flags |= flags & STATIC
        neighbour.mac = mac
        neighbour.updated_at_s = self._clock()

    def learn(self, sw_if_index: int, address: bytes, mac: bytes) -> None:
        """From a packet: never against a static one."""
        neighbour = self.find(sw_if_index, address)
        if neighbour is None or not neighbour.flags & STATIC:
            self.add(sw_if_index, address, mac, 0)

    def remove(self, sw_if_index: int, address: bytes) -> None:
        neighbour = self._by_key.pop((sw_if_index, address), None)
        if neighbour is None:
            raise Refused(NO_SUCH_ENTRY)
        if not neighbour.flags & NO_FIB_ENTRY and not is_link_local(address):
            table = self._fib.of_interface(_version(address), sw_if_index)
            path = _path(sw_if_index, address)
            self._fib.remove_paths(table, address, table.bits, ADJACENCY, (path,))

    def remove_all(self, sw_if_index: int, *, learnt_only: bool = False) -> None:
        for key, neighbour in list(self._by_key.items()):
            if key[0] == sw_if_index and not (learnt_only and neighbour.flags & STATIC):
                self.remove(*key)

    def age(self, older_than_s: float) -> None:
        """Forgets what was learnt and not confirmed since; static ones stay."""
        now = self._clock()
        for key, neighbour in list(self._by_key.items()):
            if not neighbour.flags & STATIC and now - neighbour.updated_at_s > older_than_s:
                self.remove(*key)

    def _add_route(self, sw_if_index: int, address: bytes) -> None:
        if is_link_local(address):
            return
        table = self._fib.of_interface(_version(address), sw_if_index)
        source = Source((_path(sw_if_index, address),), ATTACHED)
        self._fib.add_paths(table, address, table.bits, ADJACENCY, source)


def _version(address: bytes) -> int:
    return 4 if len(address) == 4 else 6


def _path(sw_if_index: int, address: bytes) -> Path:
    return Path(sw_if_index=sw_if_index, next_hop=address, proto=0 if len(address) == 4 else 1)
