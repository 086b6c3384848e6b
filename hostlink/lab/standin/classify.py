"""Classifier tables and the ACL slots of interfaces that use them.

A table looks at `match` vectors of 16 bytes after `skip` of them, under a mask; a session is what those bytes must
be. The tables of an ACL count from the IP header (`current_data_flag=1`) or from the Ethernet header. A second
`input_acl_set_interface` on a taken slot answers 0 and changes nothing: VPP's silent clash, kept. A slot is noted
by the interface's number, and stays noted when the interface is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.retvals import (
    CLASSIFY_TABLE_NOT_FOUND,
    INVALID_MEMORY_SIZE,
    INVALID_VALUE,
    NO_SUCH_ENTRY,
    NO_SUCH_TABLE,
    Refused,
)

VECTOR_BYTES = 16
ACTION_NONE, ACTION_SET_IP4_TABLE, ACTION_SET_IP6_TABLE, ACTION_SET_METADATA = range(4)
DENY = 0
"""The next index that drops."""


@dataclass(frozen=True, slots=True)
class Session:
    hit_next_index: int
    action: int
    metadata: int
    advance: int


@dataclass(slots=True)
class ClassifyTable:
    index: int
    mask: bytes
    buckets: int
    skip: int
    match: int
    next_table_index: int
    miss_next_index: int
    current_data: bool
    current_data_offset: int
    sessions: dict[bytes, Session] = field(default_factory=dict)

    def key(self, data: bytes) -> bytes:
        """The masked bytes that a session is found by; data shorter than the window is taken as zeros."""
        start = self.skip * VECTOR_BYTES
        window = data[start : start + len(self.mask)].ljust(len(self.mask), b"\0")
        return bytes(a & b for a, b in zip(window, self.mask, strict=True))


class Classifier:
    def __init__(self) -> None:
        self.tables: dict[int, ClassifyTable] = {}
        self._free: list[int] = []

    def get(self, index: int, error: int = NO_SUCH_TABLE) -> ClassifyTable:
        table = self.tables.get(index)
        if table is None:
            raise Refused(error)
        return table

    def add(self, table: ClassifyTable, memory_size_bytes: int) -> ClassifyTable:
        """Gives it an index. Refuses what VPP refuses, in its order."""
        if memory_size_bytes == 0:
            raise Refused(INVALID_MEMORY_SIZE)
        if table.buckets == 0 or not 1 <= table.match <= 5:
            raise Refused(INVALID_VALUE)
        table.index = self._free.pop() if self._free else len(self.tables)
        self.tables[table.index] = table
        return table

    def delete(self, index: int, chain: bool) -> None:
        table = self.get(index)
        if chain and table.next_table_index in self.tables:
            self.delete(table.next_table_index, chain)
        del self.tables[index]
        self._free.append(index)

    def set_session(self, index: int, match: bytes, session: Session, is_add: bool) -> None:
        table = self.get(index)
        if len(match) != (table.skip + table.match) * VECTOR_BYTES:
            raise Refused(INVALID_VALUE)
        key = table.key(match)
        if is_add:
            table.sessions[key] = session
        elif table.sessions.pop(key, None) is None:
            raise Refused(NO_SUCH_ENTRY)

    def lookup(self, index: int, l2_frame: bytes, l3_offset: int) -> tuple[Session | None, int]:
        """The session that a packet hits along the chain of tables, and the last table's next index for a miss."""
        table = self.get(index, CLASSIFY_TABLE_NOT_FOUND)
        while True:
            start = l3_offset + table.current_data_offset if table.current_data else 0
            session = table.sessions.get(table.key(l2_frame[max(start, 0) :]))
            if session is not None:
                return session, NONE
            if table.next_table_index not in self.tables:
                return None, table.miss_next_index
            table = self.tables[table.next_table_index]


@dataclass(slots=True)
class AclSlots:
    """One interface's input or output slots: what VPP has noted by the interface's number, and what really happens."""

    sw_if_index: int
    noted: dict[tuple[int, str], int]
    active: dict[str, int]

    def set(self, classifier: Classifier, wanted: dict[str, int], is_add: bool) -> None:
        """The first slot that is noted as taken ends the request, with success."""
        for name, index in wanted.items():
            if index == NONE:
                continue
            classifier.get(index)
            key = (self.sw_if_index, name)
            if not is_add and self.noted.get(key) != index:
                raise Refused(NO_SUCH_TABLE)
            if is_add and key in self.noted:
                return
            if is_add:
                self.noted[key] = self.active[name] = index
            else:
                del self.noted[key]
                self.active.pop(name, None)
