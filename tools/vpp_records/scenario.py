"""Where scenarios are registered, the addresses that they use, and classifiers written in one line each."""

from __future__ import annotations

from collections.abc import Callable

from hostlink.lab.standin.interfaces import NONE
from tools.vpp_records.steps import Request, Scenario, ask

SCENARIOS: dict[str, Callable[[], Scenario]] = {}
SHARED, SHARED6, SHARED_LL = "192.168.0.1", "fd00::1", "fe80::aa"
ROUTER, ROUTER6, ROUTER_LL = "192.168.0.254", "fd00::fe", "fe80::fe"
FAR, FAR6, POD_IP = "203.0.113.9", "2001:db8::9", "10.0.0.5"
NEAR_MAC = bytes.fromhex("020000000033")


def scenario(function: Callable[[], Scenario]) -> Callable[[], Scenario]:
    SCENARIOS[function.__name__] = function
    return function


def acl(name: str, sw_if_index: int, is_add: bool, **tables: int) -> Request:
    indices = {f"{slot}_table_index": tables.get(slot, NONE) for slot in ("ip4", "ip6", "l2")}
    return ask(name, sw_if_index=sw_if_index, is_add=is_add, **indices)


def table(mask: bytes, skip: int = 0, **fields: int) -> Request:
    return ask(
        "classify_add_del_table",
        is_add=True,
        table_index=NONE,
        nbuckets=2,
        memory_size=1 << 20,
        skip_n_vectors=skip,
        match_n_vectors=len(mask) // 16,
        next_table_index=NONE,
        miss_next_index=fields.get("miss_next_index", NONE),
        current_data_flag=fields.get("current_data_flag", 1),
        mask_len=len(mask),
        mask=mask,
    )


def session(index: int, match: bytes, hit_next_index: int = NONE, **fields: int) -> Request:
    return ask(
        "classify_add_del_session",
        is_add=fields.pop("is_add", True),
        table_index=index,
        hit_next_index=hit_next_index,
        opaque_index=NONE,
        match_len=len(match),
        match=match,
        **fields,
    )


def at(size: int, **bytes_at: bytes) -> bytes:
    """Zeros with something at `_offset`."""
    out = bytearray(size)
    for offset, value in bytes_at.items():
        start = int(offset[1:])
        out[start : start + len(value)] = value
    return bytes(out)
