"""`hostlink plan`: what would be done now, as a difference between Linux and VPP; before a takeover all of it.

What an operator should know besides, such as what VPP keeps for itself, goes to stderr: the plan is what is on stdout.
Before a takeover that is also what no VPP can.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping

from hostlink import varlink
from hostlink.cli.client import Client, UnreachableError, add_runtime_dir, socket_path
from hostlink.cli.configuration import add_config
from hostlink.cli.documents import SEVERITIES, answered, clean
from hostlink.cli.exits import DONE, FAILED, VerbError
from hostlink.cli.plan_text import plan_text
from hostlink.problems import LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
TERMINAL_LINES = 20
"""Of each group, where a person reads."""
ANSWER_S = 60.0
"""A full table is compared in some seconds."""
EPILOG = """It touches nothing. Of an uplink that is taken over: what would make VPP what Linux says; nothing on
standard output when they agree. Of one that is not: the whole takeover in its order, and what stands against it.
Without a daemon the takeover is told from the configuration, the kernel and VPP, and says so.

exit status: 0 shown; 1 it cannot be told now; 65 no daemon, and bad configuration; 69 no daemon answers"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="the plan as a document, versioned")
    parser.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"show so many lines of each group and count the rest; 0: all (default: {TERMINAL_LINES} on a terminal)",
    )


def run(options: argparse.Namespace) -> int:
    limit = _limit(options)
    try:
        with Client(socket_path(options)) as client:
            asked = {} if limit is None else {"limit": limit}
            document = client.call(varlink.GET_PLAN, asked, within_s=ANSWER_S)
    except UnreachableError as error:
        return _alone(options, limit, error)
    _show(document, options)
    return DONE if all(one["kind"] != "untold" for one in _uplinks(document)) else FAILED


def _alone(options: argparse.Namespace, limit: int | None, error: UnreachableError) -> int:
    """What can be told without a daemon; that there is none is told last, and is the exit status."""
    if not os.path.exists(options.config):
        raise VerbError(error.status, f"{error}; without it `hostlink preflight` tells what stands against a takeover")
    from hostlink.cli.configuration import configuration
    from hostlink.plan_alone import plan_alone

    document = plan_alone(configuration(options), limit)
    if not options.json:
        print("no daemon: what follows is from the configuration, the kernel and VPP\n")
    _show(document, options)
    raise VerbError(error.status, f"{error}; `hostlink preflight` tells all that stands against a takeover")


def _limit(options: argparse.Namespace) -> int | None:
    if options.limit is not None:
        return options.limit or None
    return TERMINAL_LINES if sys.stdout.isatty() and not options.json else None


def _show(document: Mapping[str, Any], options: argparse.Namespace) -> None:
    found = _uplinks(document)
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        print(plan_text(document, colour=_wants_colour()), end="")
    for uplink in found:
        for line in _beside(uplink):
            print(clean(f"{uplink['name']}: {line}"), file=sys.stderr)


def _beside(uplink: Mapping[str, Any]) -> Iterator[str]:
    """What is told on stderr. The errors of a takeover stand in its text."""
    if uplink["kind"] == "untold":
        yield f"cannot be told now: {uplink['why']}"
    if uplink["kind"] == "difference" and not uplink["groups"]:
        yield "nothing to do"
    for one in sorted(uplink["problems"], key=_gravity):
        if uplink["kind"] == "takeover" and one["severity"] == SEVERITIES[0]:
            continue
        yield f"{one['severity']} {one['code']} {one['title']}: {one['detail']}"
    for limit in LIMITS if uplink["kind"] == "takeover" else ():
        yield f"{limit.severity.value} {limit.code} {limit.title}"


def _gravity(problem: Mapping[str, Any]) -> int:
    severity = problem["severity"]
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _uplinks(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return answered(document, "uplinks", "plan", VERSION)


def _wants_colour() -> bool:
    """https://no-color.org"""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


_count.__name__ = "number of lines"  # argparse names it in its message
