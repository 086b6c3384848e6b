"""Policy rules: one is a problem where its table has a way by the uplink, and none else."""

from ipaddress import ip_address, ip_network

import pytest

from hostlink.core.model import Family, NextHop, PolicyRule, Route
from hostlink.core.policy_rules import not_followed

UPLINK, OTHER = 7, 8


def rule(table: int, priority: int = 500, family: Family = Family.IPV4) -> PolicyRule:
    return PolicyRule(family, priority, table, f"{priority}: from all lookup {table}")


def route(prefix: str, table: int, link: int = UPLINK, **fields: object) -> Route:
    gateway = ip_address("fd00::9" if ":" in prefix else "10.0.0.9")
    return Route(ip_network(prefix), table, (NextHop(link, gateway),), **fields)  # type: ignore[arg-type]


USUAL = [rule(255, 0), rule(254, 32766), rule(253, 32767)]


def told(rules: list[PolicyRule], *routes: Route) -> list[str]:
    problems = not_followed("eth0", rules, routes, UPLINK)
    assert {problem.code for problem in problems} <= {"HL-308"}
    return [problem.detail for problem in problems]


def test_the_rules_of_every_host_are_none() -> None:
    assert told(USUAL, route("0.0.0.0/0", 254), route("10.0.0.1/32", 255, type=2)) == []


def test_one_whose_table_has_a_way_by_the_uplink_is_told_in_the_order_of_the_rules() -> None:
    rules = [rule(100, 600, Family.IPV6), rule(100, 502), rule(100, 501), *USUAL]
    assert told(rules, route("0.0.0.0/0", 100), route("::/0", 100)) == [
        "eth0: IPv4 rule 501: from all lookup 100",
        "eth0: IPv4 rule 502: from all lookup 100",
        "eth0: IPv6 rule 600: from all lookup 100",
    ]


def test_table_default_is_a_table_like_any_other_once_somebody_fills_it() -> None:
    assert told(USUAL, route("0.0.0.0/0", 253)) == ["eth0: IPv4 rule 32767: from all lookup 253"]


@pytest.mark.parametrize(
    "nothing",
    [
        route("::/0", 100),
        route("0.0.0.0/0", 101),
        route("0.0.0.0/0", 100, OTHER),
        route("224.0.0.0/4", 100),
        Route(ip_network("10.9.0.0/16"), 100, type=6),
    ],
    ids=["another family", "another table", "another link", "multicast", "a blackhole"],
)
def test_one_whose_table_has_none_is_not(nothing: Route) -> None:
    assert told([rule(100)], nothing) == []
