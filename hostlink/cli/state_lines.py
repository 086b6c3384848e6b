"""What is said of a state document, line by line, for a person at three in the morning: most important line first.

The words are here and nowhere else; state_text.py writes them as plain text, live_view.py draws them on a terminal. All
text is clean already: what came from elsewhere (VPP's errors, names) has no control characters left for a terminal to
obey.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hostlink.cli.documents import Uplink, clean, is_stuck, reason_of_hold, shown_problems, uplinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GOOD, BUSY, BAD = "good", "busy", "bad"
"""Moods: a colour only says again what the words say."""
HISTORY_LINES = 10
CHANGES_SHOWN = 3
_LONGEST_S = 1e9
"""More is no time that anybody waits for."""
_SEVERITIES = {"error": BAD, "warning": BUSY}

# Written out, and no dataclasses: see varlink.py.


class Fact:
    """One thing about an uplink. spare: the first to go where there is no room for all."""

    __slots__ = ("label", "spare", "text")

    def __init__(self, label: str, text: str, spare: bool = False) -> None:
        self.label, self.text, self.spare = label, text, spare


class Doing(Fact):
    """Long work. share: 0 to 1; None: nobody can say."""

    __slots__ = ("share",)

    def __init__(self, label: str, text: str, share: float | None) -> None:
        super().__init__(label, text)
        self.share = share


class Trouble:
    """A problem: `error HL-101`, what it is, and what to do."""

    __slots__ = ("head", "mood", "text", "to_do")

    def __init__(self, head: str, mood: str, text: str, to_do: str) -> None:
        self.head, self.mood, self.text, self.to_do = head, mood, text, to_do


class Move:
    """A move of the machine: when, `Punting → Steady`, why."""

    __slots__ = ("at", "ends", "why")

    def __init__(self, at: str, ends: str, why: str) -> None:
        self.at, self.ends, self.why = at, ends, why


class Section:
    """All about one uplink."""

    __slots__ = ("lines", "mood", "moves", "name", "since", "state")

    def __init__(
        self, name: str, state: str, mood: str, since: str, lines: list[Fact | Trouble], moves: list[Move]
    ) -> None:
        self.name, self.state, self.mood, self.since, self.lines, self.moves = name, state, mood, since, lines, moves


class Clock:
    """How times are said. stays: what is written is looked at for long, and so says when, and not how long since."""

    __slots__ = ("now", "stays")

    def __init__(self, now: datetime, stays: bool = False) -> None:
        """now: aware."""
        self.now, self.stays = now, stays

    def since(self, value: object) -> str:
        """`since 03:04:05 UTC (4 min 12 s)`; empty when it is no time."""
        at = time_of(value)
        if at is None:
            return ""
        if self.stays:
            return f"since {self._of_day(at)}"
        return f"since {at:%H:%M:%S} UTC ({_duration((self.now - at).total_seconds())})"

    def within(self, seconds: object) -> str:
        """`at the latest in 43 s`; empty when it is no number."""
        if not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST_S:
            return ""
        if self.stays:
            return f"at the latest at {self._of_day(self.now + timedelta(seconds=seconds))}"
        return f"at the latest in {_duration(seconds)}"

    def _of_day(self, at: datetime) -> str:
        at, now = at.astimezone(UTC), self.now.astimezone(UTC)
        return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def sections(document: Mapping[str, object], clock: Clock) -> list[Section]:
    """One for each uplink. Raises VerbError for a document that is not understood."""
    return [_section(uplink, clock) for uplink in uplinks(document)]


def vpp_line(document: Mapping[str, object]) -> tuple[str, str]:
    """(what is said of VPP, mood)."""
    found = document.get("vpp")
    vpp: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if vpp.get("reachable"):
        return clean(f"{vpp.get('version') or 'of an unknown release'} at {vpp.get('api_socket')}"), GOOD
    error = f" ({vpp['error']})" if vpp.get("error") else ""
    return clean(f"does not answer at {vpp.get('api_socket')}{error}"), BAD


def _section(uplink: Uplink, clock: Clock) -> Section:
    mood = GOOD if uplink["state"] == "Steady" else BAD if uplink.get("hold") else BUSY
    troubles = [_trouble(problem) for problem in shown_problems(uplink)]
    lines: list[Fact | Trouble] = [*_facts(uplink, clock), *troubles]
    state, since = clean(uplink["state"]), clock.since(uplink.get("since"))
    return Section(clean(uplink["name"]), state, mood, since, lines, _moves(uplink.get("history") or ()))


def _facts(uplink: Uplink, clock: Clock) -> Iterator[Fact]:
    hold = uplink.get("hold")
    yield from _fact("why", uplink.get("why"))
    if hold:
        yield from _fact(
            "held", ": ".join(dict.fromkeys([str(hold.get("title") or hold.get("kind")), reason_of_hold(uplink)]))
        )
        yield from _fact("until", hold.get("clears"))
    yield from _doing(uplink.get("progress") or {}, clock)
    yield from _fact("next", _next(uplink, clock))
    yield from _fact("mirrored", _mirrored(uplink.get("mirrored") or {}))
    yield from _fact("tables", _tables(uplink.get("tables") or ()), spare=True)
    yield from _fact("in VPP", _indexes(uplink.get("indexes") or {}), spare=True)
    yield from _fact("changed", _round(uplink.get("last_reconvergence") or {}), spare=True)
    yield from _fact("audited", _audit(uplink.get("last_audit") or {}), spare=True)


def _fact(label: str, value: object, *, spare: bool = False) -> Iterator[Fact]:
    if value:
        yield Fact(label, clean(value), spare)


def _doing(progress: Mapping[str, Any], clock: Clock) -> Iterator[Doing]:
    if not progress:
        return
    done, total = progress.get("done"), progress.get("total")
    share = min(1.0, done / total) if isinstance(done, int) and isinstance(total, int) and total > 0 else None
    counts = f": {done:,} of {total:,} ({share:.0%})" if share is not None else ""
    since = clock.since(progress.get("since"))
    yield Doing("doing", clean(", ".join(part for part in (f"{progress.get('what')}{counts}", since) if part)), share)


def _next(uplink: Uplink, clock: Clock) -> str:
    """A hold that waits for an operator has no end of its own; the deadline there is only the next look."""
    within = clock.within(None if is_stuck(uplink) else uplink.get("deadline_s"))
    return ", ".join(part for part in (uplink["next"], within) if part) if uplink.get("next") else ""


def _mirrored(counts: Mapping[str, Any]) -> str:
    words = {"addresses": ("address", "addresses")}
    words |= {f"routes_ipv{family}": (f"IPv{family} route", f"IPv{family} routes") for family in (4, 6)}
    return ", ".join(f"{counts[key]} {word[counts[key] != 1]}" for key, word in words.items() if key in counts)


def _tables(tables: Sequence[Mapping[str, Any]]) -> str:
    """The host's other tables that VPP has, with VPP's numbers."""
    return ", ".join(f"{one.get('table')} (IPv{one.get('family')}) as {one.get('vpp_table_id')}" for one in tables)


def _indexes(indexes: Mapping[str, Any]) -> str:
    words = {"uplink_sw_if_index": "uplink", "host_sw_if_index": "host interface"}
    return ", ".join(f"{word} {indexes[key]}" for key, word in words.items() if indexes.get(key) is not None)


def _round(one: Mapping[str, Any]) -> str:
    """The last reconvergence: when, how long, why, and what was done."""
    at = time_of(one.get("at"))
    if at is None:
        return ""
    return f"{at:%H:%M:%S} UTC in {one.get('duration_ms')} ms ({one.get('why')}): {_changes(one) or 'nothing differed'}"


def _audit(one: Mapping[str, Any]) -> str:
    at = time_of(one.get("at"))
    return f"{at:%H:%M:%S} UTC: {_changes(one) or 'nothing differed'}" if at else ""


def _changes(one: Mapping[str, Any]) -> str:
    shown = [str(change) for change in one.get("changes") or ()][:CHANGES_SHOWN]
    more = int(one.get("change_count") or 0) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _trouble(problem: Mapping[str, Any]) -> Trouble:
    severity = str(problem.get("severity", ""))
    head = clean(f"{severity} {problem.get('code')}".strip())
    text = clean(f"{problem.get('title')}: {problem.get('detail')}")
    return Trouble(head, _SEVERITIES.get(severity, ""), text, clean(problem.get("to_do") or ""))


def _moves(history: Sequence[Mapping[str, Any]]) -> list[Move]:
    """The last moves, newest last; audits that found nothing are left out."""
    found = []
    for move in [move for move in history if not move.get("quiet")][-HISTORY_LINES:]:
        at = time_of(move.get("at"))
        ends = clean(f"{move.get('from')} → {move.get('to')}")
        found.append(Move(f"{at:%H:%M:%S}" if at else "", ends, clean(move.get("why"))))
    return found


def time_of(value: object) -> datetime | None:
    """Aware; None when it is none."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    minutes, hours = whole // 60, whole // 3600
    if whole < 60:
        return f"{whole} s"
    if hours < 1:
        return f"{minutes} min {whole % 60} s"
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {minutes % 60} min"
