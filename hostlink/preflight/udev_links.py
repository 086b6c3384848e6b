"""udev's .link files: what they would make of the host's interface when it appears (systemd.link(5)).

udev takes the first file that fits a new device. A veth is made with its MAC, which udev then takes for somebody's wish
and leaves, whatever the policy; a tap gets its MAC a moment after it was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from hostlink.core.model import Problem
from hostlink.preflight.files import File, Sections, last, sections
from hostlink.preflight.interface import Interface, bare_mac
from hostlink.preflight.networkd import fits
from hostlink.problems import problem


def judge(files: Sequence[File], ours: Interface) -> tuple[Problem, ...]:
    """files: in the order in which udev tries them."""
    for file in files:
        tree = sections(file.text)
        if fits(tree.get("Match", {}), ours):
            return _of(file.path, tree, ours)
    return ()


def _of(path: str, tree: Sections, ours: Interface) -> tuple[Problem, ...]:
    found = []
    mac, name = last(tree, "Link", "MACAddress"), last(tree, "Link", "Name")
    policy = last(tree, "Link", "MACAddressPolicy")
    if mac and bare_mac(mac) != bare_mac(ours.mac):
        found.append(problem("HL-120", f"{path} has MACAddress={mac}, the NIC has {ours.mac}"))
    if name and name != ours.name:
        found.append(problem("HL-120", f"{path} has Name={name}, the NIC's is {ours.name}"))
    if policy == "random" and ours.kind == "tun":
        found.append(problem("HL-120", f"{path} has MACAddressPolicy=random"))
    if policy == "persistent" and ours.kind == "tun":
        found.append(problem("HL-121", f"{path} has MACAddressPolicy=persistent"))
    return tuple(found)
