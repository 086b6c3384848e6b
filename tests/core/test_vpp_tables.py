"""Which table of VPP is which of the host's, and whose it is."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from hostlink.core.model import Family, PathType, VppPath, VppPort, VppRoute, VppTable, VppUplink
from hostlink.core.vpp_tables import host_table_of, left_to, name_of, ours, tables_of, vpp_table_id

NUMBERS = st.integers(1, 0xFFFFFFFF)
V4, V6 = ip_network("10.9.0.0/16"), ip_network("fd09::/48")
OUT, NOWHERE = (VppPath(1, ip_address("10.0.0.254")),), (VppPath(type=PathType.DROP),)
A, B = 0x686C0064, 0x686C0065


@given(NUMBERS, NUMBERS)
def test_numbers_are_one_to_one(one: int, other: int) -> None:
    there, else_where = vpp_table_id(one), vpp_table_id(other)
    assert (there == else_where) is (one == other) or there is None is else_where
    if there is not None:
        assert 0 <= there < 0xFFFFFFFF
        assert host_table_of(there) == one


def test_main_is_vpps_own_table_and_the_two_numbers_of_vpps_are_nobodys() -> None:
    assert (vpp_table_id(254), host_table_of(0)) == (0, 254)
    assert [vpp_table_id(table) for table in (0x686C0000, 0x9793FFFF)] == [None, None]


def test_ours_are_those_with_the_number_and_the_name() -> None:
    mine, renamed, foreign = VppTable(A, Family.IPV4), VppTable(B, Family.IPV4), VppTable(7, Family.IPV6)
    assert name_of(mine) == "hostlink 100"
    tables = {mine: "hostlink 100", renamed: "hostlink 100", foreign: "pods", VppTable(0, Family.IPV4): "hostlink 254"}
    assert ours(tables) == {mine}


def test_each_family_has_a_table_of_its_own_and_table_0_needs_none() -> None:
    routes = [VppRoute(A, V4, OUT), VppRoute(A, V6, OUT), VppRoute(B, V6, OUT), VppRoute(0, V4, OUT)]
    assert tables_of(routes) == {VppTable(A, Family.IPV4), VppTable(A, Family.IPV6), VppTable(B, Family.IPV6)}


def test_what_leads_nowhere_in_anothers_table_is_left_to_it() -> None:
    shared = VppTable(A, Family.IPV4)
    mine = frozenset({VppRoute(A, V4, OUT), VppRoute(B, V4, NOWHERE), VppRoute(A, V6, NOWHERE)})
    theirs = VppRoute(A, ip_network("10.8.0.0/16"), NOWHERE)
    there = VppUplink(VppPort(1), VppPort(2), routes=mine | {theirs}, tables=frozenset({shared}))
    assert left_to([shared], there) == VppUplink(VppPort(1), VppPort(2), routes=mine, tables=frozenset({shared}))
    assert left_to([], there) is there
