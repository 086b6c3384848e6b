"""The checks of a configuration's values, and the table that gathers their faults.

A check takes what TOML gave and returns the value that hostlink uses, or raises `WrongError` with what would be right.
`Table` applies checks key by key and never stops at the first fault.
"""

from __future__ import annotations

import difflib
import grp
import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from hostlink.core.model import IPAddress, Prefix, Probe

T = TypeVar("T")

_SOCKET_PATH_LIMIT_BYTES = 107
"""struct sockaddr_un has 108 bytes, the last of them a NUL (unix(7))."""


class WrongError(Exception):
    """What is wrong with one value, and what would be right."""


class Table:
    """A table being read: `take` each key that may be there, then `close`. Faults gather in one list for the file."""

    def __init__(self, value: object, key: str, faults: list[tuple[str, str]]) -> None:
        self.key, self.faults = key, faults
        self.known: list[str] = []
        self.values: dict[str, object] = value if isinstance(value, dict) else {}
        self.is_table = isinstance(value, dict)
        if not self.is_table:
            faults.append((key, f"must be a table, not {shown(value)}"))

    def path(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def take(self, key: str, check: Callable[[object], T], default: T) -> T:
        """The checked value, or the default where it is absent or at fault."""
        self.known.append(key)
        if key not in self.values:
            return default
        try:
            return check(self.values[key])
        except WrongError as wrong:
            self.faults.append((self.path(key), str(wrong)))
            return default

    def table(self, key: str) -> Table:
        self.known.append(key)
        return Table(self.values.get(key, {}), self.path(key), self.faults)

    def tables(self, key: str) -> list[Table]:
        self.known.append(key)
        value = self.values.get(key, [])
        if not isinstance(value, list):
            self.faults.append((self.path(key), f"must be an array of tables: write [[{key}]]"))
            return []
        return [Table(item, f"{self.path(key)}[{number}]", self.faults) for number, item in enumerate(value)]

    def close(self) -> None:
        for key in self.values:
            if key not in self.known:
                near = difflib.get_close_matches(key, self.known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(self.known)}"
                self.faults.append((self.path(key), f"unknown key; {hint}"))


def shown(value: object) -> str:
    """The value as a fault names it."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    words = {"str": "the text", "bool": "the boolean", "int": "the number", "float": "the number"}
    kind = type(value).__name__
    return f"{words.get(kind, kind)} {value!r}"[:80]


def printable(value: object) -> str:
    if not isinstance(value, str):
        raise WrongError(f"must be text in quotes, not {shown(value)}")
    if not value or not value.isprintable():
        raise WrongError(f"must be printable and not empty, not {value!r}"[:120])
    return value


def absolute_path(value: object) -> Path:
    text = printable(value)
    if not text.startswith("/"):
        raise WrongError(f"must be an absolute path, not {text!r}")
    return Path(text)


def socket_path(value: object) -> Path:
    path = absolute_path(value)
    refuse_long_socket(path)
    return path


def folder_of(socket_name: str) -> Callable[[object], Path]:
    """A folder that a Unix socket of that name fits in."""

    def check(value: object) -> Path:
        folder = absolute_path(value)
        refuse_long_socket(folder / socket_name)
        return folder

    return check


def refuse_long_socket(path: Path) -> None:
    over = len(bytes(path)) - _SOCKET_PATH_LIMIT_BYTES
    if over > 0:
        raise WrongError(f"is {over} bytes too long for a Unix socket's path ({_SOCKET_PATH_LIMIT_BYTES} at most)")


def namespace_name(value: object) -> str:
    text = printable(value)
    if "/" in text or text in (".", "..") or len(text.encode()) > 255:
        raise WrongError(f"must be the name of a network namespace as `ip netns` lists it, not {text!r}"[:200])
    return text


def group_id(value: object) -> int:
    """The group's number, by its name (getgrnam(3))."""
    text = printable(value)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError as error:
        raise WrongError(f"must be the name of a group of this node, and {text!r} is none"[:200]) from error


def link_name(value: object) -> str:
    """A name has at most 15 bytes, an altname 127 (kernel: IFNAMSIZ, ALTIFNAMSIZ; dev_valid_name)."""
    text = printable(value)
    if len(text.encode()) > 127 or text in (".", "..") or re.search(r"[/:\s]", text):
        raise WrongError(f"is no interface name: {text!r}"[:200])
    return text


def mac_address(value: object) -> str:
    text = printable(value).lower()
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text):
        raise WrongError(f"must be a MAC such as 52:54:00:40:46:8e, not {text!r}"[:120])
    if int(text[:2], 16) & 1:
        raise WrongError(f"{text} is a group address, no NIC has it")
    return text


def pci_address(value: object) -> str:
    text = printable(value).lower()
    if not re.fullmatch(r"([0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", text):
        raise WrongError(f"must be a PCI address such as 0000:d8:0a.0, not {text!r}"[:120])
    return text if text.count(":") == 2 else f"0000:{text}"


def true(value: object) -> bool:
    if value is not True:
        raise WrongError(f"must be true, or be left out, not {shown(value)}")
    return True


def one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in choices:
            near = difflib.get_close_matches(value, choices, 1) if isinstance(value, str) else []
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise WrongError(f"must be {' or '.join(map(repr, choices))}, not {shown(value)}{hint}")
        return str(value)

    return check


def number(low: float, high: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise WrongError(f"must be a number from {low} to {high}, not {shown(value)}")
        return float(value)

    return check


def whole(low: int, high: int, unit: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise WrongError(f"must be a whole number of {unit} from {low} to {high}, not {shown(value)}")
        return value

    return check


def prefixes(value: object) -> tuple[Prefix, ...]:
    return _each_once(value, _prefix, '["10.96.0.0/12"]')


def loopback_or_socket(value: object) -> Path | tuple[str, int]:
    """A path is a Unix socket's; an address must be loopback: what is told there is nobody else's business."""
    if printable(value).startswith("/"):
        return socket_path(value)
    address, port = _address_and_port(value)
    if not address.is_loopback:
        raise WrongError(f"must be a loopback address with a port, or the path of a Unix socket, not {value!r}"[:200])
    return str(address), port


def prom_file(value: object) -> Path:
    path = absolute_path(value)
    if path.suffix != ".prom":
        raise WrongError(f"must end in .prom, or node-exporter does not read it, not {path.name!r}"[:200])
    return path


def tcp_addresses(value: object) -> tuple[Probe, ...]:
    return _each_once(value, _tcp_address, '["192.0.2.1:443", "[2001:db8::1]:22"]')


def _each_once(value: object, check: Callable[[object], T], example: str) -> tuple[T, ...]:
    """All wrong ones of the list at once, as one fault of the list's key."""
    if not isinstance(value, list):
        raise WrongError(f"must be an array such as {example}, not {shown(value)}")
    wrongs: list[str] = []
    found: list[T] = []
    for item in value:
        try:
            one = check(item)
        except WrongError as wrong:
            wrongs.append(str(wrong))
            continue
        if one in found:
            wrongs.append(f"{one} is there twice")
        found.append(one)
    if wrongs:
        raise WrongError("; ".join(wrongs))
    return tuple(found)


def _tcp_address(value: object) -> Probe:
    """By its address and never by a name: a resolver may be what the takeover has cut off."""
    address, port = _address_and_port(value)
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_loopback:
        raise WrongError(f"{address} is no address that can be reached by way of the uplink")
    return Probe("tcp", address, port)


def _address_and_port(value: object) -> tuple[IPAddress, int]:
    text = printable(value)
    split = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    try:
        if split is None or not 0 < int(split[3]) < 65536:
            raise ValueError(text)
        address = ip_address(split[1] or split[2])
        if isinstance(address, IPv6Address) is not bool(split[1]):
            raise ValueError(text)
    except ValueError as error:
        raise WrongError(f"{text!r} is no TCP address such as 192.0.2.1:443 or [2001:db8::1]:22"[:160]) from error
    return address, int(split[3])


def _prefix(value: object) -> Prefix:
    text = printable(value)
    try:
        prefix = ip_network(text, strict=False)
    except ValueError as error:
        raise WrongError(f"{text!r} is no prefix such as 10.96.0.0/12 or fd00:96::/112"[:160]) from error
    if "/" not in text:
        raise WrongError(f"{text!r} has no length: write {text}/…")
    if prefix.prefixlen == 0:
        raise WrongError(f"{text} would take the place of the default route")
    if str(prefix.network_address) != str(ip_network(text.split("/")[0]).network_address):
        raise WrongError(f"{text!r} has bits set beyond its length: {prefix} is meant?")
    return prefix
