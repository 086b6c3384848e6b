"""The guard: what it decides, that it decides anew under the lock, and whom it ends. With a clock of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from hostlink.clock import boot_id
from hostlink.config import Config, Match, Paths, Timing, UplinkConfig, VppConfig
from hostlink.core.model import Address, Capture, HostView, Link, Problem
from hostlink.ending import end_daemon, holds
from hostlink.guard import Guard, accepts
from hostlink.held import failed_hold, held, keep, operators_hold, read_all
from hostlink.journal import Confirm, Glance, Journal, Parking, Phase, Takeover, journal_for
from hostlink.judging import Patience, Seen, Verdict, judge
from hostlink.lock import DAEMON, GUARD_LOCK_NAME, LockedError, acquire_lock, holder_of, is_locked

ROOT = Path(__file__).parents[1]
VIEW = HostView(Link("eth0", 3, "52:54:00:40:46:8e", 1500), (Address(IPv4Interface("192.168.0.1/24")),), ())
TAKEOVER = Takeover(Capture("eth0", VIEW), VIEW, "af_packet", "tap", Parking("vpp", "eth0"), boot_id=boot_id())
ARMED = replace(TAKEOVER, confirm=Confirm(by_s=100.0))
PROVED = replace(TAKEOVER, phase=Phase.PROVED)


# ---------------------------------------------------------------------------------------------------------- judgements

PATIENCE = Patience(daemon_s=10, give_back_s=60, guard_s=30, vpp_s=7)
UNCONFIRMED = Seen(Glance("eth0", Phase.TAKEN, "here", Confirm(100.0)), "here", 0.0, None, None, None)
SERVED = replace(UNCONFIRMED, glance=replace(UNCONFIRMED.glance, phase=Phase.PROVED, confirm=None))
AGAIN = replace(UNCONFIRMED, glance=replace(UNCONFIRMED.glance, phase=Phase.PROVED))
GONE = {"daemon_gone_s": 30.0}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (replace(UNCONFIRMED, now_s=109.9), Verdict.WAIT),
        (replace(UNCONFIRMED, now_s=110.0), Verdict.UNCONFIRMED),
        (replace(UNCONFIRMED, now_s=99.9, daemon_gone_s=20.0), Verdict.WAIT),
        (replace(UNCONFIRMED, now_s=100.0, daemon_gone_s=0.0), Verdict.UNCONFIRMED),
        (replace(UNCONFIRMED, now_s=9e9, boot_id="elsewhere", **GONE), Verdict.WAIT),
        # The daemon has said that it gives back, and is on it.
        (replace(UNCONFIRMED, now_s=9e9, held_s=59.0), Verdict.WAIT),
        (replace(UNCONFIRMED, now_s=9e9, held_s=60.0), Verdict.UNFINISHED),
        # A takeover that was proved before may be waiting for VPP, which was lost again since.
        (replace(AGAIN, now_s=116.9), Verdict.WAIT),
        (replace(AGAIN, now_s=117.0), Verdict.UNCONFIRMED),
        # A confirmed one: whatever a daemon that runs does with it.
        (replace(SERVED, now_s=9e9), Verdict.WAIT),
        (replace(SERVED, now_s=9e9, held_s=9e9), Verdict.WAIT),
        # A daemon that is gone may have been killed in the middle of its give-back.
        (replace(SERVED, held_s=9e9, daemon_gone_s=29.9), Verdict.WAIT),
        (replace(SERVED, held_s=9e9, **GONE), Verdict.UNFINISHED),
        # VPP forwards on without a daemon.
        (replace(SERVED, **GONE), Verdict.WAIT),
        (replace(SERVED, vpp_gone_s=6.9, **GONE), Verdict.WAIT),
        (replace(SERVED, vpp_gone_s=7.0, **GONE), Verdict.ORPHANED),
        (replace(SERVED, vpp_gone_s=9e9, daemon_gone_s=29.9), Verdict.WAIT),
        (replace(UNCONFIRMED, vpp_gone_s=6.9, **GONE), Verdict.WAIT),
        (replace(UNCONFIRMED, vpp_gone_s=7.0, **GONE), Verdict.UNCONFIRMED),
    ],
)
def test_what_is_decided(seen: Seen, verdict: Verdict) -> None:
    assert judge(seen, PATIENCE) is verdict


# ------------------------------------------------------------------------------------------------ the guard at its work


@dataclass
class Node:
    """A runtime folder, a journal, a clock, and what the guard gave back."""

    folder: Path
    now_s: float = 0.0
    given_back: list[Takeover] = field(default_factory=list)
    on_give_back: Callable[[Takeover], bool] = lambda _: True

    def __post_init__(self) -> None:
        (self.folder / "run").mkdir()
        self.config = Config(
            (UplinkConfig(Match(name="eth0")),),
            VppConfig(self.folder / "api.sock", grace_s=7),
            Paths(self.folder / "run", self.folder / "journal"),
            timing=Timing(guard_s=30),
        )
        self.guard = Guard(self.config, lambda: self.now_s, self.give_back)

    @property
    def journal(self) -> Journal:
        return journal_for(self.folder / "journal", "eth0")

    def give_back(self, _: Config, takeover: Takeover) -> bool:
        assert is_locked(self.folder / "run"), "without the lock"
        self.given_back.append(takeover)
        done = self.on_give_back(takeover)
        if done:
            self.journal.discard()
        return done

    def look_at(self, now_s: float) -> None:
        self.now_s = now_s
        self.guard.look()

    @property
    def held_for(self) -> list[str | None]:
        return [one.code for one in read_all(self.folder / "journal")]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_an_unconfirmed_takeover_without_a_daemon_is_given_back_at_its_time_and_held(node: Node) -> None:
    written = node.journal.write(ARMED)
    with listening(node.folder / "api.sock"):
        node.look_at(0)
        node.look_at(99.9)
        assert node.given_back == []
        node.look_at(100)
    assert node.given_back == [written]
    assert node.held_for == ["HL-413"]
    node.look_at(200)
    assert len(node.given_back) == 1


def test_one_that_was_confirmed_in_time_is_left(node: Node) -> None:
    node.journal.write(replace(node.journal.write(ARMED), phase=Phase.PROVED, confirm=None))
    with listening(node.folder / "api.sock"):
        for now_s in (0, 100, 1000):
            node.look_at(now_s)
    assert node.given_back == []
    assert node.held_for == []


def test_what_was_confirmed_between_the_look_and_the_lock_is_left(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    """F48: never on an old journal, whatever the glance had said."""
    written = node.journal.write(ARMED)
    node.look_at(0)
    glance = node.journal.glance()
    node.journal.write(replace(written, phase=Phase.PROVED, confirm=None))
    watched = node.guard._watched[node.journal.path]
    status = node.journal.path.stat()
    watched.glance, watched.stamp = glance, (status.st_ino, status.st_mtime_ns, status.st_size)
    with listening(node.folder / "api.sock"):
        node.look_at(100)
    assert "nothing is done" in capsys.readouterr().err
    assert node.given_back == []
    assert node.held_for == []


def test_another_takeover_has_a_time_of_its_own(node: Node) -> None:
    node.journal.write(ARMED)
    node.look_at(0)
    node.journal.discard()
    node.journal.write(replace(ARMED, confirm=Confirm(500.0)))
    with listening(node.folder / "api.sock"):
        node.look_at(100)
    assert node.given_back == []


def test_whoever_works_by_hand_is_waited_for(node: Node) -> None:
    """F10: `release` and the guard never act at the same time."""
    node.journal.write(ARMED)
    with acquire_lock(node.folder / "run"):
        node.look_at(100)
        node.look_at(200)
        assert node.given_back == []
    node.look_at(300)
    assert len(node.given_back) == 1


def test_what_the_daemon_has_said_of_the_failure_stays(node: Node) -> None:
    node.journal.write(ARMED)
    keep(node.folder / "journal", held("eth0", failed_hold(Problem("HL-407", "silent"))))
    node.look_at(100)
    assert len(node.given_back) == 1
    assert node.held_for == ["HL-407"]


def test_a_give_back_that_a_dead_daemon_had_begun_is_ended(node: Node) -> None:
    node.journal.write(PROVED)
    keep(node.folder / "journal", held("eth0", operators_hold()))
    with listening(node.folder / "api.sock"):
        node.look_at(0)
        node.look_at(29.9)
        assert node.given_back == []
        node.look_at(30)
    assert len(node.given_back) == 1
    assert [one.kind.value for one in read_all(node.folder / "journal")] == ["operator"]


def test_nobody_serves_the_host_so_it_goes_home_and_is_not_held(node: Node) -> None:
    node.journal.write(PROVED)
    with listening(node.folder / "api.sock"):
        node.look_at(0)
        node.look_at(40)
    node.look_at(41)
    node.look_at(47.9)
    assert node.given_back == [], "VPP has its own grace"
    node.look_at(48)
    assert len(node.given_back) == 1
    assert node.held_for == []


def test_a_daemon_that_comes_back_begins_the_waiting_anew(node: Node) -> None:
    node.journal.write(PROVED)
    node.look_at(0)
    with acquire_lock(node.folder / "run", DAEMON):
        node.look_at(29)
    node.look_at(30)
    node.look_at(59)
    assert node.given_back == []
    node.look_at(60)
    assert len(node.given_back) == 1


def test_a_give_back_that_fails_is_tried_again_later_and_later(node: Node) -> None:
    node.on_give_back = lambda _: False
    node.journal.write(ARMED)
    tried = []
    for now_s in range(100, 200):
        before = len(node.given_back)
        node.look_at(now_s)
        tried += [now_s] * (len(node.given_back) - before)
    assert tried == [100, 102, 106, 114, 130, 162]


def test_a_journal_that_is_damaged_is_told_once_and_left(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.journal.write(ARMED)
    node.journal.path.write_text("{")
    node.look_at(100)
    node.look_at(101)
    assert capsys.readouterr().err.count("HL-501") == 1
    assert node.given_back == []


def test_one_guard_at_a_time_and_all_can_see_it(node: Node) -> None:
    assert not is_locked(node.folder / "run", GUARD_LOCK_NAME)
    node.look_at(0)
    assert is_locked(node.folder / "run", GUARD_LOCK_NAME)
    with pytest.raises(LockedError):
        Guard(node.config).look()
    (node.folder / "run" / GUARD_LOCK_NAME).unlink()  # a runtime folder that was made anew
    node.look_at(1)
    assert is_locked(node.folder / "run", GUARD_LOCK_NAME)


def test_an_idle_guard_loads_nothing_of_vpp_or_of_the_machine(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hostlink.config import *; from hostlink.guard import Guard;"
        f"Guard(Config((), paths=Paths(Path({str(tmp_path)!r}), Path({str(tmp_path)!r})))).look();"
        "print([m for m in sys.modules if m in ('trio', 'pyroute2', 'vpp_papi', 'transitions', 'rich')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---------------------------------------------------------------------------------------------------- ending a daemon

DAEMON_PROGRAM = """
import signal, sys, time
from pathlib import Path
from hostlink.lock import acquire_lock
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[2] == "stopped":  # as the daemon does; the kernel ends what has no handler even while it is stopped
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lock = acquire_lock(Path(sys.argv[1]), sys.argv[3])
print("held", flush=True)
time.sleep(100)
"""


@dataclass
class Started:
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, hearing: str = "", role: str = DAEMON) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", DAEMON_PROGRAM, str(self.folder), hearing, role]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    for process in started.processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_daemon_that_hears_is_asked(tmp_path: Path, started: Started) -> None:
    daemon = started()
    assert end_daemon(tmp_path, 5, lambda: pytest.fail("it has ended"))
    assert daemon.wait() == -signal.SIGTERM


@pytest.mark.parametrize("how", ["deaf", "stopped"])
def test_a_daemon_that_does_not_hear_is_killed(tmp_path: Path, started: Started, how: str) -> None:
    daemon = started(how)
    if how == "stopped":
        daemon.send_signal(signal.SIGSTOP)
    assert end_daemon(tmp_path, 0.2, lambda: True)
    assert daemon.wait() == -signal.SIGKILL


def test_a_daemon_that_has_got_on_meanwhile_is_not_killed(tmp_path: Path, started: Started) -> None:
    daemon = started("deaf")
    assert not end_daemon(tmp_path, 0.1, lambda: False)
    assert daemon.poll() is None


def test_who_works_by_hand_is_not_ended(tmp_path: Path, started: Started) -> None:
    by_hand = started(role="")
    assert not end_daemon(tmp_path, 0.1, lambda: True)
    assert by_hand.poll() is None


def test_a_process_that_has_only_the_number_is_not_ended(tmp_path: Path, started: Started) -> None:
    """The daemon died, its line stayed in the lock, and its number is another's by now."""
    other = started(role="")
    (tmp_path / "elsewhere").mkdir()
    with acquire_lock(tmp_path / "elsewhere", DAEMON):
        (tmp_path / "elsewhere" / "lock").write_text(f"{other.pid} daemon\n")
        holder = holder_of(tmp_path / "elsewhere")
        assert holder is not None
        assert (holder.pid, holder.role) == (other.pid, DAEMON)
        assert not end_daemon(tmp_path / "elsewhere", 0.1, lambda: True)
    assert other.poll() is None
    assert holds(other.pid, tmp_path / "lock")
    assert not holds(os.getpid(), tmp_path / "lock")


def test_a_holder_that_is_gone_is_gone(tmp_path: Path, started: Started) -> None:
    assert not end_daemon(tmp_path, 0.1, lambda: True), "nobody ever was there"
    daemon = started()
    daemon.kill()
    daemon.wait()
    assert end_daemon(tmp_path, 0.1, lambda: True)


# --------------------------------------------------------------------------------------------------------- VPP's socket


class listening:
    """A socket that accepts, for the length of the block."""

    def __init__(self, path: Path, backlog: int = 100) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen(backlog)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_who_accepts(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    assert not accepts(path)
    with listening(path):
        assert accepts(path)
    assert not accepts(path), "its file is there, and nobody listens"
    path.unlink()
    with listening(path, 0), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
        first.connect(str(path))
        assert not accepts(path), "its queue is full: it hangs"
