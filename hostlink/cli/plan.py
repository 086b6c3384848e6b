"""`hostlink plan`: what the daemon would do now to make VPP and the host agree; nothing when they do.

What an operator should know besides, such as what VPP keeps for itself, goes to stderr: the plan is what is on stdout.
Before a takeover that is also what no VPP can.
"""

from __future__ import annotations

import argparse
import sys

from hostlink import varlink
from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.documents import clean, shown_problems, uplinks
from hostlink.cli.exits import DONE, UNREACHABLE, VerbError
from hostlink.problems import LIMITS

BEFORE = "Detecting"
EPILOG = """exit status: 0 shown; 1 it cannot be told now; 69 no daemon answers"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)


def run(options: argparse.Namespace) -> int:
    with Client(socket_path(options)) as client:
        answer = client.call(varlink.GET_PLAN)
        state = client.call(varlink.GET_STATE)
    found = answer.get("uplinks")
    if not isinstance(found, list):
        raise VerbError(UNREACHABLE, "the daemon's plan has no uplinks: use the command that belongs to the daemon")
    for uplink in found:
        for operation in uplink["plan"]:
            print(f"{uplink['name']}: {operation}")
    for uplink in uplinks(state):
        for one in shown_problems(uplink):
            text = f"{uplink['name']}: {one['severity']} {one['code']} {one['title']}: {one['detail']}"
            print(clean(text), file=sys.stderr)
        for limit in LIMITS if uplink.get("state") == BEFORE else ():
            print(f"{uplink['name']}: {limit.severity.value} {limit.code} {limit.title}", file=sys.stderr)
    return DONE
