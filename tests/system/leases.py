"""After a change of the host's addresses: that VPP, the punt path, the neighbours and the journal say the same.

What should be is read from the host itself, by `ip`, and not by hostlink's own reading of it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import trio

from hostlink.clock import boottime_s
from hostlink.core.model import Address, Family, IPAddress, VppShared, VppUplink
from hostlink.journal import journal_for
from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, echo_server
from hostlink.lab.layout import BEYOND4, BEYOND6, NIC, NIC_MAC
from hostlink.lab.stage import Stage
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.session import open_session
from tests.system.rounds import NOTHING_CAME_S, POLL_S

FOREVER = 0xFFFFFFFF
"""A lifetime, as the kernel and `ip -json` say it."""
_IFA_F_PERMANENT = 0x80
_OLDER_S = 10
"""By how much the journal's word on a lifetime may be older than the host's."""
_ROUNDED_S = 1
"""The kernel says whole seconds."""
_PORT = 7778
_WITHIN_S = 10.0


async def host_addresses(stage: Stage) -> list[dict[str, Any]]:
    """What `ip -json address` says of the NIC's addresses that are in use, IPv6 link-local ones apart."""
    (link,) = json.loads(await stage.on_host("ip", "-json", "address", "show", "dev", NIC))
    return [
        entry
        for entry in link["addr_info"]
        if not entry.get("tentative") and not (entry["family"] == "inet6" and entry["scope"] == "link")
    ]


async def host_default(stage: Stage, version: int) -> IPAddress | None:
    """The gateway of the host's best default route by the NIC."""
    text = await stage.on_host("ip", f"-{version}", "-json", "route", "show", "default", "dev", NIC)
    routes = sorted(json.loads(text or "[]"), key=lambda route: route.get("metric", 0))
    return ip_address(routes[0]["gateway"]) if routes else None


async def converged(stage: Stage, *, gone: Collection[IPAddress] = ()) -> None:
    """Until the host's addresses and default gateways are VPP's, and no other. Raises FlowError with what differs.

    gone: what must be on neither side, and not in the journal. On the bare NIC only the host is looked at.
    """
    differs = ["nothing was read"]
    with trio.move_on_after(_WITHIN_S * deadline_factor()):
        while True:
            differs = await _differences(stage, gone)
            if not differs:
                return
            await trio.sleep(POLL_S)
    raise FlowError("\n".join(["host and VPP do not come together:", *differs, stage.log[-3000:]]))


async def _differences(stage: Stage, gone: Collection[IPAddress]) -> list[str]:
    there = await host_addresses(stage)
    own = {ip_address(entry["local"]) for entry in there}
    differs = [f"the host still has {address}" for address in gone if address in own]
    if stage.daemon is None:
        return differs
    vpp, shared = await _vpp(stage)
    host_sw = vpp.host.sw_if_index
    wanted = {ip_interface(f"{entry['local']}/{entry['prefixlen']}") for entry in there}
    differs += _unequal("addresses", set(vpp.uplink.addresses), wanted)
    neighbours = {(one.sw_if_index, one.address, one.mac) for one in vpp.neighbours}
    differs += _unequal("neighbours", neighbours, {(host_sw, address, NIC_MAC) for address in own})
    differs += _unequal("proxies", {vpp.host.proxy_arp, vpp.host.nd_proxy}, {True})
    differs += _unequal("lender", {vpp.host.unnumbered_to}, {vpp.uplink.sw_if_index})
    differs += _punted(shared, own, host_sw)
    for version in (4, 6):
        gateways = _default(vpp, version)
        best = await host_default(stage, version)
        differs += _unequal(f"IPv{version} default", gateways, set() if best is None else {best})
    return differs + _journaled(stage, there)


def _unequal(what: str, vpp: Collection[object], host: Collection[object]) -> list[str]:
    said = sorted(map(str, vpp)), sorted(map(str, host))
    return [] if said[0] == said[1] else [f"{what}: VPP has {said[0]}, wanted {said[1]}"]


async def _vpp(stage: Stage) -> tuple[VppUplink, VppShared]:
    async with open_session(stage.api_socket, deadline_s=5.0 * deadline_factor()) as session:
        dataplane = await open_dataplane(session)
        ports = await dataplane.find(NIC)
        assert ports.uplink is not None
        assert ports.host is not None
        return await dataplane.read_uplink(ports.uplink, ports.host), await dataplane.read_shared()


def _punted(shared: VppShared, own: set[IPAddress], host_sw: int) -> list[str]:
    """A redirect for each family in which the host has an address, to one of them; and for no other."""
    hops = {redirect.family: redirect.path for redirect in shared.redirects}
    differs = _unequal("families of the punt redirect", set(hops), {Family(address.version) for address in own})
    for path in hops.values():
        if path.next_hop not in own or path.sw_if_index != host_sw:
            differs.append(f"the punt redirect goes to {path.next_hop} on {path.sw_if_index}")
    return differs


def _default(vpp: VppUplink, version: int) -> set[IPAddress]:
    """The gateways that VPP's default route uses: those of the best preference."""
    everything = ip_network("0.0.0.0/0" if version == 4 else "::/0")
    paths = [path for route in vpp.routes if route.prefix == everything for path in route.paths]
    best = min((path.preference for path in paths), default=0)
    return {path.next_hop for path in paths if path.preference == best and path.next_hop is not None}


def _journaled(stage: Stage, there: list[dict[str, Any]]) -> list[str]:
    """The journal has the same addresses, each as dynamic as on the host, and ending neither early (F13) nor late."""
    takeover = journal_for(stage.directory / "journal", NIC).read()
    assert takeover is not None
    said = {str(one.interface): one for one in takeover.last_good.addresses if not one.interface.is_link_local}
    differs = _unequal("addresses (journal)", set(said), {f"{entry['local']}/{entry['prefixlen']}" for entry in there})
    for entry in there if not differs else ():
        differs += _as_dynamic(said[f"{entry['local']}/{entry['prefixlen']}"], entry, takeover.read_at_s)
    return differs


def _as_dynamic(journal: Address, host: dict[str, Any], read_at_s: float) -> list[str]:
    dynamic, valid_s = bool(host.get("dynamic")), host["valid_life_time"]
    if bool(journal.flags & _IFA_F_PERMANENT) == dynamic or (journal.valid_lifetime_s is None) == dynamic:
        return [f"journal: {journal}; host: {host}"]
    said_s, age_s = journal.valid_lifetime_s or 0, int(boottime_s() - read_at_s)
    if dynamic and (said_s - age_s > valid_s + _ROUNDED_S or said_s < valid_s - _OLDER_S * deadline_factor()):
        return [f"journal: {said_s} s valid, {age_s} s ago; host: {valid_s} s"]
    return []


@dataclass(frozen=True, slots=True)
class Conversation:
    """One TCP connection with the host's address, to an echo server at its other end, which stays open."""

    stream: trio.SocketStream
    address: IPAddress

    async def goes_on(self) -> None:
        """Another 20 kB there and back by the same connection."""
        sent = bytes(20_000)
        got = b""
        with trio.move_on_after(5.0 * deadline_factor()):
            await self.stream.send_all(sent)
            while len(got) < len(sent) and (data := await self.stream.receive_some()):
                got += data
        if len(got) != len(sent):
            raise FlowError(f"the connection to {self.address} gave back {len(got)} of {len(sent)} bytes")

    async def is_silent(self) -> None:
        """What is sent gets neither an answer nor a reset: the address is nobody's."""
        await self.stream.send_all(b"anybody?")
        with trio.move_on_after(NOTHING_CAME_S * deadline_factor()):
            data = await self.stream.receive_some()
            raise FlowError(f"the connection to {self.address} is answered: {data!r}")


@asynccontextmanager
async def conversation(stage: Stage, address: IPAddress, *, outgoing: bool = False) -> AsyncIterator[Conversation]:
    """An echo server of its own and a connection to it, for the length of the block.

    From the wire to the host's address; outgoing: from there to beyond the router.
    """
    here, there = (stage.lab.host, stage.lab.wire) if outgoing else (stage.lab.wire, stage.lab.host)
    beyond = BEYOND4 if address.version == 4 else BEYOND6
    to, port = (beyond, _PORT + 1) if outgoing else (address, _PORT)
    with inside(here):
        sock = trio.socket.socket(trio.socket.AF_INET if address.version == 4 else trio.socket.AF_INET6)
    async with echo_server(there, [to], port=port):
        with sock:
            with trio.fail_after(_WITHIN_S * deadline_factor()):
                if outgoing:
                    await sock.bind((str(address), 0))
                await sock.connect((str(to), port))
            talk = Conversation(trio.SocketStream(sock), address)
            await talk.goes_on()
            yield talk


@asynccontextmanager
async def conversations(stage: Stage, kept: IPAddress, leased: IPAddress) -> AsyncIterator[tuple[Conversation, ...]]:
    """Three: with an address that no lease is of, with the leased one, and from that one outwards."""
    async with (
        conversation(stage, kept) as stays,
        conversation(stage, leased) as comes,
        conversation(stage, leased, outgoing=True) as goes,
    ):
        yield stays, comes, goes
