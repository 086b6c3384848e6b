"""hostlink's proxy ARP ranges keep clear of everybody else's, and are known again."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.model import ProxyRange, VppShared
from hostlink.core.operations import AddProxyRange, DeleteProxyRange, VppOperation
from hostlink.core.plan_shared import plan_shared
from hostlink.core.proxy_ranges import PROXIED, around, ours
from hostlink.steps.shared import beside_others


def proxy(low: str | int, high: str | int, table_id: int = 0) -> ProxyRange:
    return ProxyRange(table_id, IPv4Address(low), IPv4Address(high))


SMALL = proxy(1, 60)
"""As if there were sixty addresses."""
others = st.sets(
    st.tuples(st.integers(0, 63), st.integers(0, 63), st.integers(0, 1)).map(
        lambda ends: proxy(min(ends[:2]), max(ends[:2]), ends[2])
    ),
    max_size=5,
)


def holds(ranges: set[ProxyRange] | frozenset[ProxyRange], address: int) -> int:
    """How many of table 0 VPP finds it in."""
    return sum(int(one.low) <= address <= int(one.high) for one in ranges if one.table_id == 0)


@given(others)
def test_nothing_is_answered_twice_and_everything_once(foreign: set[ProxyRange]) -> None:
    mine = around({SMALL}, foreign)
    for address in range(1, 61):
        if holds(foreign, address) or (holds(foreign, address - 1) and holds(foreign, address + 1)):
            assert holds(mine, address) == 0
        else:
            assert holds(mine, address) == 1 or address in (1, 60)


@given(others)
def test_pieces_are_known_again_among_others(foreign: set[ProxyRange]) -> None:
    mine = around({PROXIED}, foreign)
    assert ours(mine | foreign) == mine


def test_alone_it_is_one_range_without_a_mark() -> None:
    assert around({PROXIED}, ()) == {PROXIED}
    assert around({PROXIED}, {proxy("10.0.0.1", "10.0.0.9", table_id=7)}) == {PROXIED}
    assert around((), {proxy("10.0.0.1", "10.0.0.9")}) == frozenset()


def plan(wanted: VppShared, actual: VppShared) -> tuple[VppOperation, ...]:
    return plan_shared(beside_others(wanted, actual), actual, VppShared(proxy_ranges=ours(actual.proxy_ranges)))


def test_a_range_that_comes_later_makes_the_whole_give_way() -> None:
    wanted, foreign = VppShared(proxy_ranges=frozenset({PROXIED})), proxy("10.77.0.1", "10.77.0.9")
    there = frozenset({PROXIED, foreign})
    first = plan(wanted, VppShared(proxy_ranges=there))
    low, high = proxy("0.0.0.1", "10.77.0.0"), proxy("10.77.0.10", "255.255.255.254")
    added = {one.range for one in first if isinstance(one, AddProxyRange)}
    assert added == {low, proxy("10.77.0.0", "0.0.0.1"), high, proxy("255.255.255.254", "10.77.0.10")}
    assert [one.range for one in first if isinstance(one, DeleteProxyRange)] == [PROXIED]
    then = added | {foreign}
    settled = VppShared(proxy_ranges=frozenset(then))
    assert plan(wanted, settled) == ()
    gone = plan(VppShared(), settled)
    assert {one.range for one in gone if isinstance(one, DeleteProxyRange)} == added
