"""What VPP and Linux print after a takeover, line by line beside the prints of the documents that hostlink grew from
(Calico's "Host network configuration" for VPP, 3.28 and 3.29).

What must differ is named here. Indices of VPP's own tables, its graph's `next:` and the list of unicast RPF are of one
process and one release. Calico's redirect goes to a neighbour 169.254.0.1 that it invents on tap0; ours goes to the
host's own address there, so that nothing is invented. Their uplink is avf's, ours is af_packet's. Their `src
192.168.0.254` of the kernel's own route is a slip: the kernel writes the interface's address.
"""

from __future__ import annotations

import json
import re

import pytest

from hostlink.lab import layout
from hostlink.lab.stage import Dataplane, Stage, open_stage

CLUSTER = f"""
[cluster]
service_cidrs = ["{layout.SERVICE_CIDR4}"]
pod_cidrs = ["{layout.POD_CIDR4}"]
"""
UPLINK = f"host-{layout.NIC}"

ADDRESSES = """\
UPLINK (up):
  L3 192.168.0.1/24
  L3 fd00::1/64
HOST (up):
  unnumbered, use UPLINK
  L3 192.168.0.1/24
  L3 fd00::1/64
local0 (dn):
"""
REDIRECT = """\
rx local0 via:
path-list:[31] locks:1 flags:no-uRPF, uPRF-list:24 len:1 itfs:[2, ]
path:[41] pl-index:31 ip4 weight=1 pref=0 attached-nexthop: oper-flags:resolved,
169.254.0.1 HOST
[@0]: ipv4 via 169.254.0.1 HOST: mtu:1500 next:6 flags:[features ] 52540040468e02ca11c0fd100800
forwarding
[@1]: ipv4 via 169.254.0.1 HOST: mtu:1500 next:6 flags:[features ] 52540040468e02ca11c0fd100800
"""
ROUTES = f"""\
default via 192.168.0.254 dev enp216s0f1 proto dhcp src 192.168.0.1 metric 100
{layout.SERVICE_CIDR4} via 192.168.0.254 dev enp216s0f1 proto static mtu 1440
{layout.POD_CIDR4} via 192.168.0.254 dev enp216s0f1 proto static mtu 1440
192.168.0.0/24 dev enp216s0f1 proto kernel scope link src 192.168.0.1
"""


async def test_both_sides_print_what_the_documents_print(dataplane: Dataplane) -> None:
    async with open_stage(dataplane, settings=CLUSTER) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        port = await host_port(stage)
        addresses = await stage.vppctl("show interface address")
        redirects = {version: await stage.vppctl(f"show {version} punt redirect") for version in ("ip", "ip6")}
        routes = await stage.on_host("ip", "route")
        shown = await stage.on_host("ip", "address", "show", "dev", layout.NIC)
    assert interfaces(addresses) == interfaces(named(ADDRESSES, port))
    assert lines(redirects["ip"]) == lines(named(REDIRECT, port).replace("169.254.0.1", "192.168.0.1"))
    assert lines(redirects["ip6"]) == lines(in_ipv6(named(REDIRECT, port)))
    assert lines(routes) == lines(ROUTES)
    link, *below = lines(shown)
    assert re.match(r"\d+: enp216s0f1(@if\d+)?: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc ", link)
    assert link.endswith("group default qlen 1000")
    assert any(line.startswith("link/ether 52:54:00:40:46:8e brd ff:ff:ff:ff:ff:ff") for line in below)
    at = below.index("inet 192.168.0.1/24 brd 192.168.0.255 scope global enp216s0f1")
    assert below[at + 1] == "valid_lft forever preferred_lft forever"


async def host_port(stage: Stage) -> str:
    """VPP's name for the host link: tap0, or host- and the name of the veth's inner end in VPP's namespace."""
    if stage.dataplane.host_link == "tap":
        return "tap0"
    links = json.loads(await stage.lab.exec(stage.lab.vpp, ["ip", "-json", "link", "show", "type", "veth"]))
    (inner,) = [link["ifname"] for link in links if link["ifname"].startswith("hlv")]
    return f"host-{inner}"


def named(text: str, port: str) -> str:
    return text.replace("HOST", port).replace("UPLINK", UPLINK)


def in_ipv6(text: str) -> str:
    """The documents' print of the IPv4 redirect as the IPv6 one: they leave that out."""
    return text.replace("169.254.0.1", "fd00::1").replace("ipv4", "ipv6").replace("ip4", "ip6").replace("0800", "86dd")


def lines(text: str) -> list[str]:
    """Each line with its words one space apart, and without what is of one process or one release."""
    found = [" ".join(line.split()) for line in text.splitlines()]
    return [_of_one_process(line) for line in found if line]


def _of_one_process(line: str) -> str:
    line = re.sub(r", u(PRF|RPF)-list:.*", ",", line)
    line = re.sub(r"\b(path-list|path):\[\d+\]", r"\1:[N]", line)
    line = re.sub(r"\b(pl-index|next):\d+", r"\1:N", line)
    return re.sub(r"flags:\[[^]]*\]", "flags:[]", line)


def interfaces(text: str) -> dict[str, list[str]]:
    """Interface → its lines: VPP prints them by name, and the names are not the documents'."""
    found: dict[str, list[str]] = {}
    for line in lines(text):
        if line.endswith(("(up):", "(dn):")):
            below = found.setdefault(line, [])
        else:
            below.append(line)
    return found


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        ("path-list:[7] locks:1 flags:no-uRPF, uRPF-list: None", True),
        ("path-list:[7] locks:1 flags:shared, uRPF-list: None", False),
        ("path-list:[7] locks:2 flags:no-uRPF, uRPF-list: None", False),
    ],
)
def test_only_what_is_of_one_process_is_left_out(seen: str, same: bool) -> None:
    assert (lines(seen) == [lines(REDIRECT)[1]]) is same
