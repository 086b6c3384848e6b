"""An interface as network managers tell one from another: the NIC now, and the host's interface after a takeover."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hostlink.core.model import Link, Problem
from hostlink.steps.names import name_before


@dataclass(frozen=True, slots=True)
class Interface:
    """What a configuration may match by. All Ethernet."""

    names: tuple[str, ...]
    """Its name, then its altnames."""
    mac: str
    """Lower case, colon-separated."""
    permanent_mac: str | None = None
    driver: str | None = None
    """As ethtool says it."""
    kind: str = ""
    """IFLA_INFO_KIND; empty for hardware."""
    path: str | None = None
    """udev's ID_PATH: `pci-0000:d8:0a.0`."""
    first_name: str = ""
    """What the kernel calls it when it appears: `OriginalName=` of .link files."""
    is_new: bool = False
    """It takes the NIC's place: of what udev knows of a device, it has nothing that can be relied on."""

    @property
    def name(self) -> str:
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one manager's files say of the NIC."""

    manages: str | None = None
    """What it is managed by, with the file; None: not by this one."""
    problems: tuple[Problem, ...] = ()


def nic_interface(link: Link, driver: str | None, path: str | None) -> Interface:
    """The NIC as it is now."""
    return Interface(
        (link.name, *link.altnames), link.mac.lower(), link.permanent_mac, driver, link.kind, path, link.name
    )


def host_interface(link: Link, host_link: str) -> Interface:
    """What takes its place: its names and MAC, and nothing of the device. host_link: `tap` or `veth`."""
    kind = "tun" if host_link == "tap" else "veth"
    names = (link.name, *link.altnames)
    return Interface(names, link.mac.lower(), None, kind, kind, None, name_before(link), is_new=True)


def bare_mac(text: str) -> str:
    """A MAC in any of its forms (`52:54:00:40:46:8e`, `52-54-…`, `5254.0040.468e`) as twelve digits."""
    return re.sub(r"[:.\-]", "", text).lower()


def id_path(udev_text: str, pci_address: str | None) -> str | None:
    """udev's ID_PATH: from its file of the device (/run/udev/data/n<ifindex>), else what it says of a PCI device."""
    said = re.search(r"^E:ID_PATH=(.+)$", udev_text, re.MULTILINE)
    if said:
        return said[1]
    return f"pci-{pci_address}" if pci_address else None
