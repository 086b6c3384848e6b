"""Files that were altered: the configuration, the journal with its edits, a hold. Each is used or refused as it should.

A journal is also altered behind its checksum (`journal-body`), as a bug of an earlier hostlink might have written it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path
from random import Random
from typing import Any

from hostlink import held
from hostlink.config import ConfigError, Match, load_config
from hostlink.core.lifetimes import aged
from hostlink.core.model import Address, Capture, HostView, Link, Probe, Problem
from hostlink.core.operations import SetSysctl
from hostlink.core.plan_host import plan_host
from hostlink.core.route_edits import RouteEdit
from hostlink.journal import Awaits, Confirm, Journal, JournalError, Parking, Takeover
from hostlink.judging import Patience, Seen, judge
from hostlink.kernel.errors import Unreadable, reading
from hostlink.kernel.routes import read_routes
from hostlink.kernel.translate import step_of
from tools.fuzzing.engine import Target, mutated
from tools.fuzzing.recording import messages, recorded

_UPLINK = "eth1"
_CONFIGURATION = """
[vpp]
api_socket = "/run/vpp/api.sock"
namespace = "vpp"
drift = "heal"
grace_s = 10

[[uplink]]
match = { name = "eth1" }
driver = "af_packet"
host_link = "veth"
probes = ["192.0.2.1:443", "[2001:db8::1]:22"]

[[uplink]]
match = { mac = "52:54:00:40:46:8e" }

[paths]
runtime = "/run/hostlink"
journal = "/var/lib/hostlink"

[cluster]
service_cidrs = ["10.96.0.0/12", "fd00:96::/112"]
pod_cidrs = ["10.244.0.0/16"]
encap_overhead = 60

[timing]
deadline_factor = 1.5
audit_s = 60
retry_s = 600.0
"""


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _check_config(data: bytes) -> None:
    with _folder() as folder:
        path = folder / "hostlink.toml"
        path.write_bytes(data)
        with suppress(ConfigError):
            assert load_config(path).uplinks


@functools.cache
def _takeover() -> Takeover:
    link = Link(_UPLINK, 3, "52:54:00:40:46:8e", 1500, up=True, altnames=("a-second-name",))
    address = Address(ip_interface("192.0.2.1/24"), valid_lifetime_s=900, preferred_lifetime_s=800)
    routes = read_routes([message for data in recorded()["route"][::4] for message in messages(data)])
    view = HostView(link, (address,), routes, sysctls=(("ipv4/conf/{link}/rp_filter", "1"),), driver="veth")
    capture = Capture(_UPLINK, view, probes=(Probe("tcp", ip_address("192.0.2.9"), 443),))
    confirm = Confirm(1000.0, Awaits.PATH)
    return Takeover(capture, view, "af_packet", "veth", Parking("vpp", _UPLINK, 3), confirm=confirm, read_at_s=900.0)


@functools.cache
def _files() -> tuple[bytes, bytes]:
    """A journal and its edits, as hostlink writes them."""
    with _folder() as folder:
        journal = Journal(folder / f"{_UPLINK}.json")
        written = journal.write(_takeover())
        for route in tuple(written.last_good.routes)[:3]:
            journal.append(written.generation, [RouteEdit(route.table, route.prefix, (replace(route, metric=7),))])
        return journal.path.read_bytes(), journal.edits_path.read_bytes()


def _check_journal(content: bytes, edits: bytes) -> None:
    with _folder() as folder:
        journal = Journal(folder / f"{_UPLINK}.json")
        journal.path.write_bytes(content)
        journal.edits_path.write_bytes(edits)
        for path in (journal.path, journal.edits_path):
            path.chmod(0o600)
        with suppress(JournalError):
            glance = journal.glance()
            if glance is not None:
                judge(Seen(glance, "", 1000.0, None, 1.0, None), Patience(1.0, 1.0, 1.0, 1.0))
        with suppress(JournalError):
            takeover = journal.read()
            if takeover is not None:
                _use(takeover)
                journal.write(takeover)
                assert journal.read() == replace(takeover, generation=takeover.generation + 1)


def _use(takeover: Takeover) -> None:
    """As a give-back would: all of it on a bare interface. What cannot be sent fails alone (kernel/apply.py)."""
    wanted = aged(takeover.last_good, takeover.age_s(2000.0))
    for operation in plan_host(wanted, HostView(replace(wanted.link, up=False, altnames=()))):
        if not isinstance(operation, SetSysctl):
            with suppress(Unreadable), reading("an operation"):
                step_of(operation)


def _spoil_body(data: bytes) -> bytes:
    """The journal of which single values are others, with a checksum that fits."""
    envelope, random = json.loads(_files()[0]), Random(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        _change(envelope["body"], random)
    text = json.dumps(envelope["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    envelope["sha256"] = hashlib.sha256(text.encode("ascii")).hexdigest()
    return json.dumps(envelope).encode("ascii")


_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1 << 40,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "10.0.0.1/33",
    [],
    {},
    [None],
)


def _change(tree: Any, random: Random) -> None:
    """One value somewhere below."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = random.choice(keys)
        below = tree[key]
        if isinstance(below, dict | list) and below and random.random() < 0.9:
            tree = below
            continue
        if random.random() < 0.1:
            del tree[key]
        else:
            tree[key] = random.choice(_ODD)
        return


@functools.cache
def _hold() -> bytes:
    with _folder() as folder:
        one = held.held(_UPLINK, held.failed_hold(Problem("HL-407", "the gateway is silent")), _takeover())
        held.keep(folder, one)
        return (folder / f"{_UPLINK}.held").read_bytes()


def _check_held(data: bytes) -> None:
    """Whatever it says, it holds, and can be dropped."""
    with _folder() as folder:
        (folder / f"{_UPLINK}.held").write_bytes(data)
        (one,) = held.read_all(folder)
        assert one.hold.reason is not None
        assert 0.0 <= one.left_s(60.0) <= 60.0
        held.of_match(Match(default_route=True), [one], [Match(name="eth0")])
        held.drop(folder, one)
        with suppress(OSError):
            held.keep(folder, one)
            assert held.read_all(folder)
        assert os.listdir(folder) in ([], [f"{one.uplink}.held"], [f"{_UPLINK}.held"])


def _seeds(which: int) -> Callable[[], Sequence[bytes]]:
    return lambda: [_files()[which]]


TARGETS = (
    Target("config", _check_config, mutated(lambda: [_CONFIGURATION.encode()])),
    Target("journal", lambda data: _check_journal(data, b""), mutated(_seeds(0))),
    Target("journal-body", lambda data: _check_journal(_spoil_body(data), b""), lambda random: random.randbytes(8)),
    Target("journal-edits", lambda data: _check_journal(_files()[0], data), mutated(_seeds(1))),
    Target("held", _check_held, mutated(lambda: [_hold()])),
)
