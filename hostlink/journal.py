"""The journal: what was there before a takeover and what hostlink has added, on disk before anything moves.

One file for each uplink. It is replaced whole: a temporary file in the same folder is written, synced, renamed over
the old one, and the folder is synced, so that a reader finds the old one or the new one and never a part of either.
The file carries its format, a version and the SHA-256 of its body. One that is torn, foreign, altered or of a newer
hostlink is refused and never acted on: it would put somebody else's addresses on the node's only NIC.

Writers are ordered by `generation`: a write must follow the one that its Takeover was read from or returned by, so
that the daemon, a guard and `hostlink release` cannot act on each other's old news (with the lock of hostlink/lock.py
there is one writer at a time anyway). `capture` never changes while the file exists.

Beside it lies a file of edits: routes that changed since, a line for each writing of them, so that the change of one
route among 100,000 costs as little as the change itself. Each line has the generation that it follows and a checksum;
lines of another generation are old news, and one that was torn by a death never happened.

All functions block, for as long as two fsyncs take. Call them by `trio.to_thread.run_sync`, or directly where the
daemon must not go on before the disk has it and nothing else needs the loop.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from hostlink.core.alike import AlikeEdit
from hostlink.core.model import Capture, HostView, Problem, Route
from hostlink.core.route_edits import RouteEdit, edited_set
from hostlink.core.route_set import KeptRoutes, RouteSet, check_places, kept
from hostlink.durable import prepare_folder, replace_durably, sync_folder, temporary
from hostlink.encode import DecodeError, decode, encode

T = TypeVar("T")
FORMAT = "hostlink-journal"
VERSION = 4
_SIZE_LIMIT_BYTES = 256 << 20
"""By version 3 a full table of 1,000,000 routes was about 200 MiB; beyond it the file is not ours."""


_PIECE = 8
"""Items of an array: of packed routes some 64,000, a millisecond's work."""


class Phase(enum.Enum):
    """How far the takeover has got, as far as the way back is concerned."""

    CAPTURED = "captured"
    """Nothing was touched when this was written; from here on anything may have been."""
    TAKEN = "taken"
    """VPP and Linux have both shown their interface: the host link carries the host's own state."""
    PROVED = "proved"
    """What answered before the takeover has answered after it."""

    def after_proof(self) -> Phase:
        """The phase once the path is proved: only what was filled before can be."""
        return Phase.PROVED if self is Phase.TAKEN else self


@dataclass(frozen=True, slots=True)
class Parking:
    """Where the NIC is while VPP has it."""

    namespace: str
    """A named network namespace."""
    name: str
    index: int | None = None
    """Its ifindex there; None until it was seen there."""


class Awaits(enum.Enum):
    """What would confirm a takeover."""

    PATH = "path"
    """The probes that passed before it."""
    PERSON = "person"
    """A person's `hostlink confirm`; the path is proved (`hostlink run --try`)."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """A takeover that must be confirmed yet. Whoever finds it unconfirmed after its time gives the NIC back."""

    by_s: float
    """Seconds of CLOCK_BOOTTIME, in the boot of the takeover's `boot_id`."""
    awaits: Awaits = Awaits.PATH


@dataclass(frozen=True, slots=True)
class Takeover:
    """What the way back needs, whoever takes it."""

    capture: Capture
    last_good: HostView
    """The host's view of the interface as it was last known to be right: what give-back restores."""
    driver: str
    host_link: str
    """`tap` or `veth`."""
    parking: Parking
    inner_name: str | None = None
    """The veth end in VPP's namespace; None for a tap."""
    phase: Phase = Phase.CAPTURED
    owned: tuple[Route, ...] = ()
    """Routes that hostlink itself added to the host (cluster routes): never captured, never given back."""
    boot_id: str = ""
    """/proc/sys/kernel/random/boot_id when it was captured: after a reboot nothing of the takeover is left (F43)."""
    generation: int = 0
    """How many writes the file has had; set by `Journal.write`."""
    confirm: Confirm | None = None
    """Set before anything moves, and at each later handover; None once it is confirmed."""
    deaths: int = 0
    """How many daemons have died since it was set, with this takeover or with the one before it that they had begun."""
    read_at_s: float = 0.0
    """When `last_good` was read (CLOCK_BOOTTIME, seconds): its lifetimes have run down since (core/lifetimes.py).
    0: an earlier build wrote it and did not say; what it says is left as it is then."""

    def age_s(self, at_s: float) -> int:
        """How long ago `last_good` was read, at that time (CLOCK_BOOTTIME), in whole seconds."""
        return int(at_s - self.read_at_s) if self.read_at_s else 0


@dataclass(frozen=True, slots=True)
class Glance:
    """What of a takeover the guard goes by, without reading the rest."""

    uplink: str
    phase: Phase
    boot_id: str
    confirm: Confirm | None

    @classmethod
    def of(cls, takeover: Takeover) -> Glance:
        return cls(takeover.capture.uplink, takeover.phase, takeover.boot_id, takeover.confirm)


class JournalFault(enum.Enum):
    """Why a journal is refused. The value is the problem's code (hostlink/problems/)."""

    DAMAGED = "HL-501"
    FOREIGN = "HL-502"
    NEWER = "HL-503"
    UNREADABLE = "HL-504"
    UNWRITABLE = "HL-505"
    OVERTAKEN = "HL-506"


_TO_DO = {
    JournalFault.DAMAGED: "compare the node's network with what it should be, mend it by hand, then move the file away",
    JournalFault.FOREIGN: "move the file away if it is not hostlink's; see who may write to the folder",
    JournalFault.NEWER: "run the newer hostlink, or let that one release the uplink before the older is installed",
    JournalFault.UNREADABLE: "see the folder's owner and mode, and the disk",
    JournalFault.UNWRITABLE: "make room on the disk or make it writable, then run `hostlink resume`",
    JournalFault.OVERTAKEN: "another hostlink has written to it: find out which one runs",
}


class JournalError(Exception):
    """A journal could not be read or written; nothing was done because of it. `fault` says whose turn it is."""

    def __init__(self, path: Path, fault: JournalFault, what: str) -> None:
        self.path, self.fault, self.what = path, fault, what
        super().__init__(f"{path}: {what}; hostlink has left it as it is and done nothing with it: {_TO_DO[fault]}")

    @property
    def problem(self) -> Problem:
        """For `hostlink state`."""
        return Problem(self.fault.value, f"{self.path}: {self.what}")


class Journal:
    """The journal file of one uplink."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def edits_path(self) -> Path:
        """The file of edits."""
        return self.path.with_suffix(".edits")

    def read(self) -> Takeover | None:
        """The takeover that is on disk, edits and all, or None where there is none. Raises JournalError."""
        takeover = self._read_whole()
        if takeover is None:
            return None
        edits = self._read_edits(takeover.generation)
        if not edits:
            return takeover
        routes = edited_set(kept(takeover.last_good.routes), edits)
        return replace(takeover, last_good=replace(takeover.last_good, routes=routes))

    def glance(self) -> Glance | None:
        """What it says, unproved: good enough to wait by, and never to act on. Raises JournalError."""
        raw = self._read_raw(self.path)
        if raw is None:
            return None
        body = self._envelope(raw).get("body")
        try:
            tree = {key: body.get(key) for key in ("phase", "boot_id", "confirm")} if isinstance(body, dict) else {}
            return decode(Glance, {"uplink": self.path.stem, **tree})
        except DecodeError as error:
            raise JournalError(self.path, JournalFault.DAMAGED, f"cannot be understood: {error}") from error

    def _read_whole(self) -> Takeover | None:
        raw = self._read_raw(self.path)
        return None if raw is None else self._takeover(raw)

    def write(self, takeover: Takeover) -> Takeover:
        """Makes it durable, then returns it with its new generation, to be used from here on. Raises JournalError.

        Refused (OVERTAKEN) when the file is not of the generation that `takeover` carries; 0 means: there is none.
        """
        last, captured = takeover.last_good, takeover.capture.view
        kept_view = _to_keep(last)
        capture = replace(takeover.capture, view=kept_view if captured is last else _to_keep(captured))
        takeover = replace(takeover, capture=capture, last_good=kept_view)
        self._refuse_overtaken(takeover)
        after = replace(takeover, generation=takeover.generation + 1)
        try:
            prepare_folder(self.path)
            if takeover.generation == 0:
                self.edits_path.unlink(missing_ok=True)  # of an earlier takeover, whose numbers come again
            replace_durably(self.path, _to_bytes(after))
            self.edits_path.unlink(missing_ok=True)
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            raise JournalError(self.path, JournalFault.UNWRITABLE, what) from error
        return after

    def append(self, generation: int, edits: Sequence[RouteEdit | AlikeEdit]) -> int:
        """Makes edits of `last_good.routes` durable, beside the file of that generation. Returns how many bytes of
        edits there are by now: somebody must write the whole before they are too many.

        Raises JournalError; then nobody knows which edits are there, and the whole must be written.
        """
        single = tuple(edit for edit in edits if isinstance(edit, RouteEdit))
        alike = tuple(edit for edit in edits if isinstance(edit, AlikeEdit))
        body = {"generation": generation, "edits": encode(single), "alike": encode(alike)}
        text = json.dumps(body, ensure_ascii=True)
        line = f"{hashlib.sha256(text.encode('ascii')).hexdigest()} {text}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.edits_path, flags, 0o600)
            with open(descriptor, "ab") as file:
                is_new = file.tell() == 0
                file.write(f"\n{line}\n".encode("ascii"))  # the first ends what a death may have torn
                file.flush()
                size_bytes = file.tell()
                os.fdatasync(descriptor)
            if is_new:
                sync_folder(self.path.parent)
            return size_bytes
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            raise JournalError(self.edits_path, JournalFault.UNWRITABLE, what) from error

    def discard(self) -> None:
        """Removes the file, durably; none there is no error. Only after a give-back that was read back."""
        try:
            self.path.unlink(missing_ok=True)
            self.edits_path.unlink(missing_ok=True)
            temporary(self.path).unlink(missing_ok=True)  # of a writer that was killed (F45)
            if self.path.parent.is_dir():
                sync_folder(self.path.parent)
        except OSError as error:
            what = f"cannot be removed: {error.strerror or error}"
            raise JournalError(self.path, JournalFault.UNWRITABLE, what) from error

    def _refuse_overtaken(self, takeover: Takeover) -> None:
        """Without making values of what is there, which may be a full table."""
        raw = self._read_raw(self.path)
        there = {"generation": 0} if raw is None else self._body(raw)
        generation = self._decoded(int, there.get("generation"))
        if takeover.generation != generation:
            what = f"is of generation {generation}, and this write follows {takeover.generation}"
            raise JournalError(self.path, JournalFault.OVERTAKEN, what)
        if raw is not None and there.get("capture") != encode(takeover.capture):
            raise JournalError(self.path, JournalFault.OVERTAKEN, "holds another capture than the one being written")

    def _read_edits(self, generation: int) -> list[RouteEdit | AlikeEdit]:
        lines = (self._read_raw(self.edits_path) or b"").split(b"\n")
        return [edit for line in lines if line for edit in _edits(line, generation)]

    def _read_raw(self, path: Path) -> bytes | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(path, JournalFault.UNREADABLE, f"cannot be opened: {error.strerror}") from error
        with open(descriptor, "rb") as file:
            self._refuse_foreign(path, os.fstat(descriptor))
            try:
                return file.read(_SIZE_LIMIT_BYTES + 1)
            except OSError as error:
                raise JournalError(path, JournalFault.UNREADABLE, f"cannot be read: {error.strerror}") from error

    def _refuse_foreign(self, path: Path, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise JournalError(path, JournalFault.FOREIGN, "is no regular file")
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise JournalError(path, JournalFault.FOREIGN, "may be written by others than hostlink's user")
        if status.st_size > _SIZE_LIMIT_BYTES:
            raise JournalError(path, JournalFault.FOREIGN, f"has {status.st_size} bytes, more than any journal")

    def _takeover(self, raw: bytes) -> Takeover:
        takeover = self._decoded(Takeover, self._body(raw))
        try:
            for view in (takeover.last_good, takeover.capture.view):
                for block in view.routes.alike if isinstance(view.routes, KeptRoutes) else ():
                    check_places(block.version, block.places)
        except ValueError as error:
            raise JournalError(self.path, JournalFault.DAMAGED, f"cannot be understood: {error}") from error
        if takeover.capture.uplink != self.path.stem:
            raise JournalError(self.path, JournalFault.FOREIGN, f"is about {takeover.capture.uplink!r}, not its name")
        return takeover

    def _body(self, raw: bytes) -> Any:
        """What the file says, as if this version had written it."""
        envelope = self._envelope(raw)
        body = envelope.get("body")
        if envelope.get("sha256") != _digest(body):
            raise JournalError(self.path, JournalFault.DAMAGED, "its checksum does not fit its content")
        if not isinstance(body, dict):
            raise JournalError(self.path, JournalFault.DAMAGED, "cannot be understood: it is no object")
        return _as_of_now(body) if envelope["version"] < VERSION else body

    def _decoded(self, kind: type[T], tree: object) -> T:
        try:
            return decode(kind, tree)
        except DecodeError as error:
            raise JournalError(self.path, JournalFault.DAMAGED, f"cannot be understood: {error}") from error

    def _envelope(self, raw: bytes) -> dict[str, Any]:
        try:
            envelope = json.loads(raw)
        except (ValueError, RecursionError) as error:
            state = "is empty" if not raw else "is torn or no journal at all"
            raise JournalError(self.path, JournalFault.DAMAGED, state) from error
        if not isinstance(envelope, dict) or envelope.get("format") != FORMAT:
            raise JournalError(self.path, JournalFault.FOREIGN, "is not a journal of hostlink's")
        version = envelope.get("version")
        if type(version) is not int or version < 1:
            raise JournalError(self.path, JournalFault.DAMAGED, "has no version")
        if version > VERSION:
            what = f"has version {version}, of a newer hostlink; this one knows {VERSION}"
            raise JournalError(self.path, JournalFault.NEWER, what)
        return envelope


def journal_for(folder: Path, uplink: str) -> Journal:
    """The journal of the uplink of that name (its name on the host)."""
    if "/" in uplink or uplink in ("", ".", ".."):
        raise ValueError(f"{uplink!r} is no interface name")
    return Journal(folder / f"{uplink}.json")


def journals_in(folder: Path) -> tuple[Journal, ...]:
    """All journals of a folder by name, whatever the configuration says now. Temporary files are not among them."""
    return tuple(Journal(path) for path in sorted(folder.glob("*.json")) if not path.name.startswith("."))


def _as_of_now(body: Any) -> Any:
    """The body of an older version with what has been added since, as it was meant then: nothing to confirm."""
    if not isinstance(body, dict):
        return body
    body.setdefault("confirm", None)
    body.setdefault("read_at_s", 0.0)
    body.setdefault("deaths", 0)
    capture = body.get("capture")
    for view in (body.get("last_good"), capture.get("view") if isinstance(capture, dict) else None):
        _view_as_of_now(view)
    probes = capture.get("probes") if isinstance(capture, dict) else None
    for probe in probes if isinstance(probes, list) else ():
        if isinstance(probe, dict):
            probe.setdefault("port", None)
    return body


def _view_as_of_now(view: Any) -> None:
    """Before version 3 nothing was said of these: they are left as they are."""
    link = view.get("link") if isinstance(view, dict) else None
    if isinstance(link, dict):
        view.update({"qdisc": None, "multicast": [], "stuck": []} | view)
        link.update({"flags": None, "group": None, "token": None} | link)


def _to_keep(view: HostView) -> HostView:
    """With the routes of a look as they are kept (since version 4; before, all were values)."""
    return replace(view, routes=kept(view.routes)) if isinstance(view.routes, RouteSet) else view


def _to_bytes(takeover: Takeover) -> bytes:
    """Its checksum is of the very text, but for the line that each key begins: a full table is made to text once."""
    body = [piece.encode("ascii") for piece in _plainest(encode(takeover))]
    head = _text({"format": FORMAT, "version": VERSION, "sha256": _sha256(body)})[:-1].encode("ascii")
    lines = (b"\n" + piece if piece.endswith(b":") else piece for piece in body)
    return b"".join((head, b',"body":', *lines, b"}\n"))


def _edits(line: bytes, generation: int) -> tuple[RouteEdit | AlikeEdit, ...]:
    """Of one line. None of another generation's, and none of a line that is not whole: nobody was told that it was."""
    try:
        digest, _, text = line.partition(b" ")
        if digest != hashlib.sha256(text).hexdigest().encode("ascii"):
            return ()
        body = json.loads(text)
        if body["generation"] != generation:
            return ()
        single = decode(tuple[RouteEdit, ...], body["edits"])
        alike = decode(tuple[AlikeEdit, ...], body.get("alike", []))
        for edit in alike:
            check_places(edit.version, edit.places)
        return (*single, *alike)
    except (ValueError, RecursionError, LookupError, TypeError):
        return ()


def _digest(body: object) -> str:
    """SHA-256 over the body with sorted keys and no spaces, so that only the content counts."""
    return _sha256(piece.encode("ascii") for piece in _plainest(body))


def _sha256(pieces: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def _plainest(tree: object) -> Iterator[str]:
    """That text, in pieces: while one of a full table is made, nothing else runs in this process.

    Each key is one of them, with its colon, and no other ends with one.
    """
    if isinstance(tree, dict):
        for number, key in enumerate(sorted(tree)):
            yield f"{',' if number else '{'}{_text(key)}:"
            yield from _plainest(tree[key])
        yield "}" if tree else "{}"
    elif isinstance(tree, list):
        for start in range(0, len(tree), _PIECE):
            yield ("," if start else "[") + _text(tree[start : start + _PIECE])[1:-1]
        yield "]" if tree else "[]"
    else:
        yield _text(tree)


def _text(tree: object) -> str:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
