"""Which addresses hostlink lets VPP's proxy ARP answer for, beside the ranges of other clients.

Ranges belong to a table and not to an interface. Where two hold an address, VPP answers once for each, the second time
over the answer of the first, and what leaves is no ARP answer at all (26.06, run: two Ethernet headers; so a range of
everything silenced the range that another client had for its pod). So hostlink's ranges are everything *but* what
others answer for; there, theirs answer the host too.

Such a piece must be known again as hostlink's by a later life of it. VPP keeps no owner, but it takes a range whose
ends are the wrong way round, which holds nothing: each piece is added with its mirror image, its mark. The whole range
needs none: it is hostlink's by what it is, unless somebody has pieces beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address

from hostlink.core.model import ProxyRange

PROXIED = ProxyRange(0, IPv4Address("0.0.0.1"), IPv4Address("255.255.255.254"))
"""The host asks VPP for everybody, so VPP answers for everybody."""


def ours(actual: Collection[ProxyRange]) -> frozenset[ProxyRange]:
    """Those that hostlink has made, marks too."""
    pieces = {one for one in actual if one.low < one.high and _mark(one) in actual}
    return frozenset([*pieces, *map(_mark, pieces), *({PROXIED} & set(actual))])


def around(wanted: Iterable[ProxyRange], others: Iterable[ProxyRange]) -> frozenset[ProxyRange]:
    """The ranges to have so that `wanted` is answered for, and nothing of what `others` answer for twice.

    An address alone between two ranges of others is left out: it would be its own mark.
    """
    others = sorted(others, key=lambda one: one.low)
    found: set[ProxyRange] = set()
    for whole in wanted:
        pieces = list(_cut(whole, [one for one in others if one.table_id == whole.table_id and one.low <= one.high]))
        found |= {whole} if pieces == [whole] else {one for piece in pieces for one in (piece, _mark(piece))}
    return frozenset(found)


def _cut(whole: ProxyRange, others: Iterable[ProxyRange]) -> Iterator[ProxyRange]:
    """What of a range is in none of the others, which are in order. A mark has nothing in it."""
    low, last = int(whole.low), int(whole.high)
    for other in others:
        yield from _piece(whole, low, min(int(other.low) - 1, last))
        low = max(low, int(other.high) + 1)
    yield from _piece(whole, low, last)


def _piece(whole: ProxyRange, low: int, high: int) -> Iterator[ProxyRange]:
    if low < high:
        yield ProxyRange(whole.table_id, IPv4Address(low), IPv4Address(high))


def _mark(piece: ProxyRange) -> ProxyRange:
    return ProxyRange(piece.table_id, piece.high, piece.low)
