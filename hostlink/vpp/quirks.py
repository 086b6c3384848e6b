"""What a release of VPP cannot do although its API has the word for it. By its version, where asking would harm it."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"v?(\d+)\.(\d+)")
_TABLES_MENDED = (26, 2)


def may_answer_in_tables(version: str | None) -> bool:
    """Whether a route whose path is ICMP unreachable or prohibit may be in another table than 0.

    Before 26.02 VPP dies of one (SIGSEGV): it takes the path to be by interface 0, which no
    other table is bound to, and looks the prefix up in a table that is none (fib_api_path_decode in vnet/fib/fib_api.c
    sets no interface, fib_attached_export.c uses it). version: as `show_version` has it; one that cannot be read counts
    as old.
    """
    return _is_since(version, _TABLES_MENDED)


def reaches_neighbours_from_tables(version: str | None) -> bool:
    """Whether what comes in by another table than 0 finds a neighbour on the link that VPP had yet to look for.

    Before 26.02 such a table's entry for the neighbour is made while the MAC is not known, and stays so for ever
    (vnet/ip-neighbor/ip_neighbor.c, ip_neighbor_alloc). Only one that a route goes by works. version: as above.
    """
    return _is_since(version, _TABLES_MENDED)


def _is_since(version: str | None, release: tuple[int, int]) -> bool:
    found = _RELEASE.match(version or "")
    return found is not None and (int(found[1]), int(found[2])) >= release
