"""Values of the wire's types as the stand-in keeps them: packed addresses, paths."""

from __future__ import annotations

from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.fib import Path


def packed_address(address: Values) -> bytes:
    """vl_api_address: 4 or 16 bytes by its family."""
    union: bytes = address["un"]
    return union[:16] if address["af"] else union[:4]


def wire_address(address: bytes) -> Values:
    return {"af": int(len(address) == 16), "un": address}


def packed_prefix(prefix: Values) -> tuple[bytes, int]:
    return packed_address(prefix["address"]), prefix["len"]


def wire_prefix(address: bytes, length: int) -> Values:
    return {"address": wire_address(address), "len": length}


def wire_path(path: Path) -> Values:
    return {
        "sw_if_index": path.sw_if_index,
        "table_id": path.table_id,
        "weight": path.weight,
        "preference": path.preference,
        "type": path.type,
        "flags": path.flags,
        "proto": path.proto,
        "nh": {"address": path.next_hop},
    }
