"""What is left of lifetimes: running down is no news, more than before is."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from fake_host import six

from hostlink.core.lifetimes import aged, lengthened, lifetimes, refreshed
from hostlink.core.model import HostView, Link, NextHop, Route

NIC = Link("eth1", 7, "52:54:00:00:00:01", 1500, up=True)
DEFAULT = Route(ip_network("::/0"), 254, (NextHop(7, ip_address("fe80::ff")),), protocol=9, metric=1024)


def view(valid_s: int | None = 600, preferred_s: int | None = 300, expires_s: int | None = 900) -> HostView:
    address = six("fd00::2/64", valid_lifetime_s=valid_s, preferred_lifetime_s=preferred_s)
    return HostView(NIC, (six("fd00::1/64"), address), (replace(DEFAULT, expires_s=expires_s),))


@pytest.mark.parametrize(
    ("now", "more"),
    [
        (view(), False),
        (view(604, 304, 904), False),
        (view(10, 0, 1), False),
        (view(valid_s=700), True),
        (view(preferred_s=400), True),
        (view(expires_s=1800), True),
        (view(None, None, None), False),
        (replace(view(3600, 3600), addresses=()), False),
    ],
)
def test_only_more_time_than_before_is_a_refresh(now: HostView, more: bool) -> None:
    assert refreshed(now, view()) is more


def test_what_is_new_or_for_ever_has_nothing_to_be_compared_with() -> None:
    assert not refreshed(view(), HostView(NIC))
    assert not refreshed(view(), view(None, None, None))


def test_lifetimes_are_of_what_ends() -> None:
    assert sorted(lifetimes(view()).values()) == [(600, 300), (900, 900)]
    assert lifetimes(view(None, None, None)) == {}


def test_what_is_left_later_is_less_and_what_has_run_out_is_not_there() -> None:
    left = aged(view(), 300)
    assert sorted(lifetimes(left).values()) == [(300, 0), (600, 600)]
    assert [str(one.interface) for one in aged(view(), 600).addresses] == ["fd00::1/64"]
    assert [route.expires_s for route in aged(view(), 899).routes] == [1]
    assert aged(view(), 900).routes == ()


@pytest.mark.parametrize("by_s", [0, -5, 1_000_000])
def test_what_lasts_for_ever_is_as_old_as_it_was(by_s: int) -> None:
    assert aged(view(None, None, None), by_s) == view(None, None, None)


def test_an_expiry_said_of_an_earlier_moment_is_later() -> None:
    routes = (DEFAULT, replace(DEFAULT, expires_s=100))
    assert [route.expires_s for route in lengthened(routes, 7)] == [None, 107]
    assert [route.expires_s for route in aged(HostView(NIC, (), lengthened(routes, 7)), 7).routes] == [None, 100]
