"""Runs QEMU: its command line, the job's output as it comes, the deadline, and an end of it whatever happens.

The CPU is emulated (TCG) also where there is /dev/kvm, because that device promises nothing: in a virtual machine it
may run only kernels made for it (module kvm_pvm: Debian's hangs before its first line, or QEMU aborts). `--accel kvm`
is for machines where it works.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostlink.lab.progress import long_work
from tools.guest_vm.errors import GuestError
from tools.guest_vm.job import OUTPUT, has_started, read_status
from tools.guest_vm.kernel import Kernel

MEMORY_MIB, CPUS = 4096, 2
ACCELERATORS = {"tcg": ("tcg,thread=multi", "max"), "kvm": ("kvm", "host")}
KERNEL_OPTIONS = (
    "console=ttyS0 quiet panic=-1 random.trust_cpu=on"
    # Half of the time goes without these: every look at a clock leaves the CPU, and every page is cleared twice.
    " tsc=reliable clocksource=tsc init_on_alloc=0 mitigations=off audit=0 lsm=capability"
)
CONSOLE = "console"
_POLL_S = 0.1
_TAIL_LINES = 30


class GuestTimeout(GuestError):
    """The guest was ended at its deadline."""


@dataclass(frozen=True, slots=True)
class Guest:
    """What one guest is made of. `job` and `out` are folders of the machine that it may write to."""

    kernel: Kernel
    ramdisk: Path
    job: Path
    out: Path
    accelerator: str = "tcg"
    terminal: bool = False

    @property
    def console(self) -> Path:
        return self.job / CONSOLE


def command_line(guest: Guest) -> list[str]:
    """QEMU's arguments. The machine's root is shared read-only; the guest's changes stay in its memory."""
    accelerator, cpu = ACCELERATORS[guest.accelerator]
    serial = ["-chardev", "stdio,id=terminal,signal=off", "-serial", "chardev:terminal"] if guest.terminal else []
    return [
        *("qemu-system-x86_64", "-accel", accelerator, "-cpu", cpu, "-smp", str(CPUS), "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-kernel", str(guest.kernel.image), "-initrd", str(guest.ramdisk)),
        *("-append", KERNEL_OPTIONS),
        *_share("machine", Path("/"), "on"),
        *_share("job", guest.job, "off"),
        *_share("out", guest.out, "off"),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{guest.console}"),
        *serial,
    ]


def _share(tag: str, path: Path, readonly: str) -> Sequence[str]:
    text = str(path).replace(",", ",,")  # as QEMU's option parser quotes commas
    return (
        "-virtfs",
        f"local,path={text},mount_tag={tag},security_model=none,multidevs=remap,readonly={readonly}",
    )


def run_guest(guest: Guest, deadline_s: float) -> int:
    """Boot, run the job, write its output to stdout as it comes. Returns its exit status.

    Raises GuestTimeout, or GuestError when the guest ended without one; both with the end of its console.
    """
    ends_at = time.monotonic() + deadline_s
    with _running(guest) as process, (guest.job / OUTPUT).open("rb") as output:
        if not guest.terminal:
            _wait_started(guest, process, ends_at)
        while (ended := process.poll()) is None and time.monotonic() < ends_at:
            _pass_on(output.read())
            time.sleep(_POLL_S)
        _pass_on(output.read())
    status = read_status(guest.job)
    if status is not None:
        return status
    if ended is None:
        raise GuestTimeout(f"not done after {deadline_s:g} s, ended; its console:\n{_tail(guest.console)}")
    raise GuestError(f"ended by itself without a result (QEMU: {ended}); its console:\n{_tail(guest.console)}")


def _wait_started(guest: Guest, process: subprocess.Popen[bytes], ends_at: float) -> None:
    """Until the command begins, the guest ends, or the deadline passes."""
    with long_work("guest's boot") as work:
        work.on("the kernel, then this machine's files")
        while not has_started(guest.job) and process.poll() is None and time.monotonic() < ends_at:
            time.sleep(_POLL_S)
            work.still()


@contextmanager
def _running(guest: Guest) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU, killed at the end, and by the kernel when this process dies first (prctl(2), PR_SET_PDEATHSIG).

    With a terminal it stays in this process's group, or it could not read from it; else it has one of its own, so that
    Ctrl-C reaches only us.
    """
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command_line(guest)],
        stdin=None if guest.terminal else subprocess.DEVNULL,
        start_new_session=not guest.terminal,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM if guest.terminal else signal.SIGKILL)  # SIGTERM: the terminal is reset
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pass_on(data: bytes) -> None:
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _tail(console: Path) -> str:
    text = console.read_text(errors="replace") if console.exists() else ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(it wrote nothing)"
