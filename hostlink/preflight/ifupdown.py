"""ifupdown: it goes by the interface's name, which the host's interface has; but it may give it a MAC or rename it.

interfaces(5). What `source` lines name elsewhere than in /etc/network/interfaces.d is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hostlink.core.model import Problem
from hostlink.preflight.files import File
from hostlink.preflight.interface import Finding, Interface, bare_mac
from hostlink.problems import problem


def judge(files: Sequence[File], nic: Interface) -> Finding:
    """files: /etc/network/interfaces and those of interfaces.d."""
    manages: str | None = None
    found: list[Problem] = []
    for file in files:
        stanza = None
        for words in _lines(file.text):
            if words[0] in ("iface", "auto", "mapping", "source", "source-directory", "rename") or "allow-" in words[0]:
                stanza = words[1] if words[0] == "iface" and len(words) > 1 else None
            if words[0] == "iface" and stanza in nic.names:
                manages = f"ifupdown ({file.path})"
            elif words[0] == "hwaddress" and stanza in nic.names:
                found += _other_mac(file.path, words[-1], nic)
            elif words[0] == "rename":
                found += _renamed(file.path, words[1:], nic)
    return Finding(manages, tuple(found))


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            yield words


def _other_mac(path: str, mac: str, nic: Interface) -> list[Problem]:
    if bare_mac(mac) == bare_mac(nic.mac):
        return []
    return [problem("HL-120", f"{path} has `hwaddress {mac}` for {nic.name}, which has {nic.mac}")]


def _renamed(path: str, pairs: Sequence[str], nic: Interface) -> list[Problem]:
    """`rename CURRENT=NEW` that is about the NIC. CURRENT may be a pattern (`mac/…`); those by /sys are not judged."""
    found = []
    for pair in pairs:
        current, _, new = pair.rpartition("=")
        by_mac = bare_mac(nic.mac) in bare_mac(current)
        if (current in nic.names or by_mac or new in nic.names) and (current, new) != (nic.name, nic.name):
            found.append(problem("HL-120", f"{path} has `rename {pair}`, which is about {nic.name}"))
    return found
