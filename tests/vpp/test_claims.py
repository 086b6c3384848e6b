"""What VPP keeps, read from what a real VPP printed: bare, and with plugins, tunnels and the session layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hostlink.core.model import Family
from hostlink.steps.claims import notes
from hostlink.vpp.claims import Claims, in_words, parse_ports, parse_protocols, takes_unreachables

RECORDINGS = {
    path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("recordings/claims-*.json")
}
PRINTED = pytest.mark.parametrize("printed", RECORDINGS.values(), ids=RECORDINGS)


def read(texts: dict[str, str]) -> Claims:
    protocols = [
        *parse_protocols(Family.IPV4, texts["show ip local"]),
        *parse_protocols(Family.IPV6, texts["show ip6 local"]),
    ]
    icmp = takes_unreachables(texts["show node ip4-icmp-input"])
    return Claims(tuple(protocols), parse_ports(texts["show udp ports"]), icmp)


@PRINTED
def test_a_bare_vpp_keeps_nothing(printed: dict[str, dict[str, str]]) -> None:
    assert read(printed["bare"]) == Claims()


@PRINTED
def test_plugins_and_tunnels_are_told_once_for_both_families(printed: dict[str, dict[str, str]]) -> None:
    claims = read(printed["claimed"])
    assert set(in_words(claims.protocols)) == {
        "protocol 2 (IGMP) of IPv4: the igmp plugin has it (igmp-input)",
        "protocol 4 (IP_IN_IP) of IPv4: an IPIP tunnel has it (ipip4-input)",
        "protocol 41 (IPV6) of IPv4: an IPIP tunnel has it (ipip4-input)",
        "protocol 47 (GRE) of IPv4 and IPv6: a GRE tunnel has it (gre4-input and gre6-input)",
        "protocol 50 (IPSEC_ESP) of IPv4 and IPv6: IPsec has it (ipsec4-tun-input and ipsec6-tun-input)",
        "protocol 112 (VRRP) of IPv4 and IPv6: the vrrp plugin has it (vrrp4-input and vrrp6-input)",
        "protocol 137 (MPLS_IN_IP) of IPv4: an IPIP tunnel has it (ipip4-input)",
    }
    assert set(in_words(claims.ports)) == {
        "UDP port 500 of IPv4 and IPv6: the ikev2 plugin has it (ikev2-ip4 and ikev2-ip6)",
        "UDP port 3784 of IPv4: a BFD session has it (bfd-udp4-input)",
        "UDP port 3785 of IPv4: a BFD session has it (bfd-udp-echo4-input)",
        "UDP port 4500 of IPv4 and IPv6: IPsec has it (ipsec4-tun-input and ipsec6-tun-input)",
        "UDP port 4789 of IPv4: a VXLAN tunnel has it (vxlan4-input)",
    }


@PRINTED
def test_the_session_layer_takes_icmp_errors_in_26_06_only(printed: dict[str, dict[str, str]]) -> None:
    assert read(printed["claimed"]).icmp_errors == str(printed["version"]).startswith("26.")


def test_a_protocol_without_a_name_is_told_by_its_number() -> None:
    (claim,) = parse_protocols(Family.IPV4, "Protocols handled by ip4_local\nunknown 253: mystery-input\n")
    assert in_words([claim]) == ("protocol 253 of IPv4: somebody in VPP has it (mystery-input)",)


def test_each_claim_is_a_problem_and_so_is_a_vpp_that_does_not_tell() -> None:
    protocols = parse_protocols(Family.IPV4, "GRE: gre4-input\n")
    ports = parse_ports("4789\x1b[0m   ip4\x1b[0m        vxlan4-input\x1b[0m    vxlan6\x1b[0m\n")
    told = notes(Claims(protocols, ports, icmp_errors=True, untold=("show udp ports",)))
    assert [one.code for one in told] == ["HL-209", "HL-210", "HL-211", "HL-209"]
    assert "show udp ports" in told[-1].detail
