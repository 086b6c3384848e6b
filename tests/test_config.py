"""The configuration: what a good file becomes, and that a bad one names all its faults, with line and key."""

from __future__ import annotations

import grp
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostlink.config import (
    Cluster,
    Config,
    ConfigError,
    Control,
    Match,
    MetricsConfig,
    Paths,
    Timing,
    UplinkConfig,
    VppConfig,
    load_config,
)
from hostlink.core.model import Probe

WHOLE = """\
[vpp]
api_socket = "/run/vpp/other.sock"
namespace  = "dataplane"

[[uplink]]
match  = { name = "enp216s0f1" }
driver = "af_packet"
host_link = "veth"

[[uplink]]
match.mac = "52:54:00:40:46:8E"
probes = ["192.0.2.1:443", "[2001:db8::1]:22"]

[paths]
runtime = "/run/hl"
journal = "/var/lib/hl"

[cluster]
service_cidrs = ["10.96.0.0/12"]
pod_cidrs     = ["10.244.0.0/16", "fd00:244::/48"]
encap_overhead = 50

[timing]
deadline_factor = 10
audit_s = 5.5
confirm_s = 20
guard_s = 40
retry_s = 600
"""

LEAST = '[[uplink]]\nmatch = { name = "eth0" }\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hostlink.toml"


def faults(path: Path, text: str) -> list[tuple[int | None, str, str]]:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [(fault.line, fault.key, fault.text) for fault in caught.value.faults]


def test_a_whole_file(path: Path) -> None:
    path.write_text(WHOLE)
    probes = (Probe("tcp", IPv4Address("192.0.2.1"), 443), Probe("tcp", IPv6Address("2001:db8::1"), 22))
    assert load_config(path) == Config(
        uplinks=(
            UplinkConfig(Match(name="enp216s0f1"), "af_packet", "veth"),
            UplinkConfig(Match(mac="52:54:00:40:46:8e"), "af_packet", "tap", probes),
        ),
        vpp=VppConfig(Path("/run/vpp/other.sock"), "dataplane"),
        paths=Paths(Path("/run/hl"), Path("/var/lib/hl")),
        cluster=Cluster(
            (IPv4Network("10.96.0.0/12"),), (IPv4Network("10.244.0.0/16"), IPv6Network("fd00:244::/48")), 50
        ),
        timing=Timing(10.0, 5.5, 20.0, 40.0, 600.0),
    )


def test_the_least_file_and_the_defaults_of_architecture_md(path: Path) -> None:
    path.write_text(LEAST)
    config = load_config(path)
    assert config.uplinks == (UplinkConfig(Match(name="eth0"), "af_packet", "tap"),)
    assert config.vpp == VppConfig(Path("/run/vpp/api.sock"), "vpp")
    assert config.paths.control_socket == Path("/run/hostlink/control.sock")
    assert config.paths.journal == Path("/var/lib/hostlink")
    assert config.cluster == Cluster((), (), 60)
    assert config.timing == Timing(1.0, 60.0, 30.0, 30.0, None)


@pytest.mark.parametrize(
    ("text", "match", "shown"),
    [
        ('{ mac = "52:54:00:40:46:8E" }', Match(mac="52:54:00:40:46:8e"), "mac 52:54:00:40:46:8e"),
        ('{ pci = "D8:0a.0" }', Match(pci="0000:d8:0a.0"), "pci 0000:d8:0a.0"),
        ("{ default_route = true }", Match(default_route=True), "default_route"),
    ],
)
def test_every_way_to_match(path: Path, text: str, match: Match, shown: str) -> None:
    path.write_text(f"[[uplink]]\nmatch = {text}\n")
    (uplink,) = load_config(path).uplinks
    assert uplink.match == match
    assert str(uplink.match) == shown


def test_all_faults_at_once_in_order_of_their_lines_with_key_and_cure(path: Path) -> None:
    found = faults(
        path,
        """\
[vpp]
api_sock = "/run/vpp/api.sock"
namespace = "a/b"

[[uplink]]
match = { nam = "eth0" }
driver = "af_paket"

[[uplink]]
match = { name = "eth0" }
host_link = 3

[cluster]
service_cidrs = ["10.96.0.1/12", "ten", "0.0.0.0/0"]
""",
    )
    assert [(line, key) for line, key, _ in found] == [
        (2, "vpp.api_sock"),
        (3, "vpp.namespace"),
        (6, "uplink[0].match.nam"),
        (7, "uplink[0].driver"),
        (11, "uplink[1].host_link"),
        (14, "cluster.service_cidrs"),
    ]
    texts = [text for _, _, text in found]
    assert texts[0] == "unknown key; did you mean api_socket?"
    assert texts[2] == "unknown key; did you mean name?"
    assert texts[3] == "must be 'af_packet', not the text 'af_paket'; did you mean 'af_packet'?"
    assert texts[4] == "must be 'tap' or 'veth', not the number 3"
    assert "10.96.0.0/12 is meant?" in texts[5]
    assert "'ten' is no prefix" in texts[5]
    assert "default route" in texts[5]


def test_the_message_is_for_a_person(path: Path) -> None:
    path.write_text("[vpp]\nnamespace = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"{path}: 2 faults; nothing was started or changed\n"
        '  uplink: is missing: add [[uplink]] with, for instance, match = { name = "eth0" }\n'
        "  line 2: vpp.namespace: must be text in quotes, not the number 1"
    )


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("", "uplink", "is missing"),
        ("[[uplink]]\n", "uplink[0].match", "is missing"),
        ("[[uplink]]\nmatch = {}\n", "uplink[0].match", "is empty"),
        ('[[uplink]]\nmatch = { name = "a", pci = "0000:00:01.0" }\n', "uplink[0].match", "name and pci: give one"),
        ("[[uplink]]\nmatch = { default_route = false }\n", "uplink[0].match.default_route", "must be true"),
        ('[[uplink]]\nmatch = { name = "a b" }\n', "uplink[0].match.name", "no interface name"),
        ('[[uplink]]\nmatch = { name = "" }\n', "uplink[0].match.name", "not empty"),
        ('[[uplink]]\nmatch = { name = "a\\u001b[1m" }\n', "uplink[0].match.name", "printable"),
        ('[[uplink]]\nmatch = { mac = "52-54-00-40-46-8e" }\n', "uplink[0].match.mac", "52:54:00:40:46:8e"),
        ('[[uplink]]\nmatch = { mac = "01:00:5e:00:00:01" }\n', "uplink[0].match.mac", "group address"),
        ('[[uplink]]\nmatch = { pci = "0000:d8:0a" }\n', "uplink[0].match.pci", "0000:d8:0a.0"),
        ("[[uplink]]\nmatch = 3\n", "uplink[0].match", "must be a table"),
        ('uplink = "eth0"\n', "uplink", "[[uplink]]"),
        ('[uplink]\nmatch = { name = "a" }\n', "uplink", "[[uplink]]"),
        (LEAST + LEAST, "uplink[1].match", "matches the same (name eth0) as uplink[0]"),
        (LEAST + '[paths]\nruntime = "run"\n', "paths.runtime", "absolute"),
        (LEAST + f'[paths]\nruntime = "/{"x" * 94}"\n', "paths.runtime", "1 bytes too long for a Unix socket"),
        (LEAST + f'[vpp]\napi_socket = "/{"x" * 200}"\n', "vpp.api_socket", "too long"),
        (LEAST + 'probes = "192.0.2.1:443"\n', "uplink[0].probes", "must be an array"),
        (LEAST + 'probes = ["192.0.2.1"]\n', "uplink[0].probes", "no TCP address"),
        (LEAST + 'probes = ["2001:db8::1:22"]\n', "uplink[0].probes", "[2001:db8::1]:22"),
        (LEAST + 'probes = ["[192.0.2.1]:22"]\n', "uplink[0].probes", "no TCP address"),
        (LEAST + 'probes = ["192.0.2.1:0"]\n', "uplink[0].probes", "no TCP address"),
        (LEAST + 'probes = ["gateway.example:22"]\n', "uplink[0].probes", "no TCP address"),
        (LEAST + 'probes = ["[fe80::1]:22"]\n', "uplink[0].probes", "no address that can be reached"),
        (LEAST + 'probes = ["192.0.2.1:22", "192.0.2.1:22"]\n', "uplink[0].probes", "twice"),
        (LEAST + "[timing]\nretry_s = 0\n", "timing.retry_s", "a number from 1"),
        (LEAST + "[timing]\naudit_s = true\n", "timing.audit_s", "a number from 1"),
        (LEAST + "[timing]\ndeadline_factor = nan\n", "timing.deadline_factor", "a number from 0.1"),
        (LEAST + "[cluster]\nencap_overhead = 1.5\n", "cluster.encap_overhead", "whole number of bytes"),
        (LEAST + '[cluster]\npod_cidrs = "10.0.0.0/8"\n', "cluster.pod_cidrs", "must be an array"),
        (LEAST + '[cluster]\npod_cidrs = ["10.0.0.0"]\n', "cluster.pod_cidrs", "has no length"),
        (LEAST + '[cluster]\npod_cidrs = ["10.0.0.0/8", "10.0.0.0/8"]\n', "cluster.pod_cidrs", "twice"),
        (
            LEAST + '[cluster]\npod_cidrs = ["10.0.0.0/8"]\nservice_cidrs = ["10.0.0.0/8"]\n',
            "cluster.pod_cidrs",
            "in service_cidrs too",
        ),
        (LEAST + "[clutser]\n", "clutser", "did you mean cluster?"),
    ],
)
def test_each_fault_alone(path: Path, text: str, key: str, what: str) -> None:
    ((_, found_key, found_text),) = faults(path, text)
    assert found_key == key
    assert what in found_text


def test_toml_faults_have_their_line(path: Path) -> None:
    assert faults(path, "[vpp]\nnamespace = \n") == [(2, "", "not TOML at column 13: Invalid value")]


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"a = " + b"[" * 200_000, "nested too deeply"),
        (b"a = " + b"9" * 100_000, "not TOML"),
        (b"#" * ((1 << 20) + 1), "larger than"),
    ],
)
def test_hostile_files_are_refused_and_no_more(path: Path, raw: bytes, what: str) -> None:
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=what):
        load_config(path)


def test_an_absent_file_and_a_folder_are_told_apart(path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file: write one"):
        load_config(path)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(path.parent)


@given(st.text(alphabet="[]{}=.\"\n#abuplinkmatch' 0", max_size=200))
def test_no_text_does_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_config(path)


def test_the_control_socket_has_a_group_that_exists(path: Path) -> None:
    path.write_text(f'{LEAST}\n[control]\ngroup = "daemon"\n')
    assert load_config(path).control == Control(grp.getgrnam("daemon").gr_gid)
    ((_, key, text),) = faults(path, f'{LEAST}\n[control]\ngroup = "no such group"\n')
    assert (key, text) == ("control.group", "must be the name of a group of this node, and 'no such group' is none")


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ('listen = "127.0.0.1:9631"', MetricsConfig(("127.0.0.1", 9631))),
        ('listen = "[::1]:9631"', MetricsConfig(("::1", 9631))),
        ('listen = "/run/m.sock"\ntextfile = "/x/h.prom"', MetricsConfig(Path("/run/m.sock"), Path("/x/h.prom"))),
    ],
)
def test_where_metrics_are_shown(path: Path, text: str, metrics: MetricsConfig) -> None:
    path.write_text(f"{LEAST}\n[metrics]\n{text}\n")
    assert load_config(path).metrics == metrics


@pytest.mark.parametrize("text", ['listen = "192.0.2.1:9631"', 'listen = "9631"', 'textfile = "/x/h.txt"'])
def test_metrics_are_not_shown_to_the_world(path: Path, text: str) -> None:
    ((_, key, _),) = faults(path, f"{LEAST}\n[metrics]\n{text}\n")
    assert key == f"metrics.{text.split()[0]}"
