"""The one seam that every change to the kernel passes, by name: what the failure matrix plans its faults with.

Each function that is about to change something calls `faults.check("link.move", …)` first. In production nothing is
planned and nothing traced, so that is one look-up. The lab plans `link.move:2=EPERM` (the second move fails) and has
each name written to a file as it is reached, so that a test can enumerate the operations of a takeover and fail each of
them once. A planned fault raises before the kernel is asked: the state is what it is when the kernel refuses.
A planned death (`die_at`) is SIGKILL before the n-th operation of all: right after the one before it.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.sockets import Message

NAMES = frozenset(
    {
        "address.add",
        "address.change",
        "address.delete",
        "bpf.load",
        "link.altname",
        "link.delete",
        "link.move",
        "link.rename",
        "link.set",
        "link.token",
        "multicast.add",
        "neighbour.add",
        "neighbour.delete",
        "route.add",
        "route.delete",
        "rule.add",
        "sysctl.set",
        "tap.adopt",
        "tap.create",
        "tap.detach",
        "tap.mac",
        "tap.mtu",
        "tap.persist",
        "tap.remove",
        "tc.filter",
        "tc.qdisc",
        "veth.create",
    }
)
"""Every kind of change that hostlink makes to the kernel."""


BUG = 0
"""In place of an errno: what nobody expects, as a bug of hostlink's own would raise it."""


class Faults:
    """Faults that are planned, and the trace of what was reached.

    `planned` is {(name, n): errno}: the n-th time (from 1) that name is reached, it is refused with that errno;
    BUG in its place is a bug, which ends the daemon.
    `torn`: every so many dumps one is interrupted; 0: none but those that the kernel interrupts. `garbled`: of every so
    many one is unreadable. `die_at`: the process dies at that operation, counted from 1 over all names; 0: never.
    """

    def __init__(
        self,
        planned: Mapping[tuple[str, int], int] | None = None,
        trace: Path | None = None,
        torn: int = 0,
        die_at: int = 0,
        garbled: int = 0,
    ) -> None:
        self._planned = dict(planned or {})
        self._die_at, self._count = die_at, 0
        self._torn, self._dumps = torn, 0
        self._garbled, self._whole_dumps = garbled, 0
        self._trace = trace
        self._reached: Counter[str] = Counter()
        for name, _ in self._planned:
            _known(name)

    @classmethod
    def from_text(
        cls, plan: str, trace: Path | None = None, torn: int = 0, die_at: int = 0, garbled: int = 0
    ) -> Faults:
        """Reads `link.move=EBUSY,route.add:3=ENOMEM`. ValueError names the part that is wrong."""
        return cls(dict(_one(part.strip()) for part in plan.split(",") if part.strip()), trace, torn, die_at, garbled)

    @property
    def spoil_dumps(self) -> bool:
        """Whether `tear` and `garble` may do anything."""
        return bool(self._torn or self._garbled)

    def tear(self, messages: list[Message]) -> bool:
        """To be called with what a dump gave. True: it is to count as interrupted, and lacks some of it now."""
        if not self._torn:
            return False
        self._dumps += 1
        if self._dumps % self._torn:
            return False
        del messages[::2]
        return True

    def garble(self, messages: list[Message]) -> None:
        """To be called with what a dump gave: where it is one's turn, and it is not empty, its last message is cut."""
        if not self._garbled or not messages:
            return
        self._whole_dumps += 1
        if self._whole_dumps % self._garbled == 0:
            last = messages[-1]
            messages[-1] = last._replace(body=last.body[:-2])

    def check(self, name: str, operation: str) -> None:
        """To be called before the kernel is asked; `operation` is the phrase an error would use.

        Raises KernelRefused if a fault is planned here.
        """
        _known(name)
        if not self._planned and self._trace is None and not self._die_at:
            return
        self._count += 1
        if self._count == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._reached[name] += 1
        if self._trace is not None:
            with self._trace.open("a") as file:
                file.write(f"{name}\n")
        number = self._planned.get((name, self._reached[name]))
        if number == BUG:
            raise RuntimeError(f"a bug planned by the lab: {name}:{self._reached[name]}")
        if number is not None:
            raise KernelRefused(operation, number, f"a fault planned by the lab: {name}:{self._reached[name]}")


def _known(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"{name!r} is no kernel operation; there are: {', '.join(sorted(NAMES))}")


def _one(part: str) -> tuple[tuple[str, int], int]:
    where, equals, word = part.partition("=")
    name, _, count = where.partition(":")
    number = getattr(errno, word, None) if word.startswith("E") and word.isalnum() else None
    number = BUG if word == "BUG" else number
    if not equals or not isinstance(number, int) or not (count or "1").isdecimal() or int(count or "1") < 1:
        raise ValueError(f"{part!r} is not of the form operation[:n]=ERRNO, for instance link.move:2=EBUSY")
    _known(name)
    return (name, int(count or "1")), number


NO_FAULTS = Faults()
"""Production: nothing is planned, nothing is traced."""
