"""The interfaces of the data plane: what VPP calls software interfaces.

Index 0 is VPP's `local0`, which never carries a packet. Addresses are kept as packed bytes (4 or 16 of them: the
length is the family). An unnumbered interface has no addresses of its own while it is unnumbered: it borrows its
lender's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hostlink.lab.standin.retvals import INVALID_SW_IF_INDEX, Refused

NONE = 0xFFFFFFFF
DEFAULT_MTU_BYTES = 9000
"""What VPP gives an Ethernet interface whatever the NIC's is: the trap that hostlink has to step over."""

L3, IP4, IP6, MPLS = range(4)
"""Positions in `Interface.mtu`."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    address: bytes
    length: int


@dataclass(slots=True)
class RouterAdvertisements:
    """What VPP would advertise on an IPv6 interface (VPP API: sw_interface_ip6nd_ra_config). Times in seconds.

    A fresh interface does not advertise (VPP 26.06, run); any configuration of it that does not suppress turns it on.
    """

    send: bool = False
    cease: bool = False
    managed: bool = False
    other: bool = False
    link_layer_option: bool = True
    send_unicast: bool = False
    lifetime_s: int = 600
    max_interval_s: float = 200.0
    min_interval_s: float = 150.0
    initial_count: int = 3
    initial_interval_s: float = 16.0
    link_mtu: int = 0
    """Taken from the interface when IPv6 is enabled on it, and kept."""
    sent: int = 0
    solicitations: int = 0
    initial_left: int = 2
    next_at_s: float = 0.0
    last_s: float | None = None


@dataclass(slots=True)
class Ip6Link:
    """IPv6 is enabled on the interface: its link-local address, and who holds it enabled."""

    link_local: bytes
    radv: RouterAdvertisements = field(default_factory=RouterAdvertisements)
    locks: int = 1
    """One for the API's enable, one for each address."""


@dataclass(slots=True)
class Interface:
    sw_if_index: int
    name: str
    dev_type: str
    mac: bytes
    link_mtu: int = DEFAULT_MTU_BYTES
    mtu: list[int] = field(default_factory=lambda: [DEFAULT_MTU_BYTES, 0, 0, 0])
    admin_up: bool = False
    link_up: bool = False
    tag: str = ""
    addresses4: list[InterfaceAddress] = field(default_factory=list)
    addresses6: list[InterfaceAddress] = field(default_factory=list)
    unnumbered: int | None = None
    """The lender's sw_if_index."""
    table4: int = 0
    table6: int = 0
    ip6: Ip6Link | None = None
    api_ip6: bool = False
    proxy_arp: bool = False
    nd_proxy: bool = False
    input_acl: dict[str, int] = field(default_factory=dict)
    """Classifier table index by slot: ip4, ip6, l2."""
    output_acl: dict[str, int] = field(default_factory=dict)
    checksum_offload: bool = False
    """The device completes checksums by itself, and takes partial ones."""
    gso: bool = False
    """The device takes segments larger than the MTU."""
    wedged: bool = False
    """Its transmit ring hangs for good: a frame larger than the device's MTU was put into it."""
    device_mtu: int = 0
    """What the Linux device takes, for af_packet; 0: any."""
    read_device_mtu: Callable[[], int] | None = None
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        return self.admin_up and self.link_up

    def table(self, version: int) -> int:
        return self.table4 if version == 4 else self.table6

    def addresses(self, version: int) -> list[InterfaceAddress]:
        """Its own, whether it is unnumbered or not; see Interfaces.addresses."""
        return self.addresses4 if version == 4 else self.addresses6

    def l3_mtu(self, version: int) -> int:
        """In bytes, 0 for none: the family's own where one is set, else the common one."""
        own = self.mtu[IP4 if version == 4 else IP6]
        return own or self.mtu[L3]

    def count(self, name: str, amount: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + amount


class Interfaces:
    """All interfaces by sw_if_index; indices of deleted ones are used again, lowest last freed first, as VPP's pools
    do.
    """

    def __init__(self) -> None:
        self._by_index: dict[int, Interface] = {}
        self._free: list[int] = []
        self.local0 = self.add("local0", "local", bytes(6), link_mtu=0)
        self.local0.mtu = [0, 0, 0, 0]

    def add(self, name: str, dev_type: str, mac: bytes, link_mtu: int = DEFAULT_MTU_BYTES) -> Interface:
        index = self._free.pop() if self._free else len(self._by_index)
        interface = Interface(index, name, dev_type, mac, link_mtu)
        self._by_index[index] = interface
        return interface

    def remove(self, interface: Interface) -> None:
        """Who borrows its addresses goes on to, by its number (VPP: ip4_sw_interface_add_del sees to its own only)."""
        del self._by_index[interface.sw_if_index]
        self._free.append(interface.sw_if_index)

    def find(self, sw_if_index: int) -> Interface | None:
        return self._by_index.get(sw_if_index)

    def get(self, sw_if_index: int, error: int = INVALID_SW_IF_INDEX) -> Interface:
        """The interface, or the refusal that VPP gives for an index that is none."""
        interface = self._by_index.get(sw_if_index)
        if interface is None:
            raise Refused(error)
        return interface

    def __iter__(self) -> Iterator[Interface]:
        return iter([self._by_index[index] for index in sorted(self._by_index)])

    def named(self, name: str) -> Interface | None:
        return next((i for i in self._by_index.values() if i.name == name), None)

    def addresses(
        self, interface: Interface, version: int, *, honour_unnumbered: bool = True
    ) -> list[InterfaceAddress]:
        """Addresses to use on an interface: the lender's when it is unnumbered (or none, if that is not wanted)."""
        if interface.unnumbered is None:
            return interface.addresses(version)
        lender = self._by_index.get(interface.unnumbered)
        if not honour_unnumbered or lender is None:
            return []
        return lender.addresses(version)

    def ip4_enabled(self, interface: Interface) -> bool:
        """An interface without an address, own or borrowed, takes no IPv4 packets."""
        return bool(interface.addresses4) or interface.unnumbered is not None
