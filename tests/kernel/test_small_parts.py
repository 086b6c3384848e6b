"""Capabilities, the fault seam, sysctls and drivers: the small readers."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

import hostlink.kernel
from hostlink.kernel.errors import KernelRefused
from hostlink.kernel.nic import _pci_address, read_driver
from hostlink.kernel.privilege import missing_capabilities
from hostlink.kernel.seam import NAMES, NO_FAULTS, Faults
from hostlink.kernel.sysctl import read_sysctls, set_sysctl


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", ()),
        ("0000000000000000", ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN")),
        ("0000000000203000", ()),
        ("0000000000003000", ("CAP_SYS_ADMIN",)),
        ("00000000a80425fb", ("CAP_NET_ADMIN", "CAP_SYS_ADMIN")),
    ],
    ids=["all", "none", "just enough", "no setns", "a container's default"],
)
def test_capabilities_by_name(tmp_path, effective, missing):
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\n")
    assert missing_capabilities(status) == missing


def test_own_capabilities_can_be_read():
    if os.geteuid() == 0:
        assert "CAP_NET_ADMIN" not in missing_capabilities()
    else:
        assert missing_capabilities()


# --------------------------------------------------------------------------------------------------------- the seam


def test_nth_time_of_a_name_fails_once(tmp_path):
    trace = tmp_path / "trace"
    faults = Faults.from_text("link.move:2=EBUSY", trace)
    faults.check("link.move", "move a")
    faults.check("link.set", "set a")
    with pytest.raises(KernelRefused) as caught:
        faults.check("link.move", "move b")
    faults.check("link.move", "move c")
    assert (caught.value.errno, caught.value.operation) == (errno.EBUSY, "move b")
    assert trace.read_text() == "link.move\nlink.set\nlink.move\nlink.move\n"


def test_a_planned_bug_is_nothing_that_anybody_expects():
    faults = Faults.from_text("tc.filter:2=BUG")
    faults.check("tc.filter", "one")
    with pytest.raises(RuntimeError, match="a bug planned by the lab: tc"):
        faults.check("tc.filter", "two")
    faults.check("tc.filter", "three")


def test_nothing_planned_counts_nothing():
    for name in NAMES:
        NO_FAULTS.check(name, "anything")
    assert not NO_FAULTS._reached


@pytest.mark.parametrize("text", ["link.move", "link.move=", "link.move=NOPE", "link.move:0=EPERM", "link.fly=EPERM"])
def test_bad_plan_is_named(text):
    with pytest.raises(ValueError, match=re.escape(text.partition("=")[0].partition(":")[0])):
        Faults.from_text(text)


def test_name_that_nobody_registered_is_a_bug():
    with pytest.raises(ValueError, match="no kernel operation"):
        NO_FAULTS.check("link.fly", "fly")


def test_every_name_is_used_and_every_used_name_is_known():
    """The failure matrix enumerates NAMES: a change that passes no seam, or a name that no change has, would hide."""
    source = "".join(
        path.read_text() for path in Path(hostlink.kernel.__path__[0]).rglob("*.py") if path.name != "seam.py"
    )
    used = set(
        re.findall(r'"((?:address|bpf|link|neighbour|route|rule|sysctl|tap|tc|veth|multicast)\.[a-z]+)"', source)
    )
    assert used == NAMES


# ---------------------------------------------------------------------------------------------------------- sysctls


def test_sysctls_belong_to_the_namespace_of_the_reader(wired, away):
    """Measured: the same path below the same /proc, opened by one thread in two namespaces, is two files."""
    away.ip("link add eth1 type bridge")
    away.sysctl("ipv6/conf/eth1/hop_limit", "33")
    wired.sysctl("ipv6/conf/eth1/hop_limit", "44")
    for namespace, value in ((away, "33"), (wired, "44")):
        assert dict(read_sysctls(str(namespace), "eth1"))["ipv6/conf/{link}/hop_limit"] == value


def test_new_link_has_the_defaults_of_its_own_namespace(host, away):
    """IPv6 defaults are those of conf/default in the link's namespace, and not those of whoever mounted /proc."""
    for namespace, value in ((host, "7"), (away, "9")):
        namespace.sysctl("ipv6/conf/default/dad_transmits", value)
        namespace.ip("link add br7 type bridge")
        assert dict(read_sysctls(str(namespace), "br7"))["ipv6/conf/{link}/dad_transmits"] == value


def test_only_what_can_be_set_and_read_is_there(wired):
    found = dict(read_sysctls(str(wired), "eth1"))
    assert found["ipv4/conf/{link}/rp_filter"] == "0"
    assert "ipv6/neigh/{link}/retrans_time_ms" in found
    assert "ipv6/neigh/{link}/retrans_time" not in found, "the same in coarser units"
    assert "ipv4/conf/{link}/mc_forwarding" not in found, "read-only"
    assert "ipv6/conf/{link}/stable_secret" not in found, "there is none"
    wired.sysctl("ipv6/conf/eth1/stable_secret", "2001:db8::1")
    assert "ipv6/conf/{link}/stable_secret" in dict(read_sysctls(str(wired), "eth1"))


def test_every_sysctl_that_was_read_can_be_written_back(wired):
    before = read_sysctls(str(wired), "eth1")
    for path, value in before:
        set_sysctl(str(wired), path.replace("{link}", "eth1"), value)
    assert read_sysctls(str(wired), "eth1") == before


def test_link_without_folders_has_none(wired):
    assert read_sysctls(str(wired), "eth9") == ()


def test_value_that_the_kernel_refuses_is_named(wired):
    with pytest.raises(KernelRefused, match=r"set the sysctl net/ipv4/conf/eth1/rp_filter to 'x': EINVAL"):
        set_sysctl(str(wired), "ipv4/conf/eth1/rp_filter", "x")


# ---------------------------------------------------------------------------------------------------------- drivers


def test_driver_of_a_link_of_another_namespace(wired):
    assert read_driver(str(wired), "eth1") == ("veth", None)
    assert read_driver(str(wired), "nosuch0") == (None, None)


def test_pci_address_of_a_pci_nic_and_of_a_virtio_nic(tmp_path):
    device = tmp_path / "devices/pci0000:00/0000:00:03.0/virtio0"
    device.mkdir(parents=True)
    mmio = tmp_path / "devices/platform/a0000000.virtio_mmio/virtio1"
    mmio.mkdir(parents=True)
    bus = tmp_path / "bus/virtio/devices"
    bus.mkdir(parents=True)
    (bus / "virtio0").symlink_to(device)
    (bus / "virtio1").symlink_to(mmio)
    assert _pci_address("0000:d8:0a.0", tmp_path) == "0000:d8:0a.0"
    assert _pci_address("virtio0", tmp_path) == "0000:00:03.0"
    assert _pci_address("virtio1", tmp_path) is None
    assert _pci_address("tap", tmp_path) is None
    assert _pci_address("", tmp_path) is None
