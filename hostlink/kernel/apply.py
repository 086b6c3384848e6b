"""Carries out core's host operations, in their order.

What goes by netlink is sent in bulk: the kernel takes requests of one socket one after the other, so the order holds
although nobody waits for each answer. A sysctl is a file and a multicast address an ioctl: what was queued before goes
out first.

A refused operation stops nothing: the rest is tried, and every refusal is reported. Nothing is read back here and
EEXIST is not taken for success: whether what is there is what was wanted shows the next snapshot, and core's next plan
(empty, or what is still missing).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostlink.core.operations import AddHostRule, AddMulticast, HostOperation, SetSysctl
from hostlink.kernel.errors import KernelRefused, Unreadable, reading
from hostlink.kernel.multicast import add_multicast
from hostlink.kernel.netlink import Netlink, Request
from hostlink.kernel.snapshot import read_link
from hostlink.kernel.sysctl import set_sysctl
from hostlink.kernel.translate import step_of

_AT_ONCE = 1024
"""Requests that are built before they are sent: other tasks get their turn while a large table is put back."""


@dataclass(frozen=True, slots=True)
class HostFailure:
    """One operation that the kernel refused."""

    operation: HostOperation
    link: str
    """The name of the link concerned; `interface 7` if it is gone."""
    word: str
    """The errno's name: `EEXIST`."""
    detail: str
    """What was tried and what the kernel said, as one sentence."""

    def __str__(self) -> str:
        return f"{self.link}: {self.detail}"


async def apply_host(
    nl: Netlink,
    operations: Sequence[HostOperation],
    advanced: Callable[[int], None] = lambda _: None,
    *,
    proc_root: Path = Path("/proc"),
) -> list[HostFailure]:
    """Carries all of them out, in order; returns the refused ones, in order. Empty: the kernel took everything.

    advanced: called with how many more were answered, whenever some were.

    Raises AnswersLost if answers were lost: then nobody knows, and a new snapshot must tell.
    """
    run, told = _Run(nl, proc_root), 0
    for position, operation in enumerate(operations):
        if await run.one(position, operation):
            advanced(position + 1 - told)
            told = position + 1
    await run.flush()
    advanced(len(operations) - told)
    names = _Names(nl)
    return [
        HostFailure(operations[position], await names.of(operations[position]), refusal.word, str(refusal))
        for position, refusal in sorted(run.refused.items())
    ]


class _Run:
    """One run through a plan: what is queued, and what was refused so far by its position."""

    def __init__(self, nl: Netlink, proc_root: Path) -> None:
        self._nl = nl
        self._proc_root = proc_root
        self._queued: list[tuple[int, Request]] = []
        self.refused: dict[int, KernelRefused] = {}

    async def one(self, position: int, operation: HostOperation) -> bool:
        """Whether all up to this one were answered."""
        try:
            if isinstance(operation, SetSysctl):
                await self.flush()
                self._sysctl(operation)
            elif isinstance(operation, AddMulticast):
                await self.flush()
                add_multicast(self._nl.namespace_fd, operation.link, operation.mac, faults=self._nl.faults)
            else:
                with reading(f"what is to be sent for {type(operation).__name__}"):
                    step = step_of(operation)
                self._nl.faults.check(step.seam, step.requests[0].operation)
                self._queued += [(position, request) for request in step.requests]
                if len(self._queued) >= _AT_ONCE:
                    await self.flush()
        except KernelRefused as refusal:
            self.refused[position] = refusal
        except Unreadable as error:  # a body out of the journal that is none
            self.refused[position] = KernelRefused("do what the journal says", errno.EINVAL, str(error))
        return not self._queued

    def _sysctl(self, wanted: SetSysctl) -> None:
        nl = self._nl
        set_sysctl(nl.namespace_fd, wanted.path, wanted.value, proc_root=self._proc_root, faults=nl.faults)

    async def flush(self) -> None:
        queued, self._queued = self._queued, []
        answers = await self._nl.requests([request for _, request in queued])
        for (position, _), refusal in zip(queued, answers, strict=True):
            if refusal is not None:
                self.refused.setdefault(position, refusal)


class _Names:
    """The names of the links that refused operations are about, each asked for once."""

    def __init__(self, nl: Netlink) -> None:
        self._nl = nl
        self._known: dict[int, str] = {}

    async def of(self, operation: HostOperation) -> str:
        if isinstance(operation, SetSysctl):
            return operation.path.split("/")[2] if operation.path.count("/") > 2 else operation.path
        if isinstance(operation, AddHostRule):
            return operation.rule.interface or "no interface"
        index = operation.link_index
        if index not in self._known:
            link = await read_link(self._nl, index)
            self._known[index] = link.name if link else f"interface {index}"
        return self._known[index]
