"""Real netlink messages, of a network namespace made for it: dumps, and what was said while it was built.

Those of `recorded/netlink.json` are what the check throws, the same on every machine; `tools/fuzz` records this
kernel's too. Made anew by `python -m tools.fuzzing.recording`, as root.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import subprocess
from pathlib import Path

import trio

from hostlink.kernel import parse, uapi
from hostlink.kernel.link import link_body
from hostlink.kernel.netlink import Netlink, Request, open_netlink
from hostlink.kernel.sockets import HEADER, RECEIVE_BYTES, Message, opened, split
from hostlink.kernel.tc import Placed, Program, Side, ensure_program
from hostlink.kernel.watcher import WITH_NEIGHBOURS

Recording = dict[str, list[bytes]]
"""Kind of message → whole messages, with their headers."""
RECORDED = Path(__file__).parent / "recorded" / "netlink.json"
_FAMILIES = (2, 10)
_COMMANDS = """
link set lo up
link add eth1 type veth peer name eth2
link property add dev eth1 altname a-second-name
link set eth1 alias uplink
link add vlan7 link eth1 type vlan id 7
link set eth1 up
link set eth2 up
address add 192.0.2.1/24 broadcast 192.0.2.255 dev eth1
address add 198.51.100.7 peer 198.51.100.8/32 dev eth1
address add fd00::1/64 dev eth1 nodad valid_lft 9000 preferred_lft 8000
route add 10.0.0.0/8 via 192.0.2.2 metric 5 mtu 1400 src 192.0.2.1
route add 10.1.0.0/16 nexthop via 192.0.2.2 weight 3 nexthop via 192.0.2.3
route add 10.3.0.0/16 via inet6 fd00::3 dev eth1
route add 10.4.0.0/16 dev eth1 tos 8 table 100
route add blackhole 10.5.0.0/16
route add fd01::/64 via fd00::2 expires 900
route add fd02::/64 nexthop via fd00::2 nexthop via fd00::3
route add fd03::/64 from fd00::/64 via fd00::2
nexthop add id 7 via 192.0.2.2 dev eth1
nexthop add id 8 via fd00::2 dev eth1
nexthop add id 9 blackhole
nexthop add id 10 group 7
route add 10.2.0.0/16 nhid 7
route add fd04::/64 nhid 8
neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth1 nud permanent
neighbour add proxy 192.0.2.10 dev eth1
rule add pref 9 iif eth1 lookup 100
rule add pref 10 from 192.0.2.0/24 to 203.0.113.0/24 fwmark 7 lookup 100
-6 rule add pref 11 not oif eth1 lookup 100
"""
_PROGRAM = Program("fuzz", bytes.fromhex("b7000000000000009500000000000000"))
"""Returns 0."""


@functools.cache
def recorded() -> Recording:
    """What is in the repository."""
    kinds = json.loads(RECORDED.read_text())
    return {kind: [bytes.fromhex(message) for message in messages] for kind, messages in kinds.items()}


def record(namespace: str) -> Recording:
    """Of a namespace of that name, which is made and removed. Needs root; CalledProcessError where `ip` refuses."""
    _ip("netns", "add", namespace)
    try:
        return trio.run(_record, namespace)
    finally:
        _ip("netns", "delete", namespace)


async def _record(namespace: str) -> Recording:
    async with opened(namespace, (*WITH_NEIGHBOURS, uapi.RTNLGRP_TC), 4 << 20) as heard:
        _make(namespace)
        _ip("-n", namespace, "route", "delete", "10.0.0.0/8")
        _ip("-n", namespace, "address", "delete", "fd00::1/64", "dev", "eth1")
        _ip("-n", namespace, "link", "set", "eth1", "down")
        said = [datagram for datagram in _all_of(heard) if datagram]
    _make(namespace)
    async with open_netlink(namespace) as nl:
        links = await nl.dump(Request("record", uapi.RTM_GETLINK, link_body()), watched=True)
        index = next(link.index for link in parse.links(links) if link.name == "eth1")
        await ensure_program(nl, Placed(index, Side.EGRESS, _PROGRAM))
        return {"notification": said, **{kind: await _dumps(nl, kind, index) for kind in _REQUESTS}}


def _make(namespace: str) -> None:
    """What this kernel knows of it; what is there already is no matter."""
    _ip("-n", namespace, "-force", "-batch", "-", text=_COMMANDS, check=False)


def _all_of(heard: trio.socket.SocketType) -> list[bytes]:
    """What waits in the socket."""
    found = []
    while True:
        try:
            found.append(os.read(heard.fileno(), RECEIVE_BYTES))
        except BlockingIOError:
            return found


_REQUESTS: dict[str, list[tuple[int, bytes]]] = {
    "link": [(uapi.RTM_GETLINK, link_body())],
    "address": [(uapi.RTM_GETADDR, struct.pack("=BBBBi", family, 0, 0, 0, 0)) for family in _FAMILIES],
    "route": [(uapi.RTM_GETROUTE, struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, 0, 0)) for family in _FAMILIES],
    "rule": [(uapi.RTM_GETRULE, struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, 0, 0)) for family in _FAMILIES],
    "neighbour": [
        (uapi.RTM_GETNEIGH, struct.pack("=BxxxiHBB", family, 0, 0, flags, 0))
        for family in _FAMILIES
        for flags in (0, uapi.NTF_PROXY)
    ],
    "nexthop": [(uapi.RTM_GETNEXTHOP, struct.pack("=BBBxI", 0, 0, 0, 0))],
    "filter": [(uapi.RTM_GETTFILTER, struct.pack("=BxxxiIII", 0, -1, 0, Side.EGRESS, 0))],
}
"""-1: the link's index."""


async def _dumps(nl: Netlink, kind: str, index: int) -> list[bytes]:
    found = []
    for number, body in _REQUESTS[kind]:
        body = body.replace(struct.pack("=i", -1), struct.pack("=i", index))
        found += [whole(message) for message in await nl.dump(Request(f"record {kind}", number, body), watched=True)]
    return found


def whole(message: Message) -> bytes:
    """The message with a header."""
    size = HEADER.size + len(message.body)
    return HEADER.pack(size, message.type, message.flags, message.sequence, 0) + message.body


def messages(data: bytes) -> list[Message]:
    """Those of a datagram. Raises Unreadable."""
    return list(split(data))


def _ip(*arguments: str, text: str = "", check: bool = True) -> None:
    subprocess.run(["ip", *arguments], input=text.encode(), check=check, stderr=None if check else subprocess.DEVNULL)


if __name__ == "__main__":
    kinds = record(f"hl-fuzz-{os.getpid()}")
    shown = {kind: [message.hex() for message in of_kind] for kind, of_kind in kinds.items()}
    RECORDED.write_text(json.dumps(shown, indent=1) + "\n")
    print({kind: len(of_kind) for kind, of_kind in kinds.items()})
