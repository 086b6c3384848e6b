"""A DHCPv6 lease that runs out and comes back, by the same DUID, IAID and link-local all the time (F07, F08, F13).

First on the bare NIC. The client makes DUID-LL and IAID of the link's MAC, as it does where no udev knows of the link.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hostlink.lab.children import child
from hostlink.lab.factor import deadline_factor
from hostlink.lab.frames import Capture, capture
from hostlink.lab.layout import HOST4, NIC, ROUTER6
from hostlink.lab.stage import Dataplane, Stage
from tests.system.advertising import HOST_LINK_LOCAL
from tests.system.dhcp.leasing import begin, dhcp_client, followed, leased, offer
from tests.system.dhcp.messages import dhcp6, is_dhcp
from tests.system.dhcp.scene import WIRE_PORT, everywhere, open_place, take_over
from tests.system.dhcp.servers import server
from tests.system.leases import conversations
from tests.system.test_dhcp6 import DUID_LL, is_a
from tests.system.test_leases_run_out import given_back, gone_and_back

pytestmark = pytest.mark.once

LEASE_S = 5
T2_S, TIMERS_S = 20, 15
"""networkd's T1 and T2 come up to ten seconds late, together with other timers of the machine, at an offset that is
drawn at boot (sd-event(3), accuracy): a lease of five seconds never meets them, and T2 too near to T1 comes with it."""
_LINK_LOCAL = re.compile(rf": {NIC} .*inet6 (fe80:\S+)/")


@everywhere
async def test_a_lease_runs_out_and_comes_back(place: Dataplane | None) -> None:
    """F08: networkd never sees another link-local on the link, and the server never another client.

    dhclient: test_dhcp6.py.
    """
    clients = "networkd"
    given = offer("fd00::100", ROUTER6, LEASE_S)
    async with open_place(place) as stage:
        await stage.on_host("ip", "-6", "address", "flush", "dev", NIC, "scope", "global")
        with server(stage.lab, stage.directory, "kea", 6, given) as leases, dhcp_client(stage, clients, 6) as dhcp:
            await leases.start()
            async with the_same_client(stage) as wire:
                begin(dhcp, 6)
                address = await leased(stage, dhcp, given)
                async with conversations(stage, HOST4.ip, address) as (stays, comes, goes):
                    await take_over(stage, place)
                    await followed(stage, clients, dhcp, given, address)
                    for talk in (stays, comes, goes):
                        await talk.goes_on()
                    leases.stop()
                    lasting = replace(given, lease_s=int(120 * deadline_factor()), t2_s=int(T2_S * deadline_factor()))
                    await gone_and_back(stage, leases, dhcp, lasting, address, stays)
                    for talk in (stays, comes, goes):
                        await talk.goes_on()
                    await wire.wait(is_a("renew"), within_s=TIMERS_S)
                    dhcp.stop()
            await given_back(stage, address, lasting.lease_s)


@asynccontextmanager
async def the_same_client(stage: Stage) -> AsyncIterator[Capture]:
    """All who ask for a lease meanwhile have one DUID and IAID, and the NIC's link-local; the link has no other."""
    log = stage.directory / "addresses"
    with log.open("wb") as out, child(stage.lab.host, ["ip", "-6", "monitor", "address"], stdout=out.fileno()):
        async with capture(stage.lab.wire, WIRE_PORT, is_dhcp) as wire:
            yield wire
    asked = [message for message in dhcp6(wire.frames) if not message.outgoing]
    kinds = {message.kind for message in asked}
    assert kinds >= {"solicit", "request", "renew"}
    assert {message.duid for message in asked} == {DUID_LL}
    assert len({message.iaid for message in asked}) == 1, [(message.kind, message.iaid) for message in asked]
    assert {message.source for message in asked} == {HOST_LINK_LOCAL}
    assert link_locals(log) <= {HOST_LINK_LOCAL}, log.read_text()
    assert stage.daemon is None or link_locals(log), "the host link got its link-local, and nobody said so"


def link_locals(log: Path) -> set[str]:
    return set(_LINK_LOCAL.findall(log.read_text()))
