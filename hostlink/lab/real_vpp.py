"""A real VPP in a network namespace, for the lab, the tests and the bench: never for a node.

VPP is started inside the namespace (`ip netns exec`), small: 4K pages, no hugepages, no workers, every socket and file
in one directory, and a /dev/shm of its own, because VPP leaves 20 MB there under fixed names when it is killed. So
several can run beside each other and nothing of them stays. It is killed with its whole process group, and by the
kernel if whoever started it dies first.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.progress import SHOWN_AFTER_S, long_work

PLUGINS = ("af_packet", "tap", "ping")
"""What the lab's VPP always loads; one that the build does not have is left out by VPP without a word."""
HEAP_MIB = 256
"""VPP's main heap in the lab: enough for a node with some ten thousand routes."""
_ROUTE_KIB = 2
"""Of the heap for each route, and as much again for what grows by copying (vppinfra/pool.h)."""
_POLL_S = 0.02
_REST = "poll-sleep-usec 500"
"""VPP polls its tap, which takes a whole CPU: one of the guest's two, for each VPP. There it rests between polls."""
_LOG_TAIL_LINES = 15

_CONFIG = """\
unix {{ nodaemon nobanner {rest} log {directory}/vpp.log cli-listen {directory}/cli.sock runtime-dir {directory} }}
socksvr {{ socket-name {directory}/api.sock }}
statseg {{ socket-name {directory}/stats.sock size {stats_mib}M page-size 4K }}
memory {{ main-heap-size {heap_mib}M main-heap-page-size 4K }}
buffers {{ page-size 4K buffers-per-numa 16384 }}
cpu {{ workers 0 }}
plugins {{ plugin default {{ disable }} {plugins} }}
"""


class VppDidNotStart(Exception):
    """VPP ended or did not open its API socket in time; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class RunningVpp:
    """A VPP that answers. `process` leads the process group that is killed in the end."""

    api_socket: Path
    process: subprocess.Popen[bytes]
    directory: Path
    """vpp.log and vpp.out (its stdout and stderr) are here, also afterwards."""


def find_vpp() -> str | None:
    """The VPP to use: $HOSTLINK_VPP, or `vpp` on PATH; None when there is none."""
    named = os.environ.get("HOSTLINK_VPP")
    return shutil.which(named) if named else shutil.which("vpp")


@asynccontextmanager
async def running_vpp(
    binary: str,
    namespace: str,
    directory: Path,
    *,
    heap_mib: int = HEAP_MIB,
    plugins: Sequence[str] = (),
    deadline_s: float = 10.0,
) -> AsyncIterator[RunningVpp]:
    """Run VPP in the network namespace `namespace` with its files in `directory` (absolute); both exist.

    heap_mib: HEAP_MIB is enough for a node, `heap_mib_for` says for how many routes. plugins: more than PLUGINS.
    VppDidNotStart: not up after `deadline_s` seconds, times the lab's deadline factor.
    """
    with _process(binary, namespace, directory, configuration(directory, heap_mib, (*PLUGINS, *plugins))) as process:
        vpp = RunningVpp(directory / "api.sock", process, directory)
        await _wait_until_up(vpp, binary, namespace, deadline_s * deadline_factor())
        yield vpp


def configuration(directory: Path, heap_mib: int = 256, plugins: Sequence[str] = PLUGINS) -> str:
    """The start-up file of such a VPP."""
    enabled = " ".join(f"plugin {name}_plugin.so {{ enable }}" for name in plugins)
    rest = _REST if deadline_factor() > 1 else ""
    stats_mib = heap_mib // 8  # each route has counters there too (vnet/dpo/load_balance.c), which grow by copying
    return _CONFIG.format(directory=directory, heap_mib=heap_mib, stats_mib=stats_mib, plugins=enabled, rest=rest)


def heap_mib_for(routes: int) -> int:
    """The main heap of a VPP that is to hold so many routes. Memory is taken as it is used."""
    return HEAP_MIB + 2 * _ROUTE_KIB * routes // 1024


@contextmanager
def _process(binary: str, namespace: str, directory: Path, configuration: str) -> Iterator[subprocess.Popen[bytes]]:
    config = directory / "startup.conf"
    config.write_text(configuration)
    # Started from this thread and not by trio: the kernel's parent-death signal follows the thread that forked.
    script = 'mount -t tmpfs tmpfs /dev/shm && exec setpriv --pdeathsig KILL "$@"'  # ip netns exec unshared the mounts
    command = ["ip", "netns", "exec", namespace, "sh", "-c", script, "sh", binary, "-c", str(config)]
    with (directory / "vpp.out").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _wait_until_up(vpp: RunningVpp, binary: str, namespace: str, deadline_s: float) -> None:
    with long_work("VPP", after_s=SHOWN_AFTER_S) as work, trio.move_on_after(deadline_s):
        work.on("it starts")
        while vpp.process.poll() is None:
            if await _accepts(vpp.api_socket):
                return
            await trio.sleep(_POLL_S)
            work.still()
    code = vpp.process.poll()
    how = f"did not open its API socket within {deadline_s:g} s" if code is None else f"ended with status {code}"
    raise VppDidNotStart(f"{binary} in {namespace} {how}; the end of its log:\n{_log_tail(vpp)}")


async def _accepts(api_socket: Path) -> bool:
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM) as probe:
        try:
            await probe.connect(str(api_socket))
        except OSError:  # absent or not listening yet: what is waited for
            return False
    return True


def _log_tail(vpp: RunningVpp) -> str:
    lines: list[str] = []
    for name in ("vpp.log", "vpp.out"):
        log = vpp.directory / name
        if log.exists():
            lines += log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join(lines) or "(it wrote nothing)"
