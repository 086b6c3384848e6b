"""The socket: order, refusals, interrupted and lost answers, cancellation; on a real kernel and on a scripted one."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import replace
from functools import partial

import pytest
import trio

from hostlink.kernel import busy, netlink, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.bulk_routes import BulkRoutes
from hostlink.kernel.errors import AnswersLost, KernelRefused, NoSuchNamespace, ReadUnsteady, Unreadable
from hostlink.kernel.link import link_body, set_request
from hostlink.kernel.netlink import Netlink, Request, _batches, both, open_netlink, open_watcher, read_again
from hostlink.kernel.routes import read_routes
from hostlink.kernel.snapshot import read_link, read_links

LINKS = Request("read the links", uapi.RTM_GETLINK, link_body())
ROUTES = Request("read the routes", uapi.RTM_GETROUTE, struct.pack("=8BI", 2, 0, 0, 0, 0, 0, 0, 0, 0))


def blackhole(number: int, *, add: bool = True) -> Request:
    head = struct.pack("=8BI", 2, 32, 0, 0, 254, 4, 0, 6, 0)
    body = head + struct.pack("=HH4s", 8, uapi.RTA_DST, (0x0A000000 + number).to_bytes(4, "big"))
    kind = uapi.RTM_NEWROUTE if add else uapi.RTM_DELROUTE
    return Request(f"blackhole {number}", kind, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL if add else 0)


async def test_refusal_names_operation_errno_and_the_kernels_words(host):
    async with open_netlink(host) as nl:
        with pytest.raises(KernelRefused) as caught:
            await nl.request(set_request(1, operation="make lo a giant", mtu_bytes=0xFFFFFFFF))
    assert (caught.value.operation, caught.value.word) == ("make lo a giant", "EINVAL")
    assert "greater than device maximum" in caught.value.detail or "less than" in caught.value.detail
    assert str(caught.value).startswith("the kernel refused to make lo a giant: EINVAL (")


async def test_many_requests_keep_their_order_and_each_its_answer(host):
    """Add, add again (refused), delete, of each of 2,000: only right if nothing overtakes."""
    requests = [request for n in range(2000) for request in (blackhole(n), blackhole(n), blackhole(n, add=False))]
    async with open_netlink(host) as nl:
        answers = await nl.requests(requests)
        left = await nl.dump(ROUTES)
    words = [answer.word if answer else "" for answer in answers]
    assert words == ["", "EEXIST", ""] * 2000
    assert answers[4].operation == "blackhole 1"
    assert not read_routes(left)


def test_batches_are_bounded_by_answers_and_by_bytes():
    small, large = Request("x", uapi.RTM_GETLINK, bytes(16)), Request("y", uapi.RTM_GETLINK, bytes(20_000))
    requests = [small] * 600 + [large] * 5
    batches = list(_batches(requests))
    assert [request for batch in batches for request in batch] == requests
    assert max(len(batch) for batch in batches) == 256
    assert max(sum(16 + len(request.body) for request in batch) for batch in batches) <= 1 << 16
    assert [len(batch) for batch in _batches([Request("z", uapi.RTM_GETLINK, bytes(100_000))])] == [1]


async def test_nothing_to_send_is_nothing(host):
    async with open_netlink(host) as nl:
        assert await nl.requests([]) == []


async def test_two_tasks_get_their_own_answers(host):
    host.ip("link add br7 type bridge")
    found: list[str] = []

    async def read(name: str) -> None:
        for _ in range(50):
            found.append((await read_link(nl, name)).name)

    async with open_netlink(host) as nl, trio.open_nursery() as nursery:
        nursery.start_soon(read, "lo")
        nursery.start_soon(read, "br7")
    assert sorted(found) == ["br7"] * 50 + ["lo"] * 50


async def test_cancelled_dump_leaves_a_clean_socket(host):
    async with open_netlink(host) as nl:
        assert not any(await nl.requests([blackhole(n) for n in range(20_000)]))
        with trio.move_on_after(0.001) as scope:
            while True:
                await nl.dump(ROUTES)
        assert scope.cancelled_caught
        assert [link.name for link in await read_links(nl)] == ["lo"]
        assert len(await nl.dump(ROUTES)) == 20_000


async def test_socket_belongs_to_the_namespace_and_the_process_does_not(host, away):
    host.ip("link add br1 type bridge")
    away.ip("link add br2 type bridge")
    before = os.stat("/proc/self/ns/net").st_ino
    async with open_netlink(host) as one, open_netlink(f"/run/netns/{away}") as two:
        assert [link.name for link in await read_links(one)] == ["lo", "br1"]
        assert [link.name for link in await read_links(two)] == ["lo", "br2"]
    assert os.stat("/proc/self/ns/net").st_ino == before


async def test_no_such_namespace_is_named():
    with pytest.raises(NoSuchNamespace, match="hl-kt-nowhere"):
        async with open_netlink("hl-kt-nowhere"):
            pytest.fail("opened a socket in a namespace that is not there")


async def test_no_descriptor_is_left_open(host):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with open_netlink(host) as nl:
            await nl.dump(LINKS)
    assert len(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------------------------------------- a scripted kernel


class ScriptedSocket:
    """Answers each send with the next datagrams of the script; an exception in it is raised by recvmsg.

    A datagram is a list of (type, flags, body); the request's sequence and the kernel's port are put in.
    """

    def __init__(self, *answers: list[list[tuple[int, int, bytes]] | OSError]) -> None:
        self.answers = list(answers)
        self.queue: list[list[tuple[int, int, bytes]] | OSError] = []
        self.sequence = 0
        self.port = 0
        self.empty, other = os.pipe()
        os.set_blocking(self.empty, False)
        self._other = other

    def fileno(self) -> int:
        return self.empty

    async def send(self, data: bytes) -> int:
        (self.sequence,) = struct.unpack_from("=I", data, 8)
        self.queue += self.answers.pop(0)
        return len(data)

    async def recvmsg(self, _size: int) -> tuple[bytes, list[object], int, tuple[int, int]]:
        datagram = self.queue.pop(0)
        if isinstance(datagram, OSError):
            raise datagram
        data = b"".join(
            struct.pack("=IHHII", 16 + len(body), kind, flags, self.sequence, 0) + body
            for kind, flags, body in datagram
        )
        return data, [], 0, (self.port, 0)


def scripted(*answers) -> Netlink:
    return Netlink(ScriptedSocket(*answers), None, -1)


PART = (uapi.RTM_NEWLINK, 2, link_body(5))
TORN = (uapi.RTM_NEWLINK, 2 | uapi.NLM_F_DUMP_INTR, link_body(5))
DONE = (uapi.NLMSG_DONE, 2, bytes(4))


async def test_interrupted_dump_is_read_again():
    """The mark may be on any part; what came with it is not used."""
    nl = scripted([[PART, TORN], [DONE]], [[PART], [PART, DONE]])
    assert [message.flags for message in await nl.dump(LINKS)] == [2, 2]


async def test_dump_that_never_holds_still_is_a_typed_error():
    nl = scripted(*[[[PART], [(uapi.NLMSG_DONE, 2 | uapi.NLM_F_DUMP_INTR, bytes(4))]]] * 10)
    with pytest.raises(ReadUnsteady, match="could not read the links"):
        await nl.dump(LINKS)


async def test_one_that_never_holds_still_is_taken_by_who_hears_of_changes_otherwise():
    """But only when it never does: here each of ten is interrupted, there the third is whole."""
    interrupted = [[PART], [(uapi.NLMSG_DONE, 2 | uapi.NLM_F_DUMP_INTR, bytes(4))]]
    last = [[PART], [PART, (uapi.NLMSG_DONE, 2 | uapi.NLM_F_DUMP_INTR, bytes(4))]]
    assert len(await scripted(*[interrupted] * 9, last).dump(LINKS, watched=True)) == 2
    whole = [[PART], [PART, PART, DONE]]
    assert len(await scripted(*[interrupted] * 2, whole).dump(LINKS, watched=True)) == 3


async def test_error_at_the_end_of_a_dump_is_a_refusal():
    nl = scripted([[PART], [(uapi.NLMSG_DONE, 2, struct.pack("=i", -errno.EINVAL))]])
    with pytest.raises(KernelRefused, match="EINVAL"):
        await nl.dump(LINKS)


async def test_lost_answers_are_a_typed_error():
    nl = scripted([OSError(errno.ENOBUFS, "no buffer space")])
    with pytest.raises(AnswersLost, match="overflowed"):
        await nl.requests([LINKS])


async def test_only_the_kernel_is_believed():
    nl = scripted([[PART], [DONE]])
    nl._sock.port = 4711
    with pytest.raises(IndexError):  # the script runs out: everything was passed over
        await nl.dump(LINKS)


async def test_what_cannot_be_read_is_asked_again_and_again_but_not_for_ever(autojump_clock):  # noqa: ARG001
    asked = 0

    @read_again
    async def read(good_at: int) -> int:
        nonlocal asked
        asked += 1
        if asked < good_at:
            raise Unreadable("the links")
        return asked

    assert await read(3) == 3
    asked = 0
    with pytest.raises(Unreadable):
        await read(100)
    assert asked == 4


async def test_an_answer_without_its_number_is_unreadable_and_leaves_the_socket_usable():
    nl = scripted([[(uapi.NLMSG_ERROR, 0, b"\0")]])
    with pytest.raises(Unreadable):
        await nl.request(LINKS)
    assert not nl._lock.locked()


# ------------------------------------------------------------------------------------------------------ two at a time


async def fails_with(failure):
    raise failure


async def run_both(one, other):
    async with both() as nursery:
        nursery.start_soon(partial(*one))
        await other[0](*other[1:])


@pytest.mark.parametrize("turned", [False, True], ids=["beside", "in the body"])
async def test_what_fails_of_two_is_raised_as_itself(turned):
    failure = Unreadable("an answer cannot be read")
    two = [(fails_with, failure), (trio.sleep_forever,)]
    with pytest.raises(Unreadable) as raised:
        await run_both(*(two[::-1] if turned else two))
    assert raised.value is failure


async def test_a_bug_in_one_of_two_is_not_taken_for_the_kernels():
    with pytest.raises(ExceptionGroup):
        await run_both((fails_with, ZeroDivisionError()), (trio.sleep_forever,))


async def test_two_are_cancelled_together():
    with trio.move_on_after(0.05) as scope:
        async with both() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep_forever()
    assert scope.cancelled_caught


@pytest.fixture
def threads(monkeypatch):
    """What was to be sent by threads, and is sent at once."""
    found = []

    async def noted(function, *args):
        found.extend([function] if function is os.write else [])
        return function(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", noted)
    return found


async def test_while_the_kernel_keeps_senders_waiting_a_thread_sends(wired, monkeypatch, threads):
    """Somebody holds its lock (a routing daemon that loads a full table): then the loop goes on."""
    async with open_netlink(wired) as nl:
        await nl.dump(LINKS)
        assert threads == []
        monkeypatch.setattr(netlink, "_LONG_S", -1.0)
        await nl.dump(LINKS)
        monkeypatch.setattr(netlink, "_LONG_S", 1.0)
        for _ in range(2):
            assert len(await nl.dump(LINKS)) == 2
        assert threads == [os.write] * 2
        monkeypatch.setattr(busy, "_until", 0.0)
        await nl.dump(LINKS)
        assert threads == [os.write] * 2


async def test_what_is_asked_of_a_link_is_sent_by_a_thread(host, threads):
    """The kernel waits for all CPUs in it."""
    async with open_netlink(host) as nl:
        await nl.request(blackhole(1))
        assert threads == []
        await nl.requests([blackhole(2), set_request(1, operation="set lo up", up=True)])
        assert threads == [os.write]


@pytest.mark.parametrize(("count", "by_thread"), [(16, []), (17, [os.write])])
async def test_while_routes_pour_in_a_thread_sends(host, threads, count, by_thread):
    """Whoever adds them holds the kernel's lock nearly all the time."""
    async with open_netlink(host) as nl, open_watcher(host, routes=True) as watcher:
        threads.clear()
        await nl.requests([blackhole(number) for number in range(count)])
        await anext(watcher)
        await nl.dump(LINKS)
    assert threads == by_thread


async def test_what_the_kernel_searches_for_long_is_asked_by_a_thread(host, threads):
    async with open_netlink(host) as nl:
        await nl.requests([blackhole(number) for number in range(9)])
        for is_long in (False, True):
            found = await nl.dump_to(replace(ROUTES, is_long=is_long), partial(BulkRoutes, Alikes()))
            assert len(found.found()) == 9
        assert threads == [os.write]
