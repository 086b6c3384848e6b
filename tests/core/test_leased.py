"""When a copy of a DHCP client's route has done its work (F13, F32)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from hostlink.core.leased import put_back, still_there, superseded_copies
from hostlink.core.model import HostView, Link, NextHop, Route
from hostlink.core.operations import AddHostRoute

OLD, NEW = 2, 3
LINK = Link("eth0", NEW, "52:54:00:00:00:01", 1500)


def default(gateway: str, metric: int, *, link: int = NEW, protocol: int = 16, table: int = 254) -> Route:
    hops = (NextHop(link, ip_address(gateway)),)
    return Route(ip_network("0.0.0.0/0"), table, hops, protocol=protocol, metric=metric)


COPY = default("10.0.0.254", 1002, link=OLD)
THERE = default("10.0.0.254", 1002)


def test_only_a_clients_routes_are_copies() -> None:
    by_hand = default("10.0.0.254", 0, link=OLD, protocol=4)
    assert put_back([AddHostRoute(NEW, OLD, COPY), AddHostRoute(NEW, OLD, by_hand)]) == {COPY}


def test_a_copy_goes_when_the_clients_own_is_beside_it() -> None:
    own = default("10.0.0.253", 1003)
    assert superseded_copies(HostView(LINK, routes=(THERE, own)), {COPY}) == (THERE,)


def test_a_copy_stays_while_it_is_all_that_the_client_has() -> None:
    by_hand, elsewhere = default("10.0.0.253", 0, protocol=4), default("10.0.0.253", 1003, table=100)
    assert superseded_copies(HostView(LINK, routes=(THERE, by_hand, elsewhere)), {COPY}) == ()
    second = default("10.0.0.253", 1005, link=OLD)
    both = HostView(LINK, routes=(THERE, default("10.0.0.253", 1005)))
    assert superseded_copies(both, {COPY, second}) == (), "two of the NIC's own"


def test_what_the_client_changed_is_a_copy_no_more() -> None:
    changed = default("10.0.0.253", 1002)
    assert still_there(HostView(LINK, routes=(THERE,)), {COPY}) == {COPY}
    assert still_there(HostView(LINK, routes=(changed,)), {COPY}) == frozenset()
    assert superseded_copies(HostView(LINK, routes=(changed, replace(changed, metric=1003))), {COPY}) == ()
