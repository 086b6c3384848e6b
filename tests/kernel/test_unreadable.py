"""Netlink messages that are not built as they should be: one error, and "look at everything" where it was a notice.

Each was found by tools/fuzz. None of them may end the daemon: what none of its tasks knows does.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from hostlink.core.operations import AddHostRoute
from hostlink.core.route_changes import Change
from hostlink.daemon import hand_on
from hostlink.kernel import parse, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.apply import apply_host
from hostlink.kernel.errors import Unreadable
from hostlink.kernel.netlink import Request, _refusal, open_netlink
from hostlink.kernel.routes import read_routes
from hostlink.kernel.sockets import Message
from hostlink.kernel.watcher import Changed, Watcher
from hostlink.runner import Runner
from tools.fuzzing.recording import messages, recorded, whole


def recorded_messages(kind: str) -> list[Message]:
    return [message for data in recorded()[kind] for message in messages(data)]


def attribute(kind: int, payload: bytes, length: int | None = None) -> bytes:
    return struct.pack("=HH", 4 + len(payload) if length is None else length, kind) + payload


ROUTE = struct.pack("=8BI", 2, 8, 0, 0, 254, 3, 0, 1, 0) + attribute(uapi.RTA_DST, bytes((10, 0, 0, 0)))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "rest",
    [
        attribute(uapi.RTA_ENCAP, b"") + attribute(0, b"", 0),
        attribute(uapi.RTA_ENCAP, bytes(4)),
        attribute(
            uapi.RTA_MULTIPATH,
            struct.pack("=HBBi", 16, 0, 0, 3) + attribute(uapi.RTA_ENCAP, b"") + attribute(0, b"", 0),
        ),
    ],
    ids=["followed by nothing", "empty", "in a next hop"],
)
def test_an_encapsulation_of_no_length_is_no_endless_loop(rest: bytes) -> None:
    """pyroute2 0.9.7 looks for its type for ever (rtmsg.py, encap_info)."""
    try:
        (route,) = read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, ROUTE + rest)])
    except Unreadable:
        return
    assert str(route.prefix) == "10.0.0.0/8"


def test_an_attribute_behind_the_messages_end_is_not_kept_in_a_route() -> None:
    """Kept, it would end the give-back that sends the body back."""
    with pytest.raises(Unreadable):
        read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, ROUTE + attribute(uapi.RTA_PRIORITY, bytes(4), 99))])
    with pytest.raises(Unreadable):
        read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, ROUTE + attribute(uapi.RTA_PREF, b"\0"))])


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("link", lambda body: body[:16]),
        ("link", lambda body: body[:-2]),
        ("link", lambda body: body.replace(struct.pack("=HHI", 8, uapi.IFLA_MTU, 1500), b"\4\0\4\0" + bytes(4))),
        ("address", lambda body: body.replace(bytes((192, 0, 2, 1)), bytes((192, 0, 2)))),
        ("rule", lambda body: body[:11]),
        ("neighbour", lambda body: body[:11] + b"\1" + body[16:]),
    ],
)
def test_what_pyroute2_passes_over_in_silence_is_unreadable(kind: str, spoil: Any) -> None:
    read = {
        "link": parse.links,
        "address": lambda found: parse.addresses(found, 3),
        "rule": parse.policy_rules,
        "neighbour": lambda found: parse.neighbours(found, 3),
    }[kind]
    found = recorded_messages(kind)
    assert read(found)
    spoilt = [message._replace(body=spoil(message.body)) for message in found]
    assert spoilt != found
    with pytest.raises(Unreadable, match="cannot be"):
        read(spoilt)


def test_a_destination_that_is_none_is_not_taken_for_one_that_is_alike() -> None:
    """The short way of a storm looks at nothing but the destination, so it must look at that."""
    alikes, good = Alikes(), next(data for data in recorded()["route"] if data[16] == 2 and data[17] == 16)
    assert len(alikes.read((good, good))) == 2
    for length in (33, 255, 8):  # 8: with bits set behind the prefix
        with pytest.raises(Unreadable):
            alikes.read((good[:17] + bytes((length,)) + good[18:],))


class Told:
    """A runner that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def routes_changed(self, changes: Sequence[Change]) -> None:
        self.heard.append(len(changes))

    def host_changed(self, changed: Changed) -> None:
        self.heard.append(changed)


def test_route_messages_that_cannot_be_read_are_a_reason_to_look_at_everything() -> None:
    runner, good = Told(), recorded()["route"][0]
    for routes in ((good, good[:-2]), (good,)):
        hand_on(Changed("route", None, routes), Alikes(), [cast(Runner, runner)])
    assert runner.heard == [Changed("unreadable"), 1]


def test_a_watcher_says_that_it_could_not_read_and_goes_on() -> None:
    watcher = Watcher(cast(Any, None))
    address = next(message for message in recorded_messages("notification") if message.type == uapi.RTM_NEWADDR)
    assert watcher._read(whole(address._replace(body=address.body[:-2]))) == [Changed("unreadable")]
    assert watcher._read(b"\x05" + bytes(40)) == [Changed("unreadable")]
    assert [changed.kind for changed in watcher._read(whole(address))] == ["address"]


def test_an_answer_with_no_error_of_the_kernels_is_unreadable() -> None:
    request = Request("do it", uapi.RTM_NEWROUTE, b"")
    for body in (b"\0", struct.pack("=i", -(2**31)) + bytes(16), struct.pack("=i", 5) + bytes(16)):
        with pytest.raises(Unreadable):
            _refusal(request, Message(uapi.NLMSG_ERROR, 0, 1, body))
    refusal = _refusal(request, Message(uapi.NLMSG_ERROR, 0, 1, struct.pack("=i", -errno.EPERM) + bytes(16)))
    assert refusal is not None
    assert refusal.word == "EPERM"


async def test_a_body_of_the_journal_that_is_none_fails_its_own_operation(host: str) -> None:
    (route,) = read_routes([Message(uapi.RTM_NEWROUTE, 0, 0, ROUTE)])
    spoilt = AddHostRoute(1, 1, replace(route, body=ROUTE + b"\3\0\0\0"))
    async with open_netlink(host) as nl:
        (failure,) = await apply_host(nl, [spoilt])
    assert (failure.word, "does not fit" in failure.detail) == ("EINVAL", True)
