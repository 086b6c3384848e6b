"""The forwarding tables: prefixes, the sources that gave them, and longest-prefix lookup.

As in VPP, each entry keeps what every source said (an interface's address, the API, a neighbour), and the source of the
best priority decides. What a neighbour says counts only where a connected prefix of the same interface covers it (or of
the interface that lends it its address), so that nobody attracts traffic by an ARP packet. Lookup is a dictionary for
each prefix length, longest first. Prefixes are (integer network, length); addresses packed bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hostlink.lab.standin.interfaces import NONE, Interfaces

PATH_NORMAL, PATH_LOCAL, PATH_DROP = 0, 1, 2
PATH_ICMP_UNREACH, PATH_ICMP_PROHIBIT = 5, 6

CONNECTED, ATTACHED, LOCAL, DROP = 1, 2, 4, 8
"""Entry flags of a source."""

SPECIAL, INTERFACE, API, CLI, PROXY_ND, ND, ADJACENCY, RECURSIVE, DEFAULT_ROUTE = 1, 4, 8, 9, 13, 14, 15, 18, 20

SOURCES: dict[int, tuple[int, str]] = {
    0: (255, "invalid"),
    SPECIAL: (0, "special"),
    2: (1, "classify"),
    3: (2, "proxy"),
    INTERFACE: (3, "interface"),
    5: (16, "SR"),
    6: (32, "BIER"),
    7: (48, "6RD"),
    API: (128, "API"),
    CLI: (129, "CLI"),
    10: (144, "LISP"),
    11: (160, "MAP"),
    12: (176, "DHCP"),
    PROXY_ND: (192, "IPv6-proxy-nd"),
    ND: (193, "IPv6-nd"),
    ADJACENCY: (208, "adjacency"),
    16: (224, "mpls"),
    17: (240, "attached_export"),
    RECURSIVE: (251, "recursive-resolution"),
    19: (252, "urpf-exempt"),
    DEFAULT_ROUTE: (253, "default-route"),
    21: (254, "interpose"),
    22: (16, "path-mtu"),
}
"""Priority (the lower wins) and name of each source by its id: what fib_source_dump of a VPP with af_packet, tap and
ping prints (VPP 26.06, run)."""


_UNSHARED = (SPECIAL, INTERFACE, ADJACENCY, RECURSIVE)
"""Whose paths are an entry's alone; all others' are shared (VPP: fib_entry_src_api.c, FIB_PATH_LIST_FLAG_SHARED)."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way of a route. `next_hop` is packed, all zero for none; its family may differ from the route's."""

    type: int = PATH_NORMAL
    sw_if_index: int = NONE
    next_hop: bytes = b""
    table_id: int = 0
    weight: int = 1
    preference: int = 0
    flags: int = 0
    proto: int = 0
    """0 IPv4, 1 IPv6."""
    glean: bool = False
    dead: bool = False
    """Its interface was deleted: it never forwards again, not even when the number is given to another."""

    @property
    def has_next_hop(self) -> bool:
        return any(self.next_hop)


@dataclass(frozen=True, slots=True)
class Source:
    paths: tuple[Path, ...]
    flags: int = 0


@dataclass(slots=True)
class Entry:
    network: int
    length: int
    stats_index: int
    shown: bytes = b""
    """The address that dumps print: VPP keeps the host bits that an IPv4 prefix was first given with."""
    sources: dict[int, Source] = field(default_factory=dict)


class Table:
    """One IPv4 or IPv6 table."""

    def __init__(self, version: int, table_id: int, name: str) -> None:
        self.version = version
        self.table_id = table_id
        self.name = name
        self.bits = 32 if version == 4 else 128
        self.made = False
        """Whether a client of the API holds it: one lock for all of them together."""
        self._by_length: dict[int, dict[int, Entry]] = {}
        self._lengths: list[int] = []

    def masked(self, address: bytes, length: int) -> int:
        shift = self.bits - length
        return int.from_bytes(address) >> shift << shift

    def exact(self, address: bytes, length: int) -> Entry | None:
        return self._by_length.get(length, {}).get(self.masked(address, length))

    def covering(self, address: bytes, max_length: int | None = None) -> Iterator[Entry]:
        """Entries that hold the address, most specific first, none longer than max_length."""
        value = int.from_bytes(address)
        for length in self._lengths:
            if max_length is not None and length > max_length:
                continue
            shift = self.bits - length
            entry = self._by_length[length].get(value >> shift << shift)
            if entry is not None:
                yield entry

    def lookup(self, address: bytes) -> Entry:
        """There is always one: the default route."""
        return next(self.covering(address))

    def entries(self) -> Iterator[Entry]:
        """In VPP's order: short prefixes first."""
        for length in sorted(self._by_length):
            yield from self._by_length[length].values()

    def add(self, address: bytes, length: int, stats_index: int) -> Entry:
        """The entry of a prefix, made when there is none."""
        network = self.masked(address, length)
        entries = self._by_length.get(length)
        if entries is None:
            entries = self._by_length[length] = {}
            self._lengths = sorted(self._by_length, reverse=True)
        if network not in entries:
            shown = address if self.version == 4 else network.to_bytes(16)
            entries[network] = Entry(network, length, stats_index, shown)
        return entries[network]

    def remove(self, entry: Entry) -> None:
        entries = self._by_length[entry.length]
        del entries[entry.network]
        if not entries:
            del self._by_length[entry.length]
            self._lengths = sorted(self._by_length, reverse=True)

    def packed(self, entry: Entry) -> bytes:
        return entry.network.to_bytes(self.bits // 8)


class Fib:
    """All tables, and which source of an entry decides."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._tables: dict[tuple[int, int], Table] = {}
        self._next_stats_index = 1
        self._ghosts: list[list[Entry]] = []
        """What was in IPv4 tables that went: it is there again in the next one that is made, whatever its number, the
        last one's first (VPP 26.06, run; an IPv6 table is clean)."""
        self._recursing: Counter[tuple[int, int, bytes]] = Counter()
        """How many paths recurse through an address, by version, table and address."""
        self._killed: Counter[frozenset[Path]] = Counter()
        """How many sources say these paths, of which some died with their interface; as they were said."""
        self._dead: dict[frozenset[Path], frozenset[Path]] = {}
        """Which of them died."""
        self.priorities = {source: priority for source, (priority, _) in SOURCES.items()}
        self.names = {source: name for source, (_, name) in SOURCES.items()}
        for version in (4, 6):
            self.create_table(version, 0, "")

    def find(self, version: int, table_id: int) -> Table | None:
        return self._tables.get((version, table_id))

    def tables(self) -> list[Table]:
        return [self._tables[key] for key in sorted(self._tables)]

    def of_interface(self, version: int, sw_if_index: int) -> Table:
        interface = self._interfaces.find(sw_if_index)
        return self._tables[(version, interface.table(version) if interface else 0)]

    def create_table(self, version: int, table_id: int, name: str) -> Table:
        """A table with VPP's own entries; the one that is there, if it is there."""
        table = self._tables.get((version, table_id))
        if table is not None:
            return table
        table = self._tables[(version, table_id)] = Table(version, table_id, name or f"ipv{version}-VRF:{table_id}")
        for prefix, length, source in _OWN_ENTRIES[version]:
            self.update(table, prefix, length, source, Source((_drop_path(version),), DROP))
        if version == 6:
            self.update(table, _FE80, 10, SPECIAL, Source((Path(proto=1),)))
        for ghost in self._ghosts.pop() if version == 4 and self._ghosts else ():
            for source, what in ghost.sources.items():
                self.update(table, table.packed(ghost), ghost.length, source, what)
        return table

    def delete_table(self, table: Table) -> None:
        """The API's lock goes. It lives on, routes and all, while an interface is bound to it."""
        table.made = False
        self.drop_unheld(table)

    def drop_unheld(self, table: Table) -> None:
        """Away with a table that neither the API nor an interface holds."""
        if table.table_id == 0 or table.made:
            return
        if any(one.table(table.version) == table.table_id for one in self._interfaces):
            return
        if table.version == 4:
            own = {SPECIAL, DEFAULT_ROUTE, RECURSIVE}
            self._ghosts.append([entry for entry in table.entries() if entry.sources.keys() - own])
        del self._tables[(table.version, table.table_id)]

    def update(self, table: Table, address: bytes, length: int, source: int, what: Source) -> Entry:
        """Sets what one source says about a prefix."""
        entry = table.exact(address, length)
        if entry is None:
            entry = table.add(address, length, self._next_stats_index)
            self._next_stats_index += 1
        self._set(entry, source, what)
        return entry

    def _set(self, entry: Entry, source: int, what: Source | None) -> None:
        """Every change of what a source says comes through here, so that what is recursed through exists."""
        old = entry.sources.pop(source, None)
        if what is not None:
            entry.sources[source] = what = self._shared(source, what)
        if self._killed and old is not None and source not in _UNSHARED and any(path.dead for path in old.paths):
            self._killed[_said(old)] -= 1
            if not self._killed[_said(old)]:
                del self._killed[_said(old)], self._dead[_said(old)]
        if source != RECURSIVE:
            self._recurse(what, +1)
            self._recurse(old, -1)

    def _shared(self, source: int, what: Source) -> Source:
        """Routes of the same paths have one list of them in VPP, and it stays dead as long as one of them is there."""
        if not self._killed or source in _UNSHARED or not self._killed[_said(what)]:
            return what
        self._killed[_said(what)] += 1
        dead = self._dead[_said(what)]
        return replace(what, paths=tuple(replace(path, dead=path in dead) for path in what.paths))

    def _kill(self, source: int, what: Source, sw_if_index: int) -> Source:
        if source not in _UNSHARED:
            if not any(path.dead for path in what.paths):
                self._killed[_said(what)] += 1
            dying = frozenset(path for path in _said(what) if path.sw_if_index == sw_if_index)
            self._dead[_said(what)] = self._dead.get(_said(what), frozenset()) | dying
        return replace(what, paths=without(what.paths, sw_if_index))

    def _recurse(self, what: Source | None, change: int) -> None:
        for path in what.paths if what else ():
            if path.type == PATH_NORMAL and path.sw_if_index == NONE and path.has_next_hop:
                self._count_recursion(path, change)

    def _count_recursion(self, path: Path, change: int) -> None:
        table = self._tables.get((4 if path.proto == 0 else 6, path.table_id))
        if table is None:
            return
        key = (table.version, table.table_id, path.next_hop)
        self._recursing[key] += change
        if self._recursing[key] == 0:
            self.delete(table, path.next_hop, table.bits, RECURSIVE)
        elif change > 0:
            self.update(table, path.next_hop, table.bits, RECURSIVE, Source(()))

    def add_paths(self, table: Table, address: bytes, length: int, source: int, what: Source) -> Entry:
        """Adds paths to those that the source has; one that it has already is not doubled."""
        entry = table.exact(address, length)
        old = entry.sources.get(source) if entry else None
        if old is not None:
            kept = tuple(p for p in old.paths if not any(_same_path(p, new) for new in what.paths))
            what = Source(kept + what.paths, old.flags | what.flags)
        return self.update(table, address, length, source, what)

    def remove_paths(self, table: Table, address: bytes, length: int, source: int, paths: tuple[Path, ...]) -> None:
        entry = table.exact(address, length)
        if entry is None or source not in entry.sources:
            return
        old = entry.sources[source]
        kept = tuple(p for p in old.paths if not any(_same_path(p, gone) for gone in paths))
        if kept:
            self._set(entry, source, replace(old, paths=kept))
        else:
            self._drop_source(table, entry, source)

    def delete(self, table: Table, address: bytes, length: int, source: int) -> None:
        """What is absent is deleted without complaint: VPP's word, and a trap for who counts on a refusal."""
        entry = table.exact(address, length)
        if entry is not None:
            self._drop_source(table, entry, source)

    def forget_interface(self, sw_if_index: int) -> None:
        """Kills every path by an interface that goes."""
        for table in self._tables.values():
            for entry in table.entries():
                for source, what in entry.sources.items():
                    if any(path.sw_if_index == sw_if_index for path in what.paths):
                        entry.sources[source] = self._kill(source, what, sw_if_index)

    def _drop_source(self, table: Table, entry: Entry, source: int) -> None:
        self._set(entry, source, None)
        if not entry.sources:
            table.remove(entry)

    def best(self, table: Table, entry: Entry) -> tuple[int, Source]:
        """The source that decides, and what it says. A neighbour's word is used last, whether or not it counts."""
        source = min(entry.sources, key=lambda s: self.priorities.get(s, 255))
        what = entry.sources[source]
        if source == RECURSIVE:
            what = self._covered(table, entry)
        return source, what

    def forwards(self, table: Table, entry: Entry) -> bool:
        """False for an entry that only a neighbour gave, whose interface's prefix does not cover it: it is not
        installed, and packets take the route that covers it."""
        source, what = self.best(table, entry)
        return source != ADJACENCY or self._refines_cover(table, entry, what)

    def _covered(self, table: Table, entry: Entry) -> Source:
        """An entry that exists because routes recurse through it says what covers it says, for this one address."""
        cover = next(table.covering(table.packed(entry), entry.length - 1), None)
        if cover is None:
            return Source((_drop_path(table.version),), DROP)
        _, what = self.best(table, cover)
        address = table.packed(entry)
        paths = tuple(replace(p, next_hop=address, glean=False) if p.glean else p for p in what.paths)
        return Source(paths, what.flags)

    def _refines_cover(self, table: Table, entry: Entry, adjacency: Source) -> bool:
        cover = next(table.covering(table.packed(entry), entry.length - 1), None)
        if cover is None:
            return False
        _, best = self.best(table, cover)
        connected = cover.sources.get(INTERFACE)
        if not (best.flags & ATTACHED or (connected and connected.flags & ATTACHED)):
            return False
        cover_interface = best.paths[0].sw_if_index
        return any(self._belongs(path.sw_if_index, cover_interface) for path in adjacency.paths)

    def _belongs(self, sw_if_index: int, cover_interface: int) -> bool:
        if sw_if_index == cover_interface:
            return True
        interface = self._interfaces.find(sw_if_index)
        return interface is not None and interface.unnumbered == cover_interface


def without(paths: tuple[Path, ...], sw_if_index: int) -> tuple[Path, ...]:
    """The same paths, those by that interface dead."""
    return tuple(replace(p, dead=True) if p.sw_if_index == sw_if_index else p for p in paths)


def _said(what: Source) -> frozenset[Path]:
    """Its paths without what became of them."""
    return frozenset(replace(path, dead=False) for path in what.paths)


def _same_path(one: Path, other: Path) -> bool:
    key = ("type", "sw_if_index", "next_hop", "table_id", "proto")
    return all(getattr(one, name) == getattr(other, name) for name in key)


def _drop_path(version: int) -> Path:
    return Path(PATH_DROP, proto=0 if version == 4 else 1)


_FE80 = bytes.fromhex("fe80") + bytes(14)
_OWN_ENTRIES = {
    4: (
        (bytes(4), 0, DEFAULT_ROUTE),
        (bytes(4), 32, DEFAULT_ROUTE),
        (bytes([240, 0, 0, 0]), 4, SPECIAL),
        (bytes([224, 0, 0, 0]), 4, SPECIAL),
        (bytes([255] * 4), 32, DEFAULT_ROUTE),
    ),
    6: ((bytes(16), 0, DEFAULT_ROUTE),),
}
