"""What a takeover takes for good: named once, whichever of the views has it."""

from dataclasses import replace
from ipaddress import IPv6Address, ip_network

from hostlink.core.model import HostView, Link, Route
from hostlink.core.stuck import stuck

NIC = HostView(Link("eth1", 7, "52:54:00:00:00:01", 1500), stuck=("tc qdisc htb 1: root",))


def test_each_is_named_once() -> None:
    routes = tuple(Route(ip_network(f"10.{n}.0.0/16"), 254, nexthop_id=n % 2 + 11) for n in range(4))
    later = replace(NIC, stuck=(*NIC.stuck, "tc filter ingress pref 10 flower"), routes=routes)
    assert stuck([NIC, later]) == (
        "tc qdisc htb 1: root",
        "tc filter ingress pref 10 flower",
        "ip nexthop object 11",
        "ip nexthop object 12",
    )


def test_a_token_that_the_link_would_not_take_now_is_named() -> None:
    link = replace(NIC.link, token=IPv6Address("::7"))
    assert stuck([HostView(link)]) == ("ip token ::7",)
    assert stuck([HostView(link, sysctls=(("ipv6/conf/{link}/accept_ra", "2"),))]) == ()
