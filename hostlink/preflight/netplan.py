"""netplan: a look at the text of its files for a `match:` by driver or MAC that is about the NIC.

hostlink has no YAML parser at run time and needs none: what netplan makes of its files for networkd and NetworkManager
is judged with theirs (networkd.py, network_manager.py). This says where the cure belongs. It sees blocks and the flow
form (`match: {driver: …}`), and takes a key's value for what stands behind it on its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from hostlink.core.model import Problem
from hostlink.preflight.files import File
from hostlink.preflight.interface import Interface, bare_mac
from hostlink.problems import problem

_PAIR = re.compile(r"(driver|macaddress)\s*:\s*(\[[^\]]*\]|[^,}#\n]+)")


def judge(files: Sequence[File], nic: Interface) -> tuple[Problem, ...]:
    """A problem for each `match:` that fits the NIC by what the host's interface will not have."""
    found = []
    for file in files:
        for block in _matches(file.text):
            pairs = [(key, _bare(value)) for key, value in _PAIR.findall(block)]
            fitting = [f"{key}: {value}" for key, value in pairs if _fits(key, value, nic)]
            if fitting:
                found.append(problem("HL-119", f"{file.path} has `match:` with {' and '.join(fitting)}"))
    return tuple(found)


def _matches(text: str) -> Iterator[str]:
    """What belongs to each `match:`: the rest of its line, and the lines below that are indented further."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for number, line in enumerate(lines):
        head = re.match(r"(\s*)match\s*:(.*)", line)
        if head is None:
            continue
        below = []
        for other in lines[number + 1 :]:
            if len(other) - len(other.lstrip()) <= len(head[1]):
                break
            below.append(other)
        yield "\n".join([head[2], *below])


def _bare(value: str) -> str:
    return re.sub(r"[\"'\[\],]", " ", value).strip()


def _fits(key: str, value: str, nic: Interface) -> bool:
    if key == "macaddress":
        return bare_mac(value) in (bare_mac(nic.mac), bare_mac(nic.permanent_mac or nic.mac))
    return nic.driver is not None and any(fnmatchcase(nic.driver, pattern) for pattern in value.split())
