"""tools/guest: a command in a throwaway virtual machine that has /dev/vhost-net, and this machine's user land.

The command sees this machine's files under the same paths; what it writes is gone with the guest, but for what it puts
into $HOSTLINK_GUEST_OUT (--out). Its stdout and stderr come together, as they are written. HOSTLINK_* variables go
along; $HOSTLINK_DEADLINE_FACTOR is 8 there unless set, because the CPU is emulated.

exit status: the command's own; 124 when the deadline passed, 125 when the guest itself failed, 130 when interrupted.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.guest_vm.errors import GuestError
from tools.guest_vm.job import write_job
from tools.guest_vm.kernel import Kernel, cache_folder, get_kernel
from tools.guest_vm.qemu import ACCELERATORS, Guest, GuestTimeout, run_guest
from tools.guest_vm.ramdisk import get_ramdisk

USAGE, TIMED_OUT, FAILED, INTERRUPTED = 64, 124, 125, 130
DEADLINE_S = 1800.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    command: list[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
    by_terminal = not command
    if by_terminal and not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.print_usage(sys.stderr)
        print("guest: say which command, or start it from a terminal for a shell", file=sys.stderr)
        return USAGE
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        return _run(command or [os.environ.get("SHELL", "/bin/sh")], options, by_terminal)
    except GuestError as error:
        print(f"guest: {error}", file=sys.stderr)
        return TIMED_OUT if isinstance(error, GuestTimeout) else FAILED
    except KeyboardInterrupt:
        print("guest: interrupted; it was ended", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/guest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deadline", type=float, metavar="SECONDS", help="end it then (30 minutes; a shell: never)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="what the guest sees as $HOSTLINK_GUEST_OUT")
    parser.add_argument("--accel", choices=tuple(ACCELERATORS), default="tcg", help="how the CPU is made (tcg)")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    return parser


def _interrupted(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _run(command: Sequence[str], options: argparse.Namespace, terminal: bool) -> int:
    kernel, ramdisk = _parts()
    deadline_s = options.deadline or (float("inf") if terminal else DEADLINE_S)
    with tempfile.TemporaryDirectory(prefix="hl-guest-") as folder:
        job, out = Path(folder, "job"), (options.out or Path(folder, "out")).absolute()
        job.mkdir()
        out.mkdir(parents=True, exist_ok=True)
        write_job(job, kernel, command, Path.cwd(), os.environ, terminal=terminal)
        return run_guest(Guest(kernel, ramdisk, job, out, options.accel, terminal), deadline_s)


def _parts() -> tuple[Kernel, Path]:
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        kernel = get_kernel(cache)
        return kernel, get_ramdisk(kernel)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One maker at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
