"""Of which routes VPP may not have done what it was told last: it refused it, or never got it."""

from __future__ import annotations

from collections.abc import Iterable

from hostlink.core.alike import PackedRoutes, place_of
from hostlink.core.model import Prefix, VppRoute
from hostlink.core.places import Place


class Doubts:
    """Ask with `in`, by (VPP's table, prefix)."""

    def __init__(self) -> None:
        self._keys: set[tuple[int, Prefix]] = set()
        self._places: set[Place] = set()
        """The same in table 0, of packed destinations."""

    def update(self, add: Iterable[VppRoute], delete: Iterable[VppRoute], packed: PackedRoutes) -> None:
        """VPP was told these."""
        self._keys.update((route.table_id, route.prefix) for route in (*add, *delete))
        self._places.update(packed.places())

    def __contains__(self, key: tuple[int, Prefix]) -> bool:
        return key in self._keys or (key[0] == 0 and place_of(key[1]) in self._places)
