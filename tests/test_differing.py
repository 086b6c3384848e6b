"""What a round would do on the host, told and not done. (What it would do in VPP: tests/system/test_plan.py.)"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import cast

import pytest

from hostlink.clock import boottime_s
from hostlink.config import Cluster, Config, Match, UplinkConfig
from hostlink.core import operations as op
from hostlink.core.desired_routes import translator_for
from hostlink.core.model import Address, Capture, HostView, Link, NextHop, Route
from hostlink.core.route_book import RouteBook
from hostlink.fights import TIMES
from hostlink.journal import Parking, Phase, Takeover
from hostlink.kernel.netlink import Netlink
from hostlink.problems import problem
from hostlink.steps import differing
from hostlink.steps.context import Node, Uplink
from hostlink.steps.differing import OnHost
from hostlink.steps.keep_link import MAC

NIC_MAC, OTHER_MAC, NOW = "52:54:00:00:00:01", "02:00:00:00:00:99", 1000.0
GATEWAY = ip_address("10.0.0.254")
DEFAULT = Route(ip_network("0.0.0.0/0"), 254, (NextHop(7, GATEWAY),), metric=100, protocol=4)
VIEW = HostView(Link("eth1", 7, NIC_MAC, 1500, up=True), (Address(ip_interface("10.0.0.1/24")),), (DEFAULT,))
HERE = replace(VIEW, link=replace(VIEW.link, index=9), routes=(replace(DEFAULT, next_hops=(NextHop(9, GATEWAY),)),))


def on_host(uplink: Uplink, view: HostView, now_s: float) -> OnHost:
    return differing.on_host(uplink, uplink.caught_up(), view, now_s)


@pytest.fixture
def uplink() -> Uplink:
    """Taken over and proved; nothing of the host or of VPP is there to be asked."""
    config = UplinkConfig(Match(name="eth1"), host_link="veth")
    made = Uplink(Node(Config((config,)), cast(Netlink, None)), config, 0, "eth1")
    parking = Parking("vpp", "eth1")
    made.takeover = Takeover(Capture("eth1", VIEW), VIEW, "af_packet", "veth", parking, "hlv7", Phase.PROVED)
    made.takeover = replace(made.takeover, read_at_s=boottime_s())
    return made


def test_of_a_host_link_that_is_as_it_should_be_nothing_is_done(uplink: Uplink) -> None:
    assert on_host(uplink, HERE, NOW) == OnHost((), HERE)


def test_one_that_was_set_down_is_filled_and_vpp_keeps_what_it_has(uplink: Uplink) -> None:
    down = HostView(replace(HERE.link, up=False))
    found = on_host(uplink, down, NOW)
    assert [type(one) for one in found.plan] == [op.AddHostAddress, op.SetHostLink, op.AddHostRoute]
    assert [one.interface for one in found.view.addresses] == [ip_interface("10.0.0.1/24")]
    assert found.view.routes == HERE.routes, "by the host link, and not by the NIC"


def test_a_wrong_mac_is_put_right_and_vpp_goes_by_the_nics(uplink: Uplink) -> None:
    wrong = replace(HERE, link=replace(HERE.link, mac=OTHER_MAC))
    found = on_host(uplink, wrong, NOW)
    assert (found.plan, found.view) == ((op.SetHostLink(9, mac=NIC_MAC),), HERE)
    for _ in range(TIMES):
        uplink.fights.move(MAC, NOW)
    assert on_host(uplink, wrong, NOW) == OnHost((), wrong), "somebody fights for it: it is left to him"


def test_another_name_is_told_unless_it_is_left_to_somebody(uplink: Uplink) -> None:
    renamed = replace(HERE, link=replace(HERE.link, name="wan"))
    assert on_host(uplink, renamed, NOW).was_called == "wan"
    uplink.told["name"] = (problem("HL-320", "eth1 is renamed again and again"),)
    assert on_host(uplink, renamed, NOW).was_called is None


def test_cluster_routes_that_are_missing_are_told(uplink: Uplink) -> None:
    pods = ip_network("10.244.0.0/16")
    uplink.node.config = replace(uplink.node.config, cluster=Cluster(pod_cidrs=(pods,)))
    (added,) = on_host(uplink, HERE, NOW).plan
    assert isinstance(added, op.AddHostRoute)
    assert (added.route.prefix, added.route.mtu_bytes) == (pods, 1440)


def test_who_looks_beside_the_steps_changes_nothing_of_them(uplink: Uplink) -> None:
    """A plan that caught the takeover up in its thread could undo what a step wrote meanwhile, and end the daemon."""
    more = Route(ip_network("10.9.0.0/16"), 254, (NextHop(9, GATEWAY),))
    book = RouteBook((*HERE.routes, more), (), translator_for(HERE, (), 1, ()))
    uplink.looked_at_s = boottime_s()
    uplink.note_edits(book, [(254, more.prefix)])
    before = uplink.takeover
    assert more in uplink.caught_up().last_good.routes
    assert more not in uplink.held().last_good.routes
    assert (uplink.takeover, uplink.behind) == (before, True)
    assert more in uplink.taken().last_good.routes
    assert (uplink.held(), uplink.behind) == (uplink.taken(), False)
