"""`hostlink plan`: what the daemon would do now to make VPP and the host agree; nothing when they do."""

from __future__ import annotations

import argparse

from hostlink import varlink
from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.exits import DONE, UNREACHABLE, VerbError

EPILOG = """exit status: 0 shown; 1 it cannot be told now; 69 no daemon answers"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)


def run(options: argparse.Namespace) -> int:
    with Client(socket_path(options)) as client:
        answer = client.call(varlink.GET_PLAN)
    found = answer.get("uplinks")
    if not isinstance(found, list):
        raise VerbError(UNREACHABLE, "the daemon's plan has no uplinks: use the command that belongs to the daemon")
    for uplink in found:
        for operation in uplink["plan"]:
            print(f"{uplink['name']}: {operation}")
    return DONE
