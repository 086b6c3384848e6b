"""All managers at once: their files below a root, judged."""

from __future__ import annotations

from pathlib import Path

from hostlink.preflight import ifupdown, netplan, network_manager, networkd, udev_links
from hostlink.preflight.files import File, read_file, read_files, systemd_files
from hostlink.preflight.interface import Finding, Interface

NETWORKD_RUNS, NETWORK_MANAGER_RUNS, UDEV_RUNS = "/run/systemd/netif/state", "/run/NetworkManager", "/run/udev/control"
"""What is there only where the program runs: files of one that does not run manage nothing."""
_NM_FOLDERS = tuple(f"{base}/NetworkManager" for base in ("/usr/lib", "/run", "/etc"))


def look(root: Path, nic: Interface, ours: Interface) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """(who manages the NIC, what each of them would do wrong). root: `/`, or where the node's files are."""
    findings = (
        _networkd(root, nic, ours),
        _network_manager(root, nic, ours),
        ifupdown.judge(_interfaces(root), nic),
        Finding(
            None, netplan.judge(read_files(root, ("/usr/lib/netplan", "/run/netplan", "/etc/netplan"), "*.yaml"), nic)
        ),
        _udev(root, ours),
    )
    return tuple(one.manages for one in findings if one.manages), findings


def _is_there(root: Path, path: str) -> bool:
    return (root / path.lstrip("/")).exists()


def _networkd(root: Path, nic: Interface, ours: Interface) -> Finding:
    if not _is_there(root, NETWORKD_RUNS):
        return Finding()
    return networkd.judge(systemd_files(root, "network"), nic, ours)


def _network_manager(root: Path, nic: Interface, ours: Interface) -> Finding:
    if not _is_there(root, NETWORK_MANAGER_RUNS):
        return Finding()
    drop_ins = read_files(root, (f"{folder}/conf.d" for folder in _NM_FOLDERS[:2]), "*.conf")
    own = read_file(root, "/etc/NetworkManager/NetworkManager.conf")
    configuration = [*drop_ins, own, *read_files(root, ("/etc/NetworkManager/conf.d",), "*.conf")]
    profiles = read_files(root, (f"{folder}/system-connections" for folder in _NM_FOLDERS), "*")
    return network_manager.judge(configuration, profiles, nic, ours)


def _interfaces(root: Path) -> list[File]:
    own = read_file(root, "/etc/network/interfaces")
    return [own, *read_files(root, ("/etc/network/interfaces.d",), "*")]


def _udev(root: Path, ours: Interface) -> Finding:
    if not _is_there(root, UDEV_RUNS):
        return Finding()
    return Finding(None, udev_links.judge(systemd_files(root, "link"), ours))
