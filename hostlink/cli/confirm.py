"""`hostlink confirm`: keeps a takeover that is on trial (`hostlink run --try`)."""

from __future__ import annotations

import argparse

from hostlink import varlink
from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.exits import DONE

EPILOG = """exit status: 0 confirmed, on disk; 1 nothing waits for it; 69 no daemon answers"""

WITHIN_S = 60.0
"""Both sides are compared once more before it is so."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)


def run(options: argparse.Namespace) -> int:
    with Client(socket_path(options)) as client:
        client.call(varlink.CONFIRM, within_s=WITHIN_S)
    print("confirmed: the takeover stays")
    return DONE
