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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hostlink.lab.layout import HOST6, NIC, NIC_MAC, ROUTER_LINK_LOCAL
from hostlink.lab.stage import Stage
from tests.system.dhcp.programs import command, running

MANAGERS = ("dhcpcd", "networkd")
_DHCPCD_CONF = f"""\
allowinterfaces {NIC}
duid ll
option routers
noarp
nodelay
noipv6
noipv4ll
nodev
"""
"""For all interfaces, as Debian starts it: for a single one its socket is bound to the address, and hears no DHCPNAK,
which is broadcast. noarp: its search for duplicates takes five seconds (RFC 5227). nodev: no udev."""
_NETWORK = f"""\
[Match]
Name={NIC}
MACAddress={NIC_MAC}

[Network]
DHCP=ipv4
IPv6AcceptRA=no
Address={HOST6}

[Route]
Gateway={ROUTER_LINK_LOCAL}

[DHCPv4]
DUIDRawData=00:00:ab:11:01:02:03:04:05:06:07:08
"""
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
systemd-network:x:998:998::/:/usr/sbin/nologin
"""


class Manager:
    """One of them. Make it by `manager`."""

    def __init__(self, stage: Stage, program: str) -> None:
        self._stage, self._stack = stage, ExitStack()
        self._directory = stage.directory / program
        for name in ("run/systemd/network", "lib/dhcpcd"):
            (self._directory / name).mkdir(parents=True)
        (self._directory / "passwd").write_text(_PASSWD)
        (self._directory / "dhcpcd.conf").write_text(_DHCPCD_CONF)
        (self._directory / "run/systemd/network/10-uplink.network").write_text(_NETWORK)
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
        """Have it renew now. networkd does at its T1, which is seconds."""
        if self._is_dhcpcd:
            os.kill(self._pid, signal.SIGUSR1)

    @property
    def log(self) -> str:
        path = self._directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _dhcpcd(self) -> list[str]:
        conf = str(self._directory / "dhcpcd.conf")
        return command("dhcpcd", "-d", "-B", "-4", "-f", conf, "-c", "/bin/true")

    def _networkd(self) -> list[str]:
        variables = ["SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console"]
        return ["env", *variables, *command("systemd-networkd")]


@contextmanager
def manager(stage: Stage, program: str) -> Iterator[Manager]:
    """One that is not started yet; it is killed with the block. program: one of MANAGERS."""
    made = Manager(stage, program)
    try:
        yield made
    finally:
        made.stop()
