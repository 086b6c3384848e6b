"""Router advertisements and solicitations go past VPP as they are; what the host makes of them VPP mirrors."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import pytest
import trio
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from hostlink.core.model import HostView
from hostlink.journal import journal_for
from hostlink.lab.flows import echo_server, ping, tcp_roundtrip, udp_roundtrip
from hostlink.lab.frames import capture, send_frame
from hostlink.lab.layout import HOST6, LAN, NIC, NIC_MAC, ROUTER4, ROUTER_MAC
from hostlink.lab.stage import Dataplane, Stage, open_stage
from hostlink.lab.station import station
from tests.system.advertising import (
    HOST_LINK_LOCAL,
    INTERFACE_ID,
    LIFETIME_S,
    PREFERRED_S,
    RDNSS,
    VALID_S,
    Router,
    defaults,
    host_address,
    nd_options,
    rdnss_messages,
    router_address,
    vpp_route,
)
from tests.system.neighbouring import set_sysctls
from tests.system.rounds import before_and_after, eventually, nothing_comes
from tests.system.wire import has

WIRE_PORT = "to-host"
"""The LAN's port towards the node: what is captured there is on the wire."""
MINUTE_S = 60


async def test_an_advertisement_configures_the_host(dataplane: Dataplane) -> None:
    """SLAAC address, default route and resolver; then VPP has the address, and traffic to it passes."""
    await before_and_after(dataplane, advertised)


async def advertised(stage: Stage, digit: str) -> None:
    prefix = f"2001:db8:5{digit}::"
    router = Router(f"fe80::a{digit}", f"02:00:00:00:aa:0{digit}")
    frame = router.advertisement(prefix=prefix, rdnss=f"{prefix}53")
    slaac = f"2001:db8:5{digit}:0:{INTERFACE_ID}"
    with rdnss_messages(stage.lab.host) as told:
        async with capture(stage.lab.host, NIC, has(ICMPv6ND_RA)) as seen:
            send_frame(stage.lab.wire, LAN, frame)
            await eventually("the SLAAC address", _present(stage, slaac))
            await nothing_comes()
            assert [(got.data, got.outgoing) for got in seen.frames] == [(frame, False)]
        # Newer kernels tell of the prefix too, which is before it in the frame.
        assert [option for option in nd_options(told) if option[0] == RDNSS] == [frame[-24:]]
    address = await host_address(stage, slaac)
    assert address is not None
    assert address["dynamic"] is True
    assert VALID_S - MINUTE_S < address["valid_life_time"] <= VALID_S
    expires_s = (await defaults(stage))[router.link_local]
    assert expires_s is not None
    assert LIFETIME_S - MINUTE_S < expires_s <= LIFETIME_S
    await router_address(stage, f"{prefix}1/64")
    async with echo_server(stage.lab.host, [slaac]):
        await eventually("an answer from the SLAAC address", lambda: _answers(stage.lab.wire, slaac))
        await udp_roundtrip(stage.lab.wire, slaac)
        await tcp_roundtrip(stage.lab.wire, slaac, size_bytes=100_000)
    send_frame(stage.lab.wire, LAN, router.advertisement(lifetime_s=0))
    await eventually("the default of a router that left is gone", _gone(stage, router))


def _present(stage: Stage, address: str) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return await host_address(stage, address) is not None

    return probe


def _gone(stage: Stage, router: Router) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return router.link_local not in await defaults(stage)

    return probe


async def _vpp_default(stage: Stage, by: Router, not_by: Router) -> bool:
    shown = await vpp_route(stage, "::/0")
    return by.link_local in shown and not_by.link_local not in shown


async def _answers(namespace: str, address: str) -> bool:
    return await ping(namespace, address, reply_s=0.3) == 1


async def test_of_two_routers_one_leaves(dataplane: Dataplane) -> None:
    """Two default routes; the one that says lifetime 0 goes, and everything by default takes the other, in VPP too."""
    await before_and_after(dataplane, two_routers)


async def two_routers(stage: Stage, digit: str) -> None:
    first, second = Router("fe80::1", ROUTER_MAC), Router("fe80::2", "02:00:00:00:bb:02")
    behind_second = f"2001:db8:ee0{digit}::1"
    await stage.on_host("ip", "-6", "route", "del", "default", "via", first.link_local, "metric", "100")
    addresses = [f"{second.link_local}/64", "fd00::253/64", f"{behind_second}/128"]
    async with station(stage.lab, f"r{digit}", second.mac, addresses) as namespace:
        # Else it says that it is no router as soon as it is asked (RFC 4861, 7.2.5): 5 s later its default is gone.
        set_sysctls(namespace, ipv6__conf__all__forwarding="1")
        assert await ping(namespace, HOST6.ip, count=3) >= 1  # it solicits the host with its address on the LAN
        for router in (first, second):
            send_frame(stage.lab.wire, LAN, router.advertisement())

        async def both() -> bool:
            return set(await defaults(stage)) == {first.link_local, second.link_local}

        await eventually("two default routes", both)
        send_frame(stage.lab.wire, LAN, first.advertisement(lifetime_s=0))
        await eventually("the first router's default is gone", _gone(stage, first))
        await eventually("the second router's network", lambda: _answers(stage.lab.host, behind_second))
        if stage.daemon is not None:
            await eventually("VPP's default by the second router alone", partial(_vpp_default, stage, second, first))
        async with echo_server(namespace, [behind_second]):
            await tcp_roundtrip(stage.lab.host, behind_second)
        send_frame(stage.lab.wire, LAN, second.advertisement(lifetime_s=0))
        await eventually("the second router's default is gone", _gone(stage, second))
    await stage.on_host(
        "ip", "-6", "route", "add", "default", "via", first.link_local, "dev", NIC, "proto", "ra", "metric", "100"
    )


async def test_a_solicitation_leaves_as_sent_and_a_unicast_answer_comes(dataplane: Dataplane) -> None:
    """Hop limit 255 both ways, which receivers insist on (RFC 4861 §6.1); nothing of it comes back to its sender."""
    await before_and_after(dataplane, solicited)


async def solicited(stage: Stage, digit: str) -> None:
    router = Router(f"fe80::c{digit}", f"02:00:00:00:cc:0{digit}")
    solicitation = bytes(
        Ether(src=NIC_MAC, dst="33:33:00:00:00:02")
        / IPv6(src=HOST_LINK_LOCAL, dst="ff02::2", hlim=255)
        / ICMPv6ND_RS()
        / ICMPv6NDOptSrcLLAddr(lladdr=NIC_MAC)
    )
    answer = router.advertisement(to=(HOST_LINK_LOCAL, NIC_MAC))
    async with (
        capture(stage.lab.wire, WIRE_PORT, has(ICMPv6ND_RS, outgoing=False)) as on_wire,
        capture(stage.lab.host, NIC, lambda frame: not frame.outgoing) as at_host,
    ):
        send_frame(stage.lab.host, NIC, solicitation)
        await on_wire.wait()
        send_frame(stage.lab.wire, LAN, answer)

        async def learnt() -> bool:
            return router.link_local in await defaults(stage)

        await eventually("the default route that a unicast advertisement brings", learnt)
        await nothing_comes()
        assert [frame.data for frame in on_wire.frames] == [solicitation]
        assert [frame.data for frame in at_host.matching(has(ICMPv6ND_RA))] == [answer]
        assert at_host.matching(has(ICMPv6ND_RS)) == []
    send_frame(stage.lab.wire, LAN, router.advertisement(lifetime_s=0))
    await eventually("its default is gone again", _gone(stage, router))


async def test_vpp_itself_learns_and_says_nothing(dataplane: Dataplane) -> None:
    """F19: advertisements all through the takeover, on a host that takes no router's advice; VPP takes none either."""
    prefix, router = "2001:db8:5c::", Router("fe80::bad", "02:00:00:00:ba:ad")
    frame = router.advertisement(prefix=prefix)
    async with open_stage(dataplane) as stage:
        await stage.on_host("sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{NIC}/accept_ra")
        async with (
            capture(stage.lab.wire, WIRE_PORT, has(ICMPv6ND_RA, outgoing=False)) as from_node,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_advertise, stage, frame)
            stage.start_daemon()
            await stage.wait_state("Steady")
            async with capture(stage.lab.host, NIC, has(ICMPv6ND_RA)) as seen:
                assert (await seen.wait()).data == frame
            nursery.cancel_scope.cancel()
        assert await ping(stage.lab.host, ROUTER4.ip, count=3) >= 2  # in VPP's queues it is behind the last of them
        assert from_node.frames == []
        assert set(await defaults(stage)) == {"fe80::1"}
        assert await host_address(stage, f"2001:db8:5c:0:{INTERFACE_ID}") is None
        shown = await stage.vppctl("show ip6 fib") + await stage.vppctl("show interface address")
        assert "2001:db8:5c:" not in shown
        assert router.link_local not in shown
        assert (await stage.state())["mirrored"] == {"addresses": 2, "routes_ipv4": 1, "routes_ipv6": 1}


async def _advertise(stage: Stage, frame: bytes, every_s: float = 0.02, times: int | None = None) -> None:
    sent = 0
    while times is None or sent < times:
        send_frame(stage.lab.wire, LAN, frame)
        sent += 1
        await trio.sleep(every_s)


async def test_lifetimes_go_on_through_takeover_and_give_back(dataplane: Dataplane) -> None:
    """F16: what expires on the NIC expires on the host link, and in VPP, and on the NIC again."""
    stays, ends = Router("fe80::d1", "02:00:00:00:dd:01"), Router("fe80::d2", "02:00:00:00:dd:02")
    slaac = f"2001:db8:5d:0:{INTERFACE_ID}"
    async with open_stage(dataplane) as stage:
        # The kernel takes expired routes away when it next collects, by default after up to 30 s.
        await stage.on_host("sysctl", "-qw", "net.ipv6.route.gc_interval=1")
        send_frame(stage.lab.wire, LAN, stays.advertisement(prefix="2001:db8:5d::"))
        send_frame(stage.lab.wire, LAN, ends.advertisement(lifetime_s=6))
        await eventually("the SLAAC address", _present(stage, slaac))
        stage.start_daemon()
        await stage.wait_state("Steady")
        await _lifetimes(stage, stays, slaac)
        await eventually("a default of 6 s is gone", _gone(stage, ends), within_s=15)

        async def followed() -> bool:
            return ends.link_local not in await stage.vppctl("show ip6 fib")

        await eventually("it is gone from VPP", followed)
        assert await stage.stop_daemon() == 0, stage.log
        await _lifetimes(stage, stays, slaac)
        assert ends.link_local not in await defaults(stage)


@pytest.mark.parametrize("by_journal", [False, True], ids=["stopped", "killed and released"])
async def test_lifetimes_that_were_refreshed_come_back(dataplane: Dataplane, *, by_journal: bool) -> None:
    """F13: the journal was written when little was left; that must not end an address whose router has said more."""
    router, prefix, slaac = Router("fe80::d4", "02:00:00:00:dd:04"), "2001:db8:5e::", f"2001:db8:5e:0:{INTERFACE_ID}"
    async with open_stage(dataplane, settings="[timing]\naudit_s = 1\n") as stage:
        short = router.advertisement(lifetime_s=150, prefix=prefix, valid_s=120)
        send_frame(stage.lab.wire, LAN, short)
        await eventually("the SLAAC address", _present(stage, slaac))
        stage.start_daemon()
        await stage.wait_state("Steady")
        send_frame(stage.lab.wire, LAN, short)  # for the kernel's own default, which is a change; the next is none

        async def settled() -> bool:
            routes = [route for route in _last_good(stage).routes if route.prefix.prefixlen == 0 and route.expires_s]
            return [route.metric for route in routes] == [1024]

        await eventually("the kernel's own default in the journal", settled)
        send_frame(stage.lab.wire, LAN, router.advertisement(prefix=prefix))

        async def refreshed() -> bool:
            address = await host_address(stage, slaac)
            return address is not None and address["valid_life_time"] > VALID_S - MINUTE_S

        await eventually("its new lifetime", refreshed)
        if by_journal:
            await eventually("its new lifetime in the journal", partial(_journaled, stage, slaac))
            await stage.stop_daemon(signal.SIGKILL)
            await stage.on_host("ip", "link", "del", NIC)
            done = await stage.hostlink("release", "--config", str(stage.config))
            assert done.returncode == 0, done.stderr
        else:
            assert await stage.stop_daemon() == 0, stage.log
        await _lifetimes(stage, router, slaac)


async def _journaled(stage: Stage, slaac: str) -> bool:
    left = {str(one.interface.ip): one.valid_lifetime_s or 0 for one in _last_good(stage).addresses}
    return left[slaac] > VALID_S - MINUTE_S


def _last_good(stage: Stage) -> HostView:
    takeover = journal_for(stage.directory / "journal", NIC).read()
    assert takeover is not None
    return takeover.last_good


async def test_a_router_that_was_known_before_leaves_afterwards(dataplane: Dataplane) -> None:
    """Its default came to the host link with the takeover, and its own word (lifetime 0) must take it away."""
    router = Router("fe80::d3", "02:00:00:00:dd:03")
    async with open_stage(dataplane) as stage:

        async def known() -> bool:
            return router.link_local in await defaults(stage)

        send_frame(stage.lab.wire, LAN, router.advertisement())
        await eventually("its default", known)
        stage.start_daemon()
        await stage.wait_state("Steady")
        assert router.link_local in await defaults(stage)
        send_frame(stage.lab.wire, LAN, router.advertisement())
        await eventually("its default once", partial(_once, stage, router))
        send_frame(stage.lab.wire, LAN, router.advertisement(lifetime_s=0))
        await eventually("the default of a router that left is gone", _gone(stage, router))


async def _once(stage: Stage, router: Router) -> bool:
    """The copy that was put back has gone: the kernel's own is there."""
    lines = (await stage.on_host("ip", "-6", "route", "show", "default")).splitlines()
    return len([line for line in lines if router.link_local in line]) == 1 and "metric 1024" in "".join(lines)


async def _lifetimes(stage: Stage, router: Router, slaac: str) -> None:
    expires_s = (await defaults(stage))[router.link_local]
    address = await host_address(stage, slaac)
    assert expires_s is not None
    assert LIFETIME_S - MINUTE_S < expires_s <= LIFETIME_S
    assert address is not None
    assert VALID_S - MINUTE_S < address["valid_life_time"] <= VALID_S
    assert PREFERRED_S - MINUTE_S < address["preferred_life_time"] <= PREFERRED_S


async def test_a_flood_of_advertisements_costs_few_rounds(dataplane: Dataplane) -> None:
    """F15: each refreshes lifetimes, and the kernel tells of each; hostlink looks, and finds nothing to do."""
    frame = Router("fe80::f1", "02:00:00:00:ff:01").advertisement(prefix="2001:db8:5f::")
    slaac = f"2001:db8:5f:0:{INTERFACE_ID}"
    async with open_stage(dataplane) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        send_frame(stage.lab.wire, LAN, frame)
        await eventually("the SLAAC address", _present(stage, slaac))

        async def mirrored() -> bool:
            return slaac in await stage.vppctl("show interface address")

        await eventually("the SLAAC address in VPP", mirrored)
        await stage.wait_state("Steady")
        started = datetime.now(UTC)
        async with capture(stage.lab.host, NIC, has(ICMPv6ND_RA)) as seen:
            await _advertise(stage, frame, times=100)
            await seen.wait(count=100)
        state = await stage.wait_state("Steady")
        moves = [move for move in state["history"] if datetime.fromisoformat(move["at"]) > started]
        assert len(moves) <= 6, moves
        assert await ping(stage.lab.wire, "192.168.0.1", count=3) >= 2
