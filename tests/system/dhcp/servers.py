"""dnsmasq and Kea in the lab's `wire` namespace, on the LAN: one interface for both, for DHCPv4 and DHCPv6.

Both offer their addresses in order, the lowest first. Timers are short: T1 and T2 as in `Timers`, given in the answers.
dnsmasq knows no lease below two minutes, and for DHCPv6 no T1 of its own choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import LAN, ROUTER4
from hostlink.lab.network import Lab
from tests.system.dhcp.programs import command, running, wait_text

FIRST4, LAST4 = ip_address("192.168.0.100"), ip_address("192.168.0.120")
FIRST6, LAST6 = ip_address("fd00::100"), ip_address("fd00::120")
LEASE_S = int(120 * deadline_factor())
T1_S, T2_S = int(2 * deadline_factor()), int(3 * deadline_factor())
"""When a client renews and rebinds. What ends in time on a slow machine too: the next renewal follows anyway."""

PROGRAMS = ("dnsmasq", "kea")


@dataclass(frozen=True, slots=True)
class _Program:
    argv: list[str]
    ready: str
    """What it says when it serves."""


class Server:
    """One DHCP server; `start` and `stop` as often as wanted, its leases stay."""

    def __init__(self, lab: Lab, directory: Path, program: str, version: int) -> None:
        self._lab, self._stack = lab, ExitStack()
        self._directory = directory / f"{program}{version}"
        self._directory.mkdir()
        self._leases = self._directory / "leases"
        self._log = self._directory / "log"
        make = {"dnsmasq": _dnsmasq, "kea": _kea}[program]
        self._program = make(version, self._directory, self._leases)
        self._is_kea = program == "kea"

    async def start(self) -> None:
        """Serving when this returns."""
        said = self._log.stat().st_size if self._log.exists() else 0
        self._stack.enter_context(running(self._lab.wire, self._program.argv, self._log))
        await wait_text(self._log, self._program.ready, said)

    def stop(self) -> None:
        """Gone when this returns. No error when it is not running."""
        self._stack.close()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def leases(self) -> set[IPAddress]:
        """The addresses that are out."""
        lines = self._leases.read_text().splitlines() if self._leases.exists() else []
        return _kea_leases(lines) if self._is_kea else _dnsmasq_leases(lines)


@contextmanager
def server(lab: Lab, directory: Path, program: str, version: int = 4) -> Iterator[Server]:
    """A server that is not started yet; it is stopped with the block. program: one of PROGRAMS; version: of IP."""
    made = Server(lab, directory, program, version)
    try:
        yield made
    finally:
        made.stop()


def _dnsmasq(version: int, directory: Path, leases: Path) -> _Program:
    ranges = {
        4: [f"{FIRST4},{LAST4},{ROUTER4.netmask},{LEASE_S}"],
        6: [f"{FIRST6},{LAST6},64,{LEASE_S}"],
    }
    options = [f"58,{T1_S}", f"59,{T2_S}"] if version == 4 else []
    argv = command(
        "dnsmasq",
        "--keep-in-foreground",
        *("--conf-file=/dev/null", "--user=root", "--log-facility=-", "--log-dhcp"),
        *("--port=0", f"--interface={LAN}", "--no-hosts", "--no-resolv", "--no-ping", "--dhcp-sequential-ip"),
        *(f"--dhcp-leasefile={leases}", f"--pid-file={directory / 'pid'}"),
        *(f"--dhcp-range={value}" for value in ranges[version]),
        *(f"--dhcp-option={value}" for value in options),
    )
    return _Program(argv, "IP range")


def _dnsmasq_leases(lines: list[str]) -> set[IPAddress]:
    """Of each line the third field, for IPv4 and IPv6; the server's own DUID has a line of two."""
    return {ip_address(fields[2]) for line in lines if len(fields := line.split()) > 2}


def _kea(version: int, directory: Path, leases: Path) -> _Program:
    """Kea keeps files in folders of its own, for which it has variables (Administrator Reference, from 2.2 on)."""
    configuration = directory / "configuration.json"
    configuration.write_text(json.dumps({f"Dhcp{version}": _kea_settings(version, leases)}))
    folders = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_LOG_FILE_DIR")
    variables = [f"{name}={directory}" for name in folders]
    argv = command(f"kea-dhcp{version}", "-c", str(configuration))
    return _Program(["env", *variables, *argv], f"DHCP{version}_STARTED")


def _kea_settings(version: int, leases: Path) -> dict[str, object]:
    first, last, subnet = (FIRST4, LAST4, ROUTER4.network) if version == 4 else (FIRST6, LAST6, "fd00::/64")
    of_subnet: dict[str, object] = {"subnet": str(subnet), "pools": [{"pool": f"{first} - {last}"}]}
    settings: dict[str, object] = {
        "interfaces-config": {"interfaces": [LAN]},
        "lease-database": {"type": "memfile", "persist": True, "name": str(leases), "lfc-interval": 0},
        "valid-lifetime": LEASE_S,
        "renew-timer": T1_S,
        "rebind-timer": T2_S,
        "loggers": [{"name": f"kea-dhcp{version}", "output_options": [{"output": "stdout"}], "severity": "DEBUG"}],
    }
    if version == 4:
        of_subnet["option-data"] = [{"name": "routers", "data": str(ROUTER4.ip)}]
        return settings | {"subnet4": [of_subnet]}
    of_subnet["interface"] = LAN
    settings["server-id"] = {"type": "EN", "enterprise-id": 2495, "identifier": "0001", "persist": False}
    preference = [{"name": "preference", "data": "255"}]  # RFC 8415, 18.2.1: the client waits for no other server
    return settings | {"preferred-lifetime": LEASE_S, "option-data": preference, "subnet6": [of_subnet]}


def _kea_leases(lines: list[str]) -> set[IPAddress]:
    """A journal of leases with a head line: the last line of an address counts, and valid_lifetime 0 is its end.

    A declined lease has state 1, and nobody holds it.
    """
    head = lines[0].split(",") if lines else []
    last = {row["address"]: row for line in lines[1:] if (row := dict(zip(head, line.split(","), strict=False)))}
    return {
        ip_address(address) for address, row in last.items() if row["valid_lifetime"] != "0" and row["state"] == "0"
    }
