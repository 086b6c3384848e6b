"""Policy rules of the host that VPP does not follow: told (HL-308), and nothing more.

VPP forwards what the host sends, and what comes for the host, by table 0, which is the host's table main. A rule that
sends packets to another table asks for another way out, where that table has one by the uplink; where it has none, the
rule is nothing to VPP. So the rules that every host has are none either: local is not mirrored, main is what VPP goes
by, and default is empty unless somebody fills it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hostlink.core.desired_routes import by_link
from hostlink.core.model import PolicyRule, Problem, Route
from hostlink.core.vpp_tables import RT_TABLE_LOCAL, RT_TABLE_MAIN

NOT_FOLLOWED = "HL-308"


def elsewhere(rules: Iterable[PolicyRule]) -> tuple[PolicyRule, ...]:
    """Those that look up another table than main and local."""
    return tuple(rule for rule in rules if rule.table not in (RT_TABLE_MAIN, RT_TABLE_LOCAL))


def not_followed(
    name: str, rules: Collection[PolicyRule], routes: Iterable[Route], link_index: int
) -> tuple[Problem, ...]:
    """What an operator should hear of these rules. name: the uplink's. routes: the host's, of all tables."""
    asked = elsewhere(rules)
    if not asked:
        return ()
    tables = {rule.table for rule in asked}
    there = {(route.table, route.family) for route in routes if route.table in tables and by_link(route, link_index)}
    return tuple(
        Problem(NOT_FOLLOWED, f"{name}: IPv{int(rule.family)} rule {rule.text}")
        for rule in sorted(asked, key=lambda one: (one.family, one.priority))
        if (rule.table, rule.family) in there
    )
