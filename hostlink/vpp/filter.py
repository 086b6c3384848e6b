"""The filter that keeps neighbour advertisements from the host, and who holds an interface's output ACL slot.

Advertisements that answer VPP's own solicitations are punted to the host as well. The host then learns the routers'
real MACs on its side, sends frames to them, and VPP drops these for their MAC: IPv6 dies some seconds after it worked
(F22). A classifier on the host port's output ACL drops them; the ND proxy's own advertisements do not pass it.

One table serves every uplink of the node. It is found again by its mask. Binding it twice is a silent no-op in VPP,
and so is binding it where another table is bound, *also one left by an interface that is gone*: VPP keeps the slot by
sw_if_index when the interface is deleted (vnet/classify/in_out_acl.c, 26.06), and the next interface may get the same
number. So the slot is looked at before, unbound before the interface goes, and the only view of it that VPP has is
the text of `show outacl type ip6`.
"""

from __future__ import annotations

import re
from typing import Any

from hostlink.core.model import NO_INDEX
from hostlink.vpp.session import Request, Session

ICMP6 = 58
NEIGHBOUR_ADVERTISEMENT = 136
NEXT_HEADER_OFFSET = 6
ICMP_TYPE_OFFSET = 40
_SIZE = 48
"""Classifiers match whole vectors of 16 bytes; the type is in the third, counted from the IPv6 header."""
_DROP = 0


def _bytes_at(values: dict[int, int]) -> bytes:
    out = bytearray(_SIZE)
    for offset, value in values.items():
        out[offset] = value
    return bytes(out)


MASK = _bytes_at({NEXT_HEADER_OFFSET: 0xFF, ICMP_TYPE_OFFSET: 0xFF})
MATCH = _bytes_at({NEXT_HEADER_OFFSET: ICMP6, ICMP_TYPE_OFFSET: NEIGHBOUR_ADVERTISEMENT})

_TABLE: dict[str, Any] = {
    "nbuckets": 2,
    "memory_size": 1 << 20,
    "skip_n_vectors": 0,
    "match_n_vectors": _SIZE // 16,
    "next_table_index": NO_INDEX,
    "miss_next_index": NO_INDEX,
    "current_data_flag": 1,
    "current_data_offset": 0,
    "mask_len": _SIZE,
    "mask": MASK,
}


async def find_filter_table(session: Session) -> int | None:
    """The index of the table that an earlier life of hostlink made, or None."""
    ids = (await session.request("classify_table_ids")).ids
    replies = await session.batch([Request("classify_table_info", {"table_id": index}) for index in ids])
    for index, reply in zip(ids, replies, strict=True):
        if isinstance(reply, Exception):
            continue  # deleted between the two questions, by its owner
        if bytes(reply.mask)[: len(MASK)] == MASK and reply.active_sessions == 1 and reply.skip_n_vectors == 0:
            return int(index)
    return None


async def ensure_filter_table(session: Session) -> int:
    """The index of the table, made where there is none. Raises VppRefused."""
    found = await find_filter_table(session)
    if found is not None:
        return found
    table = await session.request("classify_add_del_table", is_add=True, table_index=NO_INDEX, **_TABLE)
    index = int(table.new_table_index)
    await session.request(
        "classify_add_del_session",
        is_add=True,
        table_index=index,
        hit_next_index=_DROP,
        opaque_index=NO_INDEX,
        match_len=_SIZE,
        match=MATCH,
    )
    return index


async def delete_filter_table(session: Session, index: int) -> None:
    """Delete the table; nothing may be bound to it any more."""
    # Said whole: VPP compares mask_len with match_n_vectors also where it deletes (-7, invalid value, 26.06).
    await session.request("classify_add_del_table", is_add=False, table_index=index, **_TABLE)


async def bound_tables(session: Session) -> dict[int, int]:
    """sw_if_index → classifier table on its IPv6 output, for every interface that has one."""
    reply = await session.request("cli_inband", cmd="show outacl type ip6")
    return parse_bound_tables(str(reply.reply))


def parse_bound_tables(text: str) -> dict[int, int]:
    """Read the first two columns of `show outacl`: interface index and table index; the third is a name."""
    return {int(sw): int(table) for sw, table in re.findall(r"^\s*(\d+)\s+(\d+)\s", text, re.MULTILINE)}
