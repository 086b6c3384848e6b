"""Queueing and filters of a link (tc(8)): what can be put on another link, or back, and what cannot.

A move to another namespace takes all of it from a link. What somebody gave it has a handle; the kernel's own default
has none, and comes back by itself. A root discipline without classes comes back by its own dumped options, for the
kinds of CARRIED. Classes and filters do not, whose dumps lack what made them (rate tables, programs): they are named.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from hostlink.core.model import Qdisc
from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, text, walk
from hostlink.kernel.errors import reading
from hostlink.kernel.netlink import Netlink, Request, read_again
from hostlink.kernel.sockets import Message
from hostlink.kernel.tc import FILTERED, Side, filters_of_others

CARRIED = frozenset(
    {"bfifo", "cake", "codel", "fq", "fq_codel", "fq_pie", "noqueue", "pfifo", "pfifo_fast", "pfifo_head_drop"}
    | {"pie", "sfq", "tbf"}
)
"""Without classes, on any device whatever its queues, and set by the options that they show (net/sched/sch_*.c)."""

_TCMSG = struct.Struct("=BxxxiIII")
_TC_H_ROOT = 0xFFFFFFFF
_TCA_KIND, _TCA_OPTIONS = 1, 2


@read_again
async def read_queueing(nl: Netlink, link_index: int) -> tuple[Qdisc | None, tuple[str, ...]]:
    """(the root that can be carried, what cannot, in the words of `tc`). The kernel dumps those of all links."""
    messages = await nl.dump(Request("read the queueing", uapi.RTM_GETQDISC, _TCMSG.pack(0, link_index, 0, 0, 0)))
    root, stuck, has_filters = _queueing(messages, link_index)
    if has_filters:
        stuck += [f"tc filter {what}" for side in Side for what in await filters_of_others(nl, link_index, side)]
    return root, tuple(stuck)


@reading("the queueing")
def _queueing(messages: Iterable[Message], link_index: int) -> tuple[Qdisc | None, list[str], bool]:
    root: Qdisc | None = None
    stuck: list[str] = []
    has_filters = False
    for message in messages:
        _, index, handle, parent, _ = _TCMSG.unpack_from(message.body)
        if index != link_index or not handle:
            continue
        one = _qdisc(message, handle)
        if parent == FILTERED:
            has_filters = True
        elif parent == _TC_H_ROOT and one.kind in CARRIED:
            root = one
        else:
            where = "root" if parent == _TC_H_ROOT else f"parent {parent >> 16:x}:{parent & 0xFFFF:x}"
            stuck.append(f"tc qdisc {one.kind} {handle >> 16:x}: {where}")
    return root, stuck, has_filters


def _qdisc(message: Message, handle: int) -> Qdisc:
    said = dict(walk(message.body, _TCMSG.size))
    return Qdisc(said.get(_TCA_KIND, b"").rstrip(b"\0").decode(), handle, said.get(_TCA_OPTIONS, b""))


def adding(link_index: int, qdisc: Qdisc) -> Request:
    """Refused (EEXIST) where the link has one that is not the kernel's default."""
    body = _TCMSG.pack(0, link_index, qdisc.handle, _TC_H_ROOT, 0) + text(_TCA_KIND, qdisc.kind)
    body += attribute(_TCA_OPTIONS, qdisc.options) if qdisc.options else b""
    operation = f"add the qdisc {qdisc.kind} to interface {link_index}"
    return Request(operation, uapi.RTM_NEWQDISC, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)


def deleting(link_index: int, qdisc: Qdisc) -> Request:
    """The root, if it is that one."""
    body = _TCMSG.pack(0, link_index, qdisc.handle, _TC_H_ROOT, 0) + text(_TCA_KIND, qdisc.kind)
    return Request(f"delete the qdisc {qdisc.kind} of interface {link_index}", uapi.RTM_DELQDISC, body)
