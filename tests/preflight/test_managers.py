"""Who manages the NIC, and what of their files would not fit the host's interface: each form of a file (F01, F03)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostlink.core.model import Link, Problem
from hostlink.preflight import ifupdown, netplan, network_manager, networkd, udev_links
from hostlink.preflight.files import File, sections, systemd_files
from hostlink.preflight.interface import Interface, host_interface, id_path, nic_interface
from hostlink.preflight.managers import NETWORK_MANAGER_RUNS, NETWORKD_RUNS, UDEV_RUNS, look

MAC, PERMANENT = "52:54:00:40:46:8e", "52:54:00:40:46:8f"
LINK = Link("eth0", 2, MAC, 1500, altnames=("enp216s0f1",), permanent_mac=PERMANENT)
NIC = nic_interface(LINK, "i40e", "pci-0000:d8:00.1")
TAP, VETH = host_interface(LINK, "tap"), host_interface(LINK, "veth")


def codes(problems: tuple[Problem, ...]) -> list[str]:
    return [one.code for one in problems]


# ------------------------------------------------------------------------------------------------------------ networkd


@pytest.mark.parametrize(
    "match",
    [
        "Name=eth0",
        "Name=eth*",
        "Name=enp216s0f1",
        "Name=lan0 eth0",
        "Name=!lo",
        f"MACAddress={MAC}",
        "MACAddress=52-54-00-40-46-8E",
        "MACAddress=02:00:00:00:00:01 5254.0040.468e",
        "Type=ether",
        "Name=eth0\nHost=somewhere",
        "Driver=\nName=eth0",
        "Driver=e1000\nDriver=\nName=eth0",
        "Driver=* tun",
    ],
)
def test_a_network_file_that_has_both(match: str) -> None:
    found = networkd.judge([File("/etc/a.network", f"[Match]\n{match}\n[Network]\nDHCP=yes\n")], NIC, TAP)
    assert found.manages == "systemd-networkd (/etc/a.network)"
    assert found.problems == ()


@pytest.mark.parametrize(
    ("match", "key"),
    [
        (f"PermanentMACAddress={PERMANENT}", "PermanentMACAddress="),
        ("Driver=i40e", "Driver="),
        ("Driver=e1000e i40*", "Driver="),
        ("Driver=!tun", "Driver="),
        ("Path=pci-0000:d8:00.1", "Path="),
        ("Path=pci-0000:d8:*", "Path="),
        ("Kind=!tun", "Kind="),
        ("Property=ID_VENDOR_ID=0x8086", "Property="),
        ("Name=eth0\nDriver=i40e", "Driver="),
        ("Driver=i40e\nPath=pci-*", "Driver= and Path="),
    ],
)
def test_a_network_file_that_has_the_nic_alone(match: str, key: str) -> None:
    (told,) = networkd.judge([File("/etc/a.network", f"[Match]\n{match}\n")], NIC, TAP).problems
    assert told.code == "HL-117"
    assert f"/etc/a.network matches eth0 by {key}," in told.detail
    assert "no file would match that" in told.detail


@pytest.mark.parametrize(
    "match", ["Name=eth1", f"MACAddress={PERMANENT}", "Name=!eth0", "WLANInterfaceType=station", ""]
)
def test_a_network_file_of_somebody_else(match: str) -> None:
    found = networkd.judge([File("/etc/a.network", f"[Match]\n{match}\n")], NIC, TAP)
    assert (found.manages, found.problems) == (None, ())


def test_the_first_file_is_the_one_and_the_next_takes_over() -> None:
    files = [File("/etc/10.network", "[Match]\nDriver=i40e\n"), File("/etc/90.network", "[Match]\nName=*\n")]
    found = networkd.judge(files, NIC, TAP)
    assert found.manages == "systemd-networkd (/etc/10.network)"
    assert "/etc/90.network would match that instead" in found.problems[0].detail
    assert networkd.judge(files[::-1], NIC, TAP).problems == ()


def test_a_file_that_says_unmanaged_manages_nothing() -> None:
    found = networkd.judge([File("/etc/a.network", "[Match]\nName=eth0\n[Link]\nUnmanaged=yes\n")], NIC, TAP)
    assert found.manages is None


def test_which_files_systemd_reads(tmp_path: Path) -> None:
    """/etc stands for a file of the same name elsewhere, an empty one masks, drop-ins come behind."""
    for path, text in {
        "usr/lib/systemd/network/50-a.network": "[Match]\nDriver=i40e\n",
        "etc/systemd/network/50-a.network": "[Match]\nName=eth0\n",
        "run/systemd/network/10-b.network": "[Match]\nName=x\n",
        "etc/systemd/network/10-b.network": "",
        "run/systemd/network/10-b.network.d/x.conf": "[Match]\nName=eth0\n",
        "run/systemd/network/70-c.network": "# nothing\n[Match]\nMACAddress=\\\n 52:54:00:40:46:8e\n",
        "etc/systemd/network/70-c.network.d/x.conf": "[Match]\nDriver=i40e\n",
        "etc/systemd/network/20-d.link": "[Match]\nOriginalName=*\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = systemd_files(tmp_path, "network")
    assert [file.path for file in found] == [
        "/etc/systemd/network/10-b.network",
        "/etc/systemd/network/50-a.network",
        "/run/systemd/network/70-c.network",
    ]
    assert [dict(sections(file.text).get("Match", {})) for file in found] == [
        {},
        {"Name": ["eth0"]},
        {"MACAddress": [MAC], "Driver": ["i40e"]},
    ]


# ---------------------------------------------------------------------------------------------------------- .link files


@pytest.mark.parametrize(
    ("text", "ours", "told"),
    [
        ("[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=persistent\n", TAP, ["HL-121"]),
        ("[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=persistent\n", VETH, []),
        ("[Match]\nOriginalName=hl*\n[Link]\nMACAddressPolicy=none\n", TAP, []),
        ("[Match]\nDriver=tun\n[Link]\nMACAddressPolicy=random\n", TAP, ["HL-120"]),
        ("[Match]\nDriver=i40e\n[Link]\nMACAddress=02:00:00:00:00:01\nName=lan0\n", TAP, []),
        (f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan0\n", TAP, ["HL-120"]),
        (f"[Match]\nMACAddress={MAC}\n[Link]\nName=eth0\n", TAP, []),
        ("[Match]\nOriginalName=*\n[Link]\nMACAddress=02:00:00:00:00:01\n", VETH, ["HL-120"]),
        (f"[Match]\nPermanentMACAddress={PERMANENT}\n[Link]\nName=lan0\n", VETH, []),
    ],
)
def test_a_link_file(text: str, ours: Interface, told: list[str]) -> None:
    assert codes(udev_links.judge([File("/etc/a.link", text)], ours)) == told


def test_the_first_link_file_that_fits_is_the_one() -> None:
    files = [
        File("/etc/10-hl.link", "[Match]\nOriginalName=hl*\n[Link]\nMACAddressPolicy=none\n"),
        File("/usr/lib/99-default.link", "[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=persistent\n"),
    ]
    assert udev_links.judge(files, TAP) == ()
    assert codes(udev_links.judge(files[1:], TAP)) == ["HL-121"]


# ------------------------------------------------------------------------------------------------------ NetworkManager


def profile(*lines: str, kind: str = "ethernet") -> list[File]:
    return [File("/etc/a.nmconnection", "\n".join([f"[connection]\nid=a\ntype={kind}", *lines, ""]))]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("interface-name=eth0",), None),
        (("interface-name=eth0", "[ethernet]", f"mac-address={PERMANENT}"), f"mac-address={PERMANENT}"),
        (("[802-3-ethernet]", f"mac-address={PERMANENT.upper()}"), f"mac-address={PERMANENT.upper()}"),
        (("[match]", "driver=i40e;"), "[match] driver=i40e"),
        (("[match]", "path=pci-0000:d8:00.1;"), "[match] path=pci-0000:d8:00.1"),
        (("[match]", "interface-name=eth*;"), None),
        ((), None),
    ],
)
def test_a_profile_of_networkmanager_and_a_veth(lines: tuple[str, ...], reason: str | None) -> None:
    found = network_manager.judge([], profile(*lines), NIC, VETH)
    assert found.manages == "NetworkManager (/etc/a.nmconnection)"
    wanted = [] if reason is None else [Problem("HL-118", f"/etc/a.nmconnection has {reason}")]
    assert list(found.problems) == wanted


def test_an_ethernet_profile_is_for_no_tap() -> None:
    (told,) = network_manager.judge([], profile("interface-name=eth0"), NIC, TAP).problems
    assert told == Problem("HL-118", "/etc/a.nmconnection has type=ethernet")
    assert codes(network_manager.judge([], [], NIC, TAP).problems) == ["HL-118"]
    assert network_manager.judge([], [], NIC, VETH).problems == ()


@pytest.mark.parametrize("other", [("interface-name=eth1",), ("[ethernet]", f"mac-address={MAC}")])
def test_a_profile_of_another_interface(other: tuple[str, ...]) -> None:
    """`mac-address` is the permanent one: a profile by the MAC that the NIC has now does not fit it."""
    assert network_manager.judge([], profile(*other), NIC, VETH).manages == "NetworkManager (no keyfile of its own)"


@pytest.mark.parametrize(("mac", "told"), [("preserve", []), (MAC, []), ("random", ["HL-120"]), ("stable", ["HL-120"])])
def test_a_cloned_mac(mac: str, told: list[str]) -> None:
    files = profile("interface-name=eth0", "[ethernet]", f"cloned-mac-address={mac}")
    assert codes(network_manager.judge([], files, NIC, VETH).problems) == told


@pytest.mark.parametrize(
    ("spec", "now", "then"),
    [
        ("interface-name:eth0", True, True),
        ("interface-name:eth*;interface-name:=x", True, True),
        ("eth0", True, True),
        (f"mac:{PERMANENT}", True, False),
        (PERMANENT, True, False),
        (f"mac:{MAC}", False, False),
        ("driver:i40e", True, False),
        ("driver:veth,driver:tun", False, True),
        ("type:ethernet", True, False),
        ("*", True, True),
        ("*;except:interface-name:eth0", False, False),
        ("except:type:ethernet", False, True),
        ("interface-name:eth1", False, False),
    ],
)
def test_unmanaged_devices(spec: str, now: bool, then: bool) -> None:
    assert (network_manager.in_device_list(spec, NIC), network_manager.in_device_list(spec, TAP)) == (now, then)
    files = [File("/etc/NetworkManager/NetworkManager.conf", f"[keyfile]\nunmanaged-devices={spec}\n")]
    found = network_manager.judge(files, profile("interface-name=eth0"), NIC, VETH)
    veth = network_manager.in_device_list(spec, VETH)
    assert (found.manages is None) is now
    assert codes(found.problems) == (["HL-118"] if veth is not now else [])


def test_the_list_that_is_in_force() -> None:
    files = [File("a", "[keyfile]\nunmanaged-devices=eth1\n"), File("b", "[keyfile]\nunmanaged-devices+=eth2\n")]
    assert network_manager.unmanaged_devices(files) == "eth1;eth2"
    assert network_manager.unmanaged_devices([*files, File("c", "[keyfile]\nunmanaged-devices=\n")]) == ""


# ------------------------------------------------------------------------------------------------------------ ifupdown


@pytest.mark.parametrize(
    ("text", "manages", "told"),
    [
        ("auto eth0\niface eth0 inet dhcp\n", True, []),
        ("iface enp216s0f1 inet6 auto\n", True, []),
        ("iface lo inet loopback\n", False, []),
        (f"iface eth0 inet dhcp\n  hwaddress ether {MAC}\n", True, []),
        ("iface eth0 inet dhcp\n  hwaddress ether 02:00:00:00:00:01\n", True, ["HL-120"]),
        ("iface eth0 inet dhcp\n  hwaddress random\n", True, ["HL-120"]),
        ("iface eth1 inet dhcp\n  hwaddress 02:00:00:00:00:01\niface eth0 inet dhcp\n", True, []),
        (f"rename mac/{MAC}=lan0\n", False, ["HL-120"]),
        ("rename eth0=lan0\n", False, ["HL-120"]),
        ("rename eth1=eth0\n", False, ["HL-120"]),
        ("rename eth1=lan1\n", False, []),
        ("#iface eth0 inet dhcp\n", False, []),
    ],
)
def test_interfaces(text: str, manages: bool, told: list[str]) -> None:
    found = ifupdown.judge([File("/etc/network/interfaces", text)], NIC)
    assert found.manages == ("ifupdown (/etc/network/interfaces)" if manages else None)
    assert codes(found.problems) == told


# ------------------------------------------------------------------------------------------------------------- netplan


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("    eth0:\n      dhcp4: true\n", None),
        ("    lan:\n      match:\n        name: eth*\n      dhcp4: true\n", None),
        (f'    lan:\n      match:\n        macaddress: "{MAC}"\n      set-name: eth0\n', f"macaddress: {MAC}"),
        (f"    lan:\n      match: {{macaddress: {PERMANENT}}}\n", f"macaddress: {PERMANENT}"),
        ("    lan:\n      match:\n        # comment\n        driver: i40*\n", "driver: i40*"),
        ('    lan:\n      match:\n        driver: ["e1000", "i40e"]\n', "driver: e1000    i40e"),
        ("    lan:\n      match:\n        driver: e1000\n", None),
        (f"    lan:\n      match:\n        name: x\n      macaddress: {MAC}\n", None),
    ],
)
def test_a_netplan_file(entry: str, said: str | None) -> None:
    file = File("/etc/netplan/a.yaml", f"network:\n  version: 2\n  ethernets:\n{entry}")
    told = netplan.judge([file], NIC)
    assert [one.code for one in told] == ([] if said is None else ["HL-119"])
    assert said is None or told[0].detail.split() == f"/etc/netplan/a.yaml has `match:` with {said}".split()


# --------------------------------------------------------------------------------------------------------- all of them


def test_udevs_path() -> None:
    assert id_path("I:1\nE:ID_PATH=pci-0000:00:03.0\nE:ID_NET_DRIVER=x\n", "0000:d8:00.1") == "pci-0000:00:03.0"
    assert id_path("", "0000:d8:00.1") == "pci-0000:d8:00.1"
    assert id_path("", None) is None


def test_files_of_a_program_that_does_not_run_are_nobodys(tmp_path: Path) -> None:
    for path, text in {
        "etc/systemd/network/a.network": "[Match]\nDriver=i40e\n",
        "etc/systemd/network/a.link": "[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=persistent\n",
        "etc/NetworkManager/system-connections/a.nmconnection": "[connection]\ntype=ethernet\n",
        "etc/network/interfaces.d/a": "iface eth0 inet dhcp\n",
        "etc/netplan/a.yaml": "network:\n  ethernets:\n    x:\n      match:\n        driver: i40e\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    def told() -> tuple[tuple[str, ...], list[str]]:
        names, findings = look(tmp_path, NIC, TAP)
        return names, [one.code for finding in findings for one in finding.problems]

    assert told() == (("ifupdown (/etc/network/interfaces.d/a)",), ["HL-119"])
    for path in (NETWORKD_RUNS, NETWORK_MANAGER_RUNS, UDEV_RUNS):
        (tmp_path / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.lstrip("/")).touch()
    names, found = told()
    assert [name.split()[0] for name in names] == ["systemd-networkd", "NetworkManager", "ifupdown"]
    assert found == ["HL-117", "HL-118", "HL-119", "HL-121"]
