"""Throwaway network namespaces for the tests of hostlink.kernel, and a shell into them.

Each test gets fresh ones (hl-kt-<pid>-<n>), which are deleted with everything in them. Nothing outside is touched.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from hostlink.kernel import busy, netlink

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def quiet_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds the kernel's lock for long: then threads send, past the sockets that tests put in the way."""
    monkeypatch.setattr(busy, "_until", 0.0)
    monkeypatch.setattr(netlink, "_LONG_S", 1000.0)


class Namespace(str):
    """The name of a namespace, which also runs `ip` in it."""

    __slots__ = ()

    def ip(self, command: str) -> str:
        """`ip -n <self> <command>`; several commands may be given, one a line. Returns what the last one printed."""
        printed = ""
        for line in filter(None, (line.strip() for line in command.splitlines())):
            printed = _run(["ip", "-n", str(self), *line.split()])
        return printed

    def run(self, *command: str) -> str:
        return _run(["ip", "netns", "exec", str(self), *command])

    def sysctl(self, path: str, value: str) -> None:
        """Sets one; `path` is below /proc/sys/net."""
        self.run("sysctl", "-qw", f"net/{path}={value}")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


@pytest.fixture
def make_namespace() -> Iterator[Callable[[], Namespace]]:
    """A function that makes one more namespace."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: run as root (this test was not run)")
    made: list[Namespace] = []

    def make() -> Namespace:
        name = Namespace(f"hl-kt-{os.getpid()}-{next(_numbers)}")
        _run(["ip", "netns", "add", name])
        made.append(name)
        return name

    yield make
    for name in made:
        _run(["ip", "netns", "del", name])


@pytest.fixture
def host(make_namespace: Callable[[], Namespace]) -> Namespace:
    """The namespace that plays the host."""
    return make_namespace()


@pytest.fixture
def away(make_namespace: Callable[[], Namespace]) -> Namespace:
    """A second namespace: where the NIC is parked."""
    return make_namespace()


@pytest.fixture
def wire(make_namespace: Callable[[], Namespace]) -> Namespace:
    """A third one: the other end of the NIC's wire."""
    return make_namespace()


@pytest.fixture
def wired(host: Namespace, wire: Namespace) -> Namespace:
    """`host` with a veth `eth1` (52:54:00:12:34:56), up and with carrier; its other end `wire0` is up in `wire`."""
    host.ip(f"link add eth1 address 52:54:00:12:34:56 type veth peer name wire0 netns {wire}")
    wire.ip("link set wire0 up")
    host.ip("link set lo up\n link set eth1 up")
    return host
