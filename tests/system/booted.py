"""A node with a real systemd as its service manager, which runs hostlink by the units of contrib/systemd as they are.

systemd is process 1 of namespaces of its own (PID, mount, cgroup, IPC, UTS; the network is the lab's host), with a
control group of its own below the machine's. It knows only the units given here: none of the machine's is ever started,
and nothing of the machine's file system is written. The last of it goes when whoever started it does.

What the machine must have is a control group file system of version 2 that can be written; `why_none` says what lacks.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import NAMESPACES
from hostlink.lab.real_vpp import configuration, find_vpp
from hostlink.lab.stage import Stage, StageError

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "contrib/systemd"
UNPACKED = ROOT / ".venv/debian"
_SYSTEMD = UNPACKED / "lib/systemd/systemd"
_LIBRARIES = ":".join(str(UNPACKED / "usr/lib/x86_64-linux-gnu" / folder) for folder in ("systemd", ""))
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TARGETS = ("basic", "multi-user", "network-pre", "shutdown", "sysinit", "umount", "local-fs")
"""Which a node has by other units, and the test by these empty ones."""

_OUTSIDE = """
group=$1 network=$2 inside=$3
mkdir "$group"
enter=(nsenter --net="$network" unshare --pid --fork --kill-child --mount --cgroup --uts --ipc)
(echo $BASHPID >"$group/cgroup.procs"
 exec "${enter[@]}" bash -ec "$inside" </dev/null) &
cat >/dev/null                       # until whoever started this lets go, or is gone
kill -KILL $! 2>/dev/null
wait
for _ in $(seq 100); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -e "$group" ] || break
    sleep 0.1
done
"""
_INSIDE = """
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs {boot}
mkdir {boot}/run {boot}/etc {boot}/etc-work {boot}/generators
mount -t tmpfs tmpfs {boot}/run
mkdir {boot}/run/netns {boot}/run/hostlink
touch {boot}/run/netns/{host}
mount --bind {network} {boot}/run/netns/{host}
mount -t tmpfs tmpfs /dev/shm        # VPP leaves 20 MB there when it is killed
mount --bind {runtime} {boot}/run/hostlink
mount --no-mtab --move {boot}/run /run
mount -t overlay overlay -o lowerdir=/etc,upperdir={boot}/etc,workdir={boot}/etc-work /etc
mkdir -p /etc/hostlink
cp {config} /etc/hostlink/hostlink.toml
mkdir -p /etc/systemd
mount -t tmpfs tmpfs /etc/systemd
echo {machine} >/etc/machine-id
mount -t tmpfs tmpfs /var/lib
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export container=lab LD_LIBRARY_PATH={libraries} SYSTEMD_UNIT_PATH={units} SYSTEMD_GENERATOR_PATH={boot}/generators
exec {systemd} --system --unit=basic.target --log-target=null --show-status=no
"""
_SERVICE = """
[Service]
Environment=PATH={path}
# The folders of the test are where the units let nobody look.
BindPaths={directory}
BindReadOnlyPaths={needed}
{home}
"""
_TO_FILE = """
[Service]
StandardOutput=append:{log}
StandardError=append:{log}
"""
_JOURNALD = {
    "systemd-journald.socket": """
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/systemd/journal/stdout
ListenDatagram=/run/systemd/journal/socket
PassCredentials=yes
PassSecurity=yes
""",
    "systemd-journald.service": f"""
[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket
After=systemd-journald.socket
[Service]
Type=notify
Sockets=systemd-journald.socket
Environment=LD_LIBRARY_PATH={_LIBRARIES}
ExecStart={UNPACKED}/lib/systemd/systemd-journald
StandardOutput=null
FileDescriptorStoreMax=100
""",
}


def why_none() -> str | None:
    """Why systemd cannot be process 1 of anything here, or None."""
    if not _SYSTEMD.exists():
        return f"no {_SYSTEMD.relative_to(ROOT)}: tools/setup.sh unpacks it"
    return None if _groups() is not None else "no control group file system of version 2 that can be written"


def _groups() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(where)
    return None


@dataclass(frozen=True, slots=True)
class Systemd:
    """A node. `pid`: of its process 1, outside. `commands`: what is first on its PATH."""

    pid: int
    commands: Path

    @property
    def root(self) -> Path:
        """Its file system."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def settings(self) -> Path:
        return self.root / "etc/hostlink/hostlink.toml"

    def shell(self, command: str) -> list[str]:
        """What runs a line of shell there."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net"]
        return [*enter, "env", f"PATH={self.commands}:{_PATH}", "sh", "-c", command]

    async def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A line of shell, whatever it exits with."""
        done = await trio.run_process(self.shell(command), capture_stdout=True, capture_stderr=True, check=False)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    async def ctl(self, command: str, *, check: bool = True) -> str:
        """What `systemctl` says. Raises StageError where it fails."""
        done = await self.run(f"systemctl {command}")
        text = (done.stdout + done.stderr).strip()
        if check and done.returncode:
            raise StageError(f"systemctl {command}: exit {done.returncode}: {text}")
        return text

    async def show(self, unit: str, what: str) -> str:
        """One property of a unit."""
        return await self.ctl(f"show --value --property {what} {unit}")


@asynccontextmanager
async def booted(
    stage: Stage, drop_ins: Mapping[str, str] | None = None, *, journald: bool = False
) -> AsyncIterator[Systemd]:
    """systemd for the length of the block, with hostlink's units and VPP's, and no unit started.

    drop_ins: more of units, by their name. What they say goes to the stage's daemon.log and guard.log, or to a journal
    of the node's own. The stage's own VPP, which no unit has started, is ended.
    """
    groups = _groups()
    assert groups is not None, why_none()
    stage.kill_vpp()
    stage.api_socket.unlink(missing_ok=True)
    _write_units(stage, drop_ins or {}, journald=journald)
    _write_commands(stage)
    inside = _INSIDE.format_map(_places(stage))
    group = groups / f"hl-{uuid.uuid4().hex[:12]}"
    argv = ["bash", "-c", _OUTSIDE, "bash", str(group), str(NAMESPACES / stage.lab.host), inside]
    said = stage.directory / "boot.log"
    process = _start(argv, said)
    try:
        systemd = await _answering(process.pid, stage.directory / "bin", said)
        if journald:
            await systemd.ctl("start systemd-journald")
        yield systemd
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.wait)


def _start(argv: list[str], said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, bufsize=0)


def _places(stage: Stage) -> dict[str, str]:
    found = {
        "boot": stage.directory / "boot",
        "runtime": stage.runtime,
        "config": stage.directory / "node.toml",
        "units": stage.directory / "units",
        "machine": Path(uuid.uuid4().hex),
        "host": Path(stage.lab.host),
        "network": NAMESPACES / stage.lab.host,
    }
    for name in ("boot", "runtime"):
        found[name].mkdir(exist_ok=True)
    journal = stage.directory / "journal"
    places = {stage.lab.vpp: "vpp", found["runtime"]: "/run/hostlink", journal: "/var/lib/hostlink"}
    text = stage.config.read_text()
    for there, usual in places.items():
        text = text.replace(f'"{there}"', f'"{usual}"')
    found["config"].write_text(text)
    quoted = {name: shlex.quote(str(path)) for name, path in found.items()}
    return {**quoted, "libraries": shlex.quote(_LIBRARIES), "systemd": shlex.quote(str(_SYSTEMD))}


def _write_units(stage: Stage, drop_ins: Mapping[str, str], *, journald: bool) -> None:
    folder = stage.directory / "units"
    shutil.copytree(UNITS, folder)
    for target in _TARGETS:
        (folder / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    python = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    needed = " ".join(str(path) for path in python if not path.is_relative_to("/usr"))
    at_home = any(path.is_relative_to(home) for path in python for home in ("/root", "/home"))
    home = "ProtectHome=tmpfs" if at_home else ""
    for unit in ("hostlink", "hostlink-guard", "hostlink-boot"):
        log = stage.directory / ("guard.log" if unit.endswith("guard") else "daemon.log")
        words = {
            "path": f"{stage.directory / 'bin'}:{_PATH}",
            "directory": stage.directory,
            "needed": needed,
            "home": home,
        }
        _drop_in(folder, f"{unit}.service", "test", _SERVICE.format_map(words))
        if not journald:
            _drop_in(folder, f"{unit}.service", "log", _TO_FILE.format(log=log))
    for unit, text in _JOURNALD.items() if journald else ():
        (folder / unit).write_text(text)
    (folder / "vpp.service").write_text(f"[Service]\nExecStart={_vpp(stage)}\nRestart=always\nRestartSec=100ms\n")
    for unit, text in drop_ins.items():
        _drop_in(folder, unit, "scenario", text)


def _vpp(stage: Stage) -> str:
    """The command of its vpp.service, which a drop-in of hostlink's has run in the namespace "vpp"."""
    binary = find_vpp()
    if stage.dataplane.real and binary is not None:
        startup = stage.directory / "startup.conf"
        startup.write_text(configuration(stage.directory))
        return f"{binary} -c {startup}"
    return f"env PYTHONPATH={ROOT} {sys.executable} -m hostlink.lab.standin --api-socket {stage.api_socket}"


def _drop_in(folder: Path, unit: str, name: str, text: str) -> None:
    place = folder / f"{unit}.d"
    place.mkdir(exist_ok=True)
    (place / f"{name}.conf").write_text(text)


def _write_commands(stage: Stage) -> None:
    """What a node has on PATH."""
    folder = stage.directory / "bin"
    folder.mkdir()
    python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m hostlink"
    commands = {"hostlink": python}
    for name in ("systemctl", "journalctl"):
        program = shlex.quote(str(UNPACKED / "bin" / name))
        commands[name] = f"LD_LIBRARY_PATH={shlex.quote(_LIBRARIES)} exec {program}"
    for name, text in commands.items():
        (folder / name).write_text(f'#!/bin/sh\n{text} "$@"\n')
        (folder / name).chmod(0o755)


async def _answering(parent: int, commands: Path, log: Path) -> Systemd:
    """Once its process 1 takes commands. Raises StageError."""
    with trio.move_on_after(20 * deadline_factor()):
        while True:
            found = _process_one(parent)
            if found is not None and await _runs(systemd := Systemd(found, commands)):
                return systemd
            await trio.sleep(0.05)
    raise StageError(f"systemd did not come up:\n{await trio.Path(log).read_text()}")


async def _runs(systemd: Systemd) -> bool:
    return await systemd.ctl("is-system-running", check=False) in ("running", "degraded")


def _process_one(parent: int) -> int | None:
    """The first process below that one that is called systemd."""
    waiting = [parent]
    while waiting:
        pid = waiting.pop()
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:
            continue
    return None
