"""What a plan is sent in, and how far that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from hostlink.core import operations as op
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.session import Request, Session


class Willing:
    """A session with a VPP that takes everything."""

    async def batch(self, requests: Sequence[Request]) -> list[None]:
        return [None] * len(requests)


async def test_how_far_a_plan_is_is_said_after_each_part() -> None:
    plan: list[op.VppOperation] = [op.SetUp(number, True) for number in range(25_000)]
    said: list[int] = []
    await Dataplane(cast(Session, Willing()), 1, 2).apply(plan, said.append)
    assert said == [10_000, 10_000, 5_000]
