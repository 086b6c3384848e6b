"""`hostlink resume`: clears the holds that wait for an operator; the daemon looks again and takes over if it can.

Without a daemon they are cleared on disk, and the next one takes over.
"""

from __future__ import annotations

import argparse

from hostlink import varlink
from hostlink.cli.client import Client, UnreachableError, add_runtime_dir, socket_path
from hostlink.cli.configuration import add_config
from hostlink.cli.exits import DONE, FAILED, VerbError
from hostlink.config import ConfigError, load_config

EPILOG = """exit status: 0 the hold is cleared; 1 nothing was held; 69 no daemon answers"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_runtime_dir(parser)


def run(options: argparse.Namespace) -> int:
    try:
        client = Client(socket_path(options))
    except UnreachableError as unreachable:
        return _resume_offline(options, unreachable)
    with client:
        client.call(varlink.RESUME)
    print("the hold is cleared; `hostlink state --wait Steady` waits for the takeover")
    return DONE


def _resume_offline(options: argparse.Namespace, unreachable: UnreachableError) -> int:
    """Only where the configuration says where holds are, and one is there; else it is the daemon that is missed."""
    try:
        config = load_config(options.config)
    except ConfigError:
        raise unreachable from None
    from hostlink.lock import LockedError
    from hostlink.offline import resume_offline

    try:
        cleared = resume_offline(config)
    except (LockedError, OSError) as error:
        raise VerbError(FAILED, f"the hold could not be cleared: {error}") from error
    if not cleared:
        raise unreachable
    print(f"the hold of {', '.join(cleared)} is cleared; no daemon runs: the next one takes over")
    return DONE
