"""A whole node in the lab: the network, a VPP (real, or the stand-in), and the daemon; for `tools/demo` and the tests.

A *dataplane* is which VPP and which host link: `vpp/veth`, `standin/tap` and so on. What is available here is found out
and not assumed: a real VPP by $HOSTLINK_VPP or PATH, its tap only where the kernel has vhost-net.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from hostlink.lab.children import in_namespace
from hostlink.lab.factor import deadline_factor as deadline_factor  # scenarios stretch their own waits by it too
from hostlink.lab.layout import NIC
from hostlink.lab.network import Lab
from hostlink.lab.progress import SHOWN_AFTER_S, long_work
from hostlink.lab.real_vpp import HEAP_MIB, find_vpp, running_vpp
from hostlink.vpp.session import open_session

_POLL_S = 0.05
_REQUEST_S = 5.0
_CHOSEN = re.compile(r"(?m)^(deadline_factor *= *)([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Dataplane:
    """Which VPP plays, and how it meets the host."""

    real: bool
    host_link: str

    def __str__(self) -> str:
        return f"{'vpp' if self.real else 'standin'}/{self.host_link}"


ALL = tuple(Dataplane(real, link) for real in (False, True) for link in ("tap", "veth"))


def why_missing(dataplane: Dataplane) -> str | None:
    """Why this dataplane cannot be had on this machine, or None."""
    if dataplane.real and find_vpp() is None:
        return "no VPP here: set $HOSTLINK_VPP to one, or have `vpp` on PATH"
    if dataplane.real and dataplane.host_link == "tap" and not Path("/dev/vhost-net").exists():
        return "this kernel has no /dev/vhost-net, which VPP's tap needs"
    return None


def best() -> Dataplane:
    """The most real dataplane that this machine can have."""
    order = (Dataplane(True, "tap"), Dataplane(True, "veth"), Dataplane(False, "tap"))
    return next(dataplane for dataplane in order if why_missing(dataplane) is None)


class StageError(Exception):
    """The stage did not do what was waited for; the text has the daemon's last words."""


@dataclass(slots=True)
class Stage:
    """A lab with a VPP, and a daemon when it was started."""

    lab: Lab
    dataplane: Dataplane
    directory: Path
    api_socket: Path
    config: Path
    daemon: subprocess.Popen[bytes] | None = None
    vpp: subprocess.Popen[bytes] | None = None
    guard: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    daemon_module: str = "hostlink"
    """What `start_daemon` runs; a bench has one that runs the same with an instrument."""
    vpp_heap_mib: int = HEAP_MIB

    @property
    def runtime(self) -> Path:
        return self.directory / "run"

    @property
    def log(self) -> str:
        """Everything that the daemon has said."""
        path = self.directory / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start_daemon(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `hostlink run` on the node, with these options more. Ends with the stage."""
        argv = [sys.executable, "-m", self.daemon_module, "run", "--config", str(self.config), *options]
        self.daemon = _start(self.lab.host, argv, self.directory / "daemon.log", {**self.environment, **environment})
        return self.daemon

    def start_guard(self) -> subprocess.Popen[bytes]:
        """Start `hostlink guard` on the node. Ends with the stage."""
        argv = [sys.executable, "-m", "hostlink", "guard", "--config", str(self.config)]
        self.guard = _start(self.lab.host, argv, self.directory / "guard.log", self.environment)
        return self.guard

    @property
    def guard_log(self) -> str:
        """Everything that the guard has said."""
        path = self.directory / "guard.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def stop_daemon(self, number: signal.Signals = signal.SIGTERM, within_s: float = 30.0) -> int:
        """Signal the daemon and wait for its end. Returns its exit status."""
        assert self.daemon is not None, "no daemon was started"
        self.daemon.send_signal(number)
        return await self.wait_daemon(within_s)

    def kill_vpp(self) -> None:
        """SIGKILL to VPP; returns when it is gone. Start another by `running`."""
        _kill(self.vpp)

    async def wait_daemon(self, within_s: float = 30.0) -> int:
        """Wait until the daemon has ended by itself."""
        assert self.daemon is not None, "no daemon was started"
        with trio.move_on_after(within_s * deadline_factor()):
            while True:
                if (status := self.daemon.poll()) is not None:
                    return status
                await trio.sleep(_POLL_S)
        raise StageError(f"the daemon did not end within {within_s:g} s\n{self.log}")

    async def hostlink(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        """Run a hostlink command on the node, whatever it exits with."""
        command = in_namespace(self.lab.host, [sys.executable, "-m", "hostlink", *argv])
        env = {**os.environ, "HOSTLINK_RUNTIME_DIR": str(self.runtime)}
        return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, env=env)

    async def state(self) -> dict[str, Any]:
        """The uplink's part of `hostlink state --json`. Raises StageError when the daemon does not answer."""
        done = await self.hostlink("state", "--json")
        if done.returncode != 0:
            raise StageError(f"hostlink state: exit {done.returncode}: {done.stderr.decode()}\n{self.log}")
        uplink: dict[str, Any] = json.loads(done.stdout)["uplinks"][0]
        return uplink

    async def wait_state(self, state: str, within_s: float = 30.0) -> dict[str, Any]:
        """Wait until the uplink is in that state. Raises StageError with the log when it does not get there."""
        done = await self.hostlink("state", "--wait", state, "--timeout", f"{within_s * deadline_factor():g}")
        if done.returncode != 0:
            raise StageError(f"{state} was not reached: {done.stderr.decode()}\n{self.log}")
        return await self.state()

    async def vppctl(self, command: str) -> str:
        """What VPP's command line answers."""
        async with open_session(self.api_socket, deadline_s=_REQUEST_S * deadline_factor()) as session:
            return str((await session.request("cli_inband", cmd=command)).reply)

    async def on_host(self, *argv: str) -> str:
        """Output of a command on the node."""
        return await self.lab.exec(self.lab.host, argv)


@asynccontextmanager
async def open_stage(
    dataplane: Dataplane,
    *,
    vpp_environment: Mapping[str, str] | None = None,
    vpp_plugins: Sequence[str] = (),
    settings: str = "",
    vpp_settings: str = "",
    vpp_heap_mib: int = HEAP_MIB,
    lab: Lab | None = None,
) -> AsyncIterator[Stage]:
    """The lab with that VPP running and the daemon's configuration written; everything is gone afterwards.

    settings: more of the configuration file, for instance a [cluster] table; vpp_settings: more of its [vpp].
    vpp_plugins: what a real VPP loads besides those of real_vpp.PLUGINS; the stand-in has none.
    vpp_heap_mib: how much memory a real VPP has (real_vpp.heap_mib_for a full table).
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hl-")))
        lab = await stack.enter_async_context(lab or Lab())
        stage = Stage(lab, dataplane, directory, directory / "api.sock", directory / "hostlink.toml")
        stage.vpp_heap_mib = vpp_heap_mib
        stage.config.write_text(_configuration(stage, settings, vpp_settings))
        await stack.enter_async_context(running(stage, vpp_environment or {}, vpp_plugins))
        try:
            yield stage
        finally:
            _kill(stage.daemon)
            _kill(stage.guard)


def _start(
    namespace: str, argv: Sequence[str], log_path: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """From the main thread, not by trio: the parent-death signal follows the thread that forked (prctl(2))."""
    with log_path.open("ab") as log:
        return subprocess.Popen(
            in_namespace(namespace, ["setpriv", "--pdeathsig", "KILL", *argv]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **environment},
        )


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@asynccontextmanager
async def running(stage: Stage, environment: Mapping[str, str], plugins: Sequence[str] = ()) -> AsyncIterator[None]:
    """The stage's VPP, real or not, for the length of the block."""
    if stage.dataplane.real:
        binary = find_vpp()
        assert binary is not None, "the dataplane was chosen although there is no VPP"
        async with running_vpp(
            binary, stage.lab.vpp, stage.directory, heap_mib=stage.vpp_heap_mib, plugins=plugins
        ) as vpp:
            stage.vpp = vpp.process
            yield
        return
    argv = [sys.executable, "-m", "hostlink.lab.standin", "--api-socket", str(stage.api_socket)]
    stage.vpp = process = _start(stage.lab.vpp, argv, stage.directory / "vpp.log", environment)
    try:
        await _wait_socket(stage, process)
        yield
    finally:
        _kill(process)


async def _wait_socket(stage: Stage, process: subprocess.Popen[bytes], within_s: float = 10.0) -> None:
    with long_work("the stand-in VPP", after_s=SHOWN_AFTER_S) as work, trio.move_on_after(within_s * deadline_factor()):
        work.on("it starts")
        while process.poll() is None:
            if _answers(stage.api_socket):
                return
            await trio.sleep(_POLL_S)
            work.still()
    text = (stage.directory / "vpp.log").read_text(errors="replace")
    raise StageError(f"the stand-in VPP did not come up:\n{text}")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(path)) == 0


def _configuration(stage: Stage, settings: str, vpp_settings: str) -> str:
    return f"""\
[vpp]
api_socket = "{stage.api_socket}"
namespace = "{stage.lab.vpp}"
{vpp_settings}

[[uplink]]
match = {{ name = "{NIC}" }}
driver = "af_packet"
host_link = "{stage.dataplane.host_link}"

[paths]
runtime = "{stage.runtime}"
journal = "{stage.directory / "journal"}"
{stretched(settings)}
"""


def stretched(settings: str) -> str:
    """The settings with the daemon's deadlines stretched as ours are; a factor that a scenario chose is kept in it."""
    factor = deadline_factor()
    if factor == 1.0:
        return settings
    if _CHOSEN.search(settings):
        return _CHOSEN.sub(lambda chosen: f"{chosen[1]}{float(chosen[2]) * factor:g}", settings)
    line = f"[timing]\ndeadline_factor = {factor:g}\n"
    return settings.replace("[timing]\n", line, 1) if "[timing]\n" in settings else f"{settings}\n{line}"
