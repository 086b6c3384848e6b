"""Peers that are no VPP, or a sick one: always a typed error with a clear text, never a hang, never endless memory."""

import json
import struct

import pytest
import trio

from hostlink.vpp.errors import (
    ContractError,
    VppGone,
    VppProtocolError,
    VppRefused,
    VppTimeout,
    VppUnreachable,
    understood,
)
from hostlink.vpp.frames import LONGEST_FRAME_BYTES
from hostlink.vpp.session import open_session
from hostlink.vpp.waiters import MOST_HELD_BYTES, Dumps, Replies


def oversized(_peer, _request):
    return struct.pack(">QII", 0, LONGEST_FRAME_BYTES + 1, 0)


def too_short_for_an_id(peer, _request):
    return peer.frame(b"\0")


def unknown_id(peer, request):
    return peer.frame(struct.pack(">HIi", 9999, request.context, 0))


def another_kind(peer, request):
    return peer.message("get_index_reply", request.context, struct.pack(">iI", 0, 0))


def no_context(peer, _request):
    return peer.frame(struct.pack(">HB", peer.id_of("set_flags_reply"), 0))


def bad_event(peer, _request):
    return peer.frame(struct.pack(">HI", peer.id_of("port_event"), 1))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (oversized, "a frame of 33554433 bytes came"),
        (too_short_for_an_id, "a frame of 1 bytes came"),
        (unknown_id, "a message with id 9999 came, which is not in the table"),
        (another_kind, "the answer to set_flags has message id .*, expected"),
        (no_context, "set_flags_reply of 3 bytes came, too short for its context"),
        (bad_event, "port_event of 6 bytes does not fit its definition"),
    ],
)
async def test_what_no_vpp_sends_ends_the_session_with_the_reason(peer, answer, words):
    async def answer_badly(request):
        await peer.send(answer(peer, request))

    peer.on["set_flags"] = answer_badly
    async with open_session(peer.path) as session:
        with pytest.raises(VppProtocolError, match=words):
            await session.request("set_flags")
        assert isinstance(await session.wait_closed(), VppProtocolError)
        with pytest.raises(VppProtocolError, match=words):
            await session.request("control_ping")


async def test_a_frame_cut_off_by_the_end_is_the_end(peer):
    async def half(request):
        await peer.send(peer.reply(request)[:-2])
        await peer.hang_up()

    peer.on["set_flags"] = half
    async with open_session(peer.path) as session:
        with pytest.raises(VppGone):
            await session.request("set_flags")


async def test_a_reply_that_lacks_its_end_fails_its_caller_alone(peer):
    async def cut(request):
        await peer.send(peer.message("get_index_reply", request.context, struct.pack(">iH", 0, 0)))

    peer.on["get_index"] = cut
    async with open_session(peer.path) as session:
        with pytest.raises(VppProtocolError, match="get_index_reply of 12 bytes does not fit its definition"):
            await session.request("get_index")
        await session.request("set_flags")


async def test_a_reply_sent_twice_counts_once(peer):
    async def twice(request):
        await peer.send(peer.reply(request), peer.reply(request))

    peer.on["set_flags"] = twice
    async with open_session(peer.path) as session:
        await session.request("set_flags")
        await session.request("control_ping")
        assert session.counters.late_replies == 1


async def test_replies_to_nobody_are_neither_events_nor_an_error(peer):
    async def with_strangers(request):
        await peer.send(
            *(peer.message("set_flags_reply", number, bytes(4)) for number in (0, 77777, 2**32 - 1)),
            peer.reply(request),
        )

    peer.on["set_flags"] = with_strangers
    async with open_session(peer.path) as session:
        await session.request("set_flags")
        assert session.counters.late_replies == 3
        assert session.events.statistics().current_buffer_used == 0


async def test_a_message_without_definition_is_dropped_and_counted(make_peer):
    peer = await make_peer("undefined.sock")
    created = peer._created

    def with_one_more(request):
        frame = bytearray(created(request))
        entries = frame.index(b"port_event_000000a5") - 2
        frame[entries + 2 : entries + 66] = b"port_event_deadbeef".ljust(64, b"\0")
        return bytes(frame)

    peer._created = with_one_more

    async def with_event(request):
        await peer.send(peer.event(1), peer.reply(request))

    peer.on["set_flags"] = with_event
    async with open_session(peer.path) as session:
        await session.request("set_flags")
        assert session.counters.undefined == 1


@pytest.mark.parametrize(
    "make", [lambda: Replies("x", range(1, 400), [1] * 400), lambda: Dumps("x", range(1, 2), [1], 2)]
)
async def test_an_answer_that_never_ends_is_bounded(make):
    waiter, mebibyte = make(), bytes(1 << 20)
    contexts = range(1, 400) if isinstance(waiter, Replies) else [1] * 400
    fitting = MOST_HELD_BYTES // (len(mebibyte) + 48)
    assert fitting == 319
    for context in contexts[:fitting]:
        waiter.take(context, 1, mebibyte)
    with pytest.raises(VppProtocolError, match="passed 320 MiB and did not end"):
        waiter.take(contexts[fitting], 1, mebibyte)


async def test_short_messages_count_by_what_they_take():
    """Of 6 bytes each it would be 3 GB: Python needs more beside them than they have."""
    waiter = Dumps("x", range(1, 2), [1], 2)
    for _ in range(MOST_HELD_BYTES // 54):
        waiter.hold(6)
    with pytest.raises(VppProtocolError, match="did not end"):
        waiter.take(1, 1, b"123456")


# ------------------------------------------------------------------------------------------------------- connecting


async def test_no_socket_says_where_it_looked(tmp_path):
    with pytest.raises(VppUnreachable, match=r"no VPP answers at .*/absent\.sock: No such file"):
        async with open_session(tmp_path / "absent.sock"):
            pass


async def test_a_socket_that_nobody_serves_is_unreachable(tmp_path):
    left_over = trio.socket.socket(trio.socket.AF_UNIX)
    await left_over.bind(str(tmp_path / "left.sock"))
    left_over.close()
    with pytest.raises(VppUnreachable, match="Connection refused"):
        async with open_session(tmp_path / "left.sock"):
            pass


async def test_a_path_too_long_for_a_socket_is_unreachable(tmp_path):
    with pytest.raises(VppUnreachable, match="too long"):
        async with open_session(tmp_path / ("x" * 120)):
            pass


async def test_a_vpp_that_accepts_and_never_answers_is_a_timeout(tmp_path, autojump_clock):  # noqa: ARG001
    with trio.socket.socket(trio.socket.AF_UNIX) as mute:
        await mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        with pytest.raises(VppTimeout, match="did not answer sockclnt_create within 5 s"):
            async with open_session(tmp_path / "mute.sock"):
                pass


@pytest.mark.parametrize("step", ["sockclnt_create", "get_api_json"])
async def test_death_while_connecting(peer, step):
    async def die(_request):
        await peer.hang_up()

    peer.on[step] = die
    with pytest.raises(VppGone):
        async with open_session(peer.path):
            pass


async def test_a_refused_introduction(make_peer):
    peer = await make_peer("refusing.sock", create_response=-31)
    with pytest.raises(VppRefused, match=r"sockclnt_create\(name='hostlink'\): -31 \(INVALID_REGISTRATION\)"):
        async with open_session(peer.path):
            pass


async def test_a_vpp_that_cannot_give_its_definitions_breaks_the_contract(make_peer):
    peer = await make_peer("old.sock", hidden={"get_api_json"})
    with pytest.raises(ContractError, match="get_api_json is missing"):
        async with open_session(peer.path):
            pass


@pytest.mark.parametrize(
    "api_json",
    [
        "",
        "{",
        "7",
        '["x"]',
        '[{"messages": [[]]}]',
        '[{"messages": [["x", ["u16", "_vl_msg_id"]]]}]',
        '[{"services": {"x": 7}}]',
        '[{"types": [["t", ["vl_api_no_such_t", "x"]]]}]',
        "[" * 5000,
    ],
)
async def test_definitions_that_make_no_sense_are_a_protocol_error(make_peer, api_json):
    peer = await make_peer("garbage.sock", api_json=api_json)
    with pytest.raises(VppProtocolError, match="the API definitions that VPP sent cannot be used"):
        async with open_session(peer.path):
            pass


async def test_definitions_that_put_the_context_behind_the_message_end_the_session(peer, make_peer):
    """Found by reading: a reader of whole runs looks there before the message is looked at by itself."""
    files = json.loads(peer.api_json)
    reply = next(message for message in files[0]["messages"] if message[0] == "set_flags_reply")
    reply.insert(2, ["u8", "filling", 4000])
    peer = await make_peer("far.sock", api_json=json.dumps(files))

    async def answer(request):
        await peer.send(peer.message("set_flags_reply", request.context, bytes(1200)))

    peer.on["set_flags"] = answer
    async with open_session(peer.path) as session:
        with pytest.raises(VppProtocolError, match="makes no sense"):
            await session.request("set_flags")


async def test_what_makes_no_sense_is_one_error_and_a_bug_of_ours_is_not_hidden_by_another():
    @understood
    async def read(fault: BaseException) -> None:
        raise fault

    for fault in (AttributeError("mtu"), IndexError("paths"), struct.error("short"), ValueError("address")):
        with pytest.raises(VppProtocolError, match="read: what VPP answers makes no sense"):
            await read(fault)
    for other in (VppGone("gone"), AssertionError("ours")):
        with pytest.raises(type(other)):
            await read(other)
