"""The state document as a verb gets it: checked only as far as verbs lean on it, so that a newer daemon's is taken too.

The daemon makes it (hostlink/report.py); `version` says what its fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping

from hostlink.cli.exits import UNREACHABLE, VerbError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
OPERATOR, FAILED_HOLD = "operator", "failed"
"""Kinds of hold that end only by an operator's `resume`."""
SEVERITIES = ("error", "warning", "note")
"""From the gravest to the least; hostlink/problems has them, which a verb that only shows a state need not import."""

Uplink = Mapping[str, "Any"]


def uplinks(document: Mapping[str, object]) -> list[Uplink]:
    """The uplinks of a document of a version that this command understands. Raises VerbError (69)."""
    if document.get("version") != VERSION:
        text = f"the daemon's state has version {document.get('version')!r}; this command understands {VERSION}"
        raise VerbError(UNREACHABLE, f"{text}: use the command that belongs to the daemon, or restart the daemon")
    found = document.get("uplinks")
    if not isinstance(found, list) or not all(_is_uplink(uplink) for uplink in found):
        raise VerbError(UNREACHABLE, "the daemon's state is not what its version should hold: uplinks with a state")
    return found


def moves(document: Mapping[str, object]) -> list[Mapping[str, Any]]:
    """The moves of a GetHistory answer of a version that this command understands. Raises VerbError (69)."""
    return answered(document, "moves", "history", VERSION)


def answered(document: Mapping[str, object], key: str, what: str, version: int) -> list[Mapping[str, Any]]:
    """The list of an answer of that version. what: the answer, in the message. Raises VerbError (69)."""
    found = document.get(key)
    if document.get("version") != version or not isinstance(found, list):
        text = f"the daemon's {what} has version {document.get('version')!r}; this command understands {version}"
        raise VerbError(UNREACHABLE, f"{text}: use the command that belongs to the daemon")
    return found


def hold_kind(uplink: Uplink) -> str | None:
    hold = uplink.get("hold")
    return str(hold.get("kind")) if isinstance(hold, dict) else None


def is_stuck(uplink: Uplink) -> bool:
    """Whether it waits for an operator, and will not move by itself."""
    return hold_kind(uplink) in (OPERATOR, FAILED_HOLD)


def reason_of_hold(uplink: Uplink) -> str:
    hold = uplink.get("hold")
    return str(hold.get("reason")) if isinstance(hold, dict) else ""


def shown_problems(uplink: Uplink) -> list[Mapping[str, Any]]:
    """The problems that an operator is told of now, the gravest first: none that may pass by itself in a moment, and
    none that another one explains. A daemon that does not say which they are shows them all."""
    found = [one for one in uplink.get("problems") or () if not one.get("shown_in_s") and not one.get("hidden_by")]
    return sorted(found, key=lambda one: SEVERITIES.index(one["severity"]) if one.get("severity") in SEVERITIES else 0)


def _is_uplink(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("state"), str)


def clean(value: object) -> str:
    """A text without control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
