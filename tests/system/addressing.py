"""Addresses of the host in scenarios: what VPP must have of them, who can be reached, and what must not be disturbed.

What VPP must have is worked out here anew, from what `ip` shows and VPP's rules, and not by hostlink's own code.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

import trio

from hostlink.core.model import IPAddress, IPInterface
from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, echo_server, ping, tcp_roundtrip, udp_roundtrip, wait_reachable
from hostlink.lab.layout import NIC, NIC_MAC
from hostlink.lab.stage import Stage
from hostlink.vpp.read import read_interfaces, read_shared
from hostlink.vpp.session import Session, open_session
from hostlink.vpp.tags import find_ports
from tests.system.rounds import eventually
from tests.system.sockets import sender

CONVERGED_S = 5.0
STEADY_PORT = 7778
_POLL_S = 0.05
_EVERY_S = 0.005
_LAST_WORDS_S = 2.0
_SILENCE_S = 0.3
_REQUEST_S = 5.0
_STATIC, _NO_FIB_ENTRY = 1, 2


# ------------------------------------------------------------------------------------------------------ the host's view


async def shown(stage: Stage, link: str = NIC) -> list[dict[str, Any]]:
    """The addresses of a link, as `ip -json` has them."""
    (found,) = json.loads(await stage.on_host("ip", "-json", "address", "show", "dev", link))
    return list(found["addr_info"])


async def own_addresses(stage: Stage) -> dict[IPInterface, str]:
    """Interface → address with length as VPP must have it, of each one that the host answers for."""
    infos = [info for info in await shown(stage) if _is_answered_for(info)]
    on_link = await _on_link(stage)
    return {ip_interface(f"{i['local']}/{i['prefixlen']}"): _alone_or_not(i, on_link) for i in infos}


def _is_answered_for(info: dict[str, Any]) -> bool:
    probing = info.get("tentative") and not info.get("optimistic")
    link_local6 = info["family"] == "inet6" and ip_address(info["local"]).is_link_local
    return not (probing or info.get("dadfailed") or link_local6)


async def _on_link(stage: Stage) -> set[str]:
    """The prefixes that the host's own table has on the link."""
    routes = []
    for version in ("-4", "-6"):
        routes += json.loads(await stage.on_host("ip", version, "-json", "route", "show", "dev", NIC) or "[]")
    return {str(route["dst"]) for route in routes if "gateway" not in route and "via" not in route}


def _alone_or_not(info: dict[str, Any], on_link: set[str]) -> str:
    own = ip_interface(f"{info['local']}/{info['prefixlen']}")
    alone = "address" in info or (info.get("noprefixroute") and str(own.network) not in on_link)
    return str(ip_interface(own.ip)) if alone else str(own)


def as_vpp_has_them(own: Sequence[str]) -> set[str]:
    """VPP refuses networks that overlap unless they are the same: the widest that an address is in counts."""
    interfaces = [ip_interface(text) for text in own]
    networks = [one.network for one in interfaces]
    return {f"{one.ip}/{min(n.prefixlen for n in networks if one.ip in n)}" for one in interfaces}


# ------------------------------------------------------------------------------------------------------------ in VPP


@dataclass(slots=True)
class Mirror:
    """Looks at VPP from outside. Before the takeover there is nothing to see, and all is well."""

    stage: Stage
    session: Session | None

    async def settled(self, what: str, within_s: float = CONVERGED_S) -> None:
        """Until VPP has what the host has, and nothing else. Raises FlowError with the difference.

        Not before the host's own addresses are usable, which on the bare NIC is all that is waited for.
        """
        await eventually(f"{what}: no address is tentative", self._decided)
        if self.session is None:
            return
        differences: dict[str, object] = {}
        with trio.move_on_after(within_s * deadline_factor()):
            while True:
                differences = await self._differences(self.session)
                if not differences:
                    return
                await trio.sleep(_POLL_S)
        raise FlowError(f"{what}: after {within_s:g} s VPP differs: {differences}\n{self.stage.log}")

    async def _decided(self) -> bool:
        return not any(info.get("tentative") and not info.get("dadfailed") for info in await shown(self.stage))

    async def _differences(self, session: Session) -> dict[str, object]:
        own = await own_addresses(self.stage)
        addresses = {one.ip for one in own}
        there = await _in_vpp(session)
        wanted = {
            "addresses": as_vpp_has_them(list(own.values())),
            "neighbours": {f"{address} {NIC_MAC}" for address in addresses},
            "redirects of families": {address.version for address in addresses},
            "redirects to others": set(),
        }
        there["redirects to others"] = {str(to) for to in there.pop("redirects") if to not in addresses}
        return {
            key: {"missing": wanted[key] - there[key], "too much": there[key] - wanted[key]}  # type: ignore[operator]
            for key in wanted
            if wanted[key] != there[key]
        }


async def _in_vpp(session: Session) -> dict[str, set[Any]]:
    ports = find_ports(await read_interfaces(session), NIC)
    assert ports.uplink is not None, "VPP has no uplink"
    assert ports.host is not None, "VPP has no interface towards the host"
    addresses, neighbours = [], []
    for version6 in (False, True):
        uplink, host = ports.uplink.sw_if_index, ports.host.sw_if_index
        addresses += await session.dump("ip_address_dump", sw_if_index=uplink, is_ipv6=version6)
        neighbours += [n.neighbor for n in await session.dump("ip_neighbor_dump", sw_if_index=host, af=int(version6))]
    redirects = (await read_shared(session)).redirects
    return {
        "addresses": {text for text in (str(item.prefix) for item in addresses) if not text.startswith("fe80:")},
        "neighbours": {f"{n.ip_address} {n.mac_address}" for n in neighbours if n.flags & _STATIC},
        "redirects": {redirect.path.next_hop for redirect in redirects},
        "redirects of families": {int(redirect.family) for redirect in redirects},
    }


@asynccontextmanager
async def mirror_of(stage: Stage) -> AsyncIterator[Mirror]:
    if stage.daemon is None:
        yield Mirror(stage, None)
        return
    async with open_session(stage.api_socket, client_name="lookout", deadline_s=_REQUEST_S * deadline_factor()) as one:
        yield Mirror(stage, one)


# ------------------------------------------------------------------------------------------------------- on the wire


async def reached(stage: Stage, *addresses: str) -> None:
    """From the router by ping, UDP and TCP; a server must be on them. Raises FlowError."""
    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(_reached, stage, address)


async def _reached(stage: Stage, address: str) -> None:
    await wait_reachable(stage.lab.wire, address)
    await udp_roundtrip(stage.lab.wire, address)
    await tcp_roundtrip(stage.lab.wire, address)


async def dead(stage: Stage, *addresses: str) -> None:
    """No ping and no datagram comes back from there any more."""
    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(_unpinged, stage, address)
            nursery.start_soon(_unserved, stage, address)


async def _unpinged(stage: Stage, address: str) -> None:
    assert await ping(stage.lab.wire, address, reply_s=_SILENCE_S) == 0, f"{address} still answers pings"


async def _unserved(stage: Stage, address: str) -> None:
    with contextlib.suppress(FlowError):
        await udp_roundtrip(stage.lab.wire, address, tries=1, try_s=_SILENCE_S)
        raise AssertionError(f"{address} still answers UDP")


@dataclass(slots=True)
class Steady:
    """Datagrams to addresses that stay, one every 5 ms to each, and which of them came back."""

    step: str = "before anything"
    """What is being done; says when a datagram was lost."""
    sent: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Number → address and step, of those that have not come back."""

    async def exchange(self, stage: Stage, address: str, numbers: itertools.count[int]) -> None:
        version = ip_address(address).version
        with sender(stage.lab.wire, version) as one:
            while True:
                number = next(numbers)
                self.sent[number] = address, self.step
                one.socket.sendto(struct.pack("!Q", number), (address, STEADY_PORT))
                await trio.sleep(_EVERY_S * deadline_factor())
                self._received(one.socket)

    def _received(self, sock: Any) -> None:
        while True:
            try:
                self.sent.pop(struct.unpack("!Q", sock.recv(100))[0], None)
            except BlockingIOError:
                return
            except OSError:  # said of an earlier one, which is lost: `lost` tells in which step
                continue

    def lost(self) -> dict[str, int]:
        return dict(Counter(f"{address}, {step}" for address, step in self.sent.values()))


@asynccontextmanager
async def undisturbed(stage: Stage, *addresses: str, may_lose: int = 0) -> AsyncIterator[Steady]:
    """A steady exchange and an open TCP connection with each address, of which the block may take nothing away.

    may_lose: datagrams at most, where the kernel itself has a gap.
    """
    async with echo_server(stage.lab.host, addresses, STEADY_PORT):
        for address in addresses:
            await wait_reachable(stage.lab.wire, address)
        steady, numbers = Steady(), itertools.count()
        async with contextlib.AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(await _connected(stage, each)) for each in addresses]
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    nursery.start_soon(steady.exchange, stage, address, numbers)
                yield steady
                steady.step = "after all"
                await _last_words(steady)
                nursery.cancel_scope.cancel()
            for connection in connections:
                await _alive(connection)
    lost = {what: count for what, count in steady.lost().items() if not what.endswith("after all")}
    if sum(lost.values()) > may_lose:
        raise FlowError(f"datagrams were lost: {lost}\n{stage.log}")


async def _last_words(steady: Steady) -> None:
    """What is under way comes yet. What was sent after the last step only keeps the sockets being read."""
    with trio.move_on_after(_LAST_WORDS_S * deadline_factor()):
        while True:
            if all(step == "after all" for _, step in steady.sent.values()):
                return
            await trio.sleep(_POLL_S)


async def _connected(stage: Stage, address: str) -> trio.SocketStream:
    version = ip_address(address).version
    with inside(stage.lab.wire):
        sock = trio.socket.socket(trio.socket.AF_INET if version == 4 else trio.socket.AF_INET6)
    await sock.connect((address, STEADY_PORT))
    stream = trio.SocketStream(sock)
    await _alive(stream)
    return stream


async def _alive(stream: trio.SocketStream) -> None:
    with trio.fail_after(5 * deadline_factor()):
        await stream.send_all(b"are you there")
        got = b""
        while len(got) < 13:
            data = await stream.receive_some()
            assert data, "the connection was closed"
            got += data


async def wire_route(stage: Stage, address: IPAddress | str, *, add: bool) -> None:
    """The router has, or has no more, a way on the LAN to an address outside of the LAN's network."""
    bits = ip_address(str(address)).max_prefixlen
    verb = "replace" if add else "del"
    await stage.lab.exec(stage.lab.wire, ["ip", "route", verb, f"{address}/{bits}", "dev", "lan"])
