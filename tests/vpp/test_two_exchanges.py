"""Two exchanges at once: VPP answers what it reads of each in turn, so that one piece of data has runs of both."""

from __future__ import annotations

from itertools import zip_longest

import pytest
import trio
import trio.testing

from hostlink.vpp.packed_routes import apply_packed
from hostlink.vpp.routes import Counted
from hostlink.vpp.session import open_session
from tests.vpp.test_packed_routes import ADD_DEL, PATHS, packed, places
from tests.vpp.test_routes import api

COUNT, FRAME_BYTES = 480, 30
"""Of each exchange: less than a chunk, which is sent at once. 30 bytes: an answer, framed."""
REFUSED = ((100, 160, 161), (0, 240, 433))
"""By position: in the middle of a block and at its ends."""


@pytest.fixture
async def peer(make_peer):
    return await make_peer("two.sock", api_json=api())


@pytest.fixture
def taken(monkeypatch):
    """How answers are taken: each by itself, or in a run (contexts, whether all was well)."""
    each, runs = [], []
    take, all_well = Counted.take, Counted._all_well

    def noted(self, context, *args):
        each.append(context)
        return take(self, context, *args)

    def told(self, data, contexts):
        well = all_well(self, data, contexts)
        runs.append((contexts, well))
        return well

    monkeypatch.setattr(Counted, "take", noted)
    monkeypatch.setattr(Counted, "_all_well", told)
    return each, runs


def in_blocks(answers, size):
    return [b"".join(answers[start : start + size]) for start in range(0, len(answers), size)]


@pytest.mark.parametrize("torn_at", [0, 17, FRAME_BYTES * 300 + 11], ids="torn at {}".format)
@pytest.mark.parametrize("size", [80, 161], ids="blocks of {}".format)
async def test_answers_to_two_exchanges_that_alternate_are_each_their_own(peer, taken, size, torn_at):
    """All are answered, and each refusal is told of its route. None is looked at by itself but the first of each."""
    requests, refusals = [], [[], []]

    async def answer(request):
        requests.append(request)
        if len(requests) < 2 * COUNT:
            return
        both = []
        for mine, refused in zip((requests[:COUNT], requests[COUNT:]), REFUSED, strict=True):
            both.append([peer.reply(one, -3 * (at in refused), bytes(4)) for at, one in enumerate(mine)])
        await peer.send(*(answers[0] for answers in both))  # which shows how long they are
        await trio.testing.wait_all_tasks_blocked()
        blocks = zip_longest(*(in_blocks(answers[1:], size) for answers in both), fillvalue=b"")
        data = b"".join(b"".join(pair) for pair in blocks)
        for part in (data[:torn_at], data[torn_at:]):
            await peer.send(part)
            await trio.testing.wait_all_tasks_blocked()

    async def apply(number):
        found = await apply_packed(session, 23, packed((PATHS, places(COUNT, (20 + number) << 24))))
        refusals[number] = [one.fields["prefix"] for one in found]

    peer.on[ADD_DEL] = answer
    with trio.fail_after(10):
        async with open_session(peer.path) as session, trio.open_nursery() as nursery:
            nursery.start_soon(apply, 0)
            await peer.wait_got(COUNT, ADD_DEL)
            nursery.start_soon(apply, 1)
    assert session.counters.late_replies == 0
    for number, found in enumerate(refusals):
        assert found == [f"{20 + number}.0.{at}.0/24" for at in REFUSED[number] if at < 256] + [
            f"{20 + number}.1.{at - 256}.0/24" for at in REFUSED[number] if at >= 256
        ]
    each, runs = taken
    contexts = [one.context for one in requests]
    assert each == [contexts[0], contexts[COUNT]]
    refused = {contexts[number * COUNT + at] for number, ones in enumerate(REFUSED) for at in ones}
    assert [well for _, well in runs] == [refused.isdisjoint(run) for run, _ in runs], "no run goes into another's"
    assert len(runs) <= 2 * (COUNT // size + 1) + 1
