"""Holds that outlive the daemon: `<interface>.held` beside the journal, for what only an operator's resume clears.

It is written before the give-back that it is about, and removed by a resume. So a daemon that starts anew, after a
crash or a reboot too, does not try by itself what has failed, and does not take what an operator wanted back. Whoever
holds the node's lock writes it: the daemon, `hostlink release` and `resume` without one, the guard.

A file that cannot be understood holds as well: something was held, and nobody knows why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hostlink.config import Match
from hostlink.core.context import Hold
from hostlink.core.model import Problem
from hostlink.core.table import HOLDS, HoldKind
from hostlink.durable import prepare_folder, replace_durably, sync_folder
from hostlink.encode import DecodeError, decode, encode
from hostlink.journal import Takeover
from hostlink.problems import problem

FORMAT = "hostlink-hold"
VERSION = 1
_SIZE_LIMIT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Held:
    """A hold, and which uplink it is about: by whatever of it the configuration may match."""

    uplink: str
    """The interface's name on the host; where it was never seen, what the configuration matches."""
    kind: HoldKind
    reason: str
    code: str | None
    """Of the problem (hostlink/problems/), where there was one."""
    detail: str
    at_s: float
    """Unix time."""
    mac: str | None = None
    pci: str | None = None

    @property
    def hold(self) -> Hold:
        """As the machine has it."""
        return Hold(self.kind, self.reason, Problem(self.code, self.detail) if self.code else None)

    def is_about(self, match: Match) -> bool:
        """Whether that entry of the configuration means the same interface."""
        ours = (self.mac and match.mac == self.mac) or (self.pci and match.pci == self.pci)
        return bool(ours) or self.uplink in (match.name, str(match))

    def left_s(self, retry_s: float) -> float:
        """How much of the back-off is left. A clock that was set back makes nothing longer."""
        return min(retry_s, max(0.0, self.at_s + retry_s - time.time()))


def held(uplink: str, hold: Hold, takeover: Takeover | None = None, match: Match | None = None) -> Held:
    """A hold of this moment. The interface's marks are the takeover's, or what the configuration names."""
    mac, pci = (match.mac, match.pci) if match else (None, None)
    if takeover is not None:
        mac, pci = takeover.capture.view.link.mac, takeover.capture.view.pci_address
    code, detail = (hold.problem.code, hold.problem.detail) if hold.problem else (None, "")
    return Held(uplink, hold.kind, hold.reason, code, detail, time.time(), mac, pci)


def operators_hold() -> Hold:
    """What `hostlink release` without a daemon leaves."""
    return Hold(HoldKind.OPERATOR, HOLDS[HoldKind.OPERATOR].title)


def failed_hold(problem: Problem) -> Hold:
    """As the machine says it of a failed takeover."""
    return Hold(HoldKind.FAILED, f"{HOLDS[HoldKind.FAILED].title}: {problem.detail}", problem)


def keep(folder: Path, one: Held) -> None:
    """Makes it durable, in place of an earlier one of that uplink. Raises OSError."""
    path = _path(folder, one.uplink)
    prepare_folder(path)
    tree = {"format": FORMAT, "version": VERSION, "hold": encode(one)}
    replace_durably(path, json.dumps(tree, indent=1).encode("ascii") + b"\n")


def drop(folder: Path, one: Held) -> None:
    """Removes it, durably; none there is no error. Raises OSError."""
    path = _path(folder, one.uplink)
    if path.exists():
        path.unlink(missing_ok=True)
        sync_folder(folder)


def read_all(folder: Path) -> tuple[Held, ...]:
    """All of a folder, by name. One that is unlike a hold is one of the failed kind."""
    return tuple(_read(path) for path in sorted(folder.glob("*.held")) if not path.name.startswith("."))


def of_match(match: Match, found: Iterable[Held], others: Iterable[Match]) -> Held | None:
    """The hold of an entry of the configuration. One by default route has what is nobody else's: rather held."""
    holds = list(found)
    mine = next((one for one in holds if one.is_about(match)), None)
    if mine is not None or not match.default_route:
        return mine
    theirs = list(others)
    return next((one for one in holds if not any(one.is_about(other) for other in theirs)), None)


def _read(path: Path) -> Held:
    try:
        with path.open("rb") as file:
            tree = json.loads(file.read(_SIZE_LIMIT_BYTES))
        if tree["format"] != FORMAT or tree["version"] != VERSION:
            return _unclear(path, f"is of version {tree['version']!r} of {tree['format']!r}"[:200])
        found = decode(Held, tree["hold"])
        if found.uplink != path.stem:  # a resume would clear another file, and this one hold for ever
            return _unclear(path, f"is about {found.uplink!r}, not its name"[:200])
        return found
    except (OSError, ValueError, RecursionError, LookupError, TypeError, DecodeError) as error:
        return _unclear(path, f"cannot be understood: {error}"[:200])


def _unclear(path: Path, what: str) -> Held:
    unclear = failed_hold(problem("HL-510", f"{path}: {what}"))
    assert unclear.problem is not None
    return Held(path.stem, unclear.kind, unclear.reason, unclear.problem.code, unclear.problem.detail, time.time())


def _path(folder: Path, uplink: str) -> Path:
    if "/" in uplink or uplink in ("", ".", ".."):
        raise ValueError(f"{uplink!r} is no interface name")
    return folder / f"{uplink}.held"
