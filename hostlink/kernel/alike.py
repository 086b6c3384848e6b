"""Route messages read at the rate of a storm: what they say alike is read once (core/alike.py).

A storm's messages are hundreds that are as long as each other: their destinations are cut out of all of them at once
(core/runs.py), and what is left of each is looked up among what was read before. Where one is not known, each is read
by itself.

The kernel says the table first and the destination next (fib_dump_info in net/ipv4/fib_semantics.c, rt6_fill_node in
net/ipv6/route.c). A message is cut around its destination, and the rest looked up among the rests that were read
before: then nothing of it is read but the destination. A message that is not built so goes to the readers of routes.py
each time, and so does the first one of each kind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence

from hostlink.core.alike import Alike, AlikeChange, Cut, Place, place_of
from hostlink.core.model import Route
from hostlink.core.route_changes import Change, RouteChange
from hostlink.core.route_set import are_places, cut, pieces
from hostlink.core.runs import Layout
from hostlink.kernel import uapi
from hostlink.kernel.errors import reading
from hostlink.kernel.routes import HopCache, by_hand, by_pyroute2
from hostlink.kernel.sockets import HEADER

_ATTRIBUTE = struct.Struct("=HH")
_TABLE = _ATTRIBUTE.pack(8, uapi.RTA_TABLE)
_TABLE_AT, _DESTINATION_AT, ADDRESS_AT = 12, 20, 24
"""In the body, after struct rtmsg; the address comes after its attribute's header."""
ADDRESS_BYTES = {2: 4, 10: 16}
"""By address family."""
_MOST = 10_000
"""Kinds that are remembered."""

_AT_ONCE, _FEWEST = 500, 16
"""So many are read in one go. Fewer are sooner read each by itself: as many slices are made of them as of hundreds."""
_BY_THE_SENDER = tuple(range(8, 16))
"""Sequence and port in the header (struct nlmsghdr): whose request it was."""
VERSIONS = {2: 4, 10: 6}
"""IP version, by address family."""
_Layout = Callable[[bytes], tuple[bytes, ...]]
_HOST_BITS = {size: [(1 << 8 * size - length) - 1 for length in range(8 * size + 1)] for size in ADDRESS_BYTES.values()}
"""By bytes of the address and prefix length: what a prefix has not set."""


def layout_of(family: int, size: int, ignored: tuple[int, ...] = ()) -> Layout:
    """Where whole route messages of that address family and length, built as usual, have their destination."""
    return Layout(size, VERSIONS[family], HEADER.size + 1, HEADER.size + ADDRESS_AT, ignored)


class Alikes:
    """What was read so far; one for all that read routes, because an `Alike` is compared by identity."""

    def __init__(self) -> None:
        self.left_out: dict[int, int] = {}
        """Ifindex → about how many routes of other links there are, where that was seen."""
        self._hops: HopCache = {}
        self._by_cut: dict[Cut, Alike] = {}
        self._known: dict[tuple[bytes, ...], AlikeChange] = {}
        self._layouts: dict[tuple[int, int], _Layout] = {}
        self._runs: dict[tuple[int, int], Layout] = {}
        """By address family and length of the message."""
        self._said: dict[tuple[int, int], dict[bytes, AlikeChange]] = {}
        """By the same, and by the message without its destination, and without whose request it was."""

    def of(self, route: Route) -> Alike | None:
        """What a route that was read has in common with others, by its body; None where that is not so simple."""
        return self._alike(route.body, route) if route.body else None

    @reading("the routes")
    def read(self, messages: Sequence[bytes]) -> list[Change]:
        """Whole RTM_NEWROUTE and RTM_DELROUTE messages, in their order, without cache entries, which are no routes.

        Raises Unreadable; then of none of them is known what it says.
        """
        found: list[Change] = []
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            found += (self._read_run(some) if len(some) >= _FEWEST else []) or self._read_each(some)
        return found

    def _read_run(self, messages: Sequence[bytes]) -> list[Change]:
        """All of them at once; none, where not all are known and as long as the first."""
        size = len(messages[0])
        kind = messages[0][HEADER.size], size
        layout = self._runs.get(kind)
        if layout is None or {*map(len, messages)} != {size}:
            return []
        run = b"".join(messages)
        places = cut(layout.version, layout.places(run))
        # The family is in what is left of each: one of the other family is not among those that were said of this one.
        changes = list(map(self._said[kind].get, pieces(layout.blank(run), size)))
        if None in changes or not are_places(places, len(places[0])):
            return []
        return list(zip(changes, places, strict=True))  # type: ignore[arg-type]  # none of them is None

    def _read_each(self, messages: Iterable[bytes]) -> list[Change]:
        found: list[Change] = []
        known, layouts = self._known, self._layouts
        for message in messages:
            layout = layouts.get((message[16], len(message)))
            if layout is not None:
                said, family, length, middle, address, tail = layout(message)
                change = known.get((said, family, middle, tail))
                host_bits = _HOST_BITS[len(address)]
                if change is not None and (
                    length[0] < len(host_bits) and not int.from_bytes(address, "big") & host_bits[length[0]]
                ):
                    found.append((change, length + address))
                    continue
            self._read_one(message, found)
        return found

    def _read_one(self, message: bytes, found: list[Change]) -> None:
        body = message[HEADER.size :]
        _, kind, flags, _, _ = HEADER.unpack_from(message)
        if struct.unpack_from("=I", body, 8)[0] & uapi.RTM_F_CLONED:
            return
        self._forget_many()
        route = by_hand(body, self._hops) or by_pyroute2(body)
        gone, replaces = kind == uapi.RTM_DELROUTE, bool(flags & uapi.NLM_F_REPLACE)
        alike = self._alike(body, route)
        if alike is None:
            found.append((RouteChange(route, gone, replaces), None))
            return
        size = ADDRESS_BYTES[body[0]]
        layout = struct.Struct(f"=4x4s8x1s1s22s{size}s{len(body) - ADDRESS_AT - size}s").unpack
        self._layouts[body[0], len(message)] = layout
        said, family, length, middle, address, tail = layout(message)
        change = self._known[said, family, middle, tail] = AlikeChange(alike, gone, replaces)
        run = self._runs[body[0], len(message)] = layout_of(body[0], len(message), _BY_THE_SENDER)
        self._said.setdefault((body[0], len(message)), {})[bytes(run.blank(message))] = change
        found.append((change, length + address))

    def _alike(self, body: bytes, route: Route) -> Alike | None:
        size = ADDRESS_BYTES.get(body[0], 0)
        usual = (_TABLE, _ATTRIBUTE.pack(4 + size, uapi.RTA_DST))
        if not size or (body[_TABLE_AT : _TABLE_AT + 4], body[_DESTINATION_AT:ADDRESS_AT]) != usual:
            return None
        place: Place = body[1:2] + body[ADDRESS_AT : ADDRESS_AT + size]
        if route.expires_s is not None or place_of(route.prefix) != place:
            return None
        cut = (body[:1], body[2:ADDRESS_AT], body[ADDRESS_AT + size :])
        alike = self._by_cut.get(cut)
        if alike is None:
            alike = self._by_cut.setdefault(cut, Alike.of(route, cut))  # another thread may have been quicker
        return alike

    def _forget_many(self) -> None:
        for cache in (self._hops, self._by_cut, self._known, self._layouts):
            if len(cache) > _MOST:
                cache.clear()
        if len(self._runs) > _MOST or sum(map(len, self._said.values())) > _MOST:
            self._runs.clear()
            self._said.clear()
