"""The session against a scripted peer: what it sends, how it waits, and how it matches what comes."""

import os
import struct

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hostlink.vpp.connection import WINDOW
from hostlink.vpp.errors import VppBadRequest, VppGone, VppRefused, VppTimeout
from hostlink.vpp.session import Request, Session, open_session, raise_first


def index_request(sw_if_index):
    return Request("get_index", {"port": {"sw_if_index": sw_if_index}})


async def never(_request):
    """A handler that does not answer."""


async def test_a_request_carries_its_fields_and_the_client_index_and_gets_its_reply(peer):
    async with open_session(peer.path) as session:
        reply = await session.request("set_flags", sw_if_index=3, up=True)
    (request,) = await peer.wait_got(1, "set_flags")
    assert (request.client_index, request.body) == (peer.client_index, struct.pack(">I?", 3, True))
    assert reply.retval == 0


async def test_all_of_a_batch_is_in_flight_and_replies_in_any_order_find_their_request(peer):
    waiting = []

    async def answer_backwards_when_all_came(request):
        waiting.append(request)
        if len(waiting) == 1000:
            await peer.send(*(peer.reply(one, 0, one.body[:4]) for one in reversed(waiting)))

    peer.on["get_index"] = answer_backwards_when_all_came
    async with open_session(peer.path) as session:
        replies = raise_first(await session.batch([index_request(number) for number in range(1000)]))
    assert [reply.sw_if_index for reply in replies] == list(range(1000))


async def test_no_more_than_the_window_is_in_flight(peer, autojump_clock):  # noqa: ARG001
    peer.on["get_index"] = never
    async with open_session(peer.path) as session:
        results = await session.batch([index_request(number) for number in range(WINDOW + 1000)], deadline_s=3)
    assert len(await peer.wait_got(1, "get_index")) <= WINDOW
    assert {type(result) for result in results} == {VppTimeout}


async def test_one_refused_request_does_not_stop_the_others(peer):
    async def refuse_the_second(request):
        (sw_if_index,) = struct.unpack_from(">I", request.body)
        await peer.send(peer.reply(request, -2 if sw_if_index == 1 else 0, request.body[:4]))

    peer.on["get_index"] = refuse_the_second
    async with open_session(peer.path) as session:
        results = await session.batch([index_request(number) for number in range(3)])
    assert [type(result).__name__ for result in results] == ["get_index_reply", "VppRefused", "get_index_reply"]
    with pytest.raises(VppRefused, match="INVALID_SW_IF_INDEX"):
        raise_first(results)


async def test_a_refusal_names_message_fields_number_and_vpps_word(peer):
    async def refuse(request):
        await peer.send(peer.reply(request, -74))

    peer.on["set_flags"] = refuse
    async with open_session(peer.path) as session:
        with pytest.raises(VppRefused) as caught:
            await session.request("set_flags", sw_if_index=9, up=True)
    assert str(caught.value) == "VPP refused set_flags(sw_if_index=9, up=True): -74 (UNEXPECTED_INTF_STATE)"
    assert (caught.value.retval, caught.value.word) == (-74, "UNEXPECTED_INTF_STATE")


async def test_any_retval_but_zero_is_a_refusal(peer):
    async def refuse(request):
        await peer.send(peer.reply(request, 1))

    peer.on["set_flags"] = refuse
    async with open_session(peer.path) as session:
        with pytest.raises(VppRefused, match=r"1 \(unknown\)"):
            await session.request("set_flags")


async def test_dumps_in_one_go_keep_their_details_apart_even_interleaved(peer):
    pings = []

    async def answer_when_both_are_asked(request):
        pings.append(request.context)
        if len(pings) == 2:
            details = [
                peer.message("port_details", context, struct.pack(">I16s", number, b"tag"))
                for number, context in [(1, pings[0]), (10, pings[1]), (2, pings[0])]
            ]
            await peer.send(*details, *(peer.message("control_ping_reply", one, bytes(12)) for one in pings))

    peer.on["control_ping"] = answer_when_both_are_asked
    async with open_session(peer.path) as session:
        first, second = await session.dumps([Request("port_dump"), Request("port_dump")])
    assert [details.port.sw_if_index for details in first] == [1, 2]
    assert [details.port.sw_if_index for details in second] == [10]


async def test_a_dump_of_nothing_is_empty(peer):
    async with open_session(peer.path) as session:
        assert await session.dump("port_dump") == []


async def test_events_between_replies_reach_the_channel_and_hold_nothing_up(peer):
    async def with_events(request):
        await peer.send(peer.event(1), peer.reply(request), peer.event(2))

    peer.on["set_flags"] = with_events
    async with open_session(peer.path) as session:
        await session.request("set_flags", sw_if_index=1)
        events = [await session.events.receive(), await session.events.receive()]
    assert [(event.name, event.message.sw_if_index) for event in events] == [("port_event", 1), ("port_event", 2)]


async def test_events_that_nobody_reads_are_dropped_and_counted_and_never_block_a_reply(peer):
    async def after_many_events(request):
        await peer.send(*(peer.event(number) for number in range(1000)), peer.reply(request))

    peer.on["set_flags"] = after_many_events
    async with open_session(peer.path) as session:
        await session.request("set_flags", sw_if_index=1)
        kept = session.events.statistics().current_buffer_used
        assert 0 < kept < 1000
        assert session.counters.events_lost == 1000 - kept


async def test_death_in_mid_request_reaches_every_waiter_at_once(peer):
    peer.on["set_flags"] = peer.on["control_ping"] = never
    failures = []

    async def ask(what):
        with pytest.raises(VppGone) as caught:
            await what
        failures.append(str(caught.value))

    async with open_session(peer.path, deadline_s=3600) as session:
        async with trio.open_nursery() as waiters:
            waiters.start_soon(ask, session.request("set_flags", sw_if_index=1))
            waiters.start_soon(ask, session.dump("port_dump"))
            waiters.start_soon(ask, session.request("set_flags", sw_if_index=2))
            await peer.wait_got(2, "set_flags")
            await peer.wait_got(1, "control_ping")
            await peer.hang_up()
        assert failures == ["VPP closed the API socket: it ended, was killed, or dropped this client"] * 3
        assert isinstance(await session.wait_closed(), VppGone)
        with pytest.raises(VppGone):
            await session.request("set_flags", sw_if_index=3)
        assert [event async for event in session.events] == []


async def test_a_batch_cut_short_by_death_keeps_what_was_answered(peer):
    async def answer_one_then_die(request):
        await peer.send(peer.reply(request, 0, request.body[:4]))
        await peer.hang_up()

    peer.on["get_index"] = answer_one_then_die
    async with open_session(peer.path) as session:
        results = await session.batch([index_request(7), index_request(8)])
    assert results[0].sw_if_index == 7
    assert isinstance(results[1], VppGone)


async def test_a_deadline_names_the_request_and_the_late_reply_is_dropped(peer, autojump_clock):  # noqa: ARG001
    peer.on["set_flags"] = never
    async with open_session(peer.path) as session:
        with pytest.raises(VppTimeout, match=r"did not answer set_flags within 2 s .* may have been carried out"):
            await session.request("set_flags", sw_if_index=1, deadline_s=2)
        (late,) = await peer.wait_got(1, "set_flags")
        await peer.send(peer.reply(late))
        await session.request("control_ping")
        assert session.counters.late_replies == 1


async def test_the_deadline_runs_anew_with_each_reply(peer, autojump_clock):  # noqa: ARG001
    async def slowly(request):
        await trio.sleep(3)
        await peer.send(peer.reply(request, 0, request.body[:4]))

    peer.on["get_index"] = slowly
    async with open_session(peer.path, deadline_s=5) as session:
        replies = raise_first(await session.batch([index_request(number) for number in range(5)]))
    assert len(replies) == 5


async def test_a_cancelled_waiter_leaves_the_session_usable(peer):
    peer.on["set_flags"] = never
    async with open_session(peer.path) as session:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.request, "set_flags")
            (late,) = await peer.wait_got(1, "set_flags")
            nursery.cancel_scope.cancel()
        await peer.send(peer.reply(late))
        assert (await session.request("get_index", port={"sw_if_index": 5})).sw_if_index == 5
        assert session.counters.late_replies == 1


async def test_a_cancelled_body_can_still_talk_to_vpp_while_it_cleans_up(peer):
    with trio.CancelScope() as scope:
        async with open_session(peer.path) as session:
            scope.cancel()
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    reply = await session.request("get_index", port={"sw_if_index": 5})
    assert reply.sw_if_index == 5


async def test_what_the_body_raises_comes_out_as_it_is(peer):
    with pytest.raises(LookupError, match="mine"):
        async with open_session(peer.path):
            raise LookupError("mine")


async def test_who_leaves_says_so(peer):
    """Else VPP may keep the socket for good (tests/vpp/test_real_vpp.py)."""
    async with open_session(peer.path):
        assert peer.got[-1].name == "get_api_json"
    (left,) = await peer.wait_got(1, "sockclnt_delete")
    assert left.client_index == peer.client_index
    assert left.body == struct.pack(">I", peer.client_index)


async def test_who_is_not_let_go_goes_all_the_same(peer, autojump_clock):  # noqa: ARG001
    peer.on["sockclnt_delete"] = never
    start = trio.current_time()
    async with open_session(peer.path):
        await trio.sleep(3)
    assert 4 <= trio.current_time() - start < 5


async def test_whom_vpp_does_not_know_has_not_to_say_that_he_leaves(peer):
    peer.create_response = -1
    with pytest.raises(VppRefused):
        async with open_session(peer.path):
            raise AssertionError("it was let in")
    assert [one.name for one in peer.got] == ["sockclnt_create"]


async def test_who_was_let_in_and_learnt_nothing_leaves_all_the_same(peer):
    """It is tried again and again while VPP is slow."""
    peer.on["get_api_json"] = never
    with pytest.raises(VppTimeout):
        async with open_session(peer.path, deadline_s=0.1):
            raise AssertionError("it has no definitions")
    assert [one.name for one in peer.got] == ["sockclnt_create", "get_api_json", "sockclnt_delete"]


async def test_the_session_ends_also_where_it_cannot_be_left(peer, monkeypatch):
    async def fail(_):
        raise LookupError

    monkeypatch.setattr(Session, "leave", fail)
    with pytest.raises(LookupError):
        async with open_session(peer.path) as session:
            pass
    with pytest.raises(VppGone, match="hostlink closed the session"):
        await session.request("control_ping")


async def test_the_peer_is_known_by_its_process(peer):
    async with open_session(peer.path) as session:
        assert session.peer_pid == os.getpid()
        await peer.hang_up()
        await session.wait_closed()
        assert session.peer_pid == os.getpid(), "it dies while its definitions are read, and then it is asked"


async def test_leaving_the_session_ends_who_still_waits(peer, nursery):
    peer.on["set_flags"] = never
    failed = trio.Event()

    async def ask(session):
        with pytest.raises(VppGone, match="hostlink closed the session"):
            await session.request("set_flags")
        failed.set()

    async with open_session(peer.path) as session:
        nursery.start_soon(ask, session)
        await peer.wait_got(1, "set_flags")
    with trio.fail_after(5):
        await failed.wait()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sw_if_idx": 1}, "set_flags has no field 'sw_if_idx'"),
        ({"sw_if_index": "one"}, "set_flags cannot be packed"),
        ({"sw_if_index": -1}, "set_flags cannot be packed"),
        ({"context": 1}, "the session sets context itself"),
    ],
)
async def test_a_request_that_is_hostlinks_bug_is_refused_before_anything_is_sent(peer, fields, words):
    async with open_session(peer.path) as session:
        with pytest.raises(VppBadRequest, match=words):
            await session.batch([Request("set_flags", {"sw_if_index": 1}), Request("set_flags", fields)])
        await session.request("control_ping")
    assert not [request for request in peer.got if request.name == "set_flags"]


async def test_nested_fields_are_checked_too(peer):
    async with open_session(peer.path) as session:
        with pytest.raises(VppBadRequest, match=r"get_index\.port has no field 'index'"):
            await session.request("get_index", port={"index": 1})
        with pytest.raises(VppBadRequest, match="tag is longer than 15 bytes"):
            await session.request("get_index", port={"tag": "0123456789abcdef"})


@pytest.mark.parametrize(
    ("name", "words"),
    [("port_dump", "port_dump is answered by a dump, not by one reply"), ("port_event", "answered by nothing")],
)
async def test_a_message_used_in_the_wrong_way_is_named(peer, name, words):
    async with open_session(peer.path) as session:
        with pytest.raises(VppBadRequest, match=words):
            await session.request(name)


async def test_many_tasks_share_one_session(peer):
    got = {}
    async with open_session(peer.path) as session:

        async def ask(number):
            got[number] = (await session.request("get_index", port={"sw_if_index": number})).sw_if_index

        async with trio.open_nursery() as askers:
            for number in range(200):
                askers.start_soon(ask, number)
        await wait_all_tasks_blocked()
    assert got == {number: number for number in range(200)}
