"""What a look found packed on both sides: the host's routes that are alike, and what VPP has for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hostlink.core.alike import Alike
from hostlink.core.dump_order import DumpOrder
from hostlink.core.model import VppPaths
from hostlink.core.places import PlaceMap
from hostlink.core.route_set import AlikeRoutes, versions


@dataclass(frozen=True, slots=True)
class Packed:
    """Of the same places."""

    alike: PlaceMap[Alike]
    sent: PlaceMap[VppPaths]
    kinds: list[Alike]
    """Of `alike`, and perhaps more."""
    ways: tuple[VppPaths, ...] = ()
    """The paths of `sent`, and perhaps more; equal ones are one object."""
    blocks: tuple[AlikeRoutes, ...] | None = None
    """`alike` as it is kept, if that is known."""
    orders: Mapping[int, DumpOrder[Alike]] | None = None
    """By IP version that in which it is dumped, if known."""

    def counts(self) -> Mapping[int, int]:
        """How many there are of each IP version."""
        found = {version: len(order) for version, order in (self.orders or {}).items()}
        return found if sum(found.values()) == len(self.sent) else versions(self.sent)
