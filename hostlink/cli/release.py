"""`hostlink release`: the NIC is the host's again. By the daemon where one runs, else from the journal.

With a daemon it returns when every uplink has been given back and is held; the daemon runs on. `hostlink resume` lets
it take over again, and until then no daemon does, whenever it starts. With --boot, what a takeover before this boot has
left is put away, and nothing is held for that; a daemon that runs does that itself.
"""

from __future__ import annotations

import argparse
import os

from hostlink import varlink
from hostlink.cli.client import (
    AnswerTimeoutError,
    Client,
    UnreachableError,
    add_runtime_dir,
    named_runtime_dir,
)
from hostlink.cli.configuration import add_config, configuration
from hostlink.cli.documents import OPERATOR, Uplink, hold_kind, uplinks
from hostlink.cli.exits import DONE, FAILED, TIMED_OUT, VerbError
from hostlink.config import ConfigError, Paths, load_config

EPILOG = """exit status: 0 the NIC is back; 1 it is not, or not completely; 65 bad configuration; 75 timed out"""

_RESIDUE = ("HL-406", "HL-418")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_runtime_dir(parser)
    parser.add_argument(
        "--boot", action="store_true", help="only put away what a takeover before this boot has left (hostlink-boot)"
    )
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="for a running daemon to do it (default 120)"
    )


def run(options: argparse.Namespace) -> int:
    path = os.path.join(_runtime_dir(options), varlink.SOCKET_NAME)
    try:
        client = Client(path)
    except UnreachableError:
        return _clean_boot(options) if options.boot else _release_offline(options)
    with client:
        if options.boot:
            print("hostlink: a daemon runs: it has put away what was left before this boot, when it started")
            return DONE
        client.call(varlink.RELEASE)
        return _report(_wait_released(client, options.timeout))


def _runtime_dir(options: argparse.Namespace) -> str:
    """A faulty configuration must not keep anybody from releasing through a daemon that runs."""
    try:
        default = load_config(options.config).paths.runtime
    except ConfigError:
        default = Paths().runtime
    return named_runtime_dir(options, str(default))


def _release_offline(options: argparse.Namespace) -> int:
    config = configuration(options)
    from hostlink.offline import release_offline

    return release_offline(config)


def _clean_boot(options: argparse.Namespace) -> int:
    config = configuration(options)
    from hostlink.offline import clean_boot

    return clean_boot(config)


def _wait_released(client: Client, timeout_s: float) -> list[Uplink]:
    found: list[Uplink] = []
    try:
        for document in client.subscribe(varlink.SUBSCRIBE, within_s=timeout_s):
            found = uplinks(document)
            if all(uplink["state"] == "Detecting" and hold_kind(uplink) == OPERATOR for uplink in found):
                return found
    except AnswerTimeoutError:
        pass
    states = ", ".join(f"{uplink['name']} is in {uplink['state']} ({uplink.get('why')})" for uplink in found)
    raise VerbError(TIMED_OUT, f"not released in {timeout_s:g} s: {states}; the daemon tries on, see `hostlink state`")


def _report(found: list[Uplink]) -> int:
    residue = [
        f"{uplink['name']}: {problem.get('detail')}: {problem.get('to_do')}"
        for uplink in found
        for problem in uplink.get("problems") or ()
        if problem.get("code") in _RESIDUE
    ]
    for uplink in found:
        print(f"{uplink['name']} is the host's again")
    if residue:
        raise VerbError(FAILED, "not completely as it was: " + "; ".join(residue))
    return DONE
