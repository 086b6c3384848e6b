"""One uplink's hold on disk, kept as the machine says, and how long its back-off lasts."""

from __future__ import annotations

from collections.abc import Callable

import trio

from hostlink import held
from hostlink.core.context import Hold
from hostlink.core.model import Problem
from hostlink.core.table import HoldKind
from hostlink.problems import problem
from hostlink.steps.context import Uplink


class Holding:
    """`earlier`: what a run before this one left; the machine begins with its hold."""

    def __init__(self, uplink: Uplink, earlier: held.Held | None = None) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._uplink, self._kept = uplink, earlier

    @property
    def hold(self) -> Hold | None:
        """What an earlier run left, for the machine to begin with."""
        return self._kept.hold if self._kept else None

    async def keep(self, hold: Hold) -> None:
        """Durable when this returns, or told that it is not: the give-back comes first."""
        before, self._kept = (
            self._kept,
            held.held(self._uplink.name, hold, self._uplink.takeover, self._uplink.config.match),
        )
        if before is not None and before.uplink != self._kept.uplink:
            await self._on_disk(held.drop, before)
        await self._on_disk(held.keep, self._kept)

    async def drop(self) -> None:
        """Removed from disk when this returns, or told that it is not."""
        if self._kept is not None:
            await self._on_disk(held.drop, self._kept)
        self._kept = None

    def clear(self) -> None:
        """Removed before the machine begins. Raises OSError."""
        if self._kept is not None:
            held.drop(self._uplink.node.config.paths.journal, self._kept)
        self._kept = None

    def back_off_s(self, hold: Hold | None) -> float | None:
        """After how many seconds a failed takeover is tried again; None: never, or not such a hold."""
        retry_s = self._uplink.node.config.timing.retry_s
        if retry_s is None or self._kept is None or hold is None or hold.kind is not HoldKind.FAILED:
            return None
        return self._kept.left_s(retry_s)

    async def _on_disk(self, act: Callable[..., None], one: held.Held) -> None:
        try:
            await trio.to_thread.run_sync(act, self._uplink.node.config.paths.journal, one)
            self.problems = ()
        except OSError as error:
            self.problems = (problem("HL-511", f"{one.uplink}: {error}"),)
