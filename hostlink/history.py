"""The machine's moves, kept over restarts: `history.jsonl` beside the journal, the last LIMIT, an object a line.

It is for people: nothing is decided by it. So it is not synced to disk (a killed daemon's moves are there, a power cut
may cost the newest), and a file that cannot be written costs no takeover anything. A line is

    {"at": ISO 8601 in UTC, "uplink": name, "from": state, "to": state, "trigger": name or null, "why": text}

Lines that are not (a write was cut short, somebody edited them) are passed over.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import trio

from hostlink.core.table import STATES
from hostlink.durable import prepare_folder, replace_whole
from hostlink.log import WARNING, Entry, say
from hostlink.notices import Moved, Notice, Notices

FILE_NAME = "history.jsonl"
VERSION = 1
"""Of what GetHistory answers: {"version": 1, "moves": [...]}."""
LIMIT = 1000
_GATHER_S = 0.05
"""The first move is written at once, those that follow together: a storm is not a write for each change."""
_WAITING_LIMIT = 4 * LIMIT
_TAIL_BYTES = 4 << 20
"""More than LIMIT lines: a `why` is a sentence or two."""
_TEXTS = ("at", "uplink", "from", "to", "why")

Move = dict[str, object]


class History:
    """The last LIMIT moves of all uplinks, oldest first. One for a daemon."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.moves: deque[Move] = deque(read_history(folder), maxlen=LIMIT)
        self._unwritten: list[Move] = []
        self._lines = len(self.moves)
        self._is_told = False

    @property
    def is_written(self) -> bool:
        return not self._unwritten

    def add(self, notice: Notice) -> None:
        """Remember a move, to be written later. Audits that found nothing are no news, nor is any other notice."""
        if isinstance(notice, Moved) and not notice.transition.quiet:
            move = _told(notice)
            self.moves.append(move)
            self._unwritten.append(move)

    async def write(self) -> None:
        """Write what was added since the last time. A failure is said once, on standard error."""
        fresh, self._unwritten = self._unwritten, []
        try:
            await trio.to_thread.run_sync(self._append, fresh, tuple(self.moves))
        except OSError as error:
            if not self._is_told:
                text = f"the history cannot be kept, so a restart will forget it: {error.strerror or error}"
                say(Entry(f"{self.path}: {text}", priority=WARNING))
            self._is_told = True

    def _append(self, fresh: list[Move], moves: tuple[Move, ...]) -> None:
        prepare_folder(self.path)
        self._lines += len(fresh)
        if self._lines <= 2 * LIMIT and self.path.exists():
            with self.path.open("ab") as file:
                file.write(_packed(fresh))
            return
        replace_whole(self.path, _packed(moves))
        self._lines = len(moves)


def read_history(folder: Path) -> list[Move]:
    """The last LIMIT moves that the file tells; none where there is no file, or none that can be read."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).splitlines()
    except OSError:
        return []
    return [move for line in lines if (move := _move(line)) is not None][-LIMIT:]


async def keep_history(
    history: History, notices: Notices, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Remember and write what happens until cancelled, and then what is left."""
    due = -math.inf
    with notices.watch(_WAITING_LIMIT) as watch:
        task_status.started()
        try:
            while True:
                with trio.move_on_at(math.inf if history.is_written else due):
                    history.add(await watch.notices.receive())
                if not history.is_written and trio.current_time() >= due:
                    await history.write()
                    due = trio.current_time() + _GATHER_S
        finally:
            for notice in watch.waiting():
                history.add(notice)
            if not history.is_written:
                with trio.CancelScope(shield=True):
                    await history.write()


def _told(notice: Moved) -> Move:
    move = notice.transition
    return {
        "at": notice.at.isoformat(timespec="milliseconds"),
        "uplink": notice.uplink,
        "from": STATES[move.frm].title,
        "to": STATES[move.to].title,
        "trigger": move.trigger.value if move.trigger is not None else None,
        "why": move.why,
    }


def _packed(moves: Iterable[Move]) -> bytes:
    return b"".join(json.dumps(move, separators=(",", ":")).encode() + b"\n" for move in moves)


def _move(line: bytes) -> Move | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in _TEXTS)
    return found if is_one else None
