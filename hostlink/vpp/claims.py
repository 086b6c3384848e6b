"""What a VPP keeps for itself of the packets to the node's addresses: IP protocols, UDP ports, ICMP errors.

A packet to an address of VPP is for the host when VPP's own stack has no node for it: then it is punted. Whoever
registers a node for a protocol or port takes all of it, in every table and on every interface, whether or not it can
use the single packet. No message of the API tells; what VPP prints of the tables that it dispatches by does (26.06 run,
25.10 read: the same text), and it is the truth, which neither the list of plugins nor a dump of tunnels is.

Measured with 26.06, unicast from the LAN to the node's address through a takeover; each of these arrives until it is
claimed, and none of it does from then on, and nothing else is missing:

- the igmp plugin claims protocol 2 (IPv4), vrrp 112 (both families), as soon as they are loaded;
- the first GRE tunnel claims 47 in both families, the first IPIP tunnel 4, 41 and 137 in its family, the first IPsec
  tunnel interface 50 and UDP 4500 in both. No packet of another peer, and none that VPP has no tunnel, SPI or VNI for,
  reaches the host: it is dropped there (`no tunnel`, `no matching tunnel`);
- the first VXLAN tunnel claims UDP 4789 in its family, an IKEv2 profile 500 and 4500, a BFD session 3784 and 3785
  (4784 for multihop); loading the plugins alone claims nothing;
- VXLAN and GRE are claimed until VPP ends, also when the last tunnel has gone; so is IPIP (read).

In 26.06 enabling the session layer registers `transport-icmp-dest-unreachable` for all of ICMPv4 type 3: it frees
every one, frag-needed too, and the host's path MTU discovery and its refused UDP connections go blind. Nothing undoes
it, also not disabling the session layer again, so the node in the list of next nodes tells, and not `show session`.
25.10 has no such node (read). TCP, which VPP then claims too, is punted by `set_punt` all the same, but for ports that
VPP's applications serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hostlink.core.model import Family
from hostlink.vpp.errors import VppError, VppRefused, understood
from hostlink.vpp.session import Request, Session, raise_first

COMMANDS = ("show ip local", "show ip6 local", "show udp ports", "show node ip4-icmp-input")

HARMLESS_NODES = frozenset(
    {
        *("ip4-icmp-input", "ip6-icmp-input", "ip4-udp-lookup", "ip6-udp-lookup"),
        *("ip6-local-hop-by-hop", "ip4-local-full-reassembly", "ip6-local-full-reassembly"),
        *("tcp4-input", "tcp6-input"),
        *("ip4-punt", "ip6-punt"),
    }
)
"""They pass on to the host what VPP does not serve: by themselves, or by the punting that hostlink sets up."""

_PROTOCOLS = {"IGMP": 2, "IP_IN_IP": 4, "IPV6": 41, "GRE": 47, "IPSEC_ESP": 50, "IPSEC_AH": 51, "OSPF": 89}
_PROTOCOLS |= {"VRRP": 112, "L2TP": 115, "SCTP": 132, "UDP_LITE": 136, "MPLS_IN_IP": 137}
"""For IPv4 VPP prints names (vnet/ip/protocols.def), for IPv6 numbers."""
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_UNREACHABLE_NODE = "transport-icmp-dest-unreach"
"""What is left of it in the column of `show node`, which is 30 wide."""
_OWNERS = (
    ("igmp", "the igmp plugin"),
    ("vrrp", "the vrrp plugin"),
    ("gre", "a GRE tunnel"),
    ("ipip", "an IPIP tunnel"),
    ("ipsec", "IPsec"),
    ("vxlan", "a VXLAN tunnel"),
    ("ikev2", "the ikev2 plugin"),
    ("bfd", "a BFD session"),
    ("dhcp", "the dhcp plugin"),
    ("l2t", "the l2tp plugin"),
    ("geneve", "a Geneve tunnel"),
    ("gtpu", "a GTP-U tunnel"),
    ("wg", "the wireguard plugin"),
    ("udp4-input", "an application of the session layer"),
    ("udp6-input", "an application of the session layer"),
)
"""First letters of a node's name → who brought it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A protocol or UDP port of one family that VPP keeps. node: the one of VPP's graph that gets it."""

    family: Family
    what: str
    node: str

    @property
    def owner(self) -> str:
        """Who brought the node, in words."""
        return next((owner for prefix, owner in _OWNERS if self.node.startswith(prefix)), "somebody in VPP")


@dataclass(frozen=True, slots=True)
class Claims:
    """All that VPP keeps."""

    protocols: tuple[Claim, ...] = ()
    ports: tuple[Claim, ...] = ()
    icmp_errors: bool = False
    """Every ICMPv4 destination-unreachable is freed."""
    untold: tuple[str, ...] = ()
    """Commands that this VPP does not know: what they would tell is not known."""


@understood
async def read_claims(session: Session) -> Claims:
    """Raises any VppError but a refusal: a command that VPP does not know stands in the way of no takeover."""
    replies = await session.batch([Request("cli_inband", {"cmd": command}) for command in COMMANDS])
    raise_first([reply for reply in replies if not isinstance(reply, VppRefused)])
    texts = {
        command: str(reply.reply)
        for command, reply in zip(COMMANDS, replies, strict=True)
        if not isinstance(reply, VppError)
    }
    local4, local6, ports, icmp = (texts.get(command, "") for command in COMMANDS)
    return Claims(
        protocols=parse_protocols(Family.IPV4, local4) + parse_protocols(Family.IPV6, local6),
        ports=parse_ports(ports),
        icmp_errors=takes_unreachables(icmp),
        untold=tuple(command for command in COMMANDS if command not in texts),
    )


def in_words(claims: Iterable[Claim]) -> tuple[str, ...]:
    """A text for each protocol or port, with the families that it is kept in and who has it."""
    by_what: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        by_what.setdefault((claim.what, claim.owner), []).append(claim)
    return tuple(
        f"{what} of {_and(f'IPv{int(one.family)}' for one in same)}: {owner} has it ({_and(one.node for one in same)})"
        for (what, owner), same in by_what.items()
    )


def _and(words: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(words))


def parse_protocols(family: Family, text: str) -> tuple[Claim, ...]:
    """Read `show ip local` or `show ip6 local`: lines of `NAME: node`, or of `number: node`."""
    rows = re.findall(r"^(?:unknown )?(\w+): (\S+)\s*$", text, re.MULTILINE)
    return tuple(Claim(family, _protocol(name), node) for name, node in rows if node not in HARMLESS_NODES)


def _protocol(name: str) -> str:
    number = int(name) if name.isdigit() else _PROTOCOLS.get(name)
    if number is None:
        return f"protocol {name}"
    return f"protocol {number} ({_NAMES[number]})" if number in _NAMES else f"protocol {number}"


def parse_ports(text: str) -> tuple[Claim, ...]:
    """Read `show udp ports`: a coloured table of port, family, node and a name. Only bound ports are in it."""
    rows = re.findall(r"^\s*(\d+)\s+ip([46])\s+(\S+)", _ESCAPES.sub("", text), re.MULTILINE)
    return tuple(
        Claim(Family(int(family)), f"UDP port {port}", node)
        for port, family, node in rows
        if node not in HARMLESS_NODES
    )


def takes_unreachables(text: str) -> bool:
    """Read `show node ip4-icmp-input`: whether the session layer's node is one of its next nodes."""
    return _UNREACHABLE_NODE in text
