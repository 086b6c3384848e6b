"""Forgetting what the kernel has learnt of neighbours on one link."""

from __future__ import annotations

import struct

from hostlink.kernel import uapi
from hostlink.kernel.attributes import attribute, mac_bytes, u32, walk
from hostlink.kernel.errors import reading
from hostlink.kernel.netlink import Message, Netlink, Request, read_again

_NDMSG = struct.Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_PERMANENT = 0x80
_FAMILIES = (2, 10)


async def forget_neighbours(nl: Netlink, link_index: int, mac: str) -> None:
    """Whoever was learnt to have that MAC there is asked for anew. Permanent entries stay. Raises KernelError.

    One that has gone by itself meanwhile is no error.
    """
    requests = await _deletions(nl, link_index, mac)
    if requests:
        nl.faults.check("neighbour.delete", requests[0].operation)
        await nl.requests(requests)


@read_again
async def _deletions(nl: Netlink, link_index: int, mac: str) -> list[Request]:
    messages: list[Message] = []
    for family in _FAMILIES:
        body = _NDMSG.pack(family, 0, 0, 0, 0) + u32(uapi.NDA_IFINDEX, link_index)
        request = Request(f"read the neighbours of interface {link_index}", uapi.RTM_GETNEIGH, body)
        messages += await nl.dump(request, watched=True)
    with reading("the neighbours"):
        found = [_deletion(message, link_index, mac_bytes(mac)) for message in messages]
    return [request for request in found if request is not None]


def _deletion(message: Message, link_index: int, mac: bytes) -> Request | None:
    family, index, state, _, _ = _NDMSG.unpack_from(message.body)
    values = dict(walk(message.body, _NDMSG.size))
    if index != link_index or state & _NUD_PERMANENT or values.get(_NDA_LLADDR) != mac:
        return None
    body = _NDMSG.pack(family, link_index, 0, 0, 0) + attribute(_NDA_DST, values[_NDA_DST])
    return Request(f"forget a neighbour of interface {link_index}", uapi.RTM_DELNEIGH, body)
