"""The guard: gives the NIC back when the daemon cannot. A process of its own unit, which no stop of the daemon ends.

It works from the journals alone. Two cases are its own (hostlink/judging.py): a takeover that was not confirmed in
time, because the daemon is hung, gone, or has a bug; and one that neither the daemon nor VPP serves any more. It looks
every moment, reads a journal only when that has changed, and what a give-back needs is loaded as soon as there is a
takeover, so that it does not depend on the disk when it is needed.

Before it acts it takes the node's lock. A daemon that holds it is ended; anybody else (`hostlink release`) is waited
for. Then it reads the journal anew, whole and proved by its checksum, and judges again: so it acts on what is there
under the lock, and never on old news, however many generations of the journal lie between.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from hostlink import held, log
from hostlink.clock import boot_id, boottime_s
from hostlink.config import Config
from hostlink.ending import end_daemon
from hostlink.journal import Glance, Journal, JournalError, Takeover, journals_in
from hostlink.judging import Patience, Seen, Verdict, judge
from hostlink.lock import GUARD, GUARD_LOCK_NAME, Lock, LockedError, acquire_lock, is_locked
from hostlink.problems import problem

LOOK_EVERY_S = 0.5
DAEMON_S = 10.0
"""A daemon that is not confirmed needs some moments to give back: 5 s of them for a VPP that hangs."""
GIVE_BACK_S = 60.0
"""As long as the machine gives it (states/uplink.toml)."""
TERM_S = 5.0
"""From SIGTERM to SIGKILL."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""Between two tries of a give-back that fails."""

GiveBack = Callable[[Config, Takeover], bool]
"""Gives one back under the lock; whether that was done."""


def run_guard(config: Config) -> int:
    """Until it is killed. Returns the exit status where it cannot begin."""
    from hostlink.kernel.privilege import missing_capabilities

    missing = missing_capabilities()
    if missing:
        say(f"HL-101: not enough rights: {', '.join(missing)} missing")
        return 1
    try:
        guard = Guard(config)
        while True:
            guard.look()
            time.sleep(LOOK_EVERY_S)
    except LockedError as error:
        say(f"another guard runs: {error}")
    except OSError as error:
        say(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")
    return 1


def say(text: str) -> None:
    log.say(log.Entry(f"guard: {text}", priority=log.NOTICE))


@dataclass(slots=True)
class _Watched:
    """One journal, as it was read last."""

    stamp: tuple[int, int, int] | None = None
    glance: Glance | None = None
    tries: int = 0
    not_before_s: float = 0.0


@dataclass(slots=True)
class Guard:
    """clock: CLOCK_BOOTTIME. give_back: what it does under the lock. Raises LockedError, OSError."""

    config: Config
    clock: Callable[[], float] = boottime_s
    give_back: GiveBack | None = None
    _lock: Lock | None = field(default=None, init=False)
    _lock_inode: int = field(default=0, init=False)
    _watched: dict[Path, _Watched] = field(default_factory=dict, init=False)
    _daemon_gone_since_s: float | None = field(default=None, init=False)
    _vpp_gone_since_s: float | None = field(default=None, init=False)

    def look(self) -> None:
        """Look at everything once, and act where that is due."""
        self._be_seen()
        journals = journals_in(self.config.paths.journal)
        if not journals:
            self._watched.clear()
            self._daemon_gone_since_s = self._vpp_gone_since_s = None
            return
        if self.give_back is None:
            from hostlink.offline import give_back_blocking

            self.give_back = give_back_blocking
        self._look_for_daemon()
        for journal in journals:
            for seen in self._seen(journal):
                verdict = judge(seen, self._patience)
                if verdict is not Verdict.WAIT and seen.now_s >= self._watched[journal.path].not_before_s:
                    self._act(journal, seen, verdict)

    # ----------------------------------------------------------------------------------------------------- what is seen

    def _be_seen(self) -> None:
        """Hold the lock that says that a guard lives: again where the runtime folder was made anew."""
        path = self.config.paths.runtime / GUARD_LOCK_NAME
        if self._lock is not None and path.exists() and path.stat().st_ino == self._lock_inode:
            return
        if self._lock is not None:
            self._lock.release()
        self._lock = acquire_lock(self.config.paths.runtime, GUARD, GUARD_LOCK_NAME)
        self._lock_inode = path.stat().st_ino

    def _look_for_daemon(self) -> None:
        """VPP is asked only while no daemon is there: each question is a client that it must accept."""
        now_s = self.clock()
        if is_locked(self.config.paths.runtime):
            self._daemon_gone_since_s = self._vpp_gone_since_s = None
            return
        self._daemon_gone_since_s = now_s if self._daemon_gone_since_s is None else self._daemon_gone_since_s
        if accepts(self.config.vpp.api_socket):
            self._vpp_gone_since_s = None
        elif self._vpp_gone_since_s is None:
            self._vpp_gone_since_s = now_s

    def _seen(self, journal: Journal) -> Iterator[Seen]:
        """What is seen of that journal, if it tells anything."""
        watched = self._watched.setdefault(journal.path, _Watched())
        try:
            status = journal.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if watched.stamp != stamp:
                watched.glance, watched.stamp = None, stamp
                watched.glance = journal.glance()
        except FileNotFoundError:
            return
        except JournalError as error:
            say(f"{error.problem.code}: {error}")
            return
        if watched.glance is not None:
            yield self._of(watched.glance)

    def _of(self, glance: Glance) -> Seen:
        now_s = self.clock()
        since = (self._daemon_gone_since_s, self._vpp_gone_since_s)
        gone = [None if since_s is None else now_s - since_s for since_s in since]
        return Seen(glance, boot_id(), now_s, self._held_s(glance.uplink), *gone)

    def _held_s(self, uplink: str) -> float | None:
        holds = [one for one in held.read_all(self.config.paths.journal) if one.uplink == uplink]
        return max(0.0, time.time() - holds[0].at_s) if holds else None

    @property
    def _patience(self) -> Patience:
        timing, vpp = self.config.timing, self.config.vpp
        factor = timing.deadline_factor
        return Patience(DAEMON_S * factor, GIVE_BACK_S * factor, timing.guard_s, vpp.grace_s * factor)

    # ---------------------------------------------------------------------------------------------------- what is done

    def _act(self, journal: Journal, seen: Seen, verdict: Verdict) -> None:
        uplink, runtime = seen.glance.uplink, self.config.paths.runtime
        watched = self._watched[journal.path]
        watched.tries += 1
        watched.not_before_s = self.clock() + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (watched.tries - 1))
        say(f"{uplink}: {verdict.value}: giving the NIC back")
        ended = False
        if seen.daemon_gone_s is None:
            within_s = TERM_S * self.config.timing.deadline_factor
            ended = end_daemon(runtime, within_s, lambda: self._is_due(journal, verdict))
            say(f"{uplink}: {'the daemon was ended' if ended else 'whoever works on the node goes on'}")
        try:
            with acquire_lock(runtime, GUARD):
                if self._give_back_locked(journal, verdict, ended):
                    watched.tries = 0
        except LockedError as error:
            say(f"{uplink}: waiting: {error}")

    def _is_due(self, journal: Journal, verdict: Verdict) -> bool:
        """Whether it is as it was judged, after some seconds."""
        glance = journal.glance()
        return glance is not None and judge(self._of(glance), self._patience) is verdict

    def _give_back_locked(self, journal: Journal, verdict: Verdict, ended: bool) -> bool:
        """Under the lock: read anew, judge again, hold, give back. Returns whether nothing is left to do."""
        try:
            takeover = journal.read()
        except JournalError as error:
            say(f"{error.problem.code}: {error}")
            return False
        uplink = journal.path.stem
        if takeover is not None and self._judged_again(takeover) is Verdict.WAIT:
            say(f"{uplink}: it is as it should be by now: nothing is done")
            return True
        if verdict is Verdict.UNCONFIRMED and (takeover is not None or ended):
            self._hold(uplink, takeover)
        if takeover is None:
            say(f"{uplink}: the daemon has given it back")
            return True
        assert self.give_back is not None
        done = self.give_back(self.config, takeover)
        say(f"{uplink}: {'the NIC is given back' if done else 'it could not be given back: it is tried again'}")
        return done

    def _judged_again(self, takeover: Takeover) -> Verdict:
        """As things are under the lock: with the lock ours, no daemon is there."""
        seen = self._of(Glance.of(takeover))
        gone_s = self._patience.guard_s if seen.daemon_gone_s is None else seen.daemon_gone_s
        if accepts(self.config.vpp.api_socket):
            seen = replace(seen, vpp_gone_s=None)
        return judge(replace(seen, daemon_gone_s=gone_s), self._patience)

    def _hold(self, uplink: str, takeover: Takeover | None) -> None:
        """No second try by itself. What the daemon has said of it before is said better."""
        if self._held_s(uplink) is not None:
            return
        why = problem(
            "HL-413", f"{uplink}: the takeover was not confirmed in time, and the daemon did nothing about it"
        )
        try:
            held.keep(self.config.paths.journal, held.held(uplink, held.failed_hold(why), takeover))
        except OSError as error:
            say(f"HL-511: {uplink}: the hold cannot be kept, a daemon that starts will take over: {error}")


def accepts(path: Path) -> bool:
    """Whether somebody accepts at a Unix socket, at once: one whose queue is full has stopped accepting."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)) as probe:
        return probe.connect_ex(os.fspath(path)) == 0
