"""VPP's paths for routes of a kind, found once for all of them (core/route_book.py)."""

from __future__ import annotations

from collections.abc import Collection

from hostlink.core.alike import Alike, Place
from hostlink.core.attached import Leaning
from hostlink.core.desired_routes import Translator
from hostlink.core.model import Route, VppPaths

_MOST_KINDS = 10_000


class KindPaths:
    """leaning: by which more than a route itself hangs on its gateway. ways: paths known before, each once."""

    def __init__(self, translator: Translator, leaning: Leaning | None, ways: Collection[VppPaths]) -> None:
        self._translator, self._leaning = translator, leaning
        self._paths: dict[Alike, VppPaths | None] = {}
        self._ways = {paths: paths for paths in ways}
        self.kinds: dict[Alike, None] = {}
        """Those that have paths, and what else was put there."""
        self.forgot = False
        """There were more than are worth keeping, and some are forgotten."""

    @property
    def ways(self) -> tuple[VppPaths, ...]:
        """All paths, and perhaps more than are in use: equal ones are one object, which is compared at once."""
        return tuple(self._ways)

    def at(self, alike: Alike, place: Place) -> VppPaths | None:
        """For routes of that kind where no prefix stands out, as at that place; None: they are not that simple."""
        try:
            return self._paths[alike]
        except KeyError:
            return self._find(alike, place)

    def known(self, alikes: Collection[Alike]) -> list[VppPaths | None]:
        """For each kind what was found; None: nothing was, or not that simple."""
        return list(map(self._paths.get, alikes))

    def leans(self, route: Route) -> bool:
        """Whether more than itself hangs on such a route, when it comes or when it goes."""
        leaning = self._leaning
        return leaning is not None and any(leaning.concerns(route, gone=gone) for gone in (False, True))

    def _find(self, alike: Alike, place: Place) -> VppPaths | None:
        if len(self._paths) >= _MOST_KINDS:
            self._paths.clear()
            self.kinds.clear()
            self._ways.clear()
            self.forgot = True
        one = alike.at(place)
        paths = None if self.leans(one) else self._translator.paths_anywhere(one)
        paths = self._paths[alike] = None if paths is None else self._ways.setdefault(paths, paths)
        if paths is not None:  # else it is no kind of a packed route
            self.kinds[alike] = None
        return paths
