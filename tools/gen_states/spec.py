"""states/uplink.toml as values: lists of states and triggers spread out into one entry for each cell, in file order.

Nothing is judged here but the shape (a table where a table belongs, text where text belongs); `faults` judges the rest.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STAY = "stay"
"""The `to` of a row that enters nothing."""

TABLES = ("initial", "states", "steps", "triggers", "guards", "actions", "holds", "row", "ignored", "refused")
STATE_TEXTS = ("title", "what", "know", "normal", "do")
STATE_KEYS = (
    *STATE_TEXTS,
    "step",
    "deadline_s",
    "progress",
    "wait_s",
    "grace_s",
    "grace_step",
    "looks",
    "doing",
    "waiting",
    "awaiting",
)


class ShapeError(Exception):
    """The file is not shaped as expected. The message says where."""


@dataclass(frozen=True, slots=True)
class State:
    name: str
    title: str
    what: str
    know: str
    normal: str
    do: str
    step: str | None
    deadline_s: float | None
    progress: bool
    wait_s: float | None
    grace_s: float | None
    grace_step: str | None
    looks: bool
    doing: str
    waiting: str
    awaiting: str


@dataclass(frozen=True, slots=True)
class Row:
    state: str
    trigger: str
    guard: str | None
    to: str
    does: tuple[str, ...]
    why: str | None


@dataclass(frozen=True, slots=True)
class Rest:
    """What becomes of a cell where no row holds. `text`: the reason of an ignored one, the message of a refused one."""

    state: str
    trigger: str
    text: str


@dataclass(frozen=True, slots=True)
class Hold:
    name: str
    title: str
    clears: str


@dataclass(frozen=True, slots=True)
class Spec:
    initial: str
    states: tuple[State, ...]
    steps: Mapping[str, str]
    triggers: Mapping[str, str]
    guards: Mapping[str, str]
    actions: Mapping[str, str]
    holds: tuple[Hold, ...]
    rows: tuple[Row, ...]
    ignored: tuple[Rest, ...]
    refused: tuple[Rest, ...]


def read(text: str) -> Spec:
    """Reads the file's text. Raises ShapeError, or tomllib.TOMLDecodeError where it is not TOML."""
    raw = tomllib.loads(text)
    _only(raw, TABLES, "the file")
    return Spec(
        initial=_text(raw, "initial", "the file"),
        states=tuple(_state(name, table) for name, table in _tables(raw, "states")),
        steps=_texts(raw, "steps"),
        triggers=_texts(raw, "triggers"),
        guards=_texts(raw, "guards"),
        actions=_texts(raw, "actions"),
        holds=tuple(_hold(name, table) for name, table in _tables(raw, "holds")),
        rows=tuple(row for number, entry in _entries(raw, "row") for row in _rows(f"row {number}", entry)),
        ignored=tuple(r for number, e in _entries(raw, "ignored") for r in _rests(f"ignored {number}", e, "reason")),
        refused=tuple(r for number, e in _entries(raw, "refused") for r in _rests(f"refused {number}", e, "message")),
    )


def _state(name: str, table: Mapping[str, Any]) -> State:
    where = f"states.{name}"
    _only(table, STATE_KEYS, where)
    title, what, know, normal, do = (_text(table, key, where) for key in STATE_TEXTS)
    return State(
        name=name,
        title=title,
        what=what,
        know=know,
        normal=normal,
        do=do,
        step=_optional_text(table, "step", where),
        deadline_s=_seconds(table, "deadline_s", where),
        progress=bool(table.get("progress", False)),
        wait_s=_seconds(table, "wait_s", where),
        grace_s=_seconds(table, "grace_s", where),
        grace_step=_optional_text(table, "grace_step", where),
        looks=bool(table.get("looks", False)),
        doing=_optional_text(table, "doing", where) or "",
        waiting=_optional_text(table, "waiting", where) or "",
        awaiting=_optional_text(table, "awaiting", where) or "",
    )


def _hold(name: str, table: Mapping[str, Any]) -> Hold:
    _only(table, ("title", "clears"), f"holds.{name}")
    return Hold(name, _text(table, "title", f"holds.{name}"), _text(table, "clears", f"holds.{name}"))


def _rows(where: str, entry: Mapping[str, Any]) -> Iterator[Row]:
    _only(entry, ("state", "on", "guard", "to", "does", "why"), where)
    guard, why, to = (_optional_text(entry, key, where) for key in ("guard", "why", "to"))
    if to is None:
        raise ShapeError(f"{where}: `to` is missing")
    does = tuple(_names(entry, "does", where)) if "does" in entry else ()
    for state in _names(entry, "state", where):
        for trigger in _names(entry, "on", where):
            yield Row(state, trigger, guard, to, does, why)


def _rests(where: str, entry: Mapping[str, Any], key: str) -> Iterator[Rest]:
    _only(entry, ("state", "on", key), where)
    text = _text(entry, key, where)
    for state in _names(entry, "state", where):
        for trigger in _names(entry, "on", where):
            yield Rest(state, trigger, text)


# ------------------------------------------------------------------------------------------------------------- shapes


def _only(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise ShapeError(f"{where}: unknown key `{unknown[0]}` (known: {', '.join(keys)})")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ShapeError(f"{where}: `{key}` must be a text that says something")
    return value


def _optional_text(table: Mapping[str, Any], key: str, where: str) -> str | None:
    return _text(table, key, where) if key in table else None


def _seconds(table: Mapping[str, Any], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ShapeError(f"{where}: `{key}` must be a number of seconds above 0")
    return float(value)


def _names(table: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = table.get(key)
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ShapeError(f"{where}: `{key}` must be a name or a list of names")
    return names


def _texts(raw: Mapping[str, Any], key: str) -> Mapping[str, str]:
    table = _table(raw, key)
    return {name: _text(table, name, key) for name in table}


def _tables(raw: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = _table(raw, key)
    for name in table:
        yield name, _table(table, name)


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, dict):
        raise ShapeError(f"`{key}` must be a table")
    return value


def _entries(raw: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = raw.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ShapeError(f"`{key}` must be written as [[{key}]]")
    yield from enumerate(entries, start=1)
