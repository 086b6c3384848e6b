"""The configuration: one TOML file, checked whole, so that one run of an editor cures all its faults.

Each value has a check that either gives the value that the rest of hostlink uses or says what would be right. Faults
are gathered, with key path and line, and raised together as one `ConfigError`. Unknown keys are faults: a misspelt
`host_lnk` that is quietly ignored would give the node another kind of interface than its operator thinks.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from hostlink.config_checks import (
    Table,
    absolute_path,
    folder_of,
    group_id,
    link_name,
    loopback_or_socket,
    mac_address,
    namespace_name,
    number,
    one_of,
    pci_address,
    prefixes,
    prom_file,
    socket_path,
    tcp_addresses,
    true,
    whole,
)
from hostlink.core.model import Prefix, Probe
from hostlink.defaults import CONFIG_PATH, JOURNAL_DIR, RUNTIME_DIR
from hostlink.toml_lines import key_lines, line_of

DRIFT = ("heal", "report")
DRIVERS = ("af_packet",)
HOST_LINKS = ("tap", "veth")

_SIZE_LIMIT_BYTES = 1 << 20
_CONTROL_SOCKET = "control.sock"


@dataclass(frozen=True, slots=True)
class VppConfig:
    api_socket: Path = Path("/run/vpp/api.sock")
    namespace: str = "vpp"
    """The named network namespace (`ip netns`) that VPP runs in and that the NIC is moved to."""
    drift: str = "heal"
    """What somebody else changes in VPP of hostlink's own: `heal` puts it right, `report` only tells (HL-306)."""
    grace_s: float = 10.0
    """How long a VPP that was lost is waited for with the host's interface in place, before the NIC is given back."""


@dataclass(frozen=True, slots=True)
class Match:
    """How an uplink is found on the host. Exactly one is set."""

    name: str | None = None
    """Its name, or one of its altnames."""
    mac: str | None = None
    """Lower case, colon-separated."""
    pci: str | None = None
    """With domain, lower case: `0000:d8:0a.0`."""
    default_route: bool = False
    """The interface of the default route with the lowest metric, IPv4 before IPv6."""

    def __str__(self) -> str:
        if self.default_route:
            return "default_route"
        return next(f"{key} {value}" for key in ("name", "mac", "pci") if (value := getattr(self, key)))


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    match: Match
    driver: str = "af_packet"
    host_link: str = "tap"
    probes: tuple[Probe, ...] = ()
    """TCP addresses that prove the path, beside the gateways, where they take a connection before the takeover."""


@dataclass(frozen=True, slots=True)
class Paths:
    runtime: Path = Path(RUNTIME_DIR)
    journal: Path = Path(JOURNAL_DIR)

    @property
    def control_socket(self) -> Path:
        return self.runtime / _CONTROL_SOCKET


@dataclass(frozen=True, slots=True)
class Control:
    group: int | None = None
    """Number of a group whose members may connect to the control socket, and look."""


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Off, unless one is set."""

    listen: Path | tuple[str, int] | None = None
    """A Unix socket, or a loopback address and TCP port."""
    textfile: Path | None = None
    """For node-exporter, whose name must end in `.prom`."""


READY = ("steady", "started")


@dataclass(frozen=True, slots=True)
class SystemdConfig:
    ready: str = "steady"
    """When systemd is told that the service is ready: with every uplink `steady`, or as soon as it has `started`."""


@dataclass(frozen=True, slots=True)
class Cluster:
    service_cidrs: tuple[Prefix, ...] = ()
    pod_cidrs: tuple[Prefix, ...] = ()
    encap_overhead: int = 60
    """Bytes: routes towards the CIDRs get the uplink's MTU less this."""


@dataclass(frozen=True, slots=True)
class Timing:
    deadline_factor: float = 1.0
    """Every deadline of the machine times this: for emulated CPUs."""
    audit_s: float = 60.0
    """How long Steady waits before it looks at everything again."""
    confirm_s: float = 30.0
    """From a handover's begin: what answered before must have answered again by then, or the NIC is given back."""
    guard_s: float = 30.0
    """How long the guard waits for a daemon that is gone, before it gives back what neither it nor VPP serves."""
    retry_s: float | None = None
    """How long after a failed takeover the next is tried. None: never, until an operator's resume."""


@dataclass(frozen=True, slots=True)
class Config:
    uplinks: tuple[UplinkConfig, ...]
    vpp: VppConfig = field(default_factory=VppConfig)
    paths: Paths = field(default_factory=Paths)
    control: Control = field(default_factory=Control)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    systemd: SystemdConfig = field(default_factory=SystemdConfig)
    cluster: Cluster = field(default_factory=Cluster)
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Fault:
    key: str
    """Key path: `uplink[0].driver`; empty for the file as a whole."""
    text: str
    line: int | None = None

    def __str__(self) -> str:
        parts = ([f"line {self.line}"] if self.line else []) + ([self.key] if self.key else [])
        return ": ".join([*parts, self.text])


class ConfigError(Exception):
    """The operator's to mend: the configuration has `faults`, all of them. Nothing was started (exit 65)."""

    def __init__(self, path: Path, faults: tuple[Fault, ...]) -> None:
        self.path, self.faults = path, faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{path}: {count}; nothing was started or changed\n{lines}")


def load_config(file: str | Path = CONFIG_PATH) -> Config:
    """Reads and checks the file. Raises ConfigError with every fault."""
    path = Path(file)
    text = _read_text(path)
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(path, (Fault("", "is nested too deeply to be a configuration"),)) from error
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python takes
        raise ConfigError(path, (_syntax_fault(str(error)),)) from error
    return _check_tree(path, tree, key_lines(text))


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_SIZE_LIMIT_BYTES + 1)
        if len(raw) > _SIZE_LIMIT_BYTES:
            raise ConfigError(path, (Fault("", f"is larger than {_SIZE_LIMIT_BYTES} bytes: not a configuration"),))
        return raw.decode("utf-8")
    except FileNotFoundError as error:
        text = "no such file: write one (README.md, Configuration) or name another with --config"
        raise ConfigError(path, (Fault("", text),)) from error
    except OSError as error:
        raise ConfigError(path, (Fault("", f"cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(path, (Fault("", f"byte {error.start} is not UTF-8, which TOML must be", line),)) from error


def _syntax_fault(text: str) -> Fault:
    position = re.search(r" \(at line (\d+), column (\d+)\)", text)
    line = int(position[1]) if position else None
    column = f" at column {position[2]}" if position else ""
    return Fault("", f"not TOML{column}: {text[: position.start()] if position else text}", line)


def _check_tree(path: Path, tree: object, lines: dict[str, int]) -> Config:
    faults: list[tuple[str, str]] = []
    root = Table(tree, "", faults)
    config = Config(
        vpp=_vpp(root.table("vpp")),
        uplinks=_uplinks(root),
        paths=_paths(root.table("paths")),
        control=_control(root.table("control")),
        metrics=_metrics(root.table("metrics")),
        systemd=_systemd(root.table("systemd")),
        cluster=_cluster(root.table("cluster")),
        timing=_timing(root.table("timing")),
    )
    root.close()
    if faults:
        ordered = [Fault(key, text, line_of(key, lines)) for key, text in faults]
        raise ConfigError(path, tuple(sorted(ordered, key=lambda fault: fault.line or 0)))
    return config


def faults_of(tree: object) -> tuple[Fault, ...]:
    """What is wrong with a configuration that is in no file: tables and values as tomllib has them."""
    try:
        _check_tree(Path(), tree, {})
    except ConfigError as error:
        return error.faults
    return ()


def _vpp(table: Table) -> VppConfig:
    default = VppConfig()
    vpp = VppConfig(
        api_socket=table.take("api_socket", socket_path, default.api_socket),
        namespace=table.take("namespace", namespace_name, default.namespace),
        drift=table.take("drift", one_of(DRIFT), default.drift),
        grace_s=table.take("grace_s", number(0, 3600), default.grace_s),
    )
    table.close()
    return vpp


def _uplinks(root: Table) -> tuple[UplinkConfig, ...]:
    before = len(root.faults)
    uplinks: list[UplinkConfig] = []
    for table in root.tables("uplink"):
        uplink = _uplink(table)
        twin = next((n for n, other in enumerate(uplinks) if other.match == uplink.match != Match()), None)
        if twin is not None:
            root.faults.append((table.path("match"), f"matches the same ({uplink.match}) as uplink[{twin}]"))
        uplinks.append(uplink)
    if not uplinks and len(root.faults) == before:
        root.faults.append(("uplink", 'is missing: add [[uplink]] with, for instance, match = { name = "eth0" }'))
    return tuple(uplinks)


def _uplink(table: Table) -> UplinkConfig:
    default = UplinkConfig(Match())
    if "match" in table.values:
        match = _match(table.table("match"))
    else:
        table.known.append("match")
        table.faults.append((table.path("match"), 'is missing: for instance match = { name = "eth0" }'))
        match = Match()
    uplink = UplinkConfig(
        match=match,
        driver=table.take("driver", one_of(DRIVERS), default.driver),
        host_link=table.take("host_link", one_of(HOST_LINKS), default.host_link),
        probes=table.take("probes", tcp_addresses, default.probes),
    )
    table.close()
    return uplink


def _match(table: Table) -> Match:
    before = len(table.faults)
    match = Match(
        name=table.take("name", link_name, None),
        mac=table.take("mac", mac_address, None),
        pci=table.take("pci", pci_address, None),
        default_route=table.take("default_route", true, False),
    )
    table.close()
    given = [key for key in table.known if key in table.values]
    if len(given) > 1:
        table.faults.append((table.key, f"says {' and '.join(given)}: give one of them"))
    elif not given and table.is_table and len(table.faults) == before:
        table.faults.append((table.key, f"is empty: give one of {', '.join(table.known)}"))
    return match


def _paths(table: Table) -> Paths:
    default = Paths()
    paths = Paths(
        runtime=table.take("runtime", folder_of(_CONTROL_SOCKET), default.runtime),
        journal=table.take("journal", absolute_path, default.journal),
    )
    table.close()
    return paths


def _control(table: Table) -> Control:
    control = Control(group=table.take("group", group_id, None))
    table.close()
    return control


def _metrics(table: Table) -> MetricsConfig:
    metrics = MetricsConfig(
        listen=table.take("listen", loopback_or_socket, None), textfile=table.take("textfile", prom_file, None)
    )
    table.close()
    return metrics


def _systemd(table: Table) -> SystemdConfig:
    systemd = SystemdConfig(ready=table.take("ready", one_of(READY), SystemdConfig().ready))
    table.close()
    return systemd


def _cluster(table: Table) -> Cluster:
    default = Cluster()
    cluster = Cluster(
        service_cidrs=table.take("service_cidrs", prefixes, ()),
        pod_cidrs=table.take("pod_cidrs", prefixes, ()),
        encap_overhead=table.take("encap_overhead", whole(0, 500, "bytes"), default.encap_overhead),
    )
    table.close()
    for twice in sorted(set(cluster.service_cidrs) & set(cluster.pod_cidrs), key=str):
        table.faults.append((table.path("pod_cidrs"), f"{twice} is in service_cidrs too: say it once"))
    return cluster


def _timing(table: Table) -> Timing:
    default = Timing()
    timing = Timing(
        deadline_factor=table.take("deadline_factor", number(0.1, 100), default.deadline_factor),
        audit_s=table.take("audit_s", number(1, 86_400), default.audit_s),
        confirm_s=table.take("confirm_s", number(1, 3600), default.confirm_s),
        guard_s=table.take("guard_s", number(1, 86_400), default.guard_s),
        retry_s=table.take("retry_s", number(1, 604_800), default.retry_s),
    )
    table.close()
    return timing
