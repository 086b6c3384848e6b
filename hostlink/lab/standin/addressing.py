"""Addresses of interfaces and the routes that they bring, with VPP's refusals.

The routes of an address are in the table while its interface is admin-up: the address itself (local), its prefix
(glean), and for IPv4 a drop for the prefix's first and last address. With an address goes what was learnt of the others
in its prefix.
"""

from __future__ import annotations

from hostlink.lab.standin import ip6link
from hostlink.lab.standin.fib import (
    ATTACHED,
    CONNECTED,
    DROP,
    INTERFACE,
    LOCAL,
    PATH_DROP,
    PATH_LOCAL,
    Path,
    Source,
    Table,
)
from hostlink.lab.standin.interfaces import Interface, InterfaceAddress
from hostlink.lab.standin.neighbours import STATIC, is_link_local
from hostlink.lab.standin.retvals import (
    ADDRESS_IN_USE,
    ADDRESS_LENGTH_MISMATCH,
    ADDRESS_NOT_FOUND_FOR_INTERFACE,
    DUPLICATE_IF_ADDRESS,
    UNSUPPORTED,
    Refused,
)
from hostlink.lab.standin.state import InterfaceEvent, State


def add(state: State, interface: Interface, address: bytes, length: int) -> None:
    version = 4 if len(address) == 4 else 6
    if interface.sw_if_index == 0:
        raise Refused(UNSUPPORTED)
    if version == 6 and is_link_local(address):
        ip6link.add_link_local_address(state, interface, address, length)
        return
    _refuse_conflict(state, interface, address, length if length <= len(address) * 8 else 0)
    if not 0 < length <= len(address) * 8:
        raise Refused(ADDRESS_LENGTH_MISMATCH)
    interface.addresses(version).append(InterfaceAddress(address, length))
    if version == 6:
        ip6link.hold(state, interface)
    if interface.admin_up:
        _add_routes(state, interface, address, length)


def _refuse_conflict(state: State, interface: Interface, address: bytes, length: int) -> None:
    """VPP allows several addresses of one prefix on one interface, and no other overlap within a table."""
    version = 4 if len(address) == 4 else 6
    for other in state.interfaces:
        if other.table(version) != interface.table(version):
            continue
        for held in state.interfaces.addresses(other, version, honour_unnumbered=False):
            if not _overlap(held.address, address, min(held.length, length)):
                continue
            same_prefix = other is interface and held.length == length
            if same_prefix and held.address != address:
                continue
            raise Refused(DUPLICATE_IF_ADDRESS if version == 6 else ADDRESS_IN_USE)


def _overlap(one: bytes, other: bytes, length: int) -> bool:
    shift = len(one) * 8 - length
    return int.from_bytes(one) >> shift == int.from_bytes(other) >> shift


def remove(state: State, interface: Interface, address: bytes, length: int) -> None:
    version = 4 if len(address) == 4 else 6
    if version == 6 and is_link_local(address):
        ip6link.remove_link_local_address(state, interface, address, length)
        return
    found = InterfaceAddress(address, length)
    if found not in interface.addresses(version):
        raise Refused(ADDRESS_NOT_FOUND_FOR_INTERFACE)
    interface.addresses(version).remove(found)
    if interface.admin_up:
        _remove_routes(state, interface, address, length)
    _forget_neighbours(state, interface, address, length)
    if version == 6:
        ip6link.release(state, interface)


def remove_all(state: State, interface: Interface) -> None:
    for version in (4, 6):
        for held in list(interface.addresses(version)):
            remove(state, interface, held.address, held.length)


def set_admin(state: State, interface: Interface, up: bool) -> None:
    """Up or down, and the link with it, as VPP's drivers do. What was learnt on the interface is forgotten."""
    if interface.admin_up == up:
        return
    interface.admin_up = up
    state.happened(interface, InterfaceEvent.ADMIN_UP if up else InterfaceEvent.ADMIN_DOWN)
    if interface.link_up != up:
        interface.link_up = up
        state.happened(interface, InterfaceEvent.LINK_UP if up else InterfaceEvent.LINK_DOWN)
    change = _add_routes if up else _remove_routes
    for version in (4, 6):
        for held in interface.addresses(version):
            change(state, interface, held.address, held.length)
    if not up:
        state.neighbours.remove_all(interface.sw_if_index, learnt_only=True)


def _add_routes(state: State, interface: Interface, address: bytes, length: int) -> None:
    table = state.fib.of_interface(4 if len(address) == 4 else 6, interface.sw_if_index)
    proto = 0 if table.version == 4 else 1
    index = interface.sw_if_index
    local = Path(PATH_LOCAL, index, address, proto=proto)
    state.fib.update(table, address, table.bits, INTERFACE, Source((local,), CONNECTED | LOCAL))
    if length == table.bits:
        return
    glean = Path(sw_if_index=index, next_hop=bytes(len(address)), proto=proto, glean=True)
    state.fib.update(table, address, length, INTERFACE, Source((glean,), CONNECTED | ATTACHED))
    for edge in _edges(table, address, length):
        drop = Source((Path(PATH_DROP),), DROP)
        state.fib.update(table, edge, 32, INTERFACE, drop)
    if table.version == 4 and length == 31:
        other = _flipped(address)
        peer = Path(sw_if_index=index, next_hop=other)
        state.fib.update(table, other, 32, INTERFACE, Source((peer,), ATTACHED))
        state.uses_next_hop(index, other)


def _remove_routes(state: State, interface: Interface, address: bytes, length: int) -> None:
    table = state.fib.of_interface(4 if len(address) == 4 else 6, interface.sw_if_index)
    state.fib.delete(table, address, table.bits, INTERFACE)
    if length == table.bits or _prefix_still_held(interface, table, address, length):
        return
    for edge in _edges(table, address, length):
        state.fib.delete(table, edge, 32, INTERFACE)
    if table.version == 4 and length == 31:
        state.fib.delete(table, _flipped(address), 32, INTERFACE)
    state.fib.delete(table, address, length, INTERFACE)


def _forget_neighbours(state: State, interface: Interface, address: bytes, length: int) -> None:
    """All that was learnt of the prefix, also while another address of it stays (vnet/ip-neighbor/ip_neighbor.c)."""
    for neighbour in list(state.neighbours.all(4 if len(address) == 4 else 6, interface.sw_if_index)):
        if not neighbour.flags & STATIC and _overlap(neighbour.address, address, length):
            state.neighbours.remove(neighbour.sw_if_index, neighbour.address)


def _prefix_still_held(interface: Interface, table: Table, address: bytes, length: int) -> bool:
    if not interface.admin_up:
        return False
    network = table.masked(address, length)
    held = interface.addresses(table.version)
    return any(a.length == length and table.masked(a.address, length) == network for a in held)


def _edges(table: Table, address: bytes, length: int) -> list[bytes]:
    """First and last address of an IPv4 prefix that has them to spare; not the interface's own."""
    if table.version == 6 or length > 30:
        return []
    first = table.masked(address, length)
    last = first | ((1 << (32 - length)) - 1)
    return [edge for edge in (first.to_bytes(4), last.to_bytes(4)) if edge != address]


def _flipped(address: bytes) -> bytes:
    return (int.from_bytes(address) ^ 1).to_bytes(4)
