"""The plan document as text: a difference between Linux and VPP, or a takeover from its beginning to its end.

`+` comes, `-` goes, `~` changes. Colour only says again what the signs say. What came from elsewhere is cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hostlink.cli.documents import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = Mapping[str, Any]

SIGNS = {"add": "+", "delete": "-", "change": "~"}
_COLOURS = {"add": "32", "delete": "31", "change": "33", "error": "31", "head": "1"}
_MAIN = 254


def plan_text(document: Json, *, colour: bool = False) -> str:
    """The whole text; empty where nothing is to be done."""
    parts = ["\n".join(lines) for one in document["uplinks"] if (lines := list(_uplink(one, colour)))]
    return "\n\n".join(parts) + "\n" if parts else ""


def _uplink(one: Json, colour: bool) -> Iterator[str]:
    if one["kind"] == "takeover":
        yield from _takeover(one, colour)
    elif one["groups"]:
        yield _painted(f"{clean(one['name'])}  {_totals(one['totals'])}, to make VPP what Linux says", "head", colour)
        yield from _groups(one["groups"], colour)


def _totals(totals: Json) -> str:
    words = {"add": "to add", "delete": "to delete", "change": "to change"}
    return ", ".join(f"{totals[change]} {word}" for change, word in words.items() if totals[change]) or "nothing"


def _groups(groups: Sequence[Json], colour: bool, indent: str = "  ") -> Iterator[str]:
    for group in groups:
        yield f"{indent}{clean(_heading(group))}"
        for line in group["lines"]:
            was = f"  (was {line['was']})" if line["was"] else ""
            text = clean(f"{SIGNS.get(line['change'], '?')} {line['text']}{was}")
            yield f"{indent}  {_painted(text, line['change'], colour)}"
        left = group["count"] - len(group["lines"])
        if left > 0:
            yield f"{indent}  … and {left:,} more (--limit 0 shows all)"


def _heading(group: Json) -> str:
    words = f"{group['side']}: {group['about']}"
    if group["family"] is None:
        return words
    return f"{words}, IPv{group['family']}, table {'main' if group['table'] == _MAIN else group['table']}"


def _painted(text: str, mood: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[mood]}m{text}\x1b[0m" if colour and mood in _COLOURS else text


# -------------------------------------------------------------------------------------------------------- a takeover


def _takeover(one: Json, colour: bool) -> Iterator[str]:
    plan = one["takeover"]
    yield _painted(f"{clean(one['name'])}  the whole takeover, as it would be now; nothing is done yet", "head", colour)
    yield from _in_the_way(one, colour)
    last = len(plan["phases"]) - 1
    for number, phase in enumerate(plan["phases"]):
        yield _painted(clean(f"  {number + 1}. {phase['state']}: {phase['title']}"), "head", colour)
        yield from _groups(phase["groups"], colour, "    ")
        if number == last:
            yield from (f"     {clean(line)}" for line in _proof(plan))
    yield "  afterwards"
    yield from (f"     {clean(line)}" for line in _afterwards(plan))


def _in_the_way(one: Json, colour: bool) -> Iterator[str]:
    errors = [problem for problem in one["problems"] if problem["severity"] == "error"]
    if one["held"]:
        yield clean(f"  held      {one['held']}")
    for problem in errors:
        head = _painted(f"error {clean(problem['code'])}", "error", colour)
        yield f"  {head}  {clean(problem['title'])}: {clean(problem['detail'])}"
        yield clean(f"    to do   {problem['to_do']}")
    if not errors and not one["held"]:
        yield "  nothing that is known stands against it (`hostlink preflight` looks at more)"
    if not one["takeover"]["vpp_was_asked"]:
        yield "  VPP cannot be asked: what is told of it is for a VPP that nobody has told anything yet"


def _proof(plan: Json) -> Iterator[str]:
    within = f"{plan['confirm_within_s']:g} s after Capturing"
    if plan["probes"]:
        yield f"what of these answers before must answer again within {within}, or the NIC goes back:"
        yield from (f"  {probe}" for probe in plan["probes"])
    else:
        yield f"there is nothing to ask (no gateway, no probes), so it is confirmed by having got here within {within}"
    if plan["trial_s"] is not None:
        yield f"then a person must say `hostlink confirm` within {plan['trial_s']:g} s, or the NIC goes back"
    if plan["guard_runs"]:
        yield "should the daemon die or hang before the confirm, hostlink-guard gives the NIC back from the journal"
    else:
        yield "hostlink-guard does not run: should the daemon die or hang before the confirm, nobody gives the NIC back"


def _afterwards(plan: Json) -> Iterator[str]:
    yield f"the NIC is in the namespace {plan['parking']}; a {plan['host_link']} of its name and MAC has what it had"
    yield f"the host had no network for some {plan['outage_ms']:g} ms (as `tools/bench outage` measured it, not here)"
    yield "open connections go on; a program with a packet socket on the NIC must be restarted (HL-115)"
    yield "`hostlink release` gives the NIC back with what the host has by then"
