"""What the guest runs: a folder shared with it, for the scripts, and in the end the output and the exit status."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from hostlink.lab.factor import VARIABLE as FACTOR
from tools.guest_vm.kernel import Kernel
from tools.guest_vm.modules import NEEDED, WANTED

JOB, OUT = "/run/guest/job", "/run/guest/out"
"""Where the guest has its shares (init.sh)."""
OUTPUT, STATUS, STARTED = "output", "status", "started"
OUT_VARIABLE = "HOSTLINK_GUEST_OUT"
"""Tells the command where to put what shall be left of it."""
SLOWER = "8"
"""The deadline factor of an emulated CPU, unless the caller's environment has one."""
_KEPT = ("PATH", "HOME", "LANG", "TERM", "SHELL", "USER", "VIRTUAL_ENV", "CI", "PYTEST_ADDOPTS")

_BOOT = """\
# Process 1 of the guest, on the machine's user land.
export PATH={path}
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
hostname guest
mkdir -p /lib/modules/{release}
mount --bind {modules} /lib/modules/{release}
for module in {needed}; do
    modprobe "$module" || echo "guest: $module is missing"
done
# Else every new namespace has a gre0, a sit0 and more from the start (Documentation/admin-guide/sysctl/net.rst).
echo 1 >/proc/sys/net/core/fb_tunnels_only_for_init_net
modprobe -a -q {wanted} 2>/dev/null
ip link set lo up
touch {job}/{started}
{run}
echo $? >{job}/{status}.new
mv {job}/{status}.new {job}/{status}
sync
echo o >/proc/sysrq-trigger
sleep 60
"""
_QUIET = "setsid sh {job}/command </dev/null >{job}/{output} 2>&1"
_BY_TERMINAL = "setsid -c sh {job}/command </dev/ttyS1 >/dev/ttyS1 2>&1"


def write_job(
    folder: Path, kernel: Kernel, command: Sequence[str], cwd: Path, environment: Mapping[str, str], *, terminal: bool
) -> None:
    """Fill the folder that is shared with the guest as `job`."""
    (folder / OUTPUT).touch()
    (folder / "boot").write_text(boot_script(kernel, environment.get("PATH", ""), terminal=terminal))
    (folder / "command").write_text(command_script(command, cwd, environment))


def boot_script(kernel: Kernel, path: str, *, terminal: bool) -> str:
    """Readies the guest, runs the command, leaves its status, and switches off."""
    run = (_BY_TERMINAL if terminal else _QUIET).format(job=JOB, output=OUTPUT)
    return _BOOT.format(
        path=shlex.quote(f"{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        release=kernel.release,
        modules=shlex.quote(str(kernel.modules)),
        needed=" ".join(NEEDED),
        wanted=" ".join(WANTED),
        run=run,
        started=STARTED,
        job=JOB,
        status=STATUS,
    )


def command_script(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> str:
    """The command in its working directory, with the part of the environment that goes along."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in passed_on(environment).items())
    return f"{exports}cd {shlex.quote(str(cwd))} || exit 125\nexec {shlex.join(command)}\n"


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What the guest's command gets of the caller's environment: HOSTLINK_* and a few more, and what is the guest's."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.startswith("HOSTLINK_")}
    return {FACTOR: SLOWER, **kept, OUT_VARIABLE: OUT}


def has_started(folder: Path) -> bool:
    """Whether the guest has come as far as the command."""
    return (folder / STARTED).exists() or (folder / OUTPUT).stat().st_size > 0


def read_status(folder: Path) -> int | None:
    """The command's exit status, or None when the guest ended without one."""
    try:
        return int((folder / STATUS).read_text())
    except (FileNotFoundError, ValueError):
        return None
