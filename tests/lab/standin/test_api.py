"""The API server by its bytes: framing, clients, lost replies, events, faults on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostlink.lab.standin.apiserver import HEADER, Connection
from hostlink.lab.standin.bench import Bench
from hostlink.lab.standin.codec import Codec
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.faults import BadFaultError, Faults
from hostlink.lab.standin.interfaces import NONE

CODEC = Codec(api())


def frame(bench: Bench, name: str, **fields: object) -> bytes:
    values = {"_vl_msg_id": bench._numbers[name], "client_index": bench.client_index, "context": 5, **fields}
    body = CODEC.pack(name, values)
    return HEADER.pack(0, len(body), 0) + body


def test_says_that_it_is_the_stand_in() -> None:
    reply = Bench().call("show_version")
    assert (reply["program"], reply["version"]) == ("hostlink-standin", "26.06-standin")


def test_replies_carry_the_context_of_their_request() -> None:
    bench = Bench()
    assert [values["context"] for _, values in bench.send("show_version", {}, context=99)] == [99]


def test_a_request_without_the_client_index_is_carried_out_and_its_reply_lost() -> None:
    bench = Bench()
    assert bench.send("create_loopback", {}, client_index=0) == []
    assert [d["interface_name"] for d in bench.dump("sw_interface_dump", sw_if_index=NONE)] == ["local0", "loop0"]


def test_many_requests_in_one_go_are_answered_in_order() -> None:
    bench = Bench()
    data = b"".join(frame(bench, "control_ping", context=number) for number in range(50))
    bench.server.receive(bench.connection, data)
    assert [values["context"] for _, values in bench.received()] == list(range(50))


def test_a_request_may_come_in_pieces() -> None:
    bench = Bench()
    data = frame(bench, "show_version")
    for byte in data[:-1]:
        bench.server.receive(bench.connection, bytes([byte]))
        assert bench.received() == []
    bench.server.receive(bench.connection, data[-1:])
    assert [name for name, _ in bench.received()] == ["show_version_reply"]


def test_a_message_of_an_unknown_number_is_passed_over() -> None:
    bench = Bench()
    junk = HEADER.pack(0, 10, 0) + b"\xff\xf0" + bytes(8)
    bench.server.receive(bench.connection, junk + frame(bench, "show_version"))
    assert [name for name, _ in bench.received()] == ["show_version_reply"]


def test_a_message_that_is_too_short_is_passed_over_and_counted() -> None:
    bench = Bench()
    body = frame(bench, "sw_interface_set_flags")[16:-4]
    bench.server.receive(bench.connection, HEADER.pack(0, len(body), 0) + body + frame(bench, "show_version"))
    assert [name for name, _ in bench.received()] == ["show_version_reply"]
    assert bench.state.errors[("api", "sw_interface_set_flags: too short")] == 1


def test_two_clients_get_their_own_replies_and_only_subscribers_events() -> None:
    bench = Bench()
    heard = bytearray()
    other = Connection(heard.extend, lambda: None)
    body = CODEC.pack("sockclnt_create", {"_vl_msg_id": 15, "name": "other"})
    bench.server.receive(other, HEADER.pack(0, len(body), 0) + body)
    heard.clear()
    bench.call("want_interface_events", enable_disable=1, pid=1)
    (_, reply), (event, values) = bench.send("create_loopback", {})
    assert (event, values["sw_if_index"], values["flags"]) == ("sw_interface_event", reply["sw_if_index"], 0)
    assert not heard


def test_a_subscription_ends_with_the_connection() -> None:
    bench = Bench()
    bench.call("want_interface_events", enable_disable=1, pid=1)
    bench.server.disconnect(bench.connection)
    assert bench.vpp.event_clients == {}


def test_a_quick_flap_is_told_once() -> None:
    bench = Bench()
    bench.call("create_loopback")
    bench.call("want_interface_events", enable_disable=1, pid=1)
    up, down = (frame(bench, "sw_interface_set_flags", sw_if_index=1, flags=flags) for flags in (1, 0))
    bench.server.receive(bench.connection, up + down)
    assert [values["flags"] for name, values in bench.received() if name.endswith("_event")] == [3]


def test_goodbye_is_answered_before_the_socket_closes() -> None:
    bench = Bench()
    reply = bench.call("sockclnt_delete", index=bench.client_index)
    assert reply["response"] == 1


def test_the_served_definitions_are_those_of_the_table() -> None:
    assert '"af_packet_create_v3"' in Bench().call("get_api_json")["json"]


# ---------------------------------------------------------------------------------------------------- faults on purpose


def test_the_nth_request_of_a_name_fails_with_the_retval_that_was_asked_for() -> None:
    bench = Bench(environment={"HOSTLINK_STANDIN_FAIL": "create_loopback:2=-77"})
    assert [bench.call("create_loopback")["retval"] for _ in range(3)] == [0, -77, 0]
    assert len(bench.dump("sw_interface_dump", sw_if_index=NONE)) == 3


def test_a_dropped_request_is_not_answered_and_not_carried_out() -> None:
    bench = Bench(environment={"HOSTLINK_STANDIN_FAIL": "create_loopback=drop"})
    assert bench.send("create_loopback", {}) == []
    assert len(bench.dump("sw_interface_dump", sw_if_index=NONE)) == 1


def test_messages_can_be_missing() -> None:
    bench = Bench(environment={"HOSTLINK_STANDIN_WITHOUT": "set_punt,ip_table_dump"})
    assert {"set_punt", "set_punt_reply", "ip_table_dump"}.isdisjoint(bench._numbers)
    assert "set_punt" not in bench.call("get_api_json")["json"]


def test_every_request_is_traced_by_name(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bench = Bench(environment={"HOSTLINK_STANDIN_TRACE": str(trace)})
    bench.call("show_version")
    bench.call("control_ping")
    assert trace.read_text().split() == ["sockclnt_create", "show_version", "control_ping"]


def test_answers_as_no_vpp_gives_them() -> None:
    def answered(lie: str) -> tuple[bytes, bytes]:
        bench = Bench(environment={"HOSTLINK_STANDIN_FAIL": f"create_loopback:2={lie}"} if lie else {})
        sent = bytearray()
        bench.connection.send = sent.extend
        for name in ("create_loopback", "create_loopback", "control_ping"):
            body = bench._codec.pack(name, {"_vl_msg_id": bench._numbers[name], "client_index": bench.client_index})
            bench.server.receive(bench.connection, HEADER.pack(0, len(body), 0) + body)
        assert len(list(bench.state.interfaces)) == 3, "it is carried out all the same"
        return bytes(sent), bench.connection.endless

    right, none = answered("")
    size = HEADER.size + HEADER.unpack_from(right)[1]
    first, second, ping = right[:size], right[size : 2 * size], right[2 * size :]
    assert none == b""
    assert answered("short")[0] == first + HEADER.pack(0, size - HEADER.size - 1, 0) + second[HEADER.size : -1] + ping
    assert answered("huge")[0] == first + HEADER.pack(0, 1 << 30, 0) + second[HEADER.size :] + ping
    assert answered("twice")[0] == first + second + second + ping
    unknown = second[: HEADER.size] + b"\xff\xff" + second[HEADER.size + 2 :]
    assert answered("unknown")[0] == first + unknown + ping
    assert answered("late")[0] == first + ping + second
    assert answered("endless") == (right, second)


@pytest.mark.parametrize("text", ["show_version", "show_version:x=1", "show_version=perhaps"])
def test_a_fault_that_is_not_understood_is_said(text: str) -> None:
    with pytest.raises(BadFaultError, match="HOSTLINK_STANDIN_FAIL"):
        Faults({"HOSTLINK_STANDIN_FAIL": text})


def test_neighbours_never_age_unless_told_to() -> None:
    assert Faults({}).neighbour_age_s is None
    assert Faults({"HOSTLINK_STANDIN_NEIGHBOUR_AGE_S": "0.5"}).neighbour_age_s == 0.5
    with pytest.raises(BadFaultError, match="soon"):
        Faults({"HOSTLINK_STANDIN_NEIGHBOUR_AGE_S": "soon"})
