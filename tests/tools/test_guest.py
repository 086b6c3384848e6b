"""tools/guest: what it asks QEMU for and gives the guest to run; and, live, a guest that boots."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tools.guest_vm import main, qemu
from tools.guest_vm.job import STATUS, boot_script, command_script, passed_on, read_status, write_job
from tools.guest_vm.kernel import Kernel, package_in
from tools.guest_vm.modules import inserted
from tools.guest_vm.qemu import Guest, command_line
from tools.guest_vm.ramdisk import Entry, archive, init_script

ROOT = Path(__file__).resolve().parents[2]
KERNEL = Kernel("6.1.0-9-amd64", Path("/cache/linux-image-6.1.0-9-amd64"))


def guest(tmp_path: Path, **more: object) -> Guest:
    return Guest(KERNEL, Path("/cache/ramdisk.gz"), tmp_path / "job", tmp_path / "a,b", **more)  # type: ignore[arg-type]


def values(argv: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(argv) if name == option]


def test_the_machines_root_is_shared_read_only_and_the_jobs_folders_are_not(tmp_path):
    shares = values(command_line(guest(tmp_path)), "-virtfs")
    assert [share.partition("path=")[2] for share in shares] == [
        "/,mount_tag=machine,security_model=none,multidevs=remap,readonly=on",
        f"{tmp_path}/job,mount_tag=job,security_model=none,multidevs=remap,readonly=off",
        f"{tmp_path}/a,,b,mount_tag=out,security_model=none,multidevs=remap,readonly=off",
    ]


def test_the_cpu_is_emulated_unless_asked_for_kvm(tmp_path):
    assert values(command_line(guest(tmp_path)), "-accel") == ["tcg,thread=multi"]
    assert values(command_line(guest(tmp_path, accelerator="kvm")), "-accel") == ["kvm"]


def test_the_console_is_a_file_and_the_terminal_a_port_of_its_own(tmp_path):
    assert values(command_line(guest(tmp_path)), "-serial") == [f"file:{tmp_path}/job/console"]
    by_terminal = command_line(guest(tmp_path, terminal=True))
    assert values(by_terminal, "-serial") == [f"file:{tmp_path}/job/console", "chardev:terminal"]


def test_the_command_gets_its_folder_its_arguments_and_the_environment_that_concerns_it():
    environment = {"HOSTLINK_VPP": "/a b/vpp", "PATH": "/bin", "SECRET": "x"}
    script = command_script(
        ["sh", "-c", 'echo "$HOSTLINK_VPP:$SECRET:$1"; pwd', "sh", "it's"], Path("/usr"), environment
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "/a b/vpp::it's\n/usr\n"


def test_what_goes_along_and_what_the_guest_adds():
    assert passed_on({"HOSTLINK_VPP": "v", "EDITOR": "e"}) == {
        "HOSTLINK_VPP": "v",
        "HOSTLINK_DEADLINE_FACTOR": "8",
        "HOSTLINK_GUEST_OUT": "/run/guest/out",
    }
    assert passed_on({"HOSTLINK_DEADLINE_FACTOR": "20"})["HOSTLINK_DEADLINE_FACTOR"] == "20"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_scripts_are_shell(terminal):
    for script in (boot_script(KERNEL, "/x y", terminal=terminal), init_script()):
        subprocess.run(["sh", "-n"], input=script.encode(), check=True)
    assert "vhost_net" in boot_script(KERNEL, "", terminal=terminal)


def test_the_status_is_none_until_the_command_has_ended(tmp_path):
    write_job(tmp_path, KERNEL, ["true"], Path("/"), {}, terminal=False)
    assert read_status(tmp_path) is None
    (tmp_path / STATUS).write_text("7\n")
    assert read_status(tmp_path) == 7


def test_the_kernel_package_and_the_modules_files_are_read_from_what_the_tools_print():
    assert package_in("linux-image-amd64\n  Depends: linux-image-6.1.0-9-amd64\n") == "linux-image-6.1.0-9-amd64"
    assert package_in("") is None
    assert inserted("builtin ext4\ninsmod /l/a.ko \ninsmod /l/b.ko x=1\n") == [Path("/l/a.ko"), Path("/l/b.ko")]


@pytest.mark.skipif(shutil.which("busybox") is None, reason="no busybox here to read the archive with")
def test_the_ram_disk_is_an_archive_that_cpio_reads(tmp_path):
    made = archive(
        [Entry("bin", 0o040755), Entry("bin/init", 0o100755, b"#!/bin/sh\n"), Entry("odd", 0o100644, b"abc")]
    )
    listed = subprocess.run(["busybox", "cpio", "-id"], input=made, cwd=tmp_path, capture_output=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert (tmp_path / "bin/init").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "bin/init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "odd").read_bytes() == b"abc"


class Pretended:
    """In place of QEMU: a shell script that does what a guest does to its job's folder."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        self.guest = guest(tmp_path)
        self.guest.job.mkdir()
        (self.guest.job / "output").touch()
        path = tmp_path / "bin" / "qemu-system-x86_64"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\ncd {self.guest.job}\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")


def test_output_comes_through_and_the_status_is_the_commands(tmp_path, monkeypatch, capfdbinary):
    pretended = Pretended(tmp_path, monkeypatch, "echo one >>output; sleep 0.3; echo two >>output; echo 3 >status")
    assert qemu.run_guest(pretended.guest, 10) == 3
    assert capfdbinary.readouterr().out == b"one\ntwo\n"


def test_a_guest_that_ends_without_a_status_is_told_with_its_console(tmp_path, monkeypatch):
    pretended = Pretended(tmp_path, monkeypatch, "echo Kernel panic >console")
    with pytest.raises(qemu.GuestError, match=r"(?s)ended by itself without a result \(QEMU: 0\).*Kernel panic"):
        qemu.run_guest(pretended.guest, 10)


def test_a_guest_that_hangs_is_ended_at_its_deadline(tmp_path, monkeypatch):
    pretended = Pretended(tmp_path, monkeypatch, "echo $$ >pid; echo stuck >console; exec sleep 100")
    with pytest.raises(qemu.GuestTimeout, match=r"(?s)not done after 0\.5 s.*stuck"):
        qemu.run_guest(pretended.guest, 0.5)
    assert not Path("/proc", (pretended.guest.job / "pid").read_text().strip()).exists()


def test_without_a_command_and_a_terminal_it_says_what_it_wants(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main.main([]) == 64
    assert "say which command" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ a guest indeed

BOOTS = [pytest.mark.live, pytest.mark.timeout(600)]


def run_in_guest(*command: str, out: Path | None = None) -> subprocess.CompletedProcess[str]:
    options = ["--deadline", "300", *(["--out", str(out)] if out else [])]
    argv = [str(ROOT / "tools/guest"), *options, "--", *command]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


class TestGuest:
    pytestmark = BOOTS

    def test_it_has_what_vpps_tap_needs_and_this_machines_files_and_keeps_only_the_results(self, tmp_path):
        seen = f"cat {Path(__file__).relative_to(ROOT)} | wc -l; ip netns add a && ip -n a link | grep -c mtu"
        script = (
            f"test -c /dev/vhost-net || exit 9; {seen}; touch {tmp_path}/x; echo kept >$HOSTLINK_GUEST_OUT/y; exit 7"
        )
        done = run_in_guest("sh", "-c", script, out=tmp_path / "out")
        assert done.returncode == 7, done.stderr
        assert done.stdout.split() == [str(len(Path(__file__).read_text().splitlines())), "1"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert (tmp_path / "out/y").read_text() == "kept\n"

    def test_no_qemu_stays_behind_one_that_is_killed(self):
        argv = [str(ROOT / "tools/guest"), "--", "sh", "-c", "echo up; sleep 1000"]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True) as starter:
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"up\n"
            (child,) = children_of(starter.pid)
            os.kill(starter.pid, signal.SIGKILL)
            ends_at = time.monotonic() + 10
            while Path(f"/proc/{child}").exists() and time.monotonic() < ends_at:
                time.sleep(0.05)
            assert not Path(f"/proc/{child}").exists()


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
