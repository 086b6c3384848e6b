"""`hostlink state`: what each uplink does, as text or JSON, once, live, or waited for."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from hostlink import varlink
from hostlink.cli.client import AnswerTimeoutError, Client, UnreachableError, add_runtime_dir, socket_path
from hostlink.cli.configuration import add_config
from hostlink.cli.documents import Uplink, is_stuck, moves, reason_of_hold, uplinks
from hostlink.cli.exits import DONE, FAILED, TIMED_OUT, USAGE, VerbError
from hostlink.cli.history_text import history_text
from hostlink.cli.state_text import state_text
from hostlink.cli.suggestions import state_titles, suggest

EPILOG = """Without a daemon it says so, and shows what the journal and the kernel tell.

exit status: 0 done; 1 held, so the state waited for will not come, or (--audit) not converged;
69 no daemon answers; 75 timed out"""

_LOOK_S = 0.05
"""How often a daemon that is still starting is looked for: a socket that is not there can wake nobody."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="the whole state document, versioned")
    parser.add_argument("--uplink", metavar="NAME", help="wait for this one only (default: all)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--watch", action="store_true", help="show it again at each change, until interrupted")
    kind.add_argument("--history", action="store_true", help="the last 1,000 moves with reasons, restarts included")
    kind.add_argument("--audit", action="store_true", help="compare host and VPP now, then show what that found")
    wait = kind.add_argument("--wait", metavar="STATE", help="wait until the uplinks are in that state, then show it")
    suggest(wait, state_titles)
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="for --wait and --audit (default 60)"
    )


def run(options: argparse.Namespace) -> int:
    path = socket_path(options)
    if options.wait:
        _show(_wait(path, _state_title(options.wait), options), options)
        return DONE
    if options.history:
        return _show_history(path, options)
    try:
        client = Client(path)
    except UnreachableError as error:
        return _show_alone(error, options)
    with client:
        if options.watch:
            return _watch(client, path, options)
        if options.audit:
            document = client.call(varlink.AUDIT, within_s=options.timeout)
            _show(document, options)
            return DONE if all(_is_converged(uplink) for uplink in uplinks(document)) else FAILED
        _show(client.call(varlink.GET_STATE), options)
    return DONE


def _show_alone(error: UnreachableError, options: argparse.Namespace) -> int:
    from hostlink.cli.alone import alone_text, state_alone

    document = state_alone(options, error)
    print(json.dumps(document, indent=2) if options.json else alone_text(document), end="\n" if options.json else "")
    raise error


def _show_history(path: str, options: argparse.Namespace) -> int:
    """From the daemon, or from its file where none answers."""
    try:
        with Client(path) as client:
            document = client.call(varlink.GET_HISTORY)
    except UnreachableError as error:
        from hostlink.cli.alone import journal_folder
        from hostlink.history import VERSION, read_history

        document = {"version": VERSION, "moves": read_history(journal_folder(options, error))}
        print(f"hostlink: {error}; this is what it has left on disk", file=sys.stderr)
    print(json.dumps(document, indent=2) if options.json else history_text(moves(document)), end="")
    return DONE


def _is_converged(uplink: Uplink) -> bool:
    """What was found was put right, and nothing was only reported (HL-306)."""
    return uplink["state"] == "Steady" and not any(one.get("code") == "HL-306" for one in uplink.get("problems") or ())


def _show(document: Mapping[str, object], options: argparse.Namespace) -> None:
    uplinks(document)  # refuses what it does not understand, in JSON too
    if options.json:
        print(json.dumps(document, indent=None if options.watch else 2))
    else:
        print(state_text(document, datetime.now(UTC), colour=_wants_colour()), end="")


def _wants_colour() -> bool:
    """https://no-color.org"""
    return _obeys() and not os.environ.get("NO_COLOR")


def _obeys() -> bool:
    """Whether standard output is a terminal that does more than write what it is given."""
    return sys.stdout.isatty() and (os.environ.get("TERM") or "dumb") not in ("dumb", "unknown")


def _watch(client: Client, path: str, options: argparse.Namespace) -> int:
    if _obeys() and not options.json:
        from hostlink.cli.live import watch

        return watch(client, path)
    for document in client.subscribe(varlink.SUBSCRIBE):
        if not options.json:
            print(f"--- {datetime.now(UTC):%H:%M:%S} UTC")
        _show(document, options)
        sys.stdout.flush()
    return DONE


# ------------------------------------------------------------------------------------------------------------- waiting


def _wait(path: str, wanted: str, options: argparse.Namespace) -> Mapping[str, object]:
    deadline_s = time.monotonic() + options.timeout
    states = "no daemon has answered yet"
    with _client_by(path, deadline_s) as client:
        try:
            for document in client.subscribe(varlink.SUBSCRIBE, within_s=max(0.001, deadline_s - time.monotonic())):
                found = _chosen(document, options.uplink)
                states = ", ".join(
                    f"{uplink['name']} is in {uplink['state']} ({uplink.get('why')})" for uplink in found
                )
                if all(uplink["state"] == wanted for uplink in found):
                    return document
                _refuse_stuck(found, wanted)
        except AnswerTimeoutError:
            pass
    raise VerbError(TIMED_OUT, f"{wanted} was not reached in {options.timeout:g} s: {states}")


def _client_by(path: str, deadline_s: float) -> Client:
    """A daemon may still be starting: it is looked for until the deadline."""
    while True:
        try:
            return Client(path)
        except UnreachableError:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(_LOOK_S)


def _chosen(document: Mapping[str, object], name: str | None) -> list[Uplink]:
    found = uplinks(document)
    if name is None:
        return found
    chosen = [uplink for uplink in found if uplink["name"] == name]
    if not chosen:
        raise VerbError(FAILED, f"no uplink {name!r}; there are {', '.join(uplink['name'] for uplink in found)}")
    return chosen


def _refuse_stuck(found: list[Uplink], wanted: str) -> None:
    for uplink in found:
        if uplink["state"] != wanted and is_stuck(uplink):
            text = f"{uplink['name']} will not reach {wanted} by itself: {reason_of_hold(uplink)}"
            raise VerbError(FAILED, f"{text}; see `hostlink state`, then `hostlink resume`")


def _state_title(text: str) -> str:
    from hostlink.core.table import STATES

    titles = [state.title for state in STATES.values()]
    for title in titles:
        if title.lower() == text.lower():
            return title
    raise VerbError(USAGE, f"no state {text!r}: the machine has {', '.join(titles)}")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise ValueError(text)
    return value


_seconds.__name__ = "number of seconds"  # argparse names it in its message
