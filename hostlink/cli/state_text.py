"""The state document as text: for a person at three in the morning, most important line first.

Plain and aligned; colour only says again what the words say. Anything that came from elsewhere (VPP's errors, names) is
cleaned of control characters: a terminal must not obey them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from hostlink.cli.documents import Uplink, is_stuck, reason_of_hold, shown_problems, uplinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HISTORY_LINES = 10
CHANGES_SHOWN = 3
_LABEL = 10
_COLOURS = {"good": "32", "busy": "33", "bad": "31"}
_SEVERITIES = {"error": "bad", "warning": "busy"}


def state_text(document: Mapping[str, object], now: datetime, *, colour: bool = False) -> str:
    """The whole text, a newline at its end. `now` is aware."""
    vpp = document.get("vpp")
    parts = ["\n".join(_uplink(uplink, now, colour)) for uplink in uplinks(document)]
    return "\n\n".join([*parts, "\n".join(_vpp(vpp if isinstance(vpp, dict) else {}))]) + "\n"


def _uplink(uplink: Uplink, now: datetime, colour: bool) -> Iterator[str]:
    hold = uplink.get("hold")
    mood = "good" if uplink["state"] == "Steady" else "bad" if hold else "busy"
    yield f"{clean(uplink['name'])}  {_paint(clean(uplink['state']), mood, colour)}  {_since(uplink, now)}".rstrip()
    yield from _line("why", uplink.get("why"))
    if hold:
        yield from _line(
            "held", ": ".join(dict.fromkeys([str(hold.get("title") or hold.get("kind")), reason_of_hold(uplink)]))
        )
        yield from _line("until", hold.get("clears"))
    yield from _line("next", _next(uplink))
    yield from _line("mirrored", _mirrored(uplink.get("mirrored") or {}))
    yield from _line("tables", _tables(uplink.get("tables") or ()))
    yield from _line("in VPP", _indexes(uplink.get("indexes") or {}))
    yield from _line("changed", _round(uplink.get("last_reconvergence") or {}))
    yield from _line("audited", _audit(uplink.get("last_audit") or {}))
    for problem in shown_problems(uplink):
        yield from _problem(problem, colour)
    yield from _history(uplink.get("history") or ())


def _line(label: str, value: object) -> Iterator[str]:
    if value:
        yield f"  {label:{_LABEL}}{clean(value)}"


def _since(uplink: Uplink, now: datetime) -> str:
    at = _time(uplink.get("since"))
    return f"since {at:%H:%M:%S} UTC ({_duration((now - at).total_seconds())})" if at else ""


def _next(uplink: Uplink) -> str:
    """A hold that waits for an operator has no end of its own; the deadline there is only the next look."""
    deadline_s = None if is_stuck(uplink) else uplink.get("deadline_s")
    within = f", at the latest in {_duration(deadline_s)}" if isinstance(deadline_s, int | float) else ""
    return f"{uplink['next']}{within}" if uplink.get("next") else ""


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
    at = _time(one.get("at"))
    if at is None:
        return ""
    return f"{at:%H:%M:%S} UTC in {one.get('duration_ms')} ms ({one.get('why')}): {_changes(one) or 'nothing differed'}"


def _audit(one: Mapping[str, Any]) -> str:
    at = _time(one.get("at"))
    return f"{at:%H:%M:%S} UTC: {_changes(one) or 'nothing differed'}" if at else ""


def _changes(one: Mapping[str, Any]) -> str:
    shown = [str(change) for change in one.get("changes") or ()][:CHANGES_SHOWN]
    more = int(one.get("change_count") or 0) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _problem(problem: Mapping[str, Any], colour: bool) -> Iterator[str]:
    severity = str(problem.get("severity", ""))
    head = f"{severity} {problem.get('code')}".strip()
    title = clean(f"{problem.get('title')}: {problem.get('detail')}")
    yield f"  {_paint(clean(head), _SEVERITIES.get(severity, ''), colour)}  {title}"
    yield from _line("  to do", problem.get("to_do"))


def _history(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The last moves, newest last; audits that found nothing are left out."""
    moves = [move for move in history if not move.get("quiet")][-HISTORY_LINES:]
    width = max((len(f"{move.get('from')} → {move.get('to')}") for move in moves), default=0)
    for number, move in enumerate(moves):
        at = _time(move.get("at"))
        label = "" if number else "history"
        ends = f"{move.get('from')} → {move.get('to')}"
        yield f"  {label:{_LABEL}}{f'{at:%H:%M:%S}' if at else '':8}  {clean(ends):{width}}  {clean(move.get('why'))}"


def _vpp(vpp: Mapping[str, Any]) -> Iterator[str]:
    if vpp.get("reachable"):
        yield clean(f"VPP  {vpp.get('version') or 'of an unknown release'} at {vpp.get('api_socket')}")
    else:
        error = f" ({vpp['error']})" if vpp.get("error") else ""
        yield clean(f"VPP  does not answer at {vpp.get('api_socket')}{error}")


def _time(value: object) -> datetime | None:
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


def _paint(text: str, mood: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[mood]}m{text}\x1b[0m" if colour and mood in _COLOURS else text


def clean(value: object) -> str:
    """A text without control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
