"""dnsmasq and Kea in the lab's `wire` namespace, on the LAN: one interface for both, for DHCPv4 and DHCPv6.

Both offer their addresses in order, the lowest first, and refuse (RFC 2131, DHCPNAK) what they do not offer. Timers are
short, given in the answers. dnsmasq knows no lease below two minutes, and for DHCPv6 no T1 of its own choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hostlink.core.model import IPAddress, IPInterface
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import LAN, ROUTER4, ROUTER6
from hostlink.lab.network import Lab
from tests.system.dhcp.programs import command, running, wait_text

FIRST4, LAST4 = ip_address("192.168.0.100"), ip_address("192.168.0.120")
FIRST6, LAST6 = ip_address("fd00::100"), ip_address("fd00::120")
LEASE_S = int(120 * deadline_factor())
T1_S, T2_S = int(2 * deadline_factor()), int(3 * deadline_factor())
"""When a client renews and rebinds. What ends in time on a slow machine too: the next renewal follows anyway."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server gives: its addresses from `first` to `last`, in the network of `router`, which is the gateway."""

    first: IPAddress
    last: IPAddress
    router: IPInterface
    lease_s: int = LEASE_S
    t1_s: int = T1_S
    t2_s: int = T2_S
    refused: bool = False
    """Kea: all is kept for others, and who has an address is told so (RFC 2131, DHCPNAK; RFC 8415, lifetimes of 0)."""


OFFERS = {4: Offer(FIRST4, LAST4, ROUTER4), 6: Offer(FIRST6, LAST6, ROUTER6)}
"""By IP version, for scenarios to which it is all the same."""
PROGRAMS = ("dnsmasq", "kea")
_ANOTHER_MAC = "02:00:00:00:00:99"


@dataclass(frozen=True, slots=True)
class _Program:
    argv: list[str]
    ready: str
    """What it says when it serves."""


class Server:
    """One DHCP server; `start` and `stop` as often as wanted, its leases stay."""

    def __init__(self, lab: Lab, directory: Path, program: str, version: int, offer: Offer) -> None:
        self._lab, self._stack = lab, ExitStack()
        self._version = version
        self._directory = directory / f"{program}{version}"
        self._directory.mkdir()
        self._leases = self._directory / "leases"
        self._log = self._directory / "log"
        self._make = {"dnsmasq": _dnsmasq, "kea": _kea}[program]
        self._is_kea = program == "kea"
        self._program = self._make(version, self._directory, self._leases, offer)

    async def start(self) -> None:
        """Serving when this returns."""
        said = self._log.stat().st_size if self._log.exists() else 0
        self._stack.enter_context(running(self._lab.wire, self._program.argv, self._log))
        await wait_text(self._log, self._program.ready, said)

    def stop(self) -> None:
        """Gone when this returns. No error when it is not running."""
        self._stack.close()

    async def replace(self, offer: Offer, *, knowing: bool = False) -> None:
        """Another server in its place; serving when this returns. knowing: it has the leases of the one before."""
        self.stop()
        if not knowing:
            self._leases.unlink(missing_ok=True)
        self._program = self._make(self._version, self._directory, self._leases, offer)
        await self.start()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def leases(self) -> set[IPAddress]:
        """The addresses that are out."""
        lines = self._leases.read_text().splitlines() if self._leases.exists() else []
        return _kea_leases(lines) if self._is_kea else _dnsmasq_leases(lines)


@contextmanager
def server(lab: Lab, directory: Path, program: str, version: int = 4, offer: Offer | None = None) -> Iterator[Server]:
    """A server that is not started yet; it is stopped with the block. program: one of PROGRAMS; version: of IP."""
    made = Server(lab, directory, program, version, offer or OFFERS[version])
    try:
        yield made
    finally:
        made.stop()


def _dnsmasq(version: int, directory: Path, leases: Path, offer: Offer) -> _Program:
    length = offer.router.netmask if version == 4 else offer.router.network.prefixlen
    options = [f"3,{offer.router.ip}", f"58,{offer.t1_s}", f"59,{offer.t2_s}"] if version == 4 else []
    argv = command(
        "dnsmasq",
        "--keep-in-foreground",
        *("--conf-file=/dev/null", "--user=root", "--log-facility=-", "--log-dhcp"),
        *("--port=0", f"--interface={LAN}", "--no-hosts", "--no-resolv", "--no-ping", "--dhcp-sequential-ip"),
        "--dhcp-authoritative",
        *(f"--dhcp-leasefile={leases}", f"--pid-file={directory / 'pid'}"),
        f"--dhcp-range={offer.first},{offer.last},{length},{offer.lease_s}",
        *(f"--dhcp-option={value}" for value in options),
    )
    return _Program(argv, "IP range")


def _dnsmasq_leases(lines: list[str]) -> set[IPAddress]:
    """Of each line the third field, for IPv4 and IPv6; the server's own DUID has a line of two."""
    return {ip_address(fields[2]) for line in lines if len(fields := line.split()) > 2}


def _kea(version: int, directory: Path, leases: Path, offer: Offer) -> _Program:
    """Kea keeps files in folders of its own, for which it has variables (Administrator Reference, from 2.2 on)."""
    configuration = directory / "configuration.json"
    configuration.write_text(json.dumps({f"Dhcp{version}": _kea_settings(version, leases, offer)}))
    folders = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_LOG_FILE_DIR")
    variables = [f"{name}={directory}" for name in folders]
    argv = command(f"kea-dhcp{version}", "-c", str(configuration))
    return _Program(["env", *variables, *argv], f"DHCP{version}_STARTED")


def _kea_settings(version: int, leases: Path, offer: Offer) -> dict[str, object]:
    pools = [{"pool": f"{offer.first} - {offer.first if offer.refused else offer.last}"}]
    of_subnet: dict[str, object] = {"subnet": str(offer.router.network), "pools": pools, "interface": LAN}
    if offer.refused:
        reserved = {"ip-address": str(offer.first)} if version == 4 else {"ip-addresses": [str(offer.first)]}
        of_subnet["reservations"] = [{"hw-address": _ANOTHER_MAC} | reserved]
    settings: dict[str, object] = {
        "interfaces-config": {"interfaces": [f"{LAN}/{offer.router.ip}" if version == 4 else LAN]},
        "lease-database": {"type": "memfile", "persist": True, "name": str(leases), "lfc-interval": 0},
        "valid-lifetime": offer.lease_s,
        "renew-timer": offer.t1_s,
        "rebind-timer": offer.t2_s,
        "loggers": [{"name": f"kea-dhcp{version}", "output_options": [{"output": "stdout"}], "severity": "DEBUG"}],
    }
    if version == 4:
        of_subnet["option-data"] = [{"name": "routers", "data": str(offer.router.ip)}]
        return settings | {"authoritative": True, "subnet4": [of_subnet]}
    settings["server-id"] = {"type": "EN", "enterprise-id": 2495, "identifier": "0001", "persist": False}
    preference = [{"name": "preference", "data": "255"}]  # RFC 8415, 18.2.1: the client waits for no other server
    return settings | {"preferred-lifetime": offer.lease_s, "option-data": preference, "subnet6": [of_subnet]}


def _kea_leases(lines: list[str]) -> set[IPAddress]:
    """A journal of leases with a head line: the last line of an address counts, and valid_lifetime 0 is its end.

    A declined lease has state 1, and nobody holds it.
    """
    head = lines[0].split(",") if lines else []
    last = {row["address"]: row for line in lines[1:] if (row := dict(zip(head, line.split(","), strict=False)))}
    return {
        ip_address(address) for address, row in last.items() if row["valid_lifetime"] != "0" and row["state"] == "0"
    }
