"""tc hooks of a device: the clsact qdisc, and one program of hostlink's on each of its sides.

clsact has no queue; it is two places where programs run, before the stack gets a frame (ingress) and before the device
does (egress). It may be there already, somebody else's; then it is used and never taken away. A program is found again
by its name, which carries a digest of its instructions: what is there is compared, and set only where it differs. What
is set replaces the old one at once, with no moment without. (include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h)
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import IntEnum

from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, text, u32, walk
from hostlink.kernel.bpf.load import loaded
from hostlink.kernel.errors import reading
from hostlink.kernel.netlink import Message, Netlink, Request, read_again
from hostlink.kernel.seam import NO_FAULTS, Faults

_TCMSG = struct.Struct("=BxxxiIII")
FILTERED = 0xFFFFFFF1
"""TC_H_CLSACT, also TC_H_INGRESS: the parent of the qdiscs that are nothing but hooks."""
_CLSACT_HANDLE = 0xFFFF0000
_HANDLE = 1
_PRIORITY = 0x686C
"""hostlink's place in the order of a hook's filters. Filters that name none are given 49152 and less, so come after."""
_ALL_PROTOCOLS = socket.htons(0x0003)
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS = 6, 7, 8
_DIRECT_ACTION = 1


class Side(IntEnum):
    """Which hook of a device: TC_H_MIN_INGRESS, TC_H_MIN_EGRESS below TC_H_CLSACT."""

    INGRESS = 0xFFFFFFF2
    EGRESS = 0xFFFFFFF3


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what it is called. `purpose`: a short word, for `tc filter show`."""

    purpose: str
    code: bytes

    @property
    def name(self) -> str:
        """`hostlink-<purpose>-<digest of the code>`."""
        return f"hostlink-{self.purpose}-{hashlib.sha256(self.code).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a program belongs."""

    link_index: int
    side: Side
    program: Program

    def __str__(self) -> str:
        return f"put {self.program.name} on the {self.side.name.lower()} of interface {self.link_index}"


async def ensure_program(nl: Netlink, placed: Placed) -> bool:
    """The program on that side of the device. True: it was not there, and now is. Raises KernelRefused."""
    if await _present(nl, placed.link_index, placed.side) == placed.program.name:
        return False
    with loaded_all([placed], faults=nl.faults) as ready:
        await put_all(nl, ready)
    return True


Ready = tuple[Placed, int]
"""With the descriptor of the loaded program."""


@contextmanager
def loaded_all(placed: Iterable[Placed], *, faults: Faults = NO_FAULTS) -> Iterator[list[Ready]]:
    """The programs, loaded for as long as the block lasts. Raises KernelRefused."""
    with ExitStack() as stack:
        yield [
            (one, stack.enter_context(loaded(one.program.purpose, one.program.code, faults=faults))) for one in placed
        ]


async def put_all(nl: Netlink, ready: Sequence[Ready]) -> None:
    """Put them there, whatever is there, all in one go. Raises KernelRefused, of the first that was refused."""
    hooks = [_clsact(nl, index) for index in dict.fromkeys(one.link_index for one, _ in ready)]
    refusals = await nl.requests(hooks + [_filter(nl, one, descriptor) for one, descriptor in ready])
    for number, refusal in enumerate(refusals):
        if refusal is not None and not (number < len(hooks) and refusal.errno == errno.EEXIST):
            raise refusal


def _clsact(nl: Netlink, link_index: int) -> Request:
    operation = f"make the clsact hooks of interface {link_index}"
    nl.faults.check("tc.qdisc", operation)
    body = _TCMSG.pack(0, link_index, _CLSACT_HANDLE, FILTERED, 0) + text(_TCA_KIND, "clsact")
    return Request(operation, uapi.RTM_NEWQDISC, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)


def _filter(nl: Netlink, placed: Placed, descriptor: int) -> Request:
    nl.faults.check("tc.filter", str(placed))
    options = u32(_TCA_BPF_FD, descriptor) + text(_TCA_BPF_NAME, placed.program.name)
    options += u32(_TCA_BPF_FLAGS, _DIRECT_ACTION)
    body = _tcmsg(placed.link_index, placed.side, _HANDLE) + text(_TCA_KIND, "bpf") + attribute(_TCA_OPTIONS, options)
    return Request(str(placed), uapi.RTM_NEWTFILTER, body, uapi.NLM_F_CREATE)


@read_again
async def _present(nl: Netlink, link_index: int, side: Side) -> str | None:
    """The name of hostlink's program there, or None."""
    return program_name(await _filters(nl, link_index, side))


@reading("the filters")
def program_name(messages: Iterable[Message]) -> str | None:
    """The name of hostlink's program among filters. Raises Unreadable."""
    for message in messages:
        _, _, handle, _, info = _TCMSG.unpack_from(message.body)
        if handle == _HANDLE and info >> 16 == _PRIORITY:
            options = dict(walk(message.body, _TCMSG.size)).get(_TCA_OPTIONS, b"")
            return dict(walk(options)).get(_TCA_BPF_NAME, b"").rstrip(b"\0").decode()
    return None


async def _filters(nl: Netlink, link_index: int, side: Side) -> list[Message]:
    body = _TCMSG.pack(0, link_index, 0, side, 0)
    return await nl.dump(Request(f"read the filters of interface {link_index}", uapi.RTM_GETTFILTER, body))


@read_again
async def filters_of_others(nl: Netlink, link_index: int, side: Side) -> list[str]:
    """All but hostlink's, as `tc filter` says them in short: `ingress pref 10 flower`."""
    return _of_others(await _filters(nl, link_index, side), side)


@reading("the filters")
def _of_others(messages: Iterable[Message], side: Side) -> list[str]:
    found: dict[str, None] = {}
    for message in messages:
        info = _TCMSG.unpack_from(message.body)[4]
        kind = dict(walk(message.body, _TCMSG.size)).get(_TCA_KIND, b"").rstrip(b"\0").decode()
        if info >> 16 != _PRIORITY:
            found[f"{side.name.lower()} pref {info >> 16} {kind}"] = None
    return list(found)


def _tcmsg(link_index: int, side: Side, handle: int) -> bytes:
    return _TCMSG.pack(0, link_index, handle, side, _PRIORITY << 16 | _ALL_PROTOCOLS)
