"""A plan carried out on a VPP that refuses what a real one refuses gives what was wanted, and then is empty."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from fake_vpp import FakeShared, FakeVpp, RefusedError
from hypothesis import given, settings
from hypothesis import strategies as st
from wishes import HOST, MACS, POD, UPLINK, shared, there, wanted

from hostlink.core import operations as op
from hostlink.core.desired import LOCAL_REASSEMBLY, REASSEMBLED
from hostlink.core.model import (
    NO_INDEX,
    Family,
    LocalReassembly,
    Reassembly,
    Redirect,
    VppNeighbour,
    VppPath,
    VppPort,
    VppRoute,
    VppShared,
    VppUplink,
)
from hostlink.core.plan import clash, plan_uplink
from hostlink.core.plan_shared import plan_shared


def carried_out(desired: VppUplink, actual: VppUplink) -> list[VppUplink]:
    """Every state on the way, the first and the last too."""
    vpp = FakeVpp.holding(actual)
    vpp.wedged_above = desired.uplink.mtu_bytes
    states = [actual]
    for operation in plan_uplink(desired, actual):
        vpp.apply(operation)
        states.append(vpp.read(UPLINK, HOST))
    return states


@settings(max_examples=120, deadline=None)
@given(wanted(), there())
def test_the_plan_gives_what_is_wanted_and_the_next_one_is_empty(desired: VppUplink, actual: VppUplink) -> None:
    last = carried_out(desired, actual)[-1]
    assert (last.routes, last.tables) == (desired.routes, desired.tables)
    assert last.neighbours == desired.neighbours
    assert last.host == desired.host
    assert (last.uplink.up, last.uplink.mtu_bytes, last.uplink.addresses) == (
        True,
        desired.uplink.mtu_bytes,
        desired.uplink.addresses,
    )
    assert last.uplink.link_local == (desired.uplink.link_local or actual.uplink.link_local)
    assert plan_uplink(desired, last) == ()


@settings(max_examples=80, deadline=None)
@given(wanted(), there())
def test_what_works_works_until_the_new_is_there(desired: VppUplink, actual: VppUplink) -> None:
    states = carried_out(desired, actual)
    old, new = actual.uplink.addresses, desired.uplink.addresses
    clashing = {one for one in new - old if any(clash(one, other) for other in old - new)}
    if old and new - clashing:
        assert all(state.uplink.addresses for state in states)
    kept = _places(actual) & _places(desired)
    for state in states:
        assert kept <= _places(state)
        assert old & new <= state.uplink.addresses


def _places(uplink: VppUplink) -> set[tuple[int, object]]:
    return {(route.table_id, route.prefix) for route in uplink.routes}


@settings(max_examples=80, deadline=None)
@given(wanted(), there())
def test_deletes_come_after_adds(desired: VppUplink, actual: VppUplink) -> None:
    plan = plan_uplink(desired, actual)
    adds = [at for at, one in enumerate(plan) if isinstance(one, op.AddVppRoute)]
    deletes = [at for at, one in enumerate(plan) if isinstance(one, op.DeleteVppRoute)]
    assert not adds or not deletes or max(adds) < min(deletes)


@settings(max_examples=50, deadline=None)
@given(there())
def test_withdrawing_leaves_nothing_of_ours(actual: VppUplink) -> None:
    bare = VppUplink(
        VppPort(UPLINK, actual.uplink.up, actual.uplink.mtu_bytes), VppPort(HOST, actual.host.up, actual.host.mtu_bytes)
    )
    last = carried_out(bare, actual)[-1]
    assert (last.uplink.addresses, last.routes, last.neighbours) == (frozenset(), frozenset(), frozenset())
    assert last.tables == frozenset()
    assert plan_uplink(bare, last) == ()


def test_a_port_that_should_be_down_gets_no_address_and_goes_down_last() -> None:
    actual = VppUplink(VppPort(UPLINK, True, 1500, addresses=frozenset({ip_interface("10.0.0.1/24")})), VppPort(HOST))
    desired = VppUplink(VppPort(UPLINK, False, 1500, addresses=frozenset({ip_interface("10.0.0.2/24")})), VppPort(HOST))
    gone = op.DeleteVppAddress(UPLINK, ip_interface("10.0.0.1/24"))
    assert plan_uplink(desired, actual) == (gone, op.SetUp(UPLINK, False))


def test_another_prefix_length_replaces_right_there() -> None:
    def with_addresses(*texts: str) -> VppUplink:
        addresses = frozenset(map(ip_interface, texts))
        return VppUplink(VppPort(UPLINK, True, addresses=addresses), VppPort(HOST))

    plan = plan_uplink(with_addresses("10.0.0.1/16", "10.9.0.1/24"), with_addresses("10.0.0.1/24", "10.0.1.1/24"))
    assert plan == (
        op.AddVppAddress(UPLINK, ip_interface("10.9.0.1/24")),
        op.DeleteVppAddress(UPLINK, ip_interface("10.0.0.1/24")),
        op.DeleteVppAddress(UPLINK, ip_interface("10.0.1.1/24")),
        op.AddVppAddress(UPLINK, ip_interface("10.0.0.1/16")),
    )


def test_a_neighbour_with_another_mac_goes_before_it_comes() -> None:
    old, new = (VppNeighbour(HOST, ip_address("10.0.0.1"), mac) for mac in MACS)
    ports = VppPort(UPLINK), VppPort(HOST)
    plan = plan_uplink(VppUplink(*ports, frozenset({new})), VppUplink(*ports, frozenset({old})))
    assert plan == (op.DeleteVppNeighbour(old), op.AddVppNeighbour(new))


def test_the_whole_order_from_nothing() -> None:
    port = VppPort(UPLINK, True, 1500, True, True, ip_address("fe80::1"), frozenset({ip_interface("10.0.0.1/24")}))  # type: ignore[arg-type]
    host = VppPort(HOST, True, 1500, True, True, None, frozenset(), UPLINK, True, True)
    neighbour = VppNeighbour(HOST, ip_address("10.0.0.1"), MACS[0])
    attached = VppRoute(0, ip_network("10.9.0.0/16"), (VppPath(UPLINK),))
    default = VppRoute(0, ip_network("0.0.0.0/0"), (VppPath(UPLINK, ip_address("10.0.0.254")),))
    desired = VppUplink(port, host, frozenset({neighbour}), frozenset({default, attached}))
    assert plan_uplink(desired, VppUplink(VppPort(UPLINK), VppPort(HOST))) == (
        op.SetMtu(UPLINK, 1500),
        op.SetMtu(HOST, 1500),
        op.EnableIp6(UPLINK),
        op.EnableIp6(HOST),
        op.SuppressAdvertisements(UPLINK),
        op.SuppressAdvertisements(HOST),
        op.SetUp(UPLINK, True),
        op.SetUp(HOST, True),
        op.SetLinkLocal(UPLINK, ip_address("fe80::1")),  # type: ignore[arg-type]
        op.AddVppAddress(UPLINK, ip_interface("10.0.0.1/24")),
        op.SetUnnumbered(HOST, UPLINK),
        op.EnableProxyArp(HOST),
        op.EnableNdProxy(HOST),
        op.AddVppNeighbour(neighbour),
        op.AddVppRoute(attached),
        op.AddVppRoute(default),
    )


def test_paths_in_another_order_are_the_same_route() -> None:
    one, other = VppPath(UPLINK, ip_address("10.0.0.254")), VppPath(UPLINK, ip_address("10.0.0.253"))
    ports = VppPort(UPLINK), VppPort(HOST)

    def having(*paths: VppPath) -> VppUplink:
        return VppUplink(*ports, frozenset(), frozenset({VppRoute(0, ip_network("10.9.0.0/16"), paths)}))

    assert plan_uplink(having(one, other), having(other, one)) == ()
    assert len(plan_uplink(having(one, other), having(one))) == 1


# -------------------------------------------------------------------------------------------------------------- shared

OURS = (NO_INDEX, UPLINK)
THEIRS = (POD, 77)


@settings(max_examples=100, deadline=None)
@given(shared(OURS), shared(OURS), shared(THEIRS), st.booleans())
def test_the_shared_plan_gives_what_is_wanted_and_leaves_the_rest(
    desired: VppShared, owned: VppShared, foreign: VppShared, settled: bool
) -> None:
    mine = desired if settled else owned
    actual = VppShared(mine.redirects | foreign.redirects, mine.proxy_ranges | foreign.proxy_ranges, mine.punted_l4)
    vpp = FakeShared.holding(actual)
    for operation in plan_shared(desired, actual, owned):
        vpp.apply(operation)
    last = vpp.read()
    assert last.redirects == desired.redirects | foreign.redirects | (
        actual.redirects - owned.redirects - foreign.redirects
    )
    assert last.proxy_ranges == desired.proxy_ranges | (actual.proxy_ranges - owned.proxy_ranges)
    assert last.punted_l4 == desired.punted_l4 | (actual.punted_l4 - owned.punted_l4)
    assert plan_shared(desired, last, owned) == ()


def test_a_redirect_with_another_path_is_deleted_as_dumped_and_then_added() -> None:
    old = Redirect(Family.IPV4, NO_INDEX, VppPath(HOST, ip_address("10.0.0.1")))
    new = Redirect(Family.IPV4, NO_INDEX, VppPath(HOST, ip_address("10.0.0.2")))
    plan = plan_shared(VppShared(frozenset({new})), VppShared(frozenset({old})), VppShared())
    assert plan == (op.DeleteRedirect(old), op.AddRedirect(new))


def test_giving_back_takes_away_what_is_there_and_no_more() -> None:
    ours = Redirect(Family.IPV4, NO_INDEX, VppPath(HOST, ip_address("10.0.0.1")))
    absent = Redirect(Family.IPV6, NO_INDEX, VppPath(HOST, ip_address("fd00::1")))
    theirs = Redirect(Family.IPV4, POD, VppPath(POD, ip_address("10.1.0.1")))
    plan = plan_shared(VppShared(), VppShared(frozenset({ours, theirs})), VppShared(frozenset({ours, absent})))
    assert plan == (op.DeleteRedirect(ours),)


DEFAULT = Reassembly(Family.IPV4, 3, 1024)
WISH = VppShared(reassembly=REASSEMBLED)


@pytest.mark.parametrize(
    ("found", "made"),
    [
        (DEFAULT, Reassembly(Family.IPV4, 64, 1024, 200, 50)),
        (Reassembly(Family.IPV4, 63, 20, 900, 70), Reassembly(Family.IPV4, 64, 20, 900, 70)),
        (replace(DEFAULT, max_fragments=64), None),
        (replace(DEFAULT, max_fragments=500), None),
    ],
)
def test_reassembly_is_only_raised_and_what_was_found_is_put_back(found: Reassembly, made: Reassembly | None) -> None:
    other = Reassembly(Family.IPV6, 100, 1024)
    vpp = FakeShared.holding(VppShared(reassembly=frozenset({found, other})))
    for operation in plan_shared(WISH, vpp.read(), VppShared()):
        vpp.apply(operation)
    assert vpp.read().reassembly == {made or found, other}
    assert plan_shared(WISH, vpp.read(), VppShared()) == ()
    ours = VppShared(reassembly=frozenset({found} if made else ()))
    for operation in plan_shared(VppShared(), vpp.read(), ours):
        vpp.apply(operation)
    assert vpp.read().reassembly == {found, other}


def test_what_another_uplink_needs_is_not_put_back() -> None:
    raised = VppShared(reassembly=REASSEMBLED)
    assert plan_shared(WISH, raised, VppShared(reassembly=frozenset({DEFAULT}))) == ()


def test_ipv6_fragments_are_the_host_s_and_again_vpp_s_afterwards() -> None:
    vpp = FakeShared.holding(VppShared(local_reassembly=LocalReassembly()))
    wish = VppShared(local_reassembly=LOCAL_REASSEMBLY)
    for operation in plan_shared(wish, vpp.read(), VppShared()):
        vpp.apply(operation)
    assert vpp.read() == wish
    assert plan_shared(wish, vpp.read(), VppShared(local_reassembly=LocalReassembly())) == ()
    assert plan_shared(VppShared(), vpp.read(), VppShared()) == ()
    for operation in plan_shared(VppShared(), vpp.read(), VppShared(local_reassembly=LocalReassembly())):
        vpp.apply(operation)
    assert vpp.read().local_reassembly == LocalReassembly()


def test_limits_that_nobody_remembers_to_have_raised_stay() -> None:
    assert plan_shared(VppShared(), VppShared(reassembly=REASSEMBLED), VppShared()) == ()


# -------------------------------------------------------------------------------------- the fake refuses what VPP does


def test_the_fake_refuses() -> None:
    """Or the tests above would pass whatever the order."""
    vpp = FakeVpp.holding(VppUplink(VppPort(UPLINK), VppPort(HOST)))
    vpp.wedged_above = 1500
    route = VppRoute(0, ip_network("10.9.0.0/16"), (VppPath(UPLINK, ip_address("10.0.0.254")),))
    neighbour = VppNeighbour(HOST, ip_address("10.0.0.1"), MACS[0])
    for operation, word in (
        (op.SetUp(UPLINK, True), "wedges"),
        (op.AddVppAddress(UPLINK, ip_interface("10.0.0.1/24")), "down"),
        (op.AddVppRoute(route), "down"),
        (op.DeleteVppRoute(route), "not there"),
        (op.DeleteVppNeighbour(neighbour), "not there"),
        (op.DeleteVppAddress(UPLINK, ip_interface("10.0.0.1/24")), "not there"),
    ):
        with pytest.raises(RefusedError, match=word):
            vpp.apply(operation)
    for operation in (
        op.SetMtu(UPLINK, 1500),
        op.SetUp(UPLINK, True),
        op.AddVppAddress(UPLINK, ip_interface("10.0.0.1/24")),
        op.AddVppAddress(UPLINK, ip_interface("10.0.0.2/24")),
        op.AddVppNeighbour(neighbour),
    ):
        vpp.apply(operation)
    for operation, word in (
        (op.AddVppAddress(UPLINK, ip_interface("10.0.0.5/32")), "conflicts"),
        (op.AddVppAddress(UPLINK, ip_interface("10.0.0.1/24")), "conflicts"),
        (op.AddVppNeighbour(neighbour), "already"),
    ):
        with pytest.raises(RefusedError, match=word):
            vpp.apply(operation)
