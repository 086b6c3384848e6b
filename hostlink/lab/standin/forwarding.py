"""From a table's entry to what is done with a packet: drop, receive, resolve, rewrite.

Resolved anew for each packet: routes come by the hundred thousand and packets by the thousand. A path by an interface
that is down does not count; one without an interface goes on where its next hop leads.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hostlink.lab.standin import fib as fibs
from hostlink.lab.standin.fib import Entry, Path, Table
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.neighbours import is_link_local
from hostlink.lab.standin.state import State

MAX_RECURSION = 8
ALL_ONES6 = b"\xff" * 16
"""As the next hop of an IPv4 route: VPP's broadcast adjacency."""


class Kind(enum.Enum):
    DROP = "drop"
    RECEIVE = "receive"
    GLEAN = "glean"
    ADJACENCY = "adjacency"
    BROADCAST = "broadcast"
    LINK_LOCAL = "link-local"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"


@dataclass(frozen=True, slots=True)
class Forwarding:
    kind: Kind
    sw_if_index: int = NONE
    next_hop: bytes = b""
    """Of an adjacency. For a glean, the packet's destination takes its place."""
    connected: bytes = b""
    """Of a glean: the interface's address in that prefix, which asks; empty for an attached route."""


DROP = Forwarding(Kind.DROP)


def lookup(state: State, table: Table, address: bytes, flow: int = 0) -> Forwarding:
    """What is done with a packet for that address. `flow` spreads flows over equal paths.

    A neighbour that no prefix of its interface covers has an entry, but not in forwarding (UNRESOLVED in `show ip6
    fib`): the route that covers it goes on counting (VPP 26.06, run; fib_entry_src_adj_activate).
    """
    entry = next(entry for entry in table.covering(address) if state.fib.forwards(table, entry))
    found = resolve(state, table, entry, flow)
    return (_exported(state, table, found, address) or found) if found.kind is Kind.GLEAN else found


def _exported(state: State, table: Table, glean: Forwarding, address: bytes) -> Forwarding | None:
    """What the interface's own table knows of one address, where an attached route of another table leads to it.

    VPP copies such entries over, neighbours and the interface's own addresses (vnet/fib/fib_attached_export.c).
    """
    own = state.fib.of_interface(table.version, glean.sw_if_index)
    entry = own.exact(address, own.bits) if own is not table else None
    return resolve(state, own, entry) if entry is not None and state.fib.forwards(own, entry) else None


def resolve(state: State, table: Table, entry: Entry, flow: int = 0, depth: int = 0) -> Forwarding:
    if not state.fib.forwards(table, entry):
        return DROP
    _, source = state.fib.best(table, entry)
    choices = [found for path in source.paths if (found := _resolve_path(state, table, entry, path, depth))]
    if not choices:
        return DROP
    best = min(preference for preference, _, _ in choices)
    weighted = [forwarding for preference, weight, forwarding in choices if preference == best for _ in range(weight)]
    return weighted[flow % len(weighted)]


def _resolve_path(
    state: State, table: Table, entry: Entry, path: Path, depth: int
) -> tuple[int, int, Forwarding] | None:
    """Preference, weight, and what it leads to; None for a path that is not resolved."""
    forwarding = _forwarding_of(state, table, entry, path, depth)
    if forwarding is None:
        return None
    return path.preference, max(path.weight, 1), forwarding


def _forwarding_of(state: State, table: Table, entry: Entry, path: Path, depth: int) -> Forwarding | None:
    if path.dead:
        return None
    special = _SPECIAL.get(path.type)
    if special is not None:
        return Forwarding(special, path.sw_if_index)
    if path.sw_if_index == NONE:
        return _recurse(state, table, entry, path, depth)
    interface = state.interfaces.find(path.sw_if_index)
    if interface is None or not interface.up:
        return None
    if path.has_next_hop:
        if path.next_hop == ALL_ONES6 and table.version == 4:
            return Forwarding(Kind.BROADCAST, path.sw_if_index)
        return Forwarding(Kind.ADJACENCY, path.sw_if_index, path.next_hop)
    return Forwarding(Kind.GLEAN, path.sw_if_index, connected=_connected_address(state, table, entry, path))


def _recurse(state: State, table: Table, entry: Entry, path: Path, depth: int) -> Forwarding | None:
    if entry.length == 10 and table.version == 6 and is_link_local(table.packed(entry)):
        return Forwarding(Kind.LINK_LOCAL)
    via = state.fib.find(4 if path.proto == 0 else 6, path.table_id)
    if via is None or depth > MAX_RECURSION:
        return None
    if not path.has_next_hop:
        return None
    found = via.lookup(path.next_hop)
    if found is entry:
        return None
    forwarding = resolve(state, via, found, depth=depth + 1)
    if forwarding.kind is Kind.GLEAN:
        return Forwarding(Kind.ADJACENCY, forwarding.sw_if_index, path.next_hop)
    return None if forwarding.kind is Kind.DROP else forwarding


def _connected_address(state: State, table: Table, entry: Entry, path: Path) -> bytes:
    interface = state.interfaces.find(path.sw_if_index)
    for own in interface.addresses(table.version) if interface else ():
        if own.length == entry.length and table.masked(own.address, own.length) == entry.network:
            return own.address
    return b""


_SPECIAL = {
    fibs.PATH_LOCAL: Kind.RECEIVE,
    fibs.PATH_DROP: Kind.DROP,
    fibs.PATH_ICMP_UNREACH: Kind.UNREACHABLE,
    fibs.PATH_ICMP_PROHIBIT: Kind.PROHIBITED,
}


def source_address(state: State, sw_if_index: int, destination: bytes) -> bytes | None:
    """The address that VPP itself speaks with on an interface: that with the longest prefix in common with the other
    end.

    For a link-local destination it is the interface's link-local. An unnumbered interface uses its lender's addresses.
    """
    interface = state.interfaces.find(sw_if_index)
    if interface is None:
        return None
    version = 4 if len(destination) == 4 else 6
    if version == 6 and (is_link_local(destination) or destination[:2] == b"\xff\x02"):
        return interface.ip6.link_local if interface.ip6 else None
    own = state.interfaces.addresses(interface, version)
    target = int.from_bytes(destination)
    return min((a.address for a in own), key=lambda a: (int.from_bytes(a) ^ target).bit_length(), default=None)
