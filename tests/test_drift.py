"""What somebody changed in VPP, apart from what the host asks for, where the one is only told and the other done."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import cast

from hostlink.config import Config, Match, UplinkConfig, VppConfig
from hostlink.core import operations as op
from hostlink.core.alike import PackedRoutes, place_of
from hostlink.core.model import Family, VppPath, VppPort, VppRoute, VppTable, VppUplink
from hostlink.kernel.netlink import Netlink
from hostlink.steps.context import Node, Uplink
from hostlink.steps.drift import parted

TABLE = VppTable(0x686C0064, Family.IPV4)
VIA = (VppPath(1, ip_address("192.0.2.254")),)
PLACE = place_of(ip_network("20.0.0.0/24"))
ASKED = VppRoute(TABLE.table_id, ip_network("198.51.100.0/24"), VIA)


def test_packed_drift_is_left_also_where_a_table_that_went_is_asked_for() -> None:
    """All three in one look: the table was deleted by somebody, and so was a packed route; the host has a new route."""
    config = UplinkConfig(Match(name="eth1"))
    uplink = Uplink(Node(Config((config,), vpp=VppConfig(drift="report")), cast(Netlink, None)), config, 0, "eth1")
    actual = VppUplink(VppPort(1), VppPort(2))
    uplink.wished = replace(actual, tables=frozenset({TABLE}), packed={PLACE: VIA})
    packed = PackedRoutes()
    packed.extend([(VIA, [PLACE])], [])
    plan = (op.AddVppTable(TABLE), op.AddVppRoute(ASKED), op.ChangeVppRoutes(packed))
    left, rest = parted(uplink, plan, actual)
    assert list(op.EachOperation(left)) == [op.AddVppRoute(VppRoute(0, ip_network("20.0.0.0/24"), VIA))]
    assert rest == plan[:2]
