"""`hostlink resume`: clears the holds that wait for an operator; the daemon looks again and takes over if it can."""

from __future__ import annotations

import argparse

from hostlink import varlink
from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.exits import DONE

EPILOG = """exit status: 0 the hold is cleared; 1 nothing was held; 69 no daemon answers"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)


def run(options: argparse.Namespace) -> int:
    with Client(socket_path(options)) as client:
        client.call(varlink.RESUME)
    print("the hold is cleared; `hostlink state --wait Steady` waits for the takeover")
    return DONE
