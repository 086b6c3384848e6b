"""`hostlink guard`: gives the NIC back when the daemon cannot; a unit of its own runs it beside the daemon."""

from __future__ import annotations

import argparse

from hostlink.cli.configuration import add_config, configuration
from hostlink.cli.log_option import add_log, use_log

EPILOG = """It runs until it is killed. Exit status: 1 cannot watch (not root, another guard runs); 65 bad configuration

It needs the same configuration as `hostlink run`, and a restart when that changes (paths, api_socket, timing)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_log(parser)


def run(options: argparse.Namespace) -> int:
    config = configuration(options)
    use_log(options)
    from hostlink.guard import run_guard

    return run_guard(config)
