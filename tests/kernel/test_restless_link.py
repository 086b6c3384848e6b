"""A host link that never holds still: a look waits for it, and is neither ended by a deadline nor silent about it."""

from __future__ import annotations

from itertools import cycle

import trio

from hostlink.config import Config, Match, UplinkConfig
from hostlink.core import operations as op
from hostlink.kernel.apply import apply_host
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import read_link
from hostlink.lab.factor import deadline_factor
from hostlink.steps.context import Node, Uplink
from hostlink.steps.names import mark
from hostlink.steps.view import look
from tests.kernel.meddling import meddled


async def test_a_look_at_a_restless_link_waits_and_says_so(wired):
    """Its step counts as getting on, HL-323 is told meanwhile, and the link is read as soon as it holds still."""
    wired.ip(f"link property add dev eth1 altname {mark('eth1')}")
    mtus, restless = cycle((1400, 1500)), True
    async with open_netlink(wired) as other:
        index = (await read_link(other, "eth1")).index

        async def flip() -> None:
            if restless:
                await apply_host(other, [op.SetHostLink(index, mtu_bytes=next(mtus))])

        async with meddled(wired, flip) as (nl, _):
            config = UplinkConfig(Match(name="eth1"))
            uplink = Uplink(Node(Config((config,)), nl), config, 0, "eth1")
            views = []
            async with trio.open_nursery() as nursery:

                async def keep_looking() -> None:
                    views.append(await look(uplink))

                nursery.start_soon(keep_looking)
                with trio.fail_after(20 * deadline_factor()):
                    await uplink.told_anew.wait()
                    (told,) = uplink.problems
                    assert (told.code, "eth1 changed during each of 10" in told.detail) == ("HL-323", True)
                    at = uplink.progress_at
                    while uplink.progress_at == at:  # noqa: ASYNC110 — it says so by nothing else
                        await trio.sleep(0.01)
                    assert views == []
                    restless = False
    assert [view.link.index for view in views] == [index]
    assert uplink.problems == ()
