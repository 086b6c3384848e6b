"""Detecting's look at the node: is the uplink there, does VPP answer, what stands against a takeover, what was left.

It finds everything at once, so that an operator who clears one obstacle does not meet the next. Nothing is changed.
"""

from __future__ import annotations

import trio

from hostlink.core.events import Inspected
from hostlink.core.model import NO_INDEX, Facts, Link, Problem
from hostlink.journal import JournalError, Phase, Takeover
from hostlink.kernel.namespace import exists
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import find_link, read_links, read_view
from hostlink.kernel.tap import can_make_taps
from hostlink.problems import problem
from hostlink.steps.bypass import why_impossible
from hostlink.steps.capture import deafened
from hostlink.steps.claims import claimed
from hostlink.steps.context import LOSSES_WITHIN_S, Node, Uplink
from hostlink.steps.deaths import count_death, given_up
from hostlink.steps.mirror import remarks
from hostlink.steps.names import inner_name, is_mark, mark, name_before, pair_name
from hostlink.steps.stuck import would_be_lost
from hostlink.vpp.tags import OURS

VPP_KNOWN_WITHIN_S = 8.0
"""Longer than a session takes to open, or to fail to (vpp/session.py: 5 s), and within the deadline of a look."""
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0
_REFUSED_KINDS = {"bridge": "a bridge", "bond": "a bond", "tun": "a tap or tun device"}


async def inspect(uplink: Uplink, step: int) -> Inspected:
    """Look at everything. Raises KernelError, VppError."""
    # A daemon that has just started knows nothing of VPP yet: taking that for "gone" would end a living takeover.
    with trio.move_on_after(VPP_KNOWN_WITHIN_S * uplink.node.config.timing.deadline_factor):
        await uplink.node.vpp_known.wait()
    uplink.told["claims"] = await claimed(uplink.node)
    link = await find_uplink(uplink) if uplink.takeover is None else None
    if link is not None and not uplink.claim(link):
        text = f"{uplink.config.match} means {link.name}, which another [[uplink]] of the configuration means too"
        return Inspected(step, Facts(obstacles=(problem("HL-113", text),)))
    try:
        uplink.takeover = uplink.takeover or (uplink.journal.read() if uplink.claimed else None)
    except JournalError as error:
        return Inspected(step, Facts(obstacles=(error.problem,)))
    await count_death(uplink)
    if uplink.takeover is not None:
        return Inspected(step, await _earlier(uplink, uplink.takeover))
    return Inspected(step, await before_takeover(uplink, link))


async def _earlier(uplink: Uplink, takeover: Takeover) -> Facts:
    """There is a journal: alive when it, the tags in VPP and the host link agree; else left over.

    The host link by its mark: its name and MAC may have been changed by somebody, and are put right.
    """
    there = await find_link(uplink.node.host, name=mark(uplink.name)) is not None
    alive = there and takeover.phase is not Phase.CAPTURED and await _agrees(uplink)
    dataplane = uplink.node.vpp.dataplane
    return Facts(
        uplink_found=True,
        vpp_reachable=dataplane is not None,
        takeover_alive=alive,
        host_link_alive=there and takeover.phase is Phase.PROVED,
        leftovers=not alive,
        obstacles=uplink.node.vpp.obstacles,
        given_up=given_up(uplink, takeover),
    )


async def _agrees(uplink: Uplink) -> bool:
    """Whether VPP has its part of it."""
    dataplane = uplink.node.vpp.dataplane
    if dataplane is None or uplink.node.vpp.obstacles:
        return False
    ports = await dataplane.find(uplink.name)
    return ports.uplink is not None and ports.host is not None


async def before_takeover(uplink: Uplink, link: Link | None) -> Facts:
    """What stands against taking that interface over, all at once; `hostlink preflight` asks the same.

    What is to be told of it besides goes into `uplink.told`. Raises KernelError, VppError.
    """
    obstacles: list[Problem] = []
    notes: list[Problem] = []
    if link is None:
        obstacles.append(problem("HL-102", f"no interface of this host matches {uplink.config.match}; waiting for it"))
    else:
        obstacles += await _unfit(uplink, link)
        view = await read_view(uplink.node.host, link.index)
        notes += remarks(view) if view is not None else ()
        uplink.told["listeners"] = deafened(view) if view is not None else ()
        uplink.told["stuck"] = would_be_lost(view) if view is not None else ()
    obstacles += await _vpp_obstacles(uplink)
    return Facts(
        uplink_found=link is not None,
        vpp_reachable=uplink.node.vpp.dataplane is not None,
        leftovers=await _left_in_vpp(uplink),
        obstacles=tuple(obstacles),
        notes=tuple(notes),
    )


def _unsettled(node: Node) -> list[Problem]:
    """A VPP that was lost under a takeover again and again is waited for longer each time."""
    now = trio.current_time()
    recent = node.losses_lately()
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (recent - 2)) if recent > 1 else 0.0
    if now - node.vpp.since >= wait_s:
        return []
    text = f"VPP was lost {recent} times in {LOSSES_WITHIN_S / 60:g} minutes; it must answer for {wait_s:g} s first"
    return [problem("HL-208", text)]


async def _left_in_vpp(uplink: Uplink) -> bool:
    """Whether VPP still has ports with our tag although nothing is taken: it was out of reach at a give-back."""
    dataplane = uplink.node.vpp.dataplane
    if dataplane is None:
        return False
    ports = await dataplane.find(uplink.name)
    return ports.uplink is not None or ports.host is not None


async def find_uplink(uplink: Uplink) -> Link | None:
    """The interface that the configuration means, or None."""
    match = uplink.config.match
    host = uplink.node.host
    return await find_link(host, name=match.name, mac=match.mac, pci=match.pci, default_route=match.default_route)


async def _unfit(uplink: Uplink, link: Link) -> list[Problem]:
    found: list[Problem] = []
    if link.loopback:
        found.append(problem("HL-103", f"{link.name} is the loopback interface"))
    if any(is_mark(name) for name in link.altnames):
        found.append(problem("HL-105", f"{link.name} is a host link of hostlink's own, and its journal is gone"))
    elif link.kind in _REFUSED_KINDS:
        found.append(problem("HL-106", f"{link.name} is {_REFUSED_KINDS[link.kind]}"))
    if link.master_index is not None:
        links = {one.index: one for one in await read_links(uplink.node.host)}
        master = links.get(link.master_index)
        of = f"the {master.kind or 'interface'} {master.name}" if master else f"interface {link.master_index}"
        found.append(problem("HL-104", f"{link.name} is a member of {of}"))
    if uplink.config.host_link == "tap" and not can_make_taps():
        found.append(problem("HL-111", "there is no /dev/net/tun to make the host's tap with"))
    if (why := why_impossible()) is not None:
        found.append(problem("HL-114", why))
    return found + await _clashes(uplink, link)


async def _clashes(uplink: Uplink, nic: Link) -> list[Problem]:
    """Names that the takeover needs and somebody else has."""
    found = []
    for name, what in ((name_before(nic), "the host link's first name"), (pair_name(nic), "the bypass's name")):
        if await find_link(uplink.node.host, name=name) is not None:
            found.append(problem("HL-110", f"{name}, {what}, is taken on the host"))
    namespace = uplink.node.config.vpp.namespace
    if not exists(namespace):
        return found
    needed = [nic.name, pair_name(nic), *([inner_name(nic)] if uplink.config.host_link == "veth" else [])]
    async with open_netlink(namespace) as there:
        for name in needed:
            if await find_link(there, name=name) is not None:
                found.append(problem("HL-110", f"{name} is taken in VPP's namespace {namespace}"))
    return found


async def _vpp_obstacles(uplink: Uplink) -> list[Problem]:
    node = uplink.node
    dataplane = node.vpp.dataplane
    if dataplane is None:
        silent = problem("HL-201", f"nothing answers at {node.config.vpp.api_socket}; waiting for VPP")
        return list(node.vpp.obstacles) or [silent]
    found = [*node.vpp.obstacles, *_unsettled(node)]
    for interface in await dataplane.interfaces():
        if interface.name == f"host-{uplink.name}" and not interface.tag.startswith(OURS):
            found.append(problem("HL-207", f"VPP has an interface {interface.name} that hostlink did not make"))
    ours = set((await dataplane.host_ports()).values())
    for redirect in (await dataplane.read_shared()).redirects:
        if redirect.rx_sw_if_index == NO_INDEX and redirect.path.sw_if_index not in ours:
            text = f"VPP redirects IPv{int(redirect.family)} punt to interface {redirect.path.sw_if_index} already"
            found.append(problem("HL-206", text))
    return found
