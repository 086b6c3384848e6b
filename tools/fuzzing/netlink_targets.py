"""Netlink messages that are not what the kernel sends: KernelError, or a value that can be kept and acted on."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from hostlink.core.alike import AlikeChange
from hostlink.core.desired_routes import route_key
from hostlink.core.model import Route
from hostlink.core.route_set import KeptRoutes, check_places, same_routes
from hostlink.encode import decode, encode
from hostlink.kernel import parse, routebody, uapi
from hostlink.kernel.alike import Alikes
from hostlink.kernel.bulk_routes import BulkRoutes
from hostlink.kernel.errors import KernelError
from hostlink.kernel.netlink import Message, Request, _check_end, _refusal
from hostlink.kernel.nexthops import read_nexthops
from hostlink.kernel.routes import read_routes
from hostlink.kernel.sockets import HEADER
from hostlink.kernel.tc import program_name
from hostlink.kernel.watcher import Watcher
from tools.fuzzing.engine import Target, mutated
from tools.fuzzing.recording import messages, record, recorded

_LINK = 3
"""eth1, in the recording."""
_live: list[dict[str, list[bytes]]] = []


def record_live() -> None:
    """Throw this kernel's messages too, from here on. Needs root; without, the recorded ones are all."""
    with suppress(OSError, subprocess.SubprocessError, KernelError):
        _live.append(record(f"hl-fuzz-{os.getpid()}"))
        _seeds.cache_clear()


@functools.cache
def _seeds(kind: str) -> Sequence[bytes]:
    return [message for recording in (recorded(), *_live) for message in recording[kind]]


def _reader(kind: str, read: Callable[[list[Message]], Iterable[object]]) -> Target:
    """What is read can be journalled and read back: so each field has its type, and nothing is cut short."""

    def check(data: bytes) -> None:
        with suppress(KernelError):
            for value in read(messages(data)):
                assert decode(type(value), encode(value)) == value

    return Target(f"netlink-{kind}", check, mutated(lambda: _seeds(kind)))


def _routes(found: list[Message]) -> Iterable[Route]:
    """A route is put back by its body, and taken away by it."""
    routes = read_routes(found)
    for route in routes:
        route_key(route)
        routebody.adding(route, _LINK, 7)
        routebody.deleting(route, _LINK)
    return routes


def _check_alikes(data: bytes) -> None:
    """Twice, so that the second goes the short way; with the next to last byte of the destination changed between."""
    alikes = Alikes()
    for datagram in (data, data[:17] + bytes([data[17] ^ 8]) + data[18:] if len(data) > 18 else data):
        with suppress(KernelError):
            for change, place in alikes.read((datagram,)):
                if isinstance(change, AlikeChange) and place is not None:
                    route = change.alike.at(place)
                    assert decode(Route, encode(route)) == route
                    routebody.adding(route, _LINK, 7)


def _check_bulk(data: bytes) -> None:
    """Twice in one part, so that the second goes the short way: what comes of it can be kept."""
    found = BulkRoutes(Alikes())
    part, at = data * 2, 0
    with suppress(KernelError):
        while at + HEADER.size <= len(part):
            at = found.take(part, at)
    routes = found.found()
    for route in routes:
        routebody.adding(route, _LINK, 7)
    read = decode(KeptRoutes, encode(routes))
    assert same_routes(read, routes)
    for block in read.alike:
        check_places(block.version, block.places)


def _check_watcher(data: bytes) -> None:
    """A watcher says something of whatever comes, and never ends by it."""
    for routes in (False, True):
        watcher = Watcher(None, routes=routes)  # type: ignore[arg-type]  # nothing is received
        for changed in watcher._read(data):
            assert changed.routes or changed.link_index is None or isinstance(changed.link_index, int)
            for message in changed.routes:
                _check_alikes(message)


def _check_answers(data: bytes) -> None:
    request = Request("do what was asked", uapi.RTM_NEWROUTE, b"")
    with suppress(KernelError):
        for message in messages(data):
            refusal = _refusal(request, message)
            assert refusal is None or (str(refusal) and refusal.word)
            _check_end(request, message)


def _answers() -> Sequence[bytes]:
    """NLMSG_ERROR with an extended ACK, whole and capped, and NLMSG_DONE, as af_netlink.c builds them."""
    return [
        bytes.fromhex(text)
        for text in (
            "40000000020000020500000000000000eaffffff1c000000180005060500000000000000020800000000000000000000"
            "100001006e6f2073756368206c696e6b",
            "38000000020000030500000000000000efffffff2400000018000506050000000000000014000100746865726520616c7265616479000000",
            "24000000020000010500000000000000000000002400000018000506050000000000000000000000"[:72],
            "14000000030002000500000000000000fbffffff",
        )
    ]


def _none(_read: object) -> tuple[()]:
    """For what is read and not kept."""
    return ()


TARGETS = (
    _reader("link", parse.links),
    _reader("address", lambda found: (*parse.addresses(found, _LINK), *_none(parse.global_addresses(found, _LINK)))),
    _reader("route", _routes),
    _reader("rule", lambda found: (*parse.rules(found, ["eth1"]), *parse.policy_rules(found))),
    _reader("neighbour", lambda found: parse.neighbours(found, _LINK)),
    _reader("nexthop", lambda found: [hop for hops in read_nexthops(found).values() for hop in hops]),
    _reader("filter", lambda found: _none(program_name(found))),
    Target("netlink-alike", _check_alikes, mutated(lambda: _seeds("route"))),
    Target("netlink-bulk", _check_bulk, mutated(lambda: _seeds("route"))),
    Target("netlink-notification", _check_watcher, mutated(lambda: _seeds("notification"))),
    Target("netlink-answer", _check_answers, mutated(_answers)),
)
