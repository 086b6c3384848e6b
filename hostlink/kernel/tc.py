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
from dataclasses import dataclass
from enum import IntEnum

from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, text, u32, walk
from hostlink.kernel.bpf.load import loaded
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.netlink import Netlink, Request
from hostlink.kernel.sockets import Message

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


async def ensure_program(nl: Netlink, link_index: int, side: Side, program: Program) -> bool:
    """The program on that side of the device. True: it was not there, and now is. Raises KernelRefused."""
    if await _present(nl, link_index, side) == program.name:
        return False
    await _ensure_clsact(nl, link_index)
    operation = f"put {program.name} on the {side.name.lower()} of interface {link_index}"
    with loaded(program.purpose, program.code, faults=nl.faults) as descriptor:
        nl.faults.check("tc.filter", operation)
        options = u32(_TCA_BPF_FD, descriptor) + text(_TCA_BPF_NAME, program.name) + u32(_TCA_BPF_FLAGS, _DIRECT_ACTION)
        body = _tcmsg(link_index, side, _HANDLE) + text(_TCA_KIND, "bpf") + attribute(_TCA_OPTIONS, options)
        await nl.request(Request(operation, uapi.RTM_NEWTFILTER, body, uapi.NLM_F_CREATE))
    return True


async def _ensure_clsact(nl: Netlink, link_index: int) -> None:
    operation = f"make the clsact hooks of interface {link_index}"
    nl.faults.check("tc.qdisc", operation)
    body = _TCMSG.pack(0, link_index, _CLSACT_HANDLE, FILTERED, 0) + text(_TCA_KIND, "clsact")
    try:
        await nl.request(Request(operation, uapi.RTM_NEWQDISC, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL))
    except KernelRefused as refusal:
        if refusal.errno != errno.EEXIST:
            raise


async def _present(nl: Netlink, link_index: int, side: Side) -> str | None:
    """The name of hostlink's program there, or None."""
    for message in await _filters(nl, link_index, side):
        _, _, handle, _, info = _TCMSG.unpack_from(message.body)
        if handle == _HANDLE and info >> 16 == _PRIORITY:
            options = dict(walk(message.body, _TCMSG.size)).get(_TCA_OPTIONS, b"")
            return dict(walk(options)).get(_TCA_BPF_NAME, b"").rstrip(b"\0").decode()
    return None


async def _filters(nl: Netlink, link_index: int, side: Side) -> list[Message]:
    body = _TCMSG.pack(0, link_index, 0, side, 0)
    return await nl.dump(Request(f"read the filters of interface {link_index}", uapi.RTM_GETTFILTER, body))


async def filters_of_others(nl: Netlink, link_index: int, side: Side) -> list[str]:
    """All but hostlink's, as `tc filter` says them in short: `ingress pref 10 flower`."""
    found: dict[str, None] = {}
    for message in await _filters(nl, link_index, side):
        info = _TCMSG.unpack_from(message.body)[4]
        kind = dict(walk(message.body, _TCMSG.size)).get(_TCA_KIND, b"").rstrip(b"\0").decode()
        if info >> 16 != _PRIORITY:
            found[f"{side.name.lower()} pref {info >> 16} {kind}"] = None
    return list(found)


def _tcmsg(link_index: int, side: Side, handle: int) -> bytes:
    return _TCMSG.pack(0, link_index, handle, side, _PRIORITY << 16 | _ALL_PROTOCOLS)
