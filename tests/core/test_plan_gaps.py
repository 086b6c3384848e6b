"""What stays is kept while something else goes: neighbours that VPP forgets, and the way of what it punts (F12)."""

from ipaddress import ip_address, ip_interface

from wishes import HOST, MACS, UPLINK

from hostlink.core import operations as op
from hostlink.core.model import IPAddress, VppNeighbour
from hostlink.core.plan_gaps import GONE_AT_ONCE, before_losing, forgets, with_learnt

WANTED = frozenset({ip_interface("10.0.0.1/24"), ip_interface("fd00::1/64")})


def learnt(text: str, port: int = UPLINK) -> VppNeighbour:
    return VppNeighbour(port, ip_address(text), MACS[0])


def gone(text: str) -> op.DeleteVppAddress:
    return op.DeleteVppAddress(UPLINK, ip_interface(text))


def comes(text: str) -> op.AddVppAddress:
    return op.AddVppAddress(UPLINK, ip_interface(text))


ROUTER, ROUTER6, ELSEWHERE = learnt("10.0.0.254"), learnt("fd00::254"), learnt("10.7.0.9")
KNOWN = [ROUTER, ROUTER6, ELSEWHERE, learnt("fe80::1"), learnt("10.0.0.9", HOST)]


def test_what_is_learnt_of_a_network_that_stays_is_told_again_right_behind() -> None:
    neighbour = op.DeleteVppNeighbour(VppNeighbour(HOST, ip_address("10.0.0.5"), MACS[1]))
    plan = (neighbour, gone("10.0.0.5/24"), gone("fd00::5/64"), op.SetUp(HOST, False))
    assert forgets(plan) == {UPLINK}
    again = (op.LearnVppNeighbour(ROUTER), op.LearnVppNeighbour(ROUTER6))
    assert with_learnt(plan, KNOWN, WANTED) == [(*plan[:3], *again), plan[3:]]


def test_another_length_of_a_network_comes_before_what_is_learnt_in_it() -> None:
    plan = (gone("10.0.0.1/24"), comes("10.0.0.1/16"), gone("10.7.0.1/24"))
    wanted = {ip_interface("10.0.0.1/16")}
    assert with_learnt(plan, KNOWN, wanted) == [(*plan, op.LearnVppNeighbour(ROUTER))]


def test_of_many_that_go_each_few_are_followed_by_what_they_cost() -> None:
    many = tuple(gone(f"10.0.0.{number}/24") for number in range(10, 10 + 2 * GONE_AT_ONCE + 1))
    again = op.LearnVppNeighbour(ROUTER)
    parts = with_learnt(many, KNOWN, WANTED)
    assert [len(part) for part in parts] == [GONE_AT_ONCE + 1, GONE_AT_ONCE + 1, 2]
    assert all(part[-1] == again for part in parts)
    assert tuple(one for part in parts for one in part if one != again) == many
    replaced = (*many, comes("10.0.0.1/16"))
    assert with_learnt(replaced, KNOWN, {ip_interface("10.0.0.1/16")}) == [(*replaced, again)]


def test_who_is_in_no_network_any_more_is_forgotten() -> None:
    plan = (gone("10.7.0.1/24"),)
    assert with_learnt(plan, KNOWN, WANTED) == [plan]


def test_a_plan_that_takes_no_address_away_is_as_it_was() -> None:
    plan = (comes("10.0.0.5/24"),)
    assert forgets(plan) == frozenset()
    assert with_learnt(plan, KNOWN, WANTED) == [plan]


def test_the_redirect_moves_before_the_neighbour_that_it_stands_on_goes() -> None:
    old, other = (VppNeighbour(HOST, ip_address(text), MACS[0]) for text in ("10.0.0.1", "10.0.0.2"))
    plan = (comes("10.0.0.3/24"), op.DeleteVppNeighbour(other), op.DeleteVppNeighbour(old), gone("10.0.0.1/24"))
    assert before_losing(plan, {old.address}) == (plan[:2], plan[2:])
    nobody: set[IPAddress] = set()
    assert before_losing(plan, nobody) == (plan, ())


def test_a_neighbour_with_another_mac_is_no_loss() -> None:
    old, new = (VppNeighbour(HOST, ip_address("10.0.0.1"), mac) for mac in MACS)
    plan = (op.DeleteVppNeighbour(old), op.AddVppNeighbour(new))
    assert before_losing(plan, {old.address}) == (plan, ())
