"""dhcpcd and systemd-networkd on the node's NIC: they watch netlink, set the addresses themselves and run no script.

Each is run directly, in the mount namespace that `ip netns exec` makes anyway: /run and /var/lib are folders of the
stage (so there is no D-Bus, and what they keep outlives a restart and not the stage), /etc/passwd has the one user
that networkd wants, and /sys is read-only, by which networkd sees that no udev will ever tell it that a link is ready
(systemd 252, src/shared/udev-util.c, udev_available).

networkd deletes what it did not set (F09), so the NIC's IPv6 is in its .network file too. Its [Match] must fit the host
link: by name, or MACAddress= (F01: the host link has no permanent MAC, and another driver).
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hostlink.lab.children import in_namespace
from hostlink.lab.layout import HOST4, HOST6, NIC, NIC_MAC, ROUTER_LINK_LOCAL
from hostlink.lab.stage import Stage
from tests.system.dhcp.programs import command, running

MANAGERS = ("dhcpcd", "networkd")
_DHCPCD_CONF = f"""\
allowinterfaces {NIC}
duid ll
option routers
noarp
nodelay
noipv4ll
nodev
reboot 1
"""
_DHCPCD_FAMILY = {4: "noipv6\n", 6: "noipv6rs\nslaac hwaddr\nnodhcp\nia_na\n"}
"""For all interfaces, as Debian starts it: for a single one its socket is bound to the address, and hears no DHCPNAK,
which is broadcast. noarp: its search for duplicates takes five seconds (RFC 5227). nodev: no udev. reboot: seconds
until it asks for any address where nobody answers for the one that it had."""
_NETWORK = f"""\
[Match]
Name={NIC}
MACAddress={NIC_MAC}

[Route]
Gateway={ROUTER_LINK_LOCAL}

[Network]
IPv6AcceptRA=no
"""
_NETWORK_FAMILY = {
    4: f"""\
DHCP=ipv4
Address={HOST6}

[DHCPv4]
DUIDRawData=00:00:ab:11:01:02:03:04:05:06:07:08
""",
    6: f"""\
DHCP=ipv6
Address={HOST4}

[DHCPv6]
WithoutRA=solicit
DUIDType=link-layer
""",
}
"""By the IP version that is leased. The other's addresses are the NIC's own."""
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
systemd-network:x:998:998::/:/usr/sbin/nologin
"""


class Manager:
    """One of them. Make it by `manager`."""

    def __init__(self, stage: Stage, program: str, version: int) -> None:
        self._stage, self._stack, self._version = stage, ExitStack(), version
        self._directory = stage.directory / program
        for name in ("run/systemd/network", "lib/dhcpcd"):
            (self._directory / name).mkdir(parents=True)
        (self._directory / "passwd").write_text(_PASSWD)
        (self._directory / "dhcpcd.conf").write_text(_DHCPCD_CONF + _DHCPCD_FAMILY[version])
        (self._directory / "run/systemd/network/10-uplink.network").write_text(_NETWORK + _NETWORK_FAMILY[version])
        self._is_dhcpcd, self._pid = program == "dhcpcd", 0

    def start(self) -> None:
        """Start it. One that has a lease on file asks for the same again."""
        own = {"passwd": "/etc/passwd", "run": "/run", "lib": "/var/lib"}
        mounts = [f"mount --bind {shlex.quote(str(self._directory / name))} {path}" for name, path in own.items()]
        script = " && ".join(
            [
                *mounts,
                "mount -o remount,bind,ro /sys",
                f"exec {shlex.join(self._dhcpcd() if self._is_dhcpcd else self._networkd())}",
            ]
        )
        argv = ["sh", "-c", script]
        self._pid = self._stack.enter_context(running(self._stage.lab.host, argv, self._directory / "log"))

    def stop(self) -> None:
        """Killed: nothing is released, the address stays on the NIC."""
        self._stack.close()

    def renew(self) -> None:
        """Have it ask now. networkd renews when told by D-Bus, which it has not here: it is started again.

        It would by itself with a lease of seconds. But networkd 252 hangs (address "requesting,removing") when it and
        the kernel end an address at the same moment: seen on the bare NIC once in six runs.
        """
        if self._is_dhcpcd:
            os.kill(self._pid, signal.SIGUSR1)
        else:
            self.stop()
            flush = [
                "ip",
                f"-{self._version}",
                "address",
                "flush",
                "dev",
                NIC,
                "scope",
                "global",
            ]  # what it did not set itself it leaves to run out
            subprocess.run(in_namespace(self._stage.lab.host, flush), check=True)
            self.start()

    @property
    def log(self) -> str:
        path = self._directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _dhcpcd(self) -> list[str]:
        conf = str(self._directory / "dhcpcd.conf")
        return command("dhcpcd", "-d", "-B", f"-{self._version}", "-f", conf, "-c", "/bin/true")

    def _networkd(self) -> list[str]:
        variables = ["SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console"]
        return ["env", *variables, *command("systemd-networkd")]


@contextmanager
def manager(stage: Stage, program: str, version: int = 4) -> Iterator[Manager]:
    """One that is not started yet; it is killed with the block. program: one of MANAGERS; version: of IP, leased."""
    made = Manager(stage, program, version)
    try:
        yield made
    finally:
        made.stop()
