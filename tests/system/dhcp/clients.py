"""udhcpc and dhclient on the node's NIC: one interface for both; for DHCPv6 dhclient.

A client keeps its lease file when it is stopped and started again; `fresh` makes one that knows nothing. dhclient
renews by the server's T1 and T2, udhcpc (which takes half of the lease instead) when `renew` tells it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import NIC
from hostlink.lab.stage import Stage
from tests.system.dhcp.programs import DhcpError, command, running

CLIENTS = ("udhcpc", "dhclient")
Event = dict[str, Any]
"""What client_script.py writes: kind ("bound", "renewed", "nothing", "conflict"), reason, address, lease_s, server."""

_POLL_S = 0.02
_RETRY_S = f"{deadline_factor():.0f}"
"""A server that comes back while udhcpc rebinds must be up before the third question."""
_SCRIPT = Path(__file__).with_name("client_script.py")
_DHCLIENT_CONF = """\
initial-delay 0;
initial-interval 1;
backoff-cutoff 2;
retry 2;
timeout 20;
request subnet-mask, routers;
"""


class Client:
    """One DHCP client. Make it by `client`."""

    def __init__(self, stage: Stage, program: str, version: int, *, new_first: bool) -> None:
        self._stage, self._program, self._version = stage, program, version
        self._stack = ExitStack()
        self._pid = 0
        self._directory = stage.directory / f"{program}{version}"
        self._directory.mkdir()
        self._script = self._directory / "script"
        self._script.write_text(
            f"#!/bin/sh\nunset LD_LIBRARY_PATH\n{'export NEW_FIRST=1' if new_first else ''}\n"
            f'exec {sys.executable} -SE {_SCRIPT} {self._directory / "events"} "$@"\n'
        )
        self._script.chmod(0o755)
        (self._directory / "conf").write_text(_DHCLIENT_CONF)

    def start(self, *more: str) -> None:
        """Start it, on the NIC, with more arguments. A client with a lease asks for the same again."""
        argv = self._udhcpc(*more) if self._program == "udhcpc" else self._dhclient("-d", *more)
        self._pid = self._stack.enter_context(running(self._stage.lab.host, argv, self._directory / "log"))

    def stop(self) -> None:
        """Killed: nothing is released, the address stays on the NIC."""
        self._stack.close()

    def forget(self) -> None:
        """No lease, no DUID, no events: as on its first day. To be stopped before."""
        for name in ("leases", "events"):
            (self._directory / name).unlink(missing_ok=True)

    def renew(self) -> None:
        """Have it renew now. dhclient does at its T1, which is seconds."""
        if self._program == "udhcpc":
            os.kill(self._pid, signal.SIGUSR1)

    async def release(self) -> None:
        """Give the lease back, and end."""
        if self._program == "udhcpc":
            since = len(self.events)
            os.kill(self._pid, signal.SIGUSR2)
            await self.wait("nothing", since)
        else:
            await self._stage.lab.exec(self._stage.lab.host, self._dhclient("-r"))
        self.stop()

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    @property
    def events(self) -> list[Event]:
        """All until now, in their order."""
        path = self._directory / "events"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def wait(self, kind: str, since: int = 0, within_s: float = 10.0) -> Event:
        """The first such event that is not among the first `since`. Raises DhcpError with the client's log."""
        with trio.move_on_after(within_s * deadline_factor()):
            while True:
                for event in self.events[since:]:
                    if event["kind"] == kind:
                        return event
                await trio.sleep(_POLL_S)
        seen = "\n".join(str(event) for event in self.events[since:])
        raise DhcpError(f"{self._program}: not {kind} within {within_s:g} s; events:\n{seen}\n{self.log}")

    def _udhcpc(self, *more: str) -> list[str]:
        """-T: seconds between questions, of which three rebind; -A 1: a second until it begins again."""
        files = ("-s", str(self._script), "-p", str(self._directory / "pid"))
        return command("busybox", "udhcpc", "-f", "-i", NIC, "-T", _RETRY_S, "-A", "1", "-t", "10", *files, *more)

    def _dhclient(self, *more: str) -> list[str]:
        files = {"-cf": "conf", "-lf": "leases", "-pf": "pid"}
        places = [word for option, name in files.items() for word in (option, str(self._directory / name))]
        return command("dhclient", f"-{self._version}", *more, *places, "-sf", str(self._script), NIC)


@contextmanager
def client(stage: Stage, program: str, version: int = 4, *, new_first: bool = False) -> Iterator[Client]:
    """A client that is not started yet; it is killed with the block. program: one of CLIENTS; version: of IP.

    new_first: by its script, which keeps an address until it has set the next (client_script.py).
    """
    made = Client(stage, program, version, new_first=new_first)
    try:
        yield made
    finally:
        made.stop()
