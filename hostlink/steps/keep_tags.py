"""hostlink's two interfaces in VPP keep their tags, by which a later life of hostlink finds them.

Without them a port would count as deleted: the takeover would end, and what points to an untagged port (its punt
redirects) would stay behind as if it were another client's, and stand against every takeover after it (HL-206).
"""

from __future__ import annotations

from hostlink.core.model import VppInterface
from hostlink.steps.context import Uplink
from hostlink.vpp.session import Request, raise_first
from hostlink.vpp.tags import Ports, host_tag, uplink_tag


async def keep_tags(uplink: Uplink) -> list[str]:
    """Tag the ports again that somebody took the tag off. Returns what was done. Raises VppError.

    Known by what they were when they were found by tag, in this life of VPP: number, name and MAC.
    """
    known = uplink.ports
    if known == Ports():
        return []
    dataplane = uplink.node.dataplane()
    there = {one.sw_if_index: one for one in await dataplane.interfaces()}
    ports = ((known.uplink, uplink_tag(uplink.name)), (known.host, host_tag(uplink.name)))
    bare = [(port, tag) for port, tag in ports if port is not None and _is_bare(there.get(port.sw_if_index), port, tag)]
    if not bare or any(tag in {one.tag for one in there.values()} for _, tag in bare):
        return []  # the tag is another interface's now: who took it there must say what he means
    requests = [
        Request("sw_interface_tag_add_del", {"is_add": True, "sw_if_index": port.sw_if_index, "tag": tag})
        for port, tag in bare
    ]
    raise_first(await dataplane.session.batch(requests))
    return [f"VPP: {port.name}: set tag {tag} again" for port, tag in bare]


def _is_bare(now: VppInterface | None, known: VppInterface, tag: str) -> bool:
    return now is not None and (now.name, now.mac) == (known.name, known.mac) and now.tag != tag
