"""`hostlink run`: the daemon, in the foreground."""

from __future__ import annotations

import argparse

from hostlink.cli.configuration import add_config, configuration

EPILOG = """exit status: 0 stopped, and every NIC given back; 1 failed; 65 bad configuration"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    config = configuration(options)
    from hostlink.daemon import run_daemon

    return run_daemon(config)
