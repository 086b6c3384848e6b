"""What a takeover makes, as values: of the journal's takeover alone. Handover makes these, and `hostlink plan` tells
them before, so that the two cannot say different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hostlink.core.model import HostView, Link
from hostlink.core.operations import AddAltname, HostOperation, SetHostLink, SetMtu, SetSysctl
from hostlink.core.plan_host import plan_host
from hostlink.journal import Takeover
from hostlink.steps.names import mark, pair_name, temporary_name
from hostlink.vpp.host_link import HostEnd, vpp_side_mac
from hostlink.vpp.tags import host_tag

MTU_BYTES = 65535
"""The most that a veth takes: the bypass's pair never limits what the devices at its ends may send."""
_UP_WITHOUT_US = "ipv6/conf/{name}/disable_ipv6"

Plan = Sequence[HostOperation]


@dataclass(frozen=True, slots=True)
class Tap:
    """A persistent tap, made down."""

    name: str
    mac: str
    mtu_bytes: int

    kind = "tap"


@dataclass(frozen=True, slots=True)
class VethPair:
    """A veth pair, made down: `name` on the host, `peer` in VPP's namespace."""

    name: str
    mac: str
    mtu_bytes: int
    peer: str
    namespace: str
    peer_mac: str | None = None
    """None: as the kernel chooses."""

    kind = "veth"


def host_link(takeover: Takeover, number: int) -> Tap | VethPair:
    """The interface that takes the NIC's place, under its first name. number: the uplink's."""
    nic, name = takeover.capture.view.link, temporary_name(takeover)
    if takeover.host_link == "tap":
        return Tap(name, nic.mac, nic.mtu_bytes)
    inner, where = takeover.inner_name or "", takeover.parking.namespace
    return VethPair(name, nic.mac, nic.mtu_bytes, inner, where, vpp_side_mac(number))


def silent_and_marked(takeover: Takeover, link: Link) -> Plan:
    """What the new host link gets at once.

    Nothing of IPv6 on it until it is filled: an attaching VPP raises a tap, and the kernel would begin duplicate
    address detection for a link-local address of its own making.
    """
    silent = SetSysctl(_UP_WITHOUT_US.format(name=link.name), "1")
    return [silent, AddAltname(link.index, mark(takeover.capture.uplink))]


def quiet(name: str) -> HostOperation:
    """Linux says nothing of its own on that device: no link-local, no answers, no SLAAC."""
    return SetSysctl(_UP_WITHOUT_US.format(name=name), "1")


def quiet_and_raised(link: Link) -> Plan:
    """A device that is VPP's, or the bypass's."""
    return [quiet(link.name), SetHostLink(link.index, up=True)]


def bypass_pair(takeover: Takeover, number: int) -> VethPair:
    """The bypass's pair: of one name on both sides."""
    name = pair_name(takeover.capture.view.link)
    return VethPair(name, f"02:ca:11:b9:a5:{number:02x}", MTU_BYTES, name, takeover.parking.namespace)


def bypass_alias(takeover: Takeover, index: int) -> HostOperation:
    """What tells whoever looks at `ip link` what the pair is for."""
    return SetHostLink(index, alias=f"hostlink: around VPP, for {takeover.capture.uplink}")


def host_end(takeover: Takeover, number: int, link_name: str, host_namespace: str) -> HostEnd:
    """What VPP attaches to. link_name: the host link's now. host_namespace: as VPP finds it."""
    nic = takeover.capture.view.link
    return HostEnd(
        name=link_name if takeover.inner_name is None else takeover.inner_name,
        mac=nic.mac,
        mtu_bytes=nic.mtu_bytes,
        namespace=host_namespace,
        tag=host_tag(takeover.capture.uplink),
        number=number,
    )


def port_mtu(takeover: Takeover, sw_if_index: int) -> SetMtu:
    """The first thing that a port of ours gets in VPP: the default is 9000, and one packet above the device's MTU
    wedges its transmit ring for good."""
    return SetMtu(sw_if_index, takeover.capture.view.link.mtu_bytes)


def filling(wanted: HostView, view: HostView) -> Plan:
    """What makes the host link carry `wanted`, but for the MAC, which comes last of all (keep_link.py)."""
    return plan_host(replace(wanted, link=replace(wanted.link, mac=view.link.mac)), view)


def is_early(operation: HostOperation) -> bool:
    """What a host link that is down may be given while the NIC works; it comes first in a plan."""
    return isinstance(operation, SetSysctl) or (isinstance(operation, SetHostLink) and operation.up is None)
