"""Routes without a gateway: which they are, and how they must be said to VPP to be attached."""

from ipaddress import ip_address, ip_network

import pytest

from hostlink.core.model import NO_INDEX, PathType, VppPath, VppRoute
from hostlink.vpp.on_link import as_said, is_on_link

PEER = ip_address("10.7.0.1")
LINK, VIA_PEER, DROP = VppPath(1), VppPath(1, PEER), VppPath(NO_INDEX, type=PathType.DROP)


@pytest.mark.parametrize(
    ("prefix", "paths", "on_link"),
    [
        ("10.7.0.0/24", (LINK,), True),
        ("10.7.0.1/32", (LINK,), True),
        ("10.7.0.1/32", (VIA_PEER,), True),
        ("10.7.0.2/32", (VIA_PEER,), False),
        ("10.7.0.0/24", (VIA_PEER,), False),
        ("10.7.0.0/24", (LINK, VIA_PEER), False),
        ("10.7.0.0/24", (DROP,), False),
        ("fd07::/64", (LINK,), True),
        ("10.7.0.0/24", (), False),
    ],
)
def test_which_routes_are_on_link(prefix: str, paths: tuple[VppPath, ...], on_link: bool) -> None:
    assert is_on_link(VppRoute(0, ip_network(prefix), paths)) is on_link


def test_a_peer_is_said_without_a_next_hop() -> None:
    peer = ip_network("10.7.0.1/32")
    assert as_said(VppRoute(0, peer, (VIA_PEER,))) == VppRoute(0, peer, (LINK,))
